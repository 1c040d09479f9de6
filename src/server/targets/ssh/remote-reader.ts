import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import type { Duplex } from "node:stream";
import type { EventEnvelope } from "../../../../gen/agtmux/v1/ingest_pb.js";
import type { Micros } from "../../engine/state.js";
import type { Logger } from "../../log.js";
import { StoreFault } from "../../store/fault.js";
import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";
import { type SshConnection, SshError } from "./connection.js";
import type { RemoteHost } from "./remote-host.js";
import { closeReader, openReader } from "./remote-reader-folders.js";
import { RemoteSpool } from "./remote-spool.js";
import { type RemotePlaces, remotePlaces } from "./remote-state-dir.js";
import { shQuote } from "./sh-quote.js";

/** Between two looks: with a socket, where the spool is all there is, and where no hooks are. */
const LOOK_MS = { socket: 900, spoolOnly: 500, none: 10_000 };
/** The longest path of a socket that works everywhere. */
const SOCKET_PATH_BYTES = 103;
/** Before another attempt to have a socket, if the host has not refused it. */
const FORWARD_AGAIN_MS = 30_000;
/** Well within the 7 days after which a reader counts as gone. */
const SEEN_EVERY_MS = 3_600_000;
/** For what is nice to have on the way out. */
const GOODBYE_MS = 500;

/** Where a reader's events go: into the daemon, and only as this target's. */
export interface ReaderDoor {
  /** Serves hooks on a connection. */
  accept(stream: Duplex): void;
  /** Resolves once the events are committed. Rejects if the store refuses. */
  ingest(envelopes: readonly EventEnvelope[], spooledAt: Micros): Promise<unknown>;
  close(): void;
}

export interface ReaderParts {
  /** Stable for this daemon and target; `[a-z0-9]{8,16}`. */
  readonly id: string;
  readonly host: RemoteHost;
  readonly door: ReaderDoor;
  readonly log: Logger;
  readonly target: string;
}

interface Session {
  readonly connection: Pick<SshConnection, "forwardIn" | "closed">;
  readonly shell: HostShell;
}

interface Opened {
  readonly places: RemotePlaces;
  readonly spool: RemoteSpool;
  /** Path of the forwarded socket; '' without one. */
  socket: string;
  forward?: { close(): Promise<void> };
  isOpen: boolean;
  /** By the monotonic clock. */
  forwardAt: number;
  seenAt: number;
}

/**
 * Reads what the hooks of a host report: over a socket that the host forwards, and from a spool folder for what did not
 * come that way. Where no hook script is, nothing is made there; when it goes, so does what was made.
 */
export class RemoteReader {
  #session: Session | undefined;
  #opened: Opened | undefined;
  #spoolOnly: string | undefined;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(private readonly parts: ReaderParts) {}

  /** Why events come by the spool alone, as one line; undefined if they need not. */
  get spoolOnly(): string | undefined {
    return this.#spoolOnly;
  }

