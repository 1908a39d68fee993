#!/bin/bash
# A real leaking gunicorn service, kept inside its limits by Scupper. Needs a Rust toolchain and python3 with venv; on Debian and
# Ubuntu it installs the latter, as root, where it is missing.
#   examples/leaky-gunicorn/demo.sh             builds scupper, then shows it at work for about 40 seconds
#   examples/leaky-gunicorn/demo.sh --help      what can be changed
# Everything it makes lies under target/; everything it starts it ends, also on ^C.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/demo/venv
version=${GUNICORN_VERSION:-23.0.0}

need() { command -v "$1" >/dev/null || { echo "demo: $1 is needed: $2" >&2; exit 2; }; }
case " $* " in
  *" --help "*|*" -h "*)
    need python3 "install Python 3.9 or newer"
    exec python3 "$here/demo.py" --help
    ;;
esac
# Before the build: who has to install something by hand shall not wait for it.
"$root/scripts/install-test-tools.sh" demo

scupper=${SCUPPER:-}
if [ -z "$scupper" ]; then
  need cargo "install Rust from your distribution or from rustup"
  echo "demo: building scupper (the first time takes a minute or two)"
  cargo build --release --manifest-path "$root/Cargo.toml" --package scupper-cli
  scupper=$target/release/scupper
fi
[ -x "$scupper" ] || { echo "demo: there is no scupper at $scupper" >&2; exit 2; }

if ! "$venv/bin/python" -c "import gunicorn, sys; sys.exit(gunicorn.__version__ != '$version')" 2>/dev/null; then
  echo "demo: installing gunicorn $version into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" --quiet --disable-pip-version-check install "gunicorn==$version"
fi

exec "$venv/bin/python" "$here/demo.py" --scupper "$scupper" --gunicorn "$venv/bin/gunicorn" "$@"
