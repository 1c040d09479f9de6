import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Message, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ActionTargetSchema,
  AgentState,
  type Agtmux,
  type AgtmuxError,
  type Observation,
  ObservationSchema,
  type Pane,
  type SendRequestSchema,
  type SendResponse,
  toAgtmuxError,
} from "../../../src/client/index.js";
import { type FakeAgent, Scene, type SessionStatus } from "../../daemon/support/scene.js";
import { eventually, type TestDaemonOptions } from "../../support/daemon.js";
import type { PrivateServer } from "../../tmux/private-server.js";

const PROGRAM = join(import.meta.dirname, "box-agent.mjs");

/** What the agent draws, and how it behaves. */
export interface Picture {
  /** Lines above the input box. */
  readonly above?: readonly string[];
  /** Below it. */
  readonly footer?: string;
  /** Instead of the input box; any key answers it and brings the box back. */
  readonly dialog?: readonly string[];
  readonly dialogStays?: boolean;
  /** Stands in the box from now on. */
  readonly draft?: string;
  /** What is typed does not show. */
  readonly mute?: boolean;
  /** Enter leaves the text in the box. */
  readonly holdsEnter?: boolean;
  /** The C-c or SIGINT with which it ends; without it, it takes any number. */
  readonly endsAfter?: number;
}

export type TargetInit = Exclude<MessageInitShape<typeof ActionTargetSchema>, Message>;
export type SendInit = Exclude<MessageInitShape<typeof SendRequestSchema>, Message>;

/** A process with Claude Code's name and input box in a real pane; what reaches its terminal is written down. */
export class BoxAgent implements FakeAgent {
  #pictures = 0;

  constructor(
    private readonly folder: string,
    private readonly double: FakeAgent,
  ) {}

  get paneId(): string {
    return this.double.paneId;
  }

  get pid(): number {
    return this.double.pid;
  }

  readonly say: FakeAgent["say"] = (status) => this.double.say(status);

  /** Every byte that its terminal gave it. */
  get received(): string {
    return this.#read("tty");
  }

  /** What was in the box at each Enter that it took. */
  get submitted(): string[] {
    // Sound: the program writes nothing else.
    return this.#read("submitted")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as string);
  }

  /** The keys that answered a dialog. */
  get answered(): string {
    return this.#read("answered");
  }

  /** How often a text has reached it. */
  times(text: string): number {
    return this.received.split(text).length - 1;
  }

  async show(picture: Picture): Promise<void> {
    this.#pictures += 1;
    const number = this.#pictures;
    writeFileSync(join(this.folder, `${this.pid}.picture`), JSON.stringify({ ...picture, number }));
    await eventually("the agent to draw it", () => this.#read("shown") === String(number));
  }

  #read(name: string): string {
    const path = join(this.folder, `${this.pid}.${name}`);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }
}

/** A folder of such agents beside a private tmux server. */
export class BoxAgents {
  readonly #folder: string;
  readonly #program: string;

