import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AgentState,
  ErrorCode,
  type Pane,
  type PaneIdentity,
  SessionGrouping,
  SortKey,
  TargetHealth,
  TargetKind,
  toAgtmuxError,
} from "../../src/client/index.js";
import { type FakeAgent, Scene } from "../daemon/support/scene.js";
import { eventually } from "../support/daemon.js";
import { createPrivateServer, type PrivateServer } from "../tmux/private-server.js";

let scene: Scene;
let second: PrivateServer;
let third: PrivateServer;
let busy: FakeAgent;
let asking: FakeAgent;
let idle: FakeAgent;
const SLASH = "a/b %41 ü";

/**
 * lab: session "work" (@0: busy agent, plain pane; @1: asking agent), session "a/b %41 ü" (@2: idle agent), session
 * "pair" grouped with "work". other: a session "work" of another server, without agents.
 */
beforeAll(async () => {
  scene = await Scene.start();
  busy = await scene.agentIn(
    "busy",
    "new-session",
    "-d",
    "-s",
    "work",
    "-x",
    "120",
    "-y",
    "40",
    "-c",
    "/tmp",
  );
  scene.tmux("split-window", "-d", "-t", busy.paneId, "exec sleep 100000");
  asking = await scene.agentIn("permission prompt", "new-window", "-d", "-t", "=work:", "-n", "second");
  idle = await scene.agentIn("idle", "new-session", "-d", "-s", SLASH);
  scene.tmux("new-session", "-d", "-s", "pair", "-t", "=work");
  second = createPrivateServer();
  second.start("new-session", "-d", "-s", "work", "exec sleep 100000");
  await scene.addTarget("other", second.socketPath);
  third = createPrivateServer();
  third.start("new-session", "-d", "exec sleep 100000");
  await scene.untilPanes(
    "all panes",
    (panes) => panes.length === 5 && panes.some(({ alsoIn }) => alsoIn.length > 0),
  );
});
afterAll(async () => {
  await scene.close();
  second.dispose();
  third.dispose();
});

const id = ({ target, sessionName, windowId, paneId }: PaneIdentity): string =>
  [target, sessionName, windowId, paneId].join(" ");
const ids = (panes: readonly Pane[]): string[] =>
  panes.flatMap(({ identity }) => (identity === undefined ? [] : [id(identity)]));
const list = (filter: Parameters<Scene["client"]["state"]["listPanes"]>[0]["filter"] = {}) =>
  scene.client.state.listPanes({ filter });

async function code(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return toAgtmuxError(error).codeName;
  }
  return "ok";
}

