import { existsSync, readdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type ActionResult,
  AgtmuxError,
  KillMode,
  Outcome,
  type Pane,
  ResultCode,
} from "../../src/client/index.js";
import { TestDaemon } from "../support/daemon.js";
import { SEED } from "../support/property.js";
import { type Deed, judge, type Round } from "./support/judge.js";
import { Random } from "./support/random.js";
import { type Kind, type Scene, Slot } from "./support/slot.js";
import { Tally } from "./support/tally.js";
import { pickTrick } from "./support/tricks.js";
import { micros } from "./support/victims.js";

const ROUNDS = Number(process.env["AGTMUX_TEST_ADVERSARY"] ?? "300");
/** Servers that are worked on beside each other. */
const KINDS: readonly Kind[] = ["own", "shell", "sh", "shell", "own", "shell"];

const DEEDS: readonly (readonly [number, Deed])[] = [
  [8, "text"],
  [3, "paste"],
  [6, "enter"],
  [4, "key"],
  [5, "approve"],
  [3, "interrupt"],
  [2, "kill"],
];
const SCENES: Partial<Record<Deed, Scene>> = { approve: "dialog", interrupt: "running" };
const RESULTS: Partial<Record<ResultCode, Round["result"]>> = {
  [ResultCode.OK]: "ok",
  [ResultCode.FAILED]: "failed",
  [ResultCode.RESULT_UNKNOWN]: "result_unknown",
};
const EFFECTS: Partial<Record<Outcome, Round["effect"]>> = {
  [Outcome.YES]: "yes",
  [Outcome.NO]: "no",
  [Outcome.UNKNOWN]: "unknown",
};

let daemon: TestDaemon;
let slots: Slot[] = [];

beforeAll(async () => {
  daemon = await TestDaemon.start();
  slots = await Promise.all(KINDS.map((kind, index) => Slot.open(daemon, `${kind}-${index}`, kind)));
});
afterAll(async () => {
  await daemon.close();
  await Promise.all(slots.map((slot) => slot.close()));
});

interface Answer {
  readonly result: Round["result"];
  readonly message: string;
  readonly effect: Round["effect"];
  readonly doneAt: number | undefined;
}

/** Has the daemon do it to the pane as it was listed. Throws what is neither a result nor a refusal. */
async function perform(deed: Deed, pane: Pane, text: string, random: Random): Promise<Answer> {
  const ref = random.chance(0.5) ? pane.ref : `runtime:${pane.agent?.runtimeId}`;
  const requestRef = `${Date.now()}-${random.next()}`;
  const forceStale = random.chance(0.3);
  const expect_ = pane.observation === undefined ? {} : { expect: pane.observation };
  const target = { ref, requestRef, forceStale, ...expect_ };
  const { actions } = daemon.client;
  const promptId = pane.agent?.promptId ?? "";
  const calls = {
    text: () => actions.send({ target, text }),
    paste: () => actions.send({ target, text, paste: true }),
    enter: () => actions.send({ target, text, enter: true }),
    key: () => actions.send({ target, key: "Tab" }),
    approve: () => actions.approve({ target, promptId }),
    interrupt: () => actions.interrupt({ target }),
    kill: () => actions.kill({ target, mode: KillMode.KEY, confirmed: true }),
  };
  try {
    const answer = await calls[deed]();
    const effects = ["submitted", "closed", "stopped", "ended"].map((name) => Reflect.get(answer, name));
    const outcome = effects.find((value) => value !== undefined && value !== Outcome.UNSPECIFIED);
    const result = RESULTS[answer.result?.resultCode ?? ResultCode.UNSPECIFIED];
    if (result === undefined)
      throw new Error(`an answer without a result: ${JSON.stringify(answer.result?.message)}`);
    const message = answer.result?.message ?? "";
    return { result, message, effect: EFFECTS[outcome as Outcome], doneAt: onNotesClock(answer.result) };
  } catch (error) {
    if (!(error instanceof AgtmuxError)) throw error;
    const { codeName, details, message } = error;
    const reason = details["reason"] === undefined ? codeName : `${codeName} ${details["reason"]}`;
    if (/^E_(?:INTERNAL|DAEMON|INVALID)/u.test(codeName))
      throw new Error(`${reason}: ${message}`, { cause: error });
    return { result: "refused", message: reason, effect: undefined, doneAt: undefined };
  }
}

