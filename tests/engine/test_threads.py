"""Which threads do the work, how many, and what happens where there are fewer or none."""

import gc
import json
import os
import signal
import sys

import pytest
from cases import await_no_engine_threads, engine_threads

from mlpcore import NeuralNetMLP, _threads, load_digits
from mlpcore._threads import available_threads
from mlpcore.engine.team import Team
from mlpcore.neuralnet._parameters import check_threads

X, Y = load_digits()

PRELOADED = os.environ.get("LD_PRELOAD", "")
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="the system does not tell in the same way"
)

# Real threads

# As gevent and eventlet have it: a thread that is started runs in the thread that is there, and
# does not come back before it waits for something that was patched, too.
PATCH = """
import _thread, signal, threading
signal.alarm(100)   # ends what hangs

class Green(threading.Thread):
    def start(self):
        self._started.set()
        self.run()

def patch():
    threading.Thread = Green
    _thread.start_new_thread = threading._start_new_thread = lambda call, args: call(*args)
    threading.Lock = threading.RLock = threading.local = None
    threading.current_thread = threading.main_thread = object
"""
WORK = """
import os, signal
import numpy as np
from mlpcore import NeuralNetMLP, load_digits
from mlpcore.engine.network import Network
from mlpcore.engine.inputs import Input
from mlpcore.engine.objective import gradient
from mlpcore.engine.team import Team
import threadpoolctl

X, y = load_digits()   # here, where files may be read

def work(n_threads):
    model = NeuralNetMLP((600, 500), epochs=1, minibatch_size=50, seed=1, n_threads=n_threads)
    model.fit(X[:400], y[:400])
    rows = np.concatenate([X, X])
    network = Network((64, 90, 10))
    network.parameters[:] = np.linspace(-1, 1, network.size)
    inputs = Input(rows, "float64", path="sparse", n_threads=n_threads)
    loss, flat = gradient(network, inputs, np.concatenate([y, y]).astype(np.intc),
                          n_threads=n_threads)
    return [model.w_out.tobytes(), model.predict_proba(rows).tobytes(), loss, flat.tobytes()]
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_threads_are_the_systems_whatever_was_patched(when, run_python):
    order = {"before": [PATCH + "import numpy, scipy.linalg, threadpoolctl\npatch()", WORK],
             "after": [PATCH + WORK, "patch()"]}[when]  # fmt: skip
    check = """
seen = []
with Team(3) as team:
    team.run(lambda thread: seen.append(_thread.get_native_id()))
assert len(set(seen)) == 3
assert work(2) == work(1)

def end(epoch, history):
    os.kill(os.getpid(), signal.SIGTERM)

NeuralNetMLP(20, epochs=2, n_threads=2, callback=end).fit(X, y)
"""
    # SIGTERM ends with the status that shells show, by an exception and not at once.
    run_python("\n".join([*order, check]), expect=128 + signal.SIGTERM)


def test_threads_leave_signals_to_the_callers():
    masks = {}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Team(2) as team:
        team.run(lambda thread: masks.update({thread: signal.pthread_sigmask(0, [])}))
    assert masks[0] == before
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD} <= masks[1]
    assert not {signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT} & masks[1]


@on_linux
def test_a_team_whose_block_is_never_left_ends_with_its_last_reference():
    team = Team(3)
    team.__enter__()
    team.run(lambda thread: None)
    assert engine_threads() == 2
    del team
    gc.collect()
    await_no_engine_threads()


# Fewer threads than asked for

LIMIT = """
import json, resource, sys

def limit(more):
    "Let the process have so many threads more, and no others. Root has no limit before it leaves."
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setuid(20_000 + os.getpid() % 40_000)   # nobody's
        except OSError:
            print("null")
            sys.exit()
        now = len(os.listdir("/proc/self/task"))
    else:
        now = 0   # this user has more threads elsewhere
    resource.setrlimit(resource.RLIMIT_NPROC, (now + more, now + more))
