import type { Micros } from "../../engine/state.js";
import { type Claim, isWaiting } from "../claim.js";
import { type CodexMemory, hasEnded, type Title } from "./memory.js";

/** A title is read up to this long before it is stamped: a spinner seen right after a turn's end is that turn's. */
const TITLE_LAGS: Micros = 1_000_000;
/** Codex draws an approval dialog, and marks the title, this long after it has asked its hooks. */
const DIALOG_DRAWN: Micros = 1_500_000;
/** A title without a mark this soon after a prompt is from before it. */
const TURN_MARKED: Micros = 300_000;

/**
 * All channels as one voice. The app-server decides where it is heard. Else the title says whether there is a turn, a
 * dialog or nothing, the hooks how a turn ended and what a dialog is, and the screen what is left open.
 */
export function joined(memory: CodexMemory): Claim | null {
  const { app } = memory;
  if (app === null) return titleAndHooks(memory);
  if (app.state === "idle" && memory.appEndUnsaid) return ended(memory, app);
  if (app.state === "running" && isFailing(memory)) return { ...app, reason: "retrying" };
  return app;
}

/** How the turn ended, if hook or screen told; otherwise only that it did. */
function ended(memory: CodexMemory, over: Claim): Claim {
  const { end } = memory;
  if (end === null || !hasEnded(memory)) return over;
  return end.state === "idle" ? { ...over, reason: end.reason } : end;
}

function isFailing(memory: CodexMemory): boolean {
  return memory.failing !== null && memory.failing.at >= memory.busySince;
}

function titleAndHooks(memory: CodexMemory): Claim | null {
  const title = memory.title === null ? null : speaking(memory, memory.title);
  const hook = hookWord(memory, title);
  if (title === null) return hook;
  switch (title.word) {
    case "turn":
      return hook === null || turnOverrules(memory, title, hook)
        ? titleClaim(title, "running", "turn")
        : hook;
    case "dialog":
      return hook === null || (!isWaiting(hook) && title.at > hook.at) ? dialog(memory, title) : hook;
    case "plain":
      return hook === null || plainOverrules(memory, title, hook) ? over(memory, title) : hook;
  }
}

/** A title that means something: a mark of this process, or the absence of one that was seen before. */
function speaking(memory: CodexMemory, title: Title): Title | null {
  if (title.word === "plain") return memory.titleSpeaks ? title : null;
  return title.own ? title : null;
}

function titleClaim(title: Title, state: Claim["state"], reason: string): Claim {
  const { at, eventId } = title;
  return { state, reason, confidence: "high", source: "native", channel: "title", at, eventId };
}

/**
 * A failed model request is an error only if no other follows; nothing but time or another channel tells that. So
 * it shows as retrying until title or screen say that the turn is over, and at once where there is no title.
 */
function hookWord(memory: CodexMemory, title: Title | null): Claim | null {
  const { hook, failing, screen } = memory;
  if (hook?.state !== "running" || failing === null) return hook;
  const retrying: Claim = { ...hook, reason: "retrying" };
  if (memory.title === null) return failing;
  if (title?.word === "turn") return retrying;
  const titleOver = title?.word === "plain" && title.at > memory.busySince + TURN_MARKED;
  const screenOver = screen?.state === "error" && screen.at >= memory.busySince;
  return titleOver || screenOver ? failing : retrying;
}

function turnOverrules(memory: CodexMemory, title: Title, hook: Claim): boolean {
  if (hook.state === "running") return false;
  if (!isWaiting(hook)) return title.at > hook.at + TITLE_LAGS;
  if (title.from === "dialog" && title.at > hook.at) return true;
  const { screen } = memory;
  const worksOn = screen?.state === "running" ? screen.at : 0;
  return Math.max(title.at, worksOn) > hook.at + DIALOG_DRAWN;
}

function plainOverrules(memory: CodexMemory, title: Title, hook: Claim): boolean {
  if (hook.state !== "running" && !isWaiting(hook)) return false;
  return title.at > hook.at && title.at > memory.busySince + TURN_MARKED;
}

/** The title does not say what the dialog is about; most are approvals, and the screen tells the others. */
function dialog(memory: CodexMemory, title: Title): Claim {
  const { screen } = memory;
  if (screen !== null && isWaiting(screen) && screen.at > title.at - DIALOG_DRAWN) {
    return titleClaim(title, screen.state, screen.reason);
  }
  return { ...titleClaim(title, "waiting_approval", "action_required"), confidence: "medium" };
}

function over(memory: CodexMemory, title: Title): Claim {
  if (isFailing(memory) && memory.failing !== null) return memory.failing;
  return ended(memory, { ...titleClaim(title, "idle", "ready"), confidence: "medium" });
}
