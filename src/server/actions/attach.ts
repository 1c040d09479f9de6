import type { AttachRequest } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { ActionOutcome } from "../store/action-store.js";
import { REMOTE_SOCKET } from "../targets/ssh/ssh-executor.js";
import { sequence } from "../tmux/argv.js";
import { guarded } from "../tmux/guard.js";
import type { Job, Request } from "./desk.js";
import { unreached } from "./pane-hand.js";
import { panePins } from "./pane-pins.js";
import { parseRef } from "./ref.js";
import { refused } from "./refusal.js";

/** What is to be executed; not stored. */
export interface AttachPlan {
  argv: readonly string[];
}

export interface AttachSettings {
  /** Options of ssh that lead to the same settings as the daemon's own connections. */
  readonly sshOptions: readonly string[];
}

const MAX_TMUX = 4_096;

/** The request of an attach; what to execute is put into `plan`. Throws ContractError E_INVALID_ARGUMENT. */
export function attachRequest(
  { target, clientTmux }: AttachRequest,
  caller: string,
  plan: AttachPlan,
  settings: AttachSettings,
): Request {
  if (clientTmux.length > MAX_TMUX) throw invalidArgument("client_tmux", "is longer than any $TMUX");
  return {
    type: "attach",
    target,
    caller,
    payload: [],
    deed: "attach",
    anew: true,
    plainPanes: true,
    act: (job) => attach(job, target?.ref ?? "", clientTmux, plan, settings),
  };
}

async function attach(
  job: Job,
  ref: string,
  clientTmux: string,
  plan: AttachPlan,
  settings: AttachSettings,
): Promise<ActionOutcome> {
  const { monitor } = job;
  const sessionId = await select(job, ref);
  const { kind, sshTarget } = monitor.target;
  const { socketPath } = monitor;
  if (kind === "ssh") {
    plan.argv = ["ssh", "-t", ...settings.sshOptions, "--", sshTarget, remoteCommand(socketPath, sessionId)];
  } else if (isSameServer(clientTmux, socketPath, job.bootId)) {
    plan.argv = ["tmux", "-S", socketPath, "switch-client", "-t", sessionId];
  } else {
    // A tmux within a tmux refuses to nest as long as it knows of the outer one.
    const outer = clientTmux === "" ? [] : ["env", "-u", "TMUX", "-u", "TMUX_PANE"];
    plan.argv = [...outer, "tmux", "-S", socketPath, "attach-session", "-t", sessionId];
  }
  return { code: "ok", message: "window and pane are selected" };
}

/** Makes the pane the active one of its window, and that the current one of its session; returns the session's id. */
async function select({ monitor, pane, bootId }: Job, ref: string): Promise<string> {
  const { identity } = pane;
  const named = parseRef(ref);
  // Of several sessions that show the pane the ref may name another one than lists do.
  const session = named.kind === "pane" ? named.sessionName : identity?.sessionName;
  const paneId = identity?.paneId ?? "";
  const windowId = identity?.windowId ?? "";
  const row = monitor.topology?.rows.find(
    (link) => link.paneId === paneId && link.windowId === windowId && link.sessionName === session,
  );
  if (row === undefined || monitor.socketPath === "")
    throw new ContractError(ErrorCode.E_REF_NOT_FOUND, "the pane's session is not known now", {
      ref: pane.ref,
    });
  const { sessionId } = row;
  // A window may be linked into several sessions: which one is meant is said by both ids.
  const commands = [
    ["select-window", "-t", `${sessionId}:${windowId}`],
    ["select-pane", "-t", paneId],
    ["display-message", "-p", "selected"],
  ];
  const selection = guarded(paneId, panePins(pane, bootId), commands, [["display-message", "-p", "another"]]);
  let stdout: string;
  let stderr: string;
  try {
    ({ stdout, stderr } = await monitor.executor.run(sequence([selection])));
  } catch (error) {
    throw unreached(error, identity?.target ?? "");
  }
  if (stdout.includes("another"))
    throw new ContractError(
      ErrorCode.E_RUNTIME_STALE,
      "the pane has another process than the one that was listed",
    );
  if (!stdout.includes("selected"))
    throw refused(
      "window_moved",
      `the pane's window is not in that session any more: ${stderr.slice(0, 100)}`,
    );
  return sessionId;
}

/** Whether a client's $TMUX (`socket,server pid,session`) is of that very server. */
function isSameServer(clientTmux: string, socketPath: string, bootId: string): boolean {
  const [, socket = "", pid = ""] = /^(.*),(\d+),\d+$/u.exec(clientTmux) ?? [];
  return socket === socketPath && bootId.startsWith(`${pid}:`);
}

/**
 * The one command line of ours that a user's login shell reads, whichever it is: words of fixed characters, and two in
 * single quotes, which sh, bash, zsh, fish and tcsh take alike as long as neither holds a quote, a backslash or a `!`.
 */
export function remoteCommand(socketPath: string, sessionId: string): string {
  if (!REMOTE_SOCKET.test(socketPath))
    throw refused(
      "socket_path",
      "the path of the tmux socket there has characters that cannot go through a login shell",
    );
  if (!/^\$\d{1,10}$/u.test(sessionId)) throw new RangeError("a session id is not of the form $N");
  return `exec tmux -u -S '${socketPath}' attach-session -t '${sessionId}'`;
}
