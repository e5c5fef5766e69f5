#!/bin/bash
# A delivery of many files is unpacked, first into new folders, then over what is there.
# tools: unzip, unzip -o, tar -xJ
# order: new files; then files of the same names replaced (unlinked and written anew) by another state of theirs
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
modules=$(realpath "$(dirname "$0")/../../node_modules")
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

mkdir "$work/delivery"
cp -a . "$work/delivery/documents"
cp -r "$modules/ajv" "$work/delivery/"
(cd "$work/delivery" && zip -q -r -1 ../delivery.zip . && tar -cJf ../delivery.tar.xz --xz documents)
# The state of another day: every text has a line more, every fifth other document is another one's copy.
cp -a "$work/delivery/documents" "$work/newer"
find "$work/newer" -type f \( -name '*.md' -o -name '*.txt' -o -name '*.csv' -o -name '*.html' \) -exec sh -c 'for file; do printf "one line more\n" >> "$file"; done' sh {} +
find "$work/newer" -type f -name '*.docx' | sort | awk 'NR % 5 == 0' | while IFS= read -r file; do cp "$(find "$work/delivery/documents" -name '*.docx' | sort | sed -n 1p)" "$file"; done
(cd "$work/newer" && zip -q -r -1 ../newer.zip .)

unzip -q "$work/delivery.zip" -d Incoming
mkdir Again && tar -xJf "$work/delivery.tar.xz" -C Again
diff -r Incoming "$work/delivery"
diff -r Again/documents "$work/delivery/documents"
unzip -q -o "$work/newer.zip" -d .
diff -r -x Incoming -x Again . "$work/newer"
