import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AgentState,
  Confidence,
  SignalSource,
  TargetHealth,
  TargetKind,
} from "../../gen/agtmux/v1/common_pb.js";
import { DaemonService } from "../../gen/agtmux/v1/daemon_pb.js";
import { EventService, type ListEventsRequest } from "../../gen/agtmux/v1/event_pb.js";
import {
  HookFileAction,
  HookInstallState,
  type HookScope,
  HookService,
} from "../../gen/agtmux/v1/hook_pb.js";
import { ListPanesResponseSchema, StateService } from "../../gen/agtmux/v1/state_pb.js";
import { TargetService } from "../../gen/agtmux/v1/target_pb.js";
import { runCli } from "../../src/client/cli/run.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { type FakeIoOptions, fakeIo, NOW } from "./support/fake-io.js";
import { agentPane, ago, plainPane } from "./support/samples.js";

const GOLDEN = join(import.meta.dirname, "golden");

let daemon: DaemonDouble;
beforeEach(() => {
  daemon = new DaemonDouble();
});
afterEach(() => daemon.remove());

async function run(line: string, options: FakeIoOptions = {}) {
  const io = fakeIo({ ...options, env: { AGTMUX_SOCKET: daemon.socket, NO_COLOR: "1", ...options.env } });
  const status = await runCli(line.split(" "), io);
  return { status, out: io.stdout.text(), err: io.stderr.text() };
}

const PANES = [
  agentPane(1, AgentState.RUNNING),
  agentPane(2, AgentState.IDLE, {}, { alsoIn: ["mob"] }),
  plainPane(3),
  agentPane(
    4,
    AgentState.IDLE,
    {},
    {
      identity: { target: "vm1", sessionName: "solo", windowId: "@1", paneId: "%1" },
      ref: "pane:vm1/solo/@1/%1",
      windowIndex: 7,
      windowName: "logs",
    },
  ),
];

function explaining(refs: string[]) {
  return (router: ConnectRouter) => {
    router.service(StateService, {
      listPanes: () => create(ListPanesResponseSchema, { schemaVersion: 1, panes: PANES }),
      explainPane: (request) => {
        refs.push(request.ref);
        return {
          schemaVersion: 1,
          generatedAt: timestampFromDate(NOW),
          pane: agentPane(1, AgentState.RUNNING),
          candidates: [
            {
              source: SignalSource.HOOK,
              state: AgentState.RUNNING,
              reasonCode: "turn",
              confidence: Confidence.HIGH,
              effectiveAt: ago(65),
              ageMs: 65_000n,
              eventId: "e1",
              decisive: true,
              verdict: "latest of the highest confidence",
            },
            {
              source: SignalSource.NATIVE,
              channel: "title",
              state: AgentState.IDLE,
              reasonCode: "title_idle",
              confidence: Confidence.MEDIUM,
              ageMs: 4_000_000n,
              verdict: "superseded by hook",
            },
          ],
          evidence: [
            {
              ingestedAt: ago(65),
              effectiveAt: ago(65),
              source: SignalSource.HOOK,
              eventType: "UserPromptSubmit",
              transition: "turn_started",
              eventId: "e1",
            },
            { effectiveAt: ago(70), source: SignalSource.HOOK, eventType: "Odd", eventId: "e0" },
          ],
          channels: [
            { source: SignalSource.HOOK, available: true, signals: 12n },
            {
              source: SignalSource.NATIVE,
              channel: "session_file",
              available: false,
              detail: "not of this version",
              unknownSignals: 2n,
            },
          ],
          screenEvidence: ["no dialog seen"],
          processEvidence: ["pid 4242 claude, foreground of the tty"],
          overrides: ["target ok"],
        };
      },
    });
  };
}