describe("ListPanes", () => {
  it("TC-017 tells everything of a pane that runs an agent", async () => {
    const { panes, generatedAt, schemaVersion, partial, summary } = await list({ targets: ["lab"] });
    const pane = panes.find(({ identity }) => identity?.paneId === busy.paneId);
    expect(pane).toMatchObject({
      identity: { target: "lab", sessionName: "work", windowId: "@0", paneId: "%0" },
      alsoIn: ["pair"],
      ref: "pane:lab/work/@0/%0",
      windowIndex: 0,
      paneIndex: 0,
      panePid: BigInt(busy.pid),
      cwd: "/tmp",
      dead: false,
      inMode: false,
      alternateOn: false,
      width: 120,
      agent: {
        agentType: "claude",
        agentPid: BigInt(busy.pid),
        agentSessionId: `00000000-0000-4000-8000-${String(busy.pid).padStart(12, "0")}`,
        state: AgentState.RUNNING,
        reasonCode: "turn",
        channel: "session_file",
        needsAction: false,
        promptId: "",
      },
    });
    expect(pane?.agent?.runtimeId).toMatch(/^[0-9a-f]{64}$/u);
    expect(pane?.observation).toMatchObject({
      runtimeId: pane?.agent?.runtimeId,
      stateVersion: pane?.agent?.stateVersion,
      observedAt: generatedAt,
      paneId: "%0",
      panePid: BigInt(busy.pid),
    });
    expect([schemaVersion, partial]).toEqual([1, false]);
    expect(summary).toMatchObject({
      total: 3,
      byState: { running: 1, waiting_approval: 1, idle: 1 },
      byAgent: { claude: 3 },
      byTarget: { lab: 3 },
    });
  });

  it("TC-017 lists agents' panes, and with include_plain the others too", async () => {
    expect(ids((await list()).panes)).toEqual([
      `lab ${SLASH} @2 ${idle.paneId}`,
      "lab work @0 %0",
      `lab work @1 ${asking.paneId}`,
    ]);
    const all = await list({ includePlain: true });
    expect(all.panes).toHaveLength(5);
    expect(
      all.panes.filter(({ agent }) => agent === undefined).map(({ currentCommand }) => currentCommand),
    ).toEqual(["sleep", "sleep"]);
    expect(all.summary?.total).toBe(3);
  });

  const filters: [string, NonNullable<Parameters<typeof list>[0]>, string[]][] = [
    ["target", { targets: ["other"], includePlain: true }, ["other/%0"]],
    [
      "session on any target",
      { sessions: ["work"], includePlain: true },
      ["lab/%0", "lab/%1", "lab/%2", "other/%0"],
    ],
    ["a session that is not the row's own", { sessions: ["pair"] }, ["lab/%0", "lab/%2"]],
    ["target and session", { targetSessions: ["other/work"], includePlain: true }, ["other/%0"]],
    ["a session name with / % and blanks", { sessions: [SLASH] }, ["lab/%3"]],
    ["the same with its target", { targetSessions: [`lab/${SLASH}`] }, ["lab/%3"]],
    ["state", { states: [AgentState.RUNNING, AgentState.IDLE] }, ["lab/%3", "lab/%0"]],
    ["agent", { agents: ["codex"] }, []],
    ["needs_action", { needsAction: true }, ["lab/%2"]],
    ["not needs_action", { needsAction: false }, ["lab/%3", "lab/%0"]],
    [
      "not needs_action, plain too",
      { needsAction: false, includePlain: true, targets: ["other"] },
      ["other/%0"],
    ],
    ["needs_action leaves plain panes out", { needsAction: true, includePlain: true }, ["lab/%2"]],
    [
      "several at once",
      { targets: ["lab"], sessions: ["work"], states: [AgentState.RUNNING], agents: ["claude"] },
      ["lab/%0"],
    ],
    ["several that nothing fits", { sessions: [SLASH], needsAction: true }, []],
  ];
  it.each(filters)("TC-048 TC-024 filters by %s", async (_name, filter, expected) => {
    const { panes } = await list(filter);
    expect(panes.map(({ identity }) => `${identity?.target}/${identity?.paneId}`).sort()).toEqual(
      [...expected].sort(),
    );
  });

  it("TC-043 names an unknown target and still answers for the others", async () => {
    const answer = await list({ targets: ["lab", "nowhere"] });
    expect(answer.requestedTargets).toEqual(["lab", "nowhere"]);
    expect(answer.respondedTargets).toEqual(["lab"]);
    expect(answer.partial).toBe(true);
    expect(answer.targetErrors).toMatchObject([{ target: "nowhere", code: ErrorCode.E_TARGET_NOT_FOUND }]);
    expect(answer.panes).toHaveLength(3);
  });

  it("TC-048 sorts by every key, both ways, and ties by identity", async () => {
    const order = async (key: SortKey, descending = false): Promise<string[]> => {
      const { panes } = await scene.client.state.listPanes({
        filter: { includePlain: true },
        sort: { key, descending },
      });
      return panes.map(({ identity }) => `${identity?.target}${identity?.paneId}`);
    };
    const byIdentity = ["lab%3", "lab%0", "lab%1", "lab%2", "other%0"];
    expect(await order(SortKey.UNSPECIFIED)).toEqual(byIdentity);
    expect(await order(SortKey.IDENTITY)).toEqual(byIdentity);
    expect(await order(SortKey.IDENTITY, true)).toEqual([...byIdentity].reverse());
    // Plain panes have no state and come last, whatever the direction.
    expect(await order(SortKey.STATE)).toEqual(["lab%2", "lab%0", "lab%3", "lab%1", "other%0"]);
    expect(await order(SortKey.STATE, true)).toEqual(["lab%3", "lab%0", "lab%2", "lab%1", "other%0"]);
    expect(await order(SortKey.AGENT)).toEqual(["lab%3", "lab%0", "lab%2", "lab%1", "other%0"]);
    expect(await order(SortKey.SINCE)).toEqual(["lab%0", "lab%2", "lab%3", "lab%1", "other%0"]);
    expect(await order(SortKey.UPDATED_AT, true)).toEqual(["lab%3", "lab%2", "lab%0", "lab%1", "other%0"]);
    expect(await code(scene.client.state.listPanes({ sort: { key: 99 as SortKey } }))).toBe(
      "E_INVALID_ARGUMENT",
    );
  });

  it("TC-053 refuses filters out of range, naming the field", async () => {
    const bad: [NonNullable<Parameters<typeof list>[0]>, string][] = [
      [{ targets: [""] }, "filter.targets"],
      [{ targetSessions: ["no-slash"] }, "filter.target_sessions"],
      [{ sessions: ["x".repeat(513)] }, "filter.sessions"],
      [{ agents: Array.from({ length: 257 }, (_, at) => `a${at}`) }, "filter.agents"],
      [{ states: [AgentState.UNSPECIFIED] }, "filter.states"],
      [{ states: [42 as AgentState] }, "filter.states"],
    ];
    for (const [filter, field] of bad) {
      const error = await list(filter).then(
        () => undefined,
        (thrown: unknown) => toAgtmuxError(thrown),
      );
      expect([error?.codeName, error?.details["field"]]).toEqual(["E_INVALID_ARGUMENT", field]);
    }
    for (const seconds of [0n, -1n, 14n * 86_400n + 1n, 315_576_000_000n]) {
      expect(await code(scene.client.state.listPanes({ endedWithin: { seconds } }))).toBe(
        "E_INVALID_ARGUMENT",
      );
    }
  });
});

