import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { subscribeClaude } from "../../../src/server/adapters/claude/session-file.js";
import type { AgentHost, NativeSignal, RuntimeView } from "../../../src/server/adapters/contract.js";
import { FIXTURES, foldAt, type Signal } from "./story.js";

const FOLDER = join(FIXTURES, "composed-claude", "sessions");
const PATH = "/home/dev/.claude/sessions/13872.json";

const view: RuntimeView = {
  runtimeId: "r1",
  paneId: "%7",
  agentPid: 13872,
  startRaw: "60335",
  argv: ["claude"],
  cwd: "/home/dev/shop",
  title: "",
  agentSessionId: "",
};

/** A host with files in memory. What it was asked is kept. */
class MemoryHost implements AgentHost {
  readonly dial = (): Promise<never> => Promise.reject(new Error("not used"));
  readonly files = new Map<string, string>();
  readonly emitted: NativeSignal[] = [];
  readonly read: string[] = [];
  readonly looked: string[] = [];
  readonly shortfalls: (string | undefined)[] = [];
  readonly #watchers = new Map<string, (name: string) => void>();
  environmentOf: Readonly<Record<string, string>> | undefined = {};

  now(): number {
    return Date.now() * 1_000;
  }
  environment(): Promise<Readonly<Record<string, string>> | undefined> {
    return Promise.resolve(this.environmentOf);
  }
  home(): Promise<string> {
    return Promise.resolve("/home/dev");
  }
  readFile(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    this.read.push(path);
    const text = this.files.get(path);
    return Promise.resolve(text === undefined ? undefined : Buffer.from(text).subarray(0, maxBytes));
  }
  readTail(): Promise<undefined> {
    throw new Error("not asked for");
  }
  loopbackPorts(): Promise<readonly number[]> {
    throw new Error("not asked for");
  }
  watchDirectory(path: string, onChange: (name: string) => void): { close(): void } {
    this.#watchers.set(path, onChange);
    return { close: () => void this.#watchers.delete(path) };
  }
  emit(signals: readonly NativeSignal[]): void {
    this.emitted.push(...signals);
  }
  look(runtimeId: string): Promise<void> {
    this.looked.push(runtimeId);
    return Promise.resolve();
  }
  degraded(_channel: string, message: string | undefined): void {
    this.shortfalls.push(message);
  }
  write(path: string, text: string): void {
    this.files.set(path, text);
    const at = path.lastIndexOf("/");
    this.#watchers.get(path.slice(0, at))?.(path.slice(at + 1));
  }
  watched(): string[] {
    return [...this.#watchers.keys()];
  }
  statuses(): unknown[] {
    return this.emitted.map(({ transition }) => transition?.attributes?.["status"]);
  }
}

function fixture(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8");
}

function status(changes: Record<string, unknown>): string {
  return JSON.stringify({ ...(JSON.parse(fixture("sessions.busy.json")) as object), ...changes });
}

let host: MemoryHost;
beforeEach(() => {
  vi.useFakeTimers();
  host = new MemoryHost();
});
afterEach(() => {
  vi.useRealTimers();
});

async function subscribed(): Promise<ReturnType<typeof subscribeClaude>> {
  const subscription = subscribeClaude(host);
  subscription.update([view]);
  await vi.advanceTimersByTimeAsync(0);
  return subscription;
}

const expected = Object.entries(JSON.parse(fixture("_expected.json")) as Record<string, { state: string }>); // its own shape

describe("TC-015 the session file of a Claude Code", () => {
  it("has an expectation for each recorded status", () => {
    expect(expected.map(([name]) => name).sort()).toEqual(
      readdirSync(FOLDER)
        .filter((name) => !name.startsWith("_"))
        .sort(),
    );
  });

  it.each(expected)("%s gives the state that it stands for", async (name, { state }) => {
    host.files.set(PATH, fixture(name));
    await subscribed();
    const [signal] = host.emitted;
    if (signal === undefined) throw new Error("nothing was told");
    expect(signal).toMatchObject({
      runtimeId: "r1",
      source: "native",
      channel: "session_file",
      eventTime: 1_795_342_667_741_000,
      resolution: 1_000,
      agentSessionId: "5b0e7b0c-7d1f-4f0e-9a53-0f9a3c1f2b11",
    });
    const { source, channel, transition } = signal;
    const told: Signal = { surface: "session", at: 1, source, channel, transition };
    expect(foldAt([told], "session file only", 2).status.state).toBe(state);
  });

  it("is read where the agent's own environment puts it, and nothing beside it is", async () => {
    host.environmentOf = { CLAUDE_CONFIG_DIR: "/elsewhere", HOME: "/home/other" };
    await subscribed();
    host.write("/elsewhere/sessions/13872.abc.key", "a secret");
    host.write("/elsewhere/sessions/13873.json", fixture("sessions.busy.json"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(new Set(host.read)).toEqual(new Set(["/elsewhere/sessions/13872.json"]));
    expect(host.emitted).toEqual([]);
  });

  it.each([
    ["another pid", { pid: 13873 }],
    ["another start: left behind by a killed process of that pid", { procStart: "60336" }],
    ["no status yet", { status: undefined }],
    ["a status that is no text", { status: 5 }],
  ])("with %s says nothing", async (_name, changes) => {
    host.files.set(PATH, status(changes));
    await subscribed();
    expect(host.emitted).toEqual([]);
  });

  it("is told once per change, however often it is looked at", async () => {
    host.files.set(PATH, fixture("sessions.busy.json"));
    const subscription = await subscribed();
    for (let tick = 0; tick < 10; tick++) {
      subscription.tick();
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(host.statuses()).toEqual(["busy"]);
    host.write(PATH, status({ status: "waiting", waitingFor: "permission prompt" }));
    await vi.advanceTimersByTimeAsync(0);
    expect(host.statuses()).toEqual(["busy", "waiting"]);
  });

  it("that is idle for the instant between a turn and a queued one is not told of it", async () => {
    host.files.set(PATH, fixture("sessions.busy.json"));
    await subscribed();
    host.write(PATH, status({ status: "idle", statusUpdatedAt: 1_795_342_670_000 }));
    await vi.advanceTimersByTimeAsync(30);
    host.write(PATH, status({ status: "busy", statusUpdatedAt: 1_795_342_670_025 }));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(host.statuses()).toEqual(["busy", "busy"]);
  });

  it("that stays idle is told within a quarter of a second, after a look at how the turn ended", async () => {
    host.files.set(PATH, fixture("sessions.busy.json"));
    await subscribed();
    host.write(PATH, fixture("sessions.idle.json"));
    await vi.advanceTimersByTimeAsync(250);
    expect(host.statuses()).toEqual(["busy", "idle"]);
    expect(host.looked).toEqual(["r1"]);
  });

  it("that is torn by being written is read again, and one that stays torn is a shortfall, not a guess", async () => {
    host.files.set(PATH, `${fixture("sessions.busy.json")}}}`);
    await subscribed();
    host.files.set(PATH, fixture("sessions.busy.json"));
    await vi.advanceTimersByTimeAsync(25);
    expect(host.statuses()).toEqual(["busy"]);
    expect(host.shortfalls.at(-1)).toBeUndefined();
    host.write(PATH, `{"status":"idle","pid":13872,"x":"${"y".repeat(100_000)}"}`);
    await vi.advanceTimersByTimeAsync(200);
    expect(host.statuses()).toEqual(["busy"]);
    expect(host.shortfalls.at(-1)).toMatch(/cannot read .*13872.json/u);
  });

  it("is watched as long as there is a runtime to it, and no longer", async () => {
    const subscription = await subscribed();
    expect(host.watched()).toEqual(["/home/dev/.claude/sessions"]);
    subscription.update([]);
    expect(host.watched()).toEqual([]);
    subscription.update([view]);
    await vi.advanceTimersByTimeAsync(0);
    subscription.close();
    expect(host.watched()).toEqual([]);
    host.write(PATH, fixture("sessions.busy.json"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(host.emitted).toEqual([]);
  });
});
