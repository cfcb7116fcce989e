"""Killed, starved of disk space, or asked to end: nothing is lost but the epoch under way."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from runs import DATA, X, Y, assert_same, model

from mlpcore import NeuralNetMLP
from mlpcore.training.checkpoint import read_checkpoint

# SIGKILL


def kills(*arguments):
    """What kills.py prints, of a process with one thread, which can fork without fear."""
    result = subprocess.run(
        [sys.executable, "-W", "error", Path(__file__).with_name("kills.py"), *arguments],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("schedule", "at_least"),
    [
        (["at_random", "80", "0"], 80),
        (["at_random", "80", "1"], 80),
        (["at_random", "50", "2"], 50),
        (["at_random", "50", "3"], 50),
        (["at_every_line"], 40),
        (["in_half_a_write"], 20),
    ],
    ids=[
        "at random moments",
        "at random moments, with more to keep",
        "at random moments, MLPClassifier",
        "at random moments, MLPRegressor",
        "at every line of a write",
        "within the bytes of a write",
    ],
)
def test_a_run_that_is_killed_again_and_again_loses_no_bit(schedule, at_least, record_property):
    result = kills(*schedule)
    record_property("kills", result["kills"])
    record_property("kills in a write", result["left behind"])
    assert result["kills"] >= at_least
    assert result["weights"]
    assert result["history"]
    assert result["files"] == ["run.ckpt", "run.ckpt.previous"]
    if schedule[0] != "at_random":  # there, chance and the machine decide
        assert result["left behind"] > result["kills"] / 4


# SIGTERM and SIGINT


ONE_EPOCH_OF_SECONDS = """
import threading, time
import numpy as np
from mlpcore import NeuralNetMLP, load_digits
X, y = load_digits()
n = 4_000_000  # one row again and again: an epoch of many seconds
labels = np.zeros(n, np.int8)
labels[0] = 1
nn = NeuralNetMLP((20, 10), epochs=1, shuffle=False, seed=1)

def tell():
    while not hasattr(nn, "eval_"):
        time.sleep(0.001)
    time.sleep(0.05)
    print("ready", flush=True)

threading.Thread(target=tell).start()
try:
    nn.fit(np.broadcast_to(X[0], (n, 64)), labels)
finally:
    print("finished", nn.n_iter_, float(nn.w_h.sum()), flush=True)
"""

FIFTY_EPOCHS = """
import os, signal, sys
from mlpcore import NeuralNetMLP, load_digits
X, y = load_digits()

def ready(epoch, history):
    if epoch == 50:
        print("ready", flush=True)

nn = NeuralNetMLP(9, epochs=10**6, eta=0.01, l2=0.01, minibatch_size=20, seed=1, callback=ready)
try:
    nn.fit(X[:300], y[:300], X[300:400], y[300:400], checkpoint="run.ckpt", checkpoint_every=10**6)
finally:
    print("finished", nn.n_iter_, float(nn.w_h.sum()), flush=True)
"""


def stopped(code, number):
    """Exit status of a process that got a signal once it was ready, and what it said then."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", "import signal\n"
         "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
         "signal.signal(signal.SIGTERM, signal.SIG_DFL)\n" + code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, error = process.communicate()
    words = out.split()
    assert words[0] == "finished", error
    return process.returncode, int(words[1]), float(words[2])


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)]
)
def test_signals_end_training_in_the_middle_of_an_epoch(number, status):
    """The engine looks for signals every 0.05 s (test_interrupt.py has the proof of that), so that
    not even the first of these epochs comes to its end."""
    returned, epochs, total = stopped(ONE_EPOCH_OF_SECONDS, number)
    assert returned == status
    assert epochs == 0
    start = NeuralNetMLP((20, 10), epochs=0, seed=1).fit(X, Y % 2)
    assert total == float(start.w_h.sum())


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)]
)
def test_signals_leave_the_last_finished_epoch(number, status):
    """In the model, and in a checkpoint that was not due for long."""
    returned, epochs, total = stopped(FIFTY_EPOCHS, number)
    assert returned == status
    assert epochs >= 50
    whole = model(epochs).fit(*DATA)
    assert total == float(whole.w_h.sum())
    assert read_checkpoint("run.ckpt")[0]["epoch"] == epochs
    resumed = model(epochs + 5).fit(*DATA, checkpoint="run.ckpt")
    assert_same(resumed, model(epochs + 5).fit(*DATA))


