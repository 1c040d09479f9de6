import { randomBytes, randomUUID } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ConnectRouter } from "@connectrpc/connect";
import { ActionService } from "../../gen/agtmux/v1/action_pb.js";
import { AdapterService } from "../../gen/agtmux/v1/adapter_pb.js";
import { DaemonService } from "../../gen/agtmux/v1/daemon_pb.js";
import { EventService } from "../../gen/agtmux/v1/event_pb.js";
import { HookService } from "../../gen/agtmux/v1/hook_pb.js";
import { IngestService } from "../../gen/agtmux/v1/ingest_pb.js";
import { StateService } from "../../gen/agtmux/v1/state_pb.js";
import { TargetService } from "../../gen/agtmux/v1/target_pb.js";
import { AdapterRegistry } from "./adapters/registry.js";
import { adapterService } from "./api/adapter-service.js";
import { daemonService, type HealthParts, healthDocument, type Shortfall } from "./api/daemon-service.js";
import { checkSocketPath, privateDirectory, refuseLiveSocket } from "./api/directories.js";
import { eventService } from "./api/event-service.js";
import { Explainer } from "./api/explain.js";
import { hookService } from "./api/hook-service.js";
import { Ingestor, ingestService } from "./api/ingest-service.js";
import { type Listener, listen } from "./api/listener.js";
import { type InstanceLock, takeLock } from "./api/lock.js";
import { requestHandler } from "./api/routes.js";
import { stateService } from "./api/state-service.js";
import { targetService } from "./api/target-service.js";
import type { Config, Places } from "./config.js";
import type { Micros } from "./engine/state.js";
import { trustedAncestors } from "./ingest/ancestry.js";
import { GroupCommit } from "./ingest/group-commit.js";
import { type Commit, Journal } from "./ingest/journal.js";
import { SpoolFeed } from "./ingest/spool-feed.js";
import type { Logger } from "./log.js";
import { Reconciler } from "./reconciler.js";
import { openStore } from "./store/store.js";
import { createLocalAgentFiles, createLocalProcessTable } from "./targets/local-host.js";
import { TargetManager } from "./targets/manager.js";
import { VERSION } from "./version.js";
import { AgentIndex } from "./watch/agent-index.js";
import { WatchHub } from "./watch/hub.js";
import { WatchLog } from "./watch/log.js";
import { View } from "./watch/view.js";

/** The local daemon is one of the readers that hooks report to. */
const LOCAL_READER = "local";
/** Longest wait for the targets' first answers before the socket opens. */
const FIRST_LOOK_MS = 1_000;

export interface DaemonOptions {
  readonly places: Places;
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  /** Microseconds since the epoch. */
  readonly now: () => Micros;
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

function writeAtomic(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Sockets of an earlier life lead nowhere; ours has a name of its own. The lock is held: no other daemon uses them. */
function ingestSocketPath(ingestDir: string): string {
  for (const name of readdirSync(ingestDir)) {
    if (name.startsWith(`${LOCAL_READER}.`)) rmSync(join(ingestDir, name), { force: true });
  }
  return join(ingestDir, `${LOCAL_READER}.${randomBytes(4).toString("hex")}.sock`);
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
async function serve({ places, config, env, log, now }: DaemonOptions, lock: InstanceLock): Promise<Daemon> {
  const startedAt = now();
  const instanceId = randomUUID();
  const shortfalls: Shortfall[] = [];
  const store = openStore(places.database, () => new Date(now() / 1_000));
  if (store.replaced !== undefined) {
    const message = `the database was corrupt; it was kept as ${store.replaced} and a new one begun`;
    log.error(message);
    shortfalls.push({ code: "store_replaced", subject: "store", message, since: startedAt });
  }

  const registry = new AdapterRegistry();
  const processes = createLocalProcessTable();
  const journal = new Journal(
    store,
    (agentType) => registry.find(agentType),
    config,
    (target) => targets.seen(target),
    (socket) => targets.ofSocket(socket),
    () => targets.ofSocket(""),
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
      processes,
      files: createLocalAgentFiles(),
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
    env,
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
    for (const target of targetsOf(change)) hub.publish(view.refresh(target));
  });
  index.reload();

  const ingestor = new Ingestor({
    journal,
    commit,
    maxEvents: config.ingestBatchEvents,
    now,
    intake: {
      adapter: (agentType) => registry.find(agentType),
      ancestors: (adapter, pids) => trustedAncestors(adapter, pids, processes),
      maxPayloadBytes: config.hookPayloadBytes,
    },
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
    shortfalls: () => shortfalls,
    shutdown: () => asked.resolve(),
  };
  const explainer = new Explainer(view, journal, store, targets, (type) => registry.find(type), now);
  const routes = (router: ConnectRouter): void => {
    router.service(DaemonService, daemonService(health));
    router.service(TargetService, targetService(targets, now));
    router.service(StateService, stateService({ hub, store, explainer, now }));
    router.service(ActionService, {});
    router.service(EventService, eventService({ store, journal, now, closing: closing.signal }));
    router.service(IngestService, ingestService(ingestor));
    router.service(HookService, hookService({ adapters: registry.adapters, targets, places, now }));
    router.service(AdapterService, adapterService(registry.adapters, now));
  };
  const ingestRoutes = (router: ConnectRouter): void => {
    router.service(IngestService, ingestService(ingestor));
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
  const listeners: Listener[] = [];
  try {
    const document = () => healthDocument(health);
    const ingestHandler = requestHandler({ ...limits, routes: ingestRoutes });
    listeners.push(await listen(ingestSocketPath(places.ingestDir), ingestHandler, onError));
    const handler = requestHandler({ ...limits, routes, health: document });
    listeners.push(await listen(places.socketPath, handler, onError));
    writeAtomic(places.socketFile, `${places.socketPath}\n`);
  } catch (error) {
    reconciler.stop();
    await Promise.all([targets.stop(), ...listeners.map((listener) => listener.close(0))]);
    processes.close();
    store.close();
    throw error;
  }
  spool.start();
  log.info({ version: VERSION, instanceId, socket: places.socketPath }, "serving");

  return {
    shutdownAsked: asked.promise,
    stop: async () => {
      log.info("stopping");
      hub.close();
      closing.abort();
      reconciler.stop();
      await Promise.all([
        targets.stop(),
        spool.stop(),
        ...listeners.map((listener) => listener.close(config.drainMs)),
      ]);
      commit.flush();
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

function targetsOf(change: Commit): Set<string> {
  return new Set([
    ...change.touched.map(({ record }) => record.targetId),
    ...change.ended.map(({ targetId }) => targetId),
  ]);
}
