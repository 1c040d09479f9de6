import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Agtmux, toAgtmuxError, type WatchRequestSchema } from "../../../src/client/index.js";
import type { History } from "../client/history.js";
import { toldMessage } from "../client/told.js";
import type { Random } from "./random.js";

/** How often somebody tries again whose daemon is away, in milliseconds. */
const RETRY_MS = 15;

export type Request = MessageInitShape<typeof WatchRequestSchema>;

/**
 * One logical watcher: over all its connections, and over all daemon lives, it brings the cursor of the last message
 * that it received. Now and then it drops its connection by itself.
 */
export class LogicalWatcher {
  #cursor = "";
  #connected = false;
  #stop = new AbortController();
  #connection = new AbortController();
  #done: Promise<void> | undefined;
  /** Messages after which it drops its connection; 0: it does not. */
  #patience = 0;

  constructor(
    readonly name: string,
    private readonly client: () => Agtmux,
    private readonly request: Request,
    private readonly history: History,
    private readonly random: Random,
    /** Share of its connections that it drops after some messages. */
    private readonly restlessness = 0,
  ) {}

  get connected(): boolean {
    return this.#connected;
  }

  get cursor(): string {
    return this.#cursor;
  }

  /** Connects, and goes on connecting, until it is told to stop. */
  start(): void {
    this.#stop = new AbortController();
    this.#done = this.#run(this.#stop.signal);
  }

  /** Ends its connection and opens none any more; `start` goes on with its cursor. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#connection.abort();
    await this.#done;
  }

  async #run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#once(stop);
      if (!stop.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #once(stop: AbortSignal): Promise<void> {
    const connection = this.history.number();
    this.#connection = new AbortController();
    if (stop.aborted) return;
    this.#patience = this.random.chance(this.restlessness) ? this.random.between(1, 8) : 0;
    const request = { ...this.request, cursor: this.#cursor };
    this.history.add({ kind: "open", watcher: this.name, connection, cursor: this.#cursor });
    let error = "";
    let received = 0;
    try {
      const options = { signal: this.#connection.signal, timeoutMs: 0 };
      for await (const message of this.client().state.watch(request, options)) {
        this.#connected = true;
        received += 1;
        this.#cursor = message.cursor;
        this.history.add({ kind: "message", watcher: this.name, connection, message: toldMessage(message) });
        if (received === this.#patience) break;
      }
    } catch (thrown) {
      error = this.#connection.signal.aborted ? "" : toAgtmuxError(thrown).message;
    } finally {
      this.#connected = false;
      // The library's iterable has no return(): without this, leaving the loop would keep the connection.
      this.#connection.abort();
      this.history.add({ kind: "closed", connection, error });
    }
  }
}

/** Hears of bound events as they are committed, in every life. */
export class EventListener {
  #stop = new AbortController();
  #done: Promise<void> | undefined;
  #connected = false;

  constructor(
    private readonly client: () => Agtmux,
    private readonly history: History,
  ) {}

  get connected(): boolean {
    return this.#connected;
  }

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const { events } of this.client().events.watchEvents({}, { signal, timeoutMs: 0 })) {
          this.#connected = true;
          if (events.length > 0)
            this.history.add({ kind: "events", eventIds: events.map(({ eventId }) => eventId) });
        }
      } catch {
        // The daemon was killed; the next life is tried.
      }
      this.#connected = false;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
