import type { Client } from "ssh2";
import { ChannelStream } from "./channel-stream.js";
import { address } from "./dial.js";
import { isSafeWord } from "./path-tokens.js";
import type { HopOverride, HostConfig } from "./ssh-config.js";
import { SshError } from "./ssh-error.js";

/** One host on the way, as a ProxyJump list names it. */
export interface JumpHost extends HopOverride {
  readonly name: string;
}

/** The hosts of a ProxyJump list, the nearest first. Throws SshError `config`. */
export function parseProxyJump(list: string): JumpHost[] {
  return list.split(",").map((entry) => {
    const parts =
      /^(?:ssh:\/\/)?(?:(?<user>.+)@)?(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:@[\]]+))(?::(?<port>\d{1,5}))?\/?$/.exec(
        entry.trim(),
      )?.groups;
    const name = parts?.["bracketed"] ?? parts?.["plain"];
    const user = parts?.["user"];
    const port = parts?.["port"] === undefined ? undefined : Number(parts["port"]);
    const isSafe = name !== undefined && isSafeWord(name) && (user === undefined || isSafeWord(user));
    if (isSafe && (port === undefined || (port > 0 && port < 65_536))) return { name, user, port };
    throw new SshError(
      "config",
      `ProxyJump names "${entry.slice(0, 60)}", which is no host`,
      "mend ProxyJump in ~/.ssh/config: [user@]host[:port], with commas between",
    );
  });
}

/** Has a jump host connect to the next one. Rejects with SshError `proxy`, and with the reason of `signal`. */
export function throughJump(
  jump: Client,
  jumpName: string,
  host: HostConfig,
  signal: AbortSignal,
): Promise<ChannelStream> {
  const { promise, resolve, reject } = Promise.withResolvers<ChannelStream>();
  const onStop = (): void => reject(signal.reason);
  if (signal.aborted) onStop();
  signal.addEventListener("abort", onStop, { once: true });
  try {
    jump.forwardOut("127.0.0.1", 0, host.hostname, host.port, (error, channel) => {
      signal.removeEventListener("abort", onStop);
      if (error !== undefined) reject(jumpError(jumpName, host, error));
      // Late: the attempt is over, and with it goes the jump host's connection.
      else if (signal.aborted) channel.destroy();
      else resolve(new ChannelStream(channel));
    });
  } catch (error) {
    signal.removeEventListener("abort", onStop);
    reject(jumpError(jumpName, host, error));
  }
  return promise;
}

function jumpError(jumpName: string, host: HostConfig, error: unknown): SshError {
  const message = error instanceof Error ? error.message : String(error);
  const why = message.replace("(SSH) Channel open failure: ", "");
  const forbidden = typeof error === "object" && error !== null && "reason" in error && error.reason === 1;
  return new SshError(
    "proxy",
    `the jump host ${jumpName} did not connect to ${address(host)}: ${why}`,
    forbidden
      ? `allow AllowTcpForwarding in the sshd_config of ${jumpName}`
      : `see whether ${host.alias} is up and can be reached from ${jumpName}`,
    { cause: error },
  );
}
