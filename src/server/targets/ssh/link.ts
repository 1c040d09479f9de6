import type { Duplex } from "node:stream";
import type { Client } from "ssh2";

/** Time for a goodbye, in milliseconds. */
const GOODBYE_MS = 250;

/** A client that is logged in, with what carries it: a socket, a program, or a channel of the link below. */
export class Link {
  readonly client: Client;
  readonly stream: Duplex;
  /** Where it leads, for messages. */
  readonly address: string;
  readonly #below: Link | undefined;
  #closing = false;

  constructor(parts: { client: Client; stream: Duplex; address: string; below: Link | undefined }) {
    this.client = parts.client;
    this.stream = parts.stream;
    this.address = parts.address;
    this.#below = parts.below;
  }

  /** Says goodbye and closes, at the latest after 250 ms; the links below follow. May be called again. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.stream.closed) {
      this.#below?.close();
      return;
    }
    const late = setTimeout(() => this.stream.destroy(), GOODBYE_MS);
    this.stream.once("close", () => {
      clearTimeout(late);
      this.#below?.close();
    });
    try {
      this.client.end();
    } catch {
      // Its side of the stream is broken already; there is nobody to say goodbye to.
      this.stream.destroy();
    }
  }
}
