import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ObservationSchema } from "../../../gen/agtmux/v1/common_pb.js";
import { usageError } from "../errors.js";
import type { Io } from "./io.js";

const FIELD = "--expect";
/** Far more than a listed item has, in bytes. */
const MOST = 1024 * 1024;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

export type ObservationInit = MessageInitShape<typeof ObservationSchema>;

/** What was looked at, as an earlier listing printed it. */
export interface Expected {
  readonly observation: ObservationInit;
  /** The dialog that the listed item had; absent in an observation alone. */
  readonly promptId: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;

function wrong(why: string): Error {
  return usageError(
    FIELD,
    `${FIELD}: ${why}; give one item of a list's or watch's JSON, or its observation, as JSON or - for standard input`,
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(json: Json, name: string): string {
  const value = json[name];
  if (typeof value === "string" && value !== "") return value;
  throw wrong(`${name} is missing`);
}

function numberOf(json: Json, name: string): bigint {
  const value = json[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw wrong(`${name} is no whole number`);
}

function observationOf(json: Json): ObservationInit {
  const text = textOf(json, "observed_at");
  const ms = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw wrong("observed_at is no RFC 3339 time");
  const observedAt = timestampFromMs(Math.floor(ms));
  if (json["runtime_id"] !== undefined) {
    return {
      runtimeId: textOf(json, "runtime_id"),
      stateVersion: numberOf(json, "state_version"),
      observedAt,
    };
  }
  const bootId = textOf(json, "boot_id");
  return { bootId, paneId: textOf(json, "pane_id"), panePid: numberOf(json, "pane_pid"), observedAt };
}

/** Reads an observation or a whole listed item. Throws E_INVALID_ARGUMENT. */
export function parseExpected(text: string): Expected {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong("that is not JSON");
  }
  if (!isObject(json)) throw wrong("that is no JSON object");
  if (Array.isArray(json["items"])) throw wrong("that is a whole list");
  const { observation } = json;
  if (observation === undefined) return { observation: observationOf(json), promptId: undefined };
  if (!isObject(observation)) throw wrong("its observation is no JSON object");
  const promptId = json["prompt_id"] === undefined ? undefined : textOf(json, "prompt_id");
  return { observation: observationOf(observation), promptId };
}

/** What `--expect` gives, itself or on standard input; undefined without it. Throws E_INVALID_ARGUMENT. */
export async function expectedFrom(io: Io, text: string | undefined): Promise<Expected | undefined> {
  if (text !== "-") return text === undefined ? undefined : parseExpected(text);
  return parseExpected(new TextDecoder().decode(await io.readInput(FIELD, MOST)));
}
