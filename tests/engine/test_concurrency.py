"""Many fits at once, one model for many threads, forks at any time, and no memory that stays taken.

Results are those of the same work done one after the other, to the bit.
"""

import json
import os
import platform
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import CASES, await_no_engine_threads, data, digest, engine_threads, fit

from mlpcore import NeuralNetMLP, load_digits

X, Y = load_digits()

PRELOADED = os.environ.get("LD_PRELOAD", "")
SANITIZED = "san.so" in PRELOADED


@pytest.fixture(autouse=True)
def switch_often():
    """Let Python change threads two hundred times as often as it does by itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(25e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work, n_threads):
    """What `work(number)` returns in each of some threads that start at the same moment."""
    start = threading.Barrier(n_threads)

    def begin(number):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(begin, range(n_threads)))


# Threads of the user's


def test_many_fits_at_once(record_property):
    """Of every kind, each with threads of its own: far more threads than cores."""
    record_property("python", platform.python_version())
    cases = list(CASES)
    alone = [digest(fit(case, "float32", 1)) for case in cases]

    def work(number):
        # Each thread has its own order.
        order = np.random.default_rng(number).permutation(len(cases))
        return {int(i): digest(fit(cases[i], "float32", 3)) for i in order}

    for result in at_once(work, 6):
        assert [result[i] for i in range(len(cases))] == alone


@pytest.mark.parametrize("case", ["one layer", "background", "wide layers"])
def test_one_model_for_many_threads(case):
    """Blocks of rows, the one-row way, whose buffers only one caller can have, and the rest."""
    rows, labels = data(case)
    rows = rows.astype(np.float32)
    model = fit(case, "float32", 2)
    score = model.score(rows, labels)
    ones = [model.predict(rows[i : i + 1])[0] for i in range(300)]
    parts = np.sort(np.random.default_rng(0).choice(301, (40, 2), replace=False), axis=1).tolist()
    expected = [(model.predict(rows[a:b]), model.predict_proba(rows[a:b])) for a, b in parts]
    model._network.parameters_changed()  # forgets the one-row buffers

    def work(number):
        rng = np.random.default_rng(number)
        for i in rng.integers(300, size=60).tolist():
            assert model.predict(rows[i : i + 1])[0] == ones[i]
            (start, stop), (classes, proba) = parts[i % 40], expected[i % 40]
            assert np.array_equal(model.predict_proba(rows[start:stop]), proba)
            assert np.array_equal(model.predict(rows[start:stop]), classes)
        assert model.score(rows, labels) == score
        return True

    assert all(at_once(work, 8))


def test_predicting_while_others_learn_and_forget():
    """The one-row buffers are made and thrown away all the time."""
    model = fit("background", "float32", 1)
    rows = data("background")[0].astype(np.float32)
    predicted = model.predict(rows)

    def work(number):
        for i in range(300):
            if number == 0:
                model._network.parameters_changed()
            else:
                assert model.predict(rows[i : i + 1])[0] == predicted[i]
        return True

    assert all(at_once(work, 5))


def test_the_same_rows_for_many_fits():
    """Arrays are only read, so that threads can share them."""
    models = at_once(
        lambda seed: NeuralNetMLP(20, epochs=2, eta=0.01, minibatch_size=10, seed=seed).fit(
            X, Y, X[:300], Y[:300]
        ),
        6,
    )
    for seed, model in enumerate(models):
        alone = NeuralNetMLP(20, epochs=2, eta=0.01, minibatch_size=10, seed=seed)
        assert digest(model) == digest(alone.fit(X, Y, X[:300], Y[:300]))


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell in the same way")
def test_threads_are_gone_after_each_fit():
    seen = []
    rows, labels = data("three layers")

    def count(epoch, history):
        seen.append(engine_threads())

    def work(_):
        return NeuralNetMLP(121, epochs=2, eta=0.01, minibatch_size=9, n_threads=4,
                            callback=count).fit(rows, labels)  # fmt: skip

    at_once(work, 4)
    assert max(seen) >= 3
    await_no_engine_threads()


# Forks. In a process of its own, since the test's has threads that are no business of theirs.

FORK = """
import json, os, signal, sys, threading, warnings
sys.path.insert(0, os.environ["TESTS"])
import numpy as np
from cases import CASES, data, digest, fit
from mlpcore import NeuralNetMLP

# That a process with threads is forked is the point here.
warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
signal.alarm(300)   # ends what would hang, children included
LOTS = ["one layer", "background", "wide layers"]

def in_child(work):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(200)
        try:
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        result = file.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return json.loads(result)

def everything():
    return [digest(fit(case, "float32", 3)) for case in LOTS]
"""

FORKS = {
    "after fits": """
expected = everything()
print(json.dumps([in_child(everything) == expected, everything() == expected]))
""",
    "while other threads fit": """
expected = everything()
stop = threading.Event()

def keep_busy():
    while not stop.is_set():
        fit("wide layers", "float32", 3)   # holds BLAS and its lock half of the time

threads = [threading.Thread(target=keep_busy) for _ in range(3)]
for thread in threads:
    thread.start()
results = [in_child(everything) == expected for _ in range(8)]
stop.set()
for thread in threads:
    thread.join()
print(json.dumps([*results, everything() == expected]))
""",
    "in a callback, to do something else": """
expected = everything()
results = []
rows, labels = data("one layer")

def fork(epoch, history):
    results.append(in_child(everything) == expected)

