import type { BoundEvent } from "../../engine/event.js";
import type { Micros } from "../../engine/state.js";
import { claim, isWaiting } from "../claim.js";
import { attribute } from "../contract.js";
import type { CodexMemory } from "./memory.js";

/** SessionStart comes lazily, just before the first prompt; it must not undo that prompt if it comes after. */
const STARTS_WITH_PROMPT: Micros = 2_000_000;

/** Kinds that open a piece of work; the others close one and may straggle in after the turn's end. */
const BEGINNINGS = new Set(["prompt", "model_request", "tool_start", "permission"]);

/** A signal of a turn that is over already. A Stop hook may have the turn go on; an interrupt is final. */
function straggles(memory: CodexMemory, kind: string, turn: string): boolean {
  const { endedTurn } = memory;
  if (turn === "" || endedTurn?.turn !== turn) return false;
  return endedTurn.interrupted || !BEGINNINGS.has(kind);
}

/** An end that belongs to another turn than the one the hooks speak of now (notify comes after a queued prompt). */
function ofAnotherTurn(memory: CodexMemory, turn: string): boolean {
  return turn !== "" && memory.turn !== "" && turn !== memory.turn;
}

/** What the hooks make of one event. */
export function foldHook(memory: CodexMemory, event: BoundEvent): CodexMemory {
  const kind = event.transition?.kind ?? "";
  const turn = attribute(event, "turn");
  if (straggles(memory, kind, turn)) return memory;
  switch (kind) {
    case "prompt":
      return begin(memory, event, turn);
    case "model_request":
      return running(memory, event, turn);
    case "tool_start":
    case "activity":
      return isWaiting(memory.hook) ? memory : signOfLife(memory, event, turn);
    case "tool_end":
      // Another tool of the same turn may end while the dialog is open.
      if (isWaiting(memory.hook) && !answers(memory, attribute(event, "subject"))) return memory;
      return signOfLife(memory, event, turn);
    case "model_failed":
      return { ...signOfLife(memory, event, turn), failing: claim(event, "error", "api_error") };
    case "permission":
      return permission(memory, event, turn);
    case "stop":
      return ofAnotherTurn(memory, turn) ? memory : ended(memory, event, turn, false);
    case "interrupt":
      return ofAnotherTurn(memory, turn) ? memory : ended(memory, event, turn, true);
    case "session_start":
      return sessionStart(memory, event);
    default:
      return memory;
  }
}

function answers(memory: CodexMemory, subject: string): boolean {
  return subject === "" || memory.subject === "" || subject === memory.subject;
}

function running(memory: CodexMemory, event: BoundEvent, turn: string): CodexMemory {
  const known = turn || memory.turn;
  return { ...memory, hook: claim(event, "running", "turn"), turn: known, endedTurn: null, failing: null };
}

function begin(memory: CodexMemory, event: BoundEvent, turn: string): CodexMemory {
  // A prompt sent during a turn steers that turn.
  const steers = memory.hook?.state === "running" && turn !== "" && turn === memory.turn;
  const busySince = steers ? memory.busySince : Math.max(memory.busySince, event.effectiveTime);
  return { ...running(memory, event, turn), busySince };
}

/** A turn goes on; since when and why is left as it is known. */
function signOfLife(memory: CodexMemory, event: BoundEvent, turn: string): CodexMemory {
  if (memory.hook?.state === "running") return { ...memory, failing: null };
  return running(memory, event, turn);
}

function permission(memory: CodexMemory, event: BoundEvent, turn: string): CodexMemory {
  const question = attribute(event, "dialog") === "question";
  // A dialog that follows another at once is announced by nothing but this.
  const second = memory.hookedEpisode && isWaiting(memory.app ?? memory.hook);
  return {
    ...memory,
    hook: question
      ? claim(event, "waiting_input", "question")
      : claim(event, "waiting_approval", "permission_request"),
    turn: turn || memory.turn,
    endedTurn: null,
    failing: null,
    subject: attribute(event, "subject"),
    hookedEpisode: true,
    episode: second ? memory.episode + 1 : memory.episode,
    digest: second ? null : memory.digest,
  };
}

function ended(memory: CodexMemory, event: BoundEvent, turn: string, interrupted: boolean): CodexMemory {
  const end = interrupted ? claim(event, "idle", "interrupted") : claim(event, "completed", "turn_end");
  const endedTurn = turn === "" ? null : { turn, interrupted };
  return { ...memory, hook: end, end, endedTurn, failing: null };
}

function sessionStart(memory: CodexMemory, event: BoundEvent): CodexMemory {
  const source = attribute(event, "source");
  if (source === "compact") return memory;
  const { hook } = memory;
  if (hook?.state === "running" && event.effectiveTime - hook.at < STARTS_WITH_PROMPT) return memory;
  // All but a cleared session are announced only just before their first prompt, when others have long spoken.
  const late = source !== "clear" && (hook !== null || memory.title !== null || memory.screen !== null);
  const fresh = late ? hook : claim(event, "idle", "fresh");
  return { ...memory, hook: fresh, end: late ? memory.end : null, failing: null, turn: "" };
}
