import { expect, it, vi } from "vitest";
import type { AgentHost, NativeSignal, RuntimeView } from "../../src/server/adapters/contract.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { AdapterFeeds } from "../../src/server/targets/adapter-feeds.js";
import { createLocalAgentFiles } from "../../src/server/targets/local-host.js";

it("after signals were dropped every channel is subscribed to anew, and every title told again", async () => {
  const claude = new AdapterRegistry().find("claude");
  if (claude === undefined) throw new Error("the registry has no claude");
  const hosts: AgentHost[] = [];
  const close = vi.fn();
  const adapter = {
    ...claude,
    readTitle: (title: string) => ({ kind: "title", attributes: { title } }),
    subscribe: (host: AgentHost) => {
      hosts.push(host);
      return { update: () => undefined, tick: () => undefined, close };
    },
  };
  const emitted: NativeSignal[] = [];
  const feeds = new AdapterFeeds([adapter], createLocalAgentFiles(), () => 1, {
    emit: (signals) => {
      emitted.push(...signals);
      return Promise.resolve();
    },
    look: () => Promise.resolve(),
    degraded: () => undefined,
  });
  const view: RuntimeView = {
    runtimeId: "r1",
    paneId: "%1",
    agentPid: 1,
    startRaw: "1",
    argv: [],
    cwd: "/",
    title: "working",
    agentSessionId: "",
  };
  const seen = [{ agentType: "claude", view }];
  await feeds.update(seen);
  await feeds.update(seen);
  expect([hosts.length, emitted.length]).toEqual([1, 1]);
  feeds.reread();
  expect(close).toHaveBeenCalledTimes(1);
  await feeds.update(seen);
  expect([hosts.length, emitted.length]).toEqual([2, 2]);
  expect(emitted[1]).toMatchObject({ runtimeId: "r1", channel: "title" });
  feeds.close();
});
