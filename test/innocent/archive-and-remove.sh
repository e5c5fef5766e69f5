#!/bin/bash
# Finished work is put into archives without a password; two of the programs remove the originals themselves.
# tools: tar, tar -z, zip -r -m, 7zr a -sdel
# order: archives of everything, originals kept; then an archive per folder is written under a temporary name, renamed, and the originals are deleted
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

mkdir -p Archive "$work/before"
cp -a Finance HR Legal Projects Sales "$work/before"
tar -cf Archive/all.tar Finance HR Legal Projects Sales
tar -czf Archive/all.tar.gz Finance HR Legal Projects Sales
for folder in Finance Sales Legal; do zip -q -r -m "Archive/$folder.zip" "$folder"; done
for folder in HR Projects; do 7zr a -bd -bb0 -mx=1 -sdel "Archive/$folder.7z" "$folder" > "$work/log"; done

mkdir "$work/after" "$work/tar" "$work/tgz"
for folder in Finance Sales Legal; do unzip -q "Archive/$folder.zip" -d "$work/after"; done
for folder in HR Projects; do 7zr x -bd -bb0 -o"$work/after" "Archive/$folder.7z" > "$work/log"; done
tar -xf Archive/all.tar -C "$work/tar"
tar -xzf Archive/all.tar.gz -C "$work/tgz"
for copy in after tar tgz; do diff -r "$work/before" "$work/$copy"; done
[ ! -e Finance ] && [ ! -e Sales ] && [ ! -e Legal ] && [ ! -e HR ] && [ ! -e Projects ]
