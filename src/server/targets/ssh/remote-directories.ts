import type { Closable } from "../../adapters/contract.js";
import { ChangedReading } from "./changed-reading.js";
import type { RemoteHost } from "./remote-host.js";
import { shQuote } from "./sh-quote.js";

/**
 * From a look that went with a round to one of its own, and from that to the next while no round comes to go with: while
 * something changes, and after it has been quiet for a while. Rounds come every second then, or every two.
 */
const LOOK_MS = { busy: { alone: 500, next: 700 }, quiet: { alone: 1_000, next: 1_400 } };
/** Least time between two looks, if the second can go with a round. */
const SOONEST_MS = 250;
const QUIET_AFTER_MS = 10_000;
/** Most entries of all directories together. */
const MAX_ENTRIES = 4_000;
const MAX_BYTES = 1024 * 1024;

/** Each entry's name, and what changes when it does. */
type Entries = Map<string, string>;

interface Watched {
  readonly path: string;
  readonly callbacks: Set<(name: string) => void>;
  /** The entries at the last look; undefined: not looked at yet, or the directory was not there. */
  seen: Entries | undefined;
}

/**
 * Watches directories of a host, all in one round trip a look, of which most say only that nothing changed. Nothing is
 * installed or left running there. After the first look, and when a directory appears, every entry counts as changed.
 */
export class RemoteDirectories {
  readonly #watched = new Map<string, Watched>();
  readonly #reading = new ChangedReading("ls");
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #changedAt = performance.now();
  /** When the last look began. */
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly host: RemoteHost) {}

  watch(path: string, onChange: (name: string) => void): Closable {
    let watched = this.#watched.get(path);
    if (watched === undefined) {
      watched = { path, callbacks: new Set(), seen: undefined };
      this.#watched.set(path, watched);
    }
    const { callbacks } = watched;
    // Each caller has an own entry, even with a function that is here already.
    const callback = (name: string): void => onChange(name);
    callbacks.add(callback);
    this.#schedule(0);
    return {
      close: () => {
        callbacks.delete(callback);
        if (callbacks.size === 0) this.#watched.delete(path);
        if (this.#watched.size === 0) clearTimeout(this.#timer);
      },
    };
  }

  /** Something else is about to be asked of the host: a look that is nearly due goes with it. */
  roundBegins(): void {
    if (this.#looking || this.#watched.size === 0) return;
    if (performance.now() - this.#lookedAt < SOONEST_MS) return;
    clearTimeout(this.#timer);
    void this.#look(true);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watched.clear();
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#watched.size === 0) return;
    this.#timer = setTimeout(() => void this.#look(false), delayMs).unref();
  }

  async #look(withRound: boolean): Promise<void> {
    if (this.#looking) return; // the one that runs schedules the next
    this.#looking = true;
    this.#lookedAt = performance.now();
    const watched = [...this.#watched.values()];
    try {
      const { shell, facts } = await this.host.reached();
      const { text, changed } = await this.#reading.read(
        shell,
        question(watched, facts.findPrints),
        MAX_BYTES,
      );
      if (changed) this.#compare(watched, text);
    } catch {
      // Without a connection, or with a shell that was given up, the next look is as good.
    } finally {
      this.#looking = false;
      const fresh = [...this.#watched.values()].some((each) => !watched.includes(each));
      const quiet = performance.now() - this.#changedAt > QUIET_AFTER_MS;
      const pace = LOOK_MS[quiet ? "quiet" : "busy"];
      this.#schedule(fresh ? 0 : withRound ? pace.alone : pace.next);
    }
  }

  #compare(watched: readonly Watched[], text: string): void {
    const found = readEntries(text, watched.length);
    for (const [index, { callbacks, seen }] of watched.entries()) {
      const entries = found[index];
      const names = new Set<string>();
      for (const [name, version] of entries ?? []) if (seen?.get(name) !== version) names.add(name);
      for (const name of seen?.keys() ?? []) if (entries?.has(name) !== true) names.add(name);
      const each = watched[index];
      if (each !== undefined) each.seen = entries;
      if (names.size > 0) this.#changedAt = performance.now();
      for (const name of names) for (const callback of callbacks) callback(name);
    }
  }
}

/**
 * A line `/` for each directory that is there, or `-`; then one for each entry: what changes with it, `/`, its name.
 * Without GNU's find the contents themselves are compared, of small files only.
 */
function question(watched: readonly Watched[], findPrints: boolean): string {
  const list = findPrints
    ? `find "$agtmux_d/." -mindepth 1 -maxdepth 1 ! -type d -printf '%i %s %T@ %C@/%f\\n'`
    : `{ find "$agtmux_d/." -maxdepth 1 -type f -size -129 -exec cksum {} + ; find "$agtmux_d/." -maxdepth 1 ! -type f ! -type d; } | sed -e 's,^\\([0-9]* [0-9]*\\) .*/,\\1/,' -e 's,^/.*/,0/,'`;
  const paths = watched.map(({ path }) => shQuote(path).toString("utf8")).join(" ");
  return `for agtmux_d in ${paths}; do if [ -d "$agtmux_d" ]; then echo /; ${list}; else echo -; fi; done 2>/dev/null | head -n ${MAX_ENTRIES}`;
}

/** Entries of each directory; undefined for one that is not there. */
function readEntries(text: string, directories: number): (Entries | undefined)[] {
  const found: (Entries | undefined)[] = [];
  let current: Entries | undefined;
  for (const line of text.split("\n")) {
    if (line === "/" || line === "-") {
      current = line === "/" ? new Map() : undefined;
      if (found.length < directories) found.push(current);
      continue;
    }
    const slash = line.indexOf("/");
    const name = Buffer.from(line.slice(slash + 1), "latin1").toString("utf8");
    if (slash > 0 && name !== "") current?.set(name, line.slice(0, slash));
  }
  return found;
}
