#!/usr/bin/env bash
# Tests of the engine on aarch64, under qemu's emulation of one program.
#
#   tools/aarch64.sh FOLDER [tests/...]
#
# FOLDER/aarch64-linux-gnu.2.17 has the modules of tools/cross_compile.py. CPython is Debian's, its
# packages are those that pip has for aarch64, and both are laid into FOLDER; nothing is installed on
# this machine. Needs qemu-user-static and debootstrap. Tests that start another process or compile
# are left to a real machine.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(realpath "$1")
shift
debian=$folder/debian packages=$folder/packages

# Only unpacked: what runs is Python, which qemu finds the libraries for.
if [ ! -d "$debian" ]; then
    debootstrap --arch=arm64 --variant=minbase --download-only --include=python3.11-minimal,libpython3.11-stdlib \
        bookworm "$folder/download" >/dev/null
    mkdir "$debian"
    for package in "$folder"/download/var/cache/apt/archives/{base-files,libc6,libgcc,libstdc,zlib1g,libexpat1,libpython3.11,python3.11,libffi,libbz2,liblzma,libsqlite3,libssl,libuuid,libcrypt1}*.deb; do
        dpkg-deb -x "$package" "$debian"
    done
    python3 -m pip install --quiet --target "$packages" --only-binary :all: --implementation cp --abi cp311 --abi abi3 \
        --python-version 3.11 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
        --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 \
        numpy scipy threadpoolctl pytest hypothesis scikit-learn
    "$root/tools/checkout.sh" "$folder/source"
    cp -r "$folder/aarch64-linux-gnu.2.17/mlpcore" "$folder/source"
fi

python=(qemu-aarch64-static -L "$debian" -E "PYTHONPATH=$folder/source:$packages"
    -E PYTHONDONTWRITEBYTECODE=1 "$debian/usr/bin/python3.11")
cd "$folder/source"
"${python[@]}" -c 'import platform, mlpcore; print(platform.machine()); mlpcore.show_config()'
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 "${python[@]}" -m pytest -q -p no:cacheprovider -m "not slow"
