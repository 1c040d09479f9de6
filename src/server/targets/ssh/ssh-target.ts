import type { Closable, Process } from "../../adapters/contract.js";
import type { Micros } from "../../engine/state.js";
import type { Logger } from "../../log.js";
import type { TargetRecord } from "../../store/target-store.js";
import type { TargetHost } from "../target-host.js";
import type { SshConnection } from "./connection.js";
import { createRemoteAgentFiles } from "./remote-agent-files.js";
import { openRemoteHooks } from "./remote-hooks.js";
import { RemoteHost } from "./remote-host.js";
import { createRemoteProcessTable } from "./remote-process-table.js";
import { lookUpProcesses } from "./remote-processes.js";
import { type ReaderDoor, RemoteReader } from "./remote-reader.js";
import { signalRemote } from "./remote-signal.js";
import { createSshExecutor } from "./ssh-executor.js";
import { type ConnectOptions, type LinkSettings, SshLink } from "./ssh-link.js";

export interface SshTargetParts {
  readonly opener: {
    open(alias: string, signal: AbortSignal, options?: ConnectOptions): Promise<SshConnection>;
  };
  readonly watchFiles: (onChange: () => void) => Closable;
  readonly now: () => Micros;
  readonly log: Logger;
  readonly settings: LinkSettings & { readonly commandTimeoutMs: number };
  /** Names the daemon to the hooks there; see RemoteReader. */
  readonly readerId: string;
  /** Makes the way in for hooks of this target, and of no other. */
  readonly openDoor: (origin: DoorOrigin) => ReaderDoor;
}

/** What a door must know of the host whose hooks come in. */
export interface DoorOrigin {
  readonly targetId: string;
  clockOffset(): Micros;
  /** Processes as they are now. Rejects with ExecutorError. */
  processes(pids: readonly number[]): Promise<ReadonlyMap<number, Process>>;
}

/** The host of an ssh target: one connection, and everything over it. */
export function createSshTarget(target: TargetRecord, parts: SshTargetParts): TargetHost {
  const { opener, watchFiles, settings, now, log } = parts;
  let connection: SshConnection | undefined;
  const link = new SshLink({
    open: (signal, options) => opener.open(target.sshTarget, signal, options),
    watchFiles,
    onSession: (session) => {
      connection = session.connection;
      reader.follow(session);
    },
    settings,
  });
  const host = new RemoteHost(() => link.host().shell, now);
  const door = parts.openDoor({
    targetId: target.targetId,
    clockOffset: () => host.clockOffset,
    processes: (pids) => lookUpProcesses(link.host().shell, pids),
  });
  const reader = new RemoteReader({ id: parts.readerId, host, door, log, target: target.targetId });
  const files = createRemoteAgentFiles(host, (path) => link.host().dial(path));
  const executor = createSshExecutor({
    host: () => link.host(),
    tmuxSocket: target.tmuxSocket,
    timeoutMs: settings.commandTimeoutMs,
  });
  const processes = createRemoteProcessTable(host);
  return {
    executor,
    processes,
    files,
    roundBegins: () => {
      processes.beginLook();
      files.roundBegins();
    },
    signal: (process, signal) => signalRemote(link.host().shell, process, signal),
    clockOffset: () => host.clockOffset,
    link,
    get spoolOnly() {
      return reader.spoolOnly;
    },
    openHooks: async () => openRemoteHooks(link.host().shell, connection, reader),
    retire: () => reader.retire(),
    async close() {
      await reader.close();
      files.close();
      await executor.close();
      link.close();
    },
  };
}
