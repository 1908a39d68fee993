#!/bin/bash
# From a note in an inbox to a leak that is proved to be gone: plan, run, incident, why, report, soak, verify, done. Needs a Rust
# toolchain, git and python3.
#   examples/casebook/demo.sh    builds scupper, then shows the whole way in less than two minutes
#   SCUPPER=/path/to/scupper examples/casebook/demo.sh    with that one
# Everything it makes lies under target/demo/casebook/; everything it starts it ends, also on ^C.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/demo/casebook

need() { command -v "$1" >/dev/null || { echo "demo: $1 is needed" >&2; exit 2; }; }
need python3
need git
scupper=${SCUPPER:-}
if [ -z "$scupper" ]; then
  need cargo
  echo "demo: building scupper (the first time takes a minute or two)"
  cargo build --release --manifest-path "$root/Cargo.toml" --package scupper-cli
  scupper=$target/release/scupper
fi
[ -x "$scupper" ] || { echo "demo: there is no scupper at $scupper" >&2; exit 2; }

rm -rf "$work"
mkdir -p "$work/vault/Inbox" "$work/run" "$work/shop"
chmod 700 "$work/run"
cd "$work"
export XDG_STATE_HOME=$work/state XDG_RUNTIME_DIR=$work/run
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

visitors= shop=
clean_up() {
  [ -z "$visitors" ] || kill "$visitors" 2>/dev/null || true
  [ -z "$shop" ] || kill "$shop" 2>/dev/null || true
  wait
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }
show() { printf '$ scupper %s\n' "$*"; "$scupper" "$@"; }
refused() { if show "$@"; then echo "demo: this should have been refused" >&2; exit 1; fi; }
save() { git -C shop -c user.name=demo -c user.email=demo@example.org commit -qam "$1" && git -C shop rev-parse --short=10 HEAD; }
soak() {
  show soak --name shop --ops "$1" --ops-from "http://127.0.0.1:$port/metrics#requests_total" --max-growth 20M \
    -- python3 shop/shop.py "$port"
}

say "A service, and a note that somebody left"
cp "$here/shop.py" shop/
git -C shop init -q
git -C shop add shop.py
save "The shop" >/dev/null
cp "$here/note.md" vault/Inbox/shop_leak.md
show plan vault
sed -n '/^## Step-by-Step/,/^3\. /p' vault/Needs_Action/Plan_shop_leak.md | sed 's/ <!--.*-->//; $d'

say "The service runs under scupper, with visitors; the incident opens by itself"
python3 "$here/visitors.py" "http://127.0.0.1:$port/visit" 40 &
visitors=$!
"$scupper" run --name shop --horizon short --grow 50M/10s --mem-hard 160M -- python3 shop/shop.py "$port" &
shop=$!
for _ in $(seq 300); do
  if "$scupper" incident list --json | grep -q ISS-0001; then break; fi
  kill -0 "$shop"
  sleep 0.3
done
"$scupper" incident list --json | grep -q ISS-0001 || { echo "demo: no incident was opened within 90 s" >&2; exit 1; }
show stop shop
wait "$shop" || true
shop=
show incident show ISS-0001

say "Why"
show why shop || true

say "The report, from what was recorded; and what is wrong with it"
show report ISS-0001 --kind delta --out report.md --html report.html --tree shop
sed -n '/^## Root Cause/,/^## Changes/p' report.md | sed '$d'
show lint report.md --root shop

say "A fix that is none: the cart is smaller by a tenth"
show incident move ISS-0001 active --owner ana
sed -i 's/^CART_BYTES = 256 \* 1024$/CART_BYTES = 230 * 1024/' shop/shop.py
show incident move ISS-0001 ready_for_qa --change "$(save 'Smaller carts')" --soak-ops 600 --soak-growth 20M
if soak 600; then echo "demo: a soak of a service that leaks has passed" >&2; exit 1; fi
refused incident verify ISS-0001
refused incident move ISS-0001 done

say "A fix: there are at most 50 sessions; its soak lasts three times as long as it took to reach the limit"
show incident move ISS-0001 active --reason "it still grows with every visit"
python3 - <<'PYTHON'
path = "shop/shop.py"
text = open(path).read()
text = text.replace("CART_BYTES = 230 * 1024\n", "CART_BYTES = 256 * 1024\nMOST_SESSIONS = 50\n")
text = text.replace("* CART_BYTES\n", "* CART_BYTES\n    SESSIONS.pop(number - MOST_SESSIONS, None)\n")
open(path, "w").write(text)
PYTHON
show incident move ISS-0001 ready_for_qa --change "$(save 'At most 50 sessions')"
soak 2000
show incident verify ISS-0001
show incident move ISS-0001 ready_for_deployment
show incident move ISS-0001 done

say "The report again, with the change as the tree has it, a command that was run, and the soak"
line=$(grep -n 'SESSIONS.pop' shop/shop.py | cut -d: -f1)
show report ISS-0001 --verify -- python3 -m py_compile shop/shop.py
show report ISS-0001 --kind delta --out report.md --html report.html --tree shop --change "shop.py:$line-$line=At most 50 sessions" --resolved
sed -n '/^## Changes Made/,/^## Tests/p' report.md | sed '$d'

say "Nothing claims what is not recorded"
show lint report.md vault state/scupper/incidents --root shop
show incident list
echo
echo "demo: everything it wrote is in $work (report.html is for the browser)"
