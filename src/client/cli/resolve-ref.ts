import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { type Pane, StateService } from "../../../gen/agtmux/v1/state_pb.js";
import { AgtmuxError } from "../errors.js";
import type { Context } from "./context.js";

/** How many of the panes that fit an ambiguous form are named. */
const NAMED = 5;

interface ShortForm {
  /** Whether the form names one pane, and not a window or session that may hold several. */
  readonly namesPane: boolean;
  fits(pane: Pane): boolean;
}

function inSession(pane: Pane, session: string): boolean {
  return pane.identity?.sessionName === session || pane.alsoIn.includes(session);
}

/** `%3`, `@1`, `session`, `session:window` or `session:window.pane`; window is an index, a name or `@id`. */
function parseShortForm(text: string): ShortForm {
  if (/^%\d+$/.test(text)) return { namesPane: true, fits: (pane) => pane.identity?.paneId === text };
  if (/^@\d+$/.test(text)) return { namesPane: false, fits: (pane) => pane.identity?.windowId === text };
  const match = /^([^:]+):([^.]*?)(?:\.(\d+|%\d+))?$/.exec(text);
  if (match === null) return { namesPane: false, fits: (pane) => inSession(pane, text) };
  const [, session = "", window = "", paneWord] = match;
  const fitsWindow = (pane: Pane) =>
    window === String(pane.windowIndex) || window === pane.windowName || window === pane.identity?.windowId;
  const fitsPane = (pane: Pane) =>
    paneWord === undefined || paneWord === String(pane.paneIndex) || paneWord === pane.identity?.paneId;
  return {
    namesPane: paneWord !== undefined,
    fits: (pane) => inSession(pane, session) && fitsWindow(pane) && fitsPane(pane),
  };
}

/** The panes that a short form means. Of a window or session that runs agents, only the agents' panes. */
function candidates(text: string, panes: readonly Pane[]): Pane[] {
  const whole = parseShortForm(text);
  const slash = text.indexOf("/");
  const target = text.slice(0, slash);
  const rest = slash > 0 ? parseShortForm(text.slice(slash + 1)) : undefined;
  const fitting = panes.filter(
    (pane) => whole.fits(pane) || (pane.identity?.target === target && (rest?.fits(pane) ?? false)),
  );
  if ((rest ?? whole).namesPane) return fitting;
  const agents = fitting.filter((pane) => pane.agent !== undefined);
  return agents.length > 0 ? agents : fitting;
}

/** The pane that a canonical form names; the daemon checks the other parts of the form. */
function named(ref: string, panes: readonly Pane[]): Pane | undefined {
  const [, runtimeId] = /^runtime:(.*)$/s.exec(ref) ?? [];
  if (runtimeId !== undefined) return panes.find((pane) => pane.agent?.runtimeId === runtimeId);
  const [, target, paneId] = /^pane:([^/]+)\/.*\/(%\d+)$/s.exec(ref) ?? [];
  return panes.find(({ identity }) => identity?.target === target && identity?.paneId === paneId);
}

function isCanonical(text: string): boolean {
  return /^(pane|runtime):/.test(text);
}

/** The one pane that a short form means. Throws E_REF_NOT_FOUND or E_REF_AMBIGUOUS. */
function meant(text: string, panes: readonly Pane[]): Pane {
  const found = candidates(text, panes);
  const [first, ...others] = found;
  if (first === undefined) {
    const message = `no pane fits "${text}"; see: agtmux list panes --all`;
    throw new AgtmuxError(ErrorCode.E_REF_NOT_FOUND, message, { ref: text });
  }
  if (others.length === 0) return first;
  const refs = found.slice(0, NAMED).map((pane) => pane.ref);
  const more = found.length > NAMED ? `, and ${found.length - NAMED} more` : "";
  const message = `"${text}" fits ${found.length} panes; name one: ${refs.join(", ")}${more}`;
  throw new AgtmuxError(ErrorCode.E_REF_AMBIGUOUS, message, { ref: text, candidates: refs.join(" ") });
}

function refuseEmpty(text: string): void {
  if (text.trim() !== "") return;
  throw new AgtmuxError(
    ErrorCode.E_REF_INVALID,
    "the ref is empty; write %3, work, work:1.0, pane:… or runtime:…",
  );
}

/** One look at all panes, for the one that a ref names. */
export interface Look {
  /** Canonical. */
  readonly ref: string;
  /** Undefined where a canonical ref names none: why not is for the daemon to say. */
  readonly pane: Pane | undefined;
  /** When the daemon made the answer. */
  readonly generatedAt: Timestamp | undefined;
}

/**
 * Looks the pane up that `text` means: a canonical form (`pane:…`, `runtime:…`), or a short one, with or without `target/`
 * before it. Throws E_REF_INVALID, E_REF_NOT_FOUND, or E_REF_AMBIGUOUS with the refs that fit.
 */
export async function lookAt(context: Context, text: string): Promise<Look> {
  refuseEmpty(text);
  const { panes, generatedAt } = await context
    .client(StateService)
    .listPanes({ filter: { includePlain: true } });
  if (isCanonical(text)) return { ref: text, pane: named(text, panes), generatedAt };
  const pane = meant(text, panes);
  return { ref: pane.ref, pane, generatedAt };
}

/**
 * The canonical ref that `text` means. Canonical forms go to the daemon as they are, unseen; a short form is looked up.
 * Throws as lookAt.
 */
export async function resolveRef(context: Context, text: string): Promise<string> {
  return isCanonical(text) ? text : (await lookAt(context, text)).ref;
}