def job(callback):
    return NeuralNetMLP(121, epochs=3, eta=0.01, minibatch_size=7, seed=1, dtype="float32",
                        n_threads=3, callback=callback).fit(rows, labels)

results.append(digest(job(fork)) == digest(job(None)))
print(json.dumps(results))
""",
    "in a callback, to go on in both": """
rows, labels = data("wide layers")

def job(callback):
    return NeuralNetMLP((533, 531), epochs=4, eta=0.01, minibatch_size=7, seed=1, dtype="float32",
                        n_threads=3, callback=callback).fit(rows, labels)

expected = digest(job(None))
children = []

def fork(epoch, history):
    if epoch == 2:
        children.append(os.fork())

model = job(fork)
same = digest(model) == expected and digest(job(None)) == expected
if children[0] == 0:
    os._exit(0 if same else 1)
print(json.dumps([same, os.waitpid(children[0], 0)[1] == 0]))
""",
    "after predictions by many": """
model = fit("background", "float32", 2)
rows = data("background")[0].astype(np.float32)
expected = model.predict(rows).tolist()
stop = threading.Event()

def keep_busy():
    while not stop.is_set():
        model.predict(rows[:1])

def ones():
    return [int(model.predict(rows[i : i + 1])[0]) for i in range(len(rows))]

threads = [threading.Thread(target=keep_busy) for _ in range(3)]
for thread in threads:
    thread.start()
results = [in_child(ones) == expected for _ in range(8)]
stop.set()
for thread in threads:
    thread.join()
print(json.dumps(results))
""",
}


@pytest.mark.skipif(
    "libtsan" in PRELOADED, reason="the thread sanitizer allows no new threads after a fork"
)
@pytest.mark.parametrize("when", FORKS)
def test_a_fork(when, run_python):
    results = json.loads(run_python(FORK + FORKS[when]))
    assert results
    assert all(results)


GATE = """
import signal, threading
import numpy as np
from mlpcore.engine import blas

signal.alarm(60)   # ends what would hang
ones, product = np.ones((50, 50)), np.zeros((50, 50))
blas._before_fork()
thread = threading.Thread(target=blas.matmul, args=(ones, ones, product))
thread.start()
thread.join(0.5)   # this thread goes on, though the other one is in the middle of a call
assert thread.is_alive() and not product.any()
blas._after_fork_in_parent()
thread.join()
assert (product == 50).all()
"""


def test_products_wait_for_a_fork_without_keeping_the_gil(run_python):
    run_python(GATE)


# Memory

MEMORY = """
import ctypes, gc, json, os, sys
import numpy as np
from mlpcore import NeuralNetMLP
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena o s h hd us fs used free keep".split()]

def taken():
    "Python's objects, and the C library's bytes where it counts them."
    gc.collect()
    libc = ctypes.CDLL(None)
    bytes_ = 0
    if hasattr(libc, "mallinfo2"):
        libc.mallinfo2.restype = Info
        info = libc.mallinfo2()
        bytes_ = info.used + info.hd
    return sys.getallocatedblocks(), bytes_

rng = np.random.default_rng(0)
rows = np.where(rng.random((60, 50)) < 0.3, 1.0, -1.0)
labels = np.arange(60) % 3

def fit(number):
    # Each way through the first layer, with and without threads and validation rows.
    keywords = {"input_path": ("dense", "sparse")[number % 2],
                "dtype": ("float32", "float64")[number // 2 % 2],
                "minibatch_size": (1, 20)[number // 4 % 2]}
    model = NeuralNetMLP(30, epochs=1, seed=1, n_threads=1, **keywords)
    return model.fit(rows, labels, *([rows, labels] if number % 3 else []))

def fail(number):
    try:
        NeuralNetMLP(30, eta=1e300, epochs=3, seed=1).fit(rows * 1e9, labels)
    except FloatingPointError:
        pass
    try:
        Input(np.ones((3, 8))[:, ::2], "float64")
    except ValueError:
        pass

def predict(models, times):
    for i in range(times):
        model = models[i % len(models)]
        model.predict(rows[i % 60 : i % 60 + 1])
        if i % 100 == 0:
            model.predict_proba(rows)
            model.score(rows, labels)

def work(fits, predictions):
    for number in range(fits):
        fit(number)
        if number % 10 == 0:
            fail(number)
    predict([fit(number) for number in range(8)], predictions)

work(200, 5_000)
before = taken()
work(int(sys.argv[1]), int(sys.argv[2]))
after = taken()
print(json.dumps([b - a for a, b in zip(before, after)]))
"""


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps memory for a while")
def test_memory_does_not_grow(run_python, record_property):
    """Over 1,000 fits and 100,000 predictions. One forgotten vector a fit would be megabytes, one
    forgotten object a thousand; what Python and the C library keep for later uses is far less."""
    code = MEMORY.replace("sys.argv[1]", "1_000").replace("sys.argv[2]", "100_000")
    blocks, n_bytes = json.loads(run_python(code))
    record_property("objects more", blocks)
    record_property("bytes more", n_bytes)
    assert blocks < 300
    assert n_bytes < 100_000


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps memory for a while")
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell in the same way")
def test_threads_leave_no_memory_behind(run_python):
    """Resident memory, since threads take theirs elsewhere."""
    code = """
import os, sys
sys.path.insert(0, os.environ["TESTS"])
from cases import fit

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def work(times):
    for _ in range(times):
        fit("one layer", "float32", 4)   # 200 KB of weights, and more beside them

work(60)
before = resident()
work(200)
print(resident() - before)
"""
    assert int(run_python(code)) < 20_000_000
