import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { KillMode, KillSignal } from "../../gen/agtmux/v1/action_pb.js";
import {
  AgtmuxError,
  ErrorCode,
  ObservationSchema,
  TargetHealth,
  toAgtmuxError,
} from "../../src/client/index.js";
import type { Scene } from "../daemon/support/scene.js";
import { eventually, type TestDaemon } from "../support/daemon.js";
import { type PrivateServer, signal } from "../tmux/private-server.js";

/** An action of the API, in ProtoJSON, and the command line that asks for the same. */
export interface Asked {
  readonly target: Readonly<Record<string, JsonValue>>;
  readonly words: readonly string[];
}

/** Actions that are refused, each by the code it is named after. */
export interface RefusedActions {
  readonly expired: Asked;
  readonly conflicting: Asked;
  readonly pidless: Asked;
  /** To a pane of a target that is down. */
  readonly unreachable: Asked;
  /** By the daemon without a guard. */
  readonly unguarded: Asked;
  /** To an agent that runs and asks nothing. */
  readonly unasked: Asked;
}

/** What an action on an agent's pane takes, as it was looked at now. */
async function aimed({ client }: Pick<Scene, "client">, paneId: string, requestRef: string, target = "lab") {
  const pane = await eventually("the agent to be listed", async () => {
    const { panes } = await client.state.listPanes({ filter: { targets: [target] } });
    return panes.find(({ identity }) => identity?.paneId === paneId);
  });
  if (pane.observation === undefined) throw new Error("a listed pane has an observation");
  const { ref, observation: expect } = pane;
  const asked = { ref, requestRef, expect: toJson(ObservationSchema, expect) };
  return { target: { ref, requestRef, expect }, asked, words: [ref, "--request-ref", requestRef] };
}

/** Has them all refused, or ready to be. */
export async function refusedActions(
  scene: Scene,
  { lost, guardless }: { readonly lost: PrivateServer; readonly guardless: TestDaemon },
  paneId: string,
): Promise<RefusedActions> {
  const old = await aimed(scene, paneId, "expired");
  const observedAt = new Date(Date.now() - 60_000).toISOString();
  const { runtimeId = "", stateVersion = 0n } = old.target.expect;
  const seen = { runtime_id: runtimeId, state_version: Number(stateVersion), observed_at: observedAt };

  const first = await aimed(scene, paneId, "taken");
  await scene.client.actions.viewOutput({ target: first.target, lines: 1 });

  const last = await pidless(scene);
  return {
    expired: {
      target: { ...old.asked, expect: { runtimeId, stateVersion: String(stateVersion), observedAt } },
      words: [...old.words, "--expect", JSON.stringify(seen)],
    },
    conflicting: { target: first.asked, words: first.words },
    pidless: { target: last.asked, words: last.words },
    unreachable: await unreachable(scene, lost),
    unguarded: patient(await aimed(guardless, paneId, "unguarded")),
    unasked: patient(await aimed(scene, paneId, "unasked")),
  };
}

/** An agent whose process is gone, and nobody has looked since: the refusal is stored, and told again from then on. */
async function pidless(scene: Scene) {
  for (let attempt = 1; attempt <= 10; attempt++) {
    const agent = await scene.agentIn("idle", "new-session", "-d", "-s", `doomed${attempt}`);
    const last = await aimed(scene, agent.paneId, `pidless ${attempt}`);
    signal(agent.pid, "SIGKILL");
    const kill = { mode: KillMode.SIGNAL, signal: KillSignal.TERM, confirmed: true };
    const refused = await scene.client.actions.kill({ target: last.target, ...kill }).catch(toAgtmuxError);
    // On a busy machine the daemon may have looked first.
    if (refused instanceof AgtmuxError && refused.code === ErrorCode.E_PID_UNAVAILABLE) return last;
  }
  throw new Error("the daemon always looked first");
}

const elsewhere = ({ directory }: PrivateServer): string => `${directory}.elsewhere`;

/** An agent of a tmux server that cannot be asked any more: in the place of its socket's directory there is a file. */
async function unreachable(scene: Scene, lost: PrivateServer): Promise<Asked> {
  lost.start("new-session", "-d", scene.agentCommand);
  await scene.addTarget("lost", lost.socketPath);
  const aim = await aimed(scene, lost.tmux("list-panes", "-a", "-F", "#{pane_id}"), "unreachable", "lost");
  renameSync(lost.directory, elsewhere(lost));
  writeFileSync(lost.directory, "");
  await eventually("the target lost to be down", async () => {
    const { target } = await scene.client.targets.connectTarget({ name: "lost" });
    return target?.health === TargetHealth.DOWN;
  });
  return patient(aim);
}

/** However late it comes. */
function patient({
  asked,
  words,
}: {
  readonly asked: Asked["target"];
  readonly words: readonly string[];
}): Asked {
  return { target: { ...asked, forceStale: true }, words: [...words, "--force-stale"] };
}

/** Puts the directory back, so that the server can be ended. */
export function findAgain(lost: PrivateServer): void {
  if (!existsSync(elsewhere(lost))) return;
  rmSync(lost.directory);
  renameSync(elsewhere(lost), lost.directory);
}
