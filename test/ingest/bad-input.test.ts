import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventEnvelopeSchema } from "../../gen/agtmux/v1/ingest_pb.js";
import { ErrorCode, IngestStatus, SignalSource } from "../../src/client/index.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { Ingestor } from "../../src/server/api/ingest-service.js";
import { DEFAULTS } from "../../src/server/config.js";
import { GroupCommit } from "../../src/server/ingest/group-commit.js";
import { exchange } from "../api/raw-http.js";
import { type FakeAgent, Scene } from "../daemon/support/scene.js";
import { TestDaemon } from "../support/daemon.js";
import { type EnvelopeFields, hookEvent, nowNs } from "../support/hook-event.js";
import { SEED } from "../support/property.js";
import { JournalLab, runtimeRecord, START } from "./journal-harness.js";

const FIELDS: readonly string[] = EventEnvelopeSchema.fields.map(({ name }) => name);
const NESTED = ["tmux.socket_path", "tmux.server_pid"];
const LAST = 2n ** 63n - 1n;

describe("TC-068 hostile envelopes", () => {
  const hostileText = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300, size: "max" }),
    fc.constantFrom(
      "",
      "\0",
      "\ud800",
      "a\udfff",
      "\u001b]0;x\u0007",
      "\u202e",
      "x".repeat(70_000),
      "%0;kill-server",
    ),
    fc.constantFrom(
      "%1",
      "claude",
      "codex",
      "Stop",
      "__proto__",
      "constructor",
      "8c8ab2c4-0000-4000-8000-00000000ffff",
    ),
  );
  const hostileNumber = fc.oneof(
    fc.constantFrom(0n, 1n, -1n, 2n ** 31n, 2n ** 53n, -(2n ** 63n), LAST, BigInt(START) * 1_000n),
    fc.bigInt({ min: -(2n ** 63n), max: LAST }),
  );
  const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    fc.option(value, { nil: undefined });
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc.json({ maxDepth: 8 }).map((text) => Buffer.from(text)),
    hostileText.map((text) => Buffer.from(JSON.stringify({ session_id: text, cwd: text, prompt_id: text }))),
    fc.constantFrom(Buffer.from("[".repeat(100_000)), Buffer.alloc(400_000, 0x7b)),
  );
  const hostile = fc.record(
    {
      eventId: hostileText,
      eventType: hostileText,
      agentType: hostileText,
      source: fc.integer({ min: -2, max: 12 }),
      channel: hostileText,
      dedupeKey: hostileText,
      sourceEventId: hostileText,
      sourceSeq: maybe(hostileNumber),
      eventTimeUnixNs: hostileNumber,
      eventTimeResolutionNs: hostileNumber,
      spooled: fc.boolean(),
      runtimeId: hostileText,
      tmux: maybe(fc.record({ socketPath: hostileText, serverPid: hostileNumber })),
      paneId: hostileText,
      agentSessionId: hostileText,
      cwd: hostileText,
      pid: maybe(hostileNumber),
      parentPids: fc.array(hostileNumber, { maxLength: 40 }),
      startHintUnixNs: maybe(hostileNumber),
      actionId: hostileText,
      rawPayload: payload,
      truncated: fc.boolean(),
    },
    // One or two of these on top of a good event: a mess would be refused for its first field alone.
    { requiredKeys: [] },
  );
  const some = fc
    .tuple(
      hostile,
      fc.shuffledSubarray(Object.keys(EventEnvelopeSchema.field), { minLength: 1, maxLength: 3 }),
    )
    .map(([all, names]) => Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name))));

  it("are each taken or refused with a code and a field's name, cost their neighbours nothing, and store little", async () => {
    const lab = new JournalLab(undefined, 1_000);
    try {
      const record = runtimeRecord({ startedAt: START - 60_000_000 });
      lab.open(record);
      const registry = new AdapterRegistry();
      let now = START;
      const ingestor = new Ingestor({
        journal: lab.journal,
        commit: new GroupCommit(lab.journal, () => now),
        maxEvents: 1_000,
        now: () => now,
        intake: {
          adapter: (agentType) => registry.find(agentType),
          ancestors: (_adapter, pids) => pids,
          maxPayloadBytes: DEFAULTS.hookPayloadBytes,
        },
      });
      let sent = 0;
      const good = () => {
        sent += 1;
        return {
          eventId: `8c8ab2c4-0000-4000-8000-${String(sent).padStart(12, "0")}`,
          eventType: "PreToolUse",
          agentType: "claude",
          source: SignalSource.HOOK,
          eventTimeUnixNs: BigInt(now) * 1_000n,
          paneId: "%1",
        };
      };
      const seen = { taken: 0, refused: new Set<string>() };
      const property = fc.asyncProperty(fc.array(some, { minLength: 1, maxLength: 5 }), async (batch) => {
        now += 1_000;
        const bad = batch.map((fields) => ({ ...good(), ...fields }));
        const sandwich = [good(), ...bad, good()].map((fields) => create(EventEnvelopeSchema, fields));
        const results = await ingestor.ingest(sandwich);
        expect(results).toHaveLength(sandwich.length);
        for (const end of [results[0], results.at(-1)]) {
          expect(end).toMatchObject({ status: IngestStatus.ACCEPTED, runtimeId: record.runtimeId });
        }
        for (const { status, code, reason, eventId } of results) {
          expect(eventId.length).toBeLessThanOrEqual(64);
          expect(status).not.toBe(IngestStatus.UNSPECIFIED);
          if (status !== IngestStatus.REJECTED) {
            seen.taken += 1;
            continue;
          }
          expect(code).toBe(ErrorCode.E_INVALID_ARGUMENT);
          const [field = ""] = reason.split(":");
          expect([...FIELDS, ...NESTED]).toContain(field);
          seen.refused.add(field);
        }
      });
      await fc.assert(property, { seed: SEED, numRuns: 300 });
      expect(seen.taken).toBeGreaterThan(300);
      const never = ["truncated", "raw_payload", "tmux"];
      expect(FIELDS.filter((field) => !seen.refused.has(field) && !never.includes(field))).toEqual([]);
      const db = lab.connect();
      const longest = db.prepare("SELECT max(length(event)) FROM event_inbox").pluck().get();
      const transition = db.prepare("SELECT max(length(transition)) FROM events").pluck().get();
      db.close();
      expect(Number(longest)).toBeLessThan(16_384);
      expect(Number(transition)).toBeLessThan(4_096);
      // What was stored can be read again.
      lab.restart();
      expect(lab.runtime(record.runtimeId).fold.count).toBeGreaterThan(300);
    } finally {
      lab.close();
    }
  });
});

