import { setTimeout as sleep } from "node:timers/promises";
import type { AgentHome } from "./agent-home.js";
import { highlightedOptions, numberOfOption, withoutMarks } from "./option-menu.js";
import { endsWithin, processTree } from "./processes.js";
import type { Terminal } from "./terminal.js";
import { waitUntil } from "./wait-until.js";

/** Claude Code ignores keys for about 150 ms after it has drawn a dialog: a digit then only moves the highlight. */
const DIALOG_SETTLE_MS = 400;
const DIALOG_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 10_000;
const EXIT_TIMEOUT_MS = 15_000;
const MOST_OPTIONS = 6;

/** What differs between the agents on the screen and in the process tree. */
export interface AgentProfile {
  readonly command: "claude" | "codex";
  /** The input prompt is drawn and the agent takes a prompt. */
  readonly ready: RegExp;
  /** A dialog that waits for a person. */
  readonly dialog: RegExp;
  readonly approveOption: RegExp;
  readonly denyOption: RegExp;
  /** Dialogs of a first start, and the option that goes on without changing the lab's settings. */
  readonly startDialogs: readonly { readonly shown: RegExp; readonly choose: RegExp }[];
  /** True for the process that draws the terminal. */
  readonly isAgentProcess: (args: string) => boolean;
}

export interface DriverAction {
  readonly name: "start" | "prompt" | "approve" | "deny" | "escape" | "exit" | "kill";
  /** Milliseconds since the epoch, just before the deciding key or signal. */
  readonly atMs: number;
}

/** Drives one agent in one pane as a person would: by what is on the screen. */
export class AgentDriver {
  readonly session: string;
  readonly paneId: string;
  readonly home: AgentHome;
  /** Everything that was done, in order. */
  readonly actions: DriverAction[] = [];
  readonly #terminal: Terminal;
  readonly #profile: AgentProfile;

  constructor(options: {
    readonly terminal: Terminal;
    readonly profile: AgentProfile;
    readonly session: string;
    readonly paneId: string;
    readonly home: AgentHome;
    readonly startedAtMs: number;
  }) {
    this.#terminal = options.terminal;
    this.#profile = options.profile;
    this.session = options.session;
    this.paneId = options.paneId;
    this.home = options.home;
    this.actions.push({ name: "start", atMs: options.startedAtMs });
  }

  /** Waits for the input prompt, answering the dialogs of a first start. */
  async waitReady(timeoutMs: number): Promise<void> {
    const { ready, startDialogs } = this.#profile;
    const shown = [ready, ...startDialogs.map((dialog) => dialog.shown)];
    const anyShown = new RegExp(shown.map((pattern) => pattern.source).join("|"), "m");
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const screen = await this.#terminal.waitForScreen(this.paneId, anyShown, deadline - Date.now());
      const dialog = startDialogs.find((candidate) => candidate.shown.test(screen));
      if (dialog === undefined) return;
      await sleep(DIALOG_SETTLE_MS);
      await this.#choose(dialog.choose);
      if (await this.#isGone(dialog.shown, DIALOG_SETTLE_MS)) continue;
      // In some dialogs a number only moves the highlight.
      await this.#terminal.sendKeys(this.paneId, "Enter");
      await this.#terminal.waitForScreenWithout(this.paneId, dialog.shown, deadline - Date.now());
    }
  }

