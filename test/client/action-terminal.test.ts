import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState } from "../../gen/agtmux/v1/common_pb.js";
import { createPrivateServer, type PrivateServer, signal, until } from "../tmux/private-server.js";
import { ActionDaemon, type Answers } from "./support/action-daemon.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { CLI } from "./support/real-program.js";
import { agentPane } from "./support/samples.js";

const PROMPT = "1".repeat(32);
const PANE = agentPane(1, AgentState.WAITING_APPROVAL, { promptId: PROMPT, promptText: "Run it?" });

// A tmux pane is a terminal whose every mode can be asked for.
let double: DaemonDouble;
let terminal: PrivateServer;
let paneId: string;
let tty: string;
beforeEach(() => {
  double = new DaemonDouble();
  terminal = createPrivateServer();
  paneId = terminal.start(
    "new-session",
    "-d",
    "-P",
    "-F",
    "#{pane_id}",
    "-x",
    "90",
    "-y",
    "20",
    "exec sh -i",
  );
  tty = terminal.tmux("display-message", "-p", "-t", paneId, "#{pane_tty}");
});
afterEach(async () => {
  terminal.dispose();
  await double.remove();
});

async function serve(answers: Answers) {
  const daemon = new ActionDaemon([PANE], answers);
  await double.listen(daemon.routes);
  return daemon;
}

const format = (text: string) => terminal.tmux("display-message", "-p", "-t", paneId, text);
const modes = () =>
  format("#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{wrap_flag} #{keypad_cursor_flag}");
const screen = () => terminal.tmux("capture-pane", "-p", "-t", paneId);
const type = (line: string) => terminal.tmux("send-keys", "-t", paneId, "-l", `${line}\n`);
const shows = (text: string) => until(`${text} on the screen`, () => screen().includes(text));
const program = () => `AGTMUX_SOCKET=${double.socket} ${process.execPath} ${CLI}`;
const runs = (line: string) => type(`${program()} ${line}; echo "ended $?".`);
const childScript = (text: string) => {
  const path = join(terminal.directory, "child.sh");
  writeFileSync(path, text);
  return ["sh", path];
};
const settings = () => {
  const file = join(terminal.directory, "stty");
  terminal.tmux("run-shell", `stty -g < ${tty} > ${file}`);
  return readFileSync(file, "utf8");
};

/** Turns on what a tmux client turns on. */
const MESS = "printf '\\033[?1049h\\033[?25l\\033[?1000h\\033[?1003h\\033[?7l\\033[?1h'; stty raw -echo";

describe("agtmux attach in a real terminal", () => {
  it("gives it back as it was when what showed the pane is killed", async () => {
    await serve({ argv: childScript(`${MESS}; echo up; read go; kill -9 $$`) });
    type("echo be''fore");
    await shows("before");
    const [before, clean] = [settings(), modes()];
    runs("attach %1");
    await shows("up");
    expect(modes()).toBe("1 0 1 0 1");
    expect(settings()).not.toBe(before);
    type("");
    await shows("ended 137.");
    expect([settings(), modes()]).toEqual([before, clean]);
    // What the prompt pushed off the top is in the history, and nothing was written over.
    expect(terminal.tmux("capture-pane", "-p", "-S", "-", "-t", paneId)).toContain("\nbefore\n");
  });

  it("ends with its status, and the screen shows what it said", async () => {
    await serve({ argv: childScript("echo no such host; exit 255") });
    runs("attach %1");
    await shows("ended 255.");
    expect(screen()).toContain("no such host");
  });

  it("shows a real tmux session, and ends with 0 when that is left", async () => {
    const inner = createPrivateServer();
    try {
      inner.start("new-session", "-d", "-s", "in", "echo the inner one; exec sleep 100000");
      const argv = ["env", "-u", "TMUX", "tmux", "-S", inner.socketPath, "attach-session", "-t", "in"];
      await serve({ argv });
      runs("attach %1");
      await shows("the inner one");
      inner.tmux("detach-client", "-s", "in");
      await shows("ended 0.");
      expect(modes()).toMatch(/^0 1 0 /);
    } finally {
      inner.dispose();
    }
  });

  it("passes on a request to end, and outlives an interrupt that is the child's", async () => {
    await serve({
      argv: childScript(
        "trap 'echo int' INT; trap 'echo term; exit 9' TERM; echo $PPID.; while :; do sleep 0.1; done",
      ),
    });
    runs("attach %1");
    const pid = await until("its pid", () => Number(/^(\d+)\.$/m.exec(screen())?.[1] ?? 0) || undefined);
    for (const count of [1, 2, 3]) {
      terminal.tmux("send-keys", "-t", paneId, "C-c");
      await until(`${count} interrupts`, () => screen().match(/int$/gm)?.length === count);
    }
    signal(pid, "SIGTERM");
    await shows("ended 9.");
    expect(screen()).toContain("term");
  });

  // How a child fares is read off /proc.
  it.runIf(process.platform === "linux")(
    "stops together with what it runs, and goes on with it",
    async () => {
      await serve({ argv: childScript("echo begun; kill -STOP $$; echo going on; exit 4") });
      runs("attach %1");
      await shows("Stopped");
      type('fg; echo "then $?".');
      await shows("then 4.");
      expect(screen()).toContain("going on");
    },
  );

  it("says what is missing when that cannot be run", async () => {
    await serve({ argv: ["/nowhere/tmux"] });
    runs("attach %1");
    await shows("ended 2.");
    expect(screen().replaceAll("\n", "")).toContain("/nowhere/tmux is not installed here (E_UNSUPPORTED)");
  });
});

