import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { SignalSource } from "../../gen/agtmux/v1/common_pb.js";
import { EventEnvelopeSchema } from "../../gen/agtmux/v1/ingest_pb.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { DEFAULTS } from "../../src/server/config.js";
import { type Intake, prepare } from "../../src/server/ingest/envelope.js";
import { JournalLab, runtimeRecord, START } from "./journal-harness.js";
import { SECRETS } from "./secrets.js";

const registry = new AdapterRegistry();
const intake: Intake = {
  adapter: (agentType) => registry.find(agentType),
  ancestors: (_adapter, pids) => pids,
  maxPayloadBytes: DEFAULTS.hookPayloadBytes,
};
const FIXTURES = join(import.meta.dirname, "..", "fixtures");

interface Recorded {
  readonly event: string;
  readonly payload: unknown;
}

/** Every recorded and every composed payload of Claude Code. */
function payloads(): Recorded[] {
  const hooks = join(FIXTURES, "composed-claude", "hooks");
  const composed = readdirSync(hooks)
    .filter((name) => !name.startsWith("_"))
    .map((name) => ({
      event: name.split(".")[0] ?? "",
      payload: JSON.parse(readFileSync(join(hooks, name), "utf8")) as unknown,
    }));
  const folder = join(FIXTURES, "claude", "hooks");
  const recorded = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as Recorded); // the fixture's own shape
  return [...composed, ...recorded];
}

/** What may be stored of a payload; every other text in it is somebody's. */
const PUBLIC = new Set([
  "session_id",
  "cwd",
  "prompt_id",
  "hook_event_name",
  "tool_name",
  "notification_type",
  "source",
  "reason",
  "trigger",
  "error",
  "type",
  "status",
  "agent_type",
  "agent_id",
]);

let planted = 0;

/** The payload with a marker in every text that is not public, and a secret in every one that is. */
function withPlants(value: unknown, name: string, plants: string[]): unknown {
  if (typeof value === "string") {
    planted += 1;
    if (PUBLIC.has(name)) return value;
    const marker = `PLANTED${planted}MARKER`;
    plants.push(marker);
    return `${value} ${marker}`;
  }
  if (Array.isArray(value)) return value.map((entry) => withPlants(entry, name, plants));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, withPlants(entry, key, plants)]),
  );
}

function withSecret(payload: unknown, secret: string): unknown {
  if (payload === null || typeof payload !== "object" || Array.isArray(payload)) return payload;
  const texts = Object.entries(payload).map(([key, entry]) => [
    key,
    typeof entry === "string" ? secret : entry,
  ]);
  return { ...Object.fromEntries(texts), prompt: secret, tool_name: secret, extra: secret };
}

function everythingOnDisk(lab: JournalLab): Buffer {
  const files = readdirSync(lab.directory).map((name) => readFileSync(join(lab.directory, name)));
  return Buffer.concat(files);
}

function envelope(index: number, { event, payload }: Recorded, paneId: string) {
  return create(EventEnvelopeSchema, {
    eventId: `8c8ab2c4-0000-4000-8000-${String(index).padStart(12, "0")}`,
    eventType: event,
    agentType: "claude",
    source: index % 3 === 0 ? SignalSource.NOTIFY : SignalSource.HOOK,
    eventTimeUnixNs: BigInt(START + index) * 1_000n,
    paneId,
    rawPayload: Buffer.from(JSON.stringify(payload)),
  });
}

describe("TC-011 TC-050 the database and its write-ahead log", () => {
  it("hold no prompt, tool input, output, message or secret of any payload, bound, waiting or dropped", () => {
    const lab = new JournalLab(undefined, 1_000);
    try {
      lab.open(runtimeRecord());
      const plants: string[] = [];
      const all = payloads();
      expect(all.length).toBeGreaterThan(400);
      const marked = all.map(({ event, payload }) => ({ event, payload: withPlants(payload, "", plants) }));
      const poisoned = SECRETS.flatMap((secret, index) =>
        all
          .slice(index, index + 50)
          .map(({ event, payload }) => ({ event, payload: withSecret(payload, secret) })),
      );
      let taken = 0;
      for (let at = 0; at < marked.length + poisoned.length; at += 100) {
        lab.journal.transaction(() => {
          [...marked, ...poisoned].slice(at, at + 100).forEach((recorded, offset) => {
            const index = at + offset;
            // Two thirds bind at once, the others wait in the inbox.
            const made = prepare(envelope(index + 1, recorded, index % 3 === 2 ? "%9" : "%1"), intake);
            if (made.kind === "event") lab.journal.accept(made.event, START + index);
            taken += 1;
          });
        });
      }
      expect(taken).toBe(marked.length + poisoned.length);
      const check = (): void => {
        const bytes = everythingOnDisk(lab);
        expect(plants.length).toBeGreaterThan(1_000);
        expect(bytes.toString("latin1").match(/PLANTED\d+MARKER/gu) ?? []).toEqual([]);
        expect(SECRETS.filter((secret) => bytes.includes(secret))).toEqual([]);
        expect(SECRETS.filter((secret) => bytes.includes(JSON.stringify(secret).slice(1, -1)))).toEqual([]);
        for (const word of ["hunter2", "rm -rf build", "hello there", "run tool touch", "mock model"]) {
          expect([word, bytes.includes(word)]).toEqual([word, false]);
        }
      };
      check();
      lab.retryInbox(START + 10 ** 9);
      check();
      lab.restart();
      check();
      // The same look does find what may be there.
      expect(everythingOnDisk(lab).includes('"kind":"permission"')).toBe(true);
    } finally {
      lab.close();
    }
  });
});
