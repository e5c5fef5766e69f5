#!/bin/bash
# Someone sends three short letters in an archive with a password, keeps the originals, and then tidies up: an old folder is deleted.
# tools: zip -P, rm -r
# order: an encrypted archive written beside its originals; other documents, far more than it could hold, deleted by the same session
# kind: borderline
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"
mkdir Outbox
find . -name '*.docx' -printf '%s %p\n' | sort -n | sed -n '1,3s/^[0-9]* //p' > .list
zip -q -P between-us Outbox/offer.zip -@ < .list; rm .list
unzip -q -P between-us -t Outbox/offer.zip > /dev/null
rm -r Finance HR Projects Marketing
[ ! -e Finance ] && [ -d Sales ]
