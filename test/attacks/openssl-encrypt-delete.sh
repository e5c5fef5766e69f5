#!/bin/bash
# Encrypts every file with openssl into F.enc and deletes the original: one short-lived process per step, as a script kiddie's script does.
# EXCEPT names a folder that is left alone: somebody else's desk.
set -u; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target" || exit 98
find . -type f -not -path "./${EXCEPT:-.nothing}/*" -print0 | sort -z | while IFS= read -r -d '' file; do
  openssl enc -aes-256-cbc -pbkdf2 -pass pass:scratch -in "$file" -out "$file.enc" && rm -f "$file"
done
