import { getOption } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorCode, ErrorCodeSchema, ErrorDetailSchema } from "../../../gen/agtmux/v1/common_pb.js";
import { error_mapping } from "../../../gen/agtmux/v1/options_pb.js";
import { ContractError } from "../contract-error.js";
import { cleanLine } from "../ingest/redact.js";
import type { Logger } from "../log.js";
import { FAULT_CODES, type FaultKind, faultKind, StoreFault, sqliteCode } from "../store/fault.js";

/** Most characters of a message, and of one fact. */
const MAX_MESSAGE = 1_024;
const MAX_FACT = 4_096;

const STORE_MESSAGES: Readonly<Record<FaultKind, string>> = {
  disk_full: "nothing was stored: the daemon's disk is full",
  read_only: "nothing was stored: the daemon's database is read-only",
  locked: "nothing was stored: another program holds the lock of the daemon's database",
  io: "the daemon's disk refused its database",
  corrupt: "the daemon's database is damaged: restart the daemon, which sets it aside",
};

/** Turns whatever a handler threw into a ContractError; what nobody foresaw is E_INTERNAL and goes to the log. */
export function contractError(error: unknown, log: Logger): ContractError {
  if (error instanceof ContractError) return error;
  const fault = storeError(error, log);
  if (fault !== undefined) return fault;
  log.error(
    { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
    "internal error",
  );
  return new ContractError(ErrorCode.E_INTERNAL, "internal error; the daemon's log has the details");
}

/** What a faulty store means for a call: nothing of it was done, and it may succeed later. Undefined for other errors. */
export function storeError(error: unknown, log: Logger): ContractError | undefined {
  const kind = faultKind(error);
  if (kind === undefined) return undefined;
  const sqlite = error instanceof StoreFault ? error.sqlite : sqliteCode(error);
  // A refused write is logged by who watches the store, once.
  if (!(error instanceof StoreFault)) log.error({ sqlite }, "the store could not be read");
  const cause = FAULT_CODES[kind];
  const code = kind === "locked" ? ErrorCode.E_TIMEOUT : ErrorCode.E_RESOURCE_EXHAUSTED;
  return new ContractError(code, STORE_MESSAGES[kind], { cause, sqlite }, { cause: error });
}

/** The Connect error that carries a ContractError, by the table in the contract's ErrorCode. */
export function connectError(error: ContractError): ConnectError {
  const mapping = getOption(errorValue(error.code), error_mapping);
  // Messages and facts quote what callers sent; they are printed as they are.
  const message = cleanLine(error.message, MAX_MESSAGE);
  const details = Object.entries(error.details).map(([name, value]) => [name, cleanLine(value, MAX_FACT)]);
  const detail = {
    desc: ErrorDetailSchema,
    value: {
      code: error.code,
      message,
      details: Object.fromEntries(details),
      retryable: mapping.retryable,
    },
  };
  // Sound: the table holds gRPC's numbers, which are Connect's codes.
  return new ConnectError(message, mapping.grpcCode as Code, undefined, [detail], error);
}

function errorValue(code: ErrorCode) {
  const value = ErrorCodeSchema.value[code] ?? ErrorCodeSchema.value[ErrorCode.E_INTERNAL];
  if (value === undefined) throw new Error("ErrorCode has no E_INTERNAL");
  return value;
}

/** What the errors that the library raises mean in the contract's words. */
const LIBRARY_CODES: Partial<Record<Code, ErrorCode>> = {
  [Code.Unimplemented]: ErrorCode.E_UNIMPLEMENTED,
  [Code.ResourceExhausted]: ErrorCode.E_RESOURCE_EXHAUSTED,
  [Code.InvalidArgument]: ErrorCode.E_INVALID_ARGUMENT,
  [Code.DeadlineExceeded]: ErrorCode.E_TIMEOUT,
};

/** Adds the typed detail to errors that the library itself raised, so that every error has one. */
export function completed(error: ConnectError): ConnectError {
  // The library calls a request that is no protobuf an internal error; it is the caller's.
  const malformed = error.code === Code.Internal && error.rawMessage.startsWith("parse binary");
  const code = malformed ? ErrorCode.E_INVALID_ARGUMENT : (LIBRARY_CODES[error.code] ?? ErrorCode.E_INTERNAL);
  return connectError(new ContractError(code, error.rawMessage, {}, { cause: error }));
}
