import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { file_agtmux_v1_action } from "../../gen/agtmux/v1/action_pb.js";
import { file_agtmux_v1_adapter } from "../../gen/agtmux/v1/adapter_pb.js";
import { file_agtmux_v1_daemon } from "../../gen/agtmux/v1/daemon_pb.js";
import { file_agtmux_v1_event } from "../../gen/agtmux/v1/event_pb.js";
import { file_agtmux_v1_hook } from "../../gen/agtmux/v1/hook_pb.js";
import { file_agtmux_v1_ingest } from "../../gen/agtmux/v1/ingest_pb.js";
import { file_agtmux_v1_state } from "../../gen/agtmux/v1/state_pb.js";
import { file_agtmux_v1_target } from "../../gen/agtmux/v1/target_pb.js";
import { file_grpc_health_v1_health } from "../../gen/grpc/health/v1/health_pb.js";
import { file_grpc_reflection_v1_reflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import {
  AgentState,
  connect,
  ErrorCode,
  HookInstallState,
  IngestStatus,
  SignalSource,
  TargetHealth,
  toAgtmuxError,
} from "../../src/client/index.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { createPrivateServer } from "../tmux/private-server.js";
import { openFiles } from "./support/open-files.js";
import { RemoteScene } from "./support/remote-scene.js";

const CYCLE = ["UserPromptSubmit", "PermissionRequest", "Stop"];

describe("hooks on an ssh target", () => {
  let remote: RemoteScene;
  afterEach(async () => {
    await remote?.close();
  });

  it("TC-066 a target's forwarded socket takes its events and serves nothing else: no reads, no acts, no other target's events", async () => {
    remote = await RemoteScene.start();
    const { scene } = remote;
    const near = createPrivateServer();
    try {
      await remote.install();
      near.start("new-session", "-d", "-s", "near", scene.agentCommand);
      await scene.addTarget("near", near.socketPath);
      const victim = await scene.untilPane(
        "the other target's agent",
        ({ identity, agent }) => identity?.target === "near" && agent !== undefined,
      );
      remote.hook("PermissionRequest");
      const asked = (state: AgentState | undefined) => state === AgentState.WAITING_APPROVAL;
      await scene.untilPane("its own event", ({ identity, agent }) => {
        return identity?.target === "vm1" && asked(agent?.state);
      });

      const [name = ""] = remote.sockets();
      const socket = join(remote.stateDir, "ingest.d", name);
      const inside = connect({ socket });
      const calls: [string, () => Promise<unknown>][] = [
        ["ListPanes", () => inside.state.listPanes({})],
        ["ExplainPane", () => inside.state.explainPane({ ref: `runtime:${victim.agent?.runtimeId}` })],
        ["ListEvents", () => inside.events.listEvents({})],
        ["ListTargets", () => inside.targets.listTargets({})],
        ["AddTarget", () => inside.targets.addTarget({ name: "evil" })],
        ["RemoveTarget", () => inside.targets.removeTarget({ name: "near" })],
        ["ApplyHooks", () => inside.hooks.applyHooks({ scope: { home: remote.home } })],
        ["GetHealth", () => inside.daemon.getHealth({})],
        ["GetConfig", () => inside.daemon.getConfig({})],
        ["Shutdown", () => inside.daemon.shutdown({})],
        [
          "Watch",
          async () => {
            for await (const _ of inside.state.watch({})) return;
          },
        ],
      ];
      for (const [method, call] of calls) {
        const refused = await call().then(
          () => undefined,
          (error: unknown) => toAgtmuxError(error).code,
        );
        expect([method, refused]).toEqual([method, ErrorCode.E_UNIMPLEMENTED]);
      }
      // All that there is, by name: none is even known there.
      const others = SERVICES.flatMap(({ typeName, methods }) =>
        methods.map(({ name }) => `/${typeName}/${name}`),
      );
      expect(others.length).toBeGreaterThan(30);
      for (const path of ["/v1/health", ...others.filter((each) => !each.endsWith("/IngestEvents"))]) {
        expect([path, await post(socket, path)]).toEqual([path, expect.stringContaining("no such method")]);
      }

      const event = {
        eventType: "PermissionRequest",
        agentType: "claude",
        source: SignalSource.HOOK,
        eventTimeUnixNs: BigInt(Date.now()) * 1_000_000n,
        eventTimeResolutionNs: 1n,
        rawPayload: new TextEncoder().encode('{"hook_event_name":"PermissionRequest"}'),
      };
      const { agent } = victim;
      const paneId = victim.identity?.paneId ?? "";
      const serverPid = BigInt(near.pid());
      const aims = [
        { runtimeId: agent?.runtimeId ?? "" },
        { paneId, tmux: { socketPath: near.socketPath, serverPid } },
        { paneId, tmux: { socketPath: near.socketPath, serverPid }, pid: agent?.agentPid ?? 0n },
        { parentPids: [agent?.agentPid ?? 0n] },
        { agentSessionId: agent?.agentSessionId || "s-9", cwd: victim.cwd },
      ];
      const before = await scene.client.events.listEvents({ filter: { runtimeId: agent?.runtimeId ?? "" } });
      const { results } = await inside.ingest.ingestEvents({
        events: aims.map((aim) => ({ ...event, ...aim, eventId: randomUUID() })),
      });
      for (const { status, runtimeId } of results) {
        expect([IngestStatus.PENDING_BIND, IngestStatus.DROPPED]).toContain(status);
        expect(runtimeId).toBe("");
      }
      const after = await scene.client.events.listEvents({ filter: { runtimeId: agent?.runtimeId ?? "" } });
      const hooksOf = (events: typeof after.events) =>
        events.filter(({ source }) => source === SignalSource.HOOK);
      expect(hooksOf(after.events)).toEqual(hooksOf(before.events));
      const still = (await scene.panes()).find(({ identity }) => identity?.target === "near");
      expect(asked(still?.agent?.state)).toBe(false);

      // The id of another's event, seen somewhere, keeps that event from nobody.
      const eventId = randomUUID();
      await inside.ingest.ingestEvents({
        events: [{ ...event, eventId, runtimeId: agent?.runtimeId ?? "" }],
      });
      const own = await scene.client.ingest.ingestEvents({
        events: [{ ...event, eventId, runtimeId: agent?.runtimeId ?? "" }],
      });
      expect(own.results[0]).toMatchObject({ eventId, status: IngestStatus.ACCEPTED });
    } finally {
      near.dispose();
    }
  });

  it("TC-075 what hooks report while there is no connection arrives after it, in order, once", async () => {
    remote = await RemoteScene.start();
    const { sshd, scene } = remote;
    await remote.install();
    remote.hook("UserPromptSubmit");
    await remote.untilStored(1);

    await sshd.stop();
    for (const [index, event] of ["PermissionRequest", "PostToolUse", "Stop"].entries()) {
      remote.hook(event);
      await eventually(`${event} in the spool`, () => remote.spooled().length === index + 1);
    }
    await sshd.listen();
    await scene.client.targets.connectTarget({ name: "vm1" });
    await remote.untilStored(4);
    await eventually("the spool to be empty", () => remote.spooled().length === 0);
    await eventually("a socket again, and no other", () => remote.sockets().length === 1);
    remote.hook("UserPromptSubmit");
    expect(await remote.untilStored(5)).toEqual([
      { eventType: "UserPromptSubmit", spooled: false },
      { eventType: "PermissionRequest", spooled: true },
      { eventType: "PostToolUse", spooled: true },
      { eventType: "Stop", spooled: true },
      { eventType: "UserPromptSubmit", spooled: false },
    ]);
    await scene.untilPane("the last in force", ({ agent }) => agent?.state === AgentState.RUNNING);
  });

  it("TC-075 over flaps every event arrives, in order, once", async () => {
    remote = await RemoteScene.start();
    const { sshd, scene } = remote;
    await remote.install();
    const files = (): number => openFiles(scene.daemon.child.pid).length;
    const before = files();
    const sent: string[] = [];
    for (let flap = 0; flap < 8; flap++) {
      for (const event of CYCLE) {
        sent.push(event);
        remote.hook(event);
      }
      sshd.cut();
      await eventually("a connection", async () => {
        await scene.client.targets.connectTarget({ name: "vm1" });
        return sshd.connections().length > 0;
      });
    }
    await remote.untilStored(sent.length);
    await eventually("the spool to be empty", () => remote.spooled().length === 0);
    expect((await remote.stored()).map(({ eventType }) => eventType)).toEqual(sent);
    await eventually("one socket", () => remote.sockets().length === 1);
    await eventually("no more open files than before", () => files() <= before + 3);
  });

  it("TC-075 with forwarding refused, events come by the spool and health says spool_only", async () => {
    remote = await RemoteScene.start(["AllowStreamLocalForwarding no"]);
    const { scene } = remote;
    await scene.client.hooks.applyHooks({ scope: { target: "vm1" } });
    const degraded = await eventually("spool_only in health", async () => {
      const { degradations } = await scene.client.daemon.getHealth({});
      return degradations.find(({ code }) => code === "spool_only");
    });
    expect(degraded).toMatchObject({ subject: "vm1/hooks" });
    expect(degraded.message).toMatch(/does not forward a socket.*AllowStreamLocalForwarding/u);
    const { targets } = await scene.client.targets.listTargets({});
    expect(targets.find(({ name }) => name === "vm1")?.health).toBe(TargetHealth.OK);
    for (const event of CYCLE) remote.hook(event);
    expect(await remote.untilStored(3)).toEqual(CYCLE.map((eventType) => ({ eventType, spooled: true })));
    await eventually("the spool to be empty", () => remote.spooled().length === 0);
    expect(remote.sockets()).toEqual([]);
  });

  it("TC-075 where there is no curl, and whatever the shell, events come by the spool", async () => {
    remote = await RemoteScene.start();
    await remote.install();
    const bare = join(remote.home, "bin");
    mkdirSync(bare);
    const programs = "base64 cat chmod date du head ls mkdir mv rm sleep".split(" ");
    const links = programs.map((name) => `ln -sf "$(command -v ${name})" ${bare}/${name}`).join("; ");
    remote.scene.tmux("send-keys", "-t", remote.paneId, "-l", links);
    remote.scene.tmux("send-keys", "-t", remote.paneId, "Enter");
    await eventually("the programs", () => readdirSync(bare).length === programs.length);
    for (const shell of ["/bin/dash", "/bin/bash", "/bin/busybox sh"]) {
      remote.hook("Stop", { prefix: `/usr/bin/env PATH=${bare} ${shell}`, session: shell });
    }
    const stored = await remote.untilStored(3);
    expect(stored).toEqual(Array.from({ length: 3 }, () => ({ eventType: "Stop", spooled: true })));
  });

  it("sets torn and hostile files of the spool aside, and takes the others", async () => {
    remote = await RemoteScene.start();
    await remote.install();
    const folder = join(remote.stateDir, "spool.d", remote.readers()[0] ?? "");
    const id = "00000000-0000-4000-8000-00000000000";
    writeFileSync(join(folder, `00000000000000000001-${id}1.json`), '{ "events": [ torn');
    writeFileSync(join(folder, `00000000000000000002-${id}2.json`), Buffer.alloc(2 * 1024 * 1024, "x"));
    mkdirSync(join(folder, `00000000000000000003-${id}3.json`));
    writeFileSync(join(folder, "a name;$(touch pwned).json"), "x");
    remote.hook("Stop", { prefix: "/usr/bin/env PATH=/nowhere:/bin" });
    await remote.untilStored(1);
    const rejected = join(folder, "rejected");
    const reasons = () =>
      existsSync(rejected) ? readdirSync(rejected).filter((name) => name.endsWith(".reason")) : [];
    await eventually("three to be set aside", () => reasons().length === 3);
    expect(reasons().map((name) => readFileSync(join(rejected, name), "utf8").trim())).toEqual([
      "not JSON",
      expect.stringContaining("larger than"),
      expect.stringContaining("not a regular file"),
    ]);
    expect(readdirSync(folder).sort()).toEqual([".seen", "a name;$(touch pwned).json", "rejected"]);
  });

  it("two daemons get every event; a socket that leads nowhere and one that hangs harm neither", async () => {
    remote = await RemoteScene.start();
    const { scene, sshd } = remote;
    const second = await TestDaemon.start({ env: { AGTMUX_SSH_CONFIG: sshd.configFile } });
    try {
      await remote.watchedBy(second);
      await remote.install(2);
      expect(new Set(remote.readers()).size).toBe(2);
      remote.hook("UserPromptSubmit");
      await remote.untilStored(1);
      await remote.untilStored(1, second);

      // Its socket takes connections, and nobody answers.
      second.child.kill("SIGSTOP");
      remote.hook("PermissionRequest");
      await remote.untilStored(2);
      await eventually("one that waits", () => remote.spooled().length === 1);
      second.child.kill("SIGCONT");
      await remote.untilStored(2, second);
      await eventually("the spool to be empty", () => remote.spooled().length === 0);

      // Its socket stays behind, and leads nowhere.
      await second.end("SIGKILL");
      await eventually("its connection to be over", () => sshd.connections().length <= 3);
      remote.hook("Stop");
      await remote.untilStored(3);
      await eventually("one that waits", () => remote.spooled().length === 1);
      const again = await TestDaemon.start({
        stateDir: second.root,
        env: { AGTMUX_SSH_CONFIG: sshd.configFile },
      });
      try {
        const stored = await remote.untilStored(3, again);
        expect(stored.map(({ eventType }) => eventType)).toEqual([
          "UserPromptSubmit",
          "PermissionRequest",
          "Stop",
        ]);
        expect(stored[2]?.spooled).toBe(true);
        await eventually("a socket each", () => remote.sockets().length === 2);
        // A reader that nobody has seen for a week goes with the next connection; a younger one stays.
        for (const [reader, days] of [
          ["00000000dead", 8],
          ["0000000alive", 6],
        ] as const) {
          const folder = join(remote.stateDir, "spool.d", reader);
          mkdirSync(folder);
          writeFileSync(join(folder, ".seen"), "");
          const at = Date.now() / 1_000 - days * 86_400;
          utimesSync(join(folder, ".seen"), at, at);
        }
        sshd.cut();
        await scene.client.targets.connectTarget({ name: "vm1" });
        await eventually("it to be gone", () => !remote.readers().includes("00000000dead"));
        expect(remote.readers()).toContain("0000000alive");
      } finally {
        await again.end();
      }
    } finally {
      await second.close();
    }
  });

  it("leaves nothing on the host: with the hooks or with the target, whatever was made goes", async () => {
    remote = await RemoteScene.start();
    const { client } = remote.scene;
    const before = readdirSync(remote.home).sort();
    const scope = { target: "vm1" };
    const plan = await client.hooks.planHooks({ scope });
    expect(plan.files.map(({ path }) => path)).toEqual([
      remote.script,
      join(remote.home, ".claude", "settings.json"),
    ]);
    expect(readdirSync(remote.home).sort()).toEqual(before);
    await remote.install();
    const { agents, scriptPath } = await client.hooks.getHookStatus({ scope });
    expect(scriptPath).toBe(remote.script);
    expect(agents.find(({ agentType }) => agentType === "claude")?.state).toBe(HookInstallState.CURRENT);
    await client.hooks.removeHooks({ scope: { target: "vm1" } });
    expect(readdirSync(remote.home).sort()).toEqual(before);
    await remote.install();
    await client.targets.removeTarget({ name: "vm1" });
    expect([remote.readers(), remote.sockets()]).toEqual([[], []]);
  });

  it("TC-075 a host that cannot be reached has no hooks installed, and the answer says why", async () => {
    remote = await RemoteScene.start();
    await remote.sshd.stop();
    for (const call of ["applyHooks", "removeHooks", "planHooks", "getHookStatus"] as const) {
      const code = await remote.scene.client.hooks[call]({ scope: { target: "vm1" } }).then(
        () => undefined,
        (error: unknown) => toAgtmuxError(error).code,
      );
      expect([call, code]).toEqual([call, ErrorCode.E_TARGET_UNREACHABLE]);
    }
    expect(existsSync(remote.stateDir)).toBe(false);
  });

  it("measures the way from a hook to a watcher", async () => {
    remote = await RemoteScene.start();
    const { client } = remote.scene;
    await remote.install();
    const abort = new AbortController();
    const seen: { at: number; state: AgentState }[] = [];
    const done = (async () => {
      for await (const { items, changes } of client.state.watch({}, { signal: abort.signal, timeoutMs: 0 })) {
        for (const item of [...items, ...changes.map((change) => change.item)]) {
          const state = item?.item.case === "pane" ? item.item.value.agent?.state : undefined;
          if (state !== undefined) seen.push({ at: Date.now(), state });
        }
      }
    })().catch(() => undefined);
    const took: number[] = [];
    const rounds: [string, AgentState][] = [
      ["UserPromptSubmit", AgentState.RUNNING],
      ["PermissionRequest", AgentState.WAITING_APPROVAL],
    ];
    for (let round = 0; round < 40; round++) {
      const [event, state] = rounds[round % 2] ?? rounds[0] ?? [];
      const from = seen.length;
      remote.hook(event ?? "");
      const found = await eventually(`${event}`, () => seen.slice(from).find((each) => each.state === state));
      const { events } = await client.events.listEvents({
        filter: { runtimeId: remote.runtimeId },
        limit: 5,
      });
      const newest = events.find(({ source }) => source === SignalSource.HOOK)?.eventTime;
      took.push(found.at - (Number(newest?.seconds) * 1_000 + Number(newest?.nanos) / 1_000_000));
    }
    abort.abort();
    await done;
    took.sort((a, b) => a - b);
    const at = (share: number): string => `${took[Math.ceil(share * took.length) - 1]?.toFixed(1)} ms`;
    console.log(`remote hook to watcher: p50 ${at(0.5)}, p95 ${at(0.95)} (budget 100 ms)`);
  });
});

const SERVICES = [
  file_agtmux_v1_action,
  file_agtmux_v1_adapter,
  file_agtmux_v1_daemon,
  file_agtmux_v1_event,
  file_agtmux_v1_hook,
  file_agtmux_v1_ingest,
  file_agtmux_v1_state,
  file_agtmux_v1_target,
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
].flatMap(({ services }) => services);

/** The answer to an empty request. */
function post(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const asked = request({ socketPath, path, method: "POST", headers, timeout: 5_000 }, (answer) => {
      answer.setEncoding("utf8");
      let text = "";
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => resolve(text));
    });
    asked.on("error", reject);
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.end("{}");
  });
}
