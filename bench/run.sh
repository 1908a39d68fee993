#!/bin/bash
# Builds scupper, measures it, measures the peers that are installed (peers/setup.sh), prints one page of tables.
#   bench/run.sh                      everything: about 15 minutes for us and 10 for each peer
#   bench/run.sh --own                only scupper
#   bench/run.sh --quick              short windows and one run each: about 6 minutes for us, 5 for each peer
#   bench/run.sh --peers "pm2 monit"  only these peers
#   bench/run.sh --tests "idle leak"  only these tests
#   bench/run.sh --save               also writes the page to bench/RESULTS.md
# Needs root, because each run gets an accounting cgroup of its own. Run it on a quiet machine.
set -uo pipefail
cd "$(dirname "$0")"
own_only='' quick='' save='' peers='' tests='idle leak drain stubborn forks childleak tree zombie flap'
while [ $# -gt 0 ]; do
  case $1 in
    --own) own_only=1 ;;
    --quick) quick=1 ;;
    --save) save=1 ;;
    --peers) peers=${2?--peers needs names}; shift ;;
    --tests) tests=${2?--tests needs names}; shift ;;
    -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "bench: unknown option $1; try --help" >&2; exit 2 ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || { echo "bench: root is needed for the accounting cgroups" >&2; exit 2; }

if [ -z "${SCUPPER:-}" ]; then
  cargo build --release --manifest-path ../Cargo.toml --package scupper-cli || exit 2
  SCUPPER=${CARGO_TARGET_DIR:-$PWD/../target}/release/scupper
fi
export SCUPPER
mkdir -p out peers/bin
[ -x peers/bin/cbench-sleep ] || cp "$(command -v sleep)" peers/bin/cbench-sleep
results=$PWD/out/results-$(date +%Y%m%d-%H%M%S).jsonl
: >"$results"

installed() {
  case $1 in
    pm2) [ -x peers/tools/npm/node_modules/.bin/pm2 ] ;;
    supervisor) [ -x peers/tools/venv/bin/supervisord ] ;;
    circus) [ -x peers/tools/venv/bin/circusd ] ;;
    monit) [ -x peers/tools/root/usr/bin/monit ] ;;
    runit) [ -x peers/tools/root/usr/bin/runsvdir ] ;;
    *) false ;;
  esac
}
if [ -z "$own_only" ] && [ -z "$peers" ]; then
  for peer in pm2 supervisor monit circus; do
    if installed "$peer"; then peers="$peers $peer"; else echo "bench: $peer is not installed (peers/setup.sh)" >&2; fi
  done
fi
[ -z "$own_only" ] || peers=''

wanted() { case " $tests " in *" $1 "*) return 0 ;; esac; return 1; }
one() { # TEST TOOL ARGS...: bounded in time; a failure is a row, not the end
  local test=$1 tool=$2; shift 2
  wanted "$test" || return 0
  echo "bench: $(date +%H:%M:%S) $test $tool $*" >&2
  timeout -k 20 900 python3 peers/bench.py "$test" --tool "$tool" --out "$results" "$@" >/dev/null || true
}
window=60 repeat=5 peer_repeat=3
[ -z "$quick" ] || { window=20 repeat=2 peer_repeat=1; }

for n in 1 10 100; do one idle scupper --n "$n" --window "$window" --settle 10; done
one leak scupper --phase --repeat "$repeat"
one leak scupper-nocg --phase --repeat "$repeat"
one drain scupper
one drain scupper-hard
one stubborn scupper --cap 1000
one stubborn scupper-hard --cap 1000
one forks scupper
one forks scupper-nocg
one childleak scupper
one tree scupper
one tree scupper-nocg
one zombie scupper
one flap scupper

for peer in $peers; do
  for n in 1 10 100; do one idle "$peer" --mode fast --n "$n" --window "$window" --settle 10; done
  one leak "$peer" --mode fast --phase --repeat "$peer_repeat" --cap 2000
  one drain "$peer" --mode fast
  one stubborn "$peer" --mode fast --cap 1000
  one forks "$peer" --mode fast
  one childleak "$peer" --mode fast
  one tree "$peer"
  one zombie "$peer"
  one flap "$peer"
done

page=out/RESULTS.md
python3 table.py "$results" >"$page"
cat "$page"
[ -z "$save" ] || cp "$page" RESULTS.md
echo "bench: raw results are in $results" >&2
