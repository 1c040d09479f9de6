import { setTimeout as delay } from "node:timers/promises";
import { ContractError } from "../contract-error.js";
import type { Agent } from "./desk.js";
import { type Seen, seen } from "./screen-state.js";

/** Between looks for an effect. */
const LOOK_MS = 40;

/** Looks at an agent until it is so, or for that long. The last look; undefined once the pane cannot be looked at. */
export async function lookUntil(
  { hand, adapter }: Agent,
  ms: number,
  isSo: (now: Seen) => boolean,
): Promise<Seen | undefined> {
  const end = performance.now() + ms;
  for (;;) {
    let last: Seen;
    try {
      last = seen(await hand.look(), adapter);
    } catch (error) {
      if (error instanceof ContractError) return undefined;
      throw error;
    }
    if (isSo(last) || performance.now() >= end) return last;
    await delay(LOOK_MS);
  }
}

/** Whether it becomes so within that time, without looking at the pane. */
export async function becomes(ms: number, isSo: () => boolean): Promise<boolean> {
  const end = performance.now() + ms;
  while (!isSo()) {
    if (performance.now() >= end) return false;
    await delay(LOOK_MS);
  }
  return true;
}
