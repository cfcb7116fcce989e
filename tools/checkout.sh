#!/usr/bin/env bash
# Copy the source tree into a new folder: what git knows of the working tree, or would take, and
# nothing that was built there, so that no earlier build can stand in for a missing step.
#
#   tools/checkout.sh FOLDER
set -euo pipefail

mkdir "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files -z --cached --others --exclude-standard | sort -zu |
    comm -z -23 - <(git ls-files -z --deleted | sort -zu) |
    tar -c --null --verbatim-files-from -T - -f - | tar -x -C "$target" -f -