describe("agtmux explain", () => {
  it("shows every candidate and why it won or lost", async () => {
    await daemon.listen(explaining([]));
    const { status, out } = await run("explain %2", { columns: 120 });
    expect(status).toBe(0);
    await expect(out).toMatchFileSnapshot(join(GOLDEN, "explain.txt"));
  });

  it("prints the same as JSON", async () => {
    await daemon.listen(explaining([]));
    const { out } = await run("explain %2 --json");
    await expect(out).toMatchFileSnapshot(join(GOLDEN, "explain.json"));
  });

  for (const [form, ref] of [
    ["%2", "pane:host/work/@2/%2"],
    ["@2", "pane:host/work/@2/%2"],
    ["work:1", "pane:host/work/@1/%1"],
    ["work:1.0", "pane:host/work/@1/%1"],
    ["work:@2.%2", "pane:host/work/@2/%2"],
    ["solo", "pane:vm1/solo/@1/%1"],
    ["solo:logs", "pane:vm1/solo/@1/%1"],
    ["vm1/solo:7.0", "pane:vm1/solo/@1/%1"],
    ["vm1/%1", "pane:vm1/solo/@1/%1"],
    ["mob", "pane:host/work/@2/%2"],
    ["notes", "pane:host/notes/@3/%3"],
    ["pane:host/a%20b/@1/%1", "pane:host/a%20b/@1/%1"],
    ["runtime:abc", "runtime:abc"],
  ] as const) {
    it(`resolves ${form} to one canonical ref`, async () => {
      const refs: string[] = [];
      await daemon.listen(explaining(refs));
      expect((await run(`explain ${form}`)).status).toBe(0);
      expect(refs).toEqual([ref]);
    });
  }

  for (const [form, code, status, says] of [
    ["%1", "E_REF_AMBIGUOUS", 5, "pane:host/work/@1/%1, pane:vm1/solo/@1/%1"],
    ["work", "E_REF_AMBIGUOUS", 5, "fits 2 panes"],
    ["%99", "E_REF_NOT_FOUND", 4, "see: agtmux list panes --all"],
    ["wor", "E_REF_NOT_FOUND", 4, 'no pane fits "wor"'],
    ["work:1.5", "E_REF_NOT_FOUND", 4, "no pane fits"],
    ["", "E_REF_INVALID", 2, "the ref is empty"],
  ] as const) {
    it(`refuses "${form}" with ${code}`, async () => {
      const refs: string[] = [];
      await daemon.listen(explaining(refs));
      const result = await run(`explain ${form}`);
      expect(result.status).toBe(status);
      expect(result.err).toContain(says);
      expect(result.err).toContain(`(${code})`);
      expect(refs).toEqual([]);
    });
  }
});

describe("agtmux hooks", () => {
  const calls: [string, HookScope | undefined][] = [];
  const file = {
    agentType: "claude",
    path: "/home/u/.claude/settings.json",
    action: HookFileAction.UPDATE,
    summary: "adds 9 hooks",
    backupPath: "/home/u/.claude/settings.json.agtmux-backup",
    bytesAfter: 900n,
  };
  const trace = {
    agentType: "codex",
    path: "/home/u/.codex/config.toml",
    message: "Codex asks once to trust them",
  };
  const serving = (router: ConnectRouter) => {
    calls.length = 0;
    router.service(HookService, {
      planHooks: (request) => {
        calls.push([request.remove ? "plan removal" : "plan", request.scope]);
        return { schemaVersion: 1, files: [file], traces: [trace] };
      },
      applyHooks: (request) => {
        calls.push(["apply", request.scope]);
        return { schemaVersion: 1, files: [file], traces: [trace] };
      },
      removeHooks: (request) => {
        calls.push(["remove", request.scope]);
        return { schemaVersion: 1, files: [{ ...file, action: HookFileAction.RESTORE }], traces: [] };
      },
      getHookStatus: (request) => {
        calls.push(["status", request.scope]);
        const agent = { agentType: "claude", path: file.path, agentPresent: true };
        return {
          schemaVersion: 1,
          scriptPath: "/home/u/.local/state/agtmux/hooks/agtmux-hook",
          agents: [{ ...agent, state: HookInstallState.CURRENT, message: "9 of 9 entries" }],
        };
      },
    });
  };

  it("passes agents, target, home and moved configuration folders on", async () => {
    await daemon.listen(serving);
    const env = { CLAUDE_CONFIG_DIR: "/elsewhere", OTHER: "x" };
    expect((await run("hooks install --agent claude,codex --target vm1", { env })).status).toBe(0);
    expect(calls).toMatchObject([
      [
        "apply",
        {
          agents: ["claude", "codex"],
          target: "vm1",
          home: "/home/u",
          environment: { CLAUDE_CONFIG_DIR: "/elsewhere" },
        },
      ],
    ]);
    expect(calls[0]?.[1]?.environment).not.toHaveProperty("OTHER");
  });

  it("changes nothing with --dry-run", async () => {
    await daemon.listen(serving);
    await run("hooks install --dry-run");
    await run("hooks uninstall --dry-run");
    expect(calls.map(([name]) => name)).toEqual(["plan", "plan removal"]);
  });

  it("tells what it did, what stays, and what is installed", async () => {
    await daemon.listen(serving);
    const install = await run("hooks install");
    const uninstall = await run("hooks uninstall");
    const status = await run("hooks status");
    const json = await run("hooks install --dry-run --json");
    await expect([install.out, uninstall.out, status.out, json.out].join("\n")).toMatchFileSnapshot(
      join(GOLDEN, "hooks.txt"),
    );
  });
});

