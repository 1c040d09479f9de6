/** What the installer needs to know of a path, without following a symbolic link. */
export interface FileFacts {
  readonly kind: "file" | "folder" | "link" | "other";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface NewFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
  /** Absent: the daemon's own. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * The files of the host whose agents get hooks: local, or over an ssh target's connection. Everything throws what the
 * file system says, but for what is said to be undefined.
 */
export interface HookFiles {
  /** Undefined if nothing is there. */
  lstat(path: string): Promise<FileFacts | undefined>;
  /** Undefined if nothing is there, or a link leads nowhere. */
  realpath(path: string): Promise<string | undefined>;
  /** The whole file; undefined if nothing is there. Throws FileTooLarge. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Writes a new file to disk and through to it; one of that name is replaced. */
  writeFile(path: string, file: NewFile): Promise<void>;
  /** Replaces `to`. */
  rename(from: string, to: string): Promise<void>;
  mkdir(path: string, mode: number): Promise<void>;
  /** Nothing there is as good. */
  unlink(path: string): Promise<void>;
  /** False if the folder is not empty, or not there. */
  rmdir(path: string): Promise<boolean>;
}

/** A file has more bytes than the reader takes. */
export class FileTooLarge extends Error {
  override readonly name = "FileTooLarge";

  constructor(path: string, maxBytes: number) {
    super(`${path} is larger than ${maxBytes} bytes`);
  }
}

/** Largest configuration file that is touched. */
export const MAX_SETTINGS_BYTES = 4 * 1024 * 1024;

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}

/** Where `replaceFile` writes first. `tag` tells daemons apart. */
export function temporaryOf(path: string, tag: string): string {
  return `${path}.agtmux-${tag}.tmp`;
}

/**
 * Puts a file in place in one step: whoever reads the path, and a crash at any moment, finds the old bytes or the
 * new ones. The next write with the same tag takes away what a crash left. False, and nothing changed, if the bytes there are no longer `expected` (undefined: no file).
 */
export async function replaceFile(
  files: HookFiles,
  path: string,
  expected: Uint8Array | undefined,
  next: NewFile,
  tag: string,
): Promise<boolean> {
  const temporary = temporaryOf(path, tag);
  try {
    await files.writeFile(temporary, next);
    if (!sameBytes(await files.readFile(path, MAX_SETTINGS_BYTES), expected)) {
      await files.unlink(temporary);
      return false;
    }
    await files.rename(temporary, path);
    return true;
  } catch (cause) {
    await files.unlink(temporary);
    throw cause;
  }
}

/** Makes a folder and those above it, for the daemon's own use only. */
export async function ensureFolder(files: HookFiles, path: string): Promise<void> {
  if ((await files.lstat(path)) !== undefined) return;
  const above = path.slice(0, path.lastIndexOf("/"));
  if (above !== "") await ensureFolder(files, above);
  await files.mkdir(path, 0o700);
}
