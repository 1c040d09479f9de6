import type { ClientChannel } from "ssh2";
import type { SshChannel } from "./connection.js";

type Ended = Awaited<SshChannel["closed"]>;

/** A remote command, as its users know it. `endings` are told when the connection is over. */
export function execChannel(channel: ClientChannel, endings: Set<() => void>): SshChannel {
  const { promise: closed, resolve } = Promise.withResolvers<Ended>();
  let exit: Ended = { status: undefined, signal: undefined };
  const onOver = (): void => resolve(exit);
  channel.on("exit", (status: number | null, signal?: string) => {
    exit = { status: status ?? undefined, signal };
  });
  channel.on("close", () => {
    endings.delete(onOver);
    resolve(exit);
  });
  channel.on("error", () => undefined);
  channel.stderr.on("error", () => undefined);
  endings.add(onOver);
  return {
    stdout: channel,
    stderr: channel.stderr,
    write: (chunk) => channel.writable && channel.write(chunk),
    end: () => {
      if (channel.writable) channel.end();
    },
    close: () => {
      channel.close();
      // The host's consent may never come: it waits for the command to end.
      endings.delete(onOver);
      onOver();
    },
    closed,
  };
}