  constructor(private readonly terminal: PrivateServer) {
    this.#folder = join(terminal.directory, "boxes");
    mkdirSync(this.#folder);
    this.#program = join(this.#folder, "claude");
    symlinkSync(process.execPath, this.#program);
  }

  /** Starts one by a tmux command that makes a pane, and waits until it has drawn its box. */
  async start(scene: Pick<Scene, "adopt">, ...words: string[]): Promise<BoxAgent> {
    const run = words[0] === "new-session" ? this.terminal.start : this.terminal.tmux;
    const command = `exec ${this.#program} ${PROGRAM} ${this.#folder}`;
    const [paneId = "", pid = ""] = run(...words, "-P", "-F", "#{pane_id} #{pane_pid}", command).split(" ");
    const agent = new BoxAgent(this.#folder, scene.adopt(paneId, Number(pid)));
    await agent.show({});
    return agent;
  }
}

/** A real daemon, a real tmux server, and agents whose panes actions reach. */
export class ActionScene {
  readonly #agents: BoxAgents;
  #requests = 0;

  private constructor(readonly scene: Scene) {
    this.#agents = new BoxAgents(scene.terminal);
  }

  static async start(options: TestDaemonOptions = {}): Promise<ActionScene> {
    return ActionScene.of(await Scene.start(options));
  }

  /** The tmux server stays when the agents' panes are gone. */
  static of(scene: Scene): ActionScene {
    scene.terminal.start("new-session", "-d", "-s", "keeper", "exec sleep 100000");
    return new ActionScene(scene);
  }

  get client(): Agtmux {
    return this.scene.client;
  }

  /** Starts an agent in a session of its own, or as `words` say, and waits until lists show it as idle. */
  async agent(...words: string[]): Promise<BoxAgent> {
    const where = words.length > 0 ? words : ["new-session", "-d", "-x", "100", "-y", "30"];
    const agent = await this.#agents.start(this.scene, ...where);
    await this.become(agent, "idle", AgentState.IDLE);
    return agent;
  }

  /** Has the agent say it, and waits until lists show it. */
  async become(agent: BoxAgent, status: SessionStatus, state: AgentState): Promise<Pane> {
    agent.say(status);
    return this.scene.untilPane(`the agent to be ${AgentState[state]}`, (pane) => {
      return (
        pane.agent?.agentPid === BigInt(agent.pid) &&
        pane.agent.state === state &&
        pane.agent.channel === "session_file"
      );
    });
  }

  /** Ends an agent's pane, and waits until it is gone from the lists. */
  async gone({ paneId }: { readonly paneId: string }): Promise<void> {
    this.scene.tmux("kill-pane", "-t", paneId);
    await this.scene.untilPanes("the pane to be gone", (panes) => {
      return !panes.some(({ identity }) => identity?.paneId === paneId);
    });
  }

  /** A pane in which no agent runs. */
  get plainPane(): { readonly paneId: string } {
    return { paneId: this.scene.tmux("display-message", "-p", "-t", "keeper:", "#{pane_id}") };
  }

  /** A request_ref that nobody else has. */
  ref(what = "request"): string {
    this.#requests += 1;
    return `${what} ${this.#requests}`;
  }

  pane(paneId: string): Promise<Pane> {
    return paneNow(this.client, paneId);
  }

  /** Looks at a pane now, and makes what an action takes of it. */
  target(agent: { readonly paneId: string }, more: TargetInit = {}): Promise<TargetInit> {
    return targetNow(this.client, agent.paneId, { requestRef: this.ref(), ...more });
  }

  async send(agent: BoxAgent, request: SendInit, target: TargetInit = {}): Promise<SendResponse> {
    return this.client.actions.send({ target: await this.target(agent, target), ...request });
  }

  async close(): Promise<void> {
    await this.scene.close();
  }
}

export async function paneNow(client: Agtmux, paneId: string): Promise<Pane> {
  const { panes } = await client.state.listPanes({ filter: { includePlain: true } });
  const pane = panes.find(({ identity }) => identity?.paneId === paneId);
  if (pane === undefined) throw new Error(`no pane ${paneId} is listed`);
  return pane;
}

/** What an action takes: the ref, and what a list says now. */
export async function targetNow(client: Agtmux, paneId: string, more: TargetInit): Promise<TargetInit> {
  const { ref, observation } = await paneNow(client, paneId);
  if (observation === undefined) throw new Error("a listed pane has an observation");
  return { ref, expect: observation, ...more };
}

type Seen = Partial<Omit<Observation, "$typeName" | "$unknown">>;

/** The same target, as if something else had been looked at. */
export function lookedAt(target: TargetInit, more: Seen): TargetInit {
  return { ...target, expect: Object.assign(create(ObservationSchema, target.expect), more) };
}

/** The same target, looked at so long ago, in seconds. */
export function lookedAgo(target: TargetInit, seconds: number): TargetInit {
  return lookedAt(target, { observedAt: timestampFromMs(Date.now() - seconds * 1_000) });
}

/** The error that a call ends with; throws if it ends well. */
export async function refusal(call: Promise<unknown>): Promise<AgtmuxError> {
  let answer: unknown;
  try {
    answer = await call;
  } catch (error) {
    return toAgtmuxError(error);
  }
  throw new Error(
    `it was not refused: ${JSON.stringify(answer, (_, value) => (typeof value === "bigint" ? String(value) : value))}`,
  );
}
