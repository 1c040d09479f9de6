import { join } from "node:path";
import { field, stringField } from "../../payload.js";
import type { AdapterSubscription, AgentHost, Closable, NativeSignal, RuntimeView } from "../contract.js";

/** A session file is some 700 bytes. */
const MAX_BYTES = 64 * 1024;
/** Between a turn and a queued one Claude writes `idle` for 15 to 30 ms; an idle that lasts is one that is meant. */
const IDLE_SETTLES_MS = 120;
/** Changes are announced; a file is read without one this often, in case one was missed. */
const MISSED_MS = 10_000;
/** The file is written in place, then truncated: for some 50 µs it may have the tail of a longer predecessor. */
const TORN_RETRY_MS = 20;

interface SessionFile {
  readonly status: string;
  readonly waitingFor: string;
  readonly sessionId: string;
  /** Milliseconds since the epoch. */
  readonly statusUpdatedAt: number;
}

function parseSession(bytes: Uint8Array, view: RuntimeView): SessionFile | "torn" | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return "torn";
  }
  // A file that a killed predecessor with the same pid left behind is not this process's.
  if (field(parsed, "pid") !== view.agentPid || stringField(parsed, "procStart") !== view.startRaw)
    return undefined;
  const at = field(parsed, "statusUpdatedAt") ?? field(parsed, "updatedAt");
  const status = stringField(parsed, "status");
  if (status === "") return undefined; // for the first 0.3 s of a start
  return {
    status,
    waitingFor: stringField(parsed, "waitingFor"),
    sessionId: stringField(parsed, "sessionId"),
    statusUpdatedAt: typeof at === "number" && Number.isFinite(at) ? at : 0,
  };
}

interface Watched {
  view: RuntimeView;
  readonly path: string;
  readonly directory: string;
  last: string;
  /** When it was last read, in microseconds. */
  readAt: number;
  running: Promise<void> | undefined;
  again: boolean;
}

/**
 * Follows `<config>/sessions/<pid>.json` of every Claude Code of one host: the only surface that tells of Esc and of
 * refusals, within a quarter of a second and without any hook.
 */
class SessionFiles implements AdapterSubscription {
  readonly #watched = new Map<string, Watched>();
  readonly #directories = new Map<string, Closable>();
  #closed = false;

  constructor(private readonly host: AgentHost) {}

  update(runtimes: readonly RuntimeView[]): void {
    const present = new Set(runtimes.map((view) => view.runtimeId));
    for (const id of this.#watched.keys()) if (!present.has(id)) this.#watched.delete(id);
    for (const view of runtimes) {
      const known = this.#watched.get(view.runtimeId);
      if (known !== undefined) known.view = view;
      else {
        // A host that is out of reach is asked again with the next reading.
        this.#follow(view).catch((error: unknown) => {
          this.host.degraded(
            "session_file",
            `cannot tell the home of process ${view.agentPid}: ${String(error)}`,
          );
        });
      }
    }
    const used = new Set([...this.#watched.values()].map((watched) => watched.directory));
    for (const [directory, watcher] of this.#directories) {
      if (used.has(directory)) continue;
      watcher.close();
      this.#directories.delete(directory);
    }
  }

  tick(): void {
    const due = this.host.now() - MISSED_MS * 1_000;
    for (const watched of this.#watched.values()) if (watched.readAt <= due) this.#read(watched);
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#directories.values()) watcher.close();
    this.#directories.clear();
    this.#watched.clear();
  }

  async #follow(view: RuntimeView): Promise<void> {
    const directory = join(await this.#configFolder(view), "sessions");
    if (this.#closed || this.#watched.has(view.runtimeId)) return;
    const path = join(directory, `${view.agentPid}.json`);
    const watched: Watched = { view, path, directory, last: "", readAt: 0, running: undefined, again: false };
    this.#watched.set(view.runtimeId, watched);
    if (!this.#directories.has(directory)) {
      const watcher = this.host.watchDirectory(directory, (name) => this.#changed(directory, name));
      this.#directories.set(directory, watcher);
    }
    this.#read(watched);
  }

  async #configFolder(view: RuntimeView): Promise<string> {
    const environment = await this.host.environment(view.agentPid, ["CLAUDE_CONFIG_DIR", "HOME"]);
    const home = environment?.["HOME"] ?? (await this.host.home());
    return environment?.["CLAUDE_CONFIG_DIR"] || join(home, ".claude");
  }

  #changed(directory: string, name: string): void {
    for (const watched of this.#watched.values()) {
      if (watched.directory === directory && watched.path.endsWith(`/${name}`)) this.#read(watched);
    }
  }

  /** One reader per file at a time; a change during a read means one more read. */
  #read(watched: Watched): void {
    if (watched.running !== undefined) {
      watched.again = true;
      return;
    }
    watched.readAt = this.host.now();
    watched.running = this.#readOnce(watched)
      .catch((error: unknown) => {
        this.host.degraded("session_file", `cannot read ${watched.path}: ${String(error)}`);
      })
      .finally(() => {
        watched.running = undefined;
        if (!watched.again || this.#closed) return;
        watched.again = false;
        this.#read(watched);
      });
  }

  async #readOnce(watched: Watched): Promise<void> {
    const session = await this.#load(watched);
    if (session === undefined || this.#closed) return;
    const key = `${session.sessionId} ${session.status} ${session.waitingFor} ${session.statusUpdatedAt}`;
    if (key === watched.last) return;
    if (session.status === "idle" && / (?:busy|waiting) /u.test(watched.last)) {
      await delay(IDLE_SETTLES_MS);
      const later = await this.#load(watched);
      if (later === undefined || later.status !== "idle") {
        watched.again = true;
        return;
      }
      // How the turn ended stands on the screen; both are folded together, so that no half-known state shows.
      await this.host.look(watched.view.runtimeId);
    }
    watched.last = key;
    this.host.emit([signal(watched.view, session, this.host.now())]);
    this.host.degraded("session_file", undefined);
  }

  async #load(watched: Watched): Promise<SessionFile | undefined> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const bytes = await this.host.readFile(watched.path, MAX_BYTES);
      if (bytes === undefined) return undefined;
      const session = parseSession(bytes, watched.view);
      if (session !== "torn") return session;
      await delay(TORN_RETRY_MS);
    }
    throw new Error("not JSON, three times");
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function signal(view: RuntimeView, session: SessionFile, now: number): NativeSignal {
  return {
    runtimeId: view.runtimeId,
    source: "native",
    channel: "session_file",
    eventType: "status",
    eventTime: session.statusUpdatedAt > 0 ? session.statusUpdatedAt * 1_000 : now,
    resolution: 1_000,
    dedupeKey: `${session.sessionId}:${session.status}:${session.waitingFor}:${session.statusUpdatedAt}`,
    transition: {
      kind: "session_status",
      attributes: { status: session.status, waitingFor: session.waitingFor },
    },
    agentSessionId: session.sessionId,
  };
}

export function subscribeClaude(host: AgentHost): AdapterSubscription {
  return new SessionFiles(host);
}
