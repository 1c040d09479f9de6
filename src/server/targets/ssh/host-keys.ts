import { constants } from "node:fs";
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { keyTypeOf } from "./algorithms.js";
import { fingerprint, keyType, keyTypeName, rsaBits } from "./key-blob.js";
import {
  checkHostKey,
  type HostKeyName,
  hostKeyName,
  type KnownHostLine,
  knownHostLine,
  knownKeyTypes,
  parseKnownHosts,
} from "./known-hosts.js";
import type { HostConfig } from "./ssh-config.js";
import { errorCode, reasonOf, SshError } from "./ssh-error.js";

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** The known keys of one host, for one connection. */
export interface HostKeys {
  /** Algorithms for which a key is known first, as ssh asks for them. */
  readonly algorithms: readonly ServerHostKeyAlgorithm[];
  /** What is wrong with the key that the host shows; undefined if it may be trusted. */
  refusal(key: Buffer): SshError | undefined;
  /** Writes down a key that was new and accepted; must be called once the host has proved that it holds it. */
  record(): Promise<void>;
}

/**
 * Reads the user's and the system's known_hosts. `acceptNew`: a host of which no key is known is trusted, and its key
 * is added to the first UserKnownHostsFile. Rejects with SshError `config` when a file is there and cannot be read.
 */
export async function loadHostKeys(host: HostConfig, acceptNew: boolean): Promise<HostKeys> {
  const files = [...host.userKnownHosts, ...host.globalKnownHosts];
  const lines = (await Promise.all(files.map(readKnownHosts))).flat();
  const revoked = await readRevokedKeys(host.revokedHostKeys);
  const name = hostKeyName(host);
  const known = knownKeyTypes(lines, name);
  const isKnown = (algorithm: ServerHostKeyAlgorithm): boolean => known.has(keyTypeOf(algorithm));
  let accepted: Buffer | undefined;

  return {
    algorithms: [
      ...host.algorithms.serverHostKey.filter(isKnown),
      ...host.algorithms.serverHostKey.filter((algorithm) => !isKnown(algorithm)),
    ],
    refusal(key) {
      const bits = rsaBits(key);
      if (bits !== undefined && bits < host.requiredRsaBits) return tooShort(host, bits);
      if (revoked.some((other) => other.equals(key))) return isRevoked(host, key, host.revokedHostKeys ?? "");
      // A host that renews its session keys shows its key again.
      if (accepted?.equals(key)) return undefined;
      const found = checkHostKey(lines, name, key);
      if (found.verdict === "known") return undefined;
      if (found.verdict === "revoked") return isRevoked(host, key, place(found.line));
      if (found.verdict === "changed") return hasChanged(host, name, key, found.line);
      if (!acceptNew) return isUnknown(host, name, key, found.authority);
      accepted = key;
      return undefined;
    },
    async record() {
      if (accepted === undefined) return;
      const file = host.userKnownHosts[0];
      try {
        if (file === undefined) throw new Error("UserKnownHostsFile is none");
        await appendLine(file, knownHostLine(name.name, accepted, host.hashKnownHosts));
      } catch (error) {
        throw new SshError(
          "config",
          `the new host key of ${host.alias} could not be recorded in ${file ?? "any file"}: ${reasonOf(error)}`,
          "name a file that can be written as UserKnownHostsFile in ~/.ssh/config",
          { cause: error },
        );
      }
    },
  };
}

async function readKnownHosts(file: string): Promise<KnownHostLine[]> {
  return parseKnownHosts((await readIfThere(file)) ?? "", file);
}

