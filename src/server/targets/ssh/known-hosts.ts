import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { keyType } from "./key-blob.js";

/** One usable line of a known_hosts file. */
export interface KnownHostLine {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly marker: "key" | "revoked" | "cert-authority";
  /** Patterns with commas between, or one hashed name. */
  readonly hosts: string;
  /** The public key in ssh's wire form. */
  readonly key: Buffer;
  readonly type: string;
}

/** A host as known_hosts names it. */
export interface HostKeyName {
  /** The HostKeyAlias, or the host's name in lower case, with its port as `[name]:port` if that is not 22. */
  readonly name: string;
  /** The name without its port, under which a key is looked for too; undefined if `name` has no port. */
  readonly portless: string | undefined;
}

export type HostKeyVerdict =
  | { readonly verdict: "known" }
  /** `authority`: a line says who signs the host's certificates, which is not looked at. */
  | { readonly verdict: "unknown"; readonly authority: KnownHostLine | undefined }
  /** Another key is known; `line` is one of the same type if there is one. */
  | { readonly verdict: "changed"; readonly line: KnownHostLine }
  | { readonly verdict: "revoked"; readonly line: KnownHostLine };

/** The name under which ssh keeps a host's key. */
export function hostKeyName(host: {
  readonly hostname: string;
  readonly hostKeyAlias: string | undefined;
  readonly port: number;
}): HostKeyName {
  if (host.hostKeyAlias !== undefined) return { name: host.hostKeyAlias, portless: undefined };
  const hostname = host.hostname.toLowerCase();
  if (host.port === 22) return { name: hostname, portless: undefined };
  return { name: `[${hostname}]:${host.port}`, portless: hostname };
}

/** The usable lines of a known_hosts file; like ssh, lines that make no sense are passed over. */
export function parseKnownHosts(text: string, file: string): KnownHostLine[] {
  return text.split("\n").flatMap((line, index) => {
    const words = line.trim().split(/[ \t]+/);
    const marker = words[0]?.startsWith("@") ? markerOf(words.shift()) : "key";
    const [hosts, type, base64] = words;
    if (marker === undefined || hosts === undefined || hosts.startsWith("#")) return [];
    if (type === undefined || base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return [];
    const key = Buffer.from(base64, "base64");
    if (keyType(key) !== type) return [];
    return [{ file, line: index + 1, marker, hosts, key, type }];
  });
}

/** Whether a line's hosts, hashed or patterns, name a host; case counts in hashes only. */
export function namesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith("|")) return hashMatches(hosts, name);
  const lower = name.toLowerCase();
  let named = false;
  for (const pattern of hosts.toLowerCase().split(",")) {
    const negated = pattern.startsWith("!");
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, lower)) continue;
    if (negated) return false;
    named = true;
  }
  return named;
}

/** What the lines say of a key that a host has shown. */
export function checkHostKey(
  lines: readonly KnownHostLine[],
  host: HostKeyName,
  key: Buffer,
): HostKeyVerdict {
  const own = lines.filter(({ hosts }) => namesHost(hosts, host.name));
  const portless = host.portless;
  const without = portless === undefined ? [] : lines.filter(({ hosts }) => namesHost(hosts, portless));
  const revoked = [...own, ...without].find((line) => line.marker === "revoked" && line.key.equals(key));
  if (revoked !== undefined) return { verdict: "revoked", line: revoked };
  const keys = own.filter(({ marker }) => marker === "key");
  if (keys.some((line) => line.key.equals(key))) return { verdict: "known" };
  const type = keyType(key);
  const changed = keys.find((line) => line.type === type) ?? keys[0];
  if (changed !== undefined) return { verdict: "changed", line: changed };
  // As ssh does: a key known for the host counts for its other ports, but its absence or difference says nothing.
  if (without.some((line) => line.marker === "key" && line.key.equals(key))) return { verdict: "known" };
  return { verdict: "unknown", authority: own.find(({ marker }) => marker === "cert-authority") };
}

/** The types of the keys that are known for a host, to ask it for one of those. */
export function knownKeyTypes(lines: readonly KnownHostLine[], host: HostKeyName): ReadonlySet<string> {
  const typesOf = (name: string): Set<string> =>
    new Set(
      lines.flatMap((line) => (line.marker === "key" && namesHost(line.hosts, name) ? [line.type] : [])),
    );
  const own = typesOf(host.name);
  return own.size > 0 || host.portless === undefined ? own : typesOf(host.portless);
}

/** A line for a known_hosts file, without its end. `hashed`: the name cannot be read from it. */
export function knownHostLine(name: string, key: Buffer, hashed: boolean): string {
  return `${hashed ? hashedName(name, randomBytes(20)) : name} ${keyType(key)} ${key.toString("base64")}`;
}

function hashedName(name: string, salt: Buffer): string {
  const hash = createHmac("sha1", salt).update(name).digest("base64");
  return `|1|${salt.toString("base64")}|${hash}`;
}

function hashMatches(hosts: string, name: string): boolean {
  const parts = /^\|1\|([A-Za-z0-9+/]+={0,2})\|([A-Za-z0-9+/]+={0,2})$/.exec(hosts);
  if (parts === null) return false;
  const salt = Buffer.from(parts[1] ?? "", "base64");
  const wanted = Buffer.from(parts[2] ?? "", "base64");
  const found = createHmac("sha1", salt).update(name).digest();
  return found.length === wanted.length && timingSafeEqual(found, wanted);
}

/** ssh's patterns: `*` is any run of characters, `?` any one. Takes time in proportion to both lengths at most. */
function matchesPattern(pattern: string, name: string): boolean {
  let at = 0;
  let index = 0;
  let star = -1;
  let resume = 0;
  while (index < name.length) {
    if (pattern[at] === "*") {
      star = at++;
      resume = index;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === name[index])) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resume;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}

function markerOf(word: string | undefined): KnownHostLine["marker"] | undefined {
  if (word === "@revoked") return "revoked";
  return word === "@cert-authority" ? "cert-authority" : undefined;
}
