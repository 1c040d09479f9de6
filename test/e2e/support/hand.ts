import { randomUUID } from "node:crypto";
import type { ActionTarget } from "../../../gen/agtmux/v1/action_pb.js";
import { type AgentState, AgtmuxError, type Pane } from "../../../src/client/index.js";
import type { TestDaemon } from "../../support/daemon.js";

type Target = Omit<ActionTarget, "$typeName" | "$unknown">;

/** Looks at a pane as a client does, and makes what an action on it needs. */
export class Hand {
  constructor(
    private readonly daemon: TestDaemon,
    readonly paneId: string,
  ) {}

  async pane(): Promise<Pane> {
    const { panes } = await this.daemon.client.state.listPanes({ filter: { includePlain: true } });
    const pane = panes.find(({ identity }) => identity?.paneId === this.paneId);
    if (pane === undefined) throw new Error(`pane ${this.paneId} is not listed`);
    return pane;
  }

  /** What is there now, as something that was just looked at. */
  async target(guards: Partial<Target> & { readonly ifState?: AgentState[] } = {}): Promise<Target> {
    const { ref, observation } = await this.pane();
    if (observation === undefined) throw new Error("a listed pane has an observation");
    return {
      ref,
      requestRef: randomUUID(),
      expect: observation,
      ifRuntime: "",
      ifState: [],
      forceStale: false,
      ...guards,
    };
  }
}

/** What a call was refused with: the code's name and the reason among its facts. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof AgtmuxError) return `${error.codeName} ${error.details["reason"] ?? ""}`.trim();
    throw error;
  }
  return "it was not refused";
}
