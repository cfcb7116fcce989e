"""Check what is in the wheel and the source distribution, and what is not.

python .ci/check_dist.py DIST
"""

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

LARGEST = 1_900_000
# Everything in the wheel has one of these endings: no .pyx and no generated C.
IN_WHEEL = {".py", ".pyi", ".pxd", ".h", ".so", ".gz", ".html", ".md", ".typed"}
NOT_IN_SDIST = {".so", ".c", ".pxi", ".pyc"}
IN_SDIST = {
    *("setup.py", "pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    *("tests/conftest.py", "examples/train_mnist.py", "docs/images/train_mnist.png"),
    *("mlpcore/engine/activations.pyx", "mlpcore/engine/simd/activations.h"),
}


def read(folder):
    """Return the names in the one wheel and in the one source distribution of a folder."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size / 1e6:.2f} MB, {sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB")
    if size > LARGEST:
        sys.exit(f"The wheel must be at most {LARGEST} bytes; it has {size}.")
    if "-cp311-abi3-" not in wheel.name:
        sys.exit(f"The wheel must be for CPython 3.11 and all later ones; it is {wheel.name}.")
    with tarfile.open(sdist) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    sources = {name.partition("/")[2] for name in files}
    return set(zipfile.ZipFile(wheel).namelist()), sources


def expected(sources):
    """Return what of the package must be in the wheel, given what is in the source distribution."""
    for name in map(PurePosixPath, sources):
        if name.parts[0] != "mlpcore":
            continue
        if name.suffix in IN_WHEEL - {".gz", ".md"} or name.parent.name == "data":
            yield str(name)
        elif name.suffix == ".pyx":
            yield str(name.with_suffix(".pyi"))
            yield str(name.with_suffix(".so"))
    yield "mlpcore/engine/_cyutility.so"  # Cython's own, made by setup.py


def main():
    wheel, sources = read(Path(sys.argv[1]))
    package = {name for name in wheel if ".dist-info/" not in name}
    # mlpcore/engine/blas.abi3.so counts as mlpcore/engine/blas.so.
    plain = {name.partition(".")[0] + PurePosixPath(name).suffix for name in package}
    wanted = set(expected(sources))
    problems = {
        "missing in the wheel": wanted - plain,
        "must not be in the wheel": plain - wanted
        | {name for name in package if PurePosixPath(name).suffix not in IN_WHEEL},
        "missing in the source distribution": IN_SDIST - sources,
        "must not be in the source distribution": {
            name for name in sources if PurePosixPath(name).suffix in NOT_IN_SDIST
        },
        "no licence in the wheel": {"LICENSE"} - {PurePosixPath(name).name for name in wheel},
    }
    for problem, names in problems.items():
        if names:
            print(f"{problem}: {', '.join(sorted(names))}")
    if any(problems.values()):
        sys.exit(1)
    print(f"{len(package)} files in the wheel and {len(sources)} in the sources, as wanted")


if __name__ == "__main__":
    main()
