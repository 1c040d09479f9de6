import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IngestEventsRequestSchema, type Pane, SignalSource } from "../../src/client/index.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { exchange } from "../api/raw-http.js";
import { startOf } from "../daemon/support/scene.js";
import { SECRETS } from "../ingest/secrets.js";
import { type EnvelopeFields, hookEvent } from "../support/hook-event.js";
import { PrivacyScene, SCREEN_SECRET } from "./privacy-scene.js";
import { type Recorded, recordedPayloads } from "./recorded-payloads.js";
import { stateFiles } from "./state-files.js";

/** Fields of a payload that may be stored: ids, places, names of tools, and words out of a list of the agent's. */
const STORED_OF_A_PAYLOAD = [
  "cwd",
  "error",
  "prompt_id",
  "reason",
  "session_id",
  "source",
  "thread-id",
  "tool_name",
  "trigger",
  "turn-id",
  "turn_id",
];

/** Texts of an envelope that may be stored. */
const STORED_OF_AN_ENVELOPE = [
  "envelope.action_id",
  "envelope.agent_session_id",
  "envelope.channel",
  "envelope.cwd",
  "envelope.dedupe_key",
  "envelope.event_type",
  "envelope.source_event_id",
  "envelope.tmux.socket_path",
];

/** Of the session file that Claude Code writes. */
const STORED_OF_A_SESSION_FILE = ["session.sessionId"];

/** A directory's name is stored whatever its words are. */
const STORED = [
  "prose in cwd",
  ...STORED_OF_A_PAYLOAD,
  ...STORED_OF_AN_ENVELOPE,
  ...STORED_OF_A_SESSION_FILE,
];

/** Fields whose values decide what a signal means; with another value it would mean nothing. */
const DECISIVE = new Set([
  "cursor_version",
  "hook_event_name",
  "notification_type",
  "reason",
  "source",
  "status",
  "tool_name",
  "trigger",
  "type",
]);

const recorded = recordedPayloads();
let lab: PrivacyScene;

/** A screen with a permission dialog about a planted command. */
function dialog(): string {
  const file = join(
    import.meta.dirname,
    "..",
    "fixtures",
    "claude",
    "screens",
    "claude",
    "approve-asking.txt",
  );
  const screen = readFileSync(file, "utf8").split("-- screen\n")[1] ?? "";
  const command = ` curl -H "Authorization: Bearer hunter2hunter2" ${lab.canaries.plant("dialog")}`;
  return screen.trimEnd().replaceAll(" touch $LAB/work/made-by-agent.txt", command);
}

beforeAll(async () => {
  lab = await PrivacyScene.start();
  await lab.startAgent("ended", "claude", "");
  await lab.endAgent("ended");
  for (const type of ["claude", "codex"]) {
    await lab.startAgent(type, type, `${lab.canaries.plant("screen")} ${SCREEN_SECRET}\n`);
  }
  await lab.startAgent("asking", "claude", dialog());
});
afterAll(async () => {
  await lab.close();
});

/** Nothing but what may be is on disk, and no secret. */
function expectNothingMore(): void {
  const { canaries, secrets } = lab.onDisk();
  expect(canaries.filter((what) => !STORED.includes(what))).toEqual([]);
  expect(secrets).toEqual([]);
}

/** The payload with a secret in each of its texts. */
function poisoned(payload: unknown, secret: string): unknown {
  if (typeof payload === "string") return secret;
  if (Array.isArray(payload)) return payload.map((entry) => poisoned(entry, secret));
  if (payload === null || typeof payload !== "object") return payload;
  const texts = Object.entries(payload).map(([name, value]) => [name, poisoned(value, secret)]);
  const encoded = Buffer.from(secret).toString("base64");
  return {
    ...Object.fromEntries(texts),
    tool_name: secret,
    prompt: `${secret} and ${encoded}`,
    env: { KEY: secret },
  };
}

