import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AgentState, IngestStatus, type Pane } from "../../src/client/index.js";
import { eventually } from "../support/daemon.js";
import { type EnvelopeFields, hookEvent, nowNs } from "../support/hook-event.js";
import { type FakeAgent, Scene } from "./support/scene.js";

/** Past the time in which an event may be a predecessor's, within what clocks may differ. */
const LATER_NS = 6_000_000_000n;

let scene: Scene;
let names = 0;
let session: string;

beforeAll(async () => {
  scene = await Scene.start();
});
beforeEach(() => {
  names += 1;
  session = `work${names}`;
});
afterAll(async () => {
  await scene.close();
});

const tmux = () => ({ socketPath: scene.terminal.socketPath, serverPid: BigInt(scene.terminal.pid()) });
const send = async (...events: EnvelopeFields[]) =>
  (await scene.client.ingest.ingestEvents({ events })).results;
const runtimeOf = ({ agent }: Pane): string => agent?.runtimeId ?? "";

/** Waits until a pane shows the agent that runs as `pid`; returns its runtime's id. */
async function seen(paneId: string, pid: number): Promise<string> {
  const pane = await scene.untilPane(
    `process ${pid} in ${paneId}`,
    ({ identity, agent }) => identity?.paneId === paneId && agent?.agentPid === BigInt(pid),
  );
  return runtimeOf(pane);
}

/** Everything that the daemon has bound to a runtime, by event id. */
async function bound(runtimeId: string): Promise<Set<string>> {
  const { events } = await scene.client.events.listEvents({ filter: { runtimeId }, limit: 1_000 });
  return new Set(events.map(({ eventId }) => eventId));
}

async function endReason(runtimeId: string): Promise<string> {
  const { panes } = await scene.client.state.listPanes({ endedWithin: { seconds: 3_600n } });
  const ended = panes.find((pane) => runtimeOf(pane) === runtimeId);
  return ended?.agent?.endReason || "not ended";
}

/** What hooks of an agent that is gone may still send, each with less to tell it by than the one before. */
function lateHooks(paneId: string, deadPid: number, shell: number): Record<string, EnvelopeFields> {
  const where = { paneId, tmux: tmux() };
  const payload = { session_id: "old-session", cwd: scene.terminal.directory, reason: "other" };
  const end = (more: EnvelopeFields, told: object = payload): EnvelopeFields =>
    hookEvent("SessionEnd", told, more);
  return {
    "its pid and its ancestors": end({
      ...where,
      pid: BigInt(deadPid),
      parentPids: [BigInt(deadPid), BigInt(shell)],
    }),
    "its ancestors": end({ ...where, parentPids: [999_999n, BigInt(deadPid)] }),
    "the shell above it": end({ ...where, parentPids: [BigInt(shell)] }),
    "its pid": end({ ...where, pid: BigInt(deadPid) }),
    "its pid, without a session": end({ ...where, pid: BigInt(deadPid) }, {}),
    "its ancestors, without a session": end({ ...where, parentPids: [BigInt(deadPid), BigInt(shell)] }, {}),
    "its pane and session": end(where),
    "its session and directory": end({}),
    "its pane alone": end(where, { reason: "other" }),
    "a Stop and its pane alone": hookEvent("Stop", {}, where),
  };
}

/** The hooks of the dead agent reach anybody but `tenant`, whose own hook does. */
async function expectLateHooksApart(
  tenant: { readonly paneId: string; readonly pid: number; readonly runtimeId: string },
  late: Record<string, EnvelopeFields>,
): Promise<void> {
  const results = await send(...Object.values(late));
  const own = hookEvent(
    "UserPromptSubmit",
    { session_id: `session of ${tenant.pid}` },
    { paneId: tenant.paneId, tmux: tmux(), parentPids: [BigInt(tenant.pid)] },
  );
  const [first] = await send(own);
  expect(first).toMatchObject({ status: IngestStatus.ACCEPTED, runtimeId: tenant.runtimeId });
  for (const [index, name] of Object.keys(late).entries()) {
    expect([name, results[index]?.runtimeId === tenant.runtimeId]).toEqual([name, false]);
    expect([name, results[index]?.status]).not.toEqual([name, IngestStatus.REJECTED]);
  }
  // Once more, as if a while later: by now the new session is known, and what tells nothing but its pane is believed.
  const later = Object.entries(late).filter(([name]) => !/pane alone/u.test(name));
  const again = await send(
    ...later.map(([, event]) => ({
      ...event,
      eventId: crypto.randomUUID(),
      eventTimeUnixNs: nowNs() + LATER_NS,
    })),
  );
  expect(again.map(({ status }) => status)).not.toContain(IngestStatus.ACCEPTED);
  const ids = await bound(tenant.runtimeId);
  expect(ids.has(own.eventId ?? "")).toBe(true);
  const strays = [
    ...Object.values(late).map(({ eventId }) => eventId),
    ...again.map(({ eventId }) => eventId),
  ];
  expect(strays.filter((eventId) => ids.has(eventId ?? ""))).toEqual([]);
  const pane = await scene.untilPane("the tenant", (found) => runtimeOf(found) === tenant.runtimeId);
  expect(pane.agent).toMatchObject({ state: AgentState.RUNNING, agentSessionId: `session of ${tenant.pid}` });
}

