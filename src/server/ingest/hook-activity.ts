import type { HookFiles } from "./hook-file.js";
import { MAX_SETTINGS_BYTES } from "./hook-file.js";
import type { HookSettings } from "./hook-settings.js";

/** Whether an agent would run hooks that are in its file, and what it keeps about them elsewhere. */
export interface HookActivity {
  /** Why it will not run them; undefined: it will, as far as can be told. */
  readonly inactive?: string | undefined;
  /** Records of the agent's own about our hooks; only read, never written: they are the user's consent. */
  readonly records: readonly { readonly path: string; readonly key: string }[];
}

export interface InstalledHooks {
  /** Path of the hooks file as the agent may spell it: as configured, and with links resolved. */
  readonly paths: readonly string[];
  readonly folder: string;
  readonly settings: HookSettings;
}

/** Looks at what one agent says elsewhere about its hooks. */
export type ActivityProbe = (files: HookFiles, hooks: InstalledHooks) => Promise<HookActivity>;

const claude: ActivityProbe = (_files, { settings }) =>
  Promise.resolve({
    records: [],
    inactive:
      settings.top("disableAllHooks") === true ? "disableAllHooks is true in its settings" : undefined,
  });

const codex: ActivityProbe = async (files, { paths, folder, settings }) => {
  const path = `${folder}/config.toml`;
  const bytes = await files.readFile(path, MAX_SETTINGS_BYTES);
  const config = readCodexHooks(bytes === undefined ? "" : new TextDecoder().decode(bytes));
  const ours = settings
    .ours()
    .map(({ event, group, handler }) =>
      paths.map((file) => `${file}:${snakeCase(event)}:${group}:${handler}`),
    );
  const records = ours
    .flat()
    .filter((key) => config.records.has(key))
    .map((key) => ({ path, key }));
  const untrusted = ours.filter((keys) => !keys.some((key) => config.records.get(key)?.trusted));
  const disabled = ours.filter((keys) => keys.some((key) => config.records.get(key)?.disabled));
  const inactive = config.featureOff
    ? "hooks are switched off in config.toml ([features] hooks = false)"
    : untrusted.length > 0
      ? `Codex has not been told to trust ${untrusted.length} of ${ours.length} hooks: answer "Hooks need review" at its next start`
      : disabled.length > 0
        ? `${disabled.length} of ${ours.length} hooks are disabled in config.toml`
        : undefined;
  return { records, inactive };
};

/** By agent type; an agent that is not here runs whatever its file says. */
export const ACTIVITY_PROBES: Readonly<Record<string, ActivityProbe>> = { claude, codex };

interface CodexHooks {
  readonly records: ReadonlyMap<string, { trusted: boolean; disabled: boolean }>;
  readonly featureOff: boolean;
}

const STATE_HEADER = /^\[\s*hooks\s*\.\s*state\s*\.\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*\]/u;

/**
 * Reads the few lines of Codex' configuration that say something about hooks, in the form in which Codex writes them:
 * `[hooks.state."<file>:<event>:<group>:<handler>"]` with `trusted_hash` and `enabled`.
 */
function readCodexHooks(text: string): CodexHooks {
  const records = new Map<string, { trusted: boolean; disabled: boolean }>();
  let record: { trusted: boolean; disabled: boolean } | undefined;
  let features = false;
  let featureOff = false;
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("[")) {
      features = /^\[\s*features\s*\]/u.test(line);
      const [, quoted, literal] = STATE_HEADER.exec(line) ?? [];
      const key = quoted === undefined ? literal : quoted.replaceAll(/\\(.)/gu, "$1");
      record = key === undefined ? undefined : { trusted: false, disabled: false };
      if (key !== undefined && record !== undefined) records.set(key, record);
    } else if (record !== undefined) {
      if (/^trusted_hash\s*=\s*["']sha256:/u.test(line)) record.trusted = true;
      if (/^enabled\s*=\s*false\b/u.test(line)) record.disabled = true;
    } else if (features && /^hooks\s*=\s*false\b/u.test(line)) featureOff = true;
  }
  return { records, featureOff };
}

function snakeCase(event: string): string {
  return event.replaceAll(/(?<!^)([A-Z])/gu, "_$1").toLowerCase();
}
