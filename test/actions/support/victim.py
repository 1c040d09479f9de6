"""A program in a pane that writes down every byte its terminal gives it, and when.

victim.py ROLE HOME [masked]: `agent` shows Claude Code's input box and keeps a session file; `shell` reads the terminal while no
agent runs that it has started in front; `plain` only reads. HOME/log takes a JSON line per event; HOME/ctl.PID is a pipe for
commands (with `masked`, an agent shows in small letters what it was given): `ping N` is answered in the log once the terminal was read, the others are the methods below.
"""

import fcntl
import json
import os
import select
import signal
import sys
import termios
import time
import tty

role, home = sys.argv[1], sys.argv[2]
masked = "masked" in sys.argv
pid = os.getpid()
start = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19]
pane = os.environ.get("TMUX_PANE", "")
log = os.open(f"{home}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(event, **facts):
    facts = {"t": time.monotonic_ns() // 1000, "pid": pid, "start": start, "role": role, "pane": pane, "event": event, **facts}
    os.write(log, (json.dumps(facts) + "\n").encode())


class Plain:
    def __init__(self):
        tty.setraw(0, termios.TCSADRAIN)

    reads = True

    def received(self, data):
        pass

    def child(self):
        pass


class Shell(Plain):
    """Job control as shells have it, and nothing else of them."""

    agent = 0

    @property
    def reads(self):
        return self.agent == 0

    def start(self):
        if self.agent:
            return
        self.agent = os.fork()
        if self.agent == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os.execv(f"{home}/bin/claude", ["claude", "-I", "-S", __file__, "agent", home])
        try:
            os.setpgid(self.agent, self.agent)
            os.tcsetpgrp(0, self.agent)
        except OSError:
            pass  # it has done so itself, or is gone

    def child(self):
        if self.agent == 0 or os.waitpid(self.agent, os.WNOHANG)[0] == 0:
            return
        gone = self.agent
        note("reaped", child=gone)
        self.agent = 0
        os.tcsetpgrp(0, os.getpgrp())
        tty.setraw(0, termios.TCSADRAIN)
        os.write(1, b"\x1b[?2004l\r\n$ ")


class Agent(Plain):
    """Claude Code as a look at its screen and its session file show it."""

    def __init__(self):
        super().__init__()
        self.draft, self.dialog, self.running, self.kept = "", 0, False, ""
        self.opened = 0
        os.write(1, b"\x1b[?2004h")
        self.show()

    def show(self):
        columns, rows = os.get_terminal_size(1)
        ruler = "\u2500" * max(20, columns)
        lines = ["victim", ""]
        if self.dialog:
            lines += [ruler, " Bash command", "", f"   make part-{self.dialog}", "", " Do you want to proceed?"]
            lines += [" \u276f 1. Yes", "   2. Yes, and always", "   3. No", "", " Esc to cancel"]
            cursor = ""
        else:
            foot = "  esc to interrupt" if self.running else "  ? for shortcuts"
            # Masked, what stands on a screen as it was sent was put there by the terminal or a shell.
            draft = self.draft.lower() if masked else self.draft
            lines += [ruler, f"\u276f\u00a0{draft}", ruler, foot]
            cursor = f"\x1b[4;{3 + len(self.draft)}H"
        lines = [line[:columns] for line in lines[:rows]]
        os.write(1, ("\x1b[H\x1b[2J" + "\r\n".join(lines) + cursor).encode())
        status = "waiting" if self.dialog else "busy" if self.running else "idle"
        facts = {"pid": pid, "procStart": start, "sessionId": f"00000000-0000-4000-8000-{pid:012}", "status": status}
        if self.dialog:
            facts["waitingFor"] = "permission prompt"
        text = json.dumps({**facts, "statusUpdatedAt": int(time.time() * 1000)})
        if f"{status} {self.dialog}" == self.kept:
            return
        self.kept = f"{status} {self.dialog}"
        with open(f"{home}/.claude/sessions/{pid}.json", "w") as file:
            file.write(text)

    def open(self, number):
        self.dialog, self.running, self.opened = int(number), False, time.monotonic_ns() // 1000
        note("dialog", number=self.dialog)
        self.show()

    def busy(self):
        self.running, self.dialog = True, 0
        self.show()

    def calm(self):
        self.draft, self.dialog, self.running = "", 0, False
        self.show()

    def leave(self):
        leave()

    def received(self, data):
        text = data.decode("utf8", "replace")
        while text:
            if text.startswith("\x1b[200~") or text.startswith("\x1b[201~"):
                text = text[6:]
                continue
            self.key(text[0])
            text = text[1:]
        self.show()

    def key(self, key):
        if self.dialog and key in "1\r":
            note("answered", number=self.dialog, opened=self.opened, key=key)
            self.dialog = 0
        elif key == "\x03":
            leave()
        elif key == "\x1b":
            self.running, self.dialog = False, 0
        elif key == "\r" and self.draft:
            note("submitted", draft=self.draft)
            self.draft = ""
        elif key.isprintable() and not self.dialog:
            self.draft += key


os.makedirs(f"{home}/.claude/sessions", exist_ok=True)
control = f"{home}/ctl.{pid}"
if os.path.exists(control):
    os.unlink(control)  # of another process that had this pid
os.mkfifo(control)
orders = os.open(control, os.O_RDWR | os.O_NONBLOCK)
# Its own way to the terminal: what is there for a shell may be gone again when it is read.
terminal = os.open(os.ttyname(0), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
wake, woken = os.pipe()
fcntl.fcntl(wake, fcntl.F_SETFL, os.O_NONBLOCK)
fcntl.fcntl(woken, fcntl.F_SETFL, os.O_NONBLOCK)
signal.set_wakeup_fd(woken)
signal.signal(signal.SIGCHLD, lambda *_: None)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)


def leave(*_):
    note("exit")
    os._exit(0)


signal.signal(signal.SIGHUP, leave)
self = {"agent": Agent, "shell": Shell, "plain": Plain}[role]()
signal.signal(signal.SIGWINCH, lambda *_: role == "agent" and self.show())
note("start")


def read():
    """Reads what the terminal has; False if that is nothing."""
    if not self.reads:
        return False
    try:
        data = os.read(terminal, 65536)
    except BlockingIOError:
        return False
    except OSError:
        leave()  # its pane is gone
    if not data:
        leave()
    note("bytes", hex=data.hex(), dialog=getattr(self, "dialog", 0))
    self.received(data)
    return True


pending = b""
while True:
    ready = select.select([orders, wake] + ([terminal] if self.reads else []), [], [])[0]
    if wake in ready:
        os.read(wake, 64)
        if role == "shell":
            self.child()
    if terminal in ready:
        read()
    if orders in ready:
        pending += os.read(orders, 65536)
        *lines, pending = pending.split(b"\n")
        for line in lines:
            name, *words = line.decode().split()
            if name == "ping":
                while read():
                    pass
                note("pong", number=int(words[0]))
            elif hasattr(self, name):
                getattr(self, name)(*words)
