import type { CipherAlgorithm, KexAlgorithm, MacAlgorithm, ServerHostKeyAlgorithm } from "ssh2";
import { SshError } from "./ssh-error.js";

/** The algorithms to offer, best first; none of the lists is empty. */
export interface OfferedAlgorithms {
  readonly kex: readonly KexAlgorithm[];
  readonly cipher: readonly CipherAlgorithm[];
  readonly hmac: readonly MacAlgorithm[];
  readonly serverHostKey: readonly ServerHostKeyAlgorithm[];
}

/** What the library speaks on every OpenSSL that Node ships, in the order in which it is quick. */
export const KEX: readonly KexAlgorithm[] = [
  "curve25519-sha256",
  "curve25519-sha256@libssh.org",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "ecdh-sha2-nistp521",
  "diffie-hellman-group-exchange-sha256",
  "diffie-hellman-group14-sha256",
  "diffie-hellman-group15-sha512",
  "diffie-hellman-group16-sha512",
  "diffie-hellman-group17-sha512",
  "diffie-hellman-group18-sha512",
  "diffie-hellman-group-exchange-sha1",
  "diffie-hellman-group14-sha1",
  "diffie-hellman-group1-sha1",
];
export const CIPHERS: readonly CipherAlgorithm[] = [
  "aes128-gcm@openssh.com",
  "aes256-gcm@openssh.com",
  "aes128-ctr",
  "aes192-ctr",
  "aes256-ctr",
  "chacha20-poly1305@openssh.com",
  "aes128-cbc",
  "aes192-cbc",
  "aes256-cbc",
  "3des-cbc",
];
export const MACS: readonly MacAlgorithm[] = [
  "hmac-sha2-256-etm@openssh.com",
  "hmac-sha2-512-etm@openssh.com",
  "hmac-sha1-etm@openssh.com",
  "hmac-sha2-256",
  "hmac-sha2-512",
  "hmac-sha1",
  "hmac-md5",
  "hmac-sha1-96",
  "hmac-md5-96",
];
export const HOST_KEYS: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
  "ssh-rsa",
];

/** The lists of `ssh -G`, comma-separated, cut down to what the library speaks. Throws SshError `config`. */
export function offeredAlgorithms(lists: {
  readonly kex: string;
  readonly ciphers: string;
  readonly macs: string;
  readonly hostKeys: string;
}): OfferedAlgorithms {
  return {
    kex: inUsersOrder("KexAlgorithms", lists.kex, KEX),
    // The order of ssh's own default, which cannot be told from the user's, puts the slowest of these first.
    cipher: inOurOrder("Ciphers", lists.ciphers, CIPHERS),
    hmac: inUsersOrder("MACs", lists.macs, MACS),
    serverHostKey: inUsersOrder("HostKeyAlgorithms", lists.hostKeys, HOST_KEYS),
  };
}

/** The key type that an algorithm for host keys proves: RSA keys sign in several ways. */
export function keyTypeOf(algorithm: ServerHostKeyAlgorithm): string {
  return algorithm.startsWith("rsa-sha2-") ? "ssh-rsa" : algorithm;
}

function inUsersOrder<T extends string>(option: string, allowed: string, spoken: readonly T[]): T[] {
  if (allowed === "") return [...spoken];
  const byName = new Map<string, T>(spoken.map((name) => [name, name]));
  return orNone(
    option,
    allowed,
    allowed.split(",").flatMap((name) => byName.get(name) ?? []),
  );
}

function inOurOrder<T extends string>(option: string, allowed: string, spoken: readonly T[]): T[] {
  if (allowed === "") return [...spoken];
  const names = new Set(allowed.split(","));
  return orNone(
    option,
    allowed,
    spoken.filter((name) => names.has(name)),
  );
}

function orNone<T>(option: string, allowed: string, left: T[]): T[] {
  if (left.length > 0) return left;
  throw new SshError(
    "config",
    `${option} allows only what the daemon does not speak: ${allowed.slice(0, 200)}`,
    `allow one more for this host in ~/.ssh/config, for instance "${option} +${exampleOf(option)}"`,
  );
}

function exampleOf(option: string): string {
  const examples: Readonly<Record<string, string>> = {
    KexAlgorithms: KEX[0] ?? "",
    Ciphers: CIPHERS[0] ?? "",
    MACs: MACS[0] ?? "",
    HostKeyAlgorithms: HOST_KEYS[0] ?? "",
  };
  return examples[option] ?? "";
}
