import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { familyMb, familySeconds, residentMb } from "../support/account.js";
import { openFleet } from "../support/fleet.js";
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

/** What the daemon and its children cost while nothing happens: 60 idle agents here and on two ssh targets. */
export const idle: Row = {
  name: "idle",
  deadlineMs: () => 90_000,
  async run(context) {
    const { scene, daemonPid } = await openFleet(context, { local: 20, targets: 2, each: 20 });
    const bare = spawn(process.execPath, ["-e", BARE_POLLER, scene.terminal.socketPath], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    context.resources.add(() => void bare.kill("SIGKILL"));
    const barePid = bare.pid ?? 0;
    const server = scene.terminal.pid();
    await delay(SETTLE_MS);
    const before = [daemonPid, barePid, server].map(familySeconds);
    const began = performance.now();
    await delay(MEASURED_MS);
    const seconds = (performance.now() - began) / 1_000;
    const after = [daemonPid, barePid, server].map(familySeconds);
    const share = (at: number, part: "own" | "children" | "all"): number =>
      (((after[at]?.[part] ?? Number.NaN) - (before[at]?.[part] ?? 0)) / seconds) * 100;
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
        value: familyMb(daemonPid),
        unit: "MB",
        budget: { kind: "at most", value: 150 },
        baseline: { what: "bare Node, tmux every 2 s", value: familyMb(barePid), unit: "MB" },
        facts: { "daemon MB": rounded(residentMb(daemonPid)) },
      },
    ];
  },
};