const panePid = (paneId: string): number =>
  Number(scene.tmux("display-message", "-p", "-t", paneId, "#{pane_pid}"));

describe("TC-004 a pane that is respawned", () => {
  it("has a new runtime, and none of the old agent's late hooks becomes the new one's", async () => {
    const old = scene.agent("new-session", "-d", "-s", session);
    const before = await seen(old.paneId, old.pid);
    scene.tmux("respawn-pane", "-k", "-t", old.paneId, scene.agentCommand);
    // In the very moment: the daemon may not have looked yet.
    const early = lateHooks(old.paneId, old.pid, old.pid);
    const results = await send(...Object.values(early));
    const pid = panePid(old.paneId);
    const after = await seen(old.paneId, pid);
    expect(after).not.toBe(before);
    expect(results.map(({ runtimeId }) => runtimeId)).not.toContain(after);
    await expectLateHooksApart(
      { paneId: old.paneId, pid, runtimeId: after },
      lateHooks(old.paneId, old.pid, old.pid),
    );
    const ids = await bound(after);
    expect(Object.values(early).filter(({ eventId }) => ids.has(eventId ?? ""))).toEqual([]);
    expect(await endReason(before)).toBe("respawned");
    const [named] = await send(hookEvent("Stop", {}, { runtimeId: before }));
    expect(named).toMatchObject({ status: IngestStatus.DROPPED, reason: "bind_no_candidate" });
  });
});

describe("TC-004 agents after each other in one pane, within a second", () => {
  /** A shell that starts the next agent at once when one ends. */
  const relay = async (): Promise<{ paneId: string; shell: number }> => {
    const command = `while :; do ${scene.agentCommand.replace("exec ", "")}; done`;
    const printed = scene.terminal.start(
      "new-session",
      "-d",
      "-s",
      session,
      "-P",
      "-F",
      "#{pane_id}",
      command,
    );
    return { paneId: printed, shell: panePid(printed) };
  };
  const child = (shell: number): number | undefined => {
    try {
      const children = readFileSync(`/proc/${shell}/task/${shell}/children`, "utf8").trim();
      const pid = Number(children.split(" ")[0]);
      return pid > 0 && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "claude" ? pid : undefined;
    } catch {
      return undefined; // it has just ended
    }
  };

  it("are runtimes of their own; the late hooks of each dead one go to none that lives", async () => {
    const { paneId, shell } = await relay();
    const pids: number[] = [];
    const ids: string[] = [];
    for (let life = 0; life < 4; life++) {
      const pid = await eventually("an agent", () => {
        const found = child(shell);
        return found === pids.at(-1) ? undefined : found;
      });
      pids.push(pid);
      // Two are seen by the daemon, two come and go between its looks.
      if (life % 2 === 0) ids.push(await seen(paneId, pid));
      if (life < 3) process.kill(pid, "SIGKILL");
    }
    const last = pids.at(-1) ?? 0;
    const runtimeId = await seen(paneId, last);
    expect(new Set([...ids, runtimeId]).size).toBe(3);
    const late = pids.slice(0, -1).flatMap((dead) => Object.entries(lateHooks(paneId, dead, shell)));
    await expectLateHooksApart(
      { paneId, pid: last, runtimeId },
      Object.fromEntries(late.map(([name, event], index) => [`${name} (${index})`, event])),
    );
    for (const id of ids) expect(await endReason(id)).toBe("exited");
    const active = (await scene.panes()).filter((pane) => pane.identity?.paneId === paneId && pane.agent);
    expect(active.map(runtimeOf)).toEqual([runtimeId]);
  });
});

describe("TC-004 a tmux server that is started anew", () => {
  it("gives its panes the same ids and their agents new runtimes", async () => {
    scene.terminal.start("new-session", "-d", "-s", session);
    scene.tmux("kill-server");
    await scene.untilPanes("no pane", (panes) => panes.length === 0);
    const start = (): FakeAgent => scene.agent("new-session", "-d", "-s", session);
    const old = start();
    const before = await seen(old.paneId, old.pid);
    const hook = lateHooks(old.paneId, old.pid, old.pid);
    const stale = Object.entries(hook).map(([name, event]) => [`${name}, old server`, event] as const);
    scene.tmux("kill-server");
    await eventually("the old server to be gone", () => {
      try {
        scene.tmux("list-sessions");
      } catch {
        return true;
      }
      return undefined;
    });
    const next = start();
    expect(next.paneId).toBe(old.paneId);
    const after = await seen(next.paneId, next.pid);
    expect(after).not.toBe(before);
    expect(await endReason(before)).toBe("server_gone");
    const fresh = Object.entries(lateHooks(next.paneId, old.pid, old.pid));
    await expectLateHooksApart(
      { paneId: next.paneId, pid: next.pid, runtimeId: after },
      Object.fromEntries([...stale, ...fresh]),
    );
  });
});
