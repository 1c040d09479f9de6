import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Agtmux, connect } from "../../../src/client/index.js";
import { type FakeAgent, Scene } from "../../daemon/support/scene.js";
import { History } from "../client/history.js";
import { readNow } from "../client/told.js";
import { Life, type LifeOptions } from "../failpoint/life.js";
import { keepReport, spooledNames } from "../report/report.js";
import { readStored, type Stored } from "../report/stored.js";
import { Random } from "../traffic/random.js";
import type { Request } from "../traffic/watchers.js";
import { validateAll } from "../validate/all.js";

/** What the watchers of panes ask for: everything, so that their folds can be held against lists. */
export const EVERYTHING = { filter: { includePlain: true } } satisfies Request;

/** A real tmux server with agents in it, and a state directory whose daemon has seen them and ended. */
export class Stage {
  private constructor(
    readonly scene: Scene,
    readonly agents: readonly FakeAgent[],
    private readonly template: string,
  ) {}

  static async set(agents = 2): Promise<Stage> {
    const template = mkdtempSync(join(tmpdir(), "agtmux-stage-"));
    const scene = await Scene.start({ stateDir: template });
    try {
      const found: FakeAgent[] = [];
      for (let index = 0; index < agents; index += 1) {
        const where = index === 0 ? ["new-session", "-s", "work"] : ["new-window"];
        found.push(await scene.agentIn("idle", ...where, "-d"));
      }
      await scene.daemon.end();
      return new Stage(scene, found, template);
    } catch (error) {
      await scene.close();
      rmSync(template, { recursive: true, force: true, maxRetries: 5 });
      throw error;
    }
  }

  /**
   * Plays a scenario in a state directory of its own and judges it. What is red is kept under test-results, unless it
   * is meant to be.
   */
  async play(
    name: string,
    seed: number,
    work: (play: Play) => Promise<void>,
    meantToBeRed = false,
  ): Promise<Outcome> {
    const root = mkdtempSync(join(tmpdir(), "agtmux-play-"));
    cpSync(join(this.template, "state"), join(root, "state"), { recursive: true });
    const play = new Play(this, root, seed);
    let breaches: string[] = [];
    const keep = (why: readonly string[]): void => {
      const folder = keepReport(`${name}-${seed}`, play.history, play.stateDir, why);
      console.error(`${name}, seed ${seed}: what it left is kept in ${folder}`);
    };
    try {
      await work(play);
      await play.over();
      breaches = [...play.breaches, ...play.judge()];
      if (breaches.length > 0 && !meantToBeRed) keep(breaches);
    } catch (error) {
      await play.over();
      keep([String(error)]);
      throw error;
    } finally {
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    }
    return { history: play.history, breaches };
  }

  async close(): Promise<void> {
    await this.scene.close();
    rmSync(this.template, { recursive: true, force: true, maxRetries: 5 });
  }
}

export interface Outcome {
  readonly history: History;
  readonly breaches: readonly string[];
}

/** One scenario's daemon lives, its traffic and what was seen of it. */
export class Play {
  readonly history = new History();
  /** What was found on the way; what is judged at the end comes on top. */
  readonly breaches: string[] = [];
  readonly random: Random;
  readonly stateDir: string;
  readonly #client: Agtmux;
  readonly #ends: (() => Promise<void>)[] = [];
  #lives: Life[] = [];

  constructor(
    readonly stage: Stage,
    readonly root: string,
    seed: number,
  ) {
    this.random = new Random(seed);
    this.stateDir = join(root, "state");
    this.#client = connect({ socket: join(this.stateDir, "agtmuxd.sock") });
  }

  /** Leads to whichever daemon serves now. */
  readonly client = (): Agtmux => this.#client;

  begin(options: Omit<LifeOptions, "root">): Life {
    const life = Life.begin({ ...options, root: this.root });
    this.#lives = [...this.#lives.filter(({ ended }) => ended === null), life];
    return life;
  }

  async serving(options: Omit<LifeOptions, "root">): Promise<Life> {
    const life = this.begin(options);
    if (!(await life.serves())) throw new Error(`agtmuxd ended with ${life.ended}: ${life.said}`);
    return life;
  }

  /** To be done when the scenario is over, however it ends. */
  atEnd(end: () => Promise<void>): void {
    this.#ends.push(end);
  }

  /** Ends everything that still goes on. */
  async over(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
    for (const life of this.#lives) await life.end("SIGKILL");
  }

  /** Reads the store; no daemon may run. */
  stored(check = false): Stored {
    return readStored(join(this.stateDir, "agtmux.db"), check);
  }

  spool(): Set<string> {
    return spooledNames(this.stateDir);
  }

  judge(): string[] {
    return validateAll(this.history, this.stored(true), { spool: this.spool() });
  }

  /** Reads what lists show, again and again, until the daemon no longer answers or `stop` says so. */
  async readOn(stop: AbortSignal): Promise<void> {
    try {
      while (!stop.aborted) {
        await readNow(this.#client, EVERYTHING, this.history);
        await new Promise((resolve) => setTimeout(resolve, this.random.between(20, 120)));
      }
    } catch {
      // It was killed.
    }
  }
}
