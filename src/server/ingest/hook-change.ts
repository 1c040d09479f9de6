import { create } from "@bufbuild/protobuf";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { type HookFile, HookFileAction, HookFileSchema } from "../../../gen/agtmux/v1/hook_pb.js";
import { type HookBackup, sha256 } from "./hook-backup.js";
import type { FileFacts } from "./hook-file.js";
import { HookSettings, type WantedHooks } from "./hook-settings.js";
import { JsonTextError } from "./json-text.js";

/** An agent's hooks file as it was found. */
export interface FoundFile {
  readonly agentType: string;
  readonly path: string;
  /** Where the bytes are: a link is followed and stays one. The path itself if nothing is there. */
  readonly realPath: string;
  readonly bytes: Uint8Array | undefined;
  readonly facts: FileFacts | undefined;
  readonly folderThere: boolean;
  readonly backupPath: string;
  readonly backup: HookBackup | undefined;
  /** Something is at the backup's path, be it that it cannot be understood. */
  readonly backupThere: boolean;
}

/** What is to happen to one hooks file. */
export interface HookChange {
  readonly file: FoundFile;
  readonly action: HookFileAction;
  readonly summary: string;
  /** The bytes to be put there; undefined with REMOVE and UNCHANGED. */
  readonly after?: Uint8Array | undefined;
  /** The backup that has to stand before the bytes are put there; "remove": after it, none is needed any more. */
  readonly backup?: HookBackup | "remove" | undefined;
}

/** A file that is left alone, and why. */
export class HookRefusal extends Error {
  override readonly name = "HookRefusal";

  constructor(
    readonly agentType: string,
    readonly path: string,
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function refuse(
  file: { agentType: string; path: string },
  message: string,
  cause?: unknown,
): HookRefusal {
  return new HookRefusal(file.agentType, file.path, ErrorCode.E_PRECONDITION_FAILED, message, { cause });
}

/** The file's settings; undefined if there is none. Throws HookRefusal if it cannot be understood. */
export function settingsOf(file: FoundFile, scriptPath: string): HookSettings | undefined {
  return file.bytes === undefined ? undefined : understood(file, () => parse(file.bytes, scriptPath));
}

function parse(bytes: Uint8Array | undefined, scriptPath: string): HookSettings {
  return bytes === undefined ? HookSettings.empty(scriptPath) : HookSettings.parse(bytes, scriptPath);
}

function understood<T>(file: FoundFile, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof JsonTextError) throw refuse(file, `${cause.message}; it is left as it is`, cause);
    throw cause;
  }
}

/** Decides what an install does to one file. Throws HookRefusal. */
export function installChange(file: FoundFile, wanted: WantedHooks, scriptPath: string): HookChange {
  return understood(file, () => {
    const before = parse(file.bytes, scriptPath);
    const after = before.withHooks(wanted);
    if (after === before && file.bytes !== undefined) return unchanged(file, "up to date");
    const bytes = after.bytes();
    const base = { path: file.path, sha256: sha256(bytes) };
    if (file.bytes === undefined) {
      return {
        file,
        action: HookFileAction.CREATE,
        summary: `new, with ${count(wanted.size)}`,
        after: bytes,
        backup: { ...base, original: undefined, madeFolder: !file.folderThere },
      };
    }
    writable(file);
    const known = untouched(file) ? file.backup : undefined;
    const first = before.ours().length === 0;
    return {
      file,
      action: HookFileAction.UPDATE,
      summary: first
        ? `${count(wanted.size)} added behind those that are there`
        : "our entries brought up to date",
      after: bytes,
      backup: known
        ? { ...known, ...base }
        : {
            ...base,
            original: first ? file.bytes : before.withoutHooks(undefined).bytes(),
            madeFolder: false,
          },
    };
  });
}

/** Decides what a removal does to one file. Throws HookRefusal. */
export function removeChange(file: FoundFile, scriptPath: string): HookChange {
  const { backup, bytes } = file;
  const stale = file.backupThere ? "remove" : undefined;
  if (bytes === undefined) return { ...unchanged(file, "not there"), backup: stale };
  return understood(file, () => {
    if (backup !== undefined && untouched(file)) {
      writable(file);
      return backup.original === undefined
        ? { file, action: HookFileAction.REMOVE, summary: "removed: it is wholly ours", backup: stale }
        : {
            file,
            action: HookFileAction.RESTORE,
            summary: "put back as it was, byte for byte",
            after: backup.original,
            backup: stale,
          };
    }
    const before = HookSettings.parse(bytes, scriptPath);
    if (before.ours().length === 0) return { ...unchanged(file, "no entry of ours"), backup: stale };
    writable(file);
    const after = before.withoutHooks(original(backup, scriptPath));
    if (backup !== undefined && backup.original === undefined && after.isBare) {
      return {
        file,
        action: HookFileAction.REMOVE,
        summary: "removed: only our entries were in it",
        backup: stale,
      };
    }
    return {
      file,
      action: HookFileAction.STRIP,
      summary: `${count(before.ours().length)} taken out; it was changed since they were put in`,
      after: after.bytes(),
      backup: stale,
    };
  });
}

function original(backup: HookBackup | undefined, scriptPath: string): HookSettings | undefined {
  if (backup?.original === undefined) return undefined;
  try {
    return HookSettings.parse(backup.original, scriptPath);
  } catch (cause) {
    if (cause instanceof JsonTextError) return undefined; // a damaged backup only decides what becomes of empty lists
    throw cause;
  }
}

/** The bytes are those that we wrote last. */
function untouched(file: FoundFile): boolean {
  return file.bytes !== undefined && file.backup?.sha256 === sha256(file.bytes);
}

function writable(file: FoundFile): void {
  // Rename would get past it, and past what the user meant by it.
  if (file.facts !== undefined && (file.facts.mode & 0o200) === 0) throw refuse(file, "is read-only");
}

function unchanged(file: FoundFile, summary: string): HookChange {
  return { file, action: HookFileAction.UNCHANGED, summary };
}

function count(entries: number): string {
  return entries === 1 ? "1 entry" : `${entries} entries`;
}

/** A change as the contract tells it. */
export function hookFileOf(change: HookChange): HookFile {
  const { file, action, summary, after, backup } = change;
  const kept = action === HookFileAction.UNCHANGED ? file.bytes : after;
  const backedUp = backup !== "remove" && (backup !== undefined || file.backup !== undefined);
  return create(HookFileSchema, {
    agentType: file.agentType,
    path: file.path,
    action,
    summary,
    backupPath: backedUp ? file.backupPath : "",
    bytesAfter: BigInt(kept?.length ?? 0),
  });
}
