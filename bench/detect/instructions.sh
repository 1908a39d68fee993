#!/bin/sh
# Instructions of a push and of a push with its looks, counted by valgrind's callgrind: a figure that no load on the machine
# moves. The difference between two runs of different length is what the samples between them cost.
set -eu
cd "$(dirname "$0")/../.."
cargo build --release --quiet -p scupper-detect-bench
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/detect-bench cost --work "$@" 2>&1 |
        sed -n 's/.*Collected : *//p'
}
few=20000 many=60000
for looks in '' --assess; do
    # $looks is one word or none.
    a=$(count $few $looks) b=$(count $many $looks)
    echo "instructions per push${looks:+ with its looks}: $(((b - a) / (many - few)))"
done
