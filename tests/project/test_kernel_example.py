"""The example of a kernel, built and tested as its reader would: against the installed engine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "kernel"

pytest.importorskip("Cython", reason="Cython is not installed")
pytest.importorskip("setuptools", reason="setuptools is not installed")


def run(*command, folder, **environment):
    result = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example") / "kernel"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.so", "*.c", "build"))
    run("setup.py", "build_ext", "--inplace", "--quiet", folder=folder)
    return folder


@pytest.mark.parametrize("wanted", ["base", "v3", "v4"])
def test_its_tests_pass_for_each_instruction_set(built, wanted):
    """A processor without the wanted set uses the best that it has, as the engine does."""
    output = run(
        "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", folder=built,
        MLPCORE_SIMD=wanted,
    )  # fmt: skip
    assert " passed" in output
    assert "skipped" not in output
    program = "import moving_average; print(moving_average.instruction_set())"
    used = run("-c", program, folder=built, MLPCORE_SIMD=wanted).strip()
    assert ("base", "v3", "v4").index(used) <= ("base", "v3", "v4").index(wanted)
