import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Places, TcpAddress } from "../config.js";
import { UnsafePathError } from "./directories.js";
import type { Handler } from "./dual-server.js";
import { type Listener, listen, listenTcp } from "./listener.js";

/** The local daemon is one of the readers that hooks report to. */
export const LOCAL_READER = "local";

export interface DoorOptions {
  readonly places: Places;
  readonly tcp?: TcpAddress | undefined;
  /** Serves everything. */
  readonly handler: Handler;
  /** Serves hooks. */
  readonly ingestHandler: Handler;
  readonly onError: (error: unknown) => void;
}

/** Every way into the daemon. */
export interface Doors {
  /** host:port of the TCP listener, if there is one. */
  readonly tcpAddress?: string | undefined;
  close(drainMs: number): Promise<void>;
}

export function writeAtomic(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}

/**
 * Opens the hooks' socket, then the one for clients, then the TCP port if it is asked for, and tells where they are. If
 * one cannot be opened, those that were are closed again. The caller holds the instance lock.
 */
export async function openDoors(options: DoorOptions): Promise<Doors> {
  const { places, tcp, handler, ingestHandler, onError } = options;
  const opened: Listener[] = [];
  const close = async (drainMs: number): Promise<void> => {
    await Promise.all(opened.map((listener) => listener.close(drainMs)));
    rmSync(places.tcpAddressFile, { force: true });
  };
  try {
    opened.push(await listen(ingestSocketPath(places.ingestDir), ingestHandler, onError));
    opened.push(await listen(places.socketPath, handler, onError));
    writeAtomic(places.socketFile, `${places.socketPath}\n`);
    if (tcp === undefined) return { close };
    const listener = await listenTcp(tcp, token(places.tcpTokenFile), handler, onError);
    opened.push(listener);
    const tcpAddress = `${tcp.host.includes(":") ? `[${tcp.host}]` : tcp.host}:${listener.port}`;
    writeAtomic(places.tcpAddressFile, `${tcpAddress}\n`);
    return { tcpAddress, close };
  } catch (error) {
    await close(0);
    throw error;
  }
}

/** Sockets of an earlier life lead nowhere; ours has a name of its own. The lock is held: no other daemon uses them. */
function ingestSocketPath(ingestDir: string): string {
  for (const name of readdirSync(ingestDir)) {
    if (name.startsWith(`${LOCAL_READER}.`)) rmSync(join(ingestDir, name), { force: true });
  }
  return join(ingestDir, `${LOCAL_READER}.${randomBytes(4).toString("hex")}.sock`);
}

/** What tells this daemon from others to the hooks of other hosts; made once, and kept. Throws UnsafePathError. */
export function readerKey(path: string): string {
  return secret(path);
}

/** The token that the TCP port asks for, likewise. */
function token(path: string): string {
  return secret(path);
}

/** A file that holds a random text; made at the first use. Throws UnsafePathError. */
function secret(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    const made = randomBytes(32).toString("base64url");
    writeAtomic(path, `${made}\n`);
    return made;
  }
  if (!stats.isFile() || stats.uid !== process.getuid?.() || (stats.mode & 0o077) !== 0) {
    throw new UnsafePathError(`${path} must be a file of yours that nobody else may read: remove it`);
  }
  const kept = readFileSync(path, "utf8").trim();
  if (!/^[!-~]{32,256}$/u.test(kept)) {
    throw new UnsafePathError(`${path} holds no text of 32 to 256 printable characters: remove it`);
  }
  return kept;
}
