#!/bin/bash
# Old folders are deleted, some by way of a waste basket.
# tools: rm -r, mv, find -delete
# order: unlink only; rename into .Trash, then unlink
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"

rm -r Finance Projects Users
mkdir -p .Trash-0/files
find Sales HR -type f -print0 | while IFS= read -r -d '' file; do mv "$file" .Trash-0/files/; done
find .Trash-0/files -type f -delete
find Marketing -name '*.png' -delete
[ -z "$(find . -path './Finance*' -o -path './Sales/*' -type f -o -name '*.png' -path './Marketing/*')" ]
[ -n "$(ls Legal)" ]
