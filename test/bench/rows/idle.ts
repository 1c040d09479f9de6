import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { children, cpuSeconds, residentMb } from "../support/account.js";
import { openCrowd } from "../support/crowd.js";
import type { Row } from "../support/row.js";
import { rounded } from "../support/statistics.js";

/** Quiet sets in 10 s after the last change. */
const SETTLE_MS = 14_000;
const MEASURED_MS = 20_000;
/** The least that anything which polls tmux does: one process every 2 s, from a Node that does nothing else. */
const BARE_POLLER = `
  const { execFile } = require("node:child_process");
  const look = () => execFile("tmux", ["-S", process.argv[1], "list-panes", "-a", "-F", "#{pane_id}"], () => {});
  setInterval(look, 2000);
  process.stdin.on("end", () => process.exit(0)).resume();
`;

/** What the daemon and its children cost while nothing happens: 60 agents, idle, as their session files say. */
export const idle: Row = {
  name: "idle",
  deadlineMs: () => 90_000,
  async run(context) {
    const { scene, daemonPid } = await openCrowd(context, undefined, (agent) => agent.say("idle"));
    const bare = spawn(process.execPath, ["-e", BARE_POLLER, scene.terminal.socketPath], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    context.resources.add(() => void bare.kill("SIGKILL"));
    const barePid = bare.pid ?? 0;
    const server = scene.terminal.pid();
    await delay(SETTLE_MS);
    const before = [daemonPid, barePid, server].map(account);
    const began = performance.now();
    await delay(MEASURED_MS);
    const seconds = (performance.now() - began) / 1_000;
    const after = [daemonPid, barePid, server].map(account);
    const share = (at: number, part: "own" | "children" | "all"): number =>
      (((after[at]?.[part] ?? Number.NaN) - (before[at]?.[part] ?? 0)) / seconds) * 100;
    const resident = (pid: number): number =>
      [pid, ...children(pid)].reduce((sum, each) => sum + residentMb(each), 0);
    return [
      {
        name: "idle: daemon and children, of one core",
        value: share(0, "all"),
        unit: "%",
        budget: { kind: "at most", value: 1 },
        baseline: { what: "bare Node, tmux every 2 s", value: share(1, "all"), unit: "%" },
        facts: {
          "daemon %": rounded(share(0, "own")),
          "children %": rounded(share(0, "children")),
          "tmux server %": rounded(share(2, "own")),
          seconds: rounded(seconds),
        },
      },
      {
        name: "idle: daemon and children, memory",
        value: resident(daemonPid),
        unit: "MB",
        budget: { kind: "at most", value: 150 },
        baseline: { what: "bare Node, tmux every 2 s", value: resident(barePid), unit: "MB" },
        facts: { "daemon MB": rounded(residentMb(daemonPid)) },
      },
    ];
  },
};

/** Processor seconds so far. A child counts with its parent whether it has been reaped or lives. */
function account(pid: number): { own: number; children: number; all: number } {
  const { own, reaped } = cpuSeconds(pid);
  const living = children(pid).reduce((sum, child) => sum + cpuSeconds(child).own, 0);
  return { own, children: reaped + living, all: own + reaped + living };
}
