#!/bin/bash
# A reorganisation: folders go under new parents, some by way of another disk.
# tools: mv, cp -a, rm -r
# order: directories renamed; files copied into a new tree, the old one deleted
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

sums() { find . -type f -exec sha256sum {} + | sed 's|  .*/|  |' | sort; }
before=$(sums)
mkdir -p 2025/部門
mv Finance HR 2025/部門/
mv 2025/部門/Finance/2024 2025/決算
for folder in Sales Projects; do cp -a "$folder" 2025/; rm -r "$folder"; done
# Out of the share and back: what mv does between file systems.
mv Marketing "$work/"; mv "$work/Marketing" 2025/部門/
mv 2025 Company
[ "$(sums)" = "$before" ]
