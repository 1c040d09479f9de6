import { AgentState, type Pane } from "../../../src/client/index.js";
import type { SessionStatus } from "../../daemon/support/scene.js";
import type { ActionScene, BoxAgent, Picture } from "./actor.js";

export const PERMISSION_DIALOG = [
  "─".repeat(60),
  " Bash command",
  "",
  "   touch made-by-agent.txt",
  "   Create a file",
  "",
  " Do you want to proceed?",
  " ❯ 1. Yes",
  "   2. Yes, and don't ask again for touch commands",
  "   3. No, and tell Claude what to do differently (esc)",
  "",
  " Esc to cancel · Tab to amend",
];

export const QUESTION_DIALOG = [
  "─".repeat(60),
  " ☐ Colour",
  "",
  "Which colour do you want?",
  "",
  "❯ 1. Red",
  "  2. Blue",
  "",
  "Enter to select · ↑/↓ to navigate · Esc to cancel",
];

/** A word that no version of Claude Code has; what it means is not known. */
// Sound for the daemon, which reads it as text.
const UNHEARD = "pondering" as SessionStatus;

interface Pose {
  /** What the session file says on the way there, the last one last. */
  readonly says: readonly SessionStatus[];
  readonly picture: Picture;
}

const POSES: Readonly<Record<Exclude<keyof typeof AgentState, "UNSPECIFIED">, Pose>> = {
  RUNNING: { says: ["busy"], picture: { footer: "  esc to interrupt" } },
  COMPLETED: { says: ["busy", "idle"], picture: { above: ["● Done.", "", "✻ Cooked for 3s · done 5s"] } },
  IDLE: { says: ["idle"], picture: {} },
  WAITING_APPROVAL: {
    says: ["permission prompt"],
    picture: { dialog: PERMISSION_DIALOG, dialogStays: true },
  },
  WAITING_INPUT: { says: ["input needed"], picture: { dialog: QUESTION_DIALOG, dialogStays: true } },
  ERROR: { says: ["busy", "idle"], picture: { above: ["● API Error: 500 internal server error"] } },
  UNKNOWN: { says: [UNHEARD], picture: {} },
};

export type StateName = keyof typeof POSES;

// Sound: these are exactly the keys.
export const STATE_NAMES = Object.keys(POSES) as StateName[];

/** Starts an agent and brings it into a state: lists show it, and its dialog was read. A dialog stays when it is answered. */
export async function agentIn(lab: ActionScene, name: StateName): Promise<BoxAgent> {
  const agent = await lab.agent();
  const { says, picture } = POSES[name];
  await agent.show(picture);
  const own = (pane: Pane): boolean => pane.agent?.agentPid === BigInt(agent.pid);
  for (const status of says) {
    agent.say(status);
    await lab.scene.untilPane(`the agent to have said ${status}`, (pane) => {
      const busy = pane.agent?.state === AgentState.RUNNING;
      return own(pane) && busy === (status === "busy");
    });
  }
  await lab.scene.untilPane(`the agent to be ${name}`, (pane) => {
    const read = picture.dialog === undefined || pane.agent?.promptId !== "";
    return own(pane) && pane.agent?.state === AgentState[name] && read;
  });
  return agent;
}

/** Draws anew what belongs to that state: whatever was typed is gone. */
export async function clean(agent: BoxAgent, name: StateName): Promise<void> {
  await agent.show({ ...POSES[name].picture, draft: "" });
}
