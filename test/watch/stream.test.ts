import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AgentState,
  ChangeOp,
  TargetHealth,
  type WatchChange,
  type WatchResponse,
  WatchScope,
  WatchType,
} from "../../src/client/index.js";
import { Scene } from "../daemon/support/scene.js";
import { fold, listed, Watcher } from "../daemon/support/watcher.js";
import { eventually, TestDaemon } from "../support/daemon.js";

const CHANGES = 1_200;

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.start();
});
afterEach(async () => {
  await scene.close();
});

const residentMb = (): number => {
  const status = readFileSync(`/proc/${scene.daemon.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1] ?? 0) / 1_024;
};
const changesOf = (messages: readonly WatchResponse[]): WatchChange[] =>
  messages.flatMap(({ changes }) => changes);
const stateOf = ({ item }: WatchChange): AgentState | undefined =>
  item?.item.case === "pane" ? item.item.value.agent?.state : undefined;
const watchers = async (): Promise<number> => (await scene.client.daemon.getHealth({})).watchers;

describe("a stream of a real daemon", () => {
  it("TC-019 begins with a snapshot, tells each state once and in order, and survives a cut at any point", async () => {
    const agent = await scene.agentIn("idle", "new-session", "-d", "-s", "work");
    const whole = await Watcher.open(scene.client);
    expect(whole.last).toMatchObject({
      type: WatchType.SNAPSHOT,
      schemaVersion: 1,
      summary: { total: 1 },
      scope: WatchScope.PANES,
    });
    const parts: WatchResponse[][] = [];
    let part = await Watcher.open(scene.client);
    const said = ["busy", "permission prompt", "busy", "input needed", "busy"] as const;
    for (const status of said) {
      await scene.untilState(agent, status);
      const { state } = (await scene.untilPane("it", ({ agent: found }) => found !== undefined)).agent ?? {};
      await part.until(`the part to hear of ${status}`, ({ messages }) => {
        const last = [...parts.flat(), ...messages].flatMap(({ changes }) => changes).at(-1);
        return last !== undefined && stateOf(last) === state;
      });
      await part.close();
      parts.push(part.messages);
      part = await Watcher.open(scene.client, { cursor: part.last.cursor });
    }
    await part.close();
    parts.push(part.messages);
    await whole.until("the whole to hear of everything", ({ messages }) => {
      return Number(messages.at(-1)?.sequence) >= Number(part.last.sequence);
    });
    const joined = parts.flat();
    const deltas = (messages: readonly WatchResponse[]) =>
      messages
        .filter(({ type }) => type === WatchType.DELTA)
        .map(({ sequence, cursor }) => `${sequence} ${cursor}`);
    expect(deltas(joined)).toEqual(deltas(whole.messages).slice(0, deltas(joined).length));
    expect(joined.filter(({ type }) => type === WatchType.SNAPSHOT)).toHaveLength(1);
    expect(fold(joined)).toEqual(fold(whole.messages, Number(part.last.sequence)));
    const states = changesOf(joined).map(stateOf);
    expect(states.filter((state, at) => state !== states[at - 1])).toEqual([
      AgentState.RUNNING,
      AgentState.WAITING_APPROVAL,
      AgentState.RUNNING,
      AgentState.WAITING_INPUT,
      AgentState.RUNNING,
    ]);
    await whole.close();
  });

  it("TC-042 carries a pane's change and its window's and session's rollups under one sequence", async () => {
    const agent = await scene.agentIn("idle", "new-session", "-d", "-s", "work");
    const [panes, windows, sessions] = await Promise.all(
      [WatchScope.PANES, WatchScope.WINDOWS, WatchScope.SESSIONS].map((scope) =>
        Watcher.open(scene.client, { scope }),
      ),
    );
    if (panes === undefined || windows === undefined || sessions === undefined) throw new Error("not opened");
    await scene.untilState(agent, "permission prompt");
    const waiting = (rollup: { waiting: number } | undefined): boolean => rollup?.waiting === 1;
    const pane = await panes.message("the pane", ({ changes }) =>
      changes.some((change) => stateOf(change) === AgentState.WAITING_APPROVAL),
    );
    const window = await windows.message("the window", ({ changes }) =>
      changes.some(({ item }) => item?.item.case === "window" && waiting(item.item.value.rollup)),
    );
    const session = await sessions.message("the session", ({ changes }) =>
      changes.some(({ item }) => item?.item.case === "session" && waiting(item.item.value.rollup)),
    );
    expect([window.sequence, session.sequence]).toEqual([pane.sequence, pane.sequence]);
    for (const each of [panes, windows, sessions]) await each.close();
  });

  it("TC-041 a renamed session is a delete and an upsert in one message", async () => {
    const agent = await scene.agentIn("idle", "new-session", "-d", "-s", "before");
    const watcher = await Watcher.open(scene.client);
    scene.tmux("rename-session", "-t", "=before", "after/it");
    const message = await watcher.message("the rename", ({ changes }) =>
      changes.some(({ op }) => op === ChangeOp.DELETE),
    );
    const named = message.changes.map(({ op, identity }) => [
      op,
      identity.case === "pane" ? identity.value.sessionName : "",
      identity.value?.target,
    ]);
    expect(named).toEqual([
      [ChangeOp.DELETE, "before", "lab"],
      [ChangeOp.UPSERT, "after/it", "lab"],
    ]);
    expect(message.changes[1]?.item?.item.value).toMatchObject({
      ref: `pane:lab/after%2Fit/@0/${agent.paneId}`,
    });
    await watcher.close();
  });

  it("TC-004 a respawned pane gets another runtime, and the same one is never shown twice", async () => {
    const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    const watcher = await Watcher.open(scene.client);
    const [before] = await scene.panes();
    scene.tmux("respawn-pane", "-k", "-t", agent.paneId, scene.agentCommand);
    const after = await scene.untilPane("the new runtime", ({ agent: found }) => {
      return found !== undefined && found.runtimeId !== before?.agent?.runtimeId;
    });
    expect(after.agent).toMatchObject({ state: AgentState.UNKNOWN, reasonCode: "no_signal_yet" });
    await watcher.until("the watcher to hear of it", ({ messages }) =>
      changesOf(messages).some(
        ({ item }) =>
          item?.item.case === "pane" && item.item.value.agent?.runtimeId === after.agent?.runtimeId,
      ),
    );
    await watcher.close();
  });

  it("TC-020 a daemon's cursor is foreign to the next life: reset, snapshot; strict is E_CURSOR_EXPIRED", async () => {
    await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    const watcher = await Watcher.open(scene.client);
    const { cursor } = watcher.last;
    const strict = new Watcher(scene.client, { cursor: `${"0".repeat(32)}:1`, strict: true });
    await strict.over();
    expect(String(strict.ended)).toContain("stream_changed");
    const malformed = new Watcher(scene.client, { cursor: `${cursor}x` });
    await malformed.over();
    expect(String(malformed.ended)).toContain("the cursor is not one");
    const foreign = await Watcher.open(scene.client, { cursor, scope: WatchScope.SESSIONS });
    await foreign.until("reset and snapshot", ({ messages }) => messages.length >= 2);
    expect(foreign.messages.slice(0, 2).map(({ type }) => type)).toEqual([
      WatchType.RESET,
      WatchType.SNAPSHOT,
    ]);
    await foreign.close();
    await watcher.close();
  });
});

describe("the daemon's restart", () => {
  it("TC-051 under a watcher: it is told, resumes by itself, and ends with what the new life lists", async () => {
    const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    const [before] = await scene.panes();
    const abort = new AbortController();
    const messages: WatchResponse[] = [];
    let disconnected = 0;
    const reading = (async () => {
      for await (const event of scene.client.watch({}, { signal: abort.signal, backoffMs: () => 30 })) {
        if (event.kind === "message") messages.push(event.message);
        else disconnected += 1;
      }
    })();
    await eventually("the snapshot", () => messages.length > 0);
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const from = messages.length;
      await scene.daemon.end(signal);
      if (signal === "SIGTERM") {
        await eventually("the goodbye", () => messages.some(({ resetReason }) => resetReason === "shutdown"));
      }
      const next = await TestDaemon.start({ stateDir: scene.daemon.root });
      try {
        await eventually("reset and snapshot", () => {
          const types = messages
            .slice(from)
            .map(({ type, resetReason }) => `${WatchType[type]} ${resetReason}`);
          return types.includes("RESET stream_changed") && types.at(-1) !== "RESET stream_changed";
        });
        const live = await scene.untilState(agent, signal === "SIGTERM" ? "permission prompt" : "busy");
        expect(live.agent?.runtimeId).toBe(before?.agent?.runtimeId);
        await eventually("the watcher agrees with the list", async () => {
          const { panes } = await next.client.state.listPanes({});
          return JSON.stringify([...fold(messages)]) === JSON.stringify([...listed({ panes })]);
        });
      } finally {
        if (signal === "SIGTERM") await next.end();
        else Object.assign(scene, { daemon: next });
      }
    }
    expect(disconnected).toBeGreaterThan(0);
    abort.abort();
    await reading;
  });
});

describe("a watcher that is slow or dead", () => {
  it("TC-069 one whose client is killed is freed within a second", async () => {
    scene.terminal.start("new-session", "-d", "exec sleep 1000");
    const clients = Array.from({ length: 5 }, (_, at) => {
      const path = "http://localhost/agtmux.v1.StateService/Watch";
      const body = Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]).toString("latin1");
      const protocol = at % 2 === 0 ? ["--http1.1"] : ["--http2-prior-knowledge"];
      const words = [
        "-sN",
        ...protocol,
        "--unix-socket",
        scene.daemon.socketPath,
        "-H",
        "content-type: application/connect+json",
      ];
      const child = spawn("curl", [...words, "--data-binary", "@-", path], {
        stdio: ["pipe", "ignore", "ignore"],
      });
      child.stdin.end(Buffer.from(body, "latin1"));
      return child;
    });
    await eventually("five watchers", async () => ((await watchers()) === 5 ? true : undefined));
    const began = performance.now();
    for (const client of clients) client.kill("SIGKILL");
    await eventually("no watcher", async () => ((await watchers()) === 0 ? true : undefined), 1_000);
    console.log(`five clients killed to freed: ${Math.round(performance.now() - began)} ms`);
  });

  it("TC-069 one that does not read delays nobody, costs no memory, and then gets merged deltas or a reset", async () => {
    // Without a session file its hooks decide.
    scene.agent("new-session", "-d", "-s", "work");
    const { agent } = await scene.untilPane("the agent", (pane) => pane.agent !== undefined);
    const runtimeId = agent?.runtimeId ?? "";
    const fast = await Watcher.open(scene.client, { filter: { includePlain: true } });
    // Not read at all: what the kernel takes fills up, then the daemon waits for this reader alone.
    const stuck = connectSocket(scene.daemon.socketPath);
    const body = Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]);
    stuck.write(
      `POST /agtmux.v1.StateService/Watch HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/connect+json\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    stuck.write(body);
    await eventually("both watch", async () => ((await watchers()) === 2 ? true : undefined));
    // The first half warms the daemon up; the second must cost nothing more.
    let before = 0;
    // Each call is a commit and changes the row: more messages than any buffer on the way holds.
    for (let at = 0; at < CHANGES; at++) {
      if (at === CHANGES / 2) before = residentMb();
      const eventType = at % 2 === 0 ? "PermissionRequest" : "UserPromptSubmit";
      await scene.client.ingest.ingestEvents({ events: [hook(runtimeId, eventType)] });
    }
    const lists = await scene.client.state.listPanes({ filter: { includePlain: true } });
    await eventually("the fast one to agree with the list", () => {
      return JSON.stringify([...fold(fast.messages)]) === JSON.stringify([...listed({ panes: lists.panes })]);
    });
    const grown = residentMb() - before;
    console.log(`${CHANGES / 2} changes past a reader that does not read: ${Math.round(grown)} MB more`);
    expect(grown).toBeLessThan(60);
    let rest = "";
    stuck.on("data", (chunk: Buffer) => {
      rest += chunk.toString();
    });
    await eventually("it to hear the last state", () => /"coalesced":true|too_slow/u.test(rest));
    expect(rest.match(/"type":"WATCH_TYPE_DELTA"/gu)?.length).toBeLessThan(CHANGES);
    stuck.destroy();
    await eventually("it is freed", async () => ((await watchers()) === 1 ? true : undefined));
    await fast.close();
  });
});

