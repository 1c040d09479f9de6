import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState } from "../../gen/agtmux/v1/common_pb.js";
import {
  type ListPanesRequest,
  ListPanesResponseSchema,
  type ListSessionsRequest,
  SessionGrouping,
  SortKey,
  StateService,
} from "../../gen/agtmux/v1/state_pb.js";
import { TargetService } from "../../gen/agtmux/v1/target_pb.js";
import { runCli } from "../../src/client/cli/run.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { type FakeIoOptions, fakeIo } from "./support/fake-io.js";
import { agentPane, samplePanes, sampleSessions, sampleWindows } from "./support/samples.js";

const GOLDEN = join(import.meta.dirname, "golden");

let daemon: DaemonDouble;
beforeEach(() => {
  daemon = new DaemonDouble();
});
afterEach(() => daemon.remove());

async function run(line: string, options: FakeIoOptions = {}) {
  const io = fakeIo({ ...options, env: { AGTMUX_SOCKET: daemon.socket, ...options.env } });
  const status = await runCli(line.split(" "), io);
  return { status, out: io.stdout.text(), err: io.stderr.text() };
}

const listing = (router: Parameters<Parameters<DaemonDouble["listen"]>[0]>[0]) => {
  router.service(StateService, {
    listPanes: samplePanes,
    listWindows: sampleWindows,
    listSessions: sampleSessions,
  });
};

describe("agtmux list", () => {
  for (const what of ["panes", "windows", "sessions"]) {
    it(`prints ${what} as the contract's JSON`, async () => {
      await daemon.listen(listing);
      const { status, out, err } = await run(`list ${what} --json`);
      expect({ status, err }).toEqual({ status: 0, err: "" });
      await expect(out).toMatchFileSnapshot(join(GOLDEN, `list-${what}.json`));
    });

    for (const columns of [80, 140]) {
      it(`prints ${what} as a table no wider than ${columns} columns`, async () => {
        await daemon.listen(listing);
        const { status, out } = await run(`list ${what}`, { columns, env: { NO_COLOR: "1" } });
        expect(status).toBe(0);
        expect(
          Math.max(
            ...out
              .split("\n")
              .slice(0, 6)
              .map((text) => text.length),
          ),
        ).toBeLessThanOrEqual(columns);
        await expect(out).toMatchFileSnapshot(join(GOLDEN, `list-${what}-${columns}.txt`));
      });
    }
  }

  it("colours a terminal, and makes what needs the user stand out", async () => {
    await daemon.listen(listing);
    const { out } = await run("list panes", { columns: 140 });
    await expect(out).toMatchFileSnapshot(join(GOLDEN, "list-panes-colour.txt"));
  });

  it("writes no escape sequence into a pipe, and cuts nothing there", async () => {
    await daemon.listen(listing);
    const { out } = await run("list panes");
    expect(out).not.toContain("\u001b");
    expect(out).not.toContain("…");
  });

  it("lets no control sequence of a title, name or directory through", async () => {
    const evil = "\u001b]52;c;ZXZpbA==\u0007x\u001b[6n\u202e\u009b31m";
    const pane = agentPane(
      1,
      AgentState.RUNNING,
      { reasonCode: evil, agentType: evil },
      {
        title: evil,
        cwd: evil,
        currentCommand: evil,
        windowName: evil,
        identity: { target: evil, sessionName: evil, windowId: "@1", paneId: "%1" },
      },
    );
    const answer = create(ListPanesResponseSchema, {
      schemaVersion: 1,
      panes: [pane],
      targetErrors: [{ target: evil, message: evil }],
    });
    await daemon.listen((router) => router.service(StateService, { listPanes: () => answer }));
    const table = await run("list panes", { columns: 140, env: { NO_COLOR: "1" } });
    const json = await run("list panes --json");
    for (const { out } of [table, json]) {
      expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
    expect(table.out).not.toContain("ZXZpbA");
  });

  it("aligns columns by the cells that wide characters take", async () => {
    const panes = [
      agentPane(1, AgentState.RUNNING, { reasonCode: "日本" }),
      agentPane(2, AgentState.RUNNING, { reasonCode: "turn" }),
    ];
    const answer = create(ListPanesResponseSchema, { schemaVersion: 1, panes });
    await daemon.listen((router) => router.service(StateService, { listPanes: () => answer }));
    const { out } = await run("list panes");
    const [, wide = "", narrow = ""] = out.split("\n");
    expect(wide.indexOf("Fix") + "日本".length).toBe(narrow.indexOf("Fix"));
  });

  it("passes every filter, the sort and the window for ended runtimes on to the daemon", async () => {
    const requests: ListPanesRequest[] = [];
    await daemon.listen((router) =>
      router.service(StateService, {
        listPanes: (request) => {
          requests.push(request);
          return samplePanes();
        },
      }),
    );
    const line =
      "list panes --target host --target vm1 --target-session host/work --session a,b --state running,error --agent claude --needs-action --all --ended 1h --sort since:desc --json";
    expect((await run(line)).status).toBe(0);
    expect(requests[0]).toMatchObject({
      filter: {
        targets: ["host", "vm1"],
        targetSessions: ["host/work"],
        sessions: ["a", "b"],
        states: [AgentState.RUNNING, AgentState.ERROR],
        agents: ["claude"],
        needsAction: true,
        includePlain: true,
      },
      sort: { key: SortKey.SINCE, descending: true },
      endedWithin: { seconds: 3_600n },
    });
  });

  it("merges sessions of one name only when asked", async () => {
    const requests: ListSessionsRequest[] = [];
    await daemon.listen((router) =>
      router.service(StateService, {
        listSessions: (request) => {
          requests.push(request);
          return sampleSessions();
        },
      }),
    );
    await run("list sessions");
    await run("list sessions --group-by session-name");
    expect(requests.map((request) => request.grouping)).toEqual([
      SessionGrouping.TARGET_SESSION,
      SessionGrouping.SESSION_NAME,
    ]);
  });

  it("keeps the daemon's order where a sort was asked for, and puts the urgent first where none was", async () => {
    await daemon.listen(listing);
    const states = (out: string) => out.match(/^[! ] [a-z_]+(?= )/gm);
    expect(states((await run("list panes --sort identity")).out)).toEqual([
      "  running",
      "  idle",
      "! waiting_approval",
      "! error",
    ]);
    expect(states((await run("list panes")).out)).toEqual([
      "! error",
      "! waiting_approval",
      "  running",
      "  idle",
    ]);
  });

  for (const [name, reason, filter, golden] of [
    ["no agent runs", "no_server", "", "empty.txt"],
    ["tmux is missing", "tmux_not_found", "", "empty-no-tmux.txt"],
    ["a filter lets nothing through", "", " --agent codex", "empty-filter.txt"],
  ] as const) {
    it(`says what to do next when ${name}`, async () => {
      await daemon.listen((router) => {
        router.service(StateService, {
          listPanes: (request) =>
            create(ListPanesResponseSchema, {
              schemaVersion: 1,
              ...(request.filter === undefined ? {} : { filter: request.filter }),
            }),
        });
        router.service(TargetService, {
          listTargets: () => ({ schemaVersion: 1, targets: [{ name: "host", healthReason: reason }] }),
        });
      });
      const { status, out } = await run(`list panes${filter}`);
      expect(status).toBe(0);
      await expect(out).toMatchFileSnapshot(join(GOLDEN, golden));
    });
  }
});
