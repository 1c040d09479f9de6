import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Agtmux, connect } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";

const READY_MS = 15_000;
const DEATH_MS = 15_000;

export interface LifeOptions {
  /** The program; see builds.ts. */
  readonly program: string;
  /** Holds the state directory as `state`; the caller owns it. */
  readonly root: string;
  /** What AGTMUX_FAILPOINT says; see src/server/failpoint.ts. */
  readonly failpoint?: string;
}

/** One daemon life, which may end at any point: before it serves, too. */
export class Life {
  readonly client: Agtmux;
  readonly stateDir: string;
  #stderr = "";

  private constructor(
    private readonly child: ChildProcess,
    root: string,
  ) {
    this.stateDir = join(root, "state");
    this.client = connect({ socket: join(this.stateDir, "agtmuxd.sock") });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
  }

  /** Starts the program and waits for nothing. */
  static begin({ program, root, failpoint }: LifeOptions): Life {
    const env = {
      PATH: process.env["PATH"] ?? "",
      HOME: root,
      AGTMUX_STATE_DIR: join(root, "state"),
      TMUX_TMPDIR: root,
      ...(failpoint === undefined ? {} : { AGTMUX_FAILPOINT: failpoint }),
    };
    const words = [program, "--log-level", "debug"];
    return new Life(spawn(process.execPath, words, { env, stdio: ["ignore", "ignore", "pipe"] }), root);
  }

  /** Starts it and waits until it serves; throws if it ends before. */
  static async serving(options: LifeOptions): Promise<Life> {
    const life = Life.begin(options);
    if (!(await life.serves())) throw new Error(`agtmuxd ended with ${life.ended}: ${life.said}`);
    return life;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Its exit status or the signal's name; null while it lives. */
  get ended(): number | string | null {
    return this.child.exitCode ?? this.child.signalCode;
  }

  /** What it wrote to stderr. */
  get said(): string {
    return this.#stderr;
  }

  /** Waits until it serves, or is gone. */
  async serves(): Promise<boolean> {
    return eventually(
      "the daemon to serve or to end",
      async () => {
        if (this.ended !== null) return "gone";
        const health = await this.client.daemon.getHealth({}).catch(() => undefined);
        return health?.pid === BigInt(this.pid) ? "serves" : undefined;
      },
      READY_MS,
    ).then((became) => became === "serves");
  }

  signal(name: NodeJS.Signals): void {
    if (this.ended === null) this.child.kill(name);
  }

  /** Waits until it is gone by itself, or by a signal that was sent. */
  async death(why = "the daemon to be gone"): Promise<number | string | null> {
    await eventually(why, () => this.ended !== null, DEATH_MS);
    return this.ended;
  }

  async end(signal: NodeJS.Signals): Promise<number | string | null> {
    this.signal(signal);
    return this.death();
  }
}
