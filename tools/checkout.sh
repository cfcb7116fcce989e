#!/usr/bin/env bash
# Copy the source tree into a new folder: the files that git tracks or would add, and no built file, so
# that an earlier build cannot hide a missing step.
#
#   tools/checkout.sh FOLDER
set -euo pipefail

mkdir "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files -z --cached --others --exclude-standard | sort -zu |
    comm -z -23 - <(git ls-files -z --deleted | sort -zu) |
    tar -c --null --verbatim-files-from -T - -f - | tar -x -C "$target" -f -
