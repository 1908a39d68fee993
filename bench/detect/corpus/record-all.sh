#!/usr/bin/env bash
# record-all.sh SET OUTDIR [NAME...]: records every line of SET/manifest.csv (or only those named) into OUTDIR/NAME.csv.gz,
# AT_ONCE (6) at a time.
set -euo pipefail
set_name=$1
mkdir -p "$2"
out=$(realpath "$2")
shift 2
cd "$(dirname "$(realpath "$0")")/$set_name"

mkdir -p build
for source in *.c; do gcc -O1 -Wall -pthread -I../common -o "build/${source%.c}" "$source" -lm; done
javac -d build ../common/*.java ./*.java
for source in *.go; do
    if [ -e "$source" ]; then go build -o "build/${source%.go}" "$source"; fi
done

python3 - "$@" <<'PICK' | xargs -P "${AT_ONCE:-6}" -L 1 sh -c 'name=$1; shift; exec python3 ../record.py --out "$0/$name.csv.gz" -- "$@"' "$out"
import csv, sys
for row in csv.DictReader(open("manifest.csv")):
    if len(sys.argv) == 1 or row["name"] in sys.argv[1:]:
        print(row["name"], row["command"])
PICK
