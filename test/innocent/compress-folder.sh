#!/bin/bash
# Someone compresses old folders to save space, and later wants one of them back.
# tools: gzip -r, xz, gunzip -r
# order: F.gz or F.xz is written, F is deleted; then F.gz is read, F written, F.gz deleted
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

find Finance Sales HR Legal Projects Marketing -type f ! -name '*.gz' -exec sha256sum {} + > "$work/sums"
gzip -r -q Finance Sales HR Legal || [ $? -eq 2 ] # 2: it left alone what is compressed already
find Projects Marketing -type f ! -name '*.gz' -exec xz -2 {} +

while IFS= read -r line; do
  name=${line#*  }
  case $name in
    Projects/* | Marketing/*) sum=$(xz -dc "$name.xz" | sha256sum) ;;
    *) sum=$(gzip -dc "$name.gz" | sha256sum) ;;
  esac
  [ ! -e "$name" ] && [ "${sum%% *}" = "${line%% *}" ] || { echo "not as it was: $name" >&2; exit 1; }
done < "$work/sums"
gunzip -r Finance Sales
grep -E '  (Finance|Sales)/' "$work/sums" | sha256sum --check --quiet
