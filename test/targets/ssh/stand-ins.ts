import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** A server that answers every connection in one way. */
export class FakeServer {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  port = 0;

  private constructor(answer: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
      // What is not read would keep it from seeing the end.
      socket.resume();
      answer(socket);
    });
  }

  static async start(answer: (socket: Socket) => void): Promise<FakeServer> {
    const fake = new FakeServer(answer);
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    const address = fake.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    fake.port = address.port;
    return fake;
  }

  get open(): number {
    return this.#sockets.size;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

export interface RelayOptions {
  readonly address?: string;
  /** How long everything takes from one end to the other, in milliseconds. */
  readonly delayMs?: number;
}

/** A TCP relay that is far away, or whose directions can be stopped, as when packets are dropped on the way. */
export class Relay {
  #up = true;
  #down = true;
  #server: FakeServer | undefined;

  static async start(
    port: number,
    { address = "127.0.0.1", delayMs = 0 }: RelayOptions = {},
  ): Promise<Relay> {
    const relay = new Relay();
    const later = (act: () => void): void => void (delayMs === 0 ? act() : setTimeout(act, delayMs));
    relay.#server = await FakeServer.start((client) => {
      const host = connect(port, address).on("error", () => undefined);
      client.on("data", (chunk) => later(() => void (relay.#up && host.write(chunk))));
      host.on("data", (chunk) => later(() => void (relay.#down && client.write(chunk))));
      client.on("close", () => later(() => host.destroy()));
      host.on("close", () => later(() => client.destroy()));
    });
    return relay;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** Stops the bytes to the host, those from it, or both. */
  drop(direction: "up" | "down" | "both"): void {
    if (direction !== "down") this.#up = false;
    if (direction !== "up") this.#down = false;
  }

  close(): void {
    this.#server?.close();
  }
}

/** A port on which connecting gets no answer: its queue is full, so that the kernel drops the packets. */
export class DeafPort {
  readonly #child: ChildProcess;
  readonly #fillers: readonly Socket[];

  private constructor(
    readonly port: number,
    child: ChildProcess,
    fillers: readonly Socket[],
  ) {
    this.#child = child;
    this.#fillers = fillers;
  }

  static async start(): Promise<DeafPort> {
    const program = `const s = require("net").createServer();
      s.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
        console.log(s.address().port);
        process.kill(process.pid, "SIGSTOP");
      });`;
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] });
    const port = await new Promise<number>((resolve) => {
      child.stdout.once("data", (chunk: Buffer) => resolve(Number(chunk.toString())));
    });
    const fillers: Socket[] = [];
    for (;;) {
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      fillers.push(socket);
      const connected = await Promise.race([
        new Promise((resolve) => socket.once("connect", () => resolve(true))),
        delay(200, false),
      ]);
      if (!connected) return new DeafPort(port, child, fillers);
      if (fillers.length > 20) throw new Error("the queue does not fill");
    }
  }

  close(): void {
    for (const socket of this.#fillers) socket.destroy();
    this.#child.kill("SIGKILL");
  }
}
