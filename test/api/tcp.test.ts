import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agtmux, connect } from "../../src/client/index.js";
import { TestDaemon } from "../support/daemon.js";

let daemon: TestDaemon;
let address: string;
let token: string;

beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { AGTMUX_TCP: "127.0.0.1:0" } });
  address = readFileSync(join(daemon.stateDir, "tcp-address"), "utf8").trim();
  token = readFileSync(join(daemon.stateDir, "tcp-token"), "utf8").trim();
});
afterAll(() => daemon.close());

function call(headers: Record<string, string>): Promise<{ status: number; body: string }> {
  const [host = "", port = ""] = address.split(":");
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host,
        port,
        method: "POST",
        path: "/agtmux.v1.StateService/ListPanes",
        headers: { "content-type": "application/json", host: address, ...headers },
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    request.on("error", reject);
    request.end("{}");
  });
}

function client(with_: string): Agtmux {
  return connect({ tcp: { address, token: with_ } });
}

describe("the TCP listener", () => {
  it("is not there unless it is asked for", async () => {
    const plain = await TestDaemon.start();
    expect(existsSync(join(plain.stateDir, "tcp-address"))).toBe(false);
    await plain.close();
  });

  it("serves whoever brings the token, the client library too", async () => {
    expect(await call({ authorization: `Bearer ${token}` })).toMatchObject({ status: 200 });
    const { socketPath } = await client(token).daemon.getHealth({});
    expect(socketPath).toBe(daemon.socketPath);
    for await (const event of client(token).watch()) {
      expect(event).toMatchObject({ kind: "message" });
      break;
    }
  });

  it.each([
    ["no token", {}],
    ["another token", { authorization: `Bearer ${"x".repeat(43)}` }],
    ["the token in another scheme", { authorization: `Basic ${"x".repeat(43)}` }],
  ])("refuses %s", async (_what, headers) => {
    const { status, body } = await call(headers);
    expect(status).toBe(401);
    expect(body).toContain("E_UNAUTHENTICATED");
  });

  it.each([
    ["another host", { host: "evil.example" }],
    ["this machine by another name", { host: "evil.example:80" }],
    ["loopback without the port", { host: "127.0.0.1" }],
    ["a page's origin", { origin: "http://localhost" }],
    ["a page's referer", { referer: "http://localhost/" }],
  ])("refuses %s, even with the token", async (_what, headers) => {
    const { status, body } = await call({ authorization: `Bearer ${token}`, ...headers });
    expect(status).toBe(401);
    expect(body).toContain("E_UNAUTHENTICATED");
  });

  it("has its token in a file that nobody else may read, and keeps it over a restart", async () => {
    expect(statSync(join(daemon.stateDir, "tcp-token")).mode & 0o777).toBe(0o600);
    expect(token).toMatch(/^[\w-]{43}$/u);
    await expect(client("wrong").daemon.getHealth({})).rejects.toMatchObject({
      codeName: "E_UNAUTHENTICATED",
    });
  });

  it("does not start with an address that others could reach, and says so", async () => {
    for (const asked of ["0.0.0.0:7000", "192.168.0.1:80", "localhost", ":80", "127.0.0.1:99999"]) {
      const { status, stderr } = await TestDaemon.run(daemon.root, {
        AGTMUX_STATE_DIR: join(daemon.root, "other"),
        AGTMUX_TCP: asked,
      });
      expect([status, stderr]).toEqual([3, expect.stringContaining("no loopback address")]);
    }
  });

  it("does not start with a token that others may read, and says so", async () => {
    const first = await TestDaemon.start();
    await first.end();
    writeFileSync(join(first.stateDir, "tcp-token"), `${"t".repeat(40)}\n`);
    chmodSync(join(first.stateDir, "tcp-token"), 0o644);
    const { status, stderr } = await TestDaemon.run(first.root, { AGTMUX_TCP: "[::1]:0" });
    expect([status, stderr]).toEqual([3, expect.stringContaining("nobody else may read")]);
    await first.close();
  });
});
