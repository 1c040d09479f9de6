import { singleQuoted } from "./hook-layout.js";

/** A payload's most bytes; the rest is cut and `truncated` set. */
const PAYLOAD_BYTES = 256 * 1024;
/** Base64 characters of PAYLOAD_BYTES, and of one byte more: only the padding tells the two apart. */
const PAYLOAD_CHARACTERS = 4 * Math.ceil(PAYLOAD_BYTES / 3);
/** Files in a spool folder that cannot hold more than SPOOL_KIB, however large each is. */
const SPOOL_FILES_UNMEASURED = 45;
const SPOOL_KIB = 16 * 1024;

/**
 * The program that agents run as their hook, with the daemon's state directory written into it. POSIX sh, so that it
 * runs on any host that a target may be; `<script> <agent> <event>` with the payload on stdin, or
 * `<script> notify <agent> <payload>`.
 *
 * Of the environment and the arguments only values made of expected characters enter the JSON; anything else is left
 * out. Nothing read is ever evaluated.
 */
export function hookScript(stateDir: string): string {
  return `#!/bin/sh
# Written by AGTMUX, which replaces it on its next install. Tells every daemon that watches this host what an agent
# reports: posts it to each one's socket, and leaves it as a file for each one that does not answer OK.
# Nothing on stdout or stderr, exit status 0 and at most 1 s, always: to an agent anything else may be a decision.
exec >/dev/null 2>&1
trap 'exit 0' EXIT
# Commands below are run with these ignored too: the last event of a closed terminal still gets out.
trap '' HUP INT
umask 077
LC_ALL=C
export LC_ALL
unset IFS
state=${singleQuoted(stateDir)}
[ -d "$state" ] || state=\${AGTMUX_STATE_DIR:-\${XDG_STATE_HOME:-\${HOME-}/.local/state}/agtmux}

# Commands in the background have no stdin; they find it as 4.
{ :; } 4<&0 || exec </dev/null
exec 4<&0

# Runs a command on stdin for at most so many seconds. (timeout is not everywhere, and busybox' holds pipes open.)
bounded() {
  seconds_left=$1
  shift
  "$@" <&4 &
  task=$!
  (
    trap 'kill "$pause"; exit' TERM
    sleep "$seconds_left" &
    pause=$!
    wait "$pause" || sleep 1
    kill -9 "$task"
  ) >/dev/null 3>&- 4<&- &
  guard=$!
  wait "$task"
  outcome=$?
  kill "$guard"
  return "$outcome"
}

# Reads what is left on stdin, so that an agent that is still writing gets no broken pipe.
drain() {
  [ "$from_stdin" = no ] || bounded "$1" cat
}

source=SIGNAL_SOURCE_HOOK agent=\${1-} event=\${2-} from_stdin=yes
if [ "$agent" = notify ]; then
  source=SIGNAL_SOURCE_NOTIFY agent=\${2-} event=notify from_stdin=no
fi
argument=\${3-}

# Those who listen: one folder each, of plain name.
readers= count=0
for folder in "$state"/spool.d/*/; do
  folder=\${folder%/}
  reader=\${folder##*/}
  [ -d "$folder" ] && [ ! -L "$folder" ] && [ "$count" -lt 16 ] || continue
  case $reader in *[!A-Za-z0-9_-]*) continue ;; esac
  readers="$readers $reader" count=$((count + 1))
done
known=yes
[ -n "$readers" ] && [ "\${#agent}" -le 32 ] && [ "\${#event}" -le 128 ] || known=no
case $agent in '' | *[!a-z0-9_-]*) known=no ;; esac
case $event in '' | *[!A-Za-z0-9_.:-]*) known=no ;; esac
if [ "$known" = no ]; then
  drain 0.25
  exit 0
fi

# The time, before anything is waited for. Where date knows no nanoseconds, they come out as letters or not at all.
now=$(date +%s%N)
seconds=\${now%%[!0-9]*} resolution=1000000000
if [ "\${#seconds}" = 19 ]; then
  seconds=\${seconds%?????????} resolution=1
else
  seconds=\${seconds:-1}
  now=\${seconds}000000000
fi

# An id: the kernel's, else one made of the time and the process ids.
id=
read -r id </proc/sys/kernel/random/uuid
case $id in
  ????????-????-????-????-????????????) ;;
  *) id= ;;
esac
case $id in
  '' | *[!0-9a-f-]*)
    id=$(printf '%08x-%04x-4%03x-8%03x-%012x' "$seconds" "$(($$ % 65536))" "$((PPID % 4096))" \\
      "$(($$ / 65536 % 4096))" "$((1\${now#"$seconds"} - 1000000000))")
    ;;
esac

# Prints stdin as base64, cut one byte after the limit, with a "!" somewhere if the reading had to be ended.
encode_stdin() {
  {
    bounded 0.25 head -c ${PAYLOAD_BYTES + 1}
    [ $? -lt 128 ] || echo '!' >&3
  } | encode
}

encode() {
  base64 -w 0 || base64
}

patience=0.6 truncated=
if [ "$from_stdin" = yes ]; then
  payload=$({ encode_stdin; } 3>&1)
else
  payload=$(printf '%s' "$argument" | head -c ${PAYLOAD_BYTES + 1} | encode)
fi
case $payload in
  *!*) payload=\${payload%%!*}\${payload#*!} truncated=',"truncated":true' patience=0.5 ;;
esac
case $payload in
  *[!A-Za-z0-9+/=]*) # broken into lines
    set -f
    set -- $payload
    set +f
    IFS=
    payload="$*"
    unset IFS
    ;;
esac
if [ "\${#payload}" -ge ${PAYLOAD_CHARACTERS} ]; then
  case $payload in
    *==) ;;
    *)
      payload=\${payload%????} truncated=',"truncated":true'
      drain 0.8 &
      ;;
  esac
fi
case $payload in *[!A-Za-z0-9+/=]*) payload= ;; esac

# Where: the pane, and the processes above this one, nearest first.
where=
socket=\${TMUX-}
socket=\${socket%,*}
server=\${socket##*,}
socket=\${socket%,*}
pane=\${TMUX_PANE-}
case $pane in
  %*[!0-9]* | % | [!%]* | '' | %??????????*) pane= ;;
esac
if [ -n "\${TMUX-}" ]; then
  case $server in '' | 0* | *[!0-9]* | ???????????*) server= ;; esac
  case $socket in [!/]* | '' | *[!A-Za-z0-9" "._/,+:@=~%-]*) server= ;; esac
  [ "\${#socket}" -le 200 ] || server=
  # A pane id means nothing without the server that it is of.
  [ -n "$server" ] || pane=
  [ -z "$server" ] || where=',"tmux":{"socketPath":"'$socket'","serverPid":"'$server'"}'
fi
[ -z "$pane" ] || where=$where',"paneId":"'$pane'"'
# Set by Claude for its own hooks, and inherited by whatever else runs in it.
if [ "$agent" = claude ]; then
  case \${CLAUDE_PID-} in
    '' | 0* | *[!0-9]* | ???????????*) ;;
    *) where=$where',"pid":"'$CLAUDE_PID'"' ;;
  esac
fi
parents= above=$PPID count=0
while [ "$count" -lt 16 ] && [ "$above" -gt 1 ]; do
  parents=$parents',"'$above'"' count=$((count + 1)) line=
  read -r line <"/proc/$above/stat" || break
  # pid (name, which may hold anything) state parent …
  line=\${line##*) }
  line=\${line#* }
  above=\${line%% *}
  case $above in '' | *[!0-9]*) break ;; esac
done
[ -z "$parents" ] || where=$where',"parentPids":['\${parents#,}']'

json='{"events":[{"eventId":"'$id'","eventType":"'$event'","agentType":"'$agent'","source":"'$source'"'
json=$json',"eventTimeUnixNs":"'$now'","eventTimeResolutionNs":"'$resolution'"'$where$truncated
json=$json',"rawPayload":"'$payload'"}]}'

# 0: taken. 28: no answer in time.
post() {
  status=$(
    curl -q -s -o /dev/null -w '%{http_code}' --noproxy '*' --max-time "$patience" --unix-socket "$1" \\
      -H 'Content-Type: application/json' -H 'Connect-Protocol-Version: 1' -H 'Expect:' --data-binary @- \\
      http://localhost/agtmux.v1.IngestService/IngestEvents <<EOF
$json
EOF
  )
  case $?:$status in
    0:200) return 0 ;;
    28:*) return 28 ;;
  esac
  return 1
}

name=$now
while [ "\${#name}" -lt 20 ]; do name=0$name; done
name=$name-$id.json

# One file, in place under its name at once. Few files need no look at their sizes: the largest are of known size.
spool() {
  set -- "$1" "$1"/*.json
  if [ $# -gt ${SPOOL_FILES_UNMEASURED} ]; then
    size=$(du -sk "$1")
    size=\${size%%[!0-9]*}
    [ "\${size:-${SPOOL_KIB}}" -lt ${SPOOL_KIB} ] || return
  fi
  # Not printf: where that is no builtin, a command line has no room for the largest.
  if cat >"$1/.$name.tmp" <<EOF; then
$json
EOF
    mv -f "$1/.$name.tmp" "$1/$name"
  else
    rm -f "$1/.$name.tmp"
  fi
}

posts= taken=' ' hung=' '
for reader in $readers; do
  # A daemon that hung costs an agent one pause, not one a tool call.
  stamp=
  [ ! -f "$state/ingest.d/$reader.slow" ] || read -r stamp <"$state/ingest.d/$reader.slow"
  case $stamp in
    '' | 0* | *[!0-9]* | ???????????*) ;;
    *) [ "$seconds" -lt "$stamp" ] || [ "$((seconds - stamp))" -ge 30 ] || continue ;;
  esac
  for socket in "$state/ingest.d/$reader".*.sock; do
    [ -S "$socket" ] || continue
    post "$socket" &
    posts="$posts $reader:$!"
  done
done
for posted in $posts; do
  wait "\${posted#*:}"
  case $? in
    0) taken="$taken\${posted%:*} " ;;
    28) hung="$hung\${posted%:*} " ;;
  esac
done
for reader in $readers; do
  case $taken in *" $reader "*) continue ;; esac
  case $hung in *" $reader "*) echo "$seconds" >"$state/ingest.d/$reader.slow" ;; esac
  spool "$state/spool.d/$reader"
done
exit 0
`;
}
