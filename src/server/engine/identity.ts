import { createHash } from "node:crypto";

export interface RuntimeKey {
  readonly targetId: string;
  /** tmux server boot id, `<pid>:<start time>`. */
  readonly bootId: string;
  readonly paneId: string;
  readonly paneEpoch: number;
  readonly agentType: string;
  /** Nanoseconds since the epoch, computed once when the process was first seen and stored. */
  readonly startedAtNs: bigint;
}

/** hex sha256 over length-prefixed words, so that no two lists of words collide by concatenation. */
export function digestWords(words: readonly string[]): string {
  const hash = createHash("sha256");
  for (const word of words) {
    const bytes = Buffer.from(word, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest("hex");
}

/** The id of a runtime, reproducible from its stored columns (docs/spec.md section 3). */
export function runtimeId(key: RuntimeKey): string {
  return digestWords([
    key.targetId,
    key.bootId,
    key.paneId,
    String(key.paneEpoch),
    key.agentType,
    String(key.startedAtNs),
  ]);
}

/** Identity of a tmux server's life. `startTime` is tmux's `#{start_time}`, whole seconds. */
export function bootId(serverPid: number, startTime: number): string {
  return `${serverPid}:${startTime}`;
}

/** Names a dialog of a runtime; undefined until its text has been read. */
export function promptId(
  runtime: string,
  dialog: { episode: number; digest?: string | undefined },
): string | undefined {
  if (dialog.digest === undefined) return undefined;
  return digestWords([runtime, String(dialog.episode), dialog.digest]).slice(0, 32);
}
