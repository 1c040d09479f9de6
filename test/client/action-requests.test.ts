import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KillMode, KillSignal } from "../../gen/agtmux/v1/action_pb.js";
import { AgentState } from "../../gen/agtmux/v1/common_pb.js";
import { callOptions } from "../../src/client/cli/action-request.js";
import { VERSION } from "../../src/client/version.js";
import { ActionDaemon, runWords } from "./support/action-daemon.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { type FakeIoOptions, NOW } from "./support/fake-io.js";
import { agentPane, plainPane, RUNTIME } from "./support/samples.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const AGENT_REF = "pane:host/work/@1/%1";

let double: DaemonDouble;
beforeEach(() => {
  double = new DaemonDouble();
});
afterEach(() => double.remove());

async function serve(daemon = new ActionDaemon([agentPane(1, AgentState.IDLE), plainPane(3)])) {
  await double.listen(daemon.routes);
  return daemon;
}

const run = (line: string, options?: FakeIoOptions) => runWords(double, line.split(" "), options);

describe("the request of an action", () => {
  for (const [line, name, fields] of [
    ["send %1 hello", "send", { text: "hello", key: "", enter: false, paste: false, overDraft: false }],
    ["send %1 --text -x --enter", "send", { text: "-x", enter: true }],
    ["send %1 -- -x", "send", { text: "-x", enter: false }],
    ["send %1 --key C-u", "send", { text: "", key: "C-u" }],
    ["send %1 hi --paste --over-draft", "send", { paste: true, overDraft: true }],
    ["approve %1 --prompt-id p", "approve", { promptId: "p", forceTruncated: false }],
    ["approve %1 --prompt-id p --force-truncated", "approve", { promptId: "p", forceTruncated: true }],
    ["deny %1 --prompt-id p", "deny", { promptId: "p", forceTruncated: false }],
    ["interrupt %1", "interrupt", {}],
    ["view-output %1", "viewOutput", { lines: 0, colors: false }],
    ["view-output %1 --lines 50 --colors", "viewOutput", { lines: 50, colors: true }],
    ["attach %1 --print", "attach", { clientTmux: "" }],
    ["kill %1 --yes", "kill", { mode: KillMode.KEY, signal: KillSignal.INT, confirmed: true }],
    ["kill %1 --yes --mode signal", "kill", { mode: KillMode.SIGNAL, signal: KillSignal.INT }],
    ["kill %1 --yes --signal TERM", "kill", { mode: KillMode.SIGNAL, signal: KillSignal.TERM }],
    ["kill %1 --yes --signal KILL", "kill", { mode: KillMode.SIGNAL, signal: KillSignal.KILL }],
    ["kill %1 --yes --signal INT", "kill", { mode: KillMode.KEY, signal: KillSignal.INT }],
  ] as const) {
    it(`of "${line}" has what was said, and a name of its own`, async () => {
      const daemon = await serve();
      const { status, err } = await run(line);
      expect({ status, err }).toEqual({ status: 0, err: "" });
      expect(daemon.calls).toMatchObject([[name, fields]]);
      expect(daemon.targets[0]).toMatchObject({
        ref: AGENT_REF,
        forceStale: false,
        ifState: [],
        ifRuntime: "",
      });
      expect(daemon.targets[0]?.requestRef).toMatch(UUID);
    });
  }

  it("says which program asks, and has an outer deadline", async () => {
    const daemon = await serve();
    for (const line of ["attach --print", "send --text x", "interrupt", "view-output", "kill --yes"]) {
      const [command, ...rest] = line.split(" ");
      await runWords(double, [command ?? "", "%1", ...rest]);
    }
    await run("approve %1 --prompt-id p");
    await run("deny %1 --prompt-id p");
    expect(daemon.callers).toEqual(Array.from({ length: 7 }, () => `agtmux/${VERSION} pid=${process.pid}`));
    expect(callOptions().timeoutMs).toBe(30_000);
  });

  it("carries the guards that were given", async () => {
    const daemon = await serve();
    const guards = "--if-runtime runtime:ab --if-state idle --if-state error,running --if-updated-within 90s";
    await run(`interrupt %1 ${guards} --force-stale --request-ref mine`);
    expect(daemon.targets).toMatchObject([
      {
        requestRef: "mine",
        ifRuntime: "ab",
        ifState: [AgentState.IDLE, AgentState.ERROR, AgentState.RUNNING],
        ifUpdatedWithin: { seconds: 90n },
        forceStale: true,
      },
    ]);
  });

  it("is named anew each time, unless it is told how", async () => {
    const daemon = await serve();
    for (let i = 0; i < 2; i += 1) await run("interrupt %1");
    const [first, second] = daemon.targets.map((target) => target?.requestRef);
    expect(first).not.toBe(second);
  });

  it("sends standard input byte by byte", async () => {
    const daemon = await serve();
    const input = Buffer.from("a\n\tb ü\n");
    expect((await run("send %1 --stdin", { input })).status).toBe(0);
    expect(daemon.requests).toMatchObject([{ text: "", stdin: new Uint8Array(input) }]);
  });

  it("says in which tmux the terminal is", async () => {
    const daemon = await serve();
    await run("attach %1 --print", { env: { TMUX: "/tmp/s,9,0" } });
    expect(daemon.requests).toMatchObject([{ clientTmux: "/tmp/s,9,0" }]);
  });
});

