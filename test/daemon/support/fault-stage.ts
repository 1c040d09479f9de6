import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import {
  AgentState,
  ErrorCode,
  type Pane,
  type Target,
  TargetHealth,
  TargetKind,
  toAgtmuxError,
  type WatchResponse,
  WatchScope,
} from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import type { LoopbackSshd } from "../../targets/ssh/loopback-sshd.js";
import { descendants } from "../../targets/ssh/sshd.js";
import { createPrivateServer, type PrivateServer } from "../../tmux/private-server.js";
import { Bystander, type Noticed } from "./bystander.js";
import { openFiles } from "./open-files.js";
import { type FakeAgent, Scene } from "./scene.js";
import { Watcher } from "./watcher.js";

/** A hook's event of the local target must not take longer, whatever becomes of the other target. */
const UNAFFECTED_MS = 100;
/** Nor a read of everything. */
const READ_MS = 250;
/** Longest wait for the first connection, however slow the way. */
const CONNECT_MS = 45_000;
/** Longest answer to a call that names the target which does not answer. */
const ACTION_MS = 10_000;
const SCOPES = [WatchScope.PANES, WatchScope.WINDOWS, WatchScope.SESSIONS];

/** A daemon with a local target `near`, and an ssh target `vm1` with two agents, whose host a test does harm to. */
export class FaultStage {
  readonly watcher: Watcher;

  private constructor(
    readonly scene: Scene,
    readonly sshd: LoopbackSshd,
    readonly busy: FakeAgent,
    readonly idle: FakeAgent,
    watcher: Watcher,
    private readonly near: PrivateServer,
    private readonly bystander: Bystander,
    private readonly atRest: Held,
  ) {
    this.watcher = watcher;
  }

  static async start(sshd: LoopbackSshd): Promise<FaultStage> {
    const scene = await Scene.start({ env: { AGTMUX_SSH_CONFIG: sshd.configFile } });
    const near = createPrivateServer();
    try {
      await scene.client.targets.removeTarget({ name: "lab" });
      const tmuxSocket = scene.terminal.socketPath;
      const vm1 = { name: "vm1", kind: TargetKind.SSH, tmuxSocket };
      await scene.client.targets.addTarget(vm1, { timeoutMs: CONNECT_MS });
      const busy = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
      const idle = await scene.agentIn("idle", "new-window", "-t", "work");
      const bystander = await Bystander.start(scene, near, "near");
      const watcher = await Watcher.open(scene.client);
      return new FaultStage(scene, sshd, busy, idle, watcher, near, bystander, held(scene, sshd));
    } catch (error) {
      await scene.close();
      near.dispose();
      throw error;
    }
  }

  async target(): Promise<Target | undefined> {
    const { targets } = await this.scene.client.targets.listTargets({});
    return targets.find(({ name }) => name === "vm1");
  }

  async untilHealth(health: TargetHealth, withinMs: number): Promise<Target> {
    const look = async (): Promise<Target | undefined> => {
      const now = await this.target();
      return now?.health === health ? now : undefined;
    };
    return eventually(`vm1 to be ${TargetHealth[health]}`, look, withinMs);
  }

  /** The rows of the ssh target. */
  async rows(): Promise<Pane[]> {
    return (await this.scene.panes()).filter(({ identity }) => identity?.target === "vm1");
  }

  /** What the bystander noticed since the last time; prints it. */
  async noticed(when: string): Promise<Noticed> {
    const noticed = await this.bystander.take();
    const { events, p99, longestRead, noise } = noticed;
    console.info(
      `${when}: ${events} local events, p99 ${p99.toFixed(1)} ms; longest read ${longestRead.toFixed(1)} ms; noise ${noise.toFixed(1)} ms`,
    );
    return noticed;
  }

