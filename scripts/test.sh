#!/bin/bash
# Runs every test, and every check that a change has to pass. Ends by itself; exits 0 only if all of it passed.
#   scripts/test.sh                  all
#   scripts/test.sh NAME...          only these steps (see below), such as: scripts/test.sh fmt clippy
#   SCUPPER_FULL=1 scripts/test.sh   also installs cargo-deny and cargo-machete, which takes some minutes, runs the examples
#                                    with the release build, and that of the casebook too
# Steps: tools fmt clippy build test doc fuzz scripts deny machete gunicorn node casebook
set -uo pipefail
cd "$(dirname "$0")/.."
only=" $* "
failed=() began=$SECONDS running= installing= installed=
trap 'echo "== interrupted"; for job in $running $installing; do kill -TERM "$job"; wait "$job"; done; rm -f "$installed"; exit 130' INT TERM HUP
case $only in *" -h "*|*" --help "*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

is_wanted() { case $only in "  "|*" $1 "*) ;; *) return 1 ;; esac; }

step() { # NAME SECONDS COMMAND...
  local name=$1 limit=$2 at=$SECONDS; shift 2
  is_wanted "$name" || return 0
  echo "== $name: $*"
  local code=0
  # In the background with job control, so that ^C here ends it, and its children start with no signal ignored.
  set -m
  timeout --kill-after=30 "$limit" "$@" </dev/null &
  running=$!
  set +m
  wait "$running" || code=$?
  running=
  if [ "$code" != 0 ]; then
    [ "$code" != 124 ] || echo "== $name took longer than $limit s"
    failed+=("$name")
    echo "== $name FAILED (exit $code) after $((SECONDS - at)) s"
  else
    echo "== $name ok, $((SECONDS - at)) s"
  fi
  return "$code"
}

# Mostly waits for the network, and nothing that is checked before it ends needs it.
install_tools() {
  is_wanted tools || return 0
  installed=$(mktemp)
  set -m
  timeout --kill-after=30 1800 scripts/install-test-tools.sh </dev/null >"$installed" 2>&1 &
  installing=$!
  set +m
}
tools_are_installed() {
  [ -n "$installing" ] || return 0
  local code=0
  wait "$installing" || code=$?
  installing=
  cat "$installed"
  rm -f "$installed"
  if [ "$code" != 0 ]; then failed+=(tools); echo "== tools FAILED (exit $code)"; else echo "== tools ok"; fi
}

scripts_parse() {
  local script code=0
  while IFS= read -r script; do bash -n "$script" || code=1; done < <(git ls-files '*.sh' .ci/run)
  python3 - <<'PYTHON' || code=1
import ast, subprocess, sys
bad = 0
for path in subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True).stdout.split():
    try:
        ast.parse(open(path).read(), path)
    except (OSError, SyntaxError) as problem:
        print(problem, file=sys.stderr)
        bad = 1
sys.exit(bad)
PYTHON
  return "$code"
}
export -f scripts_parse

# The advisory database lies on the network; where it cannot be reached, that check is named as not done.
deny() {
  cargo deny --all-features check licenses bans sources || return 1
  local output
  if output=$(cargo deny --all-features check advisories 2>&1); then
    echo "$output" | tail -n 1
  elif echo "$output" | grep -qiE 'failed to (fetch|clone|load)|unable to (connect|fetch)|network|could not resolve'; then
    echo "advisories: NOT CHECKED, the database cannot be reached"
  else
    echo "$output"
    return 1
  fi
}
export -f deny

# A script in the place of python3 (pyenv's) takes a second to start it on a loaded machine, a thousand times.
if [ "$(head -c 2 "$(command -v python3)" 2>/dev/null)" = '#!' ]; then
  PATH=$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))'):$PATH
fi

# Whatever they need is built before the clock of the examples runs.
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
install_tools
step fmt 120 cargo fmt --all --check
step clippy 1800 cargo clippy --workspace --all-targets --locked -- -D warnings
step scripts 60 bash -c scripts_parse
step doc 900 env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
tools_are_installed
optional() { # NAME SECONDS PROGRAM COMMAND...: where the program is installed
  local name=$1 limit=$2 program=$3; shift 3
  is_wanted "$name" || return 0
  if command -v "$program" >/dev/null; then step "$name" "$limit" "$@"; else echo "== $name skipped: $program is not installed (SCUPPER_FULL=1 installs it)"; fi
}
optional deny 300 cargo-deny bash -c deny
optional machete 60 cargo-machete cargo machete
# The tests need the other build as well; a release takes minutes more.
profile=dev built=debug
[ -z "${SCUPPER_FULL:-}" ] || profile=release built=release
if step build 1800 cargo build --profile "$profile" --locked --package scupper-cli; then
  built=${CARGO_TARGET_DIR:-$PWD/target}/$built/scupper
  step gunicorn 300 env SCUPPER="$built" examples/leaky-gunicorn/demo.sh --seconds 20
  step node 120 env SCUPPER="$built" examples/leaky-node/run.sh --hard 200M --overshoot 16
  # A minute and a half of waiting; what it shows is also a test (waits_from_the_leak_to_the_fix).
  [ -z "${SCUPPER_FULL:-}" ] || step casebook 180 env SCUPPER="$built" examples/casebook/demo.sh
fi
# cargo test runs what nextest does not: the examples in documentation.
step test 3000 cargo test --workspace --doc --locked --quiet
step test 3000 cargo nextest run --workspace --locked --no-fail-fast
# The fuzz targets as plain functions, each given its seeds; shares what is built.
step fuzz 600 cargo test --manifest-path fuzz/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" --no-default-features --lib --locked --quiet

echo
if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED after $((SECONDS - began)) s: ${failed[*]}"
  exit 1
fi
echo "all passed in $((SECONDS - began)) s"
