import { expect } from "vitest";
import type { AgentDriver, DriverAction } from "../lab/agent-driver.js";
import { noteLag } from "./lags.js";
import type { Observer, Seen } from "./observer.js";

/** Longest that a state may take to be seen; what it really takes is printed. */
const SEEN_MS = 6_000;

export interface Step {
  readonly name: string;
  readonly action: DriverAction;
  /** The state that must be seen. */
  readonly state: string;
  readonly reason?: string;
  /** When the agent's own screen shows it. */
  readonly screen?: RegExp;
  /** States that may be seen between the action and that state, beside the one before; any other is wrong. */
  readonly between?: readonly string[];
  readonly timeoutMs?: number;
}

/** Watches one agent through its scenarios: each state seen in time, and nothing wrong on the way. */
export class Scenario {
  constructor(
    private readonly suite: string,
    private readonly observer: Observer,
    private readonly agent: AgentDriver,
  ) {}

  /** Waits for a step's state and asserts that only the allowed states came before it. */
  async sees(step: Step): Promise<Seen> {
    const { name, action, state, screen, timeoutMs = SEEN_MS } = step;
    const { paneId } = this.agent;
    const shown = screen === undefined ? Promise.resolve(undefined) : this.#shownAt(screen, timeoutMs);
    const seen = await this.observer.until(paneId, state, action.atMs, timeoutMs);
    const shownAt = await shown;
    const history = this.observer.history(paneId);
    // By place: what came in the same millisecond came before it or after it all the same.
    const before = history
      .slice(0, history.indexOf(seen))
      .filter(({ atMs }) => atMs >= action.atMs)
      .map((entry) => entry.state);
    const present = history.findLast(({ atMs }) => atMs < action.atMs)?.state ?? "gone";
    const allowed = new Set([present, ...(step.between ?? []), state]);
    const wrong = before.filter((word) => !allowed.has(word));
    expect(
      wrong,
      `${this.suite}, ${name}: states before ${state}\n${this.observer.tell(paneId, action.atMs)}`,
    ).toEqual([]);
    if (step.reason !== undefined) expect(seen.reason, name).toBe(step.reason);
    const fromScreen = shownAt === undefined ? undefined : seen.atMs - shownAt;
    noteLag({ suite: this.suite, step: name, fromAction: seen.atMs - action.atMs, fromScreen });
    return seen;
  }

  /** The state stays what it is for `ms`. */
  async stays(state: string, ms: number): Promise<void> {
    const { paneId } = this.agent;
    const from = Date.now();
    const known = this.observer.history(paneId).length;
    expect(this.observer.history(paneId).at(-1)?.state).toBe(state);
    await new Promise((resolve) => setTimeout(resolve, ms));
    const since = this.observer.history(paneId).slice(known);
    const other = since.filter((entry) => entry.state !== state);
    expect(other, `${state} should have stayed for ${ms} ms\n${this.observer.tell(paneId, from)}`).toEqual(
      [],
    );
  }

  async #shownAt(screen: RegExp, timeoutMs: number): Promise<number | undefined> {
    return this.agent.waitForScreen(screen, timeoutMs).then(
      () => Date.now(),
      () => undefined,
    );
  }
}
