import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type EventEnvelope, IngestEventsRequestSchema } from "../../../gen/agtmux/v1/ingest_pb.js";
import type { Micros } from "../engine/state.js";
import { REJECTED_FOLDER, setAside } from "./spool-rejects.js";

/** A hook's file: 20 digits of nanoseconds, then the event's id. So byte order of the names is order of time. */
const NAME = /^[0-9]{20}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$/u;
/** A file that its writer has not renamed yet. */
const TEMPORARY = /^\..*\.tmp$/u;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_EVENTS = 100;
const MINUTE: Micros = 60_000_000;

/** One file of a spool. */
export interface SpooledFile {
  readonly path: string;
  readonly name: string;
  /** When it was written, by this host's file system. */
  readonly mtimeMicros: Micros;
  /** `spooled` is not set: that is for the caller, who knows that they came from here. Empty with `error`. */
  readonly envelopes: readonly EventEnvelope[];
  /** Why the file is no spooled event. It has been set aside then and `path` is where it was. */
  readonly error?: string | undefined;
}

export interface SpoolLimits {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

type Parsed = { readonly envelopes: readonly EventEnvelope[] } | { readonly error: string };

/**
 * Reads the first files of a reader's spool folder in name order, which is the order of their events' times, up to
 * the limits (at least one file). What is no event is moved to `rejected/` and told of with `error`. A folder that
 * is not there is an empty one. Throws what the file system says of the folder itself.
 */
export async function readSpool(dir: string, limits: SpoolLimits): Promise<readonly SpooledFile[]> {
  const files: SpooledFile[] = [];
  let bytes = 0;
  for (const raw of await entries(dir)) {
    if (files.length >= limits.maxFiles || bytes >= limits.maxBytes) break;
    const name = raw.toString("utf8");
    if (name === REJECTED_FOLDER || TEMPORARY.test(name)) continue;
    const file = NAME.test(name)
      ? await readOne(dir, name)
      : refused(dir, name, "not the name of a spooled event");
    if (file === undefined) continue; // gone meanwhile
    bytes += file.size;
    const { error } = file.spooled;
    files.push(error === undefined ? file.spooled : { ...file.spooled, error: await moved(dir, raw, error) });
  }
  return files;
}

/** The reason, and whether the file is still in the way: then it will be told of again. */
async function moved(dir: string, name: Buffer, reason: string): Promise<string> {
  try {
    await setAside(dir, name, reason);
    return reason;
  } catch (cause) {
    return `${reason}; it could not be set aside (${errorCode(cause) ?? "unknown"})`;
  }
}

/** Removes a file whose events are committed. Gone already is as good. */
export async function removeSpooled(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** What a spool file's text says. Never throws. */
export function parseSpooled(bytes: Uint8Array): Parsed {
  let request: { readonly events: readonly EventEnvelope[] };
  try {
    const json: JsonValue = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    request = fromJson(IngestEventsRequestSchema, json, { ignoreUnknownFields: true });
  } catch (cause) {
    // The cause quotes the file's content, which may be a prompt.
    return { error: cause instanceof SyntaxError ? "not JSON" : "not an IngestEvents request" };
  }
  if (request.events.length === 0) return { error: "no event in it" };
  if (request.events.length > MAX_EVENTS) return { error: `more than ${MAX_EVENTS} events in it` };
  if (request.events.some((event) => event.spooled)) return { error: "says itself that it is spooled" };
  return { envelopes: request.events };
}

export interface SpoolBounds {
  readonly spoolMs: number;
  readonly spoolBytes: number;
}

/** What `pruneSpool` removed. Counts of files; those of `tooOld` and `tooMany` are lost events. */
export interface Pruned {
  readonly tooOld: number;
  readonly tooMany: number;
  readonly unfinished: number;
}

/**
 * Keeps a spool folder within its bounds, oldest files first, and removes what a writer never finished.
 * Names that are none of a spool's are left for `readSpool`.
 */
export async function pruneSpool(dir: string, now: Micros, bounds: SpoolBounds): Promise<Pruned> {
  const count = { tooOld: 0, tooMany: 0, unfinished: 0 };
  const kept: { readonly path: string; readonly size: number }[] = [];
  let bytes = 0;
  for (const raw of await entries(dir)) {
    const name = raw.toString("utf8");
    const temporary = TEMPORARY.test(name);
    if (!temporary && !NAME.test(name)) continue;
    const path = join(dir, name);
    const found = await lstat(path, { bigint: true }).catch(goneOnly);
    if (found === undefined || found.isDirectory()) continue;
    const age = now - Number(found.mtimeNs / 1_000n);
    if (temporary ? age > MINUTE : age > bounds.spoolMs * 1_000) {
      await rm(path, { force: true });
      if (temporary) count.unfinished++;
      else count.tooOld++;
      continue;
    }
    kept.push({ path, size: Number(found.size) });
    bytes += Number(found.size);
  }
  for (const { path, size } of kept) {
    if (bytes <= bounds.spoolBytes) break;
    await rm(path, { force: true });
    bytes -= size;
    count.tooMany++;
  }
  return count;
}

/** Names as bytes: a hostile one need not be UTF-8, and must still be movable. Sorted. */
async function entries(dir: string): Promise<Buffer[]> {
  const names = await readdir(dir, { encoding: "buffer" }).catch(goneOnly);
  return (names ?? []).sort(Buffer.compare);
}

interface Read {
  readonly spooled: SpooledFile;
  /** Bytes that were read. */
  readonly size: number;
}

const NEVER_READABLE: Readonly<Record<string, string>> = {
  ELOOP: "a symbolic link",
  EMLINK: "a symbolic link",
  ENXIO: "a socket",
  EOPNOTSUPP: "a socket",
  EACCES: "not readable",
};

function refused(dir: string, name: string, error: string): Read {
  return { spooled: { path: join(dir, name), name, mtimeMicros: 0, envelopes: [], error }, size: 0 };
}

async function readOne(dir: string, name: string): Promise<Read | undefined> {
  const path = join(dir, name);
  let handle: FileHandle;
  try {
    // Not through a symbolic link, and not waiting for a fifo's writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = errorCode(cause) ?? "";
    if (code === "ENOENT") return undefined;
    const reason = NEVER_READABLE[code];
    // Anything else passes (no file descriptor left, say) and must not cost the event.
    if (reason === undefined) throw cause;
    return refused(dir, name, reason);
  }
  try {
    const found = await handle.stat({ bigint: true });
    const mtimeMicros = Number(found.mtimeNs / 1_000n);
    const error = unfit(found);
    if (error !== undefined) return refused(dir, name, error);
    const bytes = await readBounded(handle, Number(found.size));
    return {
      spooled: { path, name, mtimeMicros, envelopes: [], ...parseSpooled(bytes) },
      size: bytes.length,
    };
  } finally {
    await handle.close();
  }
}

function unfit(found: { isFile(): boolean; uid: bigint; size: bigint }): string | undefined {
  if (!found.isFile()) return "not a regular file";
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== BigInt(uid)) return "owned by another user";
  if (found.size > MAX_FILE_BYTES) return `larger than ${MAX_FILE_BYTES} bytes`;
  return undefined;
}

/** At most `size` bytes: a file that grows meanwhile is read as it was. */
async function readBounded(handle: FileHandle, size: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(buffer, filled, size - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function errorCode(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
}

function goneOnly(cause: unknown): undefined {
  if (errorCode(cause) !== "ENOENT") throw cause;
  return undefined;
}
