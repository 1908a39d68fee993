#!/bin/bash
# Installs the peers into tools/ beside this file, which is thrown away and never committed. May be run again.
#   ./setup.sh            supervisor, superlance, circus (pip), pm2 (npm), monit, runit (Debian, unpacked only)
#   ./setup.sh --slow     also horust (cargo, some minutes) and the micro benchmark of one look
# A peer that cannot be installed is named and left out; the others are installed all the same.
set -uo pipefail
cd "$(dirname "$0")"
mkdir -p tools/debs tools/root bin out run
missing=()
attempt() { # WHAT COMMAND...
  local what=$1; shift
  echo "bench: installing $what"
  "$@" || { echo "bench: $what could not be installed" >&2; missing+=("$what"); }
}

# A copy under its own name, so that the workers of a benchmark are told apart from every other sleep.
[ -x bin/cbench-sleep ] || cp "$(command -v sleep)" bin/cbench-sleep

python_peers() {
  [ -x tools/venv/bin/pip ] || python3 -m venv tools/venv || return
  tools/venv/bin/pip -q --disable-pip-version-check install \
    supervisor==4.3.0 superlance==2.0.0 circus==0.19.0 psutil
}
node_peers() {
  [ -x tools/npm/node_modules/.bin/pm2 ] && return
  npm install --silent --no-audit --no-fund --prefix tools/npm pm2@7.0.4
}
debian_peers() {
  [ -x tools/root/usr/bin/monit ] && [ -x tools/root/usr/bin/runsvdir ] && return
  # apt's sandbox user may not write here, so the download runs as root where it can.
  if [ "$(id -u)" = 0 ]; then apt-get update -qq || return; fi
  (cd tools/debs && apt-get -qq -o APT::Sandbox::User=root download monit runit) || return
  local deb
  for deb in tools/debs/*.deb; do dpkg-deb -x "$deb" tools/root || return; done
}
rust_peers() { [ -x tools/cargo/bin/horust ] || cargo install horust --version 0.1.14 --locked --root tools/cargo --target-dir tools/target; }
micro() { (cd micro && rustc -O probe.rs -o probe); }

attempt "supervisor, superlance, circus" python_peers
attempt pm2 node_peers
attempt "monit, runit" debian_peers
if [ "${1-}" = --slow ]; then
  attempt horust rust_peers
  attempt "the micro benchmark" micro
fi
if [ ${#missing[@]} -gt 0 ]; then echo "bench: left out: ${missing[*]}" >&2; exit 1; fi
echo "bench: peers are in $PWD/tools"