/** Every event type of every agent: those that were recorded, those that its hooks are installed for, an unheard one. */
function everyEventType(): Recorded[] {
  const payload = {
    session_id: "s",
    cwd: "/w",
    prompt: "p",
    tool_name: "Bash",
    tool_input: { command: "c" },
    message: "m",
  };
  return new AdapterRegistry().adapters.flatMap(({ agentType, hooks }) => {
    const known = recorded.filter((one) => one.agentType === agentType).map(({ eventType }) => eventType);
    const planned = hooks?.entries.map(({ event }) => event) ?? [];
    return [...new Set([...known, ...planned, "Unheard"])].flatMap((eventType) =>
      [
        SignalSource.HOOK,
        SignalSource.NOTIFY,
        SignalSource.WRAPPER,
        SignalSource.NATIVE,
        SignalSource.POLLER,
      ].map((source) => ({ agentType, eventType, source, payload })),
    );
  });
}

describe("TC-011 TC-050 the state directory of a daemon that logs all it can holds", () => {
  it("of recorded payloads exactly the fields that may be stored, bound, waiting or dropped", async () => {
    expect(recorded.length).toBeGreaterThan(650);
    const behind = recorded.map((one, index) => {
      const how = (field: string) => (DECISIVE.has(field) ? "leave" : "behind");
      return lab.event(one, lab.canaries.inTexts(one.payload, how), index);
    });
    const instead = recorded.map((one, index) =>
      lab.event(
        one,
        lab.canaries.inTexts(one.payload, () => "instead"),
        index,
      ),
    );
    const counts = await lab.send([...behind, ...instead]);
    for (const status of ["ACCEPTED", "PENDING_BIND", "DROPPED"]) expect(counts[status]).toBeGreaterThan(300);
    expect(lab.canaries.count).toBeGreaterThan(5_000);
    const { canaries, secrets } = lab.onDisk();
    expect(canaries).toEqual(STORED_OF_A_PAYLOAD);
    expect(secrets).toEqual([]);
  });

  it("of a field that may be stored no more than a few words: a prompt in it would be no id and no name", async () => {
    const sentence = (payload: unknown): unknown => {
      if (payload === null || typeof payload !== "object") return payload;
      const texts = Object.keys(payload).filter((field) => STORED_OF_A_PAYLOAD.includes(field));
      const sentences = texts.map((field) => [
        field,
        `please do not keep ${lab.canaries.plant(`prose in ${field}`)}`,
      ]);
      return { ...payload, ...Object.fromEntries(sentences) };
    };
    await lab.send(recorded.map((one, index) => lab.event(one, sentence(one.payload), index)));
    const { canaries } = lab.onDisk();
    // A path may have blanks.
    expect(canaries.filter((what) => what.startsWith("prose"))).toEqual(["prose in cwd"]);
  });

  it("no text of any event type of any agent from any source", async () => {
    const all = everyEventType();
    expect(all.length).toBeGreaterThan(200);
    const how = (field: string) => (DECISIVE.has(field) ? "leave" : "instead");
    await lab.send(all.map((one, index) => lab.event(one, lab.canaries.inTexts(one.payload, how), index)));
    expectNothingMore();
  });

  it("no secret, in whatever field of a payload or an envelope it stands", async () => {
    const events = SECRETS.flatMap((secret, at) => {
      const some = recorded.filter((_, index) => index % 23 === at % 23);
      const payloads = some.map((one, index) => lab.event(one, poisoned(one.payload, secret), index));
      const { agentType, source, eventType, payload } = some[0] ?? recorded[0] ?? { ...everyEventType()[0] };
      const fields = [
        "dedupeKey",
        "sourceEventId",
        "agentSessionId",
        "cwd",
        "actionId",
        "channel",
        "eventType",
      ];
      const envelopes = [0, 1, 2].flatMap((index) =>
        [...fields.map((field) => ({ [field]: secret })), { tmux: { socketPath: `/tmp/${secret}` } }].map(
          (more) => ({
            ...lab.event(
              { agentType: agentType ?? "", source: source ?? 1, eventType: eventType ?? "", payload },
              payload,
              index,
            ),
            ...more,
          }),
        ),
      );
      return [...payloads, ...envelopes];
    });
    const counts = await lab.send(events);
    expect(counts["ACCEPTED"]).toBeGreaterThan(300);
    expect(counts["REJECTED"]).toBeGreaterThan(SECRETS.length);
    expectNothingMore();
  });

  it("of envelopes the texts that may be stored, and of refused ones nothing", async () => {
    const plant = (field: string): string => lab.canaries.plant(`envelope.${field}`);
    const texts = (): EnvelopeFields => ({
      channel: plant("channel"),
      dedupeKey: plant("dedupe_key"),
      sourceEventId: plant("source_event_id"),
      agentSessionId: plant("agent_session_id"),
      cwd: `/${plant("cwd")}`,
      tmux: { socketPath: `/${plant("tmux.socket_path")}`, serverPid: 1n },
      actionId: plant("action_id"),
      paneId: "%998",
    });
    await lab.send([hookEvent(plant("event_type"), {}, texts())]);
    const ofEnvelopes = lab.onDisk().canaries.filter((what) => what.startsWith("envelope."));
    expect(ofEnvelopes).toEqual(STORED_OF_AN_ENVELOPE);
    const refused = (field: string): string => lab.canaries.plant(`refused ${field}`);
    const all = (): EnvelopeFields => ({
      eventType: refused("event_type"),
      channel: refused("channel"),
      dedupeKey: refused("dedupe_key"),
      cwd: `/${refused("cwd")}`,
      agentSessionId: refused("agent_session_id"),
      rawPayload: Buffer.from(
        JSON.stringify({ prompt: refused("prompt"), session_id: refused("session_id") }),
      ),
    });
    const bad: EnvelopeFields[] = [
      { eventId: refused("event_id") },
      { eventType: `${refused("event_type")}\n` },
      { agentType: refused("agent_type") },
      { agentType: "gemini" },
      { source: SignalSource.UNSPECIFIED },
      { channel: refused("channel").repeat(8) },
      { eventTimeUnixNs: 0n },
      { paneId: refused("pane_id") },
      { runtimeId: refused("runtime_id") },
      { dedupeKey: `${refused("dedupe_key")}\u001b` },
      { spooled: true },
      { parentPids: Array(33).fill(1n) },
    ];
    const counts = await lab.send(bad.map((fields) => hookEvent("Stop", {}, { ...all(), ...fields })));
    expect(counts).toEqual({ REJECTED: bad.length });
    expectNothingMore();
  });

  it("nothing of payloads that are cut, torn, no JSON or no text, and nothing of calls that are no calls", async () => {
    const planted = (): string => lab.canaries.plant("broken payload");
    const payloads: (() => string | Buffer)[] = [
      () => `{"prompt": "${planted()}", "message": "${planted()}`,
      () => planted(),
      () => `"${planted()}"`,
      () => `["${planted()}"]`,
      () => `{"${planted()}": "${planted()}"}`,
      () => JSON.stringify({ prompt: planted(), tail: `${"x".repeat(300_000)}${planted()}` }),
      () => JSON.stringify({ tail: "x".repeat(262_100), prompt: planted() }),
      () => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(planted(), "utf16le")]),
      () => `{"session_id": {"deep": "${planted()}"}, "cwd": ["${planted()}"], "tool_name": 5}`,
      () => `${'{"a":'.repeat(5_000)}"${planted()}"`,
    ];
    const { agentType } = { agentType: "claude" };
    const events = [0, 1, 2].flatMap((index) =>
      payloads.map((payload) => {
        const one = { agentType, source: SignalSource.HOOK, eventType: "UserPromptSubmit", payload: {} };
        return { ...lab.event(one, {}, index), rawPayload: Buffer.from(payload()) };
      }),
    );
    await lab.send(events);
    const { client, daemon } = lab.scene;
    const bodies = [
      `{"events":[{"eventId":"${planted()}","eventTimeUnixNs":"${planted()}"}]}`,
      `{"events":[{"rawPayload":"%${planted()}"}]}`,
      `{"events":"${planted()}"`,
      planted(),
    ];
    for (const path of [
      "/agtmux.v1.IngestService/IngestEvents",
      `/agtmux.v1.IngestService/${planted()}`,
      `/${planted()}`,
    ]) {
      for (const body of bodies) {
        const head = `POST ${path} HTTP/1.1\r\nhost: ${planted()}\r\nx-y: ${planted()}\r\ncontent-type: application/json`;
        await exchange(
          daemon.socketPath,
          `${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      }
    }
    await exchange(daemon.socketPath, `${planted()}\r\n\r\n`);
    const calls: (() => Promise<unknown>)[] = [
      () => client.targets.connectTarget({ name: planted() }),
      () => client.targets.addTarget({ name: `${planted()} !`, tmuxSocket: planted() }),
      () => client.state.listPanes({ filter: { targets: [planted()] } }),
      () => client.events.listEvents({ pageToken: planted() }),
      () => client.events.listEvents({ filter: { paneRef: planted() } }),
    ];
    for (const call of calls) await call().catch(() => undefined);
    expectNothingMore();
  });

  it("nothing of spooled events that are taken, refused or no events", async () => {
    const how = (field: string) => (DECISIVE.has(field) ? "leave" : "instead");
    const some = recorded.filter((_, index) => index % 10 === 0);
    const time = (index: number): string =>
      String(BigInt(Date.now() - 3_600_000 + index) * 1_000_000n).padStart(20, "0");
    for (const [index, one] of some.entries()) {
      const event = lab.event(one, lab.canaries.inTexts(one.payload, how), index);
      const request = create(IngestEventsRequestSchema, { events: [event] });
      lab.leave(
        `${time(index)}-${event.eventId ?? ""}.json`,
        toJsonString(IngestEventsRequestSchema, request),
      );
    }
    const refused = (): string => lab.canaries.plant("refused in the spool");
    const broken = [
      `{"events":[{"eventId":"${refused()}","rawPayload":"${Buffer.from(refused()).toString("base64")}"}]}`,
      `{"events":[{"eventId":"${crypto.randomUUID()}","agentType":"${refused()}","cwd":"${refused()}"}]}`,
      `{"events":[{"cwd":"${refused()}"`,
      `{"events":[{"eventTimeUnixNs":"${refused()}"}]}`,
      refused(),
      `{"events":[{"spooled":true,"cwd":"${refused()}"}]}`,
    ];
    for (const [index, text] of broken.entries())
      lab.leave(`${time(10_000 + index)}-${crypto.randomUUID()}.json`, text);
    await lab.untilSpoolIsRead();
    expect(
      readdirSync(join(lab.spool, "rejected")).filter((name) => name.endsWith(".rejected")),
    ).toHaveLength(4);
    expectNothingMore();
  });

  it("nothing of what an installed hook was given, posted or spooled", async () => {
    const home = lab.scene.daemon.root;
    mkdirSync(join(home, ".claude"), { recursive: true });
    writeFileSync(join(home, ".claude", "settings.json"), "{}\n");
    await lab.scene.client.hooks.applyHooks({ scope: { agents: ["claude"], home } });
    const script = join(lab.stateDir, "hooks", "agtmux-hook");
    const { terminal } = lab.scene;
    const env = {
      PATH: process.env["PATH"] ?? "",
      TMUX: `${terminal.socketPath},${terminal.pid()},0`,
      TMUX_PANE: "%997",
    };
    const how = (field: string) => (DECISIVE.has(field) ? "leave" : "instead");
    const run = (): void => {
      for (const { eventType, payload } of recorded.filter((_, index) => index % 150 === 0)) {
        const input = JSON.stringify(lab.canaries.inTexts(payload, how));
        execFileSync(script, ["claude", eventType], {
          input,
          env: { ...env, SECRET: SECRETS[0] },
          timeout: 10_000,
        });
      }
    };
    run();
    expect(readdirSync(lab.spool).filter((name) => name.endsWith(".json"))).toEqual([]);
    await lab.scene.daemon.end("SIGKILL");
    run();
    const files = readdirSync(lab.spool).filter((name) => name.endsWith(".json"));
    expect(files.length).toBeGreaterThan(0);
    // What is raw is for its owner alone, and is gone once it is read.
    const mode = (...names: string[]): string =>
      (statSync(join(lab.spool, ...names)).mode & 0o777).toString(8);
    expect([mode(".."), mode(), mode("rejected")]).toEqual(Array(3).fill("700"));
    for (const name of files) expect([name, mode(name)]).toEqual([name, "600"]);
    for (const name of readdirSync(join(lab.spool, "rejected"))) {
      expect([name, mode("rejected", name)]).toEqual([name, "600"]);
    }
    expectNothingMore();
    await lab.restart("SIGKILL");
    await lab.untilSpoolIsRead();
    expect(stateFiles(lab.stateDir).map(({ name }) => name)).toContain("hooks/agtmux-hook");
    expectNothingMore();
  });

  it("nothing of screens, dialogs, titles, arguments and environments, which it does know, nor of session files", async () => {
    const { paneId, pid } = lab.agent("claude");
    const sessions = join(lab.scene.terminal.directory, ".claude", "sessions");
    const dialogs: readonly [string, string | undefined][] = [
      ["busy", undefined],
      ["waiting", "permission prompt"],
      ["waiting", `a yes to run ${lab.canaries.plant("session.waitingFor")} with ${SCREEN_SECRET}`],
      ["idle", undefined],
    ];
    for (const [index, [status, waitingFor]] of dialogs.entries()) {
      const session = {
        pid,
        procStart: startOf(pid),
        sessionId: lab.canaries.plant("session.sessionId"),
        cwd: lab.canaries.plant("session.cwd"),
        name: `${lab.canaries.plant("session.name")} ${SCREEN_SECRET}`,
        status,
        waitingFor,
        statusUpdatedAt: Date.now() + index,
      };
      writeFileSync(join(sessions, `${pid}.json`), JSON.stringify(session));
      await lab.scene.untilPane(`it to be ${status}`, ({ identity, agent }) => {
        return identity?.paneId === paneId && agent?.agentSessionId === session.sessionId;
      });
    }
    const found = (pane: Pane, text: string | undefined): boolean =>
      text !== undefined && lab.canaries.foundIn(Buffer.from(text)).length > 0 && pane.agent !== undefined;
    await lab.scene.untilPane("the title", (pane) => found(pane, pane.title));
    const asking = await lab.scene.untilPane("the dialog", (pane) => found(pane, pane.agent?.promptText));
    expect(asking.identity?.paneId).toBe(lab.agent("asking").paneId);
    const ref = `runtime:${asking.agent?.runtimeId ?? ""}`;
    const explained = await lab.scene.client.state.explainPane({ ref });
    expect(explained.schemaVersion).toBe(1);
    expectNothingMore();
  });

  it("nothing more when the daemon was killed, has begun anew, and has ended", async () => {
    await lab.scene.daemon.end("SIGKILL");
    expectNothingMore();
    await lab.restart("SIGKILL");
    await lab.scene.untilPane("an agent", ({ agent }) => agent?.runtimeId === lab.agent("asking").runtimeId);
    expectNothingMore();
    await lab.endAgent("asking");
    await lab.scene.daemon.end("SIGTERM");
    expectNothingMore();
    // The same look does find what is there.
    const { canaries } = lab.onDisk();
    expect(canaries).toEqual(expect.arrayContaining([...STORED_OF_A_PAYLOAD, ...STORED_OF_A_SESSION_FILE]));
    expect(lab.log).toContain('"level":');
    const planted = join(lab.stateDir, "log", "agtmuxd.1.log");
    writeFileSync(planted, Buffer.from(`${lab.canaries.plant("found")} ${SCREEN_SECRET}`).toString("base64"));
    expect(lab.onDisk()).toMatchObject({
      canaries: expect.arrayContaining([expect.stringContaining("in base64")]),
    });
    expect(lab.onDisk().secrets).toEqual([`${SCREEN_SECRET} in base64 in log/agtmuxd.1.log`]);
    rmSync(planted);
  });
});
