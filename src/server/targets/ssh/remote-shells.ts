import { DEFAULT_TIMEOUT_MS, ExecutorError } from "../executor.js";
import type { ShellHost } from "../shell/shell-channel.js";
import { type SshConnection, SshError } from "./connection.js";

/** Status of `front` for a process that is gone, another one, or in the background. No status of tmux. */
export const NOT_IN_FRONT = 97;

/**
 * What every shell is told. `st N` is a status; `alive PID START` fails with NOT_IN_FRONT unless that process lives,
 * `front PID START PANE` unless it is there, runs, and is in the foreground of its terminal: what is typed there is for it.
 * Where its terminal lies within that of the pane with that first process (of `script` or `sudo`), so must be the programs
 * that hold those around it. `look PID` reads state, parent, group, terminal, foreground group and start from
 * /proc/PID/stat, counted from the last parenthesis, behind the program's name, which may hold anything.
 */
const FUNCTIONS = `st() { return "$1"; }
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
`;

/** The one command line that a login shell ever sees; sh, bash, zsh, fish and tcsh read it alike. */
export const REMOTE_COMMAND = "exec sh";

/**
 * What a shell of another host is told first. Programs of users without root lie in places that ssh does not put on the
 * PATH. `lim` ends a command that outlives its caller's patience, where the host has `timeout`.
 */
export const REMOTE_PROLOGUE = `set +xv; unset TMUX TMUX_PANE; LC_ALL=C; PATH="$PATH:/usr/local/bin:/usr/bin:/bin:$HOME/.local/bin:$HOME/bin:/home/linuxbrew/.linuxbrew/bin"; export PATH LC_ALL; cd /
${FUNCTIONS}if timeout -s KILL 1 true </dev/null >/dev/null 2>&1; then lim() { timeout -s KILL "$@"; }; else lim() { shift; "$@"; }; fi
`;

/** The shells of the host that a connection leads to. */
export function remoteShells(connection: Pick<SshConnection, "exec">): ShellHost {
  return {
    prologue: REMOTE_PROLOGUE,
    ready: ":",
    // No line holds a marker in one piece: an echo of it is no answer.
    ask: (halves, script, gathered) => {
      // Each piece that a shell writes is a packet, a wake-up here, and something to decrypt.
      const [before, after] = gathered
        ? [
            "{ agtmux_out= agtmux_st=0\n",
            `printf '%s%s{%s%s%s}%s\\n' ${halves} "$agtmux_out" ${halves} "$agtmux_st"`,
          ]
        : [
            `printf '%s%s{' ${halves}; printf '%s%s{' ${halves} >&2; {\n`,
            `printf '%s%s}%s\\n' ${halves} "$?"; printf '%s%s}\\n' ${halves} >&2`,
          ];
      return Buffer.concat([
        Buffer.from(before),
        Buffer.from(script),
        Buffer.from(`\n} </dev/null\n${after}\n`),
      ]);
    },
    open: async () => {
      try {
        return await connection.exec(REMOTE_COMMAND, { timeoutMs: DEFAULT_TIMEOUT_MS });
      } catch (error) {
        throw executorError(error);
      }
    },
  };
}

function executorError(error: unknown): ExecutorError {
  if (error instanceof ExecutorError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof SshError)) return new ExecutorError("failed", message, { cause: error });
  const kind = error.kind === "lost" ? "unreachable" : error.kind === "timeout" ? "timeout" : "failed";
  return new ExecutorError(kind, message, { cause: error });
}
