import { mkdtempSync, rmSync } from "node:fs";
import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DualServer, dualServer } from "../../src/server/api/dual-server.js";
import type { Response } from "../../src/server/api/error-answer.js";
import { eventually } from "../support/daemon.js";

const STALLED_MS = 300;

function send(response: Response, text: string): void {
  const writable: NodeJS.WritableStream = response;
  writable.write(text);
}

describe("TC-069 a client that takes nothing any more", () => {
  let folder: string;
  let dual: DualServer;
  let answers: Response[];
  let closed: number;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "agtmux-stalled-"));
    answers = [];
    closed = 0;
    dual = dualServer(
      () => ({ kind: "admitted" }),
      (_request, response) => {
        answers.push(response);
        response.on("close", () => {
          closed += 1;
        });
        send(response, "open");
      },
      () => undefined,
      STALLED_MS,
    );
    await new Promise<void>((resolve) => dual.server.listen(join(folder, "s"), resolve));
  });
  afterEach(async () => {
    await dual.close(0);
    rmSync(folder, { recursive: true, force: true });
  });

  function open(): Socket {
    const socket = connect(join(folder, "s"));
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    return socket.on("error", () => undefined);
  }

  /** Writes until the client's and the kernel's buffers are full. */
  function flood(): void {
    for (const answer of answers) for (let at = 0; at < 64; at += 1) send(answer, "x".repeat(65_536));
  }

  it("is let go, and one that reads is not", async () => {
    const reading = open().resume();
    const stuck = open().pause();
    await eventually("both to be served", () => answers.length === 2 || undefined);
    const told = setInterval(() => {
      for (const answer of answers) send(answer, ".");
    }, 50);
    flood();
    await eventually("the stuck one to be gone", () => closed === 1 || undefined, 5_000);
    await new Promise((resolve) => setTimeout(resolve, 2 * STALLED_MS));
    expect(closed).toBe(1);
    clearInterval(told);
    reading.destroy();
    stuck.destroy();
  });

  it("is let go over HTTP/2 too, and a quiet one is not", async () => {
    const session = (): http2.ClientHttp2Session =>
      http2
        .connect("http://localhost", { createConnection: () => connect(join(folder, "s")) })
        .on("error", () => undefined);
    const quiet = session();
    quiet.request({ ":path": "/" }).resume();
    await eventually("it to be served", () => answers.length === 1 || undefined);
    const stuck = session();
    stuck.request({ ":path": "/" });
    await eventually("it to be served", () => answers.length === 2 || undefined);
    const [, second] = answers;
    for (let at = 0; at < 64; at += 1) if (second) send(second, "x".repeat(65_536));
    await eventually("the stuck one to be gone", () => closed === 1 || undefined, 5_000);
    await new Promise((resolve) => setTimeout(resolve, 2 * STALLED_MS));
    expect(closed).toBe(1);
    quiet.destroy();
    stuck.destroy();
  });
});
