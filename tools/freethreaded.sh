#!/usr/bin/env bash
# The whole suite on a Python without the GIL.
#
#   tools/freethreaded.sh [options of pytest or tests/...]
#
# With JUNIT=FILE in the environment, pytest's report goes there, for tools/reliability.py.
# $PYTHON is a free-threaded CPython (default: python3.14t), such as one configured with
# --disable-gil; no registry has a package of one. The environment is made in a temporary folder.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$(command -v "${PYTHON:-python3.14t}") || {
    echo "No ${PYTHON:-python3.14t} here; name a free-threaded Python in PYTHON." >&2
    exit 2
}
if [ "$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("Py_GIL_DISABLED"))')" != 1 ]; then
    echo "$python was not built without the GIL." >&2
    exit 2
fi

if [ -n "${JUNIT-}" ]; then
    set -- "--junitxml=$(realpath "$JUNIT")" -o junit_family=xunit1 "$@"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$root/tools/checkout.sh" "$work/source"
cd "$work/source"
"$python" -m venv "$work/venv"
bin=$work/venv/bin
# pip takes the newest version of each package that has a wheel for such a Python, also for the build.
PIP_PREFER_BINARY=1 "$bin/pip" install --quiet --disable-pip-version-check ".[test]"
rm -r mlpcore setup.py   # from here on only what was installed can be imported

# A module that does not declare that it works without the GIL turns it on, with a warning only.
cd "$work"
"$bin/python" -W error -c '
import sys
import mlpcore.sklearn, mlpcore.plotting
import importlib, pkgutil
for module in pkgutil.walk_packages(mlpcore.__path__, "mlpcore."):
    importlib.import_module(module.name)
assert not sys._is_gil_enabled(), "the GIL is on"
print("Python", sys.version, "- the GIL is off, and mlpcore leaves it so")'
cd "$work/source"
# The GIL stays off for the modules that the tests themselves compile, too.
PYTHON_GIL=0 "$bin/python" -m pytest -p no:cacheprovider -q "$@"
