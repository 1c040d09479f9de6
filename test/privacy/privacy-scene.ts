import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IngestStatus } from "../../src/client/index.js";
import { Scene } from "../daemon/support/scene.js";
import { SECRETS } from "../ingest/secrets.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { type EnvelopeFields, hookEvent } from "../support/hook-event.js";
import { Canaries, Needles } from "./canaries.js";
import type { Recorded } from "./recorded-payloads.js";
import { stateFiles } from "./state-files.js";

/** What many of the secrets are around; where it is found, so are they. */
const CORES = ["hunter2hunter2", "aHVudGVyMjpodW50ZXIy", "aHVudGVyMmh1bnRlcjI", "wJalrXUtnFEMIK7MDENG"];
const HIDDEN = new Needles([...CORES, ...SECRETS]);

/** Shapes that tmux takes as they are; of each the list of secrets has one. */
const SESSION_SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const WINDOW_SECRET = "AKIAIOSFODNN7EXAMPLE";
const CWD_SECRET = "password=hunter2hunter2";
export const SCREEN_SECRET = "sk-ant-api03-AAAAbbbbCCCCdddd0000111122223333";

export interface PlantedAgent {
  readonly paneId: string;
  readonly pid: number;
  readonly runtimeId: string;
}

/** What of all that was planted was found. */
export interface Found {
  /** What the canaries stand for. */
  readonly canaries: string[];
  readonly secrets: string[];
}

/** A real daemon that logs all it can, agents around which canaries and secrets are strewn, and a look at the disk. */
export class PrivacyScene {
  readonly canaries = new Canaries();
  readonly #agents = new Map<string, PlantedAgent>();

  private constructor(readonly scene: Scene) {}

  static async start(): Promise<PrivacyScene> {
    return new PrivacyScene(await Scene.start({ logLevel: "trace" }));
  }

  get stateDir(): string {
    return this.scene.daemon.stateDir;
  }

  get spool(): string {
    return join(this.stateDir, "spool.d", "local");
  }

  agent(name: string): PlantedAgent {
    const agent = this.#agents.get(name);
    if (agent === undefined) throw new Error(`no agent ${name} was started`);
    return agent;
  }

  /** Starts a process that looks like an agent; its arguments, environment, directory, title and names are planted. */
  async startAgent(name: string, agentType: string, screen: string): Promise<void> {
    const { directory } = this.scene.terminal;
    const bin = join(directory, `${name}.bin`);
    mkdirSync(bin);
    const program = join(bin, agentType);
    symlinkSync("/bin/sh", program);
    const text = join(directory, `${name}.screen`);
    writeFileSync(text, screen);
    const cwd = join(directory, CWD_SECRET);
    mkdirSync(cwd, { recursive: true });
    const loop = `cat '${text}'; while read -r line; do :; done`;
    const words = `${this.canaries.plant("argv")} ${SECRETS[0]}`;
    const printed = this.scene.terminal.start(
      ...[
        "new-session",
        "-d",
        "-x",
        "130",
        "-y",
        "60",
        "-s",
        `${name} ${SESSION_SECRET}`,
        "-n",
        WINDOW_SECRET,
      ],
      ...["-c", cwd, "-e", `AGENT_TOKEN=${this.canaries.plant("environment")}`],
      ...["-P", "-F", "#{pane_id} #{pane_pid}", `exec ${program} -c "${loop}" ${words}`],
    );
    const [paneId = "", pid = ""] = printed.split(" ");
    this.scene.tmux("select-pane", "-t", paneId, "-T", `${this.canaries.plant("title")} ${SCREEN_SECRET}`);
    const pane = await this.scene.untilPane(`${agentType} in ${paneId}`, ({ identity, agent }) => {
      return identity?.paneId === paneId && agent?.agentType === agentType;
    });
    this.#agents.set(name, { paneId, pid: Number(pid), runtimeId: pane.agent?.runtimeId ?? "" });
  }

  /** Ends an agent; its runtime is known and no longer active. */
  async endAgent(name: string): Promise<void> {
    const { paneId, runtimeId } = this.agent(name);
    this.scene.tmux("kill-pane", "-t", paneId);
    await this.scene.untilPanes(
      "it to be gone",
      (panes) => !panes.some(({ agent }) => agent?.runtimeId === runtimeId),
    );
  }

  /** A recorded payload's event, of three one after the other: bound, waiting for its runtime, dropped. */
  event({ agentType, source, eventType }: Recorded, payload: unknown, index: number): EnvelopeFields {
    const { paneId, pid } = this.agent(agentType);
    const wheres: readonly EnvelopeFields[] = [
      { paneId, parentPids: [BigInt(pid)] },
      { paneId: "%999", parentPids: [999_999n] },
      { runtimeId: this.agent("ended").runtimeId },
    ];
    return hookEvent(eventType, payload, { agentType, source, ...wheres[index % 3] });
  }

  /** Sends events in calls of a hundred; returns how many had each result. */
  async send(events: readonly EnvelopeFields[]): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (let at = 0; at < events.length; at += 100) {
      const { results } = await this.scene.client.ingest.ingestEvents({ events: events.slice(at, at + 100) });
      for (const { status } of results) {
        const name = IngestStatus[status];
        counts[name] = (counts[name] ?? 0) + 1;
      }
    }
    return counts;
  }

  /** Leaves a file in the spool as the hook script does. */
  leave(name: string, content: string | Uint8Array): void {
    const temporary = join(this.spool, `.${name.slice(0, 80)}.tmp`);
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, join(this.spool, name));
  }

  async untilSpoolIsRead(): Promise<void> {
    const read = (): true | undefined =>
      readdirSync(this.spool).every((name) => name === "rejected") ? true : undefined;
    await eventually("the spool to be read", read);
  }

  /** Ends the daemon and starts the next over the same state directory. */
  async restart(signal: NodeJS.Signals): Promise<void> {
    await this.scene.daemon.end(signal);
    const daemon = await TestDaemon.start({ stateDir: this.scene.daemon.root, logLevel: "trace" });
    Object.assign(this.scene, { daemon });
  }

  /** What stands in the state directory now. */
  onDisk(): Found {
    const canaries = new Set<string>();
    const secrets = new Set<string>();
    for (const { name, bytes } of stateFiles(this.stateDir)) {
      for (const what of this.canaries.foundIn(bytes)) canaries.add(what);
      for (const what of HIDDEN.foundIn(bytes)) secrets.add(`${what} in ${name}`);
    }
    return { canaries: [...canaries].sort(), secrets: [...secrets].sort() };
  }

  get log(): string {
    return readdirSync(join(this.stateDir, "log"))
      .map((name) => readFileSync(join(this.stateDir, "log", name), "utf8"))
      .join("");
  }

  async close(): Promise<void> {
    await this.scene.close();
  }
}
