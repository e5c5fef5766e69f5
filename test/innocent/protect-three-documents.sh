#!/bin/bash
# Someone protects three confidential documents with a password and removes the readable ones.
# tools: openssl enc, rm
# order: F.enc written, F deleted, three times
# kind: borderline
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"
find . -name '*.docx' -print0 | sort -z | sed -zn 1,3p | while IFS= read -r -d '' file; do
  sum=$(sha256sum < "$file")
  openssl enc -aes-256-cbc -pbkdf2 -pass pass:between-us -in "$file" -out "$file.enc"
  rm "$file"
  [ "$(openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:between-us -in "$file.enc" | sha256sum)" = "$sum" ]
done
