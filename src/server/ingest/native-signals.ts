import { randomUUID } from "node:crypto";
import type { NativeSignal } from "../adapters/contract.js";
import { type AttributeValue, DAEMON_TRANSITIONS } from "../engine/event.js";
import type { Micros } from "../engine/state.js";
import type { LiveRuntime } from "./live-runtime.js";
import type { PreparedEvent } from "./prepared-event.js";
import { cleanLine, opaqueId, redact } from "./redact.js";

/** An event of a runtime that the daemon itself read off the agent, its screen or the process table. */
export function fromNative(signal: NativeSignal, runtime: LiveRuntime): PreparedEvent {
  const { targetId, agentType } = runtime.record;
  return {
    eventId: randomUUID(),
    eventType: cleanLine(signal.eventType, 128),
    agentType,
    source: signal.source,
    channel: signal.channel,
    dedupeKey: opaqueId(signal.dedupeKey, 256),
    sourceEventId: "",
    eventTime: signal.eventTime,
    resolution: signal.resolution,
    spooled: false,
    hints: { agentType, runtimeId: signal.runtimeId, targetIds: [targetId], parentPids: [] },
    transition: signal.transition === undefined ? undefined : redact(signal.transition),
    agentSessionId: signal.agentSessionId === undefined ? undefined : opaqueId(signal.agentSessionId, 128),
  };
}

/** An event that the daemon makes of its own facts: staleness, demotion, target health, a stopped process. */
export function fromDaemon(
  runtime: LiveRuntime,
  kind: keyof typeof DAEMON_TRANSITIONS,
  eventType: string,
  now: Micros,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): PreparedEvent {
  const { targetId, agentType, runtimeId } = runtime.record;
  const eventId = randomUUID();
  const process = kind === "suspended" || kind === "resumed";
  return {
    eventId,
    eventType,
    agentType,
    source: process ? "poller" : "reconciler",
    channel: process ? "process" : "",
    dedupeKey: eventId,
    sourceEventId: "",
    eventTime: now,
    resolution: 1,
    spooled: false,
    hints: { agentType, runtimeId, targetIds: [targetId], parentPids: [] },
    transition: { kind: DAEMON_TRANSITIONS[kind], attributes },
  };
}

/** An event that tells of an action on a runtime. It has no meaning to the fold: what an action does, the agent shows. */
export function fromAction(
  runtime: LiveRuntime,
  {
    actionId,
    eventType,
    now,
  }: { readonly actionId: string; readonly eventType: string; readonly now: Micros },
): PreparedEvent {
  const { targetId, agentType, runtimeId } = runtime.record;
  const eventId = randomUUID();
  return {
    eventId,
    eventType,
    agentType,
    source: "action",
    channel: "",
    dedupeKey: eventId,
    sourceEventId: "",
    eventTime: now,
    resolution: 1,
    spooled: false,
    hints: { agentType, runtimeId, targetIds: [targetId], parentPids: [] },
    actionId,
  };
}
