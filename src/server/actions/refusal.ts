import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";

/** A guard that holds an action back: E_PRECONDITION_FAILED, with a reason for programs and a line for people. */
export function refused(reason: string, message: string): ContractError {
  return new ContractError(ErrorCode.E_PRECONDITION_FAILED, message, { reason });
}