describe("windows and sessions", () => {
  it("TC-042 a window's rollup counts its panes and shows its top state", async () => {
    const { windows, summary } = await scene.client.state.listWindows({
      filter: { targets: ["lab"], includePlain: true },
    });
    const rows = windows.map(({ identity, rollup }) => [
      identity?.sessionName,
      identity?.windowId,
      rollup?.panes,
      rollup?.agents,
      rollup?.state,
    ]);
    expect(rows).toEqual([
      [SLASH, "@2", 1, 1, AgentState.IDLE],
      ["pair", "@0", 2, 1, AgentState.RUNNING],
      ["pair", "@1", 1, 1, AgentState.WAITING_APPROVAL],
      ["work", "@0", 2, 1, AgentState.RUNNING],
      ["work", "@1", 1, 1, AgentState.WAITING_APPROVAL],
    ]);
    expect(windows.find(({ identity }) => identity?.windowId === "@1")).toMatchObject({
      windowName: "second",
      windowIndex: 1,
      rollup: {
        needsAction: 1,
        waiting: 1,
        running: 0,
        byState: { waiting_approval: 1 },
        byAgent: { claude: 1 },
      },
    });
    expect(summary?.total).toBe(3);
  });

  it("TC-042 a session's rollup takes the highest state by precedence, and grouped sessions count the pane in each", async () => {
    const { sessions } = await scene.client.state.listSessions({ filter: { includePlain: true } });
    const rows = sessions.map(({ identity, rollup, windows }) => [
      identity?.target,
      identity?.sessionName,
      windows,
      rollup?.panes,
      rollup?.agents,
      rollup?.state,
    ]);
    expect(rows).toEqual([
      ["lab", SLASH, 1, 1, 1, AgentState.IDLE],
      ["lab", "pair", 2, 3, 2, AgentState.WAITING_APPROVAL],
      ["lab", "work", 2, 3, 2, AgentState.WAITING_APPROVAL],
      ["other", "work", 1, 1, 0, AgentState.UNSPECIFIED],
    ]);
    expect(sessions[2]?.rollup).toMatchObject({
      byState: { running: 1, waiting_approval: 1 },
      needsAction: 1,
      waiting: 1,
      running: 1,
    });
    expect(ids((await list()).panes)).toHaveLength(3);
  });

  it("TC-017 merges sessions of one name across targets only when asked, with each target's part", async () => {
    const { sessions } = await scene.client.state.listSessions({
      filter: { sessions: ["work"], includePlain: true },
      grouping: SessionGrouping.SESSION_NAME,
    });
    expect(sessions).toHaveLength(1);
    expect(sessions[0]).toMatchObject({
      identity: { target: "", sessionName: "work" },
      sessionId: "",
      windows: 3,
      rollup: { panes: 4, agents: 2, state: AgentState.WAITING_APPROVAL, byAgent: { claude: 2 } },
      parts: [
        { target: "lab", sessionId: "$0", rollup: { panes: 3 } },
        { target: "other", sessionId: "$0", rollup: { panes: 1 } },
      ],
    });
    expect(await code(scene.client.state.listSessions({ grouping: 9 as SessionGrouping }))).toBe(
      "E_INVALID_ARGUMENT",
    );
  });

  it("TC-048 filters windows and sessions by what occurs within, and sorts them", async () => {
    const { windows } = await scene.client.state.listWindows({
      filter: { states: [AgentState.WAITING_APPROVAL] },
    });
    expect(windows.map(({ identity }) => `${identity?.sessionName} ${identity?.windowId}`)).toEqual([
      "pair @1",
      "work @1",
    ]);
    const { sessions } = await scene.client.state.listSessions({ filter: { needsAction: false } });
    expect(sessions.map(({ identity }) => identity?.sessionName)).toEqual([SLASH]);
    const sorted = await scene.client.state.listWindows({
      sort: { key: SortKey.STATE },
      filter: { targetSessions: ["lab/work"] },
    });
    expect(sorted.windows.map(({ identity }) => identity?.windowId)).toEqual(["@1", "@0"]);
  });
});

