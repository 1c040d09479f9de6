import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { SignalSource } from "../../gen/agtmux/v1/common_pb.js";
import { EventEnvelopeSchema } from "../../gen/agtmux/v1/ingest_pb.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { DEFAULTS } from "../../src/server/config.js";
import { type Intake, type Origin, prepare } from "../../src/server/ingest/envelope.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";

const registry = new AdapterRegistry();
const AT = 1_700_000_000_000_000;
const EVENT_ID = "8c8ab2c4-0000-4000-8000-000000000001";

function taken(origin: Origin | undefined): PreparedEvent {
  const intake: Intake = {
    adapter: (agentType) => registry.find(agentType),
    ancestors: (_adapter, pids) => pids,
    maxPayloadBytes: DEFAULTS.hookPayloadBytes,
    origin,
  };
  const envelope = create(EventEnvelopeSchema, {
    eventId: EVENT_ID,
    eventType: "Stop",
    agentType: "claude",
    source: SignalSource.HOOK,
    eventTimeUnixNs: BigInt(AT) * 1_000n,
    eventTimeResolutionNs: 1n,
    startHintUnixNs: BigInt(AT - 5) * 1_000n,
    tmux: { socketPath: "/tmp/tmux-1/default", serverPid: 7n },
    paneId: "%1",
    actionId: "a-1",
    rawPayload: Buffer.from('{"session_id":"5b0e7b0c"}'),
  });
  const prepared = prepare(envelope, intake);
  if (prepared.kind !== "event") throw new Error("foreign");
  return prepared.event;
}

describe("an event of another host", () => {
  it("has its times corrected by what that host's clock is ahead or behind", () => {
    for (const clockOffset of [90_000_000, -90_000_000]) {
      const { eventTime, hints } = taken({ targetId: "vm1", clockOffset });
      expect([eventTime, hints.eventTime, hints.startHint]).toEqual([
        AT - clockOffset,
        AT - clockOffset,
        AT - 5 - clockOffset,
      ]);
    }
  });

  it("TC-066 is its target's, whatever it says, and belongs to no action of this daemon", () => {
    const { hints, actionId } = taken({ targetId: "vm1", clockOffset: 0 });
    expect(hints.targetIds).toEqual(["vm1"]);
    expect(actionId).toBeUndefined();
    const local = taken(undefined);
    expect([local.hints.targetIds, local.actionId]).toEqual([undefined, "a-1"]);
  });

  it("TC-066 has an id that no other target's event can have, and the same one each time", () => {
    const vm1 = taken({ targetId: "vm1", clockOffset: 0 }).eventId;
    const vm2 = taken({ targetId: "vm2", clockOffset: 0 }).eventId;
    expect(new Set([vm1, vm2, EVENT_ID]).size).toBe(3);
    expect(vm1).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/u);
    expect(taken({ targetId: "vm1", clockOffset: 5 }).eventId).toBe(vm1);
    expect(taken(undefined).eventId).toBe(EVENT_ID);
  });
});
