import type { BoundEvent } from "../../engine/event.js";
import type { Reducer } from "../../engine/fold.js";
import type { AgentState, Micros } from "../../engine/state.js";
import {
  type Claim,
  claim,
  type DialogMemory,
  digestAfter,
  isWaiting,
  NO_DIALOG,
  sameEnd,
  screenClaim,
  trackDialog,
  withDialog,
} from "../claim.js";
import { attribute } from "../contract.js";

/** Everything that must be remembered of one runtime's signals. */
export type ClaudeMemory = DialogMemory & {
  /** The session file's word; null while it has given none or can no longer be read. */
  readonly session: Claim | null;
  /** What the hooks alone would say. */
  readonly hook: Claim | null;
  readonly screen: Claim | null;
  /** How the last turn ended, by hook or screen. */
  readonly end: Claim | null;
  /** When the newest turn is known to have begun. */
  readonly busySince: Micros;
  /** The running turn's id as the hooks know it; '' if unknown. */
  readonly turn: string;
  /** Prompts typed while a turn was running; each begins a turn of its own, unannounced. */
  readonly queued: number;
};

const INITIAL: ClaudeMemory = {
  ...NO_DIALOG,
  session: null,
  hook: null,
  screen: null,
  end: null,
  busySince: 0,
  turn: "",
  queued: 0,
};

/** A turn's end may be reported by the hook shortly before the session file says busy; both are one turn. */
const SAME_TURN: Micros = 50_000;

const WAITING: Readonly<Record<string, readonly [AgentState, string]>> = {
  "permission prompt": ["waiting_approval", "permission_request"],
  "sandbox request": ["waiting_approval", "sandbox_request"],
  "worker request": ["waiting_approval", "worker_request"],
  "goal proposal": ["waiting_approval", "goal_proposal"],
  "input needed": ["waiting_input", "question"],
  "dialog open": ["waiting_input", "dialog_open"],
};

function sessionStatus(memory: ClaudeMemory, event: BoundEvent): ClaudeMemory {
  const status = attribute(event, "status");
  switch (status) {
    case "busy": {
      // A new turn began, unless the session only came back from a dialog.
      const resumed = isWaiting(memory.session);
      const busySince = resumed ? memory.busySince : event.effectiveTime;
      return { ...memory, session: claim(event, "running", "turn"), busySince };
    }
    case "waiting": {
      const known = WAITING[attribute(event, "waitingFor")];
      const [state, reason] = known ?? (["unknown", "unrecognised_dialog"] as const);
      return { ...memory, session: claim(event, state, reason, known === undefined ? "medium" : "high") };
    }
    case "idle":
      return { ...memory, session: claim(event, "idle", "ready") };
    case "gone":
      return { ...memory, session: null };
    default:
      return { ...memory, session: claim(event, "unknown", "unrecognised_status", "medium") };
  }
}

function isBusy(value: Claim): boolean {
  return value.state === "running" || isWaiting(value);
}

function hook(memory: ClaudeMemory, event: BoundEvent): ClaudeMemory {
  const running = (reason: string): ClaudeMemory => ({ ...memory, hook: claim(event, "running", reason) });
  switch (event.transition?.kind) {
    case "prompt": {
      const turn = attribute(event, "turn");
      const during = isTypedDuringTurn(memory, turn);
      // A readable session file says itself, some milliseconds earlier or later, that a turn began.
      const begins = !during && memory.session === null;
      const busySince = begins ? Math.max(memory.busySince, event.effectiveTime) : memory.busySince;
      return { ...running("turn"), busySince, turn, queued: during ? memory.queued + 1 : 0 };
    }
    case "activity":
      // A sub-agent's tools go on while the main agent's dialog is open.
      if (attribute(event, "subagent") === "true" && isWaiting(memory.hook)) return memory;
      return running(memory.hook?.state === "running" ? memory.hook.reason : "turn");
    case "permission":
      return permission(memory, event);
    case "permission_reminder":
      return isWaiting(memory.hook) ? memory : permission(memory, event);
    case "stop":
      return stop(memory, event);
    case "stop_failure": {
      const code = attribute(event, "error");
      const failed = claim(event, "error", REASON_CODE.test(code) ? code : "api_error");
      return { ...memory, hook: failed, end: failed, queued: 0 };
    }
    case "session_start":
      if (attribute(event, "source") === "compact") return memory;
      return { ...memory, hook: claim(event, "idle", "fresh"), end: null, queued: 0 };
    case "compacted":
      if (attribute(event, "trigger") === "auto") return running("turn");
      return { ...memory, hook: claim(event, "idle", "compacted"), end: claim(event, "idle", "compacted") };
    case "idle_notice":
      // Proof that nothing runs; what ended the turn is not its business.
      if (memory.hook?.state !== "running") return memory;
      return { ...memory, hook: claim(event, "idle", "idle_notice"), queued: 0 };
    default:
      return memory;
  }
}

const REASON_CODE = /^[a-z][a-z0-9_]{0,63}$/u;

/**
 * A prompt that is queued carries the running turn's id; one with another id begins a turn, and the one before it
 * has ended without a hook (Esc, a refusal). Without ids, a hook that says running is believed.
 */
