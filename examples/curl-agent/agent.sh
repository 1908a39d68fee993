#!/bin/sh
# An agent of a fleet with curl alone: registers, beats for a command as long as that runs, writes what it does, leaves.
# What any other language would do as well; where scupper is at hand, `scupper run --agent ID -- COMMAND` does more.
#
#   scupper serve &                                          # on this host: makes the socket
#   examples/curl-agent/agent.sh coder-1 sleep 300
#
# SCUPPER_SOCKET is the socket of `scupper serve`; where it has none, SCUPPER_URL is its address and SCUPPER_TOKEN_FILE the
# file with its token. SCUPPER_GRACE is how many seconds the command has to end when it is told to (30), before KILL.
# Exit codes: the command's own; 75 if the lease was lost, or may have been; 2 if it could not register.
set -eu
id=$1; shift
: "${SCUPPER_URL:=http://localhost}"
: "${SCUPPER_SOCKET:=${XDG_RUNTIME_DIR:-/run}/scupper/serve.sock}"
answer=$(mktemp)
headers=$(mktemp)                        # the token: in a file, since everybody sees a command line
chmod 600 "$answer" "$headers"
trap 'rm -f "$answer" "$headers"' EXIT
margin=10                                # seconds: between its own end and that of its lease; for an answer

# METHOD PATH [CURL ARGUMENTS]: prints the status; the body is in $answer.
api() {
  method=$1 path=$2; shift 2
  if [ -n "${SCUPPER_TOKEN_FILE:-}" ]; then set -- "$@"; else set -- --unix-socket "$SCUPPER_SOCKET" "$@"; fi
  curl -s --max-time "$margin" -o "$answer" -w '%{http_code}' -X "$method" -H "@$headers" "$@" "$SCUPPER_URL/v1/agents/$id$path" || true
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$answer"; }
bearer() { printf 'Authorization: Bearer %s\n' "$1" > "$headers"; }

if [ -n "${SCUPPER_TOKEN_FILE:-}" ]; then bearer "$(cat "$SCUPPER_TOKEN_FILE")"; fi
renewed=$(date +%s)
status=$(api POST "" -d '{"takeover":false}')
[ "$status" = 201 ] || { echo "cannot register $id: $status $(cat "$answer")" >&2; exit 2; }
epoch=$(field epoch) interval=$(($(field interval_ms) / 1000)) ttl=$(($(field ttl_ms) / 1000))
bearer "$(field token)"
[ "$interval" -ge 1 ] || interval=1      # whole seconds: a lease of less than 4 s is too short for this script
[ "$margin" -le $((ttl / 4)) ] || margin=$((ttl / 4))
[ "$margin" -ge 1 ] || margin=1

"$@" &
command=$!

# It is over, and somebody else may have the name: stop at once, touch nothing.
lost() { kill -9 "$command" 2>/dev/null || true; exit 75; }
expire() { [ $(($(date +%s) - renewed)) -lt $((ttl - margin)) ] || lost; }

# STATE: one heartbeat. The lease is counted from before it was sent.
away=
beat() {
  sent=$(date +%s)
  case $(api POST "/heartbeat?epoch=$epoch" -d "{\"state\":\"$1\"}") in
    200) renewed=$sent away= ;;
    409) lost ;;
    # Anything else says nothing about this agent: it works on, until its lease may be over.
    *) away=1; expire ;;
  esac
}

# SECONDS: a sleep that a signal ends, and the end of the command, and the end of a lease that is not renewed.
pause() {
  at=0
  while [ "$at" -lt "$1" ] && kill -0 "$command" 2>/dev/null; do
    sleep 1 & wait $! || true
    [ -z "$away" ] || expire
    at=$((at + 1))
  done
}

# WHY [CODE]: ends the command, beats as long as that takes, and says goodbye.
leave() {
  trap '' TERM INT
  kill "$command" 2>/dev/null || true
  kill_at=$(($(date +%s) + ${SCUPPER_GRACE:-30})) waited=0
  while pause 1; kill -0 "$command" 2>/dev/null; do
    [ $((waited % interval)) -ne 0 ] || beat leaving
    waited=$((waited + 1))
    [ "$(date +%s)" -lt "$kill_at" ] || kill -9 "$command" 2>/dev/null || true
  done
  code=0; wait "$command" || code=$?
  api DELETE "?epoch=$epoch&why=$1" >/dev/null
  exit "${2:-$code}"
}
trap 'leave SIGTERM 143' TERM
trap 'leave SIGINT 130' INT
api PUT "/items/state?epoch=$epoch" --data-binary "runs $1" >/dev/null

while kill -0 "$command" 2>/dev/null; do
  beat running
  case ${away:-$(field directive)} in drain|stop) leave "$(field directive)" ;; esac
  pause "$interval"
done
leave finished
