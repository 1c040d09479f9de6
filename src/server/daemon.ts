import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CleanUp } from "./actions/buffers.js";
import { ActionDesk } from "./actions/desk.js";
import { Ledger } from "./actions/ledger.js";
import { ProvenGuards } from "./actions/pane-hand.js";
import { AdapterRegistry } from "./adapters/registry.js";
import { type HealthParts, healthDocument, type Shortfall } from "./api/daemon-service.js";
import { checkSocketPath, privateDirectory, refuseLiveSocket } from "./api/directories.js";
import { type Doors, LOCAL_READER, openDoors, readerKey, writeAtomic } from "./api/doors.js";
import { storeError } from "./api/errors.js";
import { Explainer } from "./api/explain.js";
import { Ingestor } from "./api/ingest-service.js";
import { type InstanceLock, takeLock } from "./api/lock.js";
import { remoteDoor } from "./api/remote-door.js";
import { requestHandler } from "./api/routes.js";
import { allServices, ingestOnly } from "./api/services.js";
import { WatchWire } from "./api/watch-wire.js";
import { Clock, type ClockSources } from "./clock.js";
import type { Config, Places, TcpAddress } from "./config.js";
import type { Micros } from "./engine/state.js";
import { failpoint } from "./failpoint.js";
import { trustedAncestors } from "./ingest/ancestry.js";
import { GroupCommit } from "./ingest/group-commit.js";
import { type Commit, Journal } from "./ingest/journal.js";
import { Retention } from "./ingest/retention.js";
import { SpoolFeed } from "./ingest/spool-feed.js";
import type { Logger } from "./log.js";
import { Reconciler } from "./reconciler.js";
import { openStore, type Store } from "./store/store.js";
import { createLocalAgentFiles, createLocalProcessTable } from "./targets/local-host.js";
import { createLocalTarget } from "./targets/local-target.js";
import { TargetManager } from "./targets/manager.js";
import { readerId } from "./targets/ssh/reader-id.js";
import { sshAccess } from "./targets/ssh/ssh-access.js";
import { createSshTarget } from "./targets/ssh/ssh-target.js";
import { VERSION } from "./version.js";
import { AgentIndex } from "./watch/agent-index.js";
import { WatchHub } from "./watch/hub.js";
import { WatchLog } from "./watch/log.js";
import { View } from "./watch/view.js";

/** What stopping may take beyond the draining of calls and streams. */
const STOP_MS = 1_000;
/** Longest wait for the targets' first answers before the socket opens. */
const FIRST_LOOK_MS = 1_000;

export interface DaemonOptions {
  readonly places: Places;
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  readonly clocks: ClockSources;
  /** Serves on this port too. */
  readonly tcp?: TcpAddress | undefined;
}

export interface Daemon {
  /** Stops accepting, finishes what is in flight, ends the streams, closes the store, releases the lock. */
  stop(): Promise<void>;
  /** Resolves when a client has asked for a shutdown. */
  readonly shutdownAsked: Promise<void>;
}

/** Another daemon serves this state directory. */
export class AlreadyRunning extends Error {
  override readonly name = "AlreadyRunning";
}

/** The pid that the lock's holder wrote beside it, for people. */
function holder(places: Places): string {
  try {
    return readFileSync(join(places.stateDir, "pid"), "utf8").trim();
  } catch {
    return "unknown"; // written right after the lock is taken; it may not be there yet
  }
}

/**
 * Joins the parts and serves. Throws AlreadyRunning, UnsafePathError, NewerSchemaError, or what the file system or
 * SQLite say.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { places } = options;
  privateDirectory(places.stateDir);
  checkSocketPath(places.socketPath);
  const lock = takeLock(places.lockDatabase);
  if (lock === undefined) throw new AlreadyRunning(`agtmuxd is already running (pid ${holder(places)})`);
  try {
    writeAtomic(join(places.stateDir, "pid"), `${process.pid}\n`);
    // Not ours: the lock says that nobody serves this state directory.
    await refuseLiveSocket(places.socketPath);
    return await serve(options, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Serves while the lock is held; releases it when stopped. */
