#!/bin/bash
# A project is put under version control and worked on.
# tools: git init, add, commit, checkout, merge, repack, gc --prune=now
# order: loose objects (compressed, without a known head) written; working files replaced at each checkout; objects packed, then deleted by the hundred
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target"; work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export HOME=$work GIT_AUTHOR_NAME=dev GIT_AUTHOR_EMAIL=dev@example.test GIT_COMMITTER_NAME=dev GIT_COMMITTER_EMAIL=dev@example.test
# A gc of its own accord would run on in the background after the script's end.
git config --global gc.auto 0; git config --global init.defaultBranch main; git config --global core.autocrlf false

commit_all() { git add -A && git commit -q -m "$1"; }
git init -q; commit_all 'as found'
for round in 1 2 3 4; do
  git checkout -q -b "feature-$round" main
  find . -path ./.git -prune -o -type f \( -name '*.md' -o -name '*.ts' -o -name '*.js' -o -name '*.json' -o -name '*.csv' \) -print | sort | awk -v r="$round" 'NR % 4 == r - 1' |
    tr '\n' '\0' | xargs -0 sed -i "1s/^/round $round /"
  git mv Legal "Legal-$round"
  commit_all "round $round"
  git checkout -q main
done
for branch in feature-1 feature-3 feature-2 main feature-4 main; do git checkout -q "$branch"; done
git merge -q --no-edit feature-1
git branch -q -D feature-2 feature-3 feature-4
git repack -q -a -d -f
git reflog expire --expire=now --all
git gc -q --prune=now
git fsck --strict --no-progress
[ -z "$(git status --porcelain)" ]
[ -d Legal-1 ] && [ ! -e Legal ]
