import { cleanText } from "./text.js";

export interface TmuxVersion {
  /** As tmux says it, without the leading `tmux `; at most 64 characters. */
  readonly text: string;
  readonly major: number;
  readonly minor: number;
}

/** The oldest tmux with everything AGTMUX asks of it. */
export const OLDEST_TMUX = { major: 3, minor: 3 } as const;

/** Stands for a development build without a number: newer than any release. */
const UNRELEASED = { major: 999, minor: 0 } as const;

/** Reads `tmux -V` or `#{version}`; undefined if it is no version of tmux that we know how to read. */
export function parseTmuxVersion(output: string): TmuxVersion | undefined {
  const text = cleanText(output.split("\n", 1)[0] ?? "", 64)
    .trim()
    .replace(/^tmux /, "");
  if (text === "master") return { text, ...UNRELEASED };
  const numbered = /^(next-|openbsd-)?(\d{1,4})\.(\d{1,4})(?:[a-z]|-rc\d*)?$/.exec(text);
  if (numbered === null) return undefined;
  const major = Number(numbered[2]);
  const minor = Number(numbered[3]);
  if (numbered[1] === "openbsd-") {
    // OpenBSD names its own release; 7.2 is the first that has what tmux 3.3 has.
    const enough = major > 7 || (major === 7 && minor >= 2);
    return enough
      ? { text, ...OLDEST_TMUX }
      : { text, major: OLDEST_TMUX.major, minor: OLDEST_TMUX.minor - 1 };
  }
  return { text, major, minor };
}

/** Whether AGTMUX works with this tmux (3.3 or newer). */
export function supportsTmux(version: TmuxVersion): boolean {
  const { major, minor } = OLDEST_TMUX;
  return version.major > major || (version.major === major && version.minor >= minor);
}
