import type { Closable } from "../../adapters/contract.js";
import { ExecutorError } from "../executor.js";
import { CommandChannel } from "../shell/command-channel.js";
import { type SshConnection, SshError } from "./connection.js";
import { JoinedShell } from "./joined-shell.js";
import { ReconnectDelay, type ReconnectSettings } from "./reconnect-delay.js";
import { remoteShells } from "./remote-shells.js";
import type { ReachedHost } from "./ssh-executor.js";

export interface LinkSettings extends ReconnectSettings {
  /** An outage of this length is one whatever the number of attempts in it. */
  readonly downWindowMs: number;
}

export interface LinkEvents {
  /** There is a connection. */
  readonly onUp: () => void;
  /** A connection was lost or an attempt failed. `final`: the target counts as down, however few attempts there were. */
  readonly onDown: (error: SshError, final: boolean) => void;
}

export interface LinkParts {
  /** One attempt. `acceptNewHostKey`: the user has said that an unknown host key may be learnt now. */
  readonly open: (signal: AbortSignal, options: ConnectOptions) => Promise<SshConnection>;
  /** Calls back once when the user has changed something that may make a refused attempt succeed. */
  readonly watchFiles: (onChange: () => void) => Closable;
  /** A connection stands; told before `onUp`. */
  readonly onSession?: (session: Pick<Session, "connection" | "shell">) => void;
  readonly settings: LinkSettings;
  readonly random?: () => number;
}

export interface ConnectOptions {
  readonly acceptNewHostKey?: boolean | undefined;
}

interface Session extends ReachedHost {
  readonly connection: SshConnection;
  readonly channel: CommandChannel;
  readonly since: number;
}

/** Longest attempt whatever the number of jump hosts; each step has a deadline of its own within. */
const ATTEMPT_MS = 60_000;
/** A connection that lasted as long was sound: the next outage begins with short waits again. */
const SOUND_MS = 10_000;
/** A living host answers the smallest question within this time, at 500 ms of latency and with losses. */
const PROBE_MS = 3_000;

/**
 * Keeps one connection to a host: reconnects when it is lost, with growing waits; one attempt at a time. A fault that
 * only the user can mend is not tried again by itself, but when the user asks or changes the ssh files.
 */
export class SshLink {
  #events: LinkEvents | undefined;
  #session: Session | undefined;
  #attempt: Promise<void> | undefined;
  #abort = new AbortController();
  #retry: NodeJS.Timeout | undefined;
  #watch: Closable | undefined;
  #probing = false;
  #closed = false;
  /** By the monotonic clock, in milliseconds. */
  #downSince = performance.now();
  readonly #delay: ReconnectDelay;

  constructor(private readonly parts: LinkParts) {
    this.#delay = new ReconnectDelay(parts.settings, parts.random);
  }

  /** Begins to connect; the options count for the first attempt. */
  start(events: LinkEvents, options: ConnectOptions = {}): void {
    this.#events = events;
    void this.connect(options);
  }

  get up(): boolean {
    return this.#session !== undefined;
  }

  /** Throws ExecutorError `unreachable` while there is no connection. */
  host(): ReachedHost {
    if (this.#session !== undefined) return this.#session;
    throw new ExecutorError("unreachable", "there is no connection to the host");
  }

  /** Makes an attempt now, or joins the one that runs. Resolves when it has ended either way; never rejects. */
  connect(options: ConnectOptions = {}): Promise<void> {
    if (this.#closed || this.#session !== undefined) return Promise.resolve();
    clearTimeout(this.#retry);
    this.#watch?.close();
    this.#watch = undefined;
    this.#attempt ??= this.#try(options).finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
  }

  /**
   * The machine slept or a command was not answered: finds out whether the connection still stands, and does not wait
   * to reconnect. A fault that only the user can mend is left alone.
   */
  async hurry(): Promise<void> {
    if (this.#session !== undefined) await this.#probe(this.#session);
    else if (this.#watch === undefined) await this.connect();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#watch?.close();
    this.#abort.abort();
    const session = this.#session;
    this.#session = undefined;
    session?.channel.close(new ExecutorError("failed", "the target is closed"));
    session?.connection.close();
  }

  async #try(options: ConnectOptions): Promise<void> {
    this.#abort = new AbortController();
    const abort = this.#abort;
    const late = setTimeout(() => abort.abort(), ATTEMPT_MS);
    try {
      const connection = await this.parts.open(abort.signal, options);
      if (this.#closed) connection.close();
      else this.#established(connection);
    } catch (error) {
      this.#failed(sshError(error));
    } finally {
      clearTimeout(late);
    }
  }

  #established(connection: SshConnection): void {
    const channel = new CommandChannel(remoteShells(connection));
    const session: Session = {
      connection,
      channel,
      shell: new JoinedShell(channel),
      since: performance.now(),
      open: (command) => connection.exec(command),
      dial: (path) => connection.forwardOut(path),
    };
    this.#session = session;
    void connection.closed.then((error) => this.#lost(session, error));
    this.parts.onSession?.(session);
    this.#events?.onUp();
  }

  #lost(session: Session, error: SshError): void {
    session.channel.close(new ExecutorError("unreachable", error.message, { cause: error }));
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#downSince = performance.now();
    if (this.#downSince - session.since >= SOUND_MS) this.#delay.reset();
    this.#failed(error);
  }

  #failed(error: SshError): void {
    if (this.#closed) return;
    const outageMs = performance.now() - this.#downSince;
    if (error.retryable) {
      this.#retry = setTimeout(() => void this.connect(), this.#delay.next(outageMs));
    } else {
      this.#watch = this.parts.watchFiles(() => {
        this.#watch = undefined;
        void this.connect();
      });
    }
    this.#events?.onDown(error, !error.retryable || outageMs >= this.parts.settings.downWindowMs);
  }

  /** A connection on which the smallest question is not answered is none. */
  async #probe(session: Session): Promise<void> {
    if (this.#probing) return;
    this.#probing = true;
    try {
      // On a channel of its own: the shells may all be busy.
      (await session.connection.exec("exec true", { timeoutMs: PROBE_MS })).close();
    } catch (error) {
      // A refusal is an answer.
      if (sshError(error).kind === "timeout") {
        this.#lost(session, new SshError("lost", "the host does not answer any more", ""));
        session.connection.close();
      }
    } finally {
      this.#probing = false;
    }
  }
}

function sshError(error: unknown): SshError {
  if (error instanceof SshError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SshError("failed", message, "", { cause: error });
}