  /** Every read and the stream say who does not answer, and still everything about the others; every row stays. */
  async expectDown(target: Target): Promise<void> {
    const partial = {
      partial: true,
      requestedTargets: ["host", "near", "vm1"],
      respondedTargets: ["host", "near"],
      targetErrors: [
        {
          target: "vm1",
          code: ErrorCode.E_TARGET_UNREACHABLE,
          message: target.healthMessage || target.healthReason,
        },
      ],
    };
    // A further attempt may say it in other words meanwhile.
    await eventually("one answer of all reads", async () => {
      const { healthMessage, healthReason } = (await this.target()) ?? target;
      const [error] = partial.targetErrors;
      if (error !== undefined) error.message = healthMessage || healthReason;
      try {
        const { state } = this.scene.client;
        const filter = { includePlain: true };
        const answers = await Promise.all([
          state.listPanes({ filter }),
          state.listWindows({ filter }),
          state.listSessions({ filter }),
        ]);
        const streams = await Promise.all(SCOPES.map((scope) => this.#firstMessage(scope)));
        for (const answer of [...answers, ...streams, this.watcher.last])
          expect(answer).toMatchObject(partial);
        return true;
      } catch (error) {
        this.#envelope = error;
        return undefined;
      }
    }).catch((error: unknown) => {
      throw this.#envelope ?? error;
    });
    const other = await this.scene.client.state.listPanes({ filter: { targets: ["near"] } });
    expect(other).toMatchObject({ partial: false, requestedTargets: ["near"], targetErrors: [] });
    expect((await this.rows()).map(shown)).toEqual(
      [this.busy, this.idle].map(({ paneId }) => [paneId, AgentState.UNKNOWN, "target_unreachable"]),
    );
    await this.#expectRefusal();
  }

  /** The rows are the given agents, in these states, and no others. */
  async untilRows(wanted: readonly (readonly [FakeAgent, AgentState])[], withinMs?: number): Promise<void> {
    const expected = wanted.map(([{ paneId }, state]) => [paneId, state]);
    let found: unknown[] = [];
    const look = async (): Promise<boolean> => {
      found = (await this.rows()).map((pane) => shown(pane).slice(0, 2));
      return JSON.stringify(found) === JSON.stringify(expected);
    };
    await eventually("the rows", async () => (await look()) || undefined, withinMs).catch(() => {
      expect(found).toEqual(expected);
    });
  }

  /** The local target was served as ever, between two calls of `noticed`. */
  expectUnaffected(calm: Noticed, during: Noticed): void {
    const limit = Math.max(UNAFFECTED_MS, calm.p99) + 2 * during.noise;
    expect(during.p99).toBeLessThan(limit);
    expect(during.longestRead).toBeLessThan(READ_MS + 2 * during.noise);
  }

  /** The daemon holds no more files and children than at first, and its connection no more channels. */
  async expectNothingLeft(): Promise<void> {
    let now = held(this.scene, this.sshd);
    await eventually("everything to be given back", () => {
      now = held(this.scene, this.sshd);
      // A look at the host or at tmux may be under way.
      const { files, children, channels } = this.atRest;
      return now.files <= files + 3 && now.children <= children + 1 && now.channels <= channels + 2;
    }).catch(() => expect(now).toEqual(this.atRest));
    expect(this.sshd.connections().length).toBeLessThanOrEqual(3);
  }

  async close(): Promise<void> {
    try {
      await this.bystander.close();
      await this.watcher.close();
    } finally {
      await this.scene.close();
      this.near.dispose();
    }
  }

  #envelope: unknown;

  async #firstMessage(scope: WatchScope): Promise<WatchResponse> {
    const watcher = await Watcher.open(this.scene.client, { scope });
    await watcher.close();
    return watcher.last;
  }

  /** A call that needs the host ends, and says why it is of no use. */
  async #expectRefusal(): Promise<void> {
    const [pane] = await this.rows();
    if (pane?.observation === undefined) throw new Error("no row to act on");
    const asked = performance.now();
    const target = { ref: pane.ref, expect: pane.observation, requestRef: randomUUID() };
    const answer = this.scene.client.actions.viewOutput({ target }, { timeoutMs: ACTION_MS });
    const code = await answer.then(
      () => "an answer",
      (error: unknown) => ErrorCode[toAgtmuxError(error).code],
    );
    expect(["E_TARGET_UNREACHABLE"]).toContain(code);
    expect(performance.now() - asked).toBeLessThan(ACTION_MS);
  }
}

interface Held {
  readonly files: number;
  readonly children: number;
  /** Processes below sshd. */
  readonly channels: number;
}

function held({ daemon }: Scene, sshd: LoopbackSshd): Held {
  const pid = daemon.child.pid ?? 0;
  const files = openFiles(pid).length;
  return { files, children: descendants(pid).length, channels: sshd.sshd.sessions().length };
}

function shown({ identity, agent }: Pane): [string | undefined, AgentState | undefined, string | undefined] {
  return [identity?.paneId, agent?.state, agent?.reasonCode];
}
