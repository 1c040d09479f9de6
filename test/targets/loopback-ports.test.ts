import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { createLocalAgentFiles } from "../../src/server/targets/local-host.js";

const LISTEN = `
  const { createServer, connect } = require("node:net");
  const ports = [];
  const listen = (host) => new Promise((resolve) => {
    const server = createServer().listen(0, host, () => { ports.push(server.address().port); resolve(); });
    server.on("error", () => { ports.push(0); resolve(); });
  });
  (async () => {
    await listen("127.0.0.1");
    await listen("::1");
    await listen("0.0.0.0");
    // A connection's own end is no listening port.
    const socket = connect(ports[0], "127.0.0.1", () => console.log(JSON.stringify(ports)));
    socket.on("error", () => process.exit(1));
  })();
`;

const files = createLocalAgentFiles();

describe.runIf(process.platform === "linux")("the loopback ports of a process", () => {
  it("are those it listens on at 127.0.0.1 and ::1, and no others", async () => {
    const child = spawn(process.execPath, ["-e", LISTEN], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [line] = await once(child.stdout, "data");
      const told: unknown = JSON.parse(String(line));
      const [four = 0, six = 0] = Array.isArray(told) ? told.map(Number) : [];
      const expected = [four, six].filter((port) => port > 0).sort((a, b) => a - b);
      expect(await files.loopbackPorts(child.pid ?? 0)).toEqual(expected);
      // Another process of this host hears nothing on them.
      for (const port of expected) expect(await files.loopbackPorts(process.pid)).not.toContain(port);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    expect(await files.loopbackPorts(child.pid ?? 0)).toEqual([]);
  });

  it("are none where they cannot be read", async () => {
    expect(await files.loopbackPorts(2 ** 31 - 1)).toEqual([]);
    expect(await createLocalAgentFiles({ procRoot: "/no/such/proc" }).loopbackPorts(process.pid)).toEqual([]);
  });
});
