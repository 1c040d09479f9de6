import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "./random.js";
import type { Slot } from "./slot.js";

/** What happens to a pane between the look and the keys. */
export interface Trick {
  readonly name: string;
  run(slot: Slot, random: Random): Promise<unknown>;
}

/** Has the agent go; its pane's shell, if it has one, is in front again. */
function leave(slot: Slot, random: Random): void {
  const { agent } = slot;
  if (agent === undefined) return;
  if (random.chance(0.5)) slot.victims.tell(agent, "leave");
  else slot.strike("SIGKILL");
}

function tell(slot: Slot, order: string): void {
  const { agent } = slot;
  if (agent !== undefined) slot.victims.tell(agent, order);
}

/** Turns something on and off a few times, so that it is one way at the look and the other at the keys. */
function flicker(on: readonly string[], off: readonly string[]): Trick["run"] {
  return async (slot, random) => {
    const at = ["-t", slot.paneId];
    for (let time = 0; time < 6; time++) {
      await slot.tmux(...on.slice(0, 1), ...at, ...on.slice(1));
      await delay(random.between(0, 6));
      await slot.tmux(...off.slice(0, 1), ...at, ...off.slice(1));
      await delay(random.between(0, 6));
    }
  };
}

const SYNCHRONIZE = ["set-option", "-w", "synchronize-panes"];

const TRICKS: readonly (readonly [number, string, Trick["run"]])[] = [
  [14, "nothing", async () => undefined],
  [
    6,
    "respawn with another agent",
    (slot) => slot.tmux("respawn-pane", "-k", "-t", slot.paneId, slot.command),
  ],
  [
    3,
    "respawn with a bystander",
    (slot) => slot.tmux("respawn-pane", "-k", "-t", slot.paneId, `exec ${slot.victims.command("plain")}`),
  ],
  [
    4,
    "swap with another agent's pane",
    (slot) => slot.tmux("swap-pane", "-d", "-s", slot.paneId, "-t", "%1"),
  ],
  [
    3,
    "kill the pane and split another",
    async (slot) => {
      const kill = ["kill-pane", "-t", slot.paneId, ";"];
      const split = ["split-window", "-d", "-h", "-t", "%1", "-P", "-F", "#{pane_id}", slot.command];
      slot.paneId = (await slot.tmux(...kill, ...split)) ?? slot.paneId;
    },
  ],
  [3, "end the server and begin one with the same ids", (slot) => slot.build()],
  [4, "copy mode", (slot) => slot.tmux("copy-mode", "-t", slot.paneId)],
  [4, "no input", (slot) => slot.tmux("select-pane", "-d", "-t", slot.paneId)],
  [
    4,
    "synchronised panes",
    (slot) => slot.tmux("set-option", "-w", "-t", slot.paneId, "synchronize-panes", "on"),
  ],
  [4, "copy mode comes and goes", flicker(["copy-mode"], ["copy-mode", "-q"])],
  [5, "input goes and comes", flicker(["select-pane", "-d"], ["select-pane", "-e"])],
  [6, "panes are synchronised now and then", flicker([...SYNCHRONIZE, "on"], [...SYNCHRONIZE, "off"])],
  [8, "the agent goes", async (slot, random) => leave(slot, random)],
  [
    8,
    "the agent goes and another starts",
    async (slot, random) => {
      leave(slot, random);
      await delay(random.between(0, 30));
      if (slot.kind === "own") await slot.tmux("respawn-pane", "-k", "-t", slot.paneId, slot.command);
      await slot.launch();
    },
  ],
  [4, "the agent is stopped", async (slot) => slot.strike("SIGSTOP")],
  [6, "a dialog opens", async (slot) => tell(slot, `open ${++slot.dialogs}`)],
  [3, "everything closes", async (slot) => tell(slot, "calm")],
  [
    6,
    "the user types a draft",
    (slot, random) =>
      slot.tmux("send-keys", "-t", slot.paneId, "-l", "z".repeat(Math.ceil(random.between(0, 3)))),
  ],
  [
    2,
    "the session is renamed",
    (slot, random) => slot.tmux("rename-session", "-t", slot.paneId, `s${random.next()}`),
  ],
  [3, "the pane moves to a window of its own", (slot) => slot.tmux("break-pane", "-d", "-s", slot.paneId)],
  [
    2,
    "the pane moves to another session",
    (slot) => slot.tmux("join-pane", "-d", "-s", slot.paneId, "-t", "%2"),
  ],
  [
    2,
    "the window gets another size",
    (slot, random) =>
      slot.tmux("resize-pane", "-t", slot.paneId, "-x", `${Math.ceil(random.between(40, 80))}`),
  ],
];

export function pickTrick(random: Random): Trick {
  return random.pick(TRICKS.map(([weight, name, run]) => [weight, { name, run }]));
}
