import type { Socket } from "node:net";
import ssh2, { type OpenSSHAgent, type ParsedKey } from "ssh2";

/** Longest wait for an agent's list of keys, in milliseconds; a signature may wait for a person. */
const LIST_MS = 2_000;

/** The user's agent; its connections end with `close`, whatever they wait for. */
export class UserAgent extends ssh2.OpenSSHAgent {
  readonly #streams = new Set<Socket>();

  override getStream(callback: Parameters<OpenSSHAgent["getStream"]>[0]): void {
    super.getStream((error, stream) => {
      // The library hands over a socket; its types say less.
      const socket = stream as Socket | undefined;
      if (socket !== undefined && !error) this.#streams.add(socket);
      callback(error, stream);
    });
  }

  /** The keys that it holds. Rejects when there is no agent or it does not answer in time. */
  list(): Promise<ParsedKey[]> {
    const { promise, resolve, reject } = Promise.withResolvers<ParsedKey[]>();
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${LIST_MS / 1_000} s`));
      this.close();
    }, LIST_MS);
    this.getIdentities((error, keys) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve((keys ?? []).filter(isParsed));
    });
    return promise;
  }

  /** What still waits for the agent fails. */
  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}

// The library gives parsed keys; its types allow for agents that give others.
function isParsed(key: unknown): key is ParsedKey {
  return typeof key === "object" && key !== null && "getPublicSSH" in key;
}
