import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface StreamPace {
  /** Words of a `slow` answer. */
  readonly slowWords: number;
  /** Pause after each word of a `slow` answer, ms. */
  readonly slowPauseMs: number;
}

/** Pause after each word of an ordinary answer, ms: long enough that an agent sees it stream. */
const ORDINARY_PAUSE_MS = 30;

/** One server-sent-events answer. Writes and pauses end quietly once the client has gone or the mock closes. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #gone: AbortSignal;

  constructor(response: ServerResponse, gone: AbortSignal) {
    this.#response = response;
    this.#gone = gone;
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-cache",
      "request-id": "req_mock",
    });
  }

  get open(): boolean {
    return !this.#gone.aborted && !this.#response.destroyed;
  }

  /** Writes one event; its type is the `type` of the data, as both APIs have it. */
  write(data: { readonly type: string } & Record<string, unknown>): void {
    if (this.open) this.#response.write(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Calls `emit` with the text word by word, at the given pause. */
  async eachWord(text: string, pauseMs: number, emit: (word: string) => void): Promise<void> {
    for (const word of text.match(/\S+\s*/g) ?? [text]) {
      if (!this.open) return;
      emit(word);
      await pause(pauseMs, this.#gone);
    }
  }

  /** Stays silent until the client or the mock gives up. */
  async hang(): Promise<void> {
    const longerThanAnyTestMs = 600_000;
    await pause(longerThanAnyTestMs, this.#gone);
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
  }
}

/** The text and pace of an answer that only talks. */
export function spokenAnswer(
  behaviour: { readonly kind: "text"; readonly text: string } | { readonly kind: "slow" },
  pace: StreamPace,
): { readonly text: string; readonly pauseMs: number } {
  if (behaviour.kind === "text") return { text: behaviour.text, pauseMs: ORDINARY_PAUSE_MS };
  const words = Array.from({ length: pace.slowWords }, (_, index) => `word${index}`);
  return { text: words.join(" "), pauseMs: pace.slowPauseMs };
}

async function pause(milliseconds: number, gone: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal: gone });
  } catch (error) {
    // Being cut short is what the signal is for; anything else is a defect.
    if (!gone.aborted) throw error;
  }
}
