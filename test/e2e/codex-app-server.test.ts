import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { subscribeCodex } from "../../src/server/adapters/codex/app-server.js";
import type {
  AdapterSubscription,
  AgentHost,
  NativeSignal,
  RuntimeView,
} from "../../src/server/adapters/contract.js";
import { createLocalAgentFiles } from "../../src/server/targets/local-host.js";
import { agentsInstalled } from "./lab/agent-binaries.js";
import type { AgentDriver } from "./lab/agent-driver.js";
import { type Lab, startLab } from "./lab/lab.js";
import { waitUntil } from "./lab/wait-until.js";

const START_TIMEOUT_MS = 120_000;
const SCENARIO_TIMEOUT_MS = 60_000;
const SOON_MS = 10_000;
/** From when Codex itself announced a status to when its terminal's runtime had the signal; see docs/spec.md 14. */
const SEEN_WITHIN_MS = 300;

interface Heard {
  readonly signal: NativeSignal;
  readonly atMs: number;
}

/** What the signals of one runtime say, oldest first. */
function words(heard: readonly Heard[], runtimeId: string): string[] {
  return heard.flatMap(({ signal }) => {
    const { status, end } = signal.transition?.attributes ?? {};
    if (signal.runtimeId !== runtimeId || signal.channel !== "app_server") return [];
    return [end === "" ? String(status) : `${status}/${end}`];
  });
}

