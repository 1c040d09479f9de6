import type { Identity } from "./identities.js";
import { describeKey, type OfferedKey } from "./offered-keys.js";
import type { HostConfig } from "./ssh-config.js";
import { SshError } from "./ssh-error.js";

/** What is known of an attempt to log in that failed. */
export interface LoginFacts {
  readonly host: HostConfig;
  readonly identities: readonly Identity[];
  readonly agentProblem: string | undefined;
  readonly offered: readonly OfferedKey[];
  /** Keys that the host would have taken, with why they could not sign. */
  readonly wanted: readonly { readonly offered: OfferedKey; readonly why: string }[];
  /** The last key that the host took and that signed. */
  readonly signed: OfferedKey | undefined;
  /** What the host said that it takes; undefined if it was not asked. */
  readonly methods: readonly string[] | undefined;
  /** The host's last words, if it broke off. */
  readonly said: string | undefined;
}

/** Why a host let nobody in, the likeliest reason first, and what to do about it. */
export function loginFailure(facts: LoginFacts): SshError {
  return (
    encrypted(facts) ??
    exposed(facts) ??
    notHonoured(facts) ??
    nothingToOffer(facts) ??
    couldNotSign(facts) ??
    refused(facts)
  );
}

function encrypted(facts: LoginFacts): SshError | undefined {
  const { host, identities, wanted } = facts;
  const taken = wanted.find(({ offered }) => offered.identity?.trouble?.kind === "encrypted")?.offered
    .identity;
  // A key in an old format shows its public half to nobody: whether the host would take it cannot be known.
  const locked =
    taken ??
    identities.find(({ publicKey, trouble }) => trouble?.kind === "encrypted" && publicKey === undefined);
  if (locked === undefined) return undefined;
  return new SshError(
    "key_encrypted",
    taken === undefined
      ? `${host.alias} takes none of the keys that could be offered; ${locked.path} is encrypted and could not be`
      : `${host.alias} takes the key ${locked.path}, which is encrypted and in no agent`,
    `run "ssh-add ${locked.path}" for the agent that the daemon uses${agentHint(facts)}`,
  );
}

function exposed({ host, identities }: LoginFacts): SshError | undefined {
  const path = identities.find(({ trouble }) => trouble?.kind === "permissions")?.path;
  if (path === undefined) return undefined;
  return new SshError(
    "auth",
    `${host.alias} lets ${host.user} in with no other key, and ${path} is not used, because others may read it`,
    `run "chmod 600 ${path}"`,
  );
}

function notHonoured({ host }: LoginFacts): SshError | undefined {
  if (host.loginNotHonoured.length === 0) return undefined;
  const advice = host.loginNotHonoured.join("; ");
  return new SshError("config", `${host.alias} lets ${host.user} in with none of the plain keys`, advice);
}

function nothingToOffer(facts: LoginFacts): SshError | undefined {
  const { host, identities, offered, agentProblem } = facts;
  if (offered.length > 0) return undefined;
  const reasons = identities.flatMap(({ trouble }) => trouble?.why ?? []);
  if (agentProblem !== undefined) reasons.push(agentProblem);
  const why = reasons.length > 0 ? `: ${reasons.join("; ")}` : "";
  return new SshError(
    "auth",
    `there is no key to log in to ${host.user}@${host.alias} with${why}`,
    `name an IdentityFile in ~/.ssh/config or add a key to the agent${agentHint(facts)}`,
  );
}

function couldNotSign({ host, wanted }: LoginFacts): SshError | undefined {
  const first = wanted[0];
  if (first === undefined) return undefined;
  return new SshError(
    "auth",
    `${host.alias} takes ${describeKey(first.offered)}, which could not sign: ${first.why}`,
    `try "ssh ${host.alias}" by hand`,
  );
}

function refused({ host, offered, signed, methods, said }: LoginFacts): SshError {
  const who = `${host.user}@${host.alias}`;
  if (said !== undefined) {
    return new SshError(
      "auth",
      `${who} was refused: ${said}`,
      "if too many keys were tried, set IdentityFile and IdentitiesOnly yes for this host in ~/.ssh/config",
    );
  }
  if (signed !== undefined) {
    return new SshError(
      "auth",
      `${who} was refused though ${describeKey(signed)} signed: the host may want a second factor`,
      "let this key in by itself (AuthenticationMethods in its sshd_config): the daemon answers no questions",
    );
  }
  if (methods !== undefined && !methods.includes("publickey")) {
    return new SshError(
      "auth",
      `${who} cannot log in with a key: the host offers ${methods.join(", ") || "nothing"} only`,
      "allow PubkeyAuthentication in its sshd_config: the daemon asks for no passwords",
    );
  }
  return new SshError(
    "auth",
    `${who} was refused with each of: ${offered.map(describeKey).join(", ")}`,
    "add one of these keys to authorized_keys there, or name another User or IdentityFile in ~/.ssh/config",
  );
}

function agentHint({ host, agentProblem }: LoginFacts): string {
  if (host.agentSocket === undefined) return "; it has none: start it with SSH_AUTH_SOCK set";
  return ` (${agentProblem ?? host.agentSocket})`;
}
