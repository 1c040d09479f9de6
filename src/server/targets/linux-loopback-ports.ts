import { open, readdir, readlink } from "node:fs/promises";

/** Every reading ends within this time. */
const DEADLINE_MS = 2_000;
/** Some 27 000 sockets; what lies beyond is not looked at. */
const MAX_TABLE_BYTES = 4 * 1024 * 1024;
const MAX_DESCRIPTORS = 4_096;
const LISTENING = "0A";
/** 127.0.0.1, ::1 and ::ffff:127.0.0.1, as /proc/net spells them on a little-endian machine. */
const LOOPBACK = new Set([
  "0100007F",
  "00000000000000000000000001000000",
  "0000000000000000FFFF00000100007F",
]);

/** Ports on the loopback address that a process listens on, ascending; none if that cannot be read. */
export async function linuxLoopbackPorts(pid: number, procRoot = "/proc"): Promise<readonly number[]> {
  const { promise, resolve } = Promise.withResolvers<readonly number[]>();
  const timer = setTimeout(() => resolve([]), DEADLINE_MS);
  readPorts(pid, procRoot)
    .then(resolve, () => resolve([])) // the process is gone or another user's
    .finally(() => clearTimeout(timer));
  return promise;
}

async function readPorts(pid: number, procRoot: string): Promise<number[]> {
  const own = await socketInodes(`${procRoot}/${pid}/fd`);
  if (own.size === 0) return [];
  const tables = await Promise.all(
    // The process's own view: it may live in another network namespace.
    ["tcp", "tcp6"].map((name) => readHead(`${procRoot}/${pid}/net/${name}`)),
  );
  return loopbackListeners(tables.join("\n"), own);
}

/** Ports, ascending, of the lines of /proc/net/tcp or tcp6 that listen on the loopback address with one of the sockets. */
export function loopbackListeners(table: string, inodes: ReadonlySet<string>): number[] {
  const ports = listeners(table)
    .filter(({ inode }) => inodes.has(inode))
    .map(({ port }) => port);
  return [...new Set(ports)].sort((a, b) => a - b);
}

async function socketInodes(directory: string): Promise<Set<string>> {
  const names = (await readdir(directory)).slice(0, MAX_DESCRIPTORS);
  const links = await Promise.all(names.map((name) => readlink(`${directory}/${name}`).catch(() => "")));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/u.exec(link)?.[1] ?? []));
}

async function readHead(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined); // no tcp6 where IPv6 is off
  if (file === undefined) return "";
  try {
    const pieces: Buffer[] = [];
    for (let total = 0; total < MAX_TABLE_BYTES; ) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, null);
      if (bytesRead === 0) break;
      pieces.push(buffer.subarray(0, bytesRead));
      total += bytesRead;
    }
    return Buffer.concat(pieces).toString("latin1");
  } finally {
    await file.close();
  }
}

function listeners(table: string): { port: number; inode: string }[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/u);
    const [address = "", port = ""] = local.split(":");
    if (state !== LISTENING || !LOOPBACK.has(address)) return [];
    return [{ port: Number.parseInt(port, 16), inode }];
  });
}
