import { randomBytes } from "node:crypto";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";
import { type Executor, ExecutorError } from "../targets/executor.js";
import type { PaneProcessProof, ProcessProof } from "../targets/process-proof.js";
import { sequence } from "../tmux/argv.js";
import { guardCondition, guarded, guardProbe, type PanePins, PROBE_ANSWERS } from "../tmux/guard.js";
import { lookAtPane, type PaneLook } from "../tmux/pane-look.js";
import type { CleanUp } from "./buffers.js";

/** Who is acted on, as the daemon knows it. Everything here is proven anew at each step. */
export interface Aim {
  readonly target: string;
  readonly paneId: string;
  readonly panePid: number;
  /** `<server pid>:<server start>` */
  readonly bootId: string;
  readonly process: ProcessProof;
}

/** What came of keys: `refused` when a guard held them back, `unknown` when it cannot be told whether they arrived. */
export type Pressed =
  | { readonly kind: "sent" }
  | { readonly kind: "refused"; readonly look: PaneLook }
  | { readonly kind: "unknown"; readonly message: string };

/** Longest text that travels in the call that sends it, in bytes. */
const MAX_BRIEF_BYTES = 4_096;

/** The condition of keys beyond what is always proven. */
export type ExtraPins = Pick<PanePins, "cursor" | "lines" | "present" | "absent">;

/** Failures after which tmux may run the command yet, or has run it. */
const PERHAPS_RUN = new Set<ExecutorError["kind"]>([
  "timeout",
  "unreachable",
  "failed",
  "protocol",
  "no_server",
]);

function precondition(reason: string, message: string): ContractError {
  return new ContractError(ErrorCode.E_PRECONDITION_FAILED, message, { reason });
}

/** What stands against sending anything into a pane in this condition; undefined if nothing does. */
function obstacle(look: PaneLook): ContractError | undefined {
  if (look.dead) return precondition("pane_dead", "the pane's program has ended");
  if (look.inMode)
    return precondition("pane_in_mode", "the pane is in copy mode or another mode of tmux: leave it first");
  if (look.inputOff)
    return precondition("pane_input_off", "tmux takes no input for this pane (select-pane -d)");
  if (look.synchronized)
    return precondition(
      "panes_synchronized",
      "keys would reach every pane of the window: turn synchronize-panes off",
    );
  return undefined;
}

/** Which servers' guard was found to work, by target and boot id; what was left behind on them is taken away then. */
export class ProvenGuards {
  readonly #proven = new Set<string>();

  constructor(private readonly cleanUp: CleanUp) {}

  proven({ target, bootId }: Pick<Aim, "target" | "bootId">): boolean {
    return this.#proven.has(`${target} ${bootId}`);
  }

  /**
   * Throws ContractError: E_UNSUPPORTED where tmux does not guard as it must, E_RUNTIME_STALE when the pane is gone.
   * Rejects with ExecutorError.
   */
  async prove(executor: Executor, { target, bootId, paneId }: Aim): Promise<void> {
    if (this.proven({ target, bootId })) return;
    const { stdout } = await executor.run(guardProbe(paneId));
    if (stdout !== PROBE_ANSWERS) {
      // Of a pane that is gone all answers are no, and say nothing of the guard.
      const gone = stdout.startsWith("n") && (await executor.run(["list-panes", "-t", paneId])).status !== 0;
      if (gone) throw stale("the pane is gone");
      throw new ContractError(
        ErrorCode.E_UNSUPPORTED,
        "this tmux does not test and send in one step: nothing is sent to it (tmux 3.2 or newer does)",
        { reason: "guard_does_not_work" },
      );
    }
    await this.cleanUp.sweep(executor);
    this.#proven.add(`${target} ${bootId}`);
  }
}

/**
 * The one way in which keys and text reach a pane. Each step looks at the agent's process right before, and has tmux
 * test everything else in the turn in which it sends.
 */
export class PaneHand {
  #begun: Promise<PaneLook> | undefined;

  constructor(
    private readonly executor: Executor,
    private readonly aim: Aim,
    private readonly guards: ProvenGuards,
    private readonly cleanUp: CleanUp,
  ) {}

  /** Begins a look, which the next `look` takes for its own. */
  beginLook(): void {
    this.#begun = this.#look();
    // Who takes it learns why it failed.
    this.#begun.catch(() => undefined);
  }

  /**
   * The pane as it is now, if it may be sent to. Throws ContractError: E_RUNTIME_STALE when pane or process is another
   * one, E_PRECONDITION_FAILED when keys would not reach the agent, or what `unreached` makes of an ExecutorError.
   */
  look(): Promise<PaneLook> {
    const begun = this.#begun;
    this.#begun = undefined;
    return begun ?? this.#look();
  }

