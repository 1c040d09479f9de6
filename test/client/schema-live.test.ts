import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeAgent, Scene } from "../daemon/support/scene.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { createPrivateServer } from "../tmux/private-server.js";
import { CLI, environment, type Output, prints, Stream } from "./support/real-program.js";

const ROOT = join(import.meta.dirname, "..", "..");
const SCREEN = join(ROOT, "test", "fixtures", "claude", "screens", "claude", "approve-asking.txt");

const READS: readonly (readonly [string, string])[] = [
  ["list-panes", "list panes --json"],
  ["list-panes", "list panes --all --ended 1h --sort since:desc --json"],
  ["list-windows", "list windows --json"],
  ["list-windows", "list windows --all --json"],
  ["list-sessions", "list sessions --json"],
  ["list-sessions", "list sessions --all --group-by session-name --json"],
  ["events", "events --json"],
  ["actions", "actions --json"],
  ["target-list", "target list --json"],
  ["hooks-status", "hooks status --json"],
  ["daemon", "daemon status --json"],
  ["config", "config show --json"],
  ["watch", "watch --format jsonl --once"],
  ["watch", "watch --format jsonl --once --scope windows"],
  ["watch", "watch --format jsonl --once --scope sessions"],
];

describe("TC-021 TC-035 the real program, where nothing is", () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start();
  });
  afterAll(() => daemon.close());

  it.each(READS)("prints what schema %s knows: %s", (schema, line) => {
    prints(schema, daemon, line);
  });

  it("prints an empty list", () => {
    expect(prints("list-panes", daemon, "list panes --all --json").items).toEqual([]);
  });
});

