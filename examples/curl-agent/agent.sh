#!/bin/sh
# An agent of a fleet with curl alone: registers, beats for a command as long as that runs, writes what it does, leaves.
# What any other language would do as well; where scupper is at hand, `scupper run --agent ID -- COMMAND` does more.
#
#   scupper serve &                                          # on this host: makes the socket
#   examples/curl-agent/agent.sh coder-1 sleep 300
#
# SCUPPER_SOCKET is the socket of `scupper serve`; where it has none, SCUPPER_URL is its address and SCUPPER_TOKEN_FILE the
# file with its token. Exit codes: the command's own; 75 if the lease was lost; 2 if it could not register.
set -eu
id=$1; shift
: "${SCUPPER_URL:=http://localhost}"
: "${SCUPPER_SOCKET:=${XDG_RUNTIME_DIR:-/run}/scupper/serve.sock}"
answer=$(mktemp)
headers=$(mktemp)                        # the token: in a file, since everybody sees a command line
chmod 600 "$answer" "$headers"
trap 'rm -f "$answer" "$headers"' EXIT

# METHOD PATH [CURL ARGUMENTS]: prints the status; the body is in $answer.
api() {
  method=$1 path=$2; shift 2
  if [ -n "${SCUPPER_TOKEN_FILE:-}" ]; then set -- "$@"; else set -- --unix-socket "$SCUPPER_SOCKET" "$@"; fi
  curl -s --max-time 10 -o "$answer" -w '%{http_code}' -X "$method" -H "@$headers" "$@" "$SCUPPER_URL/v1/agents/$id$path" || true
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$answer"; }
bearer() { printf 'Authorization: Bearer %s\n' "$1" > "$headers"; }

if [ -n "${SCUPPER_TOKEN_FILE:-}" ]; then bearer "$(cat "$SCUPPER_TOKEN_FILE")"; fi
status=$(api POST "" -d '{"takeover":false}')
[ "$status" = 201 ] || { echo "cannot register $id: $status $(cat "$answer")" >&2; exit 2; }
epoch=$(field epoch) interval=$(($(field interval_ms) / 1000)) ttl=$(($(field ttl_ms) / 1000))
bearer "$(field token)"
[ "$interval" -ge 1 ] || interval=1

"$@" &
command=$!
leave() {
  kill "$command" 2>/dev/null || true
  code=0; wait "$command" || code=$?
  api DELETE "?epoch=$epoch&why=$1" >/dev/null
  exit "${2:-$code}"
}
trap 'leave SIGTERM 143' TERM
trap 'leave SIGINT 130' INT
api PUT "/items/state?epoch=$epoch" --data-binary "runs $1" >/dev/null

renewed=$(date +%s)
while kill -0 "$command" 2>/dev/null; do
  case $(api POST "/heartbeat?epoch=$epoch" -d '{"state":"running"}') in
    200) renewed=$(date +%s); case $(field directive) in drain|stop) leave "$(field directive)" ;; esac ;;
    # It is over, and somebody else may have the name: stop at once, touch nothing.
    409) kill -9 "$command" 2>/dev/null || true; exit 75 ;;
    # Anything else says nothing about this agent: it works on, until its lease may be over.
    *) if [ $(($(date +%s) - renewed)) -ge $((ttl - 10)) ]; then kill -9 "$command" 2>/dev/null || true; exit 75; fi ;;
  esac
  # A sleep that a signal ends, and the end of the command too.
  at=0
  while [ "$at" -lt "$interval" ] && kill -0 "$command" 2>/dev/null; do sleep 1 & wait $! || true; at=$((at + 1)); done
done
leave finished
