import { type OfferedAlgorithms, offeredAlgorithms } from "./algorithms.js";
import { startDeadline } from "./deadline.js";
import { expandPath, isSafeWord, type TokenValues } from "./path-tokens.js";
import { errorCode, reasonOf, SshError } from "./ssh-error.js";
import { HOST_KEYS_NOT_HONOURED, LOGIN_NOT_HONOURED, REFUSED } from "./ssh-options.js";
import { type Output, runProgram } from "./ssh-process.js";

/** How one host is reached, as the user's ssh would reach it. Paths are absolute. */
export interface HostConfig extends TokenValues {
  /** 0 for either. */
  readonly family: 0 | 4 | 6;
  readonly bindAddress: string | undefined;
  /** Milliseconds; undefined if the user names none. */
  readonly connectTimeoutMs: number | undefined;
  /** Milliseconds; undefined if the user names none. */
  readonly aliveIntervalMs: number | undefined;
  readonly aliveCountMax: number;
  readonly tcpKeepAlive: boolean;
  readonly algorithms: OfferedAlgorithms;

  readonly proxyCommand: string | undefined;
  /** Comma-separated hops, the nearest first. */
  readonly proxyJump: string | undefined;

  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  /** Path of the agent's socket. */
  readonly agentSocket: string | undefined;
  readonly userKeyAlgorithms: ReadonlySet<string>;
  /** Bits below which an RSA key is not taken, the host's or the user's. */
  readonly requiredRsaBits: number;

  readonly userKnownHosts: readonly string[];
  readonly globalKnownHosts: readonly string[];
  readonly hashKnownHosts: boolean;
  readonly revokedHostKeys: string | undefined;

  /** Options that matter only if no key is taken, or if the host key is in no file; each with a way round. */
  readonly loginNotHonoured: readonly string[];
  readonly hostKeysNotHonoured: readonly string[];
}

export interface SshConfigOptions {
  /** Where the variables of the settings and the agent come from; `ssh` is found in its PATH. */
  readonly env: NodeJS.ProcessEnv;
  /** Settings to read instead of ~/.ssh/config and the system's. */
  readonly configFile?: string | undefined;
}

/** What a jump host of a ProxyJump list says of itself, over the settings. */
export interface HopOverride {
  readonly user: string | undefined;
  readonly port: number | undefined;
}

/** Longest run of `ssh -G`, in milliseconds: it may look names up and run the user's `Match exec`. */
const RESOLVE_MS = 5_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
const MAX_ALIAS_LENGTH = 255;

/** Throws SshError `config` unless the name can only be a host's. */
export function checkAlias(alias: string): void {
  if (alias.length <= MAX_ALIAS_LENGTH && isSafeWord(alias)) return;
  throw new SshError(
    "config",
    `"${alias.slice(0, 60)}" cannot be the name of an ssh host`,
    "name a Host of ~/.ssh/config, made of letters, digits and . _ : @ % + / - with no - at its beginning",
  );
}

/** Asks the user's ssh how it would reach a host. Rejects with SshError. */
export async function resolveHost(
  alias: string,
  override: HopOverride | undefined,
  options: SshConfigOptions,
  signal: AbortSignal,
): Promise<HostConfig> {
  checkAlias(alias);
  const argv = ["-G"];
  if (options.configFile !== undefined) argv.push("-F", options.configFile);
  if (override?.user !== undefined) argv.push("-l", override.user);
  if (override?.port !== undefined) argv.push("-p", String(override.port));
  argv.push("--", alias);
  const deadline = startDeadline(RESOLVE_MS, () => slow(alias), signal);
  try {
    const output = await runProgram("ssh", argv, {
      env: options.env,
      maxBytes: MAX_OUTPUT_BYTES,
      stop: deadline.signal,
    });
    if (output.status !== 0) {
      throw new SshError(
        "config",
        `ssh does not accept the settings of ${alias}: ${firstComplaint(output)}`,
        `run "ssh -G ${alias}" and mend what it names`,
      );
    }
    return parseHostConfig(alias, output.stdout, options.env);
  } catch (error) {
    throw asConfigError(error);
  } finally {
    deadline.end();
  }
}

