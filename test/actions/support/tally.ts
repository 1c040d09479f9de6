import type { Round, Verdict } from "./judge.js";

/** Counts what came of the rounds. */
export class Tally {
  readonly broken: string[] = [];
  readonly #counts = new Map<string, number>();
  #rounds = 0;

  add(name: string, trick: string, round: Round, verdict: Verdict): void {
    this.#rounds += 1;
    const { deed, result, message, effect } = round;
    this.#more(`deed ${deed.padEnd(10)} ${result}`);
    this.#more(`trick ${trick.padEnd(48)} ${result}`);
    if (result === "refused" || result === "result_unknown") this.#more(`why ${message.slice(0, 100)}`);
    if (verdict.late) this.#more("died or was stopped within 10 ms of the keys, and its shell got them");
    if (verdict.unread) this.#more("ok, and it died or was stopped before it read all");
    if (verdict.surprised) this.#more("a dialog opened within 10 ms before the keys were read");
    for (const promise of verdict.broken) {
      const notes = round.notes.filter(({ event }) => event !== "pong").map((note) => JSON.stringify(note));
      const told = `${result} (${effect ?? "-"}) ${message}; done ${round.doneAt}, told ${round.endedAt}, struck ${round.struckAt}`;
      this.broken.push(
        [`${name}: ${promise}`, told, `meant ${JSON.stringify(round.meant)}`, ...notes].join("\n  "),
      );
    }
  }

  count(deed: string, result: string): number {
    return this.#counts.get(`deed ${deed.padEnd(10)} ${result}`) ?? 0;
  }

  report(): string {
    const lines = [...this.#counts].sort(([a], [b]) => a.localeCompare(b));
    return [
      `${this.#rounds} rounds`,
      ...lines.map(([what, count]) => `${String(count).padStart(6)}  ${what}`),
    ].join("\n");
  }

  #more(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}
