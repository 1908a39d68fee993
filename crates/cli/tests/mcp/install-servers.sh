#!/bin/sh
# Installs the real MCP servers, clients and launchers that tests/mcp/*.rs start.
#
#   crates/cli/tests/mcp/install-servers.sh      # prints where everything is
#
# Pinned, below ${SCUPPER_TEST_CACHE:-<repo>/target/test-cache}/mcp: from npm the reference servers and the SDK
# (node_modules), from PyPI the SDK and uv (venv). Safe to run again and at the same time: the tests call it.
set -eu

here=$(cd -P "$(dirname "$0")" && pwd -P)
cache=${SCUPPER_TEST_CACHE:-$here/../../../../target/test-cache}/mcp
mkdir -p "$cache"
cache=$(cd -P "$cache" && pwd -P)

NPM_PINS="@modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/server-filesystem@2026.8.31 @modelcontextprotocol/server-everything@2026.8.31"
PYTHON_PINS="mcp==2.3.0 uv==0.13.9"

exec 9>"$cache/.install-lock"
flock 9

pins="$NPM_PINS $PYTHON_PINS"
if [ "$(cat "$cache/.installed" 2>/dev/null || true)" != "$pins" ]; then
    command -v npm > /dev/null || { echo "install-servers: npm is missing" >&2; exit 1; }
    python=
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then python=$candidate; break; fi
    done
    [ -n "$python" ] || { echo "install-servers: no python3 with venv found" >&2; exit 1; }
    rm -rf "$cache/venv" "$cache/node_modules" "$cache/package.json" "$cache/package-lock.json"
    printf '{ "private": true, "type": "module" }\n' > "$cache/package.json"
    echo "install-servers: npm install $NPM_PINS" >&2
    # shellcheck disable=SC2086 # the pins are words
    npm install --prefix "$cache" --no-audit --no-fund --silent --ignore-scripts $NPM_PINS 9>&- >&2
    echo "install-servers: making $cache/venv with $PYTHON_PINS" >&2
    "$python" -m venv "$cache/venv" 9>&-
    # shellcheck disable=SC2086 # the pins are words
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check $PYTHON_PINS 9>&- >&2
    printf '%s' "$pins" > "$cache/.installed"
fi

echo "$cache"