  async #look(): Promise<PaneLook> {
    const { paneId, panePid, bootId } = this.aim;
    try {
      // Without a wait where there is nothing to prove: the look is on its way when this returns.
      if (!this.guards.proven(this.aim)) await this.guards.prove(this.executor, this.aim);
      const look = await lookAtPane(this.executor, paneId, { process: this.#process });
      if (look === undefined) throw stale("the pane is gone");
      if (look.panePid !== panePid || `${look.serverPid}:${look.serverStart}` !== bootId)
        throw stale("the pane has another process than the one that was looked at");
      const stands = obstacle(look);
      if (stands !== undefined) throw stands;
      return look;
    } catch (error) {
      throw unreached(error, this.aim.target);
    }
  }

  /** Presses keys (tmux names of our own choosing) if the pane is still as `look` saw it. Throws as `look`. */
  press(look: PaneLook, keys: readonly string[], pins: ExtraPins): Promise<Pressed> {
    return this.#deliver(look, pins, [["send-keys", "-t", look.paneId, ...keys]], []);
  }

  /**
   * Puts text before the agent as if typed, or pasted where the program asks for pastes to be marked. The text travels
   * in a buffer of tmux: it is never part of a command.
   */
  async insert(look: PaneLook, text: Uint8Array, bracketed: boolean, pins: ExtraPins): Promise<Pressed> {
    const { paneId } = look;
    const buffer = this.cleanUp.name();
    const paste = ["paste-buffer", ...(bracketed ? ["-p"] : []), "-d", "-r", "-b", buffer, "-t", paneId];
    const forget = ["delete-buffer", "-b", buffer];
    const load = ["load-buffer", "-b", buffer, "-"];
    let pressed: Pressed;
    try {
      // A short text comes in the same call; for a long one the look at the process would be too long ago.
      const brief = text.length <= MAX_BRIEF_BYTES;
      if (!brief) await this.executor.run(load, { stdin: text });
      const first = brief ? { command: load, stdin: text } : undefined;
      pressed = await this.#deliver(look, pins, [paste], [forget], first);
    } catch (error) {
      await this.cleanUp.forget(this.executor, buffer);
      throw unreached(error, this.aim.target);
    }
    if (pressed.kind === "unknown") await this.cleanUp.forget(this.executor, buffer);
    return pressed;
  }

  get #process(): PaneProcessProof {
    return { ...this.aim.process, panePid: this.aim.panePid };
  }

  async #deliver(
    look: PaneLook,
    pins: ExtraPins,
    granted: readonly (readonly string[])[],
    refused: readonly (readonly string[])[],
    first?: { readonly command: readonly string[]; readonly stdin: Uint8Array },
  ): Promise<Pressed> {
    const { paneId, target } = this.aim;
    const { serverPid, serverStart, panePid, currentCommand, alternateOn } = look;
    const mark = randomBytes(8).toString("hex");
    const say = (word: string): string[] => ["display-message", "-p", `${mark}${word}`];
    const condition = guardCondition({
      paneId,
      serverPid,
      serverStart,
      panePid,
      currentCommand,
      alternateOn,
      ...pins,
      lines: pins.lines?.map((line) => asItStands(look, line)),
    });
    const command = guarded(paneId, condition, [...granted, say("y")], [...refused, say("n")]);
    try {
      const commands = first === undefined ? [command] : [first.command, command];
      const options = { process: this.#process, stdin: first?.stdin };
      const { stdout, stderr } = await this.executor.run(sequence(commands), options);
      if (stdout.includes(`${mark}y`)) return await this.#sentTo();
      if (stdout.includes(`${mark}n`)) return { kind: "refused", look: await this.look() };
      return { kind: "unknown", message: `tmux did not say whether it sent: ${stderr.slice(0, 200)}` };
    } catch (error) {
      if (error instanceof ExecutorError && PERHAPS_RUN.has(error.kind)) {
        return { kind: "unknown", message: `tmux may have sent it: ${error.message}` };
      }
      throw unreached(error, target);
    }
  }

  /** Sent to the process that is meant, if that is still there. */
  async #sentTo(): Promise<Pressed> {
    return (await this.#stillThere())
      ? { kind: "sent" }
      : { kind: "unknown", message: "the agent's process ended or went to the background as it was sent" };
  }

  /** Whether the agent's process is there and in front. Only a clear answer counts. */
  async #stillThere(): Promise<boolean> {
    try {
      return await this.executor.inFront(this.#process);
    } catch (error) {
      if (error instanceof ExecutorError) return false;
      throw error;
    }
  }
}

/** A line as tmux itself holds it: what is taken out before anybody sees it, a mark of direction say, it has to find. */
function asItStands({ lines }: PaneLook, line: string): string {
  return lines.find(({ text }) => text.trimEnd() === line.trimEnd())?.raw ?? line;
}

function stale(message: string): ContractError {
  return new ContractError(ErrorCode.E_RUNTIME_STALE, message);
}

/** What a failure of the executor means to who asked for an action, when nothing was sent. */
export function unreached(error: unknown, target: string): unknown {
  if (!(error instanceof ExecutorError)) return error;
  const cause = { cause: error };
  switch (error.kind) {
    case "process_changed":
      return new ContractError(
        ErrorCode.E_RUNTIME_STALE,
        "the agent's process has ended or is not in the foreground of its terminal",
        {},
        cause,
      );
    case "no_server":
      return new ContractError(ErrorCode.E_RUNTIME_STALE, "the tmux server has ended", {}, cause);
    case "timeout":
      return new ContractError(ErrorCode.E_TIMEOUT, `tmux of ${target} did not answer`, { target }, cause);
    case "unreachable":
      return new ContractError(ErrorCode.E_TARGET_UNREACHABLE, error.message, { target }, cause);
    case "protocol":
      return new ContractError(ErrorCode.E_TMUX_UNSUPPORTED, error.message, { target }, cause);
    case "tmux_not_found":
      return new ContractError(ErrorCode.E_TARGET_UNREACHABLE, error.message, { target }, cause);
    default:
      return new ContractError(ErrorCode.E_INTERNAL, error.message, { target }, cause);
  }
}
