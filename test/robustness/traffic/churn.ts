import type { FakeAgent, Scene, SessionStatus } from "../../daemon/support/scene.js";
import type { Random } from "./random.js";

const STATUSES: readonly SessionStatus[] = ["busy", "idle", "permission prompt", "input needed"];
const MOST_PANES = 10;
/** Between two steps, in milliseconds. */
const PACE_MS = 20;

/** Panes that come, go, change hands and names in a real tmux server, and agents whose session files change. */
export class Churn {
  #agents: FakeAgent[];

  /** `steady` are never killed; their session files change like all others'. */
  constructor(
    private readonly scene: Scene,
    private readonly steady: readonly FakeAgent[],
    private readonly random: Random,
  ) {
    this.#agents = [...steady];
  }

  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      this.step();
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
  }

  step(): void {
    const { random } = this;
    if (random.chance(0.75)) this.#speak();
    else this.#move();
  }

  #speak(): void {
    const agent = this.random.pick(this.#agents);
    if (agent === undefined) return;
    try {
      agent.say(this.random.pick(STATUSES) ?? "idle");
    } catch {
      // Its process is gone, or is not yet what it will be.
    }
  }

  #move(): void {
    const { random } = this;
    const panes = this.#panes();
    const steady = new Set(this.steady.map(({ paneId }) => paneId));
    const pane = random.pick(panes) ?? "";
    const loose = random.pick(panes.filter((each) => !steady.has(each)));
    const isFull = panes.length >= MOST_PANES;
    const steps: (() => void)[] = [
      () => isFull || this.#begin("split-window", "-d", "-t", pane),
      () => isFull || this.#begin("new-window", "-d"),
      () => loose === undefined || this.#tmux("kill-pane", "-t", loose),
      () => loose === undefined || this.#begin("respawn-pane", "-k", "-t", loose),
      () => this.#tmux("rename-window", "-t", pane, `w${random.between(0, 99)}`),
      () => this.#tmux("rename-session", "-t", pane, `s${random.between(0, 99)}`),
      () => loose === undefined || this.#tmux("break-pane", "-d", "-s", loose),
    ];
    random.pick(steps)?.();
  }

  #panes(): string[] {
    return (this.#tmux("list-panes", "-a", "-F", "#{pane_id}") ?? "").split("\n").filter((id) => id !== "");
  }

  /** A pane with an agent, or, as often as not, with something else. */
  #begin(...words: string[]): void {
    if (this.random.chance(0.4)) {
      this.#tmux(...words, "exec sleep 100000");
      return;
    }
    if (words[0] === "respawn-pane") {
      this.#tmux(...words, this.scene.agentCommand);
      return;
    }
    const printed = this.#tmux(...words, "-P", "-F", "#{pane_id} #{pane_pid}", this.scene.agentCommand);
    const [paneId, pid] = (printed ?? "").split(" ");
    if (paneId === undefined || pid === undefined) return;
    this.#agents.push(this.scene.adopt(paneId, Number(pid)));
    this.#agents = [...this.steady, ...this.#agents.slice(this.steady.length).slice(-MOST_PANES)];
  }

  /** tmux refuses what the random step asked for (no room, a name taken): as good as any other step. */
  #tmux(...words: string[]): string | undefined {
    try {
      return this.scene.tmux(...words);
    } catch (error) {
      if (!(error instanceof Error && "status" in error)) throw error;
      return undefined;
    }
  }
}
