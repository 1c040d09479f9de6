import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { waitUntil } from "./wait-until.js";

const run = promisify(execFile);

/**
 * Pause between typed text and its Enter, ms. Codex takes a burst of keys for a paste and swallows an Enter
 * that follows faster than about 150 ms.
 */
const TYPE_TO_ENTER_MS = 250;
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

export interface SessionOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly width?: number;
  readonly height?: number;
}

/** One private tmux server. It shares no socket, configuration or environment with any other. */
export class Terminal {
  readonly socketPath: string;

  private constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Starts a server whose socket lies in `dir`. The caller owns it and must close it. */
  static async start(dir: string): Promise<Terminal> {
    const terminal = new Terminal(join(dir, "tmux.sock"));
    // Without exit-empty off the server would end together with the last agent that a test stops.
    await terminal.tmux(["start-server", ";", "set-option", "-s", "exit-empty", "off"]);
    return terminal;
  }

  /** Starts a detached session; resolves with its pane id (`%N`). */
  async newSession(name: string, options: SessionOptions): Promise<string> {
    const env = options.env ?? {};
    const settings = Object.entries(env).flatMap(([key, value]) => ["-e", `${key}=${value}`]);
    const size = ["-x", String(options.width ?? 120), "-y", String(options.height ?? 40)];
    const target = ["-s", name, "-c", options.cwd, ...size, ...settings];
    const args = ["new-session", "-d", "-P", "-F", "#{pane_id}", ...target, shellCommand(options.command)];
    // tmux takes PATH from the client that asks, not from -e.
    return (await this.tmux(args, env["PATH"])).trim();
  }

  /** Types text literally, without Enter. */
  async sendText(paneId: string, text: string): Promise<void> {
    await this.tmux(["send-keys", "-t", paneId, "-l", "--", text]);
  }

  /** Presses keys by tmux's names: Enter, Escape, BTab, C-c ... */
  async sendKeys(paneId: string, ...keys: readonly string[]): Promise<void> {
    await this.tmux(["send-keys", "-t", paneId, ...keys]);
  }

  /** Types a line and presses Enter; resolves with the time (ms since the epoch) just before the Enter. */
  async sendLine(paneId: string, text: string): Promise<number> {
    await this.sendText(paneId, text);
    await sleep(TYPE_TO_ENTER_MS);
    const atMs = Date.now();
    await this.sendKeys(paneId, "Enter");
    return atMs;
  }

  /** The visible screen as plain text. */
  async capture(paneId: string): Promise<string> {
    return this.tmux(["capture-pane", "-p", "-t", paneId]);
  }

  async title(paneId: string): Promise<string> {
    return this.format(paneId, "#{pane_title}");
  }

  async panePid(paneId: string): Promise<number> {
    return Number(await this.format(paneId, "#{pane_pid}"));
  }

  async paneTty(paneId: string): Promise<string> {
    return this.format(paneId, "#{pane_tty}");
  }

  /** Expands a tmux format for one pane. */
  async format(paneId: string, format: string): Promise<string> {
    return (await this.tmux(["display-message", "-p", "-t", paneId, format])).trimEnd();
  }

  /** Waits until the screen matches; resolves with that screen. */
  async waitForScreen(paneId: string, pattern: RegExp, timeoutMs: number): Promise<string> {
    return this.#waitScreen(paneId, (screen) => pattern.test(screen), {
      timeoutMs,
      what: `screen ${pattern}`,
    });
  }

  /** Waits until the screen no longer matches; resolves with that screen. */
  async waitForScreenWithout(paneId: string, pattern: RegExp, timeoutMs: number): Promise<string> {
    const what = `screen without ${pattern}`;
    return this.#waitScreen(paneId, (screen) => !pattern.test(screen), { timeoutMs, what });
  }

  async killSession(name: string): Promise<void> {
    await this.tmux(["kill-session", "-t", `=${name}`]);
  }

  /** Ends the server and with it every pane. */
  async close(): Promise<void> {
    await this.tmux(["kill-server"]);
  }

  /** Runs one tmux command against this server, by argument list; resolves with its output. */
  async tmux(args: readonly string[], path?: string): Promise<string> {
    const env = { PATH: path ?? process.env["PATH"] ?? DEFAULT_PATH, LANG: "C.UTF-8", SHELL: "/bin/sh" };
    const { stdout } = await run("tmux", ["-S", this.socketPath, "-f", "/dev/null", ...args], { env });
    return stdout;
  }

  async #waitScreen(
    paneId: string,
    accept: (screen: string) => boolean,
    wait: { readonly timeoutMs: number; readonly what: string },
  ): Promise<string> {
    let screen = "";
    const probe = async (): Promise<string | undefined> => {
      screen = await this.capture(paneId);
      return accept(screen) ? screen : undefined;
    };
    return waitUntil(probe, { ...wait, lastSeen: () => screen.replaceAll(/\n\s*\n+/g, "\n") });
  }
}

/** tmux hands a command to a shell; `exec` leaves the program itself as the pane's process. */
function shellCommand(command: readonly string[]): string {
  return `exec ${command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ")}`;
}
