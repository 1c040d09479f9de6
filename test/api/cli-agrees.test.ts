import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AgentState, ListPanesResponseSchema, type Pane } from "../../src/client/index.js";
import { type FakeAgent, Scene } from "../daemon/support/scene.js";

const CLI = join(import.meta.dirname, "..", "..", process.env["AGTMUX_TEST_DIST"] ?? "dist", "agtmux.mjs");

let scene: Scene;
let agent: FakeAgent;
beforeAll(async () => {
  scene = await Scene.start();
  agent = await scene.agentIn("permission prompt", "new-session", "-d", "-s", "a/b %41 ü");
  scene.tmux("split-window", "-d", "-t", agent.paneId, "exec sleep 100000");
  await scene.untilPanes("both", (panes) => panes.length === 2);
});
afterAll(async () => {
  await scene.close();
});

function cli(...words: string[]): { status: number | null; json: unknown; stderr: string } {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: scene.daemon.root,
    AGTMUX_STATE_DIR: scene.daemon.stateDir,
  };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...words], {
    encoding: "utf8",
    env,
    timeout: 20_000,
  });
  return { status, stderr, json: stdout.trim() === "" ? undefined : (JSON.parse(stdout) as unknown) };
}

const milliseconds = (time: { seconds: bigint; nanos: number } | undefined): number =>
  time === undefined ? Number.NaN : Number(time.seconds) * 1_000 + time.nanos / 1e6;

function expected(pane: Pane): Record<string, unknown> {
  const { identity, agent: status } = pane;
  const { target, sessionName, windowId, paneId } = identity ?? {};
  return {
    identity: { target, session_name: sessionName, window_id: windowId, pane_id: paneId },
    also_in: pane.alsoIn,
    ref: pane.ref,
    window_name: pane.windowName,
    window_index: pane.windowIndex,
    pane_index: pane.paneIndex,
    pane_pid: Number(pane.panePid),
    current_command: pane.currentCommand,
    title: pane.title,
    cwd: pane.cwd,
    ...(status === undefined
      ? {}
      : {
          runtime_id: status.runtimeId,
          agent_type: status.agentType,
          agent_pid: Number(status.agentPid),
          agent_session_id: status.agentSessionId,
          state: AgentState[status.state].toLowerCase(),
          reason_code: status.reasonCode,
          state_version: Number(status.stateVersion),
          needs_action: status.needsAction,
        }),
  };
}

describe.skipIf(!existsSync(CLI))("the CLI's JSON", () => {
  it("TC-021 says of every pane what the API says", async () => {
    const api = await scene.client.state.listPanes({ filter: { includePlain: true } });
    const { status, json, stderr } = cli("list", "panes", "--all", "--json");
    expect([status, stderr]).toEqual([0, ""]);
    expect(json).toMatchObject({
      schema_version: 1,
      partial: api.partial,
      requested_targets: api.requestedTargets,
      responded_targets: api.respondedTargets,
      target_errors: [],
      summary: {
        total: 1,
        by_state: { waiting_approval: 1 },
        by_agent: { claude: 1 },
        by_target: { lab: 1 },
      },
      items: api.panes.map(expected),
    });
    const { items } = json as { items: { since?: string; updated_at?: string }[] };
    for (const [at, item] of items.entries()) {
      const status = api.panes[at]?.agent;
      if (status === undefined) continue;
      // RFC 3339 with milliseconds, of times in microseconds.
      expect(Math.abs(Date.parse(item.since ?? "") - milliseconds(status.since))).toBeLessThanOrEqual(1);
      expect(
        Math.abs(Date.parse(item.updated_at ?? "") - milliseconds(status.updatedAt)),
      ).toBeLessThanOrEqual(1);
    }
    // The API's own JSON is standard ProtoJSON, of the same facts.
    expect(toJson(ListPanesResponseSchema, api)).toMatchObject({ schemaVersion: 1, panes: [{}, {}] });
  });

  it("TC-018 TC-032 fails with the code that the API gives", async () => {
    const { status, stderr } = cli("explain", "pane:lab/none/@9/%99", "--json");
    expect(status).toBe(4);
    expect(stderr).toContain("E_REF_NOT_FOUND");
  });
});