describe("on a real daemon", () => {
  let scene: Scene;
  let agent: FakeAgent;
  let runtimeId: string;
  beforeAll(async () => {
    scene = await Scene.start();
    agent = scene.agent("new-session", "-d", "-s", "work");
    const pane = await scene.untilPane("the agent", ({ agent: found }) => found !== undefined);
    runtimeId = pane.agent?.runtimeId ?? "";
  });
  afterAll(async () => {
    await scene.close();
  });

  const where = (): EnvelopeFields => ({ paneId: agent.paneId, parentPids: [BigInt(agent.pid)] });
  const json = (fields: object = {}): object => ({
    eventId: crypto.randomUUID(),
    eventType: "PreToolUse",
    agentType: "claude",
    source: "SIGNAL_SOURCE_HOOK",
    eventTimeUnixNs: String(nowNs()),
    paneId: agent.paneId,
    parentPids: [String(agent.pid)],
    ...fields,
  });

  /** Posts a body as it stands. */
  async function post(body: string | Buffer): Promise<{ status: number; body: string }> {
    const bytes = Buffer.from(body);
    const head = [
      "POST /agtmux.v1.IngestService/IngestEvents HTTP/1.1",
      "host: localhost",
      "content-type: application/json",
      `content-length: ${bytes.length}`,
    ];
    const answer = await exchange(
      scene.daemon.socketPath,
      Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), bytes]),
    );
    return { status: answer.status, body: answer.body.toString() };
  }

  /** The daemon answers the next call, and takes the next event. */
  async function unharmed(): Promise<void> {
    const { results } = await scene.client.ingest.ingestEvents({
      events: [hookEvent("PreToolUse", {}, where())],
    });
    expect(results).toMatchObject([{ status: IngestStatus.ACCEPTED, runtimeId }]);
    const { events } = await scene.client.events.listEvents({ limit: 1_000 });
    expect(events.length).toBeGreaterThan(0);
    expect((await scene.client.daemon.getHealth({})).pid).toBe(BigInt(scene.daemon.child.pid ?? 0));
  }

  const WRONG: readonly (readonly [string, unknown])[] = [
    ...[
      "eventId",
      "eventType",
      "agentType",
      "channel",
      "dedupeKey",
      "sourceEventId",
      "runtimeId",
      "paneId",
    ].flatMap((field) => [[field, 5] as const, [field, {}] as const, [field, ["a"]] as const]),
    ...["agentSessionId", "cwd", "actionId"].flatMap((field) => [
      [field, true] as const,
      [field, 1.5] as const,
    ]),
    ...["sourceSeq", "eventTimeUnixNs", "eventTimeResolutionNs", "pid", "startHintUnixNs"].flatMap((field) =>
      // Year 9999 in nanoseconds is past what 64 bits hold.
      ["NaN", "Infinity", "-Infinity", "1e400", "", "253402300799000000000", 1.5, true, {}, []].map(
        (value) => [field, value] as const,
      ),
    ),
    ["source", {}],
    ["spooled", "yes"],
    ["truncated", 1],
    ["tmux", "socket"],
    ["tmux", { serverPid: "one" }],
    ["tmux", { socketPath: 5 }],
    ["parentPids", "5"],
    ["parentPids", ["NaN"]],
    ["parentPids", [null]],
    ["rawPayload", "no base64 %%"],
    ["rawPayload", { a: 1 }],
  ];

  it("TC-018 a field of another type is the whole call's E_INVALID_ARGUMENT: nothing of it is taken, the next is", async () => {
    const events = async () => (await scene.client.events.listEvents({ limit: 1_000 })).events.length;
    const before = await events();
    for (const [field, value] of WRONG) {
      const answer = await post(JSON.stringify({ events: [json(), json({ [field]: value }), json()] }));
      expect([field, value, answer.status]).toEqual([field, value, 400]);
      expect(answer.body).toContain('"invalid_argument"');
      expect(answer.body).toContain("agtmux.v1.ErrorDetail");
    }
    expect(await events()).toBe(before);
    await unharmed();
  });

  it.each<[string, string | Buffer]>([
    ["no JSON", "{"],
    ["nothing", ""],
    ["no UTF-8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ["a list", "[]"],
    ["a number that is none", '{"events":[{"pid":NaN}]}'],
    ["nested a hundred thousand deep", `${'{"events":['.repeat(100_000)}`],
    ["an event that is none", '{"events":[null]}'],
    ["events that are no list", '{"events":{"eventId":"x"}}'],
  ])("TC-018 a body that is %s is E_INVALID_ARGUMENT", async (_name, body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    await unharmed();
  });

  const STORED_TEXTS = [
    "eventType",
    "channel",
    "dedupeKey",
    "sourceEventId",
    "agentSessionId",
    "actionId",
    "paneId",
    "runtimeId",
  ];

  it("TC-068 control characters are refused, event by event, where they may not stand, and are gone where they may", async () => {
    const marks = ["a\u0000b", "\u001b[31m", "\u202ex", "x\u007f", "\u0085"];
    const bad = STORED_TEXTS.flatMap((field) => marks.map((text) => ({ field, text })));
    // A source that a later version may know.
    bad.push({ field: "source", text: "SIGNAL_SOURCE_NOBODY" });
    const events = [json(), ...bad.map(({ field, text }) => json({ [field]: text })), json()];
    const answer = await post(JSON.stringify({ events }));
    expect(answer.status).toBe(200);
    // The answer's own shape.
    const { results } = JSON.parse(answer.body) as { results: { status: string; reason?: string }[] };
    expect([results[0]?.status, results.at(-1)?.status]).toEqual(Array(2).fill("INGEST_STATUS_ACCEPTED"));
    const names = new Map(EventEnvelopeSchema.fields.map(({ jsonName, name }) => [jsonName, name]));
    for (const [index, { field }] of bad.entries()) {
      const result = results[index + 1];
      expect([result?.status, result?.reason?.split(":")[0]]).toEqual([
        "INGEST_STATUS_REJECTED",
        names.get(field),
      ]);
    }
    const path = "/w\u0007\u001b[2J\u202e";
    const paths = json({ cwd: path, tmux: { socketPath: path, serverPid: "0" }, paneId: "%77" });
    expect((await post(JSON.stringify({ events: [paths] }))).body).toContain("INGEST_STATUS_PENDING_BIND");
    await unharmed();
  });

  it("TC-068 a lone surrogate is no text: the call that holds one is E_INVALID_ARGUMENT, and nothing of it is taken", async () => {
    for (const field of [...STORED_TEXTS, "cwd", "eventId", "agentType"]) {
      // It goes out as an escape, for UTF-8 has no way to write it.
      const answer = await post(JSON.stringify({ events: [json(), json({ [field]: "a\ud800" })] }));
      expect([field, answer.status]).toEqual([field, 400]);
      expect(answer.body).toContain('"invalid_argument"');
    }
    await unharmed();
  });

  it("TC-068 no time is too early or too late to be answered for, stored, listed and read by the next daemon", async () => {
    const times: readonly [string, bigint][] = [
      ["the first nanosecond of 1970", 1n],
      ["a year ago", nowNs() - 365n * 86_400n * 10n ** 9n],
      ["tomorrow", nowNs() + 86_400n * 10n ** 9n],
      ["the first past 2^53 microseconds", (2n ** 53n + 1n) * 1_000n],
      ["the last that 64 bits hold, of the year 2262", LAST],
    ];
    const sent = times.map(([, eventTimeUnixNs]) =>
      hookEvent(
        "PreToolUse",
        {},
        {
          ...where(),
          eventTimeUnixNs,
          eventTimeResolutionNs: eventTimeUnixNs === LAST ? LAST : 1n,
          startHintUnixNs: undefined,
        },
      ),
    );
    const { results } = await scene.client.ingest.ingestEvents({ events: sent });
    expect(results.map(({ status }) => status)).toEqual(times.map(() => IngestStatus.ACCEPTED));
    const listed = async (): Promise<readonly (string | bigint)[][]> => {
      const { events } = await scene.client.events.listEvents({ filter: { runtimeId }, limit: 1_000 });
      return sent.map(({ eventId }) => {
        const event = events.find((one) => one.eventId === eventId);
        // Live events too far from the daemon's clock count from when they came.
        expect(event?.effectiveAt).toEqual(event?.ingestedAt);
        return [eventId ?? "", event?.eventTime?.seconds ?? "not listed"];
      });
    };
    const before = await listed();
    for (const [index, [, time]] of times.entries()) {
      expect([Number(before[index]?.[1]), Number(time / 10n ** 9n)]).toEqual(
        Array(2).fill(Number(time / 10n ** 9n)),
      );
    }
    await unharmed();
    for (const [name, value] of [
      ["before 1970", -1n],
      ["the year 1", (-62_135_596_800n * 10n ** 9n) / 10n],
    ] as const) {
      const [result] = (
        await scene.client.ingest.ingestEvents({
          events: [hookEvent("Stop", {}, { ...where(), eventTimeUnixNs: value })],
        })
      ).results;
      expect([name, result?.status, result?.reason.split(":")[0]]).toEqual([
        name,
        IngestStatus.REJECTED,
        "event_time_unix_ns",
      ]);
    }
    await scene.daemon.end();
    Object.assign(scene, { daemon: await TestDaemon.start({ stateDir: scene.daemon.root }) });
    await scene.untilPane("the agent again", (pane) => pane.agent?.runtimeId === runtimeId);
    expect(await listed()).toEqual(before);
    await unharmed();
  });
});
