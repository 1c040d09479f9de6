import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { performance } from "node:perf_hooks";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type EventEnvelope, IngestEventsRequestSchema } from "../../gen/agtmux/v1/ingest_pb.js";
import { hookScript } from "../../src/server/ingest/hook-script.js";

/** The shells of this machine that can be /bin/sh somewhere, with how to run a script in each. */
export const SHELLS: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "dash", command: ["dash"] },
  { name: "bash", command: ["bash", "--posix"] },
  { name: "busybox", command: ["busybox", "sh"] },
].filter(({ command }) => which(command[0] ?? "") !== undefined);

export function which(name: string): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      readFileSync(path);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

export interface HookRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
  /** What the writer of stdin got to feel: EPIPE, say. */
  readonly stdinError: string;
}

export interface RunOptions {
  readonly shell: readonly string[];
  readonly args?: readonly string[];
  readonly stdin?: Buffer | string | "open" | "closed";
  readonly env?: Readonly<Record<string, string>>;
  /** The program started directly, by its own first line. */
  readonly direct?: boolean;
  readonly closedOutput?: boolean;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export const ok: Answer = (_request, response) => {
  response.setHeader("content-type", "application/json");
  response.end("{}");
};

/** A state directory with the hook script in it, and the daemons that watch it. */
export class HookScriptHost {
  readonly root = mkdtempSync(join(tmpdir(), "agtmux-hook-"));
  readonly stateDir: string;
  readonly script: string;
  private readonly servers: Server[] = [];

  constructor(stateName = "state dir") {
    this.stateDir = join(this.root, stateName);
    this.script = join(this.stateDir, "agtmux-hook");
    mkdirSync(join(this.stateDir, "ingest.d"), { recursive: true });
    mkdirSync(join(this.stateDir, "spool.d"));
    writeFileSync(this.script, hookScript(this.stateDir), { mode: 0o700 });
  }

  /** A reader's spool folder; with an answer also its socket. Requests are kept in order. */
  async reader(id: string, answer?: Answer): Promise<EventEnvelope[]> {
    mkdirSync(join(this.stateDir, "spool.d", id));
    const events: EventEnvelope[] = [];
    if (answer === undefined) return events;
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        events.push(...parse(Buffer.concat(chunks).toString("utf8")));
        answer(request, response);
      });
    });
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(this.socket(id), resolve));
    return events;
  }

  socket(id: string): string {
    return join(this.stateDir, "ingest.d", `${id}.x1.sock`);
  }

  spooled(id: string): readonly { readonly name: string; readonly event: EventEnvelope }[] {
    const folder = join(this.stateDir, "spool.d", id);
    return readdirSync(folder)
      .sort()
      .flatMap((name) =>
        parse(readFileSync(join(folder, name), "utf8")).map((event) => ({
          name,
          event,
        })),
      );
  }

  /** A PATH with links to the named programs only. */
  pathWith(...programs: readonly string[]): string {
    const folder = mkdtempSync(join(this.root, "bin-"));
    for (const program of programs) {
      const path = which(program);
      if (path !== undefined) symlinkSync(path, join(folder, program));
    }
    return folder;
  }

  run(options: RunOptions): Promise<HookRun> {
    const args = options.args ?? ["claude", "Stop"];
    const line = options.direct ? [this.script, ...args] : [...options.shell, this.script, ...args];
    // Started through a shell that closes or keeps what a spawn always connects.
    const closing = `${options.stdin === "closed" ? "<&- " : ""}${options.closedOutput ? ">&- 2>&-" : ""}`;
    const [command = "", ...rest] =
      closing === "" ? line : ["sh", "-c", `exec "$@" ${closing}`, "sh", ...line];
    const found = command.includes("/") ? command : (which(command) ?? command);
    const env = { HOME: join(this.root, "home"), PATH: process.env["PATH"] ?? "", ...options.env };
    return new Promise((resolve, reject) => {
      const began = performance.now();
      const child = spawn(found, rest, { env, stdio: ["pipe", "pipe", "pipe"] });
      let stdout = "";
      let stderr = "";
      child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString("latin1")));
      child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("latin1")));
      let stdinError = "";
      child.stdin.on("error", (cause) => (stdinError = cause.message));
      child.on("error", reject);
      let code: number | null = null;
      let milliseconds = 0;
      child.on("exit", (status) => {
        code = status;
        milliseconds = performance.now() - began;
        if (options.stdin === "open") child.stdin.destroy();
      });
      child.on("close", () => resolve({ code, stdout, stderr, milliseconds, stdinError }));
      if (options.stdin !== "open" && options.stdin !== "closed") child.stdin.end(options.stdin ?? "{}");
    });
  }

  async close(): Promise<void> {
    for (const server of this.servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}

function parse(text: string): readonly EventEnvelope[] {
  const json: JsonValue = JSON.parse(text);
  return fromJson(IngestEventsRequestSchema, json).events;
}