  /** There is a connection; what belonged to one before is over. */
  follow(session: Session): void {
    if (this.#closed) return;
    this.#session = session;
    this.#opened = undefined;
    void session.connection.closed.then(() => {
      if (this.#session === session) this.#session = undefined;
    });
    this.#schedule(0);
  }

  /** Looks now; for whoever has just put the script there or taken it away. Never rejects. */
  async lookNow(): Promise<void> {
    await this.#looking;
    await this.#look();
  }

  /** The target is given up: takes away what was made on the host, if it can be reached. */
  async retire(): Promise<void> {
    const session = this.#session;
    await this.#stop();
    try {
      const places = this.#opened?.places ?? (session && (await remotePlaces(session.shell)));
      if (session !== undefined && places !== undefined)
        await closeReader(session.shell, places, this.parts.id);
    } catch (error) {
      this.#log(error, "a host keeps a folder of hook events for a week");
    }
  }

  async close(): Promise<void> {
    const session = this.#session;
    const socket = this.#opened?.socket ?? "";
    await this.#stop();
    if (session === undefined || socket === "") return;
    // A socket that leads nowhere harms nobody; the next connection takes it away.
    await session.shell.run(`rm -f ${shQuote(socket)}`, { timeoutMs: GOODBYE_MS }).catch(() => undefined);
  }

  async #stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.parts.door.close();
    // What is being committed is not committed again.
    const late = new Promise<void>((resolve) => setTimeout(resolve, GOODBYE_MS).unref());
    await Promise.race([this.#looking, late]);
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#session === undefined) return;
    this.#timer = setTimeout(() => void this.#look(), delayMs);
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const session = this.#session;
    if (this.#closed || session === undefined) return;
    let again: number = LOOK_MS.spoolOnly;
    try {
      // Compares the clocks, too, before any time is corrected by them.
      await this.parts.host.reached();
      for (;;) {
        this.#opened ??= opened(await remotePlaces(session.shell), this.parts.id);
        const look = await this.#lookAt(session, this.#opened);
        if (!look.installed) again = LOOK_MS.none;
        else if (this.#opened.forward !== undefined) again = LOOK_MS.socket;
        if (!look.more || this.#session !== session || this.#closed) break;
      }
    } catch (error) {
      if (error instanceof StoreFault) again = Math.max(again, error.retryInMs);
      // Without a connection the next one begins anew.
      else if (this.#session === session && !this.#closed)
        this.#log(error, "hook events of a host were not read");
    }
    // Another connection has come meanwhile.
    this.#schedule(this.#session === session ? again : 0);
  }

  async #lookAt(session: Session, at: Opened): Promise<{ installed: boolean; more: boolean }> {
    const { shell } = session;
    const found = await at.spool.look(shell, at.socket);
    await this.#take(shell, at.spool, found.files);
    const { installed, more } = found;
    if (more) return { installed, more };
    if (!installed) {
      if (found.folder || at.isOpen) await this.#leave(shell, at);
      this.#spoolOnly = undefined;
      return { installed, more };
    }
    const seen = performance.now() - at.seenAt < SEEN_EVERY_MS;
    const lostSocket = at.forward !== undefined && !found.socket;
    if (!at.isOpen || !found.folder || !seen || lostSocket) {
      // All sockets of ours go: one that is in use is made anew under another name.
      const old = at.forward;
      delete at.forward;
      at.socket = "";
      await old?.close();
      await openReader(shell, at.places, this.parts.id);
      at.isOpen = true;
      at.seenAt = performance.now();
      at.forwardAt = 0;
    }
    if (at.forward === undefined && performance.now() >= at.forwardAt) await this.#forward(session, at);
    return { installed, more };
  }

  /** Commits what files hold, in order, and removes them; a file stays until its events are on disk. */
  async #take(
    shell: HostShell,
    spool: RemoteSpool,
    files: Awaited<ReturnType<RemoteSpool["look"]>>["files"],
  ): Promise<void> {
    // The daemon is about to close its store; what is there stays there.
    if (this.#closed) throw new ExecutorError("failed", "the reader is closed");
    const { host, door, log, target } = this.parts;
    const commits: Promise<unknown>[] = [];
    const taken: string[] = [];
    for (const { name, mtimeMicros, envelopes, error } of files) {
      if (error === undefined) {
        const written = mtimeMicros || Math.floor(Number(name.slice(0, 20)) / 1_000);
        commits.push(door.ingest(envelopes, written - host.clockOffset));
        taken.push(name);
        continue;
      }
      log.warn({ target, reason: error }, "a spool file of a host was set aside");
      await spool.setAside(shell, name, error);
    }
    await Promise.all(commits);
    await spool.remove(shell, taken);
  }

  async #forward(session: Session, at: Opened): Promise<void> {
    const name = `${this.parts.id}.${randomBytes(4).toString("hex")}.sock`;
    const socket = posix.join(at.places.stateDir, "ingest.d", name);
    at.forwardAt = Number.POSITIVE_INFINITY;
    if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES) {
      this.#spoolOnly = `the path of the hooks' socket is longer than ${SOCKET_PATH_BYTES} bytes there`;
      return;
    }
    try {
      at.forward = await session.connection.forwardIn(socket, (stream) => {
        if (this.#session === session && !this.#closed) this.parts.door.accept(stream);
        else stream.destroy();
      });
      at.socket = socket;
      this.#spoolOnly = undefined;
    } catch (error) {
      if (!(error instanceof SshError)) throw error;
      if (error.kind === "lost") return;
      if (error.kind !== "forwarding_refused") at.forwardAt = performance.now() + FORWARD_AGAIN_MS;
      this.#spoolOnly = error.advice === "" ? error.message : `${error.message}; ${error.advice}`;
    }
  }

  /** The script has gone. */
  async #leave(shell: HostShell, at: Opened): Promise<void> {
    const { forward } = at;
    delete at.forward;
    at.socket = "";
    at.isOpen = false;
    await forward?.close();
    await closeReader(shell, at.places, this.parts.id);
  }

  #log(error: unknown, what: string): void {
    const { log, target } = this.parts;
    const reason = error instanceof ExecutorError ? error.kind : "internal";
    log.warn({ target, reason, error: String(error) }, what);
  }
}

function opened(places: RemotePlaces, id: string): Opened {
  const spool = new RemoteSpool(places, id);
  return { places, spool, socket: "", isOpen: false, forwardAt: 0, seenAt: 0 };
}
