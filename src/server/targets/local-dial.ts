import { realpath, stat } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { Unreachable } from "../adapters/contract.js";

const CONNECT_MS = 2_000;

/** Connects to a Unix socket, which must be this user's: anybody may make one below /tmp. Rejects with Unreachable. */
export async function dialLocalSocket(path: string): Promise<Socket> {
  const target = await ownSocket(path);
  const socket = createConnection(target);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string): void => reject(new Unreachable(false, `${path}: ${why}`));
  const timer = setTimeout(() => fail("no answer"), CONNECT_MS);
  socket.once("connect", resolve);
  socket.once("error", (error) => fail(error.message));
  try {
    await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return socket;
}

/** Where a socket's link leads. */
async function ownSocket(path: string): Promise<string> {
  let target: string;
  let uid: number;
  try {
    target = await realpath(path);
    const stats = await stat(target);
    if (!stats.isSocket()) throw new Unreachable(false, `${path} is not a socket`);
    uid = stats.uid;
  } catch (error) {
    if (error instanceof Unreachable) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new Unreachable(code === "ENOENT" || code === "ENOTDIR", `${path}: ${code}`);
  }
  const own = process.getuid?.();
  if (own !== undefined && own !== 0 && uid !== own) {
    throw new Unreachable(false, `${path} leads to a socket of another user`);
  }
  return target;
}
