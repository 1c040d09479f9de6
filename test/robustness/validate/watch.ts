import type { History } from "../client/history.js";
import { breach } from "./breach.js";
import { foldAt, type Step, stepsByWatcher } from "./steps.js";

export const WATCH = {
  begins: "A stream without a cursor begins with a snapshot",
  ordered: "Ordered: sequences never go back on a stream",
  unique: "Unique: no sequence comes twice to one watcher, resumes included",
  foreign: "A cursor of another stream gives reset, then snapshot",
  resumable: "A live cursor gives everything after it and no snapshot, unless a reset says so",
  seamed: "A reset is followed by a snapshot",
  gapless: "Reliable: between the first and the last sequence of a watcher no change is missing",
  value: "The fold of what a watcher received equals what List says at its sequence",
} as const;

type Promise = keyof typeof WATCH;

/** Judges every stream of a history: each watcher by itself, and against what the others and List said. */
export function validateWatch(history: History): string[] {
  const faults = new Map<Promise, string[]>();
  const fault = (promise: Promise, text: string): void => {
    faults.set(promise, [...(faults.get(promise) ?? []), text]);
  };
  const watchers = stepsByWatcher(history);
  const changed = changedSequences(watchers);
  const reads = Map.groupBy(history.of("read"), ({ streamId }) => streamId);
  for (const [name, steps] of watchers) {
    validateConnections(steps, (promise, text) => fault(promise, `${name}: ${text}`));
    const streams = Map.groupBy(steps, ({ message }) => message.streamId);
    for (const [streamId, own] of streams) {
      const say = (promise: Promise, text: string): void => fault(promise, `${name}: ${text}`);
      validateSequences(own, changed.get(streamId) ?? [], say);
      for (const { sequence, rows } of reads.get(streamId) ?? []) {
        const folded = foldAt(own, sequence);
        if (folded === undefined) continue;
        const difference = differs(folded, new Map(rows.map(({ key, text }) => [key, text])));
        if (difference !== undefined) say("value", `at ${sequence} ${difference}`);
      }
    }
  }
  return [...faults].flatMap(([promise, texts]) => breach(WATCH[promise], texts));
}

/** By stream: all sequences at which any watcher was told of a change, one at a time. */
function changedSequences(watchers: ReadonlyMap<string, readonly Step[]>): Map<string, number[]> {
  const found = new Map<string, Set<number>>();
  for (const { message } of [...watchers.values()].flat()) {
    if (message.type !== "delta" || message.coalesced || message.changes.length === 0) continue;
    found.set(message.streamId, (found.get(message.streamId) ?? new Set()).add(message.sequence));
  }
  return new Map([...found].map(([stream, sequences]) => [stream, [...sequences].sort((a, b) => a - b)]));
}

type Say = (promise: Promise, text: string) => void;

function validateConnections(steps: readonly Step[], say: Say): void {
  let wasReset = false;
  for (const { message, opened } of steps) {
    const at = `${message.type} at ${message.cursor}`;
    if (opened === undefined) {
      if (wasReset && message.type !== "snapshot") say("seamed", at);
    } else if (opened === "") {
      if (message.type !== "snapshot") say("begins", at);
    } else if (opened.split(":")[0] !== message.streamId) {
      if (message.type !== "reset") say("foreign", `${at} for ${opened}`);
    } else if (message.type === "snapshot") say("resumable", `${at} for ${opened}`);
    wasReset = message.type === "reset" && message.reason !== "shutdown";
  }
}

/** One watcher's messages of one stream. */
function validateSequences(steps: readonly Step[], changed: readonly number[], say: Say): void {
  let last: number | undefined;
  for (const { message } of steps) {
    const { type, sequence } = message;
    if (type === "reset") continue;
    if (last !== undefined) {
      if (sequence < last) say("ordered", `${type} at ${sequence} after ${last}`);
      if (type === "delta" && sequence === last) say("unique", `${sequence}`);
      const since: number = last;
      // A snapshot and a merged delta stand for everything up to them.
      const covers = type === "snapshot" || message.coalesced;
      const missed = covers ? undefined : changed.find((each) => each > since && each < sequence);
      if (missed !== undefined) say("gapless", `${missed} between ${since} and ${sequence}`);
      if (type === "bookmark" && changed.includes(sequence) && since < sequence)
        say("gapless", `${sequence}, of which a bookmark speaks`);
    }
    last = Math.max(last ?? 0, sequence);
  }
}

function differs(
  folded: ReadonlyMap<string, string>,
  listed: ReadonlyMap<string, string>,
): string | undefined {
  for (const [key, text] of listed) {
    const found = folded.get(key);
    if (found === undefined) return `it lacks ${key}`;
    if (found !== text) return `it has ${found}, List says ${text}`;
  }
  for (const key of folded.keys()) if (!listed.has(key)) return `it still has ${key}`;
  return undefined;
}
