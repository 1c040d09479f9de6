import type { Micros } from "../../engine/state.js";
import { cleanText } from "../../tmux/text.js";
import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";

/** What is asked of a host once per connection. */
export interface HostFacts {
  /** As `uname -s` says: "Linux". */
  readonly system: string;
  /** Identity of the host's boot; '' where /proc does not tell. */
  readonly boot: string;
  readonly ticksPerSecond: number;
  readonly home: string;
  /** Whether `find` tells the time of a file to the nanosecond (GNU). */
  readonly findPrints: boolean;
}

/** How a host's clocks stand to the daemon's. */
interface HostClock {
  /** What the host's time of day is ahead, in microseconds. */
  readonly offset: Micros;
  /** When the host booted, by the daemon's clock. */
  readonly bootedAt: Micros;
  /** How far both may be off, to either side. */
  readonly uncertainty: Micros;
}

const FACTS = `uname -s; cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo
getconf CLK_TCK 2>/dev/null || echo 100
find / -maxdepth 0 -printf 'prints\\n' 2>/dev/null || echo
printf '%s\\n' "$HOME"`;
const CLOCK = "cat /proc/uptime 2>/dev/null || echo 0; date +%s%N";
const CLOCK_TRIES = 3;
/** Good enough; the next try would not help. */
const CLOSE_MICROS: Micros = 10_000;
const CLOCK_KEPT_MICROS: Micros = 600_000_000;
const MAX_BYTES = 64 * 1024;

/** What is known of a host beyond its tmux: asked once per connection, its clock every ten minutes. */
export class RemoteHost {
  #shell: HostShell | undefined;
  #facts: Promise<HostFacts> | undefined;
  #known = false;
  #clock: HostClock | undefined;
  #clockAt: Micros = 0;
  /** Fixed per boot, so that one process has one start time however often the clocks are compared. */
  #booted: { readonly boot: string; readonly at: Micros } | undefined;

  /** `shell` throws ExecutorError while there is no connection; `now` is the daemon's clock. */
  constructor(
    private readonly reach: () => HostShell,
    private readonly now: () => Micros,
  ) {}

  /** What the host's time of day is ahead of the daemon's, in microseconds; 0 before it was measured. */
  get clockOffset(): Micros {
    return this.#clock?.offset ?? 0;
  }

  /** When the host booted, in microseconds since the epoch of the daemon's clock; the same for a whole boot. */
  get bootedAt(): Micros {
    return this.#booted?.at ?? 0;
  }

  /** The shell of the present connection; undefined before its host is known, or without one. */
  get shell(): HostShell | undefined {
    try {
      return this.#known && this.#shell === this.reach() ? this.#shell : undefined;
    } catch {
      return undefined; // There is no connection; whoever needs one is told.
    }
  }

  /** The shell of the present connection, with what is known of its host. Rejects with ExecutorError. */
  async reached(): Promise<{ readonly shell: HostShell; readonly facts: HostFacts }> {
    const shell = this.reach();
    if (shell !== this.#shell) {
      this.#shell = shell;
      this.#facts = undefined;
      this.#known = false;
    }
    this.#facts ??= this.#ask(shell);
    const asked = this.#facts;
    let facts: HostFacts;
    try {
      facts = await asked;
      this.#known = this.#facts === asked;
    } catch (error) {
      if (this.#facts === asked) this.#facts = undefined;
      throw error;
    }
    if (this.now() - this.#clockAt > CLOCK_KEPT_MICROS) await this.#compare(shell, facts.boot);
    return { shell, facts };
  }

  async #ask(shell: HostShell): Promise<HostFacts> {
    const { stdout } = await shell.run(FACTS, { maxBytes: MAX_BYTES });
    const [system = "", boot = "", ticks = "", prints = "", home = ""] = stdout.toString("utf8").split("\n");
    const facts = {
      system: cleanText(system, 64),
      boot: /^[0-9a-f-]{36}$/u.test(boot) ? boot : "",
      ticksPerSecond: /^[1-9]\d{0,4}$/u.test(ticks) ? Number(ticks) : 100,
      home: home.startsWith("/") ? home : "/",
      findPrints: prints === "prints",
    };
    await this.#compare(shell, facts.boot);
    return facts;
  }

  /** Asks for the host's clocks a few times and believes the quickest answer. */
  async #compare(shell: HostShell, boot: string): Promise<void> {
    let best: HostClock | undefined;
    for (let tries = 0; tries < CLOCK_TRIES; tries++) {
      const read = await this.#readClock(shell);
      if (best === undefined || read.uncertainty < best.uncertainty) best = read;
      if (best.uncertainty <= CLOSE_MICROS) break;
    }
    if (best === undefined) return;
    this.#clock = best;
    this.#clockAt = this.now();
    if (this.#booted?.boot !== boot) this.#booted = { boot, at: best.bootedAt };
  }

  async #readClock(shell: HostShell): Promise<HostClock> {
    const sent = this.now();
    const { stdout } = await shell.run(CLOCK, { maxBytes: MAX_BYTES });
    const received = this.now();
    const [uptime = "", time = ""] = stdout.toString("latin1").split("\n");
    const middle = Math.round((sent + received) / 2);
    const trip = Math.ceil((received - sent) / 2);
    const read = readTime(time.trim());
    const seconds = Number(uptime.split(" ", 1)[0]);
    if (read === undefined || !Number.isFinite(seconds)) {
      throw new ExecutorError("protocol", "the host does not tell its time");
    }
    return {
      // Within the resolution the two clocks may well agree: then nothing is corrected.
      offset: Math.abs(read.micros - middle) <= read.resolution ? 0 : read.micros - middle,
      bootedAt: middle - Math.round(seconds * 1_000_000),
      uncertainty: trip + read.resolution,
    };
  }
}

/** What `date +%s%N` prints: nanoseconds, or seconds where %N is not known. */
function readTime(text: string): { micros: Micros; resolution: Micros } | undefined {
  if (/^\d{19}$/u.test(text)) return { micros: Math.floor(Number(text) / 1_000), resolution: 1 };
  const seconds = /^(\d{9,11})(?:%?N)?$/u.exec(text)?.[1];
  return seconds === undefined ? undefined : { micros: Number(seconds) * 1_000_000, resolution: 1_000_000 };
}