describe("a question in a real terminal", () => {
  for (const [key, status, calls] of [
    ["y\n", 0, 1],
    ["n\n", 5, 0],
  ] as const) {
    it(`that is answered with ${JSON.stringify(key)} ends with ${status}`, async () => {
      const daemon = await serve({});
      runs("approve %1");
      await shows("Approve that, this once? [y/N]");
      expect(screen()).toContain("asks:\n  │ Run it?\n");
      terminal.tmux("send-keys", "-t", paneId, "-l", key);
      await shows(`ended ${status}.`);
      expect(daemon.calls).toHaveLength(calls);
    });
  }

  for (const key of ["C-c", "C-d"]) {
    it(`that is left with ${key} is not answered`, async () => {
      const daemon = await serve({});
      runs("approve %1");
      await shows("[y/N]");
      terminal.tmux("send-keys", "-t", paneId, key);
      await shows("ended 5.");
      expect(screen()).toContain("\nagtmux: not confirmed; nothing was done (E_CONFIRMATION_REQUIRED)\n");
      expect(daemon.calls).toEqual([]);
    });
  }

  it("that the program is told to end at ends with it", async () => {
    const daemon = await serve({});
    type(`${program()} approve %1 & echo "pid $!."; fg; echo "ended $?".`);
    await shows("[y/N]");
    const pid = Number(/^pid (\d+)\.$/m.exec(screen())?.[1]);
    signal(pid, "SIGTERM");
    await shows("ended 130.");
    expect(daemon.calls).toEqual([]);
  });
});

describe("standard input of the real program", () => {
  it("is sent byte by byte, or read as what was looked at", async () => {
    const daemon = await serve({});
    const observation = '{"runtime_id":"cd","state_version":3,"observed_at":"2026-03-01T12:00:00.000Z"}';
    type(`printf 'a\\n\\tü' | ${program()} send %1 --stdin; echo "sent $?".`);
    await shows("sent 0.");
    type(`echo '${observation}' | ${program()} interrupt %1 --expect -; echo "stopped $?".`);
    await shows("stopped 0.");
    expect(daemon.requests).toMatchObject([
      { stdin: new Uint8Array(Buffer.from("a\n\tü")) },
      { target: { expect: { runtimeId: "cd" } } },
    ]);
  });

  it("is refused beyond a megabyte, before anything is sent", async () => {
    const daemon = await serve({});
    type(`head -c 1048577 /dev/zero | ${program()} send %1 --stdin; echo "sent $?".`);
    await shows("sent 2.");
    expect(screen().replaceAll("\n", "")).toContain("standard input holds more than 1048576 bytes");
    expect(daemon.calls).toEqual([]);
  });
});
