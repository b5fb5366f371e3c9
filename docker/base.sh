#!/usr/bin/env bash
# Makes a base image from Debian packages, for a machine that reaches a Debian mirror but no image registry.
# Usage, as root: docker/base.sh [TAG]      (needs debootstrap and a running Docker engine; about 2 minutes, 300 MB)
set -euo pipefail

tag=${1:-python:3.11-slim}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
  bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >/dev/null
# The machine may trust a proxy's authority of its own; pip inside the image must trust it too.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
tar -C "$root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -c . | docker import - "$tag" >/dev/null
echo "$tag made from Debian bookworm"
