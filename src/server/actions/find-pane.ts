import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import type { Pane } from "../../../gen/agtmux/v1/state_pb.js";
import { ContractError } from "../contract-error.js";
import type { RuntimeStore } from "../store/runtime-store.js";
import type { View } from "../watch/view.js";
import { parseRef } from "./ref.js";

/**
 * The one listed pane that a canonical ref names. Throws ContractError E_REF_INVALID, E_REF_INVALID_ENCODING,
 * E_REF_NOT_FOUND, or E_RUNTIME_STALE for a runtime that has ended.
 */
export function findPane(ref: string, view: View, runtimes: RuntimeStore): Pane {
  const parsed = parseRef(ref);
  const panes = view.panes();
  const facts = { ref: ref.slice(0, 256) };
  if (parsed.kind === "runtime") {
    const pane = panes.find((row) => row.agent?.runtimeId === parsed.runtimeId);
    if (pane !== undefined) return pane;
    if (runtimes.find(parsed.runtimeId) !== undefined)
      throw new ContractError(ErrorCode.E_RUNTIME_STALE, "that runtime has ended", facts);
    throw new ContractError(ErrorCode.E_REF_NOT_FOUND, "no runtime has that id", facts);
  }
  const pane = panes.find(
    ({ identity }) => identity?.target === parsed.target && identity.paneId === parsed.paneId,
  );
  const { identity } = pane ?? {};
  const fits =
    identity?.windowId === parsed.windowId &&
    [identity.sessionName, ...(pane?.alsoIn ?? [])].includes(parsed.sessionName);
  if (pane === undefined || !fits) {
    throw new ContractError(ErrorCode.E_REF_NOT_FOUND, "no pane has that ref now", facts);
  }
  return pane;
}
