import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import { eventually } from "../../support/daemon.js";
import { openComplaints, strictComplaints } from "./schemas.js";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** The built command line. */
export const CLI = join(ROOT, process.env["AGTMUX_TEST_DIST"] ?? "dist", "agtmux.mjs");

/** What a test looks at besides the shape. */
export interface Output {
  readonly partial?: boolean;
  readonly items?: readonly Record<string, unknown>[];
  readonly target_errors?: readonly { readonly code: string }[];
  readonly [name: string]: unknown;
}

export interface Place {
  readonly root: string;
  readonly stateDir: string;
}

export function environment({ root, stateDir }: Place): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: root, AGTMUX_STATE_DIR: stateDir, TMUX_TMPDIR: root };
}

/** Runs the real program; its output, on stdout or stderr, must be all that `schema` knows. */
export function prints(schema: string, place: Place, line: string, status = 0): Output {
  const words = line.split(" ");
  const result = spawnSync(process.execPath, [CLI, ...words], {
    encoding: "utf8",
    env: environment(place),
    timeout: 25_000,
  });
  const text = schema === "error" ? result.stderr : result.stdout;
  expect([result.status, schema === "error" ? "" : result.stderr], text).toEqual([status, ""]);
  // Sound: what it claims is optional, and the schema is asked below.
  const json = JSON.parse(text) as Output;
  expect(strictComplaints(schema, json), line).toEqual([]);
  expect(openComplaints(schema, json), line).toEqual([]);
  return json;
}

/** `agtmux watch --format jsonl` as it runs. */
export class Stream {
  readonly #child: ChildProcess;
  #text = "";

  constructor(place: Place, ...words: string[]) {
    this.#child = spawn(process.execPath, [CLI, "watch", "--format", "jsonl", ...words], {
      env: environment(place),
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
    });
  }

  /** The whole lines so far. */
  get messages(): Output[] {
    // Sound: what it claims is optional, and the schema is asked at the end.
    return this.#text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Output);
  }

  async until(what: string, fits: (message: Output) => boolean, timeoutMs?: number): Promise<Output> {
    return eventually(what, () => this.messages.find(fits), timeoutMs);
  }

  /** Ends it; every message must have been all that the schema knows. */
  async end(): Promise<Output[]> {
    this.#child.kill("SIGINT");
    await eventually("watch to end", () => this.#child.exitCode !== null || undefined);
    for (const message of this.messages) {
      expect(strictComplaints("watch", message)).toEqual([]);
      expect(openComplaints("watch", message)).toEqual([]);
    }
    return this.messages;
  }
}