@pytest.fixture
def sigterm():
    """Return a function that sets what SIGTERM does, until the end of the test."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield lambda handler: signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGTERM, before)


def terminate(epoch, history):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_is_as_before_after_a_fit_however_that_ends(sigterm):
    seen = []
    model(2, callback=lambda *_: seen.append(signal.getsignal(signal.SIGTERM))).fit(*DATA)
    assert callable(seen[0])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    nn = model(5, callback=terminate)
    with pytest.raises(SystemExit) as caught:
        nn.fit(*DATA)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert_same(nn, model(2).fit(*DATA))


def test_an_applications_own_handler_is_left_alone(sigterm):
    received = []

    def mine(number, frame):
        received.append(number)

    for handler in (mine, signal.SIG_IGN):
        sigterm(handler)
        assert_same(model(5, callback=terminate).fit(*DATA), model(5).fit(*DATA))
        assert signal.getsignal(signal.SIGTERM) == handler
    assert received == [signal.SIGTERM]


def test_a_handler_that_the_application_sets_meanwhile_stays(sigterm):
    def mine(number, frame):
        pass

    model(2, callback=lambda *_: sigterm(mine) and None).fit(*DATA)
    assert signal.getsignal(signal.SIGTERM) is mine


def test_other_threads_leave_signals_alone(sigterm):
    seen = []
    nn = model(2, callback=lambda *_: seen.append(signal.getsignal(signal.SIGTERM)))
    thread = threading.Thread(target=nn.fit, args=DATA)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL] * 2


def test_a_fit_within_a_fit(sigterm):
    seen = []

    def inner(epoch, history):
        handler = signal.getsignal(signal.SIGTERM)
        model(1).fit(*DATA)
        seen.append(signal.getsignal(signal.SIGTERM) is handler)

    model(2, callback=inner).fit(*DATA)
    assert seen == [True, True]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# Disks that are full or closed


def assert_it_goes_on(path, error, nn):
    """After a write that failed: the message, the model, the file, and the rest of the run."""
    epoch = nn.n_iter_
    assert f"the checkpoint of epoch {epoch} could not be written" in str(error)
    assert_same(nn, model(epoch).fit(*DATA))
    assert read_checkpoint(path)[0]["epoch"] == epoch - 1
    assert set(os.listdir(Path(path).parent)) == {"run.ckpt", "run.ckpt.previous"}


def test_a_limit_on_the_size_of_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def shrink(epoch, history):
        if epoch == 4:
            size = os.path.getsize("run.ckpt")
            resource.setrlimit(resource.RLIMIT_FSIZE, (size - 100, hard))

    nn = model(9, callback=shrink)
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            nn.fit(*DATA, checkpoint="run.ckpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert nn.n_iter_ == 5
    assert_it_goes_on("run.ckpt", caught.value, nn)
    assert_same(model(9).fit(*DATA, checkpoint="run.ckpt"), model(9).fit(*DATA))


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for a few checkpoints."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this user must not mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill_up(path):
    """Write to a file until the disk is full."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_disk_that_fills_up(small_disk):
    path = small_disk / "run.ckpt"

    def fill(epoch, history):
        if epoch == 4:
            fill_up(small_disk / "ballast")

    nn = model(9, callback=fill)
    with pytest.raises(OSError, match="No space left on device") as caught:
        nn.fit(*DATA, checkpoint=path)
    os.unlink(small_disk / "ballast")
    assert nn.n_iter_ == 5
    assert_it_goes_on(path, caught.value, nn)
    assert_same(model(9).fit(*DATA, checkpoint=path), model(9).fit(*DATA))


def test_a_disk_that_is_full_from_the_beginning(small_disk):
    fill_up(small_disk / "ballast")
    nn = model(3)
    with pytest.raises(OSError, match="No space left on device"):
        nn.fit(*DATA, checkpoint=small_disk / "run.ckpt")
    assert not hasattr(nn, "classes_")
    assert os.listdir(small_disk) == ["ballast"]


READ_ONLY_FOLDER = """
import ctypes, os
if os.getuid() == 0:
    # root may write anywhere; without two of its powers (CAP_DAC_OVERRIDE and the next) it may not.
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None)
    assert libc.capget(header, data) == 0
    data[0] &= ~0b110
    data[1] &= ~0b110
    assert libc.capset(header, data) == 0
from mlpcore import NeuralNetMLP, load_digits
X, y = load_digits()

def close(epoch, history):
    if epoch == 2:
        os.chmod("folder", 0o555)

for callback in (None, close):
    os.chmod("folder", 0o755 if callback else 0o555)
    nn = NeuralNetMLP(9, epochs=5, eta=0.01, l2=0.01, minibatch_size=20, seed=1, callback=callback)
    try:
        nn.fit(X[:300], y[:300], X[300:400], y[300:400], checkpoint="folder/run.ckpt")
    except PermissionError as error:
        print("writable" in str(error), getattr(nn, "n_iter_", None), sorted(os.listdir("folder")))
"""


@pytest.mark.skipif(
    os.getuid() == 0 and not sys.platform.startswith("linux"),
    reason="root may write anywhere, and only Linux can take that from it",
)
def test_a_folder_that_is_read_only_or_becomes_so(run_python):
    os.mkdir("folder")
    try:
        before, becoming = run_python(READ_ONLY_FOLDER).splitlines()
    finally:
        os.chmod("folder", 0o755)
    assert before == "True None []"
    files = ["run.ckpt", "run.ckpt.lock", "run.ckpt.previous"]
    assert becoming == f"True 3 {files}"
    assert read_checkpoint("folder/run.ckpt")[0]["epoch"] == 2
    assert_same(model(5).fit(*DATA, checkpoint="folder/run.ckpt"), model(5).fit(*DATA))
