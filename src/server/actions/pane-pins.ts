import type { Pane } from "../../../gen/agtmux/v1/state_pb.js";
import { instanceCondition } from "../tmux/guard.js";

/** The condition under which a pane is the one that was listed, whatever runs in it. */
export function panePins({ identity, panePid }: Pane, bootId: string): string {
  const [serverPid = 0, serverStart = 0] = bootId.split(":").map(Number);
  return instanceCondition({
    paneId: identity?.paneId ?? "",
    panePid: Number(panePid),
    serverPid,
    serverStart,
  });
}
