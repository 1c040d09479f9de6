/** Set by the bundler: false in the product, true in the build for robustness tests. Unbundled code has none. */
declare const AGTMUX_FAILPOINTS: boolean | undefined;

/** Every point at which a robustness test can stop the daemon, and what a stop there means. */
export const FAILPOINTS = {
  "lock.after-acquire": "the lock is held and nothing else was done",
  "start.before-serve": "store and spool are open and worked off; nobody can connect yet",
  "socket.before-rename": "a socket is bound under its temporary name and nobody can find it",
  "store.before-commit": "a transaction's work is done and not committed: none of it may be there afterwards",
  "store.after-commit": "committed, and neither memory nor anybody else knows of it",
  "ingest.before-answer": "an ingest call's events are committed and the call is not answered",
  "spool.before-remove": "a spool file's events are committed and the file is still there",
  "spool.after-remove": "a spool file's events are committed and the file is gone",
  "action.after-begin": "an action is begun by what is on disk, and nothing of it was done",
  "action.before-finish": "an action was done, and its result is not on disk",
  "action.after-finish": "an action's result is on disk and was told to nobody",
  "watch.before-send": "what changed is committed, and a message that tells of it is not sent",
  "socket.before-unlink": "the daemon was told to stop and its socket is still there",
  "stop.before-close": "everything is ended but the store, which is open, and the lock, which is held",
} as const;

export type FailpointName = keyof typeof FAILPOINTS;

type Act =
  | { readonly kind: "kill" }
  | { readonly kind: "throw" }
  | { readonly kind: "sleep"; readonly ms: number };

interface Arming {
  readonly act: Act;
  /** The hit at which it acts; the first is 1. */
  readonly from: number;
  /** Whether it acts at every later hit too. */
  readonly onwards: boolean;
}

const ARMING = /^([a-z.-]+)=(?:(kill)|(throw)|sleep:([0-9]{1,6}))@([0-9]{1,9})(\+?)$/u;

/** Reads `name=kill@N`, `name=throw@N` and `name=sleep:MS@N`, joined by `;`; `@N+` means every hit from the N-th on. */
function parse(text: string): ReadonlyMap<string, Arming> {
  const armed = new Map<string, Arming>();
  for (const part of text.split(";").filter((each) => each !== "")) {
    const [, name = "", kill, thrown, ms, from, onwards] = ARMING.exec(part) ?? [];
    if (!Object.hasOwn(FAILPOINTS, name)) throw new Error(`AGTMUX_FAILPOINT: ${part} arms no failpoint`);
    const act: Act =
      kill === undefined
        ? thrown === undefined
          ? { kind: "sleep", ms: Number(ms) }
          : { kind: "throw" }
        : { kind: "kill" };
    armed.set(name, { act, from: Number(from), onwards: onwards === "+" });
  }
  return armed;
}

let armed: ReadonlyMap<string, Arming> | undefined;
const hits = new Map<FailpointName, number>();

function hit(name: FailpointName): void {
  armed ??= parse(process.env["AGTMUX_FAILPOINT"] ?? "");
  const count = (hits.get(name) ?? 0) + 1;
  hits.set(name, count);
  const arming = armed.get(name);
  if (arming === undefined || count < arming.from || (count > arming.from && !arming.onwards)) return;
  const { act } = arming;
  if (act.kind === "throw") throw new Error(`failpoint ${name}`);
  if (act.kind === "sleep") {
    // Nothing else may go on meanwhile: the whole daemon is slow, not this one caller.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, act.ms);
    return;
  }
  process.kill(process.pid, "SIGKILL");
  // The signal may come a moment later; nothing behind this point may run.
  for (;;);
}

/** A named point at which a robustness test can stop the daemon. In the product it is nothing at all. */
export function failpoint(name: FailpointName): void {
  if (typeof AGTMUX_FAILPOINTS !== "undefined" && AGTMUX_FAILPOINTS) hit(name);
}
