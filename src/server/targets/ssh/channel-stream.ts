import { Duplex } from "node:stream";
import type { Channel } from "ssh2";

const BUFFERED_BYTES = 64 * 1024;

/**
 * A channel that carries a socket, as a stream like any other: the library's own never closes while what has arrived is
 * not read, even when destroyed.
 */
export class ChannelStream extends Duplex {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    super({ highWaterMark: BUFFERED_BYTES });
    this.#channel = channel;
    channel.on("data", (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) channel.pause();
    });
    channel.on("end", () => this.push(null));
    channel.on("close", () => {
      // Both halves over: the stream closes once what it holds is read.
      this.push(null);
      this.end();
    });
    channel.on("error", () => undefined);
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#channel.writable) this.#channel.write(chunk, () => done());
    else done(new Error("the other side has closed"));
  }

  override _final(done: () => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channel.resume();
    this.#channel.destroy();
    done(error);
  }
}
