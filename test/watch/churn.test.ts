import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Pane, WatchScope, WatchType } from "../../src/client/index.js";
import { Scene } from "../daemon/support/scene.js";
import { fold, listed, Watcher } from "../daemon/support/watcher.js";
import { eventually } from "../support/daemon.js";
import { random } from "./world.js";

const SEED = Number(process.env["AGTMUX_TEST_SEED"] ?? 20_260_801);
const STEPS = 200;

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
});
afterAll(async () => {
  await scene.close();
});

/** tmux refuses what the random step asked for (the last pane, a name taken): as good as any other step. */
function attempt(...words: string[]): void {
  try {
    scene.tmux(...words);
  } catch (error) {
    if (!(error instanceof Error && "status" in error)) throw error;
  }
}

function tmuxSays(): string[] {
  const format =
    "#{session_name}\t#{window_id}\t#{pane_id}\t#{pane_pid}\t#{window_name}\t#{window_index}\t#{pane_index}";
  return [...new Set(scene.tmux("list-panes", "-a", "-F", format).split("\n"))].sort();
}

/** The rows that tmux would list: one for each session that shows the pane. */
function daemonSays(panes: readonly Pane[]): Set<string> {
  return new Set(panes.map(({ identity, panePid }) => `${identity?.paneId} ${panePid}`));
}