function isTypedDuringTurn(memory: ClaudeMemory, turn: string): boolean {
  if (memory.hook?.state !== "running" || memory.hook.reason !== "turn") return false;
  return turn === "" || memory.turn === "" || turn === memory.turn;
}

function permission(memory: ClaudeMemory, event: BoundEvent): ClaudeMemory {
  const dialog = attribute(event, "dialog");
  const [state, reason] =
    dialog === "question"
      ? (["waiting_input", "question"] as const)
      : dialog === "elicitation"
        ? (["waiting_input", "elicitation"] as const)
        : dialog === "quota"
          ? (["waiting_input", "quota"] as const)
          : dialog === "plan"
            ? (["waiting_approval", "plan_approval"] as const)
            : (["waiting_approval", "permission_request"] as const);
  const second = memory.hookedEpisode && isWaiting(joined(memory));
  return {
    ...memory,
    hook: claim(event, state, reason),
    hookedEpisode: true,
    episode: second ? memory.episode + 1 : memory.episode,
    digest: second ? null : memory.digest,
  };
}

function stop(memory: ClaudeMemory, event: BoundEvent): ClaudeMemory {
  const agents = Number(attribute(event, "agents"));
  if (agents > 0) return { ...memory, hook: claim(event, "running", "background_agent") };
  const shells = Number(attribute(event, "shells"));
  const end = claim(event, "completed", shells > 0 ? "background_shell" : "turn_end");
  // A queued prompt's turn begins at once, has no starting event of its own and an id that nothing announced.
  if (memory.queued > 0) {
    const hook = claim(event, "running", "turn");
    return { ...memory, hook, end: null, turn: "", queued: memory.queued - 1 };
  }
  return { ...memory, hook: end, end };
}

const END_RULES = new Set(["completed", "error", "idle"]);

function screen(memory: ClaudeMemory, event: BoundEvent): ClaudeMemory {
  const read = screenClaim(event);
  if (read === undefined) return memory;
  const seen = sameEnd(memory.screen, read, memory.busySince, [memory.session, memory.hook]);
  const ends = END_RULES.has(seen.state) && attribute(event, "rule") !== "ready";
  return {
    ...memory,
    screen: seen,
    digest: digestAfter(memory, seen, event),
    end: ends && !hookEnded(memory) ? seen : memory.end,
  };
}

/** What a hook said of this turn's end stands; one look at the screen only gives way to the next. */
function hookEnded(memory: ClaudeMemory): boolean {
  return memory.end?.source !== "poller" && endedSince(memory, memory.busySince);
}

function endedSince(memory: ClaudeMemory, time: Micros): boolean {
  return memory.end !== null && memory.end.at >= time - SAME_TURN;
}

/**
 * Session file and hooks as one voice. The session file is the only surface that knows of Esc and of refusals, so
 * where it can be read it says whether the agent is busy, and the hooks say how a turn ended and what a dialog is.
 */
function joined(memory: ClaudeMemory): Claim | null {
  const { session, end } = memory;
  if (session === null) return memory.hook;
  if (session.state === "idle") {
    if (end === null || !endedSince(memory, memory.busySince)) return session;
    return end.state === "idle" ? { ...session, reason: end.reason } : end;
  }
  if (session.state === "running") return { ...session, reason: runningReason(memory, session) };
  return session.state === "waiting_approval" && isPlan(memory)
    ? { ...session, reason: "plan_approval" }
    : session;
}

/** The session file calls a plan a permission prompt; hooks and the dialog's own text tell it apart. */
function isPlan({ hook, screen, digest }: ClaudeMemory): boolean {
  const read = digest !== null && isWaiting(screen) ? screen : null;
  return hook?.reason === "plan_approval" || read?.reason === "plan_approval";
}

function runningReason(memory: ClaudeMemory, session: Claim): string {
  if (memory.hook?.reason === "background_agent" && memory.hook.at >= memory.busySince)
    return "background_agent";
  const retrying = memory.screen?.reason === "retrying" && memory.screen.at >= session.at;
  return retrying ? "retrying" : session.reason;
}

function decider(memory: ClaudeMemory): Claim | null {
  return joined(memory) ?? memory.screen;
}

export const claudeReducer: Reducer<ClaudeMemory> = {
  initial: INITIAL,
  reduce(memory, event) {
    const after =
      event.source === "hook" || event.source === "wrapper"
        ? hook(memory, event)
        : event.channel === "session_file"
          ? sessionStatus(memory, event)
          : event.channel === "screen"
            ? screen(memory, event)
            : memory;
    return trackDialog(memory, after, decider);
  },
  candidates(memory) {
    const own = joined(memory);
    const candidates = own === null ? [] : [withDialog(memory, own)];
    if (memory.screen !== null && screenCounts(memory, memory.screen))
      candidates.push(withDialog(memory, memory.screen));
    return candidates;
  },
};

/**
 * Beside a readable session file the screen only adds dialogs that the file does not tell of, once confirmed. That the
 * input box is ready shows that nothing runs, not that what the hooks know of the last turn's end is over.
 */
function screenCounts(memory: ClaudeMemory, seen: Claim): boolean {
  if (memory.session === null) {
    return seen.reason !== "ready" || memory.hook === null || isBusy(memory.hook);
  }
  return isWaiting(seen) && seen.confidence === "high" && seen.at > memory.session.at;
}
