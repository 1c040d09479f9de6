import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { WatchScope } from "../../../src/client/index.js";
import type { FailpointName } from "../../../src/server/failpoint.js";
import { eventually } from "../../support/daemon.js";
import { readNow } from "../client/told.js";
import { productBuild } from "../failpoint/builds.js";
import type { Life } from "../failpoint/life.js";
import type { Stored } from "../report/stored.js";
import { Churn } from "../traffic/churn.js";
import { Hooks } from "../traffic/hooks.js";
import type { Random } from "../traffic/random.js";
import { Spool } from "../traffic/spool.js";
import { EventListener, LogicalWatcher, type Request } from "../traffic/watchers.js";
import { validateExactlyOnce } from "../validate/exactly-once.js";
import { validateSpool } from "../validate/spool.js";
import { validateStates } from "../validate/states.js";
import { validateVisible } from "../validate/visible.js";
import { validateWatch } from "../validate/watch.js";
import { EVERYTHING, type Play } from "./stage.js";

const SENDERS = 3;
/** Longest life of a daemon before it is killed at random, in milliseconds. */
const LONGEST_LIFE_MS = 1_200;
/** Changes of tmux and of agents in the life that is not killed, and the time between two. */
const LAST_STEPS = 80;
const LAST_STEP_MS = 20;
/** Until an agent says the other thing, in milliseconds; its file is read within less. */
const SAY_AGAIN_MS = 500;

/** Points that senders of signals can reach; those of actions are reached by their own rounds. */
export type SignalPoint = Exclude<FailpointName, `action.${string}`>;

/** The latest hit at which a point kills, and what has to be done for it to be reached. */
const POINTS: Readonly<Record<SignalPoint, { readonly hits: number; readonly by?: "spool" | "stop" }>> = {
  "lock.after-acquire": { hits: 1 },
  "start.before-serve": { hits: 1 },
  "socket.before-rename": { hits: 2 },
  "store.before-commit": { hits: 60 },
  "store.after-commit": { hits: 60 },
  "ingest.before-answer": { hits: 40 },
  "spool.before-remove": { hits: 4, by: "spool" },
  "spool.after-remove": { hits: 4, by: "spool" },
  "watch.before-send": { hits: 60 },
  "socket.before-unlink": { hits: 2, by: "stop" },
  "stop.before-close": { hits: 1, by: "stop" },
};
const WATCHERS: readonly { readonly name: string; readonly request: Request; readonly restless: number }[] = [
  { name: "steady", request: EVERYTHING, restless: 0 },
  { name: "restless", request: EVERYTHING, restless: 0.8 },
  { name: "waiting only", request: { filter: { needsAction: true } }, restless: 0.4 },
  { name: "windows", request: { ...EVERYTHING, scope: WatchScope.WINDOWS }, restless: 0.4 },
];

/** The lives of one play, with all traffic, and what the store held after the last one. */
export class Rounds {
  readonly #watchers: readonly LogicalWatcher[];
  readonly #listener: EventListener;
  readonly #hooks: Hooks;
  readonly #churn: Churn;
  readonly #spool: Spool;
  readonly #random: Random;
  #before: Stored | undefined;
  #judged = 0;

  constructor(
    private readonly play: Play,
    private readonly armable: string,
  ) {
    const { history, random, stage, client } = play;
    const pids = stage.agents.map(({ pid }) => pid);
    this.#random = random.branch();
    this.#hooks = new Hooks(pids, history, random.branch());
    this.#churn = new Churn(stage.scene, stage.agents, random.branch());
    this.#spool = new Spool(play.stateDir, pids, history, random.branch());
    this.#listener = new EventListener(client, history);
    this.#watchers = WATCHERS.map(
      ({ name, request, restless }) =>
        new LogicalWatcher(name, client, request, history, random.branch(), restless),
    );
    for (const each of [...this.#watchers, this.#listener]) {
      each.start();
      play.atEnd(() => each.stop());
    }
  }

