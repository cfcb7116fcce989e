#!/usr/bin/env bash
# The engine's tests under one of GCC's sanitizers, which checks raw pointers, integers or threads
# while they run; every index of a memoryview is checked as well.
#
#   tools/sanitize.sh address|undefined|thread [options of pytest or tests/...]
#
# Compiles a copy of the working tree, into a temporary folder, for $PYTHON (default: python), which
# needs the packages of `pip install ".[test]"`. Without names of tests, those that reach the engine or
# read files are run. With JUNIT=FILE in the environment, pytest's report goes
# there, for tools/reliability.py.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$(command -v "${PYTHON:-python}") || { echo "no ${PYTHON:-python} here" >&2; exit 2; }
compiler=${CC:-gcc}
sanitizer=${1-}
case $sanitizer in
    address) runtime=libasan.so ;;
    undefined) runtime=libubsan.so ;;
    thread) runtime=libtsan.so ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
shift

# The path of a library, or only its name where there is none.
library() { "$compiler" -print-file-name="$1"; }
if [ ! -f "$(library $runtime)" ]; then
    echo "$compiler has no $runtime, so that nothing can be checked." >&2
    exit 2
fi

# The tests that reach the engine or read untrusted files. Tests that would only repeat that at a
# fifth of the speed (examples, benchmarks, figures), and tests that compile, are left out.
tests=(tests/engine/test_{activations,arrays,blas,concurrency,distortion,dropout,exactness}.py
    tests/engine/test_{gradients,losses,network,norms,optimizers,options,sparse_path}.py
    tests/engine/test_{team,threads,trainer}.py
    tests/files/test_{fuzz,idx,npz}.py
    tests/neuralnet/test_{model,parameters,persistence,sparse_input,textbook,validation}.py
    tests/files/test_outside.py tests/training/test_{checkpoint,checkpoint_file,interrupt,streams}.py)
if [ "$sanitizer" = thread ]; then
    # Threads only: a race does not depend on the values, and files have none.
    tests=(tests/engine/test_{concurrency,distortion,exactness,network,options,team,threads,trainer}.py
        tests/training/test_streams.py)
    # NumPy's BLAS passes work to its own threads in a way that the sanitizer cannot follow and
    # reports. With this setting it has no threads, and no report needs a suppression.
    export OPENBLAS_NUM_THREADS=1
fi

if [ -n "${JUNIT-}" ]; then
    set -- "--junitxml=$(realpath "$JUNIT")" -o junit_family=xunit1 "$@"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$root/tools/checkout.sh" "$work/source"
cd "$work/source"
MLPCORE_DEBUG=1 MLPCORE_SANITIZE=$sanitizer "$python" -m pip install --quiet \
    --disable-pip-version-check --no-build-isolation --no-deps --target "$work/site" .
rm -r mlpcore setup.py   # from here on only what was installed can be imported

if [[ " $*" != *" tests/"* ]]; then
    set -- "$@" "${tests[@]}"
fi

# Reports go into files, because pytest holds back the output of a dying process. Any report is a failure,
# whether or not it ended its process. Without MNIST, since all this is several times slower.
log="log_path='$work/report'"  # the folder may have a blank in its name
status=0
# The C++ library is preloaded as well: the sanitizer needs it before extension modules load it.
env -u MLPCORE_DATA \
    PYTHONPATH="$work/site" \
    LD_PRELOAD="$(library $runtime) $(library libstdc++.so)" \
    ASAN_OPTIONS="$log:detect_leaks=0:allocator_may_return_null=1" \
    UBSAN_OPTIONS="$log:print_stacktrace=1" \
    TSAN_OPTIONS="$log:history_size=4" \
    "$python" -m pytest -p no:cacheprovider -q -m "not slow" "$@" ||
    status=$?

reports=$(find "$work" -maxdepth 1 -name 'report.*' -size +0 | wc -l)
if [ "$reports" != 0 ]; then
    head -n 200 "$work"/report.*
    status=1
fi
echo "$sanitizer sanitizer: processes with a report: $reports"
if [ -n "${JUNIT-}" ]; then
    sed -i "s/<testsuite /<testsuite reports=\"$reports\" /" "$JUNIT"
fi
exit $status
