import { writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { AgentState, TargetHealth } from "../../src/client/index.js";
import { NetworkHost, namespacesRefused } from "../targets/ssh/network-host.js";
import { Relay } from "../targets/ssh/stand-ins.js";
import { FaultStage } from "./support/fault-stage.js";
import type { SessionStatus } from "./support/scene.js";

if (namespacesRefused !== undefined) console.warn(`skipped: ${namespacesRefused}`);

const ONE_WAY_MS = 500;
const KBIT = 64;
const BURST_MS = 300;
const BETWEEN_BURSTS_MS = 700;
/** From the file that changes there to the list. */
const SHOWN_MS = 15_000;
const CHANGES: readonly (readonly [SessionStatus, AgentState])[] = [
  ["permission prompt", AgentState.WAITING_APPROVAL],
  ["busy", AgentState.RUNNING],
];

/** Waiting for a connection to be given up takes its time: with the slow profile. */
const SLOW_PROFILE = process.env["AGTMUX_TEST_FAULTS"] === "1";

describe.skipIf(!SLOW_PROFILE || namespacesRefused !== undefined)("an ssh target over", () => {
  let host: NetworkHost | undefined;
  let relay: Relay | undefined;
  let stage: FaultStage | undefined;

  afterEach(async () => {
    await stage?.close();
    relay?.close();
    await host?.close();
    [host, relay, stage] = [undefined, undefined, undefined];
  });

  /** Says what happens to the agents there, one after the other; returns how long each took to show, in milliseconds. */
  async function follow(stage: FaultStage): Promise<number[]> {
    const took: number[] = [];
    for (const [status, state] of CHANGES) {
      const said = performance.now();
      stage.busy.say(status);
      await stage.untilRows(
        [
          [stage.busy, state],
          [stage.idle, AgentState.IDLE],
        ],
        SHOWN_MS,
      );
      took.push(performance.now() - said);
    }
    return took;
  }

  it(`TC-040 TC-041 a way of ${ONE_WAY_MS} ms with bursts of loss stays connected, shows what happens, and holds up nobody`, {
    timeout: 180_000,
  }, async () => {
    host = await NetworkHost.start();
    const { sshd } = host.sshd;
    relay = await Relay.start(sshd.port, { address: sshd.address, delayMs: ONE_WAY_MS });
    const { home } = host.sshd;
    home.write(`Host *\n  HostName 127.0.0.1\n  Port ${relay.port}\n  HostKeyAlias vm1\n`);
    writeFileSync(home.knownHosts, `vm1 ${sshd.hostKeys[0]?.publicKey}\n`);
    stage = await FaultStage.start(host.sshd);
    const connections = host.sshd.connections();
    const before = await stage.noticed("500 ms: before");
    print("500 ms", await follow(stage));

    let losing = true;
    const lose = async (cable: NetworkHost): Promise<void> => {
      while (losing) {
        cable.pull();
        await delay(BURST_MS);
        cable.plug();
        await delay(BETWEEN_BURSTS_MS);
      }
    };
    const bursts = lose(host);
    try {
      print("500 ms and losses", await follow(stage));
    } finally {
      losing = false;
      await bursts;
    }
    stage.expectUnaffected(before, await stage.noticed("500 ms: during"));
    expect(await stage.target()).toMatchObject({ health: TargetHealth.OK });
    expect(host.sshd.connections()).toEqual(connections);
    expect(stage.scene.daemon.log).not.toContain('"not connected"');
    await stage.expectNothingLeft();
  });

  it(`TC-040 TC-041 a line of ${KBIT} kbit/s connects, stays connected, shows what happens, and holds up nobody`, {
    timeout: 180_000,
  }, async () => {
    host = await NetworkHost.start();
    host.throttle(KBIT);
    stage = await FaultStage.start(host.sshd);
    const connections = host.sshd.connections();
    const before = await stage.noticed("64 kbit/s: before");
    print("64 kbit/s", await follow(stage));
    stage.expectUnaffected(before, await stage.noticed("64 kbit/s: during"));
    expect(await stage.target()).toMatchObject({ health: TargetHealth.OK });
    expect(host.sshd.connections()).toEqual(connections);
    expect(stage.scene.daemon.log).not.toContain('"not connected"');
    await stage.expectNothingLeft();
  });
});

function print(what: string, took: readonly number[]): void {
  console.info(`${what}: changes shown after ${took.map((ms) => `${(ms / 1_000).toFixed(1)} s`).join(", ")}`);
}
