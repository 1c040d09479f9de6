import type { AddressInfo } from "node:net";
import type { TcpAddress } from "../config.js";
import { type DualServer, dualServer, type Handler } from "./dual-server.js";
import { admit, admitTcp } from "./guard.js";
import { publishSocket } from "./socket-file.js";

export interface Listener {
  /** Stops accepting; resolves when all connections are closed, by force after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/**
 * Serves on a Unix socket; see publishSocket for the file. The caller holds the instance lock. Rejects with what
 * listening throws.
 */
export async function listen(
  path: string,
  handler: Handler,
  onError: (error: unknown) => void,
): Promise<Listener> {
  const dual = dualServer((headers) => admit(headers, path), handler, onError);
  const file = await publishSocket(path, dual.server, dual.accept, onError);
  dual.server.on("error", onError);
  return {
    close: async (drainMs) => {
      file.remove();
      await Promise.all([dual.close(drainMs), file.closed()]);
    },
  };
}

/** Serves on a loopback port to whoever brings the token. Rejects with what listening throws. */
export async function listenTcp(
  address: TcpAddress,
  token: string,
  handler: Handler,
  onError: (error: unknown) => void,
): Promise<Listener & { readonly port: number }> {
  let port = address.port;
  const dual: DualServer = dualServer((headers) => admitTcp(headers, port, token), handler, onError);
  const { server } = dual;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...address, exclusive: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", onError);
  // Sound: a server that listens on a port has an address of this shape.
  port = (server.address() as AddressInfo).port;
  return { port, close: (drainMs) => dual.close(drainMs) };
}