describe("TC-021 TC-035 TC-045 the real program, where agents run", () => {
  let scene: Scene;
  let waiting: FakeAgent;
  let quiet: Stream;

  beforeAll(async () => {
    scene = await Scene.start();
    waiting = await scene.agentIn("permission prompt", "new-session", "-d", "-s", "a/b %41 ü");
    await scene.agentIn("input needed", "new-window", "-d", "-t", "=a/b %41 ü:");
    await scene.agentIn("idle", "new-session", "-d", "-s", "other");
    scene.tmux("split-window", "-d", "-t", waiting.paneId, "exec sleep 100000");
    const ended = await scene.agentIn("busy", "new-session", "-d", "-s", "gone");
    process.kill(ended.pid, "SIGKILL");
    await scene.untilPanes("one to have ended", (panes) => panes.length === 4);
    quiet = new Stream(scene.daemon, "--agent", "codex");
  });
  afterAll(async () => {
    await scene.close();
  });

  it.each(READS)("prints what schema %s knows: %s", (schema, line) => {
    prints(schema, scene.daemon, line);
  });

  it("lists what waits, what is plain and what has ended", () => {
    const { items = [] } = prints("list-panes", scene.daemon, "list panes --all --ended 1h --json");
    expect(items.map(({ state }) => state).sort()).toEqual([
      "idle",
      "running",
      "waiting_approval",
      "waiting_input",
      undefined,
    ]);
    expect(items.filter((item) => "ended_at" in item)).toMatchObject([{ end_reason: "pane_gone" }]);
    const filter = "--target lab --target-session lab/other --session other --state idle --agent claude";
    expect(prints("list-panes", scene.daemon, `list panes ${filter} --json`).items).toHaveLength(1);
    expect(prints("list-windows", scene.daemon, "list windows --needs-action --json").items).toHaveLength(2);
  });

  it("lists a target that it does not know as an error beside the others", () => {
    for (const what of ["panes", "windows", "sessions"]) {
      const line = `list ${what} --target lab --target nowhere --json`;
      const listing = prints(`list-${what}`, scene.daemon, line);
      expect(listing).toMatchObject({ partial: true, target_errors: [{ code: "E_TARGET_NOT_FOUND" }] });
      expect(listing.items?.length).toBeGreaterThan(0);
    }
    const watched = prints("watch", scene.daemon, "watch --format jsonl --once --target nowhere");
    expect(watched).toMatchObject({ partial: true, target_errors: [{}] });
  });

  it("lists an open dialog with its text, and explains it", async () => {
    const show = `cat '${SCREEN}'; ${scene.agentCommand}`;
    const printed = scene.tmux("new-window", "-d", "-P", "-F", "#{pane_id} #{pane_pid}", show);
    const [paneId = "", pid = ""] = printed.split(" ");
    const agent = scene.adopt(paneId, Number(pid));
    await scene.untilState(agent, "permission prompt");
    await scene.untilPane("its text", (pane) => pane.agent?.promptId !== "" && pane.agent !== undefined);
    const { items = [] } = prints("list-panes", scene.daemon, "list panes --json");
    const item = items.find(({ prompt_id }) => prompt_id !== undefined);
    expect(item?.["prompt_text"]).toContain("Do you want");
    const explained = prints("explain", scene.daemon, `explain ${paneId} --json`);
    expect(explained).toMatchObject({ item: { prompt_id: item?.["prompt_id"] }, candidates: [{}] });
    process.kill(agent.pid, "SIGKILL");
  });

  it("explains an agent and a plain pane, and lists the events of one pane", async () => {
    expect(prints("explain", scene.daemon, `explain ${waiting.paneId} --json`)).toMatchObject({
      candidates: [{ decisive: true }],
      channels: [{ source: "native" }],
    });
    const plain = (await scene.panes()).find(({ agent }) => agent === undefined);
    prints("explain", scene.daemon, `explain ${plain?.identity?.paneId} --json`);
    const { items } = prints("events", scene.daemon, `events --pane ${waiting.paneId} --limit 1 --json`);
    expect(items).toHaveLength(1);
  });

  it("looks at a pane's output and attaches to it, and tells of both", () => {
    const viewed = prints("action-result", scene.daemon, `view-output ${waiting.paneId} --colors --json`);
    expect(viewed).toMatchObject({ result_code: "ok", replayed: false });
    const attach = `attach ${waiting.paneId} --request-ref mine --json`;
    expect(prints("action-result", scene.daemon, attach)["argv"]).toContain("attach-session");
    const { action_id: id } = prints("action-result", scene.daemon, attach);
    expect(prints("actions", scene.daemon, `actions --pane ${waiting.paneId} --json`).items).toMatchObject([
      { action_type: "attach", action_id: id, request_ref: "mine" },
      { action_type: "view_output", action_id: viewed["action_id"] },
    ]);
    const one = prints("actions", scene.daemon, `actions --id ${id} --json`);
    expect(one.items).toMatchObject([{ result_code: "ok", caller: expect.stringContaining("agtmux/") }]);
    prints("events", scene.daemon, `events --action ${id} --json`);
  });

  it("refuses an action, and tells of that too", () => {
    const line = `interrupt ${waiting.paneId} --if-state running --json`;
    const { error } = prints("error", scene.daemon, line, 5) as { error: { details: { action_id: string } } };
    const one = prints("actions", scene.daemon, `actions --id ${error.details.action_id} --json`);
    expect(one.items).toMatchObject([{ result_code: "refused", error_code: "E_PRECONDITION_FAILED" }]);
  });

  it("streams every change of every scope", async () => {
    const streams = ["panes", "windows", "sessions"].map(
      (scope) => new Stream(scene.daemon, "--scope", scope),
    );
    for (const stream of streams) await stream.until("a snapshot", ({ type }) => type === "snapshot");
    const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "passing");
    const has = (op: string) => (message: Output) => {
      const { changes = [] } = message as { changes?: readonly { op: string }[] };
      return changes.some((change) => change.op === op);
    };
    for (const stream of streams) await stream.until("an upsert", has("upsert"));
    process.kill(agent.pid, "SIGKILL");
    for (const stream of streams) await stream.until("a delete", has("delete"));
    for (const stream of streams) expect((await stream.end()).length).toBeGreaterThan(2);
  });

  it("adds, connects and removes a target, and merges its sessions with those of the same name", () => {
    const second = createPrivateServer();
    try {
      second.start("new-session", "-d", "-s", "other", "exec sleep 100000");
      const add = `target add second --kind local --tmux-socket ${second.socketPath} --json`;
      prints("target", scene.daemon, add);
      prints("target", scene.daemon, "target connect second --json");
      const line = "list sessions --all --session other --group-by session-name --json";
      expect(prints("list-sessions", scene.daemon, line)).toMatchObject({
        items: [{ parts: [{ target: "lab" }, { target: "second" }] }],
      });
      expect(prints("target-remove", scene.daemon, "target remove second --yes --json")).toMatchObject({
        name: "second",
      });
    } finally {
      second.dispose();
    }
  });

  it("plans, installs, reports and uninstalls hooks", () => {
    mkdirSync(join(scene.daemon.root, ".claude"), { recursive: true });
    mkdirSync(join(scene.daemon.root, ".codex"), { recursive: true });
    for (const line of ["install --dry-run", "install", "install", "uninstall --dry-run"])
      expect(prints("hooks-change", scene.daemon, `hooks ${line} --json`)).toMatchObject({
        files: [{}, {}, {}],
      });
    expect(prints("hooks-status", scene.daemon, "hooks status --json")).toMatchObject({ agents: [{}, {}] });
    prints("hooks-change", scene.daemon, "hooks uninstall --json");
  });

  it.each([
    ["explain pane:lab/none/@9/%99 --json", 4],
    ["explain runtime:ab --json", 2],
    ["list panes --state busy --json", 2],
    ["list nothing --json", 2],
    ["target remove lab --json", 5],
    ["target add lab --kind local --json", 5],
    ["target add vm --kind ssh --ssh-target -x --json", 2],
    ["events --limit x --json", 2],
    ["send pane:lab/none/@9/%99 x --json", 4],
    ["kill %1 --json", 5],
    ["actions --id none --json", 4],
  ])("TC-018 fails with an object that schema error knows: %s", (line, status) => {
    prints("error", scene.daemon, line, status);
  });

  it("streams a bookmark when nothing happens", async () => {
    const { type } = await quiet.until("a bookmark", (message) => message["type"] === "bookmark", 25_000);
    expect(type).toBe("bookmark");
    await quiet.end();
  });
});

