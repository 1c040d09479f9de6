import { readFileSync } from "node:fs";
import type { PaneProcessProof } from "../../src/server/targets/process-proof.js";
import { parseStat } from "../../src/server/targets/process-stat.js";
import { type PrivateServer, until } from "../tmux/private-server.js";

/** A pane of a private tmux server, and the processes in it. */
export class PaneProgram {
  private constructor(
    private readonly server: PrivateServer,
    readonly paneId: string,
    /** Of the pane's first process. */
    readonly pid: number,
  ) {}

  /** A new window with a command, which `sh` reads. Resolves when the pane's first process goes by that name. */
  static async open(server: PrivateServer, command: string, name?: string): Promise<PaneProgram> {
    const printed = server.tmux("new-window", "-d", "-P", "-F", "#{pane_id} #{pane_pid}", command);
    const [paneId = "", pid = ""] = printed.split(" ");
    await until(`${name}`, () => name === undefined || commandOf(Number(pid)).startsWith(`${name}\0`));
    return new PaneProgram(server, paneId, Number(pid));
  }

  /** Names the pane's first process. */
  proof(pid = this.pid): PaneProcessProof {
    return { pid, startRaw: statOf(pid)?.startRaw ?? "", panePid: this.pid };
  }

  /** Types a line into the pane; C-j, because a program that was stopped leaves its terminal as it is. */
  type(line: string): void {
    this.server.tmux("send-keys", "-t", this.paneId, "-l", line);
    this.server.tmux("send-keys", "-t", this.paneId, "C-j");
  }

  /** Names the innermost process that a command starts in a pane of its own, or ('') in this one, once it is in that state. */
  async child(command: string, state: string, name?: string): Promise<PaneProcessProof> {
    const pane = command === "" ? this : await PaneProgram.open(this.server, command);
    return until(`a process in state ${state}`, () => {
      const pid = lastOf(pane.pid);
      const stat = statOf(pid);
      if (stat?.state !== state || (command === "" && pid === pane.pid)) return undefined;
      if (name !== undefined && !stat.comm.startsWith(name.slice(0, 15))) return undefined;
      return pane.proof(pid);
    });
  }

  /** Waits until a process has ended, whether or not it was taken away. */
  async untilEnded(pid: number): Promise<void> {
    await until(`the end of ${pid}`, () => ["Z", undefined].includes(statOf(pid)?.state));
  }

  /** Waits until a process is in that state. */
  async untilState(pid: number, state: string): Promise<void> {
    await until(`${pid} in state ${state}`, () => statOf(pid)?.state === state);
  }
}

export function childrenOf(pid: number): number[] {
  return fileOf(pid, `task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}

/** The last process of a line of only children. */
function lastOf(pid: number): number {
  const [child] = childrenOf(pid);
  return child === undefined ? pid : lastOf(child);
}

function statOf(pid: number) {
  return parseStat(fileOf(pid, "stat"));
}

function commandOf(pid: number): string {
  return fileOf(pid, "cmdline");
}

/** A file of a process; '' once it is gone. */
function fileOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH"].includes(String(error.code)))
      return "";
    throw error;
  }
}