  async #isGone(shown: RegExp, withinMs: number): Promise<boolean> {
    return this.#terminal.waitForScreenWithout(this.paneId, shown, withinMs).then(
      () => true,
      () => false,
    );
  }

  /** The pid of the process that draws the terminal: for Codex the native child, not its node launcher. */
  async agentPid(): Promise<number> {
    const tree = await processTree(await this.#terminal.panePid(this.paneId));
    const agent = tree.find((row) => this.#profile.isAgentProcess(row.args));
    if (agent === undefined) throw new Error(`no ${this.#profile.command} process in pane ${this.paneId}`);
    return agent.pid;
  }

  async screen(): Promise<string> {
    return this.#terminal.capture(this.paneId);
  }

  async title(): Promise<string> {
    return this.#terminal.title(this.paneId);
  }

  /** Waits until the screen matches; resolves with that screen. */
  async waitForScreen(pattern: RegExp, timeoutMs: number): Promise<string> {
    return this.#terminal.waitForScreen(this.paneId, pattern, timeoutMs);
  }

  /** Types a prompt and sends it. */
  async prompt(text: string): Promise<DriverAction> {
    return this.#done("prompt", await this.#typeLine(text));
  }

  /** Waits until a dialog is drawn that waits for a person; resolves with that screen. */
  async waitDialog(timeoutMs: number = DIALOG_TIMEOUT_MS): Promise<string> {
    return this.waitForScreen(this.#profile.dialog, timeoutMs);
  }

  /** Answers the open dialog with its plain "yes". */
  async approve(): Promise<DriverAction> {
    return this.#answer("approve", this.#profile.approveOption);
  }

  /** Answers the open dialog with its "no". */
  async deny(): Promise<DriverAction> {
    return this.#answer("deny", this.#profile.denyOption);
  }

  async escape(): Promise<DriverAction> {
    const atMs = Date.now();
    await this.#terminal.sendKeys(this.paneId, "Escape");
    return this.#done("escape", atMs);
  }

  /** Ends the agent by its own command and waits until its process is gone. */
  async exit(): Promise<DriverAction> {
    const pid = await this.agentPid();
    const atMs = await this.#typeLine("/exit");
    await this.#requireEnd(pid);
    return this.#done("exit", atMs);
  }

  /** Sends a signal to the agent's process and waits until it is gone. */
  async kill(signal: "SIGKILL" | "SIGTERM" | "SIGHUP" = "SIGKILL"): Promise<DriverAction> {
    const pid = await this.agentPid();
    const atMs = Date.now();
    process.kill(pid, signal);
    await this.#requireEnd(pid);
    return this.#done("kill", atMs);
  }

  /** Claude Code puts a prompt back into the input when it is interrupted before any answer: clear that first. */
  async #typeLine(text: string): Promise<number> {
    await this.#terminal.sendKeys(this.paneId, "C-u");
    return this.#terminal.sendLine(this.paneId, text);
  }

  async #answer(name: "approve" | "deny", option: RegExp): Promise<DriverAction> {
    await this.waitDialog();
    await sleep(DIALOG_SETTLE_MS);
    const asked = withoutMarks(await this.screen());
    const atMs = await this.#choose(option);
    // Codex may draw the next dialog at once, so a dialog on the screen need not be the one just answered.
    const answered = async (): Promise<true | undefined> =>
      withoutMarks(await this.screen()) === asked ? undefined : true;
    await waitUntil(answered, { timeoutMs: ANSWER_TIMEOUT_MS, what: `the ${name} to be taken` });
    return this.#done(name, atMs);
  }

  /** Chooses an option by its words: numbers move between dialogs and versions. */
  async #choose(words: RegExp): Promise<number> {
    const number = numberOfOption(await this.screen(), words);
    if (number === undefined) return this.#chooseByArrows(words);
    const atMs = Date.now();
    await this.#terminal.sendKeys(this.paneId, number);
    return atMs;
  }

  async #chooseByArrows(words: RegExp): Promise<number> {
    for (let tries = 0; tries < MOST_OPTIONS; tries += 1) {
      const highlighted = highlightedOptions(await this.screen());
      if (highlighted.some((option) => words.test(option))) {
        const atMs = Date.now();
        await this.#terminal.sendKeys(this.paneId, "Enter");
        return atMs;
      }
      await this.#terminal.sendKeys(this.paneId, "Down");
      await this.#waitHighlightChange(highlighted.join());
    }
    throw new Error(`no option ${words} on the screen:\n${await this.screen()}`);
  }

  async #waitHighlightChange(before: string): Promise<void> {
    const changed = async (): Promise<true | undefined> =>
      highlightedOptions(await this.screen()).join() === before ? undefined : true;
    await waitUntil(changed, { timeoutMs: ANSWER_TIMEOUT_MS, what: "another highlighted option" });
  }

  async #requireEnd(pid: number): Promise<void> {
    if (await endsWithin(pid, EXIT_TIMEOUT_MS)) return;
    throw new Error(`${this.#profile.command} ${pid} did not end:\n${await this.screen()}`);
  }

  #done(name: DriverAction["name"], atMs: number): DriverAction {
    const action = { name, atMs };
    this.actions.push(action);
    return action;
  }
}