async function serve(
  { places, config, env, log, clocks, tcp }: DaemonOptions,
  lock: InstanceLock,
): Promise<Daemon> {
  const instanceId = randomUUID();
  const store = openStore(places.database, () => new Date(clocks.wall() / 1_000));
  const clock = new Clock(clocks, store.events.newestIngestion());
  const now = (): Micros => clock.now();
  const startedAt = now();
  const shortfalls: Shortfall[] = [];
  if (store.replaced !== undefined) {
    const message = `the database was corrupt; it was kept as ${store.replaced} and a new one begun`;
    log.error(message);
    shortfalls.push({ code: "store_replaced", subject: "store", message, since: startedAt });
  }

  store.onTrouble((trouble) => {
    if (trouble === undefined) log.info("the store takes writes again");
    else log.error({ code: trouble.code }, trouble.message);
  });

  const registry = new AdapterRegistry();
  const processes = createLocalProcessTable();
  const files = createLocalAgentFiles();
  const ssh = sshAccess(env);
  const key = readerKey(join(places.stateDir, "reader-key"));
  const journal = new Journal(
    store,
    (agentType) => registry.find(agentType),
    config,
    (target) => targets.seen(target),
    (socket) => targets.ofSocket(socket),
  );
  const commit = new GroupCommit(journal, now);
  const index = new AgentIndex(journal, (runtime) => {
    const looker = targets.find(runtime.record.targetId)?.looker;
    return looker?.promptText(runtime.record.runtimeId, runtime.fold.status.dialog?.digest) ?? "";
  });
  const view = new View((target, paneId) => index.find(target, paneId));
  const hub = new WatchHub(
    view,
    new WatchLog(config.watchLogEntries, config.watchLogBytes),
    instanceId,
    now,
    config,
  );
  const targets: TargetManager = new TargetManager(
    store,
    journal,
    {
      adapters: registry.adapters,
      journal,
      commit,
      runtimes: store.runtimes,
      now,
      log,
      settings: config,
      onTopology: (target, topology) => {
        hub.publish(view.refresh(target, topology));
        hub.setTargets(targets.reach());
        // A hook may have been quicker than the look that found its agent.
        reconciler.workOffInbox();
      },
      onHealth: (target, health) => {
        log.info({ target, health: health.state, reason: health.reason }, "target health changed");
        reconciler.targetHealthChanged(target, health.state === "down");
        hub.setTargets(targets.reach());
      },
    },
    (target) => {
      const shared = { env, now, settings: config };
      if (target.kind === "ssh") {
        const remote = { ...ssh, log, readerId: readerId(key, target.targetId) };
        return createSshTarget(target, {
          ...shared,
          ...remote,
          openDoor: (origin) => remoteDoor({ ...ingest, maxRequestBytes: config.requestBytes, log }, origin),
        });
      }
      return createLocalTarget(target, { ...shared, processes, files });
    },
    now,
    (target) => {
      hub.publish(view.remove(target));
      hub.setTargets(targets.reach());
    },
  );
  const reconciler = new Reconciler(journal, commit, now, config, () => targets.observeAll(), log);
  journal.load(now());
  journal.onCommit((change) => {
    index.follow(change);
    for (const [target, paneIds] of panesOf(change)) hub.publish(view.update(target, paneIds));
  });
  index.reload();

  const intake = {
    adapter: (agentType: string) => registry.find(agentType),
    maxPayloadBytes: config.hookPayloadBytes,
  };
  const ingest = { journal, commit, maxEvents: config.ingestBatchEvents, now, intake };
  const ingestor = new Ingestor({
    ...ingest,
    intake: { ...intake, ancestors: (adapter, pids) => trustedAncestors(adapter, pids, processes) },
  });
  privateDirectory(places.ingestDir);
  privateDirectory(places.spoolDir);
  const spool = new SpoolFeed(
    join(places.spoolDir, LOCAL_READER),
    (envelopes, at) => ingestor.ingest(envelopes, at),
    now,
    config,
    log,
  );
  // What was spooled while nobody served is older than anything live.
  await spool.drain();

  const closing = new AbortController();
  const asked = Promise.withResolvers<void>();
  const health: HealthParts = {
    instanceId,
    startedAt,
    places,
    config,
    journal,
    targets,
    hub,
    now,
    shortfalls: () => [...shortfalls, ...storeShortfall(store), ...clockShortfall(clock)],
    shutdown: () => asked.resolve(),
  };
  const explainer = new Explainer(view, journal, store, targets, (type) => registry.find(type), now);
  const ledger = new Ledger(store, journal, now, config, log);
  ledger.recover();
  const buffers = new CleanUp(log);
  const desk = new ActionDesk({
    store,
    journal,
    view,
    targets,
    ledger,
    buffers,
    guards: new ProvenGuards(buffers),
    adapter: (type) => registry.find(type),
    storeError: (error) => storeError(error, log),
    now,
    settings: config,
  });
  const actions = { desk, store, index, now, attach: { sshOptions: ssh.options } };
  const parts = {
    health,
    store,
    journal,
    hub,
    explainer,
    ingestor,
    registry,
    actions,
    closing: closing.signal,
  };
  const onError = (error: unknown): void => {
    log.warn({ error: String(error) }, "a connection failed");
  };
  const limits = { maxRequestBytes: config.requestBytes, log };
  targets.start();
  // Until a target has answered, a read says so.
  hub.setTargets(targets.reach());
  reconciler.start();
  // The first read should not be an empty one. A target that does not answer keeps nobody waiting.
  await Promise.race([targets.observeAll(), delay(FIRST_LOOK_MS)]);
  let doors: Doors;
  try {
    failpoint("start.before-serve");
    doors = await openDoors({
      places,
      tcp,
      handler: requestHandler({
        ...limits,
        routes: allServices(parts),
        health: () => healthDocument(health),
        watch: new WatchWire(hub, config.requestBytes, log),
      }),
      ingestHandler: requestHandler({ ...limits, routes: ingestOnly(ingestor) }),
      onError,
    });
  } catch (error) {
    reconciler.stop();
    await targets.stop();
    processes.close();
    store.close();
    throw error;
  }
  spool.start();
  const retention = new Retention(store, journal, config, { now, steadyFor: () => clock.steadyFor() }, log);
  retention.start();
  log.info({ version: VERSION, instanceId, socket: places.socketPath, tcp: doors.tcpAddress }, "serving");

  return {
    shutdownAsked: asked.promise,
    stop: async () => {
      log.info("stopping");
      hub.close();
      closing.abort();
      reconciler.stop();
      // What is being done to a pane needs its target until it has ended.
      const acted = Promise.race([ledger.settled(), delay(config.drainMs, undefined, { ref: false })]);
      const parts = [
        acted.then(() => targets.stop()),
        spool.stop(),
        retention.stop(),
        doors.close(config.drainMs),
      ];
      // A host that does not answer must not keep the daemon: nothing that was answered OK waits for it.
      const late = delay(config.drainMs + STOP_MS, "late" as const, { ref: false });
      if ((await Promise.race([Promise.all(parts), late])) === "late") log.warn("stopping took too long");
      commit.flush();
      failpoint("stop.before-close");
      processes.close();
      store.close();
      lock.release();
      log.info("stopped");
    },
  };
}

/** Makes sure that the directory exists in which the log is to be opened; it is checked again once the lock is held. */
export function prepareStateDirectory(places: Places): void {
  privateDirectory(places.stateDir);
}

function storeShortfall({ trouble }: Store): Shortfall[] {
  return trouble === undefined ? [] : [{ ...trouble, subject: "store" }];
}

function clockShortfall(clock: Clock): Shortfall[] {
  const lead = clock.lead();
  if (lead === undefined) return [];
  const seconds = Math.round(lead.by / 1_000_000);
  const message = `the machine's clock was set back: times here are ${seconds} s ahead of it, and less by and by`;
  return [{ code: "clock_ahead", subject: "clock", message, since: lead.since }];
}

/** The panes that a commit is about, by target. */
function panesOf(change: Commit): Map<string, Set<string>> {
  const panes = new Map<string, Set<string>>();
  for (const { targetId, paneId } of [...change.touched.map(({ record }) => record), ...change.ended]) {
    const known = panes.get(targetId) ?? new Set();
    panes.set(targetId, known.add(paneId));
  }
  return panes;
}
