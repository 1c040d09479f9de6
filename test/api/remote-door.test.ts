import { request } from "node:http";
import { duplexPair } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EventEnvelopeSchema, type IngestResult } from "../../gen/agtmux/v1/ingest_pb.js";
import type { Process } from "../../src/server/adapters/contract.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { remoteDoor } from "../../src/server/api/remote-door.js";
import { DEFAULTS } from "../../src/server/config.js";
import { GroupCommit } from "../../src/server/ingest/group-commit.js";
import type { ReaderDoor } from "../../src/server/targets/ssh/remote-reader.js";
import { JournalLab, prepared, runtimeRecord, START } from "../ingest/journal-harness.js";
import { type EnvelopeFields, hookEvent } from "../support/hook-event.js";
import { SILENT } from "../support/silent-log.js";

const NATIVE = ["/opt/@openai/codex-linux-x64/bin/codex"];
const SERVER = [
  "/home/dev/.codex/packages/app-server-daemon/releases/0.169.0/bin/codex",
  "app-server",
  "--listen",
  "unix://",
];

describe("the door of an ssh target", () => {
  let lab: JournalLab;
  let processes: Map<number, Process>;
  let door: ReaderDoor;

  beforeEach(() => {
    lab = new JournalLab();
    lab.store.targets.insert({
      targetId: "vm1",
      kind: "ssh",
      sshTarget: "vm1",
      tmuxSocket: "",
      createdAt: START,
    });
    lab.seen.add("vm1");
    processes = new Map();
    const registry = new AdapterRegistry();
    const now = () => START + 60_000_000;
    door = remoteDoor(
      {
        journal: lab.journal,
        commit: new GroupCommit(lab.journal, now),
        maxEvents: DEFAULTS.ingestBatchEvents,
        now,
        intake: { adapter: (type) => registry.find(type), maxPayloadBytes: DEFAULTS.hookPayloadBytes },
        maxRequestBytes: DEFAULTS.requestBytes,
        log: SILENT,
      },
      { targetId: "vm1", clockOffset: () => 0, processes: () => Promise.resolve(processes) },
    );
  });
  afterEach(() => {
    door.close();
    lab.close();
  });

  const tell = async (event: EnvelopeFields): Promise<IngestResult | undefined> => {
    const results = await door.ingest([create(EventEnvelopeSchema, event)], START);
    // Sound: what the ingestor answers, which the reader has no use for.
    return (results as IngestResult[])[0];
  };
  const process = (pid: number, argv: readonly string[]): [number, Process] => [
    pid,
    { pid, argv, ppid: 1, pgid: pid, tty: 0, tpgid: -1, startRaw: "1", exe: "", comm: "codex", state: "S" },
  ];

  it("TC-066 a session that a host claims as its own is not taken from another target's agent", async () => {
    const [own, local] = [runtimeRecord({ pid: 50 }), runtimeRecord({ pid: 60 })];
    const remote = { ...own, targetId: "vm1", runtimeId: "f".repeat(64) };
    lab.open(remote);
    lab.open(local);
    const claim = hookEvent("SessionStart", { session_id: "s-9" }, { parentPids: [50n] });
    expect(await tell(claim)).toMatchObject({ runtimeId: remote.runtimeId });
    expect(lab.runtime(remote.runtimeId).record.agentSessionId).toBe("s-9");

    const hints = { agentType: "claude", pane: { paneId: "%1" }, parentPids: [], agentSessionId: "s-9" };
    const said = (): ReturnType<typeof prepared> => prepared({ hints: { ...hints, targetIds: ["host"] } });
    expect(lab.accept([said()])).toMatchObject([{ kind: "accepted", runtimeId: local.runtimeId }]);
    lab.end(remote.runtimeId);
    expect(lab.accept([said()])).toMatchObject([{ kind: "accepted", runtimeId: local.runtimeId }]);
  });

  it("believes the ancestors of an agent with a shared helper as far as they are seen on that host now", async () => {
    const remote = { ...runtimeRecord({ agentType: "codex", pid: 1070 }), targetId: "vm1" };
    lab.open(remote);
    const hook = (): EnvelopeFields =>
      hookEvent("Stop", {}, { agentType: "codex", paneId: "%9", parentPids: [900n, 1143n, 1070n] });
    const shell = process(900, ["sh", "-c", "agtmux-hook codex"]);
    expect(await tell(hook())).not.toMatchObject({ runtimeId: remote.runtimeId });
    processes = new Map([shell, process(1143, SERVER), process(1070, NATIVE)]);
    expect(await tell(hook())).not.toMatchObject({ runtimeId: remote.runtimeId });
    processes = new Map([shell, process(1143, ["sh"]), process(1070, NATIVE)]);
    expect(await tell(hook())).toMatchObject({ runtimeId: remote.runtimeId });
  });

  it("answers on any stream", async () => {
    const [here, there] = duplexPair();
    door.accept(there);
    const text = await new Promise<string>((resolve, reject) => {
      const path = "/agtmux.v1.IngestService/IngestEvents";
      const headers = { "content-type": "application/json" };
      // Sound: Node's client takes any duplex stream for a socket.
      const createConnection = () => here as never;
      const asked = request({ createConnection, path, method: "POST", headers }, (answer) => {
        answer.on("data", (chunk: Buffer) => resolve(chunk.toString()));
      });
      asked.on("error", reject);
      asked.end("{}");
    });
    expect(JSON.parse(text)).toMatchObject({ schemaVersion: 1 });
    here.destroy();
  });
});
