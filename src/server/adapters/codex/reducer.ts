import type { BoundEvent } from "../../engine/event.js";
import type { Reducer } from "../../engine/fold.js";
import type { Micros } from "../../engine/state.js";
import {
  type Claim,
  claim,
  digestAfter,
  isWaiting,
  sameEnd,
  screenClaim,
  trackDialog,
  withDialog,
} from "../claim.js";
import { attribute } from "../contract.js";
import { foldHook } from "./hooks.js";
import { joined } from "./join.js";
import { type CodexMemory, hasEnded, INITIAL } from "./memory.js";
import type { TitleWord } from "./title.js";

/** A spinner this soon after a hook said that the turn ended is that turn's. */
const TITLE_LAGS: Micros = 1_000_000;

function threadStatus(memory: CodexMemory, event: BoundEvent): CodexMemory {
  const said = (app: Claim, appEndUnsaid = false): CodexMemory => ({ ...memory, app, appEndUnsaid });
  switch (attribute(event, "status")) {
    case "active": {
      // A new turn began, unless the thread only came back from a dialog.
      const same = isWaiting(memory.app) || memory.app?.state === "running";
      const busySince = same ? memory.busySince : Math.max(memory.busySince, event.effectiveTime);
      return { ...said(claim(event, "running", "turn")), busySince };
    }
    case "waiting_approval":
      return said(claim(event, "waiting_approval", "permission_request"));
    case "waiting_input":
      return said(claim(event, "waiting_input", "question"));
    case "system_error":
      return said(claim(event, "error", "api_error"));
    case "idle":
      return idle(event, said);
    default:
      return { ...memory, app: null, appEndUnsaid: false };
  }
}

function idle(event: BoundEvent, said: (app: Claim, endUnsaid?: boolean) => CodexMemory): CodexMemory {
  switch (attribute(event, "end")) {
    case "completed":
      return said(claim(event, "completed", "turn_end"));
    case "interrupted":
      return said(claim(event, "idle", "interrupted"));
    case "failed":
      return said(claim(event, "error", "api_error"));
    case "none":
      return said(claim(event, "idle", "ready"));
    default:
      return said(claim(event, "idle", "ready"), true);
  }
}

const TITLE_WORDS: Readonly<Record<string, TitleWord>> = { turn: "turn", dialog: "dialog", plain: "plain" };

function titleRead(memory: CodexMemory, event: BoundEvent): CodexMemory {
  const word = TITLE_WORDS[attribute(event, "word")];
  if (word === undefined) return memory;
  const moving = attribute(event, "moving") === "true";
  const before = memory.title;
  const changed = before?.word !== word;
  if (!changed && !moving) return memory;
  const own = moving || (before !== null && (changed || before.own));
  const from = changed ? (before?.word ?? null) : before.from;
  const title = { word, from, at: event.effectiveTime, eventId: event.eventId, own };
  const titleSpeaks = memory.titleSpeaks || (own && word !== "plain");
  return { ...memory, title, titleSpeaks, busySince: turnStart(memory, word, from, event.effectiveTime) };
}

/** A turn that no hook announced begins when the title first shows it, or a dialog of it. */
function turnStart(memory: CodexMemory, word: TitleWord, from: TitleWord | null, at: Micros): Micros {
  const { hook } = memory;
  const begins = word !== "plain" && (from === null || from === "plain") && memory.title?.word !== word;
  if (!begins) return memory.busySince;
  const announced = hook?.state === "running" || isWaiting(hook);
  if (announced || (hook !== null && at <= hook.at + TITLE_LAGS)) return memory.busySince;
  return Math.max(memory.busySince, at);
}

function screenRead(memory: CodexMemory, event: BoundEvent): CodexMemory {
  const read = screenClaim(event);
  if (read === undefined) return memory;
  const screen = sameEnd(memory.screen, read, memory.busySince, [memory.app, memory.hook]);
  const ends = !isWaiting(screen) && screen.state !== "running";
  // What a hook said of this turn's end stands; one look at the screen only gives way to the next.
  const hookEnded = memory.end !== null && memory.end.source !== "poller" && hasEnded(memory);
  const digest = digestAfter(memory, screen, event);
  return { ...memory, screen, digest, end: ends && !hookEnded ? screen : memory.end };
}

function decider(memory: CodexMemory): Claim | null {
  const own = joined(memory);
  return screenCounts(memory, own) ? memory.screen : own;
}

/**
 * Beside the other channels the screen only adds dialogs that they do not tell of, once confirmed: at rest, or while
 * the title shows one during a turn (a sub-agent's).
 */
function screenCounts(memory: CodexMemory, own: Claim | null): boolean {
  const { screen } = memory;
  if (screen === null) return false;
  if (own === null) return true;
  if (!isWaiting(screen) || isWaiting(own) || screen.confidence !== "high" || screen.at <= own.at)
    return false;
  return own.state !== "running" || memory.title?.word === "dialog";
}

/** See join.ts for how the channels become one state. */
export const codexReducer: Reducer<CodexMemory> = {
  initial: INITIAL,
  reduce(memory, event) {
    return trackDialog(memory, step(memory, event), decider);
  },
  candidates(memory) {
    const own = joined(memory);
    const candidates = own === null ? [] : [withDialog(memory, own)];
    if (memory.screen !== null && screenCounts(memory, own))
      candidates.push(withDialog(memory, memory.screen));
    return candidates;
  },
};

function step(memory: CodexMemory, event: BoundEvent): CodexMemory {
  if (event.source === "hook" || event.source === "wrapper" || event.source === "notify") {
    return foldHook(memory, event);
  }
  switch (event.channel) {
    case "app_server":
      return threadStatus(memory, event);
    case "title":
      return titleRead(memory, event);
    case "screen":
      return screenRead(memory, event);
    default:
      return memory;
  }
}
