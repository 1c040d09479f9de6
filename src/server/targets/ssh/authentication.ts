import { type AnyAuthMethod, BaseAgent, type ParsedKey } from "ssh2";
import { UserAgent } from "./agent.js";
import { type Identity, readIdentity } from "./identities.js";
import { type LoginFacts, loginFailure } from "./login-failure.js";
import { acceptsAlgorithm, type OfferedKey, offeredKeys } from "./offered-keys.js";
import type { HostConfig } from "./ssh-config.js";
import { reasonOf, SshError } from "./ssh-error.js";

type SignCallback = (error?: Error | null, signature?: Buffer) => void;

/**
 * One attempt to log in to one host with the user's keys. To the library it is an agent that holds all of them; each
 * signature comes from the user's agent or from a key file. Nothing is ever asked of anybody.
 */
export class Authentication extends BaseAgent<ParsedKey> {
  readonly #host: HostConfig;
  readonly #agent: UserAgent | undefined;
  readonly #attempts: AnyAuthMethod[];
  readonly #facts: { -readonly [Fact in keyof LoginFacts]: LoginFacts[Fact] };
  readonly #wanted: { readonly offered: OfferedKey; readonly why: string }[] = [];
  #waitsForAgent = false;
  #over = false;

  private constructor(host: HostConfig, identities: readonly Identity[], agent: ListedAgent) {
    super();
    this.#host = host;
    this.#agent = agent.agent;
    this.#facts = {
      host,
      identities,
      agentProblem: agent.problem,
      offered: offeredKeys(host, identities, agent.keys),
      wanted: this.#wanted,
      signed: undefined,
      methods: undefined,
      said: undefined,
    };
    const username = host.user;
    // As ssh does: the first request fails and tells which methods the host has.
    this.#attempts = [{ type: "none", username }];
    if (this.#facts.offered.length > 0) this.#attempts.push({ type: "agent", username, agent: this });
  }

  /** Reads the user's identity files and asks the agent for its list, at most 2 s long. Never rejects. */
  static async prepare(host: HostConfig): Promise<Authentication> {
    const [identities, agent] = await Promise.all([
      Promise.all(host.identityFiles.map(readIdentity)),
      listAgent(host.agentSocket),
    ]);
    return new Authentication(
      host,
      identities.filter((identity) => identity !== undefined),
      agent,
    );
  }

  /** What to try next; false when nothing is left. `methods`: what the host says it takes; null before it was asked. */
  next(methods: readonly string[] | null): AnyAuthMethod | false {
    if (methods !== null) this.#facts.methods = methods;
    return this.#attempts.shift() ?? false;
  }

  override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
    callback(
      null,
      this.#facts.offered.map(({ key }) => key),
    );
  }

  /** Called by the library for a key that the host takes. */
  override sign(
    key: ParsedKey,
    data: Buffer,
    optionsOrCallback: { readonly hash?: string } | SignCallback,
    maybeCallback?: SignCallback,
  ): void {
    const options = typeof optionsOrCallback === "function" ? {} : optionsOrCallback;
    const callback = typeof optionsOrCallback === "function" ? optionsOrCallback : maybeCallback;
    const offered = this.#facts.offered.find((candidate) => candidate.key.equals(key));
    if (callback === undefined || offered === undefined) return;
    const done = (result: Buffer | Error): void => {
      this.#waitsForAgent = false;
      if (this.#over) return;
      if (result instanceof Error) {
        this.#wanted.push({ offered, why: result.message });
        callback(result);
      } else {
        this.#facts.signed = offered;
        callback(null, result);
      }
    };
    if (options.hash === "sha1" && !acceptsAlgorithm(this.#host, "ssh-rsa")) {
      done(new Error("the host wants a SHA-1 signature, which PubkeyAcceptedAlgorithms does not allow"));
    } else if (offered.inAgent && this.#agent !== undefined) {
      this.#waitsForAgent = true;
      this.#agent.sign(key, data, hashOption(options.hash), (error, signature) =>
        done(error || (signature ?? new Error("the agent gave no signature"))),
      );
    } else done(signWithFile(offered, data, options.hash));
  }

  /** Why nobody was let in. `said`: the host's last words, if it broke off. */
  failure(said?: string): SshError {
    return loginFailure({ ...this.#facts, said });
  }

  /** What to report when the time is up while a person may be asked by the agent; undefined if nobody is. */
  get agentTooSlow(): SshError | undefined {
    if (!this.#waitsForAgent) return undefined;
    return new SshError(
      "auth",
      `the agent did not sign for ${this.#host.alias} in time`,
      "see whether it asks for a confirmation or a touch, then connect again",
    );
  }

  /** Lets go of the agent; later answers of it are dropped. */
  close(): void {
    this.#over = true;
    this.#agent?.close();
  }
}

interface ListedAgent {
  readonly agent: UserAgent | undefined;
  readonly keys: readonly ParsedKey[];
  readonly problem: string | undefined;
}

async function listAgent(socket: string | undefined): Promise<ListedAgent> {
  if (socket === undefined) return { agent: undefined, keys: [], problem: undefined };
  const agent = new UserAgent(socket);
  try {
    return { agent, keys: await agent.list(), problem: undefined };
  } catch (error) {
    return { agent, keys: [], problem: `the agent at ${socket} gives no keys: ${reasonOf(error)}` };
  }
}

function signWithFile({ identity }: OfferedKey, data: Buffer, hash: string | undefined): Buffer | Error {
  if (identity?.privateKey === undefined)
    return new Error(identity?.trouble?.why ?? "there is no private key");
  try {
    return identity.privateKey.sign(data, hash);
  } catch (error) {
    return new Error(reasonOf(error), { cause: error });
  }
}

function hashOption(hash: string | undefined): { hash?: "sha1" | "sha256" | "sha512" } {
  return hash === "sha1" || hash === "sha256" || hash === "sha512" ? { hash } : {};
}
