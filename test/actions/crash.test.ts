import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import SqliteDatabase from "better-sqlite3";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { AgentState, type Agtmux, Outcome, ResultCode, toAgtmuxError } from "../../src/client/index.js";
import { Scene } from "../daemon/support/scene.js";
import { failpointBuild } from "../robustness/failpoint/builds.js";
import { Life } from "../robustness/failpoint/life.js";
import { Random } from "../robustness/traffic/random.js";
import { eventually } from "../support/daemon.js";
import { SEED } from "../support/property.js";
import { ActionScene, type BoxAgent, paneNow, targetNow } from "./support/actor.js";

/** Random kills; nightly runs ask for more. */
const ROUNDS = Number(process.env["AGTMUX_TEST_KILLS"] ?? "12");

/** What a whole send takes, whose text shows and is submitted, with some to spare. */
const SEND_MS = 300;

/**
 * Failpoints count, and act, from the moment on at which the file `armed` is in the daemon's home: what it commits at its
 * start is not what is meant here.
 */
const ARMED_LATER = {
  file: "failpoint.ts",
  find: "function hit(name: FailpointName): void {",
  replace: `function hit(name: FailpointName): void {
    if (!process.getBuiltinModule("node:fs").existsSync(process.env["HOME"] + "/armed")) return;`,
};

/** What is on disk of an action; undefined if nothing is. */
type OnDisk = "planned" | "started" | "ok" | undefined;

interface Fate {
  /** What the dead daemon left on disk. */
  readonly onDisk: OnDisk;
  /** What the caller was told; undefined if it was cut off. */
  readonly told: ResultCode | undefined;
  /** What the next daemon says, asked before any replay. */
  readonly listed: ResultCode | undefined;
  readonly events: readonly string[];
  readonly replayed: ResultCode | undefined;
  /** How often the text had reached the agent's terminal when the daemon had died, later, and after the replay. */
  readonly arrived: readonly [dead: number, later: number, replayed: number];
  /** How often it was submitted in the end. */
  readonly submitted: number;
}

