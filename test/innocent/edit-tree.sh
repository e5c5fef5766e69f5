#!/bin/bash
# The company has a new name: it is replaced in every text; dumb edits in place as well.
# tools: sed -i, sed -i.bak, shell redirection
# order: sedXXXXXX written and renamed over F; F renamed to F.bak, the new one to F, F.bak deleted later; F truncated and written
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

texts() { find . -type f \( -name '*.md' -o -name '*.txt' -o -name '*.csv' -o -name '*.html' -o -name '*.json' -o -name '*.js' -o -name '*.ts' -o -name '*.css' -o -name '*.yml' -o -name '*.svg' \) -print0 | sort -z; }
cp -a . "$work/expected"
(cd "$work/expected" && texts | xargs -0 sed -i -e 's/the/THE/g' -e 's/東京/大阪/g' -e '$s/$/ (reviewed)/' -e '1s/^/reviewed: /')

texts | xargs -0 sed -i -e 's/the/THE/g' -e 's/東京/大阪/g'
texts | xargs -0 sed -i.bak -e '$s/$/ (reviewed)/'
find . -name '*.bak' -delete
texts | while IFS= read -r -d '' file; do
  content=$(sed -e '1s/^/reviewed: /' "$file"; printf x)
  printf '%s' "${content%x}" > "$file"
done 2> "$work/warnings" # a text may hold a NUL, which no shell variable keeps
if [ -s "$work/warnings" ]; then cat "$work/warnings" >&2; exit 1; fi
diff -r . "$work/expected"