describe.skipIf(!(await agentsInstalled()))("two Codex terminals in one folder, one app-server", () => {
  let lab: Lab;
  let one: AgentDriver;
  let two: AgentDriver;
  let feed: AdapterSubscription;
  let views: RuntimeView[] = [];
  const heard: Heard[] = [];
  const faults: string[] = [];
  const looks: string[] = [];
  const host: AgentHost = {
    ...createLocalAgentFiles(),
    now: () => Math.round((performance.timeOrigin + performance.now()) * 1_000),
    emit: (signals) => {
      const atMs = performance.timeOrigin + performance.now();
      heard.push(...signals.map((signal) => ({ signal, atMs })));
    },
    look: async (runtimeId) => {
      looks.push(runtimeId);
    },
    degraded: (channel, message) => {
      if (message !== undefined) faults.push(`${channel}: ${message}`);
    },
  };

  async function view(driver: AgentDriver, args: readonly string[] = []): Promise<RuntimeView> {
    const agentPid = await driver.agentPid();
    const title = await driver.title();
    const argv = ["codex", ...args];
    const place = { paneId: driver.paneId, cwd: lab.workDir, startRaw: "", agentSessionId: "" };
    return { ...place, runtimeId: driver.session, agentPid, argv, title };
  }

  /** Waits until the runtime's signals go on from `from` with exactly these words. */
  async function says(driver: AgentDriver, from: number, expected: readonly string[]): Promise<void> {
    const told = async (): Promise<true | undefined> => {
      const said = words(heard.slice(from), driver.session);
      return said.length >= expected.length ? true : undefined;
    };
    const what = `${driver.session} to say ${expected.join(", ")}`;
    await waitUntil(told, { timeoutMs: SOON_MS, what }).catch((error: unknown) => {
      throw new Error(`${String(error)}; it said ${words(heard.slice(from), driver.session).join(", ")}`);
    });
    expect(words(heard.slice(from), driver.session)).toEqual(expected);
  }

  beforeAll(async () => {
    lab = await startLab();
    one = await lab.startCodex({ session: "one" });
    two = await lab.startCodex({ session: "two", home: one.home });
    feed = subscribeCodex(host);
    views = [await view(one), await view(two)];
    feed.update(views);
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    feed?.close();
    await lab?.close();
  }, START_TIMEOUT_MS);

  it("are told apart before their first prompt", async () => {
    await says(one, 0, ["idle/none"]);
    await says(two, 0, ["idle/none"]);
    const ids = new Set(heard.map(({ signal }) => signal.agentSessionId));
    expect(ids.size).toBe(2);
  });

  it(
    "each get their own turn's course: completed, interrupted, failed, refused, answered",
    async () => {
      let from = heard.length;
      await two.prompt("hello");
      await says(two, from, ["active", "idle/completed"]);
      expect(words(heard.slice(from), "one")).toEqual([]);

      from = heard.length;
      await one.prompt("slow please");
      await says(one, from, ["active"]);
      await one.escape();
      await says(one, from, ["active", "idle/interrupted"]);

      from = heard.length;
      await one.prompt("fail400");
      await says(one, from, ["active", "system_error"]);

      from = heard.length;
      await two.prompt("run tool touch");
      await says(two, from, ["active", "waiting_approval"]);
      await two.deny();
      await says(two, from, ["active", "waiting_approval", "active", "idle/interrupted"]);

      from = heard.length;
      await one.prompt("ask question");
      await says(one, from, ["active", "waiting_input"]);
      await one.escape();
      await says(one, from, ["active", "waiting_input", "idle/interrupted"]);
      expect(words(heard.slice(from), "two")).toEqual([]);
    },
    SCENARIO_TIMEOUT_MS,
  );

  it(
    "keep a dialog apart from the one that follows it at once",
    async () => {
      const from = heard.length;
      await one.prompt("run tool two");
      await one.approve();
      await one.approve();
      await one.waitForScreen(/The tool has finished/, SOON_MS);
      await waitUntil(
        async () => (words(heard.slice(from), "one").at(-1) === "idle/completed" ? true : undefined),
        { timeoutMs: SOON_MS, what: "the turn to be over" },
      );
      const waits = words(heard.slice(from), "one").filter((word) => word === "waiting_approval");
      console.log("codex, two approvals:", words(heard.slice(from), "one").join(" "));
      expect(waits.length).toBeGreaterThanOrEqual(1);
    },
    SCENARIO_TIMEOUT_MS,
  );

  it(
    "go over to a new thread, and back to the old one when another terminal takes it up",
    async () => {
      const old = heard.findLast(({ signal }) => signal.runtimeId === "one")?.signal.agentSessionId;
      let from = heard.length;
      await one.prompt("/new");
      await says(one, from, ["idle/none"]);
      const fresh = heard.findLast(({ signal }) => signal.runtimeId === "one")?.signal.agentSessionId;
      expect(fresh).not.toBe(old);
      await one.exit();
      views = views.filter(({ runtimeId }) => runtimeId !== "one");
      feed.update(views);

      from = heard.length;
      const args = ["resume", old ?? ""];
      const three = await lab.startCodex({ session: "three", home: one.home, args });
      views = [...views, await view(three, args)];
      feed.update(views);
      await says(three, from, ["idle/completed"]);
      expect(heard.findLast(({ signal }) => signal.runtimeId === "three")?.signal.agentSessionId).toBe(old);
    },
    SCENARIO_TIMEOUT_MS,
  );

  it(
    "a terminal that runs without the daemon gets no word",
    async () => {
      const from = heard.length;
      const args = ["--no-daemon"];
      const alone = await lab.startCodex({ session: "alone", home: one.home, args });
      views = [...views, await view(alone, args)];
      feed.update(views);
      await alone.prompt("hello");
      await alone.waitForScreen(/Worked for/, SOON_MS);
      expect(words(heard.slice(from), "alone")).toEqual([]);
    },
    SCENARIO_TIMEOUT_MS,
  );

  it("every announced status reached its runtime in time, and nothing was amiss", () => {
    const lags = heard
      .filter(({ signal }) => signal.eventTime % 1_000 === 0)
      .map(({ signal, atMs }) => atMs - signal.eventTime / 1_000)
      .sort((a, b) => a - b);
    const median = lags[Math.floor(lags.length / 2)] ?? 0;
    console.log(
      `codex, app-server: ${lags.length} statuses, median ${median.toFixed(0)} ms after Codex announced them`,
    );
    console.log(`  slowest: ${(lags.at(-1) ?? 0).toFixed(0)} ms (idle waits 120 ms for a queued turn)`);
    expect(lags.length).toBeGreaterThan(8);
    expect(lags.at(-1)).toBeLessThan(SEEN_WITHIN_MS);
    expect(faults).toEqual([]);
    expect(looks).toEqual([]);
  });
});
