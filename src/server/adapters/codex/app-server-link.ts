import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { AgentHost, Closable } from "../contract.js";
import { AppServerConnection, AppServerError, type Reading } from "./app-server-connection.js";
import { readVersion } from "./app-server-messages.js";

/** The version that the surface was measured with; an older one is not asked anything. */
const OLDEST: readonly [number, number, number] = [0, 169, 0];
const RETRY_MS = { first: 250, longest: 30_000, foreign: 600_000 };
/** A connection that lasted as long was sound: its loss is not another failed attempt. */
const SOUND_AFTER_MS = 10_000;

export interface LinkEvents {
  readonly onOpen: () => void;
  readonly onNotification: (method: string, params: unknown, emittedAt: number | undefined) => void;
  /** The connection is gone, or none could be made. */
  readonly onDown: (error: AppServerError) => void;
}

/** Keeps a connection to the app-server of one CODEX_HOME, from when it starts until this is closed. */
export class AppServerLink {
  readonly #socket: string;
  readonly #watcher: Closable;
  #connection: AppServerConnection | undefined;
  #openedAt = 0;
  #connecting = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MS.first;
  #closed = false;

  constructor(
    codexHome: string,
    private readonly host: Pick<AgentHost, "watchDirectory" | "dial">,
    private readonly events: LinkEvents,
  ) {
    const control = join(codexHome, "app-server-control");
    this.#socket = join(control, "app-server-control.sock");
    this.#watcher = host.watchDirectory(control, () => {
      this.#retryMs = RETRY_MS.first;
      void this.#connect();
    });
    void this.#connect();
  }

  /** Stands for the present connection; undefined without one. */
  get connection(): object | undefined {
    return this.#connection;
  }

  /** Rejects with AppServerError; `closed` without a connection. */
  async call(method: Reading, params: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#connection === undefined) throw new AppServerError("closed", "not connected");
    return this.#connection.call(method, params);
  }

  /** Gives up the present connection and tries again later. */
  drop(error: AppServerError): void {
    if (this.#connection === undefined) return;
    this.#connection.close();
    this.#connection = undefined;
    this.#down(error);
  }

  close(): void {
    this.#closed = true;
    this.#watcher.close();
    clearTimeout(this.#retry);
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #connect(): Promise<void> {
    if (this.#closed || this.#connecting || this.#connection !== undefined) return;
    this.#connecting = true;
    clearTimeout(this.#retry);
    let opened: AppServerConnection | undefined;
    try {
      const dial = (): Promise<Duplex> => this.host.dial(this.#socket);
      opened = await AppServerConnection.open(dial, {
        onNotification: (method, params, at) => {
          if (this.#connection !== undefined) this.events.onNotification(method, params, at);
        },
        // Before the greeting is done, its own failure tells.
        onClosed: (error) => this.drop(error),
      });
      await greet(opened);
    } catch (error) {
      opened?.close();
      this.#connecting = false;
      this.#down(error instanceof AppServerError ? error : new AppServerError("closed", String(error)));
      return;
    }
    this.#connecting = false;
    if (this.#closed) {
      opened.close();
      return;
    }
    this.#connection = opened;
    this.#openedAt = performance.now();
    this.events.onOpen();
  }

  #down(error: AppServerError): void {
    if (this.#closed) return;
    const lasted = this.#openedAt > 0 && performance.now() - this.#openedAt > SOUND_AFTER_MS;
    this.#openedAt = 0;
    if (lasted) this.#retryMs = RETRY_MS.first;
    const delay = error.failure === "malformed" ? RETRY_MS.foreign : this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.longest);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), delay);
    this.events.onDown(error);
  }
}

async function greet(connection: AppServerConnection): Promise<void> {
  const clientInfo = { name: "agtmux", title: "AGTMUX", version: "1" };
  const version = readVersion(await connection.call("initialize", { clientInfo }));
  if (version === undefined) throw new AppServerError("malformed", "the app-server names no version");
  const [major, minor, patch] = version;
  if ((major - OLDEST[0] || minor - OLDEST[1] || patch - OLDEST[2]) < 0) {
    const message = `Codex ${version.join(".")} is older than ${OLDEST.join(".")}: not listened to`;
    throw new AppServerError("malformed", message);
  }
  connection.initialized();
}
