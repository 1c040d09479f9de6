import { connect, isIP, type Socket } from "node:net";
import { startDeadline } from "./deadline.js";
import type { HostConfig } from "./ssh-config.js";
import { errorCode, reasonOf, SshError } from "./ssh-error.js";

/** Longest wait for a TCP connection, in milliseconds, unless the user's ConnectTimeout says otherwise. */
const CONNECT_MS = 3_000;
/** The most that ConnectTimeout may ask for, in milliseconds: the whole handshake's. */
const MAX_CONNECT_MS = 15_000;

/** A TCP connection to a host, by all of its addresses. Rejects with SshError, also with the reason of `signal`. */
export async function dial(host: HostConfig, signal: AbortSignal): Promise<Socket> {
  const ms = Math.min(host.connectTimeoutMs ?? CONNECT_MS, MAX_CONNECT_MS);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let found = isIP(host.hostname) !== 0;
  const late = (): SshError => (found ? noAnswer(host, ms) : noAddress(host, `no answer within ${ms} ms`));
  const deadline = startDeadline(ms, late, signal);
  const socket = connect({
    host: host.hostname,
    port: host.port,
    family: host.family,
    ...(host.bindAddress === undefined ? {} : { localAddress: host.bindAddress }),
    noDelay: true,
    keepAlive: host.tcpKeepAlive,
  });
  const onStop = (): void => reject(deadline.signal.reason);
  deadline.signal.addEventListener("abort", onStop, { once: true });
  if (deadline.signal.aborted) onStop();
  socket.on("lookup", (error) => {
    found = !error;
  });
  socket.once("connect", () => resolve(socket));
  socket.on("error", (error) => reject(dialError(host, error)));
  try {
    return corked(await promise);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    deadline.end();
  }
}

function dialError(host: HostConfig, error: unknown): SshError {
  const code = errorCode(error) ?? "";
  const options = { cause: error };
  if (code === "ECONNREFUSED") {
    return new SshError(
      "refused",
      `nothing listens on ${address(host)}`,
      `start sshd there, or mend Port and HostName of ${host.alias} in ~/.ssh/config`,
      options,
    );
  }
  if (code === "ENOTFOUND" || code.startsWith("EAI_") || code === "ENODATA") {
    return noAddress(host, code, options);
  }
  if (code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "ETIMEDOUT" || code === "EHOSTDOWN") {
    return new SshError(
      "timeout",
      `there is no way to ${address(host)} (${code})`,
      "see whether the host is up and the network or VPN is connected",
      options,
    );
  }
  if (code === "EADDRNOTAVAIL" || code === "EINVAL") {
    return new SshError(
      "config",
      `${host.alias} cannot be reached from this address: ${reasonOf(error)}`,
      "mend BindAddress or AddressFamily in ~/.ssh/config",
      options,
    );
  }
  return new SshError(
    "failed",
    `${address(host)} could not be reached: ${reasonOf(error)}`,
    `try "ssh ${host.alias}" by hand`,
    options,
  );
}

function noAnswer(host: HostConfig, ms: number): SshError {
  return new SshError(
    "timeout",
    `${address(host)} did not answer within ${ms / 1_000} s`,
    "see whether the host is up, and whether a firewall or a missing VPN drops the packets",
  );
}

function noAddress(host: HostConfig, why: string, options?: ErrorOptions): SshError {
  return new SshError(
    "resolve",
    `the name ${host.hostname} has no address (${why})`,
    `mend HostName of ${host.alias} in ~/.ssh/config, or see whether the network or VPN is connected`,
    options,
  );
}

/** A host and its port as ssh writes them. */
export function address(host: HostConfig): string {
  return `${isIP(host.hostname) === 6 ? `[${host.hostname}]` : host.hostname}:${host.port}`;
}

/**
 * Sends what is written within one turn as one: the ssh library writes each packet in three pieces, which would travel as
 * three segments, each a system call here and a wake-up there.
 */
function corked(socket: Socket): Socket {
  const write = socket.write.bind(socket);
  let holding = false;
  const uncork = (): void => {
    holding = false;
    socket.uncork();
  };
  // Sound: it takes what the method takes, and hands it on.
  socket.write = ((...words: Parameters<Socket["write"]>) => {
    if (!holding) {
      holding = true;
      socket.cork();
      process.nextTick(uncork);
    }
    return write(...words);
  }) as Socket["write"];
  return socket;
}
