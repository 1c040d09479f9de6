#!/bin/sh
# Prints the agents that wait for you, one line each: what they wait for, and the pane's ref.
# Ends with 0 if one waits, 1 if none does, 2 if the daemon cannot be asked. Needs curl.
state_dir=${AGTMUX_STATE_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/agtmux}
socket=${AGTMUX_SOCKET:-$(cat "$state_dir/socket" 2>/dev/null)}
[ -n "$socket" ] || { echo "waiting.sh: no daemon has served yet (agtmux daemon start)" >&2; exit 2; }

answer=$(curl --silent --show-error --fail --max-time 5 --unix-socket "$socket" \
  --header 'content-type: application/json' \
  --data '{"filter": {"states": ["AGENT_STATE_WAITING_APPROVAL", "AGENT_STATE_WAITING_INPUT"]}}' \
  http://localhost/agtmux.v1.StateService/ListPanes) || exit 2

case $answer in
  *'"partial":true'*) echo "waiting.sh: not every target answered" >&2 ;;
esac

# One pane per line, then of each its ref and state. Within a text every quote is escaped, so no title can pass for one.
waiting=$(printf '%s\n' "$answer" | sed 's/{"identity":/\
&/g' | sed -n 's/.*"ref":"\([^"]*\)".*"state":"AGENT_STATE_\([A-Z_]*\)".*/\2 \1/p')
[ -n "$waiting" ] || exit 1
printf '%s\n' "$waiting"
