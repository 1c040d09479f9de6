import { randomBytes } from "node:crypto";
import { cleanText } from "../../tmux/text.js";
import { ExecutorError, MAX_STDERR_BYTES } from "../executor.js";
import { AnswerFrame } from "./answer-frame.js";
import type { SshChannel } from "./connection.js";

/** The one command line that a login shell ever sees; sh, bash, zsh, fish and tcsh read it alike. */
export const REMOTE_COMMAND = "exec sh";

/** Status of `front` for a process that is gone, another one, or in the background. No status of tmux. */
export const NOT_IN_FRONT = 97;

/**
 * What every shell is told first. `lim SECONDS COMMAND…` ends a command that outlives its caller's patience; `st N` is
 * a status; `alive PID START` fails with NOT_IN_FRONT unless that process lives, `front PID START PANE` unless it is what the
 * keys of the pane with that first process reach, as `isInFront` says. `look PID` reads state, parent, group, terminal,
 * foreground group and start from /proc/PID/stat, counted from the last parenthesis, behind the program's name, which may hold
 * anything. Programs of users without root lie in places that ssh does not put on the PATH.
 */
export const PROLOGUE = `set +xv; unset TMUX TMUX_PANE; LC_ALL=C; PATH="$PATH:/usr/local/bin:/usr/bin:/bin:$HOME/.local/bin:$HOME/bin:/home/linuxbrew/.linuxbrew/bin"; export PATH LC_ALL; cd /
st() { return "$1"; }
look() { agtmux_s=; while IFS= read -r agtmux_l; do agtmux_s=$agtmux_l; done 2>/dev/null </proc/"$1"/stat; set -- \${agtmux_s##*) }; agtmux_f="$1 $2 $3 $5 $6 \${20}"; [ "\${20}" ]; }
alive() { look "$1" && set -- "$2" $agtmux_f && [ "$1" = "$7" ] && case $2 in [ZXx]) false ;; esac || return ${NOT_IN_FRONT}; }
front() {
  look "$3" && set -- "$1" "$2" $agtmux_f && agtmux_t=$6 agtmux_p=$1 agtmux_w=$2 agtmux_i= || return ${NOT_IN_FRONT}
  while look "$agtmux_p"; do
    set -- $agtmux_f; agtmux_p=$2
    case $agtmux_i in
      '') [ "$6" = "$agtmux_w" ] || break ;;
      *) case $4 in 0 | "$agtmux_i") continue ;; esac ;;
    esac
    case $1 in [RSD]) ;; *) break ;; esac
    [ "$3" = "$5" ] || break
    [ "$4" != "$agtmux_t" ] || return 0
    agtmux_i=$4
  done
  return ${NOT_IN_FRONT}
}
if timeout -s KILL 1 true </dev/null >/dev/null 2>&1; then lim() { timeout -s KILL "$@"; }; else lim() { shift; "$@"; }; fi
`;

/** What a remote command left. */
export interface ShellAnswer {
  readonly status: number;
  readonly stdout: Buffer;
  /** Cut after 64 KiB. */
  readonly stderr: Buffer;
}

/** Most bytes from a shell that was asked nothing. */
const MAX_UNASKED_BYTES = 1024 * 1024;

interface Running {
  readonly out: AnswerFrame;
  readonly err: AnswerFrame;
  readonly maxBytes: number;
  readonly resolve: (answer: ShellAnswer) => void;
  readonly reject: (error: ExecutorError) => void;
}

/**
 * A remote `sh` on a channel of its own, fed one command after the other. Each answer stands between random markers,
 * which the line that asks for it does not hold in one piece: an echo of it is no answer.
 */
export class CommandLane {
  #running: Running | undefined;
  #unasked = 0;
  #closed = false;

  /** `onClosed` is called once, when the shell has ended or was given up. */
  constructor(
    private readonly channel: SshChannel,
    private readonly onClosed: () => void,
  ) {
    channel.stdout.on("data", (chunk: Buffer) => this.#push("out", chunk));
    channel.stderr.on("data", (chunk: Buffer) => this.#push("err", chunk));
    for (const stream of [channel.stdout, channel.stderr]) {
      stream.on("error", (error: Error) => this.fail(new ExecutorError("failed", error.message)));
    }
    void channel.closed.then(({ status, signal }) => this.fail(this.#ended(signal ?? `status ${status}`)));
    channel.write(PROLOGUE);
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** The shell has ended or was given up. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Runs a script of one or more POSIX commands, without standard input. One at a time. Rejects with ExecutorError. */
  run(script: string | Uint8Array, maxBytes: number): Promise<ShellAnswer> {
    const halves = [randomBytes(8).toString("hex"), randomBytes(8).toString("hex")];
    const marker = halves.join("");
    const words = halves.join(" ");
    const { promise, resolve, reject } = Promise.withResolvers<ShellAnswer>();
    if (this.#closed) return Promise.reject(new ExecutorError("failed", "the remote shell has ended"));
    this.#running = {
      out: new AnswerFrame(marker, maxBytes),
      err: new AnswerFrame(marker, MAX_STDERR_BYTES, true),
      maxBytes,
      resolve,
      reject,
    };
    this.channel.write(
      Buffer.concat([
        Buffer.from(`printf '%s%s{' ${words}; printf '%s%s{' ${words} >&2; {\n`),
        Buffer.from(script),
        Buffer.from(`\n} </dev/null\nprintf '%s%s}%s\\n' ${words} "$?"; printf '%s%s}\\n' ${words} >&2\n`),
      ]),
    );
    return promise;
  }

  /** Gives the shell up; what it runs rejects with `error`. */
  fail(error: ExecutorError): void {
    if (this.#closed) return;
    this.#closed = true;
    const running = this.#running;
    this.#running = undefined;
    this.channel.close();
    this.onClosed();
    running?.reject(error);
  }

  #push(stream: "out" | "err", chunk: Buffer): void {
    const running = this.#running;
    if (running === undefined) {
      // A process that a login script left behind may write whenever it likes, to a degree.
      this.#unasked += chunk.length;
      if (this.#unasked > MAX_UNASKED_BYTES)
        this.fail(new ExecutorError("protocol", "the remote shell does not stop talking"));
      return;
    }
    const state = running[stream].push(chunk);
    if (state === "over") {
      this.fail(new ExecutorError("too_large", `the answer has more than ${running.maxBytes} bytes`));
    } else if (state === "broken") {
      this.fail(new ExecutorError("protocol", "the remote shell sends something that is no answer"));
    } else if (running.out.state === "done" && running.err.state === "done") this.#finish(running);
  }

  #finish({ out, err, resolve }: Running): void {
    const status = Number(out.tail);
    if (!/^\d{1,3}$/u.test(out.tail) || status > 255) {
      this.fail(new ExecutorError("protocol", "the remote shell told no exit status"));
      return;
    }
    this.#running = undefined;
    resolve({ status, stdout: out.bytes, stderr: err.bytes });
  }

  #ended(how: string): ExecutorError {
    const said = [this.#running?.err.noise, this.#running?.out.noise].find(
      (text) => text !== undefined && text !== "",
    );
    const last = cleanText(said?.trimEnd().split("\n").at(-1) ?? "", 200);
    return new ExecutorError("failed", `the remote shell ended (${how})${last === "" ? "" : `: ${last}`}`);
  }
}