function hook(runtimeId: string, eventType: string) {
  return {
    eventId: crypto.randomUUID(),
    eventType,
    agentType: "claude",
    source: 1,
    eventTimeUnixNs: BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n,
    eventTimeResolutionNs: 1n,
    runtimeId,
    rawPayload: Buffer.from(JSON.stringify({ hook_event_name: eventType, session_id: "s", prompt: "x" })),
  };
}

describe("a target that fails", () => {
  it("TC-023 TC-043 TC-010 goes down without holding up reads of others; its rows stay, unreachable; it comes back", {
    timeout: 60_000,
  }, async () => {
    const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    const watcher = await Watcher.open(scene.client);
    process.kill(scene.terminal.pid(), "SIGSTOP");
    try {
      const health = async (): Promise<TargetHealth | undefined> =>
        (await scene.client.targets.listTargets({})).targets.find(({ name }) => name === "lab")?.health;
      await eventually(
        "it to be degraded",
        async () => ((await health()) === TargetHealth.DEGRADED ? true : undefined),
        15_000,
      );
      const began = performance.now();
      expect((await scene.client.state.listPanes({})).partial).toBe(false);
      expect(performance.now() - began).toBeLessThan(2_500);
      await eventually(
        "it to be down",
        async () => ((await health()) === TargetHealth.DOWN ? true : undefined),
        30_000,
      );
      const answer = await scene.client.state.listPanes({});
      expect(answer).toMatchObject({
        partial: true,
        requestedTargets: ["host", "lab"],
        respondedTargets: ["host"],
        targetErrors: [{ target: "lab", code: 12 }],
      });
      expect(answer.targetErrors[0]?.lastOkAt).toBeDefined();
      expect(answer.panes[0]?.agent).toMatchObject({
        state: AgentState.UNKNOWN,
        reasonCode: "target_unreachable",
      });
      expect((await scene.client.state.listPanes({ filter: { targets: ["host"] } })).partial).toBe(false);
      await watcher.message("the health alone", ({ partial }) => partial);
    } finally {
      process.kill(scene.terminal.pid(), "SIGCONT");
    }
    const back = await eventually(
      "its rows again",
      async () => {
        const answer = await scene.client.state.listPanes({});
        return answer.partial ? undefined : answer.panes[0];
      },
      15_000,
    );
    expect(back.agent?.agentPid).toBe(BigInt(agent.pid));
    await scene.untilPane("its state again", ({ agent: found }) => found?.state === AgentState.RUNNING);
    await watcher.close();
  });
});