describe("refs", () => {
  const explain = (ref: string) => scene.client.state.explainPane({ ref });

  it("TC-024 a row's own ref explains it, whatever its session is called, in every session that shows it", async () => {
    const { panes } = await list();
    for (const { ref, identity, agent } of panes) {
      expect((await explain(ref)).pane?.identity).toEqual(identity);
      expect((await explain(`runtime:${agent?.runtimeId}`)).pane?.identity).toEqual(identity);
    }
    expect(panes[0]?.ref).toBe(`pane:lab/a%2Fb%20%2541%20%C3%BC/@2/${idle.paneId}`);
    expect((await explain("pane:lab/pair/@0/%0")).pane?.identity?.sessionName).toBe("work");
  });

  it("explains why a pane has its state: the deciding candidate first, its evidence and its process", async () => {
    const answer = await explain(`pane:lab/work/@1/${asking.paneId}`);
    expect(answer.candidates[0]).toMatchObject({
      state: AgentState.WAITING_APPROVAL,
      reasonCode: "permission_request",
      channel: "session_file",
      decisive: true,
    });
    expect(answer.candidates.filter(({ decisive }) => decisive)).toHaveLength(1);
    expect(answer.evidence[0]?.transition).toContain("status=waiting");
    expect(answer.processEvidence.join()).toContain(String(asking.pid));
    expect(answer.pane?.observation?.observedAt).toEqual(answer.generatedAt);
    const plain = await explain("pane:lab/work/@0/%1");
    expect(plain.candidates).toEqual([]);
  });

  const bad: [string, string][] = [
    ["", "E_REF_INVALID"],
    ["%0", "E_REF_INVALID"],
    ["pane:", "E_REF_INVALID"],
    ["pane:lab/work/@0/%0/", "E_REF_INVALID"],
    ["pane:lab/work/0/0", "E_REF_INVALID"],
    ["pane:la b/work/@0/%0", "E_REF_INVALID"],
    [`pane:lab/a/b/@2/%3`, "E_REF_INVALID"],
    ["pane:lab/work/@0/%0\n", "E_REF_INVALID"],
    [`pane:lab/${"x".repeat(5_000)}/@0/%0`, "E_REF_INVALID"],
    ["runtime:xyz", "E_REF_INVALID"],
    [`runtime:${"A".repeat(64)}`, "E_REF_INVALID"],
    ["pane:lab/%/@0/%0", "E_REF_INVALID_ENCODING"],
    ["pane:lab/%ff/@0/%0", "E_REF_INVALID_ENCODING"],
    ["pane:lab/%77ork/@0/%0", "E_REF_INVALID_ENCODING"],
    ["pane:lab/a b/@0/%0", "E_REF_INVALID_ENCODING"],
    [`runtime:${"0".repeat(64)}`, "E_REF_NOT_FOUND"],
    ["pane:nowhere/work/@0/%0", "E_REF_NOT_FOUND"],
    ["pane:lab/work/@0/%999", "E_REF_NOT_FOUND"],
    ["pane:lab/wor/@0/%0", "E_REF_NOT_FOUND"],
    ["pane:lab/work/@1/%0", "E_REF_NOT_FOUND"],
    ["pane:other/work/@0/%1", "E_REF_NOT_FOUND"],
  ];
  it.each(bad.map(([ref, expected]) => ({ shown: JSON.stringify(ref).slice(0, 50), ref, expected })))(
    "TC-018 TC-053 the ref $shown is $expected",
    async ({ ref, expected }) => {
      expect(await code(explain(ref))).toBe(expected);
    },
  );
});

