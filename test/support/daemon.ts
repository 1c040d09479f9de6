import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Agtmux, connect } from "../../src/client/index.js";
import { DAEMON_NODE_OPTIONS } from "../../src/client/spawn.js";

const BUILT = join(import.meta.dirname, "..", "..", process.env["AGTMUX_TEST_DIST"] ?? "dist", "agtmuxd.mjs");
const READY_MS = 15_000;
const END_MS = 10_000;

/** Waits until `check` gives a value; throws with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  check: () => T | undefined | Promise<T | undefined>,
  timeoutMs: number = READY_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`after ${timeoutMs} ms still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface TestDaemonOptions {
  /** Keeps a state directory over several daemon lives; the caller owns it. */
  readonly stateDir?: string;
  /** Set apart from the defaults; an undefined one is left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where it is expected to serve, if the environment says so. */
  readonly socketPath?: string;
  /** `debug` unless it says otherwise. */
  readonly logLevel?: "trace";
}

/** The built daemon in a private state directory, with no tmux server of its own. */
export class TestDaemon {
  readonly client: Agtmux;

  private constructor(
    readonly root: string,
    readonly stateDir: string,
    readonly socketPath: string,
    readonly child: ChildProcess,
    private readonly ownsRoot: boolean,
  ) {
    this.client = connect({ socket: socketPath });
  }

  /** Resolves when it serves. */
  static async start(options: TestDaemonOptions = {}): Promise<TestDaemon> {
    const root = options.stateDir ?? mkdtempSync(join(tmpdir(), "agtmux-test-"));
    const stateDir = join(root, "state");
    const socketPath = options.socketPath ?? join(stateDir, "agtmuxd.sock");
    const { env, child } = TestDaemon.spawn(root, options.env, options.logLevel);
    const daemon = new TestDaemon(root, stateDir, socketPath, child, options.stateDir === undefined);
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await eventually(
      `the daemon to serve (${JSON.stringify(env["AGTMUX_STATE_DIR"])})`,
      async () => {
        if (child.exitCode !== null) throw new Error(`agtmuxd ended with ${child.exitCode}: ${stderr}`);
        if (!existsSync(socketPath)) return undefined;
        const health = await daemon.client.daemon.getHealth({}).catch(() => undefined);
        return health?.pid === BigInt(child.pid ?? 0) ? health : undefined;
      },
      READY_MS,
    );
    return daemon;
  }

  /** Starts the program and waits for nothing. */
  static spawn(
    root: string,
    extra: Readonly<Record<string, string | undefined>> = {},
    logLevel = "debug",
  ): { env: NodeJS.ProcessEnv; child: ChildProcess } {
    const env: NodeJS.ProcessEnv = {
      PATH: process.env["PATH"] ?? "",
      HOME: root,
      AGTMUX_STATE_DIR: join(root, "state"),
      TMUX_TMPDIR: root,
      ...extra,
    };
    const child = spawn(process.execPath, [...DAEMON_NODE_OPTIONS, BUILT, "--log-level", logLevel], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    return { env, child };
  }

  get log(): string {
    const folder = join(this.stateDir, "log");
    if (!existsSync(folder)) return "";
    return readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .join("");
  }

  /** Runs the program to its end; for starts that are refused or only say something. */
  static async run(
    root: string,
    extra: Readonly<Record<string, string | undefined>> = {},
  ): Promise<{ status: number | null; stderr: string }> {
    const { child } = TestDaemon.spawn(root, extra);
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const late = setTimeout(() => child.kill("SIGKILL"), READY_MS);
    const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
    clearTimeout(late);
    return { status, stderr };
  }

  /** Ends it and waits until it is gone; returns its exit status, or the signal's name. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | string | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await eventually(
      "the daemon to be gone",
      () => (this.child.exitCode !== null || this.child.signalCode !== null ? true : undefined),
      END_MS,
    );
    return this.child.exitCode ?? this.child.signalCode;
  }

  /** Ends it and removes what it left. */
  async close(): Promise<void> {
    try {
      await this.end();
    } finally {
      if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
      if (this.ownsRoot) rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}
