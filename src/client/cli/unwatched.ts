import { basename, join } from "node:path";
import type { Target } from "../../../gen/agtmux/v1/target_pb.js";
import type { Environment } from "../paths.js";
import { printable } from "./printable.js";

/** What may stand in a shell line as it is. */
const PLAIN_PATH = /^[A-Za-z0-9._/+-]+$/u;

/**
 * What to say to a user whose terminal is in a tmux server that no target watches: the usual reason why an agent that is
 * plainly there is not listed. Nothing for a terminal outside tmux or in a watched server.
 */
export function unwatchedServerLines(
  env: Environment,
  uid: number | undefined,
  targets: readonly Pick<Target, "tmuxSocket">[],
): string[] {
  const [socket = ""] = (env["TMUX"] ?? "").split(",");
  if (!socket.startsWith("/")) return [];
  const folder = join(env["TMUX_TMPDIR"] || "/tmp", `tmux-${uid ?? ""}`);
  const watched = targets.map(({ tmuxSocket }) => {
    return tmuxSocket.startsWith("/") ? tmuxSocket : join(folder, tmuxSocket || "default");
  });
  if (watched.includes(socket)) return [];
  const said = `This terminal is in a tmux server that is not watched: ${printable(socket)}`;
  if (!PLAIN_PATH.test(socket)) return [said];
  const name = basename(socket).replace(/[^A-Za-z0-9._-]/gu, "-");
  return [`${said}. Watch it:`, `  agtmux target add ${name} --kind local --tmux-socket ${socket}`];
}