"""


def limited(run_python, code, more):
    if more and os.geteuid() != 0:
        pytest.skip("only root can become a user with no other threads")
    found = json.loads(run_python(WORK + LIMIT + code.replace("MORE", str(more))))
    if found is None:
        pytest.skip("this process may not become another user")
    return found


@on_linux
@pytest.mark.parametrize("more", [0, 2])
def test_a_process_that_can_start_few_threads_or_none_gives_the_same_bits(more, run_python):
    code = """
expected = work(1)
limit(MORE)
with Team(5) as team:
    seen = []
    team.run(seen.append)
print(json.dumps([team.n_threads, sorted(seen), work(5) == expected]))
"""
    size, seen, same = limited(run_python, code, more)
    # The thread sanitizer starts a thread of its own meanwhile.
    assert size == 1 + more or ("libtsan" in PRELOADED and 1 <= size <= more)
    assert seen == list(range(size))
    assert same


@on_linux
@pytest.mark.skipif(
    "libtsan" in PRELOADED, reason="the thread sanitizer allows no new threads after a fork"
)
@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("more", [0, 1])
def test_a_forked_child_goes_on_with_the_threads_that_it_gets(more, path, run_python):
    code = """
import warnings
from mlpcore.engine.trainer import Trainer
warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
rows = np.tile(X, (1, 5))

def epochs(n_threads, between):
    network = Network((320, 100, 10))
    network.parameters[:] = np.linspace(-1, 1, network.size)
    trainer = Trainer(network, Input(rows, "float64", path=PATH), y.astype(np.intc), l2=0.1,
                      learning_rate=1e-3, minibatch_size=40, track_loss=True, n_threads=n_threads)
    with trainer:
        losses = [trainer.epoch(np.arange(len(X)))]
        between(trainer)
        losses += [trainer.epoch(np.arange(len(X))), *trainer.evaluate()]
        threads = trainer.n_threads
    return threads, losses, network.parameters.tobytes()

expected = epochs(1, lambda trainer: None)
read, write = os.pipe()

def fork(trainer):
    global child
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        limit(MORE)

threads, *found = epochs(4, fork)
if child == 0:
    print(json.dumps([threads, found == list(expected[1:])]))
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
in_child = json.loads(os.read(read, 1000))
print(json.dumps(in_child and [threads, found == list(expected[1:]), *in_child]))
"""
    found = limited(run_python, code.replace("PATH", repr(path)), more)
    assert found == [4, True, 1 + more, True]


# How many are available


@pytest.fixture
def many_cores(monkeypatch):
    """A process of 64 cores, in no container and under no environment's limits."""
    monkeypatch.setattr(_threads, "_cores", lambda: 64)
    monkeypatch.setattr(_threads, "_cpu_quota", lambda: None)
    for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)


def test_as_many_as_the_process_may_use_cores(run_python):
    code = """
import os
from mlpcore import _threads
_threads._cpu_quota = lambda: None
if hasattr(os, "sched_setaffinity"):
    assert _threads.available_threads() == len(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    assert _threads.available_threads() == 1
    del os.sched_getaffinity
assert _threads.available_threads() == os.cpu_count()
"""
    run_python(code, OMP_NUM_THREADS="", LOKY_MAX_CPU_COUNT="")


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"])
def test_the_environment_sets_a_limit(name, monkeypatch):
    for text, expected in [("1", 1), (" 3 ", 3), ("2,4", 2), ("100", 64)]:
        monkeypatch.setenv(name, text)
        assert available_threads() == check_threads(None) == expected
    for text in ["", "0", "-1", "two", "1.5", "2 4", ",2", "1e1", "9" * 5000]:
        monkeypatch.setenv(name, text)
        assert available_threads() == 64, text
    # What was asked for outright is left alone.
    monkeypatch.setenv(name, "1")
    assert check_threads(5) == 5


@pytest.mark.usefixtures("many_cores")
def test_the_least_limit_counts(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "7")
    assert available_threads() == 5
    monkeypatch.setattr(_threads, "_cpu_quota", lambda: 3)
    assert available_threads() == 3


