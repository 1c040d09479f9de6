import type { ParsedKey } from "ssh2";
import type { Identity } from "./identities.js";
import { fingerprint, keyTypeName, rsaBits } from "./key-blob.js";
import type { HostConfig } from "./ssh-config.js";

/** A key that a host is asked about. */
export interface OfferedKey {
  readonly key: ParsedKey;
  /** The file that names it; undefined for a key that only the agent knows. */
  readonly identity: Identity | undefined;
  /** Whether the agent signs for it; else the file does. */
  readonly inAgent: boolean;
}

/**
 * The keys to ask a host about, in ssh's order: those of the files that the agent holds, the agent's others (unless
 * IdentitiesOnly), then those that are in files only. An encrypted file's key is among them: whether the host would
 * take it is worth knowing.
 */
export function offeredKeys(
  host: HostConfig,
  identities: readonly Identity[],
  agentKeys: readonly ParsedKey[],
): OfferedKey[] {
  const held = new Map(agentKeys.map((key) => [blobOf(key), key]));
  const offered = new Map<string, OfferedKey>();
  const add = (key: ParsedKey, identity: Identity | undefined, inAgent: boolean): void => {
    const blob = blobOf(key);
    if (!offered.has(blob) && isUsable(host, key)) offered.set(blob, { key, identity, inAgent });
  };
  for (const identity of identities) {
    const key = identity.publicKey === undefined ? undefined : held.get(blobOf(identity.publicKey));
    if (key !== undefined) add(key, identity, true);
  }
  if (!host.identitiesOnly) for (const key of agentKeys) add(key, undefined, true);
  for (const identity of identities) {
    const { publicKey, privateKey, trouble } = identity;
    if (publicKey !== undefined && (privateKey !== undefined || trouble?.kind === "encrypted")) {
      add(publicKey, identity, false);
    }
  }
  return [...offered.values()];
}

/** Whether the user's settings let a signature algorithm be used. */
export function acceptsAlgorithm(host: HostConfig, algorithm: string): boolean {
  return host.userKeyAlgorithms.size === 0 || host.userKeyAlgorithms.has(algorithm);
}

/** A key as a person finds it again: type, fingerprint, and file. */
export function describeKey({ key, identity }: OfferedKey): string {
  const where = identity?.path ?? "from the agent";
  return `${keyTypeName(key.type)} ${fingerprint(key.getPublicSSH())} (${where})`;
}

function isUsable(host: HostConfig, key: ParsedKey): boolean {
  const bits = rsaBits(key.getPublicSSH());
  if (bits !== undefined && bits < host.requiredRsaBits) return false;
  const algorithms = key.type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [key.type];
  return algorithms.some((algorithm) => acceptsAlgorithm(host, algorithm));
}

function blobOf(key: ParsedKey): string {
  return key.getPublicSSH().toString("base64");
}
