import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Scene } from "../daemon/support/scene.js";
import { fold, listed, Watcher } from "../daemon/support/watcher.js";
import { eventually } from "../support/daemon.js";
import { hookEvent } from "../support/hook-event.js";

const READING = 89;
const STUCK = 10;
const AGENTS = 6;
const WARM = 100;
const CHANGES = 300;
const PER_SECOND = 50;

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
});
afterAll(() => scene.close());

/** A watcher that is open and reads only when it is told to. */
function raw(): Socket {
  const body = Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]);
  const socket = connect(scene.daemon.socketPath);
  socket.pause();
  socket.write(
    `POST /agtmux.v1.StateService/Watch HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/connect+json\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  return socket.on("error", () => undefined);
}

function residentMb(): number {
  const status = readFileSync(`/proc/${scene.daemon.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1] ?? 0) / 1_024;
}

async function watchers(): Promise<number> {
  return (await scene.client.daemon.getHealth({})).watchers;
}

describe("a hundred watchers, ten that do not read and one that reads a byte a second", () => {
  it("TC-069 everyone who reads sees every last state, memory stays flat, and the others are freed when they go", {
    timeout: 120_000,
  }, async () => {
    const runtimes: string[] = [];
    for (let at = 0; at < AGENTS; at += 1) {
      const words = at === 0 ? ["new-session", "-d", "-s", "work"] : ["new-window", "-d", "-t", "=work:"];
      const agent = scene.agent(...words);
      const pane = await scene.untilPane("an agent", ({ identity, agent: found }) => {
        return identity?.paneId === agent.paneId && found !== undefined;
      });
      runtimes.push(pane.agent?.runtimeId ?? "");
    }
    const reading = await Promise.all(Array.from({ length: READING }, () => Watcher.open(scene.client)));
    const stuck = Array.from({ length: STUCK }, raw);
    const slow = raw();
    const sip = setInterval(() => slow.read(1), 1_000);
    await eventually("all to watch", async () => (await watchers()) === READING + STUCK + 1 || undefined);

    const lags: number[] = [];
    let warm = 0;
    const began = performance.now();
    for (let at = 0; at < WARM + CHANGES; at += 1) {
      if (at === WARM) warm = residentMb();
      await new Promise((resolve) =>
        setTimeout(resolve, Math.max(0, began + (at * 1_000) / PER_SECOND - performance.now())),
      );
      const runtimeId = runtimes[at % AGENTS] ?? "";
      const kind = Math.floor(at / AGENTS) % 2 === 0 ? "PermissionRequest" : "UserPromptSubmit";
      const sent = performance.now();
      const heard = reading[at % READING]?.messages.length ?? 0;
      await scene.client.ingest.ingestEvents({ events: [hookEvent(kind, {}, { runtimeId })] });
      if (at % 20 === 0) {
        await eventually(
          "it to be told",
          () => (reading[at % READING]?.messages.length ?? 0) > heard || undefined,
        );
        lags.push(performance.now() - sent);
      }
    }
    const { panes } = await scene.client.state.listPanes({});
    const truth = JSON.stringify([...listed({ panes })]);
    for (const watcher of reading) {
      await eventually("a watcher to agree with the list", () => {
        return JSON.stringify([...fold(watcher.messages)]) === truth || undefined;
      });
      const sequences = watcher.messages.map(({ sequence }) => Number(sequence));
      expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    }
    const grown = residentMb() - warm;
    lags.sort((a, b) => a - b);
    console.info(
      `${READING} readers beside ${STUCK + 1} that hardly read: told after ${Math.round(lags[lags.length >> 1] ?? 0)} ms (median), ${Math.round(lags.at(-1) ?? 0)} ms at worst; ${Math.round(grown)} MB more after ${CHANGES} changes`,
    );
    expect(grown).toBeLessThan(60);
    clearInterval(sip);
    for (const socket of [...stuck, slow]) socket.destroy();
    await eventually("those to be freed", async () => (await watchers()) === READING || undefined);
    await Promise.all(reading.map((watcher) => watcher.close()));
    await eventually("all to be freed", async () => (await watchers()) === 0 || undefined);
  });
});
