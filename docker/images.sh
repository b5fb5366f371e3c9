#!/usr/bin/env bash
# Build the images: docker/images.sh [serve|mlflow|train]..., all three where none is named. From the environment:
# BASE (python:3.11-slim), TORCH (cpu or cuda), TAG (docker/tag.sh), TORCH_INDEX (a wheel index for the CPU torch).
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- serve mlflow train
base=${BASE:-python:3.11-slim} torch=${TORCH:-cpu}
tree=$(docker/tag.sh "$torch") commit=$(git rev-parse HEAD)
[[ $tree != *-dirty-* ]] || commit+=-dirty
tag=${TAG:-$tree}
if ! docker version >/dev/null 2>&1; then
  echo "Error: no Docker engine answers. Start one, or name its socket in DOCKER_HOST." >&2
  exit 2
fi
if ! docker image inspect "$base" >/dev/null 2>&1 && ! docker pull -q "$base"; then
  echo "Error: no image $base here, and no registry gives it. docker/base.sh makes one of Debian packages." >&2
  exit 2
fi
"${PYTHON:-python3}" docker/wheels.py "$torch" "$base"
# an address without the login that may stand in it
source=$(git config --get remote.origin.url | sed -nE 's#^(https?://|ssh://)([^/@]*@)?#\1#p' || true)
for target; do
  name=schwarz/$target:$tag
  [ "$target" != train ] || name=schwarz/python-train:$tag # KFP's local runner wants "python" in a name
  docker build --network none --target "$target" -f docker/Dockerfile -t "$name" \
    --build-arg BASE="$base" --build-arg TORCH="$torch" --build-arg SOURCE="${source:-unknown}" \
    --build-arg COMMIT="$commit" \
    --build-arg VERSION="$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" .
  echo "Built $name, $(($(docker image inspect -f '{{.Size}}' "$name") / 1000000)) MB with its base"
done
