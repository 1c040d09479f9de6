import { AgentState } from "../../src/client/index.js";
import { type FakeAgent, Scene, type SessionStatus } from "../daemon/support/scene.js";
import { eventually } from "../support/daemon.js";
import { createPrivateServer, type PrivateServer } from "../tmux/private-server.js";

/** A session name that every layer between tmux and a client could get wrong. */
export const ODD_SESSION = "a/b %41 ü";
/** The session whose agent the watch scenarios move; it rests idle. */
export const WALK = "walk";

/** What the clients look at: a real daemon, two real tmux servers, four agents whose states the scenarios say. */
export class Stage {
  private constructor(
    readonly scene: Scene,
    private readonly second: PrivateServer,
    readonly busy: FakeAgent,
    readonly asking: FakeAgent,
    readonly odd: FakeAgent,
    readonly walker: FakeAgent,
  ) {}

  /**
   * lab: session "work" with a busy agent and one that asks, ODD_SESSION and WALK with an idle one each. other: one pane
   * without an agent.
   */
  static async set(): Promise<Stage> {
    const scene = await Scene.start();
    const second = createPrivateServer();
    second.start("new-session", "-d", "-s", "work", "exec sleep 100000");
    await scene.addTarget("other", second.socketPath);
    const busy = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    const asking = await scene.agentIn("permission prompt", "split-window", "-d", "-t", busy.paneId);
    const odd = await scene.agentIn("idle", "new-session", "-d", "-s", ODD_SESSION);
    const walker = await scene.agentIn("idle", "new-session", "-d", "-s", WALK);
    return new Stage(scene, second, busy, asking, odd, walker);
  }

  /** Moves the walker through `states` and waits for each to be visible. */
  async walk(...states: SessionStatus[]): Promise<void> {
    for (const state of states) await this.scene.untilState(this.walker, state);
  }

  /** Waits until the daemon has so many open streams. */
  async watchers(count: number): Promise<void> {
    await eventually(`${count} watchers`, async () => {
      const health = await this.scene.client.daemon.getHealth({});
      return health.watchers === count;
    });
  }

  async close(): Promise<void> {
    try {
      await this.scene.close();
    } finally {
      this.second.dispose();
    }
  }
}

/** As clients spell a state. */
export function stateName(state: AgentState): string {
  return `AGENT_STATE_${AgentState[state]}`;
}
