#!/bin/bash
# A branch office's folder is mirrored into the share every night.
# tools: rsync -a, --checksum, --inplace, --delete
# order: .name.XXXXXX written and renamed to name; the same over files that exist, with changed content; blocks rewritten in place; files deleted
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

cp -a . "$work/branch"
change() { # Appends to texts, and gives every third other document the content of its neighbour of the same type.
  find "$work/branch" -type f \( -name '*.md' -o -name '*.txt' -o -name '*.csv' -o -name '*.js' \) -exec sh -c 'for file; do printf "%s\n" "$0" >> "$file"; done' "$1" {} +
  for type in docx xlsx pdf png; do
    previous=
    find "$work/branch" -type f -name "*.$type" | sort | awk -v day="$1" 'NR % 3 == day % 3' | while IFS= read -r file; do
      [ -z "$previous" ] || cp "$previous" "$file"
      previous=$file
    done
  done
}
mirrored() { diff -r "$work/branch" "$1"; }

rsync -a "$work/branch/" Branch/; mirrored Branch
change 1; rsync -a --checksum "$work/branch/" Branch/; mirrored Branch
change 2; rsync -a --checksum --inplace --no-whole-file "$work/branch/" Branch/; mirrored Branch
find "$work/branch" -type f | sort | awk 'NR % 4 == 0' | tr '\n' '\0' | xargs -0 rm
change 3; rsync -a --checksum --delete "$work/branch/" Branch/; mirrored Branch
# Documents that were there before everything began are brought to the newest state, too.
rsync -a --checksum --exclude Branch "$work/branch/" ./
diff -r "$work/branch" Branch
