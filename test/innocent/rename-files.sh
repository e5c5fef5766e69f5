#!/bin/bash
# Files get tidy names; no byte of them changes.
# tools: mv
# order: renames only: a date in front, no spaces, .jpeg to .jpg, .htm to .html, capitals to small letters, a version behind, numbered parts
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# A camera's folder of another day, put here by another session: a picture of one grey pixel (JFIF) each.
setsid --wait bash -c 'mkdir Camera; for number in $(seq 40); do
  { base64 -d <<< /9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q==; } > "Camera/DSC$number.JPEG"; done
  for number in $(seq 20); do echo "<html><body>page $number of the old handbook</body></html>" > "Camera/page$number.htm"; done'
sums() { find . -type f -exec sha256sum {} + | cut -d ' ' -f 1 | sort; }
before=$(sums)
for file in Camera/*.JPEG; do mv "$file" "${file%.JPEG}.jpeg"; done
for file in Camera/*.jpeg; do mv "$file" "${file%.jpeg}.jpg"; done
for file in Camera/*.htm; do mv "$file" "${file%.htm}.html"; done
find . -type f -print0 | sort -z | while IFS= read -r -d '' file; do
  name=${file##*/}; name=${name// /_}
  mv "$file" "${file%/*}/2025-06-30_${name,,}"
done
find Legal Finance -type f -print0 | sort -z | while IFS= read -r -d '' file; do mv "$file" "$file.v2"; done
find Public -type f | sort > "$work/names"
number=0; while IFS= read -r file; do number=$((number + 1)); mv "$file" "$file.$(printf %03d "$number")"; done < "$work/names"
[ "$(sums)" = "$before" ]