/** Reads what `ssh -G` printed. Throws SshError `config` for what cannot be honoured. */
export function parseHostConfig(alias: string, printed: string, env: NodeJS.ProcessEnv): HostConfig {
  const all = readOptions(printed);
  const one = (option: string): string | undefined => all.get(option)?.[0];
  const orNone = (option: string): string | undefined => (one(option) === "none" ? undefined : one(option));

  for (const { option, name, asks, instead } of REFUSED) {
    if (all.get(option)?.some(asks)) {
      throw new SshError("config", `${name} of ${alias} cannot be honoured`, instead);
    }
  }
  const values: TokenValues = {
    alias: one("host") ?? alias,
    hostname: one("hostname") ?? alias,
    hostKeyAlias: one("hostkeyalias"),
    port: number(one("port"), 22),
    user: one("user") ?? "",
  };
  if (!isSafeWord(values.hostname)) {
    throw new SshError(
      "config",
      `HostName of ${alias} is "${values.hostname.slice(0, 60)}", which is no host name`,
      "mend HostName in ~/.ssh/config",
    );
  }
  const path = (option: string, value: string): string => expandPath(option, value, values, env);
  const paths = (option: string, name: string): string[] =>
    (all.get(option) ?? []).filter((value) => value !== "none").map((value) => path(name, value));
  const revoked = orNone("revokedhostkeys");

  return {
    ...values,
    family: one("addressfamily") === "inet" ? 4 : one("addressfamily") === "inet6" ? 6 : 0,
    bindAddress: one("bindaddress"),
    connectTimeoutMs: seconds(orNone("connecttimeout")),
    aliveIntervalMs: seconds(one("serveraliveinterval")),
    aliveCountMax: number(one("serveralivecountmax"), 3) || 3,
    tcpKeepAlive: one("tcpkeepalive") !== "no",
    algorithms: offeredAlgorithms({
      kex: one("kexalgorithms") ?? "",
      ciphers: one("ciphers") ?? "",
      macs: one("macs") ?? "",
      hostKeys: one("hostkeyalgorithms") ?? "",
    }),
    proxyCommand: orNone("proxycommand"),
    proxyJump: orNone("proxyjump"),
    identityFiles: paths("identityfile", "IdentityFile"),
    identitiesOnly: one("identitiesonly") === "yes",
    agentSocket: agentSocket(one("identityagent"), path, env),
    userKeyAlgorithms: new Set((one("pubkeyacceptedalgorithms") ?? "").split(",").filter(Boolean)),
    requiredRsaBits: number(one("requiredrsasize"), 1024),
    userKnownHosts: splitPaths(one("userknownhostsfile")),
    globalKnownHosts: splitPaths(one("globalknownhostsfile")),
    hashKnownHosts: one("hashknownhosts") === "yes",
    revokedHostKeys: revoked === undefined ? undefined : path("RevokedHostKeys", revoked),
    loginNotHonoured: asked(LOGIN_NOT_HONOURED, all),
    hostKeysNotHonoured: asked(HOST_KEYS_NOT_HONOURED, all),
  };
}

/** The options by name, each with its values in order. */
export function readOptions(printed: string): ReadonlyMap<string, readonly string[]> {
  const options = new Map<string, string[]>();
  for (const line of printed.split("\n")) {
    const space = line.indexOf(" ");
    if (space <= 0) continue;
    const name = line.slice(0, space).toLowerCase();
    const values = options.get(name) ?? [];
    values.push(line.slice(space + 1).trim());
    options.set(name, values);
  }
  return options;
}

// ssh prints several paths with spaces between and does not mark those within; all are absolute, so a word that is not
// belongs to the one before it.
function splitPaths(value: string | undefined): string[] {
  const paths: string[] = [];
  for (const word of (value ?? "").split(" ")) {
    if (word.startsWith("/") || paths.length === 0) paths.push(word);
    else paths.push(`${paths.pop()} ${word}`);
  }
  return paths.filter((path) => path !== "" && path !== "none");
}

function agentSocket(
  value: string | undefined,
  path: (option: string, value: string) => string,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const variable = value === undefined || value === "SSH_AUTH_SOCK" ? "SSH_AUTH_SOCK" : variableOf(value);
  if (value === "none") return undefined;
  const socket = variable === undefined ? path("IdentityAgent", value ?? "") : env[variable];
  return socket === "" ? undefined : socket;
}

function variableOf(value: string): string | undefined {
  return /^\$(\w+)$/.exec(value)?.[1];
}

function asked(list: typeof LOGIN_NOT_HONOURED, all: ReadonlyMap<string, readonly string[]>): string[] {
  return list
    .filter(({ option, asks }) => all.get(option)?.some(asks))
    .map(({ name, instead }) => `${name} cannot be honoured: ${instead}`);
}

function number(value: string | undefined, otherwise: number): number {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : otherwise;
}

/** Milliseconds; undefined for no value and for 0, by which ssh means "never". */
function seconds(value: string | undefined): number | undefined {
  return number(value, 0) * 1_000 || undefined;
}

function firstComplaint({ status, stderr }: Output): string {
  const lines = stderr
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("Pseudo-terminal "));
  return lines[0] ?? `status ${status}`;
}

function slow(alias: string): SshError {
  return new SshError(
    "timeout",
    `"ssh -G ${alias}" was not done within ${RESOLVE_MS / 1_000} s`,
    "see whether a Match exec or a name lookup of ~/.ssh/config hangs",
  );
}

function asConfigError(error: unknown): SshError {
  if (error instanceof SshError) return error;
  const advice =
    errorCode(error) === "ENOENT"
      ? "install the OpenSSH client: its settings and its known_hosts are what the daemon goes by"
      : "run ssh -G for this host by hand";
  return new SshError("config", `ssh could not be asked for its settings: ${reasonOf(error)}`, advice, {
    cause: error,
  });
}
