import type { Duplex } from "node:stream";
import { Unreachable } from "../../adapters/contract.js";
import type { HostShell } from "../shell/command-channel.js";
import { shQuote } from "./sh-quote.js";

/** Longest path of a Unix socket on Linux. */
const MAX_PATH_BYTES = 107;
const ABSENT = 2;
const NOT_OWN = 3;

export interface Dialling {
  readonly shell: HostShell;
  /** Connects to a Unix socket of the host, over the connection. */
  dial(path: string): Promise<Duplex>;
}

/** Connects to a Unix socket of a host, which must be the user's. Rejects with Unreachable or ExecutorError. */
export async function dialRemoteSocket(path: string, { shell, dial }: Dialling): Promise<Duplex> {
  if (!path.startsWith("/") || path.includes("\0") || Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new Unreachable(false, `${path} is no path of a socket`);
  }
  const word = shQuote(path).toString("utf8");
  const script = `if [ ! -e ${word} ]; then st ${ABSENT}; elif [ -S ${word} ] && [ -O ${word} ]; then :; else st ${NOT_OWN}; fi`;
  const { status } = await shell.run(script);
  if (status === ABSENT) throw new Unreachable(true, `${path}: ENOENT`);
  if (status !== 0) throw new Unreachable(false, `${path} is no socket of the user's`);
  try {
    return await dial(path);
  } catch (error) {
    throw new Unreachable(false, error instanceof Error ? error.message : String(error));
  }
}