describe("agtmux target", () => {
  const removed: string[] = [];
  const target = {
    name: "vm1",
    kind: TargetKind.SSH,
    sshTarget: "vm1.lan",
    health: TargetHealth.DOWN,
    healthReason: "host_key_unknown",
  };
  const serving = (router: ConnectRouter) => {
    removed.length = 0;
    router.service(TargetService, {
      addTarget: ({ name, kind, sshTarget, tmuxSocket }) => ({
        schemaVersion: 1,
        target: { name, kind, sshTarget, tmuxSocket, health: TargetHealth.OK },
      }),
      connectTarget: () => ({ schemaVersion: 1, target }),
      listTargets: () => ({
        schemaVersion: 1,
        targets: [
          {
            name: "host",
            kind: TargetKind.LOCAL,
            health: TargetHealth.OK,
            tmuxVersion: "3.4",
            bootId: "9:1",
          },
          target,
        ],
      }),
      removeTarget: (request) => {
        removed.push(request.name);
        return { schemaVersion: 1, endedRuntimes: 2 };
      },
    });
  };

  it("adds and lists", async () => {
    await daemon.listen(serving);
    const add = await run("target add vm2 --kind ssh --ssh-target box --tmux-socket work --json");
    expect(JSON.parse(add.out)).toMatchObject({
      target: { name: "vm2", kind: "ssh", ssh_target: "box", tmux_socket: "work", health: "ok" },
    });
    const list = await run("target list");
    const json = await run("target list --json");
    await expect([list.out, json.out].join("\n")).toMatchFileSnapshot(join(GOLDEN, "targets.txt"));
  });

  it("connect ends with 6 when the target is down afterwards", async () => {
    await daemon.listen(serving);
    const { status, out, err } = await run("target connect vm1");
    expect(status).toBe(6);
    expect(out).toContain("host_key_unknown");
    expect(err).toBe("agtmux: target vm1 is down: host_key_unknown (E_TARGET_UNREACHABLE)\n");
  });

  it("remove without a terminal and without --yes is refused, and nothing is removed", async () => {
    await daemon.listen(serving);
    const { status, err } = await run("target remove vm1");
    expect(status).toBe(5);
    expect(err).toContain("agtmux target remove vm1 --yes (E_CONFIRMATION_REQUIRED)");
    expect(removed).toEqual([]);
  });

  for (const [answer, names] of [
    ["y", ["vm1"]],
    ["yes", ["vm1"]],
    ["", []],
    ["nope", []],
  ] as const) {
    it(`remove asks on a terminal, and "${answer}" ${names.length > 0 ? "removes" : "removes nothing"}`, async () => {
      await daemon.listen(serving);
      const { status } = await run("target remove vm1", { ask: async () => answer });
      expect(status).toBe(names.length > 0 ? 0 : 5);
      expect(removed).toEqual(names);
    });
  }

  it("remove --yes does not ask", async () => {
    await daemon.listen(serving);
    const { status, out } = await run("target remove vm1 --yes");
    expect({ status, out }).toEqual({ status: 0, out: "removed vm1; 2 runtimes ended\n" });
  });
});

describe("agtmux events, config and daemon status", () => {
  it("lists events of one pane or runtime", async () => {
    const requests: ListEventsRequest[] = [];
    await daemon.listen((router) => {
      explaining([])(router);
      router.service(EventService, {
        listEvents: (request) => {
          requests.push(request);
          return {
            schemaVersion: 1,
            events: [
              {
                eventId: "e1",
                runtimeId: "ab".repeat(32),
                eventType: "Stop",
                agentType: "claude",
                source: SignalSource.HOOK,
                effectiveAt: ago(2),
                transition: "turn_ended",
                attributes: { stop_reason: "end_turn" },
              },
            ],
          };
        },
      });
    });
    const table = await run("events --pane %2 --limit 5");
    const json = await run("events --runtime runtime:abc --json");
    expect(requests).toMatchObject([
      { filter: { paneRef: "pane:host/work/@2/%2", runtimeId: "" }, limit: 5 },
      { filter: { paneRef: "", runtimeId: "abc" }, limit: 0 },
    ]);
    await expect([table.out, json.out].join("\n")).toMatchFileSnapshot(join(GOLDEN, "events.txt"));
  });

  it("shows settings and health", async () => {
    await daemon.listen((router) =>
      router.service(DaemonService, {
        getConfig: () => ({
          schemaVersion: 1,
          entries: [
            { key: "bookmark_ms", value: "15000", defaultValue: "15000", origin: "default" },
            { key: "tmux_binary", value: '"/opt/tmux"', defaultValue: '"tmux"', origin: "file" },
          ],
        }),
        getHealth: () => ({
          schemaVersion: 1,
          version: "0.1.0",
          instanceId: "i1",
          pid: 99n,
          startedAt: ago(3_700),
          socketPath: "/run/user/5/agtmux/agtmuxd.sock",
          stateDir: "/home/u/.local/state/agtmux",
          targets: [
            {
              name: "host",
              kind: TargetKind.LOCAL,
              health: TargetHealth.DEGRADED,
              healthReason: "tmux_not_found",
            },
          ],
          adapters: [{ agentType: "claude", runtimes: 2 }],
          channels: [{ agentType: "claude", source: SignalSource.HOOK, accepted: 12n, unknown: 1n }],
          degradations: [{ code: "doorbell_lost", subject: "host", message: "polling only" }],
          watchers: 3,
        }),
      }),
    );
    const config = await run("config show");
    const configJson = await run("config show --json");
    const status = await run("daemon status");
    await expect([config.out, configJson.out, status.out].join("\n")).toMatchFileSnapshot(
      join(GOLDEN, "daemon.txt"),
    );
    expect(JSON.parse((await run("daemon status --json")).out)).toMatchObject({ pid: 99, instance_id: "i1" });
  });
});
