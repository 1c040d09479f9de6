import { invalidArgument } from "../contract-error.js";
import type { TargetRecord } from "../store/target-store.js";
import { REMOTE_SOCKET } from "./ssh/ssh-executor.js";
import type { ConnectOptions } from "./ssh/ssh-link.js";

const NAME = /^[A-Za-z0-9._-]{1,64}$/u;
/** What ssh itself may be given as a host without a thought (OpenSSH 9.6 refuses the rest too). */
const SSH_TARGET = /^[A-Za-z0-9_.@:%][A-Za-z0-9._:@%+-]{0,254}$/u;
const MAX_SOCKET = 1_024;

/** Throws ContractError E_INVALID_ARGUMENT for a target that cannot be one. */
export function checkTarget(target: Omit<TargetRecord, "createdAt">, options: ConnectOptions): void {
  const { targetId, kind, sshTarget, tmuxSocket } = target;
  if (!NAME.test(targetId)) throw invalidArgument("name", "must be 1 to 64 of A-Z a-z 0-9 . _ -");
  if (tmuxSocket.includes("\0") || tmuxSocket.length > MAX_SOCKET) {
    throw invalidArgument("tmux_socket", "must be a socket name or an absolute path");
  }
  if (kind === "ssh") {
    if (!SSH_TARGET.test(sshTarget)) {
      throw invalidArgument(
        "ssh_target",
        "must be a host of your ssh configuration: A-Z a-z 0-9 . _ : @ % + -",
      );
    }
    if (tmuxSocket !== "" && !REMOTE_SOCKET.test(tmuxSocket)) {
      throw invalidArgument("tmux_socket", "on an ssh target it may hold A-Z a-z 0-9 . _ / + - only");
    }
    return;
  }
  if (sshTarget !== "") throw invalidArgument("ssh_target", "is for ssh targets only");
  if (options.acceptNewHostKey === true) {
    throw invalidArgument("accept_new_host_key", "is for ssh targets only");
  }
}
