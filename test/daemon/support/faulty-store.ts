import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import {
  type AgtmuxError,
  type Degradation,
  type EventEnvelope,
  EventEnvelopeSchema,
  IngestEventsRequestSchema,
  SignalSource,
  toAgtmuxError,
} from "../../../src/client/index.js";
import { eventually, TestDaemon } from "../../support/daemon.js";
import { type FakeAgent, Scene } from "./scene.js";

const DOOR = join(import.meta.dirname, "store-door.mjs");
const PROGRAM = join(
  import.meta.dirname,
  "..",
  "..",
  "..",
  process.env["AGTMUX_TEST_DIST"] ?? "dist",
  "agtmuxd.mjs",
);

/** A daemon, a tmux server and one agent, and a door to the daemon's connection to its database. */
export class FaultyStore {
  private constructor(
    readonly root: string,
    readonly scene: Scene,
    readonly agent: FakeAgent,
    readonly runtimeId: string,
  ) {}

  static async start(): Promise<FaultyStore> {
    const root = mkdtempSync(join(tmpdir(), "agtmux-faulty-"));
    const env = { NODE_OPTIONS: `--import ${DOOR}`, AGTMUX_TEST_DOOR: join(root, "door") };
    const scene = await Scene.start({ stateDir: root, env });
    const agent = await scene.agentIn("idle", "new-session", "-d", "-s", "work");
    const pane = await scene.untilPane("the agent", ({ agent: found }) => found !== undefined);
    return new FaultyStore(root, scene, agent, pane.agent?.runtimeId ?? "");
  }

  get client() {
    return this.scene.client;
  }

  get database(): string {
    return join(this.scene.daemon.stateDir, "agtmux.db");
  }

  /** Has the daemon's connection do it: `fill`, `free`, or SQL. */
  async door(word: string): Promise<void> {
    const ask = join(this.root, "door");
    rmSync(`${ask}.done`, { force: true });
    writeFileSync(`${ask}.new`, word);
    renameSync(`${ask}.new`, ask);
    await eventually(`the daemon to have done: ${word}`, () => existsSync(`${ask}.done`));
  }

  /** What health says of the store. */
  async trouble(): Promise<Degradation | undefined> {
    const { degradations } = await this.client.daemon.getHealth({});
    return degradations.find(({ subject }) => subject === "store");
  }

  async untilTrouble(code: string | undefined): Promise<void> {
    await eventually(`health to say ${code ?? "nothing"} of the store`, async () => {
      return (await this.trouble())?.code === code;
    });
  }

  /** A hook's event of the agent. */
  hook(eventType: string): EventEnvelope {
    return create(EventEnvelopeSchema, {
      eventId: crypto.randomUUID(),
      eventType,
      agentType: "claude",
      source: SignalSource.HOOK,
      eventTimeUnixNs: BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n,
      eventTimeResolutionNs: 1n,
      parentPids: [BigInt(this.agent.pid)],
      rawPayload: Buffer.from(JSON.stringify({ hook_event_name: eventType, session_id: "s-1" })),
    });
  }

  /** Posts it; what refuses it. */
  async post(event: EventEnvelope): Promise<AgtmuxError | undefined> {
    try {
      await this.client.ingest.ingestEvents({ events: [event] });
      return undefined;
    } catch (error) {
      return toAgtmuxError(error);
    }
  }

  /** Does with it what the hook script does: posts it, and leaves it in the spool if it is not taken. */
  async deliver(event: EventEnvelope): Promise<AgtmuxError | undefined> {
    const refused = await this.post(event);
    if (refused === undefined) return undefined;
    const spool = join(this.scene.daemon.stateDir, "spool.d", "local");
    const name = `${String(event.eventTimeUnixNs).padStart(20, "0")}-${event.eventId}.json`;
    const request = create(IngestEventsRequestSchema, { events: [event] });
    writeFileSync(join(spool, `.${name}.tmp`), JSON.stringify(toJson(IngestEventsRequestSchema, request)));
    renameSync(join(spool, `.${name}.tmp`), join(spool, name));
    return refused;
  }

  /** How often each event is on disk as one of the agent's. */
  async stored(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    const filter = { runtimeId: this.runtimeId };
    const { events } = await this.client.events.listEvents({ filter, limit: 1_000 });
    for (const { eventId } of events) counts.set(eventId, (counts.get(eventId) ?? 0) + 1);
    return counts;
  }

  /** The log's lines that say `word`. */
  logged(word: string): string[] {
    return this.scene.daemon.log.split("\n").filter((line) => line.includes(word));
  }

  async close(): Promise<void> {
    await this.scene.close();
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Runs the daemon to its end below another program, e.g. `["sh", "-c", …]`, which gets its command line appended. */
export async function runBelow(
  program: readonly string[],
  root: string,
): Promise<{ status: number | null; stderr: string }> {
  const [file = "", ...argv] = [...program, process.execPath, PROGRAM];
  const env = {
    PATH: process.env["PATH"],
    HOME: root,
    AGTMUX_STATE_DIR: join(root, "state"),
    TMUX_TMPDIR: root,
  };
  const child = spawn(file, argv, { env, stdio: ["ignore", "ignore", "pipe"], timeout: 20_000 });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, stderr };
}

/** Makes a state directory as an earlier daemon life leaves it. */
export async function usedStateDirectory(): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "agtmux-used-"));
  const daemon = await TestDaemon.start({ stateDir: root });
  await daemon.end();
  return root;
}