@on_linux
@pytest.mark.parametrize("keywords", [{}, {"n_threads": 3}])
def test_fit_of_neuralnet_takes_no_more_than_the_environment_says(keywords, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(_threads, "_cores", lambda: 64)
    monkeypatch.setattr(_threads, "_cpu_quota", lambda: None)
    seen = []
    NeuralNetMLP(300, epochs=1, minibatch_size=200, callback=lambda *_: seen.append(
        engine_threads()), **keywords).fit(X, Y)  # fmt: skip
    # One thread is the caller's. A second team evaluates, where more threads pay.
    assert seen == ([1] if not keywords else [2])


# Lines as Linux has them, with "/sys/fs/cgroup" at another place.
V1_MOUNT = "36 31 0:33 {root} {top} rw,nosuid - cgroup cgroup rw,cpu,cpuacct"
V2_MOUNT = "41 31 0:38 {root} {top} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
OTHER_MOUNTS = [
    "23 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw",
    "37 31 0:34 / /nowhere/memory rw,nosuid - cgroup cgroup rw,memory",
]
QUOTAS = {
    "none": ("v2", "/", "/a/b", {}, None),
    "max": ("v2", "/", "/a/b", {"a/b": "max 100000"}, None),
    "whole cores": ("v2", "/", "/a/b", {"a/b": "300000 100000"}, 3),
    "part of a core": ("v2", "/", "/a/b", {"a/b": "150000 100000"}, 2),
    "less than a core": ("v2", "/", "/a/b", {"a/b": "1000 100000"}, 1),
    "tightest inside": ("v2", "/", "/a/b", {"a": "400000 100000", "a/b": "200000 100000"}, 2),
    "tightest around": ("v2", "/", "/a/b", {"a": "200000 100000", "a/b": "400000 100000"}, 2),
    "tightest at the top": ("v2", "/", "/a/b", {"": "100000 50000", "a/b": "400000 100000"}, 2),
    "beside it": ("v2", "/", "/a/b", {"a/c": "100000 100000", "b": "100000 100000"}, None),
    "in a container": ("v2", "/", "/", {"": "200000 100000"}, 2),
    "path of the host": ("v2", "/docker/1f", "/docker/1f", {"": "200000 100000"}, 2),
    "below the host's path": ("v2", "/docker/1f", "/docker/1f/x", {"x": "200000 100000"}, 2),
    "path that is not mounted": ("v2", "/docker/1f", "/else", {"": "200000 100000"}, 2),
    "path outside": ("v2", "/", "/../x", {"": "200000 100000"}, 2),
    "not a number": ("v2", "/", "/a", {"a": "lots"}, None),
    "version 1": ("v1", "/", "/a/b", {"a": "250000 100000", "a/b": "-1 100000"}, 3),
    "version 1, tightest inside": ("v1", "/", "/a", {"": "-1 100000", "a": "50000 100000"}, 1),
    "version 1, none": ("v1", "/", "/a", {"a": "-1 100000"}, None),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_quota_of_a_container(name, tmp_path):
    version, root, path, quotas, expected = QUOTAS[name]
    top = tmp_path / "cgroup"
    for folder, text in quotas.items():
        (top / folder).mkdir(parents=True, exist_ok=True)
        if version == "v2":
            (top / folder / "cpu.max").write_text(text + "\n")
        else:
            for file, number in zip(["quota", "period"], text.split(), strict=True):
                (top / folder / f"cpu.cfs_{file}_us").write_text(number + "\n")
    mount = (V2_MOUNT if version == "v2" else V1_MOUNT).format(root=root, top=top)
    line = f"0::{path}" if version == "v2" else f"4:cpu,cpuacct:{path}"
    groups = "\n".join(["8:memory:/else", line, ""])
    mounts = "\n".join([*OTHER_MOUNTS, mount, ""])
    assert _threads._least_quota(groups, mounts) == expected


def test_importing_and_counting_load_no_joblib(run_python):
    code = "import sys, mlpcore; mlpcore.show_config(); print(sorted(sys.modules))"
    loaded = run_python(code)
    assert "'joblib'" not in loaded
    assert "'multiprocessing'" not in loaded
