import { hostname, userInfo } from "node:os";
import { SshError } from "./ssh-error.js";

/** What the %-tokens of an option stand for. */
export interface TokenValues {
  /** The name that was asked for (%n). */
  readonly alias: string;
  readonly hostname: string;
  readonly hostKeyAlias: string | undefined;
  readonly port: number;
  readonly user: string;
}

/** What may stand in a name, and in a command line in place of a token. */
const SAFE_WORD = /^[A-Za-z0-9._:@%+/][A-Za-z0-9._:@%+/-]*$/;

/** Whether a name can be given to a program, or to a shell, without meaning anything but itself. */
export function isSafeWord(word: string): boolean {
  return SAFE_WORD.test(word);
}

/** Fills a path of the user's settings as ssh does: a leading `~`, `${VARIABLE}`, and %-tokens. */
export function expandPath(
  option: string,
  path: string,
  values: TokenValues,
  env: NodeJS.ProcessEnv,
): string {
  const account = userInfo();
  const tokens: Readonly<Record<string, string>> = {
    "%": "%",
    d: account.homedir,
    h: values.hostname,
    i: String(account.uid),
    k: values.hostKeyAlias ?? values.alias,
    l: hostname(),
    L: hostname().split(".", 1)[0] ?? "",
    n: values.alias,
    p: String(values.port),
    r: values.user,
    u: account.username,
  };
  const filled = fill(option, path, tokens);
  const withVariables = filled.replace(/\$\{([^}]*)\}/g, (_all, name: string) => {
    const value = env[name];
    if (value === undefined) {
      throw new SshError(
        "config",
        `${option} names the variable ${name}, which the daemon does not have`,
        `write the path out in ~/.ssh/config, or start the daemon with ${name} set`,
      );
    }
    return value;
  });
  if (withVariables === "~") return account.homedir;
  return withVariables.startsWith("~/") ? `${account.homedir}${withVariables.slice(1)}` : withVariables;
}

/** Fills the tokens of a ProxyCommand; only values that a shell takes literally may enter. */
export function fillProxyCommand(text: string, values: TokenValues): string {
  const word = (name: string, value: string): string => {
    if (isSafeWord(value)) return value;
    throw new SshError(
      "config",
      `ProxyCommand uses ${name}, and its value "${value}" may mean something to a shell`,
      `write the value into the ProxyCommand itself, or use a ${name === "%r" ? "user" : "host"} name of letters, digits and . _ : @ % + / - only`,
    );
  };
  return fill("ProxyCommand", text, {
    "%": "%",
    get h() {
      return word("%h", values.hostname);
    },
    get n() {
      return word("%n", values.alias);
    },
    get p() {
      return word("%p", String(values.port));
    },
    get r() {
      return word("%r", values.user);
    },
  });
}

function fill(option: string, text: string, tokens: Readonly<Record<string, string>>): string {
  return text.replace(/%(.?)/gs, (all, token: string) => {
    const value = Object.hasOwn(tokens, token) ? tokens[token] : undefined;
    if (value !== undefined) return value;
    throw new SshError(
      "config",
      `${option} uses the token ${all}, which the daemon does not fill`,
      `write the value out in ~/.ssh/config`,
    );
  });
}
