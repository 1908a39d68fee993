#!/bin/sh
# Installs the real prefork servers (and runtimes) that tests/*.rs try their recipes on.
#
#   crates/knowledge/tests/install-masters.sh            # prints where everything is
#
# Python ones, pinned, go into a venv below ${SCUPPER_TEST_CACHE:-<repo>/target/test-cache}; the others are Debian
# packages, installed only where they are missing and only by root. Safe to run again and at the same time: the tests
# call it before each server.
set -eu

here=$(cd -P "$(dirname "$0")" && pwd -P)
cache=${SCUPPER_TEST_CACHE:-$here/../../../target/test-cache}
mkdir -p "$cache"
cache=$(cd -P "$cache" && pwd -P)

PYTHON_PINS="gunicorn==27.0.1 uvicorn==0.54.0 celery==5.7.0 hypercorn==0.18.0 granian==2.8.7"
# Beside the venv, on PYTHONPATH only where a test wants servers that write their own titles.
TITLE_PIN="setproctitle==1.3.8"

exec 9>"$cache/.install-lock"
flock 9

pins="$PYTHON_PINS $TITLE_PIN"
if [ "$(cat "$cache/.installed" 2>/dev/null || true)" != "$pins" ]; then
    python=
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then python=$candidate; break; fi
    done
    [ -n "$python" ] || { echo "install-masters: no python3 with venv found" >&2; exit 1; }
    echo "install-masters: making $cache/venv with $PYTHON_PINS" >&2
    rm -rf "$cache/venv" "$cache/titles"
    "$python" -m venv "$cache/venv"
    # shellcheck disable=SC2086 # the pins are words
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check $PYTHON_PINS
    echo "install-masters: $TITLE_PIN into $cache/titles" >&2
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check --target "$cache/titles" "$TITLE_PIN"
    printf '%s' "$pins" > "$cache/.installed"
fi

missing=
command -v puma > /dev/null || missing="$missing puma"
command -v unicorn > /dev/null || missing="$missing unicorn"
ls /usr/sbin/php-fpm[0-9]* > /dev/null 2>&1 || missing="$missing php-fpm"
command -v node > /dev/null || missing="$missing nodejs"
command -v tmux > /dev/null || missing="$missing tmux"
command -v screen > /dev/null || missing="$missing screen"
command -v redis-server > /dev/null || missing="$missing redis-server"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        echo "install-masters: apt-get install$missing" >&2
        # RUNLEVEL=1: install a program, do not start its service.
        export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086 # the names are words
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } > "$cache/apt.log" 2>&1 9>&- || {
            tail -5 "$cache/apt.log" >&2
            exit 1
        }
    else
        echo "install-masters: missing and not installed (only root can):$missing" >&2
    fi
fi

echo "$cache"