/** When the daemon had that result, as notes count time. */
function onNotesClock(result: ActionResult | undefined): number | undefined {
  const { completedAt } = result ?? {};
  if (completedAt === undefined) return undefined;
  const wall = Number(completedAt.seconds) * 1_000_000 + completedAt.nanos / 1_000;
  return micros() - ((performance.timeOrigin + performance.now()) * 1_000 - wall);
}

async function play(slot: Slot, number: number, random: Random, tally: Tally): Promise<void> {
  const deed = random.pick(DEEDS);
  const letters = Array.from({ length: 4 }, () => String.fromCharCode(65 + Math.floor(random.next() * 26)));
  const marker = `R${String(number).padStart(5, "0")}X${letters.join("")}`;
  // A shell that was given it and an Enter would make a file.
  const text = ["text", "paste", "enter"].includes(deed) ? `${marker}; touch c${number}` : "";
  const trick = pickTrick(random);
  const scene = SCENES[deed] ?? "idle";
  const pane = await slot.ready(scene);
  const { agent } = slot;
  if (agent === undefined) return; // it went by itself, as it may after the round before
  const from = slot.victims.read().length;
  const first = random.chance(0.25);
  const wait = random.between(0, first ? 25 : deed === "enter" ? 350 : 80);
  const strike = async (): Promise<void> => {
    if (!first) await delay(wait);
    await trick.run(slot, random);
  };
  const act = async () => {
    if (first) await delay(wait);
    const answer = await perform(deed, pane, text, random);
    return { ...answer, endedAt: micros() };
  };
  const [answer] = await Promise.all([act(), strike()]);
  await slot.settle();
  const echoes = await slot.echoes();
  const notes = slot.victims.read().slice(from);
  const meant = { pid: agent.pid, start: agent.start, pane: agent.pane };
  const dialog = scene === "dialog" ? Number(/part-(\d+)/u.exec(pane.agent?.promptText ?? "")?.[1]) : 0;
  const masked = slot.kind === "sh";
  const { struckAt } = slot;
  const round: Round = { deed, text, meant, masked, dialog, struckAt, ...answer, notes, echoes };
  const verdict = judge(round);
  tally.add(
    `${number} ${slot.name} ${deed} / ${trick.name} ${Math.round(wait)} ms`,
    trick.name,
    round,
    verdict,
  );
  // What an agent left unread in its terminal would come up in another round.
  const left = verdict.unread || (answer.result === "result_unknown" && slot.kind === "sh");
  if (left || echoes.length > 0) await slot.build();
}

it(
  `TC-061 no key reaches a process that is not the one that was looked at, whatever happens to its pane meanwhile (${ROUNDS} rounds)`,
  async () => {
    const tally = new Tally();
    let next = 0;
    const work = async (slot: Slot, index: number): Promise<void> => {
      const random = new Random(SEED + index);
      while (next < ROUNDS) await play(slot, next++, random, tally);
    };
    const begun = performance.now();
    await Promise.all(slots.map(work));
    console.info(
      `adversary seed ${SEED} (AGTMUX_TEST_SEED replays it), ${Math.round(performance.now() - begun)} ms`,
    );
    console.info(tally.report());
    expect(tally.broken).toEqual([]);
    // Nothing of any text was executed.
    for (const { directory } of slots)
      expect(readdirSync(directory).filter((name) => /^c\d+$/u.test(name))).toEqual([]);
    expect(existsSync(daemon.stateDir)).toBe(true);
    for (const deed of new Set(DEEDS.map(([, name]) => name))) {
      expect([deed, tally.count(deed, "ok") > 0]).toEqual([deed, true]);
    }
    expect(tally.count("text", "refused")).toBeGreaterThan(0);
    // The victims end at once on C-c: where a shell was there to get it, nobody knows who did.
    expect(tally.count("kill", "result_unknown")).toBeGreaterThan(0);
  },
  60_000 + ROUNDS * 400,
);
