"""Fits over MPI: the same bits as in one process, also after one of the processes was killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlpcore import load_digits
from mlpcore.training.checkpoint import read_checkpoint

pytest.importorskip("mpi4py", reason="the extra mpi is not installed")
SCRIPT = Path(__file__).with_name("mpi_fit.py")
LAUNCHER = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(LAUNCHER is None, reason="there is no mpiexec")


@pytest.fixture
def folder(tmp_path):
    X, y = load_digits()
    np.save(tmp_path / "X.npy", X[:403])
    np.save(tmp_path / "y.npy", y[:403])
    return tmp_path


def start(folder, size, epochs=3, wait=0.0):
    """Start the script in `size` processes of MPI, or for 0 without it."""
    command = [sys.executable, str(SCRIPT), str(folder), str(epochs), str(wait)]
    environment = dict(os.environ)
    if size:
        environment["WITH_MPI"] = "1"
        command = [LAUNCHER, *os.environ.get("MPIEXEC_OPTIONS", "").split(), "-n", str(size),
                   *command]  # fmt: skip
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def digests(folder, size, **options):
    process = start(folder, size, **options)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output.decode()
    return {(folder / f"digest{rank}").read_text() for rank in range(max(1, size))}


def test_processes_have_the_bits_of_one_without_mpi(folder):
    expected = digests(folder, 0)
    for size in (1, 2, 3, 4):
        assert digests(folder, size) == expected


def kill_one(folder, size):
    """Kill a process somewhere in a long run; the launcher must end, and the others with it."""
    for file in folder.glob("pid*"):
        file.unlink()
    before = standing(folder)
    process = start(folder, size, epochs=10**5, wait=0.02)
    deadline = time.monotonic() + 120
    while standing(folder) <= before and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(random.random() * 0.1)
    victim = int((folder / f"pid{random.randrange(size)}").read_text())
    os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0


def standing(folder):
    try:
        return read_checkpoint(folder / "run.ckpt")[0]["epoch"]
    except FileNotFoundError:
        return 0


def test_a_killed_rank_ends_all_and_another_number_goes_on(folder):
    for size in (3, 2, 4):
        kill_one(folder, size)
    epochs = standing(folder) + 2
    resumed = digests(folder, 2, epochs=epochs, wait=0.001)
    assert resumed == digests(folder, 0, epochs=epochs)
