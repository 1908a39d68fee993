#!/bin/sh
# Installs schemathesis, which makes requests out of an OpenAPI description, for tests/fleet/http.rs.
#
#   crates/cli/tests/fleet/install-schemathesis.sh       # prints where the program is
#
# Pinned, in a venv below ${SCUPPER_TEST_CACHE:-<repo>/target/test-cache}. Safe to run again and at the same time.
set -eu

here=$(cd -P "$(dirname "$0")" && pwd -P)
cache=${SCUPPER_TEST_CACHE:-$here/../../../../target/test-cache}
mkdir -p "$cache"
cache=$(cd -P "$cache" && pwd -P)

PIN="schemathesis==4.32.5"

exec 9>"$cache/.install-schemathesis-lock"
flock 9

if [ "$(cat "$cache/.schemathesis" 2>/dev/null || true)" != "$PIN" ]; then
    echo "install-schemathesis: making $cache/schemathesis with $PIN" >&2
    rm -rf "$cache/schemathesis"
    python3 -m venv "$cache/schemathesis"
    "$cache/schemathesis/bin/pip" install --quiet --disable-pip-version-check "$PIN"
    printf '%s' "$PIN" > "$cache/.schemathesis"
fi
echo "$cache/schemathesis/bin/schemathesis"
