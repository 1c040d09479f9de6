import { lstatSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { AgentState } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import { Churn } from "../traffic/churn.js";
import { Hooks } from "../traffic/hooks.js";
import { Spool } from "../traffic/spool.js";
import { LogicalWatcher } from "../traffic/watchers.js";
import { EVERYTHING, type Play } from "./stage.js";

/** After which an agent says something else: two of its words within one look are one to the daemon, or none. */
const PATIENCE_MS = 300;

/** A scenario of a second or two, with the program it is played with. */
export type ShortPlay = (play: Play, program: string) => Promise<void>;

/** Hooks, agents and watchers at once, and a kill in the middle of a transaction. */
export const killedUnderLoad: ShortPlay = async (play, program) => {
  const { stage, client, history, random } = play;
  const hooks = new Hooks(
    stage.agents.map(({ pid }) => pid),
    history,
    random.branch(),
  );
  const churn = new Churn(stage.scene, stage.agents, random.branch());
  const watcher = new LogicalWatcher("steady", client, EVERYTHING, history, random.branch());
  const life = await play.serving({ program, failpoint: "store.before-commit=kill@50" });
  watcher.start();
  play.atEnd(() => watcher.stop());
  const ending = new AbortController();
  const traffic = [
    hooks.send(client(), ending.signal),
    hooks.send(client(), ending.signal),
    churn.run(ending.signal),
  ];
  try {
    await life.death("the daemon to be killed in a transaction");
  } finally {
    ending.abort();
    await Promise.all(traffic);
  }
  await eventually("the watcher to be gone", () => !watcher.connected);
};

/** A watcher goes away, things change, and it comes back with its cursor; another has seen it all. */
export function resumedAfter(changes: number): ShortPlay {
  return async (play, program) => {
    const { stage, client, history, random } = play;
    const watchers = ["steady", "absent"].map(
      (name) => new LogicalWatcher(name, client, EVERYTHING, history, random.branch()),
    );
    const [steady, absent] = watchers;
    const [agent] = stage.agents;
    if (steady === undefined || absent === undefined || agent === undefined) throw new Error("no cast");
    // Whatever an earlier play left it in: the first change must be one.
    agent.say("idle");
    const life = await play.serving({ program });
    await eventually("it to be idle", async () => {
      const { panes } = await client().state.listPanes({ filter: { states: [AgentState.IDLE] } });
      return panes.some(({ identity }) => identity?.paneId === agent.paneId);
    });
    for (const each of watchers) {
      each.start();
      play.atEnd(() => each.stop());
    }
    await eventually("both to watch", () => watchers.every(({ cursor }) => cursor !== ""));
    const sequence = ({ cursor }: LogicalWatcher): number => Number(cursor.split(":")[1] ?? 0);
    let says = 0;
    const changed = async (count: number, by: readonly LogicalWatcher[]): Promise<void> => {
      for (let change = 0; change < count; change += 1) {
        const from = Math.max(...watchers.map(sequence));
        let said = Number.NEGATIVE_INFINITY;
        await eventually("a change to be told", () => {
          if (performance.now() - said > PATIENCE_MS) {
            said = performance.now();
            says += 1;
            agent.say(says % 2 === 0 ? "idle" : "busy");
          }
          return by.every((each) => sequence(each) > from);
        });
      }
    };
    await changed(2, watchers);
    await absent.stop();
    await changed(changes, [steady]);
    absent.start();
    await eventually("it to be back", () => absent.connected);
    await changed(2, watchers);
    await life.end("SIGTERM");
    await eventually("both to be gone", () => watchers.every(({ connected }) => !connected));
  };
}

/** Hooks have left files; the daemon that takes them is killed in the middle of one, and another goes on. */
export function spoolTakenAgain(...failpoints: readonly string[]): ShortPlay {
  return async (play, program) => {
    const { stage, history, random } = play;
    const pids = stage.agents.map(({ pid }) => pid);
    const spool = new Spool(play.stateDir, pids, history, random.branch());
    for (const failpoint of failpoints) {
      spool.leave(6);
      const life = play.begin({ program, failpoint });
      await life.death(`the daemon to come to ${failpoint}`);
      if (life.ended !== "SIGKILL") throw new Error(`ended with ${life.ended}: ${life.said}`);
    }
    spool.leave(2);
    const life = await play.serving({ program });
    await eventually("the spool to be empty", () => play.spool().size === 0);
    await life.end("SIGTERM");
  };
}

/** A daemon is told to stop and drains; the next one is started meanwhile, and serves when it may. */
export const handover: ShortPlay = async (play, program) => {
  const old = await play.serving({ program });
  const socket = join(play.stateDir, "agtmuxd.sock");
  // A request without its end keeps the old one draining.
  const open = connectSocket(socket);
  open.on("error", () => undefined);
  await new Promise((resolve) => open.once("connect", resolve));
  open.write(
    "POST /agtmux.v1.StateService/ListPanes HTTP/1.1\r\nHost: localhost\r\ncontent-length: 9\r\n\r\n{",
  );
  await play.client().daemon.getHealth({});
  old.signal("SIGTERM");
  await eventually("the old one to accept no more", () => answers(socket).then((is) => !is));
  const early = play.begin({ program });
  // Refused as long as the old one lives, if all is well.
  const served = await early.serves();
  open.destroy();
  await old.death();
  const next = served ? early : await play.serving({ program });
  const isThere = lstatSync(socket, { throwIfNoEntry: false }) !== undefined;
  play.history.add({ kind: "handover", reachable: isThere && (await answers(socket)) });
  await next.end("SIGTERM");
};

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