describe("TC-021 TC-035 the real program, where a target does not answer", () => {
  const path = mkdtempSync(join(tmpdir(), "agtmux-path-"));
  let daemon: TestDaemon;
  beforeAll(async () => {
    // The one way to a target that fails at once and stays so.
    writeFileSync(join(path, "tmux"), "#!/bin/sh\necho 'tmux 3.2a'\n");
    chmodSync(join(path, "tmux"), 0o755);
    daemon = await TestDaemon.start({ env: { PATH: path } });
    await eventually(
      "its refusal",
      async () => (await daemon.client.state.listPanes({})).partial || undefined,
    );
  });
  afterAll(async () => {
    await daemon.close();
    rmSync(path, { recursive: true, force: true });
  });

  it.each(READS)("prints what schema %s knows: %s", (schema, line) => {
    const { partial } = prints(schema, daemon, line);
    if (/^(list|watch)/.test(schema)) expect(partial).toBe(true);
  });
});

describe("TC-021 TC-035 TC-018 TC-045 the real program and its daemon", () => {
  const root = mkdtempSync(join(tmpdir(), "agtmux-schema-"));
  const place = { root, stateDir: join(root, "state") };
  afterAll(() => {
    spawnSync(process.execPath, [CLI, "daemon", "stop"], { env: environment(place) });
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  });

  it("starts, restarts and stops it, and says so of none; its streams are told", async () => {
    expect(prints("daemon-stop", place, "daemon stop --json")).toEqual({ schema_version: 1, stopped: false });
    prints("error", place, "--no-start list panes --json", 3);
    prints("error", place, "daemon status --json", 3);
    prints("daemon", place, "daemon start --json");
    prints("daemon", place, "daemon start --json");
    const stream = new Stream(place);
    const { cursor } = await stream.until("a snapshot", ({ type }) => type === "snapshot");
    prints("daemon", place, "daemon restart --json");
    await stream.until("the end", (message) => message["reset_reason"] === "shutdown");
    const again = new Stream(place, "--cursor", String(cursor));
    await again.until("another life", (message) => message["reset_reason"] === "stream_changed");
    await again.until("a snapshot", ({ type }) => type === "snapshot");
    await again.end();
    await stream.end();
    expect(prints("daemon-stop", place, "daemon stop --json")).toMatchObject({ stopped: true });
  });
});