  /** One life that is killed, at a point or at random, and judged. */
  async one(point: SignalPoint | undefined): Promise<void> {
    const random = this.#random;
    const { hits = 0, by } = point === undefined ? {} : POINTS[point];
    this.#spool.leave(by === "spool" ? hits + 2 : random.between(0, 2));
    const arming = point === undefined ? undefined : `${point}=kill@${random.between(1, hits)}`;
    this.play.history.add({ kind: "note", text: arming ?? "killed at random" });
    const life = this.play.begin(
      arming === undefined ? { program: productBuild() } : { program: this.armable, failpoint: arming },
    );
    // Some do not live to serve.
    if (arming === undefined && random.chance(0.2)) {
      await pause(random.between(0, 600));
      life.signal("SIGKILL");
    }
    if (await life.serves()) await this.#underLoad(life, arming, by === "stop");
    expect(await life.death(`the daemon to come to ${arming}`), `${arming}: ${life.said}`).toBe("SIGKILL");
    await this.#quiet();
    this.#judge(arming ?? "random");
  }

  async #underLoad(life: Life, arming: string | undefined, stop: boolean): Promise<void> {
    const ending = new AbortController();
    const traffic = [
      ...Array.from({ length: SENDERS }, () => this.#hooks.send(this.play.client(), ending.signal)),
      this.#churn.run(ending.signal),
      this.play.readOn(ending.signal),
    ];
    try {
      if (arming === undefined || stop) {
        await pause(this.#random.between(stop ? 100 : 0, LONGEST_LIFE_MS));
        life.signal(stop ? "SIGTERM" : "SIGKILL");
      }
      await life.death(`the daemon to come to ${arming ?? "its end"}`);
    } finally {
      ending.abort();
      await Promise.all(traffic);
    }
  }

  /** Whatever a daemon sent has arrived once every connection to it has ended. */
  async #quiet(): Promise<void> {
    await eventually("all connections to be gone", () =>
      [...this.#watchers, this.#listener].every(({ connected }) => !connected),
    );
  }

  /** What is cheap is judged after every life: what a later one writes over cannot be seen any more. */
  #judge(how: string): void {
    const { history } = this.play;
    const stored = this.play.stored();
    const life = history.since(this.#judged);
    this.#judged = history.records.length;
    const breaches = [
      ...validateExactlyOnce(history, stored, this.play.spool()),
      ...validateSpool(history, stored),
      ...validateStates(stored, this.#before),
      ...validateVisible(life, stored),
      ...validateWatch(life),
    ];
    this.#before = stored;
    this.play.breaches.push(...breaches.map((line) => `${line} (${how})`));
  }

  /** A last life in which everything comes to rest; it is ended in order. */
  async settle(): Promise<{ shown: readonly string[]; told: readonly string[] }> {
    const { client, history, stage } = this.play;
    const life = await this.play.serving({ program: productBuild() });
    for (let step = 0; step < LAST_STEPS; step += 1) {
      this.#churn.step();
      await pause(LAST_STEP_MS);
    }
    const told = (): string[] =>
      stage.scene.tmux("list-panes", "-a", "-F", "#{pane_id} #{pane_pid}").split("\n").sort();
    const filter = { ...EVERYTHING.filter, targets: ["lab"] };
    const shown = async (): Promise<string[]> => {
      const { panes } = await client().state.listPanes({ filter });
      return panes.map(({ identity, panePid }) => `${identity?.paneId} ${panePid}`).sort();
    };
    const agree = async (): Promise<boolean> => isDeepStrictEqual(await shown(), told());
    // If they never do, the test that compares them says how they differ.
    await eventually("lists to show what tmux has", agree, 10_000).catch(() => undefined);
    const result = { shown: await shown(), told: told() };
    await eventually("the spool to be taken", () => this.play.spool().size === 0);
    await readNow(client(), EVERYTHING, history);
    const at = Number(history.of("read").at(-1)?.sequence);
    await this.#beyond(at);
    expect(await life.end("SIGTERM")).toBe(0);
    await this.#quiet();
    return result;
  }

  /** One more change, so that every watcher shows that it had all before it. */
  async #beyond(sequence: number): Promise<void> {
    const [agent] = this.play.stage.agents;
    const watchers = this.#watchers.filter(({ name }) => name === "steady" || name === "restless");
    let says = 0;
    let said = Number.NEGATIVE_INFINITY;
    await eventually("the watchers to be beyond the last read", () => {
      // A file that changes faster than it is read can show the same status at every look, and nothing to tell.
      if (performance.now() - said > SAY_AGAIN_MS) {
        said = performance.now();
        says += 1;
        agent?.say(says % 2 === 0 ? "busy" : "idle");
      }
      return watchers.every(({ cursor }) => Number(cursor.split(":")[1]) > sequence);
    });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
