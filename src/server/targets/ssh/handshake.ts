import type { Duplex } from "node:stream";
import { Client } from "ssh2";
import type { Authentication } from "./authentication.js";
import { address } from "./dial.js";
import type { HostKeys } from "./host-keys.js";
import { keepKeys } from "./kept-keys.js";
import type { HostConfig } from "./ssh-config.js";
import { reasonOf, SshError } from "./ssh-error.js";

/** Most bytes that a host may send before it has let us in. */
const MAX_BYTES_BEFORE_LOGIN = 1024 * 1024;
/** The library measures silence by its own probes; here it is measured by what arrives, as ssh does. */
const NEVER = Number.POSITIVE_INFINITY;

export interface HandshakeParts {
  readonly host: HostConfig;
  /** Carries the bytes; is the caller's to destroy when the handshake fails. */
  readonly stream: Duplex;
  readonly hostKeys: HostKeys;
  readonly authentication: Authentication;
  /** How often the host is asked for a sign of life, in milliseconds. */
  readonly aliveIntervalMs: number;
  /** Told what is being waited for, to be named when time is up. */
  readonly onStage: (stage: string) => void;
  readonly signal: AbortSignal;
}

/** Speaks ssh until the host has proved its key and let the user in. Rejects with SshError. */
export async function shakeHands(parts: HandshakeParts): Promise<Client> {
  const { host, stream, hostKeys, authentication, signal } = parts;
  const { promise, resolve, reject } = Promise.withResolvers<Client>();
  const client = new Client();
  let refusal: SshError | undefined;
  let loggingIn = false;
  let recorded = Promise.resolve();
  let bytes = 0;

  const onStop = (): void => reject(signal.reason);
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > MAX_BYTES_BEFORE_LOGIN) reject(noSsh(host, "it sends without end"));
  };
  // The listener stays for good: an error without one would end the daemon.
  client.on("error", (error) => {
    const level = levelOf(error);
    // The next key is tried by itself.
    if (level === "agent") return;
    if (refusal !== undefined) reject(refusal);
    else if (level === "client-authentication") reject(authentication.failure());
    else reject(handshakeError(host, authentication, error, loggingIn));
  });
  client.on("close", () => reject(refusal ?? endedEarly(host, loggingIn)));
  client.on("handshake", () => {
    keepKeys(client);
    if (loggingIn) return;
    loggingIn = true;
    parts.onStage("the login");
    recorded = hostKeys.record();
    recorded.catch(reject);
  });
  client.on("ready", () => void recorded.then(() => resolve(client), reject));
  signal.addEventListener("abort", onStop, { once: true });
  if (signal.aborted) onStop();

  parts.onStage("the key exchange");
  try {
    client.connect({
      sock: stream,
      username: host.user,
      readyTimeout: 0,
      keepaliveInterval: parts.aliveIntervalMs,
      keepaliveCountMax: NEVER,
      strictVendor: false,
      algorithms: {
        kex: [...host.algorithms.kex],
        cipher: [...host.algorithms.cipher],
        hmac: [...host.algorithms.hmac],
        serverHostKey: [...hostKeys.algorithms],
        compress: ["none"],
      },
      // Answers at once: whatever follows in the library then stays within its own handling of faults.
      hostVerifier: (key: Buffer) => {
        refusal = hostKeys.refusal(key);
        return refusal === undefined;
      },
      authHandler: (methods: readonly string[] | null) => authentication.next(methods),
    });
    stream.on("data", onData);
    return await promise;
  } finally {
    signal.removeEventListener("abort", onStop);
    stream.off("data", onData);
    authentication.close();
  }
}

function handshakeError(
  host: HostConfig,
  authentication: Authentication,
  error: Error,
  loggingIn: boolean,
): SshError {
  const code = "code" in error ? error.code : undefined;
  // 2 and 14 are how a host says that it has had enough of our keys.
  if (loggingIn && (code === 2 || code === 14)) return authentication.failure(error.message);
  const missing = /no matching (.*)/.exec(error.message)?.[1];
  if (missing !== undefined) {
    return new SshError(
      "config",
      `${address(host)} and the daemon have no ${missing} in common`,
      `allow a newer one in its sshd_config, or one more in ~/.ssh/config; the daemon offers ${offer(host, missing)}`,
      { cause: error },
    );
  }
  if (levelOf(error) === "client-socket") {
    return new SshError(
      "failed",
      `the connection to ${address(host)} broke before the login: ${reasonOf(error)}`,
      "see whether its sshd limits connections (MaxStartups) or a firewall cuts them",
      { cause: error },
    );
  }
  if (error.message === "Connection lost before handshake") return endedEarly(host, false);
  return loggingIn ? endedEarly(host, true, error) : noSsh(host, reasonOf(error), error);
}

function noSsh(host: HostConfig, why: string, cause?: Error): SshError {
  return new SshError(
    "failed",
    `${address(host)} does not speak ssh as it should: ${why}`,
    `see what listens there, and try "ssh ${host.alias}" by hand`,
    { cause },
  );
}

function endedEarly(host: HostConfig, loggingIn: boolean, cause?: Error): SshError {
  const when = loggingIn ? "during the login" : "before the login";
  return new SshError(
    "failed",
    `${address(host)} closed the connection ${when}${cause === undefined ? "" : `: ${cause.message}`}`,
    "see what listens there; an sshd may limit connections (MaxStartups, LoginGraceTime) and says so in its log",
    { cause },
  );
}

function offer(host: HostConfig, missing: string): string {
  const { kex, serverHostKey, cipher, hmac } = host.algorithms;
  if (missing.startsWith("key exchange")) return kex.join(",");
  if (missing.startsWith("host key")) return serverHostKey.join(",");
  return missing.endsWith("cipher") ? cipher.join(",") : hmac.join(",");
}

function levelOf(error: Error): string | undefined {
  return "level" in error && typeof error.level === "string" ? error.level : undefined;
}
