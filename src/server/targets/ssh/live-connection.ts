import type { Client, SFTPWrapper } from "ssh2";
import { ChannelStream } from "./channel-stream.js";
import type { SshChannel, SshConnection } from "./connection.js";
import { execChannel } from "./exec-channel.js";
import type { Link } from "./link.js";
import { type Aliveness, watchSilence } from "./silence.js";
import { reasonOf, SshError } from "./ssh-error.js";

/** Longest wait for an answer of the host, in milliseconds. */
const ANSWER_MS = 5_000;
/** Most forwarded connections at a time: a host may open as many as it likes. */
const MAX_FORWARDED = 64;

/** The connection over a link that is logged in; closes the link when it is over. */
export function liveConnection(link: Link, aliveness: Aliveness): SshConnection {
  const { client } = link;
  const { promise: closed, resolve: setClosed } = Promise.withResolvers<SshError>();
  const forwards = new Map<string, (stream: ChannelStream) => void>();
  /** What waits for an answer, and open channels; told when the connection is over. */
  const waiting = new Set<(error: SshError) => void>();
  const endings = new Set<() => void>();
  let forwarded = 0;
  let over: SshError | undefined;
  let reason: string | undefined;

  const finish = (error: SshError): void => {
    if (over !== undefined) return;
    over = error;
    stopWatching();
    for (const tell of waiting) tell(error);
    for (const tell of endings) tell();
    waiting.clear();
    endings.clear();
    link.close();
    setClosed(error);
  };
  const lost = (why: string): void =>
    finish(
      new SshError(
        "lost",
        `the connection to ${link.address} was lost: ${why}`,
        "it is opened again by itself",
      ),
    );

  client.on("error", (error) => {
    reason ??= reasonOf(error);
    lost(reason);
  });
  client.on("end", () => lost(reason ?? "the host closed it"));
  client.on("close", () => lost(reason ?? "the host closed it"));
  const stopWatching = watchSilence(link, aliveness, (ms) => {
    lost(`the host was silent for ${ms / 1_000} s`);
    link.stream.destroy();
  });

  client.on("unix connection", (details, accept, reject) => {
    const take = forwards.get(details.socketPath);
    if (take === undefined || forwarded >= MAX_FORWARDED) {
      reject();
      return;
    }
    forwarded++;
    const channel = accept();
    channel.once("close", () => {
      forwarded--;
    });
    take(new ChannelStream(channel));
  });

  /**
   * Puts a question to the host. What an answer is made into must be made at once, in `put`: more of the host's words
   * may follow in the same turn. `late` gets an answer that came after the deadline or the end.
   */
  const ask = <T>(
    what: string,
    ms: number,
    put: (client: Client, answer: { is(value: T): void; failed(error: Error): void }) => void,
    refused: (why: string, cause: unknown) => SshError,
    late: (value: T) => void,
  ): Promise<T> => {
    if (over !== undefined) return Promise.reject(over);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      clearTimeout(timer);
      waiting.delete(fail);
      return true;
    };
    const fail = (error: SshError): void => {
      if (settle()) reject(error);
    };
    const timer = setTimeout(() => fail(unanswered(link, what, ms)), ms);
    waiting.add(fail);
    try {
      put(client, {
        is: (value) => {
          if (settle()) resolve(value);
          else late(value);
        },
        failed: (error) => fail(over ?? refused(reasonOf(error), error)),
      });
    } catch (error) {
      fail(refused(reasonOf(error), error));
    }
    return promise;
  };

  const unforward = async (remotePath: string): Promise<void> => {
    if (!forwards.delete(remotePath) || over !== undefined) return;
    const asked = ask<void>(
      "the end of a socket",
      ANSWER_MS,
      (to, answer) => to.openssh_unforwardInStreamLocal(remotePath, () => answer.is(undefined)),
      (why, cause) => forwardingRefused(link, why, cause),
      () => undefined,
    );
    // No answer: the connection is as good as over, and the socket ends with it.
    await asked.catch(() => undefined);
  };

  return {
    closed,
    close: () =>
      finish(new SshError("lost", `the connection to ${link.address} was closed here`, "connect again")),

    async exec(command, options = {}) {
      return ask<SshChannel>(
        "a command",
        options.timeoutMs ?? ANSWER_MS,
        (to, answer) =>
          to.exec(command, (error, channel) => {
            if (error) answer.failed(error);
            else answer.is(execChannel(channel, endings));
          }),
        (why, cause) => commandRefused(link, why, cause),
        (late) => late.close(),
      );
    },

    async sftp() {
      return ask<SFTPWrapper>(
        "sftp",
        ANSWER_MS,
        (to, answer) =>
          to.sftp((error, sftp) => {
            if (error) {
              answer.failed(error);
              return;
            }
            // Its calls report their own errors; one more would end the daemon.
            sftp.on("error", () => undefined);
            answer.is(sftp);
          }),
        (why, cause) => noSftp(link, why, cause),
        (late) => late.end(),
      );
    },

    async forwardOut(remotePath) {
      return ask<ChannelStream>(
        "a socket",
        ANSWER_MS,
        (to, answer) =>
          to.openssh_forwardOutStreamLocal(remotePath, (error, channel) => {
            if (error) answer.failed(error);
            else answer.is(new ChannelStream(channel));
          }),
        (why, cause) => forwardingRefused(link, why, cause),
        (late) => late.destroy(),
      );
    },

    async forwardIn(remotePath, accept) {
      // Known beforehand: the first connection may come with the answer.
      forwards.set(remotePath, accept);
      try {
        await ask<void>(
          "a socket",
          ANSWER_MS,
          (to, answer) =>
            to.openssh_forwardInStreamLocal(remotePath, (error) =>
              error ? answer.failed(error) : answer.is(undefined),
            ),
          (why, cause) => forwardingRefused(link, why, cause),
          () => undefined,
        );
      } catch (error) {
        forwards.delete(remotePath);
        throw error;
      }
      return { close: () => unforward(remotePath) };
    },
  };
}

function unanswered(link: Link, what: string, ms: number): SshError {
  return new SshError(
    "timeout",
    `${link.address} did not answer a request for ${what} within ${ms / 1_000} s`,
    "see whether the host is overloaded or the network is slow",
  );
}

function commandRefused(link: Link, why: string, cause: unknown): SshError {
  return new SshError(
    "failed",
    `${link.address} did not run a command: ${why}`,
    "see whether its sshd allows commands for this key and enough sessions (MaxSessions, ForceCommand)",
    { cause },
  );
}

function noSftp(link: Link, why: string, cause: unknown): SshError {
  return new SshError(
    "failed",
    `${link.address} gives no sftp: ${why}`,
    'have "Subsystem sftp internal-sftp" in its sshd_config',
    { cause },
  );
}

function forwardingRefused(link: Link, why: string, cause: unknown): SshError {
  return new SshError(
    "forwarding_refused",
    `${link.address} does not forward a socket: ${why}`,
    "allow AllowStreamLocalForwarding in its sshd_config, or do without: events are then read from its spool",
    { cause },
  );
}
