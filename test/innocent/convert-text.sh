#!/bin/bash
# Texts are prepared for an old Japanese Windows program, and for a newer one.
# tools: iconv, sed, mv, cp
# order: F.tmp written in another encoding and renamed over F; or written into F itself
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

count=0
for encoding in CP932 UTF-16 UTF-16LE EUC-JP; do
  find . -type f -name '*.csv' | sort | awk -v k="$count" 'NR % 4 == k' > "$work/list"
  find . -type f \( -name '*.md' -o -name '*.txt' \) | sort | awk -v k="$count" 'NR % 4 == k' >> "$work/list"
  while IFS= read -r file; do
    iconv -c -f UTF-8 -t UTF-8 "$file" | sed 's/$/ 確認済/' > "$work/plain"
    iconv -c -t "$encoding//TRANSLIT" "$work/plain" > "$file.tmp" 2> /dev/null || iconv -c -t "$encoding" "$work/plain" > "$file.tmp" || true
    if [ $((count % 2)) -eq 0 ]; then mv "$file.tmp" "$file"; else cat "$file.tmp" > "$file"; rm "$file.tmp"; fi
    iconv -f "$encoding" -t UTF-8 "$file" | grep -c 確認済 > /dev/null
  done < "$work/list"
  count=$((count + 1))
done
