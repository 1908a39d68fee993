#!/bin/bash
# A Node process with an 8 GB heap limit leaks 21 MB/s; a hard limit of 3.5 GiB ends it long before the heap would.
#   examples/leaky-node/run.sh                       the real size: 3.5 GiB, about 3 minutes, that much free memory
#   examples/leaky-node/run.sh --hard 200M           the same in 10 seconds
#   options: --hard SIZE  --rate MB/S  --overshoot MB (512; what is allowed above the limit)  --heap MB (8192)
# Exits 0 if the process was ended by the hard limit (exit code 137) with no more than the overshoot allowed, and if
# the cause was recorded.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
hard=3.5GiB rate=21 overshoot=512 heap=8192

while [ $# -gt 0 ]; do
  case $1 in --hard|--rate|--overshoot|--heap) [ $# -ge 2 ] || { echo "run: $1 needs a value" >&2; exit 2; } ;; esac
  case $1 in
    --hard) hard=$2 ;; --rate) rate=$2 ;; --overshoot) overshoot=$2 ;; --heap) heap=$2 ;;
    -h|--help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "run: unknown option $1; try --help" >&2; exit 2 ;;
  esac
  shift 2
done
command -v node >/dev/null || { echo "run: node is needed" >&2; exit 2; }

# The limit in bytes, for our own check of what Scupper did.
limit=$(awk -v size="$hard" 'BEGIN {
  number = size + 0; unit = toupper(substr(size, match(size, /[A-Za-z]/), 1))
  factor = unit == "G" ? 2^30 : unit == "M" ? 2^20 : unit == "K" ? 2^10 : 1
  if (number <= 0) exit 1
  printf "%.0f", number * factor }') || { echo "run: --hard needs a size such as 200M" >&2; exit 2; }
seconds=$(awk -v limit="$limit" -v rate="$rate" 'BEGIN { printf "%.0f", limit / 1048576 / rate * 2 + 30 }')

scupper=${SCUPPER:-}
if [ -z "$scupper" ]; then
  cargo build --release --manifest-path "$root/Cargo.toml" --package scupper-cli
  scupper=${CARGO_TARGET_DIR:-$root/target}/release/scupper
fi

directory=$(mktemp -d -t scupper-node-XXXXXX)
mkdir -m 700 "$directory/run"
export XDG_RUNTIME_DIR=$directory/run
unset NOTIFY_SOCKET WATCHDOG_USEC
name=leaky-node-$$
supervisor=
finish() {
  # However this script ends, the unit ends with it.
  if [ -n "$supervisor" ]; then kill -TERM "$supervisor" 2>/dev/null && wait "$supervisor" 2>/dev/null; fi
  rm -rf "$directory"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

echo "run: scupper run --mem-hard $hard -- node --max-old-space-size=$heap leak.js --rate $rate (at most $seconds s)"
"$scupper" run --name "$name" --mem-hard "$hard" --restart never --state "$directory/state" -- \
  node --max-old-space-size="$heap" "$here/leak.js" --rate "$rate" --seconds "$seconds" --trace "$directory/trace" &
supervisor=$!
code=0; wait "$supervisor" || code=$?
supervisor=

"$scupper" events --json -n 10000 --state "$directory/state" >"$directory/events" || true
failed=0
check() { if [ "$1" = yes ]; then echo "  ok      $2"; else echo "  FAILED  $2"; failed=1; fi; }
verdict() { if "$@"; then echo yes; else echo no; fi; }
recorded() { grep -q "\"event\":\"$1\"" "$directory/events" && grep "\"event\":\"$1\"" "$directory/events" | grep -q "$2"; }

# How far it got: what it said itself, every 100 ms, and what Scupper saw, whichever is more.
touch "$directory/trace"
reached=$( { awk '{ print $2 }' "$directory/trace"; grep -o '"peak_rss_bytes":[0-9]*' "$directory/events" | cut -d: -f2; } | sort -n | tail -n 1)
reached=${reached:-0}
check "$(verdict test "$code" = 137)" "exit code $code (137: ended by KILL)"
check "$(verdict test "$reached" -ge "$limit")" "it reached $((reached / 1048576)) MiB, the limit was $((limit / 1048576)) MiB"
check "$(verdict test "$reached" -lt "$((limit + overshoot * 1048576))")" "that is less than $overshoot MiB above"
check "$(verdict recorded limit_crossed '"level":"hard"')" "the hard limit is recorded as crossed"
check "$(verdict recorded unit_exited '"reason":"hard_limit"')" "the death certificate names the hard limit as cause"
check "$(verdict recorded unit_exited "\"heap_limit_bytes\":$((heap * 1048576))")" "the certificate names the heap limit of $heap MB"
exit "$failed"
