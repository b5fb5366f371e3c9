#!/usr/bin/env bash
# The tag of images that are built here, `docker/tag.sh [cpu|cuda]`: the commit; where what they are made of is not as
# in that commit, also a digest of what differs, so that two trees never share a tag; and the torch, if not the CPU's.
set -euo pipefail
cd "$(dirname "$0")/.."

made_of=(src docker pyproject.toml constraints.txt LICENSE README.md .dockerignore)
commit=$(git rev-parse --short=12 HEAD)
index=$(mktemp)
trap 'rm -f "$index"' EXIT
cp "$(git rev-parse --git-path index)" "$index"
export GIT_INDEX_FILE=$index # what was staged stays as it is
git add -A -- "${made_of[@]}"
if ! git diff --cached --quiet HEAD -- "${made_of[@]}"; then
  commit+=-dirty-$(git diff --cached --binary HEAD -- "${made_of[@]}" | git hash-object --stdin | cut -c1-8)
fi
[ "${1:-cpu}" = cpu ] || commit+=-$1
echo "$commit"
