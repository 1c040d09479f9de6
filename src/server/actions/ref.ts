import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";
import { encodeSessionName } from "../watch/rows.js";

/** A canonical ref, parsed. */
export type Ref =
  | { readonly kind: "runtime"; readonly runtimeId: string }
  | {
      readonly kind: "pane";
      readonly target: string;
      readonly sessionName: string;
      readonly windowId: string;
      readonly paneId: string;
    };

const RUNTIME = /^runtime:([0-9a-f]{64})$/u;
const PANE = /^pane:([A-Za-z0-9._-]{1,64})\/([^/]{1,4096})\/(@\d{1,9})\/(%\d{1,9})$/u;

function invalid(code: ErrorCode, message: string, ref: string): ContractError {
  return new ContractError(code, message, { ref: ref.slice(0, 256) });
}

/** Parses a canonical ref. Throws ContractError E_REF_INVALID or E_REF_INVALID_ENCODING. */
export function parseRef(ref: string): Ref {
  const runtime = RUNTIME.exec(ref);
  if (runtime?.[1] !== undefined) return { kind: "runtime", runtimeId: runtime[1] };
  const [, target, session, windowId, paneId] = PANE.exec(ref) ?? [];
  if (target === undefined || session === undefined || windowId === undefined || paneId === undefined) {
    throw invalid(
      ErrorCode.E_REF_INVALID,
      "a ref is runtime:<id> or pane:<target>/<session, percent-encoded>/<@window>/<%pane>",
      ref,
    );
  }
  return { kind: "pane", target, sessionName: decodeSession(session, ref), windowId, paneId };
}

/** One session has one ref: an encoding that lists would not give is refused, so that refs compare as text. */
function decodeSession(encoded: string, ref: string): string {
  try {
    const name = decodeURIComponent(encoded);
    if (encodeSessionName(name) === encoded) return name;
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  throw invalid(
    ErrorCode.E_REF_INVALID_ENCODING,
    "the session part of the ref is not percent-encoded UTF-8 as lists give it",
    ref,
  );
}
