#!/bin/bash
# Installs what the tests need and is not there yet, and says what it does. May be run again: it then does nothing.
#   scripts/install-test-tools.sh            Debian and Ubuntu install by themselves; elsewhere it says what is missing
#   scripts/install-test-tools.sh demo       only what examples/leaky-gunicorn/demo.sh needs: python3 with venv, a C compiler
# As root, or with sudo. No service is started.
#   promtool   checks that our metrics are OpenMetrics         python3 with venv   gunicorn, uvicorn and others, in a venv
#   tmux       a real terminal for job control                 node, npm           the Node examples
#   puma       a prefork master to try our recipe on           cargo-nextest       runs the tests
#   chromium   a browser that a request leaves behind      curl                an agent of a fleet in a few lines of shell
#   redis-server  a registry; each test starts its own     openssl             the certificates of its TLS
#   unshare, ip  hosts with a network of their own
set -euo pipefail
say() { echo "tools: $*"; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo -n); fi

wanted=()
has python3 || wanted+=(python3)
python3 -c 'import venv, ensurepip' 2>/dev/null || wanted+=(python3-venv)
has cc || wanted+=(gcc libc6-dev)
if [ "${1:-}" != demo ]; then
  has promtool || wanted+=(prometheus)
  has tmux || wanted+=(tmux)
  has puma || wanted+=(puma)
  has node || wanted+=(nodejs)
  has npm || wanted+=(npm)
  has unshare || wanted+=(util-linux)
  has ip || wanted+=(iproute2)
  has chromium || wanted+=(chromium)
  has curl || wanted+=(curl)
  has redis-server || wanted+=(redis-server)
  has openssl || wanted+=(openssl)
fi

if [ ${#wanted[@]} -gt 0 ]; then
  if ! has apt-get; then
    say "missing, and there is no apt-get to install them with: ${wanted[*]} (Debian's names)" >&2
    exit 1
  fi
  if [ ${#as_root[@]} -gt 0 ] && ! sudo -n true 2>/dev/null; then
    say "run this as root, or: sudo apt-get install ${wanted[*]}" >&2
    exit 1
  fi
  say "installing ${wanted[*]}"
  # A package that ships a service would start it: this file is how Debian is told not to.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${wanted[@]}" >/dev/null
fi

if [ "${1:-}" = demo ]; then exit 0; fi
if ! has cargo; then
  say "cargo is missing: install Rust" >&2
  exit 1
fi
if ! cargo nextest --version >/dev/null 2>&1; then
  say "installing cargo-nextest (some minutes)"
  cargo install --quiet --locked cargo-nextest
fi
# Slow to build, so only where everything is asked for.
if [ -n "${SCUPPER_FULL:-}" ]; then
  for tool in cargo-deny cargo-machete; do
    has "$tool" || { say "installing $tool (some minutes)"; cargo install --quiet --locked "$tool"; }
  done
fi
# The real prefork servers that recipes are tried on, in a venv of their own.
masters=$(dirname "$0")/../crates/knowledge/tests/install-masters.sh
if [ -x "$masters" ]; then "$masters" >/dev/null; fi
# The real MCP servers, clients and launchers.
servers=$(dirname "$0")/../crates/cli/tests/mcp/install-servers.sh
if [ -x "$servers" ]; then "$servers" >/dev/null; fi
# The tool that makes requests out of the API's description.
schemathesis=$(dirname "$0")/../crates/cli/tests/fleet/install-schemathesis.sh
if [ -x "$schemathesis" ]; then "$schemathesis" >/dev/null; fi
say "all there: promtool, tmux, puma, chromium, redis-server, python3, node, npm, cargo-nextest"
