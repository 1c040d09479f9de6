import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

let ticksPerSecond: number | undefined;

function hertz(): number {
  ticksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return ticksPerSecond;
}

/** Fields of /proc/<pid>/stat from the third on; the second may hold anything. */
function stat(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
}

/** Seconds of processor time of a process (fields 14 and 15), and of its children that it has reaped (16 and 17). */
export function cpuSeconds(pid: number): { readonly own: number; readonly reaped: number } {
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = stat(pid).slice(11, 15);
  return { own: (utime + stime) / hertz(), reaped: (cutime + cstime) / hertz() };
}

/** Children that live now; a daemon's doorbells, for one. */
export function children(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

/** Resident memory in megabytes (10^6 bytes). */
export function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kib) * 1_024) / 1_000_000;
}

/** Processor seconds of a process and its children so far. A child counts whether it has been reaped or lives. */
export function familySeconds(pid: number): { own: number; children: number; all: number } {
  const { own, reaped } = cpuSeconds(pid);
  const living = children(pid).reduce((sum, child) => sum + cpuSeconds(child).own, 0);
  return { own, children: reaped + living, all: own + reaped + living };
}

/** Resident memory of a process and its living children in megabytes (10^6 bytes). */
export function familyMb(pid: number): number {
  return [pid, ...children(pid)].reduce((sum, each) => sum + residentMb(each), 0);
}

/** Adds up what a process spends while something is measured: a busy machine moves it less than the clock on the wall. */
export class CpuMeter {
  #seconds = 0;

  constructor(private readonly pid: number) {}

  async during<T>(work: () => Promise<T>): Promise<T> {
    const before = cpuSeconds(this.pid).own;
    const result = await work();
    this.#seconds += cpuSeconds(this.pid).own - before;
    return result;
  }

  /** Milliseconds of processor time for each of `count`, to the microsecond. */
  msEach(count: number): number {
    return Math.round((this.#seconds * 1_000_000) / count) / 1_000;
  }
}
