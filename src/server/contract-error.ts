import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";

/** An error of the contract's one table, on its way to a client. */
export class ContractError extends Error {
  override readonly name = "ContractError";

  constructor(
    readonly code: ErrorCode,
    /** One line for a person. */
    message: string,
    /** Facts by name, for programs. */
    readonly details: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The code as the contract spells it, `E_…`. */
  get codeName(): string {
    return ErrorCode[this.code];
  }
}

/** A field of a request is missing, malformed or out of range. */
export function invalidArgument(field: string, message: string): ContractError {
  return new ContractError(ErrorCode.E_INVALID_ARGUMENT, `${field}: ${message}`, { field });
}