/** The keys of a RevokedHostKeys file, one a line. Like ssh, no host is trusted while it cannot be read. */
async function readRevokedKeys(file: string | undefined): Promise<Buffer[]> {
  if (file === undefined) return [];
  const text = await readIfThere(file);
  const advice = "mend RevokedHostKeys in ~/.ssh/config: a file of public keys, one a line";
  if (text === undefined) throw new SshError("config", `RevokedHostKeys ${file} is not there`, advice);
  if (text.startsWith("SSHKRL")) {
    throw new SshError(
      "config",
      `RevokedHostKeys ${file} is a binary list, which cannot be honoured`,
      advice,
    );
  }
  return text.split("\n").flatMap((line) => {
    const base64 = line.trim().split(/[ \t]+/)[1];
    return base64 === undefined || line.startsWith("#") ? [] : [Buffer.from(base64, "base64")];
  });
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    // Non-blocking, so that a fifo in the place of the file holds nothing up.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      if (stat.isCharacterDevice()) return "";
      if (!stat.isFile()) throw new Error("it is no file");
      if (stat.size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
      return await readFile(handle, "utf8");
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw new SshError(
      "config",
      `${file} cannot be read: ${reasonOf(error)}`,
      "make it readable for you, or name another file in ~/.ssh/config",
      { cause: error },
    );
  }
}

async function appendLine(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(file, "a+", 0o600);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error("it is no file");
    const last = Buffer.alloc(1);
    if (stat.size > 0) await handle.read(last, 0, 1, stat.size - 1);
    const unfinished = stat.size > 0 && last[0] !== 0x0a;
    await handle.appendFile(`${unfinished ? "\n" : ""}${line}\n`);
  } finally {
    await handle.close();
  }
}

function isUnknown(
  host: HostConfig,
  name: HostKeyName,
  key: Buffer,
  authority: KnownHostLine | undefined,
): SshError {
  const files = [...host.userKnownHosts, ...host.globalKnownHosts].join(", ") || "no file at all";
  const certificates =
    authority === undefined
      ? ""
      : ` (${place(authority)} trusts a certificate authority; certificates are not taken)`;
  const file = host.userKnownHosts[0];
  const direct = host.proxyJump === undefined && host.proxyCommand === undefined;
  const scan =
    direct && file !== undefined && host.hostKeyAlias === undefined
      ? ` (or, on a network that you trust: ssh-keyscan -p ${host.port} ${host.hostname} >> ${file})`
      : "";
  return new SshError(
    "host_key_unknown",
    `the host key of ${shown(host, name)} is not known: ${described(key)} is in none of ${files}${certificates}`,
    [
      `run "ssh ${host.alias}" once and compare the fingerprint${scan}, then connect again;`,
      `"agtmux target add --accept-new-host-key" takes it unseen`,
      ...host.hostKeysNotHonoured.map((option) => `; ${option}`),
    ].join(" "),
  );
}

function hasChanged(host: HostConfig, name: HostKeyName, key: Buffer, line: KnownHostLine): SshError {
  return new SshError(
    "host_key_changed",
    `the host key of ${shown(host, name)} has changed: it shows ${described(key)}, and ${place(line)} says ${described(line.key)}`,
    `if the host was set up anew, run "ssh-keygen -R '${name.name}' -f ${line.file}" and then "ssh ${host.alias}"; if not, somebody may be listening in`,
  );
}

function isRevoked(host: HostConfig, key: Buffer, where: string): SshError {
  return new SshError(
    "host_key_revoked",
    `the host key of ${host.alias}, ${described(key)}, is revoked by ${where}`,
    "have the host given a new key, and do not log in before",
  );
}

function tooShort(host: HostConfig, bits: number): SshError {
  return new SshError(
    "config",
    `the host key of ${host.alias} is an RSA key of ${bits} bits; RequiredRSASize asks for ${host.requiredRsaBits}`,
    "have the host given a longer key, or lower RequiredRSASize for it",
  );
}

function shown(host: HostConfig, name: HostKeyName): string {
  return host.alias === name.name ? host.alias : `${host.alias} (${name.name})`;
}

function place(line: KnownHostLine): string {
  return `${line.file}:${line.line}`;
}

function described(key: Buffer): string {
  return `${keyTypeName(keyType(key) ?? "unknown")} ${fingerprint(key)}`;
}