describe("under random changes of a real tmux server", () => {
  it(`TC-041 every stream's fold equals the list at its sequence, and the lists end as tmux says (seed ${SEED})`, {
    timeout: 120_000,
  }, async () => {
    console.log(`seed ${SEED}`);
    const chance = random(SEED);
    const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(chance() * from.length)];
    const first = scene.agent("new-session", "-d", "-s", "keep", "-x", "200", "-y", "50");
    await scene.untilState(first, "idle");
    const requests = [WatchScope.PANES, WatchScope.WINDOWS, WatchScope.SESSIONS].flatMap((scope) => [
      { scope, filter: {} },
      { scope, filter: { includePlain: true } },
    ]);
    const watchers = await Promise.all(requests.map((request) => Watcher.open(scene.client, request)));

    let serial = 0;
    const step = (): void => {
      const panes = scene.tmux("list-panes", "-a", "-F", "#{pane_id}").split("\n");
      const windows = scene.tmux("list-windows", "-a", "-F", "#{window_id}").split("\n");
      const sessions = scene.tmux("list-sessions", "-F", "#{session_id}").split("\n");
      const pane = pick(panes) ?? "";
      const window = pick(windows) ?? "";
      const session = pick(sessions) ?? "";
      const command = chance() < 0.3 ? scene.agentCommand : "exec sleep 100000";
      serial += 1;
      const steps: (() => void)[] = [
        () => attempt("split-window", "-d", "-t", pane, command),
        () => attempt("split-window", "-t", pane, command),
        () => attempt("new-window", "-d", "-t", `${session}:`, command),
        () => sessions.length < 8 && attempt("new-session", "-d", "-s", `s ${serial}/é%`, command),
        () => sessions.length < 8 && attempt("new-session", "-d", "-s", `group ${serial}`, "-t", session),
        () => pane !== first.paneId && panes.length > 4 && attempt("kill-pane", "-t", pane),
        () => sessions.length > 3 && session !== "$0" && attempt("kill-session", "-t", session),
        () => attempt("rename-session", "-t", session, `r ${serial}`),
        () => attempt("rename-window", "-t", window, `w ${serial}`),
        () => pane !== first.paneId && attempt("respawn-pane", "-k", "-t", pane, command),
        () => attempt("link-window", "-d", "-s", window, "-t", `${session}:`),
        () => attempt("break-pane", "-d", "-s", pane),
        () => attempt("swap-pane", "-d", "-s", pane, "-t", pick(panes) ?? ""),
        () => attempt("move-window", "-d", "-s", window, "-t", `${session}:`),
        () => attempt("select-layout", "-t", window, "tiled"),
      ];
      pick(steps)?.();
    };

    const agree = async (): Promise<void> => {
      for (const [at, request] of requests.entries()) {
        const fresh = await Watcher.open(scene.client, request);
        const [snapshot] = fresh.messages;
        await fresh.close();
        if (snapshot === undefined) throw new Error("no snapshot");
        const { sequence } = snapshot;
        const old = watchers[at];
        if (old === undefined) throw new Error("no watcher");
        const wanted = fold([snapshot]);
        // The stream may still be on its way; what it has said up to the sequence must come to be the snapshot.
        await eventually(`${JSON.stringify(request)} at ${sequence}`, () =>
          same(fold(old.messages, Number(sequence)), wanted),
        ).catch(() => expect(fold(old.messages, Number(sequence))).toEqual(wanted));
      }
    };

    for (let at = 0; at < STEPS; at++) {
      step();
      if (at % 10 === 9) await agree();
    }
    const settled = await eventually("the daemon to list what tmux lists", async () => {
      const lists = await scene.client.state.listPanes({ filter: { includePlain: true, targets: ["lab"] } });
      const told = new Set(tmuxSays().map((line) => line.split("\t").slice(2, 4).join(" ")));
      return same(daemonSays(lists.panes), told) ? lists.panes : undefined;
    });
    // Names and places too, by tmux's own words: each pane in every session that shows it.
    await eventually("names and places to agree", async () => {
      const { panes } = await scene.client.state.listPanes({
        filter: { includePlain: true, targets: ["lab"] },
      });
      const shown = panes.flatMap(({ identity, alsoIn, panePid, windowName }) =>
        [identity?.sessionName, ...alsoIn].map((session) =>
          [session, identity?.windowId, identity?.paneId, panePid, windowName].join("\t"),
        ),
      );
      const told = new Set(tmuxSays().map((line) => line.split("\t").slice(0, 5).join("\t")));
      return same(new Set(shown), told);
    });
    await agree();
    const [panes, windows, sessions] = await Promise.all([
      scene.client.state.listPanes({ filter: { includePlain: true } }),
      scene.client.state.listWindows({ filter: { includePlain: true } }),
      scene.client.state.listSessions({ filter: { includePlain: true } }),
    ]);
    await eventually("the streams to agree with the lists", () =>
      [panes, windows, sessions].every((list, at) => {
        const old = watchers[at * 2 + 1];
        return old !== undefined && sameRows(fold(old.messages), listed(list));
      }),
    );
    const sequences = watchers.map(({ messages }) =>
      messages.filter(({ type }) => type === WatchType.DELTA).map(({ sequence }) => sequence),
    );
    for (const told of sequences) expect(told).toEqual([...new Set(told)].sort((a, b) => Number(a - b)));
    console.log(
      `${settled.length} panes after ${STEPS} steps; messages: ${sequences.map((told) => told.length).join(" ")}`,
    );
    expect(
      execFileSync("tmux", ["-S", scene.terminal.socketPath, "list-clients"], { encoding: "utf8" }),
    ).toBe("");
    for (const watcher of watchers) await watcher.close();
  });

  it("prints how long an announced and a silent change take to reach a watcher", async () => {
    const watcher = await Watcher.open(scene.client, { filter: { includePlain: true } });
    const measure = async (...words: string[]): Promise<number> => {
      const began = performance.now();
      const paneId = scene.tmux(...words, "-P", "-F", "#{pane_id}", "exec sleep 100000");
      await watcher.until(`${paneId} to be told`, ({ messages }) =>
        messages.some(({ changes }) =>
          changes.some(({ identity }) => identity.case === "pane" && identity.value.paneId === paneId),
        ),
      );
      return performance.now() - began;
    };
    const announced: number[] = [];
    const silent: number[] = [];
    for (let at = 0; at < 10; at++) {
      announced.push(await measure("new-session", "-d", "-s", `announced ${at}`));
      silent.push(await measure("split-window", "-d", "-t", `=announced ${at}:`));
    }
    const p = (values: number[], share: number): number =>
      Math.round(values.sort((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN);
    console.log(
      `announced change → watcher: median ${p(announced, 0.5)} ms, p95 ${p(announced, 0.95)} ms (budget 300)`,
    );
    console.log(
      `silent change → watcher: median ${p(silent, 0.5)} ms, p95 ${p(silent, 0.95)} ms (budget 1200)`,
    );
    await watcher.close();
  });
});

function same(
  a: ReadonlyMap<string, string> | ReadonlySet<string>,
  b: ReadonlyMap<string, string> | ReadonlySet<string>,
): true | undefined {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort()) ? true : undefined;
}

/** Lists give plain rows of every target; so do streams without a target filter. */
function sameRows(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return same(a, b) === true;
}
