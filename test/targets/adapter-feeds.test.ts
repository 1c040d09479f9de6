import { describe, expect, it } from "vitest";
import type { AgentHost, NativeSignal } from "../../src/server/adapters/contract.js";
import { ADAPTERS } from "../../src/server/adapters/registry.js";
import { AdapterFeeds } from "../../src/server/targets/adapter-feeds.js";
import { createLocalAgentFiles } from "../../src/server/targets/local-host.js";

const VIEW = {
  runtimeId: "r",
  paneId: "%1",
  agentPid: 1,
  startRaw: "1",
  argv: [],
  cwd: "/",
  title: "",
  agentSessionId: "",
};

/** Feeds of one adapter that does nothing by itself, and what comes out of them. */
function lab(ahead: number) {
  const hosts: AgentHost[] = [];
  const emitted: NativeSignal[] = [];
  const degraded: (string | undefined)[] = [];
  const [first] = ADAPTERS;
  if (first === undefined) throw new Error("no adapter");
  const { readTitle: _titles, ...rest } = first;
  const adapter = {
    ...rest,
    subscribe: (host: AgentHost) => {
      hosts.push(host);
      return { update: () => undefined, tick: () => undefined, close: () => undefined };
    },
  };
  const events = {
    emit: async (signals: readonly NativeSignal[]) => void emitted.push(...signals),
    look: async () => undefined,
    degraded: (_agent: string, _channel: string, message: string | undefined) => degraded.push(message),
  };
  const feeds = new AdapterFeeds(
    [adapter],
    createLocalAgentFiles(),
    () => 1_000,
    events,
    () => ahead,
  );
  const update = (): Promise<void> => feeds.update([{ agentType: adapter.agentType, view: VIEW }]);
  return { feeds, update, hosts, emitted, degraded };
}

describe("the feeds of a target", () => {
  it("have adapters live by their host's clock, and tell their signals by the daemon's", async () => {
    const { update, hosts, emitted } = lab(600);
    await update();
    const [host] = hosts;
    expect(host?.now()).toBe(1_600);
    const signal = { runtimeId: "r", source: "native", channel: "c", eventType: "e" } as const;
    host?.emit([{ ...signal, eventTime: 1_599, resolution: 1, dedupeKey: "k" }]);
    expect(emitted).toMatchObject([{ eventTime: 999, dedupeKey: "k" }]);
  });

  it("subscribe anew after a reread, and hear no complaint of what was being read before", async () => {
    const { feeds, update, hosts, degraded } = lab(0);
    await update();
    feeds.reread();
    hosts[0]?.degraded("c", "the connection is gone");
    expect(degraded).toEqual([]);
    await update();
    expect(hosts).toHaveLength(2);
    hosts[1]?.degraded("c", "cannot read");
    expect(degraded).toEqual(["cannot read"]);
  });
});
