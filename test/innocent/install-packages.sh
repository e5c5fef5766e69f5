#!/bin/bash
# A dependency tree of thousands of small files is installed, thrown away and installed again, as `npm ci` does it.
# tools: cp -r, rm -rf
# order: files written by the thousand (many of the same name and content in many folders); all deleted; all written again
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
modules=$(realpath "$(dirname "$0")/../../node_modules")
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target/Engineering"

packages=(@nestjs/common ajv express nats semver)
for round in 1 2; do
  rm -rf node_modules; mkdir -p node_modules/@nestjs
  for package in "${packages[@]}"; do cp -r "$modules/$package" "node_modules/$package"; done
done
for package in "${packages[@]}"; do diff -r "$modules/$package" "node_modules/$package"; done
