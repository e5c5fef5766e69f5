#!/bin/bash
# A backup program keeps its repository in the share: encrypted packs, named by their hash, pruned after some days.
# tools: openssl rand, sha256sum, mv, rm
# order: tmp-N written and renamed to its hash; on another day small packs merged into new ones, the old ones deleted; index and lock files rewritten
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
mkdir -p "$target/IT/Backups/repository/data" "$target/IT/Backups/repository/index"; cd "$target/IT/Backups/repository"

backup='
  put() { openssl rand -out tmp-pack "$2"; name=$(sha256sum tmp-pack | cut -c 1-64); mkdir -p "$1/${name:0:1}"; mv tmp-pack "$1/${name:0:1}/$name"; }
  openssl rand -out lock 155
  for pack in $(seq 20); do put data $((20000 + RANDOM * 2)); done
  put index 3000; rm lock'
prune='
  openssl rand -out lock 155
  find data -type f | sort | awk "NR % 3 == 0" > .old
  for pack in $(seq 10); do openssl rand -out tmp-pack $((60000 + RANDOM)); mv tmp-pack "data/0/$(sha256sum tmp-pack | cut -c 1-64)"; done
  xargs rm < .old; rm .old
  find index -type f -exec openssl rand -out {} 2900 \;
  rm lock'
# Every run is a session of its own, as a timer starts it.
for day in 1 2 3; do setsid --wait bash -euo pipefail -c "mkdir -p data/0; $backup"; done
setsid --wait bash -euo pipefail -c "$prune"
[ "$(find data -type f | wc -l)" -eq 50 ] && [ ! -e lock ]
for pack in $(find data -type f); do [ "$(sha256sum "$pack" | cut -c 1-64)" = "${pack##*/}" ]; done
