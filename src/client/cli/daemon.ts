import { readFileSync } from "node:fs";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { DaemonService, type GetHealthResponse } from "../../../gen/agtmux/v1/daemon_pb.js";
import { pause } from "../backoff.js";
import { AgtmuxError, toAgtmuxError } from "../errors.js";
import { startDaemon } from "../spawn.js";
import { VERSION } from "../version.js";
import type { Context } from "./context.js";
import { ageText } from "./durations.js";
import { fact, type JsonObject, time } from "./json.js";
import { printable, safeJson } from "./printable.js";
import { healthWord, targetJson } from "./target-json.js";
import { channelWord, sourceWord } from "./words.js";

export interface DaemonOptions {
  readonly json?: boolean | undefined;
}

/** A daemon drains for 5 s at most; twice that is a daemon that does not end. */
const STOP_DEADLINE_MS = 10_000;
const POLL_MS = 25;

function healthJson(health: GetHealthResponse): JsonObject {
  return {
    schema_version: health.schemaVersion,
    ...time("generated_at", health.generatedAt),
    version: printable(health.version),
    contract_hash: health.contractHash,
    instance_id: health.instanceId,
    pid: Number(health.pid),
    ...time("started_at", health.startedAt),
    socket_path: printable(health.socketPath),
    state_dir: printable(health.stateDir),
    node_version: printable(health.nodeVersion),
    watchers: health.watchers,
    targets: health.targets.map(targetJson),
    adapters: health.adapters.map((adapter) => ({
      agent_type: adapter.agentType,
      contract_version: adapter.contractVersion,
      runtimes: adapter.runtimes,
      degradations: adapter.degradations.map(printable),
    })),
    channels: health.channels.map((channel) => ({
      agent_type: channel.agentType,
      source: sourceWord(channel.source),
      ...fact("channel", channel.channel),
      accepted: Number(channel.accepted),
      duplicates: Number(channel.duplicates),
      unknown: Number(channel.unknown),
      dropped: Number(channel.dropped),
      rejected: Number(channel.rejected),
      ...time("last_at", channel.lastAt),
    })),
    degradations: health.degradations.map((degradation) => ({
      code: printable(degradation.code),
      subject: printable(degradation.subject),
      message: printable(degradation.message),
      ...time("since", degradation.since),
    })),
  };
}

function healthLines(health: GetHealthResponse, nowMs: number): string[] {
  const up = health.startedAt === undefined ? "" : `, up ${ageText(nowMs - timestampMs(health.startedAt))}`;
  const older = health.version === VERSION ? "" : ` (this program is ${VERSION})`;
  return [
    `agtmuxd ${printable(health.version)}${older}, pid ${health.pid}${up}, ${health.watchers} watchers`,
    `socket     ${printable(health.socketPath)}`,
    `state      ${printable(health.stateDir)}`,
    ...health.targets.map((target) => {
      const why = target.healthReason === "" ? "" : ` (${printable(target.healthReason)})`;
      return `target     ${printable(target.name)}  ${healthWord(target.health)}${why}`;
    }),
    ...health.adapters
      .filter((adapter) => adapter.runtimes > 0 || adapter.degradations.length > 0)
      .map((adapter) => {
        const notes = adapter.degradations.map((each) => `; ${printable(each)}`).join("");
        return `agent      ${printable(adapter.agentType)}  ${adapter.runtimes} running${notes}`;
      }),
    ...health.channels.map((channel) => {
      const name = `${printable(channel.agentType)} ${printable(channelWord(channel.source, channel.channel))}`;
      const counts = `${channel.accepted} accepted, ${channel.unknown} unknown, ${channel.dropped} dropped, ${channel.rejected} rejected`;
      return `channel    ${name}  ${counts}`;
    }),
    ...health.degradations.map((each) => `degraded   ${printable(each.subject)}: ${printable(each.message)}`),
  ];
}

/** The daemon's health, or undefined if none runs. Never starts one; the context must not either. */
async function currentHealth(context: Context): Promise<GetHealthResponse | undefined> {
  try {
    return await context.client(DaemonService).getHealth({});
  } catch (thrown) {
    const error = toAgtmuxError(thrown);
    const { cause } = error.details;
    if (
      error.code === ErrorCode.E_DAEMON_UNAVAILABLE &&
      (cause === "not_running" || cause === "stale_socket")
    ) {
      return undefined;
    }
    throw error;
  }
}

function printHealth(
  context: Context,
  health: GetHealthResponse,
  lead: string,
  options: DaemonOptions,
): void {
  const { io } = context;
  const text = options.json
    ? safeJson(healthJson(health), 2)
    : [...(lead === "" ? [] : [lead]), ...healthLines(health, io.now().getTime())].join("\n");
  io.stdout.write(`${text}\n`);
}

async function start(context: Context): Promise<GetHealthResponse> {
  const { io } = context;
  if (io.daemonPath === undefined) {
    const message = "agtmuxd is not beside this program; reinstall, or run it by hand";
    throw new AgtmuxError(ErrorCode.E_DAEMON_UNAVAILABLE, message, { cause: "start_failed" });
  }
  await startDaemon({ env: io.env, daemonPath: io.daemonPath });
  return await context.client(DaemonService).getHealth({});
}

/** `agtmux daemon start` */
export async function startCommand(context: Context, options: DaemonOptions): Promise<void> {
  const running = await currentHealth(context);
  const health = running ?? (await start(context));
  printHealth(context, health, running === undefined ? "started" : "already running", options);
}

/** Whether a process runs. One that has ended but that nobody has waited for yet does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    // ESRCH: gone. EPERM: the pid has been given to someone else's process since.
    return false;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    // No /proc on this system, or the process has ended meanwhile; the next look tells.
    return true;
  }
}

async function stop(context: Context): Promise<number | undefined> {
  if ((await currentHealth(context)) === undefined) return undefined;
  const answer = await context.client(DaemonService).shutdown({});
  const pid = Number(answer.pid);
  const until = performance.now() + STOP_DEADLINE_MS;
  while (isAlive(pid)) {
    if (performance.now() >= until) {
      const message = `the daemon (pid ${pid}) has not ended within ${STOP_DEADLINE_MS / 1000} s`;
      throw new AgtmuxError(ErrorCode.E_TIMEOUT, message, { pid: String(pid) }, true);
    }
    await pause(POLL_MS);
  }
  return pid;
}

/** `agtmux daemon stop`. Stopping what does not run is not an error. */
export async function stopCommand(context: Context, options: DaemonOptions): Promise<void> {
  const pid = await stop(context);
  const json = { schema_version: 1, stopped: pid !== undefined, ...fact("pid", pid) };
  const line = pid === undefined ? "no daemon was running" : `stopped (pid ${pid})`;
  context.io.stdout.write(options.json ? `${safeJson(json, 2)}\n` : `${line}\n`);
}

/** `agtmux daemon restart`. Signals that arrive in between wait in the spool. */
export async function restartCommand(context: Context, options: DaemonOptions): Promise<void> {
  const pid = await stop(context);
  const health = await start(context);
  printHealth(context, health, pid === undefined ? "started" : `restarted (was pid ${pid})`, options);
}

/** `agtmux daemon status`. E_DAEMON_UNAVAILABLE if none runs. */
export async function statusCommand(context: Context, options: DaemonOptions): Promise<void> {
  printHealth(context, await context.client(DaemonService).getHealth({}), "", options);
}