describe(`kill -9 during a send (seed ${SEED})`, () => {
  const root = mkdtempSync(join(tmpdir(), "agtmux-crash-"));
  let lab: ActionScene;
  let agent: BoxAgent;
  let program: string;
  let rounds = 0;
  let lives: Life[] = [];

  beforeAll(async () => {
    program = await failpointBuild([ARMED_LATER]);
    lab = ActionScene.of(await Scene.start({ stateDir: root }));
    agent = await lab.agent();
    await lab.scene.daemon.end();
  });
  afterEach(async () => {
    rmSync(join(root, "armed"), { force: true });
    for (const life of lives) await life.end("SIGKILL");
    lives = [];
  });
  afterAll(async () => {
    await lab.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A daemon that shows the agent as it is, and has told itself all that is to be told of it. */
  async function serving(failpoint?: string): Promise<Life> {
    const life = await Life.serving({ program, root, ...(failpoint === undefined ? {} : { failpoint }) });
    lives.push(life);
    await eventually("the agent to be listed", async () => {
      const pane = await paneNow(life.client, agent.paneId).catch(() => undefined);
      return pane?.agent?.state === AgentState.IDLE && pane.agent.agentPid === BigInt(agent.pid);
    });
    await eventually("the daemon to come to rest", async () => {
      const { channels } = await life.client.daemon.getHealth({});
      const heard = (name: string): number => {
        const counts = channels.find(({ channel }) => channel === name);
        return Number((counts?.accepted ?? 0n) + (counts?.duplicates ?? 0n));
      };
      return heard("session_file") >= 1 && heard("screen") >= 1;
    });
    return life;
  }

  function onDisk(requestRef: string): OnDisk {
    const db = new SqliteDatabase(join(root, "state", "agtmux.db"), { readonly: true });
    try {
      const row = db
        .prepare<[string], { status: string; result_code: OnDisk }>(
          "SELECT status, result_code FROM actions WHERE request_ref = ?",
        )
        .get(requestRef);
      // Sound: these are all values of the two columns.
      return row?.status === "done" ? row.result_code : (row?.status as OnDisk);
    } finally {
      db.close();
    }
  }

  /** One send, a daemon that dies of it, the next daemon, and a replay. */
  async function play(
    failpoint: string | undefined,
    strike: (life: Life) => Promise<unknown>,
  ): Promise<Fate> {
    rounds += 1;
    const text = `<round ${rounds}>`;
    const requestRef = `crash ${rounds}`;
    await agent.show({ draft: "" });
    const life = await serving(failpoint);
    const request = { text, enter: true };
    const target = await targetNow(life.client, agent.paneId, { requestRef });
    writeFileSync(join(root, "armed"), "");
    const call = resultOf(life.client, { target, ...request });
    await strike(life);
    await life.death();
    rmSync(join(root, "armed"));
    const told = await call;
    const dead = agent.times(text);
    const left = onDisk(requestRef);
    const next = await serving();
    const { actions } = await next.client.actions.listActions({ limit: 1 });
    const listed = actions.find((action) => action.requestRef === requestRef);
    const filter = { actionId: listed?.actionId ?? "none" };
    const { events } = await next.client.events.listEvents({ filter });
    const later = agent.times(text);
    const again = await targetNow(next.client, agent.paneId, { requestRef });
    const replayed = await resultOf(next.client, { target: again, ...request });
    const fate: Fate = {
      onDisk: left,
      told,
      listed: listed?.resultCode,
      events: events.map(({ eventType }) => eventType).toReversed(),
      replayed,
      arrived: [dead, later, agent.times(text)],
      submitted: agent.submitted.filter((line) => line === text).length,
    };
    await next.end("SIGKILL");
    return fate;
  }

  /** What a fate must be by what was on disk; what cannot be told from that is left to it. */
  function expectTruth(fate: Fate): void {
    const { OK, FAILED, RESULT_UNKNOWN } = ResultCode;
    const begun = "action.send.begun";
    const { arrived, submitted } = fate;
    const [dead, later, replayed] = arrived;
    // What was handed to tmux goes its way without the daemon.
    expect([dead <= later, later <= 1, replayed]).toEqual([
      true,
      true,
      fate.onDisk === undefined ? 1 : later,
    ]);
    if (fate.onDisk === undefined) {
      // Nothing is known of it, so nothing was done: asked again, it is carried out, once.
      expect(fate).toMatchObject({ told: undefined, listed: undefined, events: [], replayed: OK });
      expect([arrived, submitted]).toEqual([[0, 0, 1], 1]);
    } else if (fate.onDisk === "planned") {
      const events = ["action.send.failed"];
      expect(fate).toMatchObject({ told: undefined, listed: FAILED, events, replayed: FAILED });
      expect([arrived, submitted]).toEqual([[0, 0, 0], 0]);
    } else if (fate.onDisk === "started") {
      const events = [begun, "action.send.result_unknown"];
      expect(fate).toMatchObject({
        told: undefined,
        listed: RESULT_UNKNOWN,
        events,
        replayed: RESULT_UNKNOWN,
      });
      expect(submitted).toBeLessThanOrEqual(later);
    } else {
      expect(fate).toMatchObject({ listed: OK, events: [begun, "action.send.ok"], replayed: OK });
      expect([undefined, OK]).toContain(fate.told);
      expect([arrived, submitted]).toEqual([[1, 1, 1], 1]);
    }
  }

  it.each<[string, OnDisk | "not", number]>([
    ["store.before-commit=kill@1", "not", 0],
    ["store.after-commit=kill@1", "planned", 0],
    ["store.before-commit=kill@2", "planned", 0],
    ["store.after-commit=kill@2", "started", 0],
    ["action.after-begin=kill@1", "started", 0],
    ["action.before-finish=kill@1", "started", 1],
    ["store.before-commit=kill@3", "started", 1],
    ["store.after-commit=kill@3", "ok", 1],
    ["action.after-finish=kill@1", "ok", 1],
  ])(
    "TC-025 TC-060 at %s leaves it %s on disk, and it is done at most once for ever",
    async (failpoint, left, arrived) => {
      const fate = await play(failpoint, (life) => life.death());
      expect([fate.onDisk ?? "not", fate.arrived[0]]).toEqual([left, arrived]);
      expectTruth(fate);
      // A fixed point is reached before anybody is answered.
      expect(fate.told).toBeUndefined();
    },
  );

  it(
    `TC-025 TC-060 at ${ROUNDS} random moments it is done at most once for ever, and what is said of it is true`,
    async () => {
      const random = new Random(SEED);
      const seen = new Map<OnDisk, number>();
      for (let round = 0; round < ROUNDS; round += 1) {
        const fate = await play(undefined, async (life) => {
          await delay(random.between(0, SEND_MS));
          life.signal("SIGKILL");
        });
        expectTruth(fate);
        seen.set(fate.onDisk, (seen.get(fate.onDisk) ?? 0) + 1);
      }
      console.info(`what was on disk at ${ROUNDS} random kills: ${JSON.stringify([...seen])}`);
      expect(seen.get("started")).toBeGreaterThan(0);
    },
    60_000 + ROUNDS * 10_000,
  );

  it("TC-025 at a polite end is finished first, answered, and stored", async () => {
    const fate = await play(undefined, async (life) => {
      await eventually("the text to arrive", () => agent.times(`<round ${rounds}>`) === 1);
      life.signal("SIGTERM");
    });
    expect(fate).toMatchObject({ onDisk: "ok", told: ResultCode.OK });
    expectTruth(fate);
  });
});

/** What an action came to; undefined if no answer came. */
async function resultOf(
  { actions }: Agtmux,
  request: Parameters<Agtmux["actions"]["send"]>[0],
): Promise<ResultCode | undefined> {
  try {
    const { result, submitted } = await actions.send(request);
    if (result?.resultCode === ResultCode.OK) expect(submitted).toBe(Outcome.YES);
    return result?.resultCode;
  } catch (error) {
    expect(toAgtmuxError(error).codeName).toBe("E_DAEMON_UNAVAILABLE");
    return undefined;
  }
}