describe("what was looked at", () => {
  const at = timestampFromDate(NOW);

  it("is what the read that resolved the ref has seen", async () => {
    const daemon = await serve();
    await run("interrupt work");
    await run("view-output notes");
    expect(daemon.targets).toMatchObject([
      { ref: AGENT_REF, expect: { runtimeId: RUNTIME, stateVersion: 17n, observedAt: at } },
      {
        ref: "pane:host/notes/@3/%3",
        expect: { bootId: "100:5", paneId: "%3", panePid: 77n, observedAt: at },
      },
    ]);
  });

  for (const ref of [AGENT_REF, `runtime:${RUNTIME}`, "pane:host/alias/@1/%1"]) {
    it(`of the canonical ref ${ref} is that of its pane, and the ref stays as it was given`, async () => {
      const daemon = await serve();
      await run(`interrupt ${ref}`);
      expect(daemon.targets).toMatchObject([{ ref, expect: { runtimeId: RUNTIME, stateVersion: 17n } }]);
    });
  }

  for (const ref of ["pane:host/work/@9/%9", `runtime:${"00".repeat(32)}`]) {
    it(`of the canonical ref ${ref}, which no pane has, is nothing: the daemon says why`, async () => {
      const daemon = await serve();
      await run(`interrupt ${ref}`);
      expect(daemon.targets).toMatchObject([
        { ref, expect: { runtimeId: "", bootId: "", paneId: "", observedAt: at } },
      ]);
    });
  }

  it("of a short form that fits two panes is nothing: it is refused, and nothing is done", async () => {
    const daemon = await serve(
      new ActionDaemon([agentPane(1, AgentState.IDLE), agentPane(2, AgentState.IDLE)]),
    );
    const { status, err } = await run("interrupt work");
    expect(status).toBe(5);
    expect(err).toContain("(E_REF_AMBIGUOUS)");
    expect(daemon.calls).toEqual([]);
  });

  const observation = { runtime_id: "cd", state_version: 3, observed_at: "2026-03-01T11:59:50.250Z" };
  const item = { ref: "x", state: "idle", observation };
  const seen = {
    runtimeId: "cd",
    stateVersion: 3n,
    observedAt: timestampFromDate(new Date("2026-03-01T11:59:50.250Z")),
  };
  const plain = { boot_id: "9:1", pane_id: "%7", pane_pid: 70, observed_at: "2026-03-01T12:59:50+01:00" };

  for (const [name, json, told] of [
    ["an observation", observation, seen],
    ["a listed item", item, seen],
    [
      "an observation of a pane without an agent",
      plain,
      {
        runtimeId: "",
        bootId: "9:1",
        paneId: "%7",
        panePid: 70n,
        observedAt: timestampFromDate(new Date("2026-03-01T11:59:50Z")),
      },
    ],
  ] as const) {
    it(`is ${name} that --expect gives, itself or on standard input`, async () => {
      const daemon = await serve();
      const text = JSON.stringify(json);
      await runWords(double, ["interrupt", "%1", "--expect", text]);
      await runWords(double, ["interrupt", "%1", "--expect", "-"], { input: text });
      expect(daemon.targets).toMatchObject([{ expect: told }, { expect: told }]);
      expect(daemon.targets[0]?.ref).toBe(AGENT_REF);
    });
  }

  for (const [text, says] of [
    ["{", "that is not JSON"],
    ["[]", "that is no JSON object"],
    ['{"items":[]}', "that is a whole list"],
    ["{}", "observed_at is missing"],
    ['{"observation":7}', "its observation is no JSON object"],
    ['{"observed_at":"today"}', "observed_at is no RFC 3339 time"],
    ['{"observed_at":"2026-03-01T12:00:00Z"}', "boot_id is missing"],
    ['{"observed_at":"2026-03-01T12:00:00Z","runtime_id":""}', "runtime_id is missing"],
    ['{"observed_at":"2026-03-01T12:00:00Z","runtime_id":"a"}', "state_version is no whole number"],
    ['{"observed_at":"2026-03-01T12:00:00Z","runtime_id":"a","state_version":1.5}', "state_version is no"],
    [`{"observation":${JSON.stringify(observation)},"prompt_id":5}`, "prompt_id is missing"],
  ] as const) {
    it(`is not ${text}`, async () => {
      const daemon = await serve();
      const { status, err } = await runWords(double, ["interrupt", "%1", "--expect", text]);
      expect(status).toBe(2);
      expect(err).toContain(`--expect: ${says}`);
      expect(daemon.calls).toEqual([]);
    });
  }
});
