import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AgentState } from "../../../gen/agtmux/v1/common_pb.js";
import { type FilterSchema, SortKey, type SortSchema } from "../../../gen/agtmux/v1/state_pb.js";
import { usageError } from "../errors.js";
import { STATE_WORDS } from "./words.js";

/** Options that narrow a read, as the command line gives them. */
export interface FilterOptions {
  readonly target?: readonly string[] | undefined;
  readonly targetSession?: readonly string[] | undefined;
  readonly session?: readonly string[] | undefined;
  readonly state?: readonly string[] | undefined;
  readonly agent?: readonly string[] | undefined;
  readonly needsAction?: boolean | undefined;
  readonly all?: boolean | undefined;
}

/** Throws E_INVALID_ARGUMENT, naming `field`, for a word that is no state. */
export function parseState(field: string, word: string): AgentState {
  for (const [state, name] of Object.entries(STATE_WORDS)) {
    if (name === word && name !== "") return Number(state);
  }
  const known = Object.values(STATE_WORDS).filter((name) => name !== "");
  throw usageError(field, `${field}: "${word}" is not a state; it is one of ${known.join(", ")}`);
}

/** A number from 1 to `most`; 0, which stands for the daemon's default, without a text. Throws E_INVALID_ARGUMENT. */
export function wholeNumber(field: string, text: string | undefined, most: number): number {
  if (text === undefined) return 0;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
  throw usageError(field, `${field}: "${text}" is not a whole number from 1 to ${most}`);
}

function parseTargetSession(text: string): string {
  if (/^[^/]+\/./.test(text)) return text;
  throw usageError(
    "--target-session",
    `--target-session: "${text}" is not TARGET/SESSION; write it as host/work`,
  );
}

/** Throws E_INVALID_ARGUMENT on an unknown state or a target-session without its two parts. */
export function filterFrom(options: FilterOptions): MessageInitShape<typeof FilterSchema> {
  return {
    targets: [...(options.target ?? [])],
    targetSessions: (options.targetSession ?? []).map(parseTargetSession),
    sessions: [...(options.session ?? [])],
    states: (options.state ?? []).map((word) => parseState("--state", word)),
    agents: [...(options.agent ?? [])],
    ...(options.needsAction === undefined ? {} : { needsAction: options.needsAction }),
    includePlain: options.all ?? false,
  };
}

const SORT_KEYS: Readonly<Record<string, SortKey>> = {
  identity: SortKey.IDENTITY,
  state: SortKey.STATE,
  since: SortKey.SINCE,
  updated_at: SortKey.UPDATED_AT,
  agent: SortKey.AGENT,
};

/** `KEY`, `KEY:asc` or `KEY:desc`. Throws E_INVALID_ARGUMENT. */
export function sortFrom(text: string | undefined): MessageInitShape<typeof SortSchema> | undefined {
  if (text === undefined) return undefined;
  const [name = "", direction = "asc", ...rest] = text.split(":");
  const key = SORT_KEYS[name.replace("-", "_")];
  if (key === undefined || !["asc", "desc"].includes(direction) || rest.length > 0) {
    const known = Object.keys(SORT_KEYS).join(", ");
    throw usageError("--sort", `--sort: "${text}" is not KEY or KEY:desc with a KEY of ${known}`);
  }
  return { key, descending: direction === "desc" };
}
