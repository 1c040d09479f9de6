import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

/** A real Connect server on a private Unix socket, with whatever services a test gives it. */
export class DaemonDouble {
  readonly directory: string;
  readonly socket: string;
  #server: Server | undefined;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "agtmux-client-"));
    this.socket = join(this.directory, "d.sock");
  }

  async listen(routes: (router: ConnectRouter) => void, headers: Record<string, string> = {}): Promise<void> {
    const handler = connectNodeAdapter({ routes });
    const server = createServer((request, response) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      handler(request, response);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.socket, resolve));
    chmodSync(this.socket, 0o600);
  }

  /** Ends the server as a crash would: every connection is cut. */
  async crash(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async remove(): Promise<void> {
    await this.crash();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
