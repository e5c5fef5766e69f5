#!/bin/bash
# Someone puts three confidential documents into an archive with a password; the program removes the originals.
# tools: zip -P -m
# order: one archive written under a temporary name and renamed, three originals deleted
# kind: borderline
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"
find . -name '*.xlsx' | sort | sed -n 1,3p > .list
zip -q -P between-us -m confidential.zip -@ < .list
unzip -q -P between-us -t confidential.zip > /dev/null
while IFS= read -r file; do [ ! -e "$file" ]; done < .list
rm .list