describe("what has ended", () => {
  it("TC-004 leaves the lists within a second, is listed on request, and its ref is stale", async () => {
    const agent = await scene.agentIn("busy", "new-window", "-d", "-t", "=work:");
    const { panes: before } = await list({ states: [AgentState.RUNNING] });
    const runtimeId = before.find(({ identity }) => identity?.paneId === agent.paneId)?.agent?.runtimeId;
    const began = performance.now();
    process.kill(agent.pid, "SIGKILL");
    await eventually(
      "its row to go",
      async () => !(await scene.panes()).some(({ identity }) => identity?.paneId === agent.paneId),
    );
    console.log(`agent killed to row gone: ${Math.round(performance.now() - began)} ms`);
    const { panes, summary } = await scene.client.state.listPanes({ endedWithin: { seconds: 3_600n } });
    const ended = panes.filter(({ agent: status }) => status?.endedAt !== undefined);
    expect(ended).toHaveLength(1);
    expect(ended[0]).toMatchObject({
      identity: { target: "lab", sessionName: "work", paneId: agent.paneId },
      agent: { runtimeId, endReason: "pane_gone", needsAction: false },
    });
    expect(summary?.total).toBe(3);
    expect(await code(scene.client.state.explainPane({ ref: `runtime:${runtimeId}` }))).toBe(
      "E_RUNTIME_STALE",
    );
  });
});

describe("targets", () => {
  it("TC-014 TC-040 are added, listed, connected and removed; a removed one's rows leave", async () => {
    const { targets } = scene.client;
    const tmuxSocket = third.socketPath;
    const added = await targets.addTarget({ name: "again", kind: TargetKind.LOCAL, tmuxSocket });
    expect(added.target).toMatchObject({ name: "again", health: TargetHealth.OK, tmuxSocket });
    expect(added.target?.bootId).toMatch(/^\d+:\d+$/u);
    expect((await list({ targets: ["again"], includePlain: true })).panes).toHaveLength(1);
    const { targets: listed } = await targets.listTargets({});
    expect(listed.map(({ name, health, healthReason }) => [name, health, healthReason])).toEqual([
      ["again", TargetHealth.OK, ""],
      ["host", TargetHealth.OK, "no_server"],
      ["lab", TargetHealth.OK, ""],
      ["other", TargetHealth.OK, ""],
    ]);
    expect((await targets.connectTarget({ name: "again" })).target?.health).toBe(TargetHealth.OK);
    expect((await targets.removeTarget({ name: "again" })).endedRuntimes).toBe(0);
    expect((await list({ includePlain: true })).panes).toHaveLength(5);
    expect(await code(targets.removeTarget({ name: "again" }))).toBe("E_TARGET_NOT_FOUND");
    const tcs: [Parameters<typeof targets.addTarget>[0], string][] = [
      [{ name: "lab", kind: TargetKind.LOCAL }, "E_TARGET_EXISTS"],
      [{ name: "a/b", kind: TargetKind.LOCAL }, "E_INVALID_ARGUMENT"],
      [{ name: "", kind: TargetKind.LOCAL }, "E_INVALID_ARGUMENT"],
      [{ name: "x" }, "E_INVALID_ARGUMENT"],
      [{ name: "x", kind: TargetKind.LOCAL, tmuxSocket: "a\0b" }, "E_INVALID_ARGUMENT"],
      [{ name: "x", kind: TargetKind.LOCAL, sshTarget: "vm" }, "E_INVALID_ARGUMENT"],
      [{ name: "x", kind: TargetKind.LOCAL, acceptNewHostKey: true }, "E_INVALID_ARGUMENT"],
      [{ name: "x", kind: TargetKind.SSH, sshTarget: "-oProxyCommand=x" }, "E_INVALID_ARGUMENT"],
      [{ name: "x", kind: TargetKind.SSH, sshTarget: "vm $(x)" }, "E_INVALID_ARGUMENT"],
      [{ name: "x", kind: TargetKind.SSH, tmuxSocket: "/tmp/$(x)" }, "E_INVALID_ARGUMENT"],
    ];
    for (const [request, expected] of tcs) expect(await code(targets.addTarget(request))).toBe(expected);
  });
});
