#!/bin/bash
# Someone makes encrypted copies of three documents to send them, and keeps the originals.
# tools: openssl enc
# order: F.enc written; F stays
# kind: borderline
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"
find . -name '*.docx' -print0 | sort -z | sed -zn 1,3p | while IFS= read -r -d '' file; do
  openssl enc -aes-256-cbc -pbkdf2 -pass pass:between-us -in "$file" -out "$file.enc"
  openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:between-us -in "$file.enc" | cmp - "$file"
done
