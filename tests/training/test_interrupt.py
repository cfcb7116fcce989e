"""Whatever ends a fit early, the model is that of the last finished epoch."""

import gc
import json
import os
import re
import signal
import sys
import threading
import time

import numpy as np
import pytest
from cases import await_no_engine_threads

from mlpcore import NeuralNetMLP, NotFittedError, load_digits
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer
from mlpcore.neuralnet import _run
from mlpcore.training import checkpoint, run
from mlpcore.training.checkpoint import read_checkpoint

X, Y = load_digits()

# The second has enough to do in a minibatch for a second thread.
JOBS = [
    {"n_hidden": (20, 10), "minibatch_size": 1, "n_threads": 1},
    {"n_hidden": (50,), "minibatch_size": 40, "n_threads": 2},
]


@pytest.fixture(autouse=True)
def ctrl_c_as_from_a_terminal():
    """A process that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def model(job, **keywords):
    keywords = {"epochs": 3, "eta": 0.001, "l2": 0.01, "seed": 1} | job | keywords
    return NeuralNetMLP(**keywords)


def fit(nn):
    return nn.fit(X[:1500], Y[:1500], X[1500:], Y[1500:])


def assert_as_after(nn, job, n, **keywords):
    """Weights and history have the bits of a fit of exactly so many epochs."""
    whole = fit(model(job, **{**keywords, "epochs": n}))
    assert nn.n_iter_ == n
    assert nn.eval_ == whole.eval_
    for mine, its in zip(nn.coefs_ + nn.intercepts_, whole.coefs_ + whole.intercepts_, strict=True):
        assert np.array_equal(mine, its)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


# Ctrl-C


@pytest.mark.parametrize("job", JOBS)
def test_ctrl_c_while_an_epoch_is_under_way(job):
    asked = 2000
    timer = threading.Timer(0.1, interrupt)

    def start(epoch, history):
        if epoch == 2:
            timer.start()

    nn = model(job, epochs=asked, callback=start)
    with pytest.raises(KeyboardInterrupt):
        fit(nn)
    timer.join()
    assert 2 <= nn.n_iter_ < asked
    assert_as_after(nn, job, nn.n_iter_)
    # The same object learns from the beginning again.
    fit(nn.set_params(epochs=2, callback=None))
    assert_as_after(nn, job, 2)


@pytest.mark.parametrize("job", JOBS)
def test_ctrl_c_in_the_first_epoch_leaves_the_starting_weights(job):
    """An epoch of four million rows, which are one row."""
    n = 4_000_000
    labels = np.zeros(n, np.int8)
    labels[0] = 1
    nn = model(job, epochs=1, shuffle=False)

    def interrupt_the_training():
        while not hasattr(nn, "eval_"):
            time.sleep(0.001)
        time.sleep(0.05)
        interrupt()

    helper = threading.Thread(target=interrupt_the_training)
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        nn.fit(np.broadcast_to(X[0], (n, 64)), labels)
    helper.join()
    assert nn.eval_ == {"cost": [], "train_acc": [], "valid_acc": []}
    start = model(job, epochs=0).fit(X[:1500], Y[:1500] % 2)
    for mine, its in zip(nn.coefs_ + nn.intercepts_, start.coefs_ + start.intercepts_, strict=True):
        assert np.array_equal(mine, its)


def long_trainer(n_threads):
    """Seconds of work in an epoch, and a second or two in an evaluation or a prediction; and the
    calls that do the work."""
    n = 1_000_000
    rows = np.broadcast_to(np.linspace(-1, 1, 784), (n, 784))
    network = Network((784, 100, 10))
    network.coefs[0][:] = 0.01
    source = Input(rows, "float64")
    trainer = Trainer(network, source, np.zeros(n, np.intc), minibatch_size=8,
                      learning_rate=1e-6, n_threads=n_threads)  # fmt: skip
    return trainer, {
        "epoch": lambda: trainer.epoch(np.arange(n)),
        "evaluate": trainer.evaluate,
        "predict": lambda: network.classes(source, n_threads),
    }


class Enough(Exception):
    """What a signal's handler raises to end a call."""


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("part", ["epoch", "evaluate", "predict"])
def test_signals_are_handled_while_the_engine_computes(part, n_threads):
    """A timer ticks all the time. Python keeps one tick at most until it looks, so that a call that
    only returns shows one. A thread that is taken off its core on the way to the call or back may
    show a few more; ten are shown only by a call that looks."""
    ticks = 0

    def tick(*_):
        nonlocal ticks
        ticks += 1
        if ticks == 10:
            raise Enough

    before = signal.signal(signal.SIGALRM, tick)
    try:
        trainer, calls = long_trainer(n_threads)
        with trainer:
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
            with pytest.raises(Enough):
                calls[part]()
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("part", ["epoch", "evaluate", "predict"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_handler_that_raises_ends_the_call_and_all_threads(part, n_threads):
    def tick(*_):
        raise Enough

    before = signal.signal(signal.SIGALRM, tick)
    try:
        trainer, calls = long_trainer(n_threads)
        with trainer:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Enough):
                calls[part]()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if sys.platform == "linux":
        await_no_engine_threads()


def test_ctrl_c_from_another_process(run_python):
    code = """
import json, os, signal, subprocess, sys
from mlpcore import NeuralNetMLP, load_digits

X, y = load_digits()
kill = f"import os, signal, time; time.sleep(0.1); os.kill({os.getpid()}, signal.SIGINT)"
killers = []

def start(epoch, history):
    if epoch == 1:
        killers.append(subprocess.Popen([sys.executable, "-c", kill], start_new_session=True))

signal.signal(signal.SIGINT, signal.default_int_handler)
nn = NeuralNetMLP(30, epochs=10_000, minibatch_size=5, seed=1, callback=start)
try:
    nn.fit(X, y)
except KeyboardInterrupt:
    killers[0].wait()
    again = NeuralNetMLP(30, epochs=nn.n_iter_, minibatch_size=5, seed=1).fit(X, y)
    print(json.dumps([nn.n_iter_, nn.eval_ == again.eval_, bool((nn.w_h == again.w_h).all())]))
"""
    epochs, same_history, same_weights = json.loads(run_python(code))
    assert 1 <= epochs < 10_000
    assert same_history
    assert same_weights


# An interrupt may come between any two lines of `fit`. Old and new jobs differ in all they can.

OLD = (X[:60, :5], Y[:60] % 3)
NEW = (X[60:160, :7], np.where(Y[60:160] % 2, "odd", "even"))


def state(nn):
    arrays = (*nn.coefs_, *nn.intercepts_, nn.classes_)
    return [nn.n_features_in_, json.dumps(nn.eval_), *(array.tolist() for array in arrays)]


MODEL = sys.modules[NeuralNetMLP.__module__]
FILES = {module.__file__ for module in (MODEL, _run, run, checkpoint)}


class Interrupt(KeyboardInterrupt):
    """One that is not mistaken for a signal from elsewhere."""


def interrupted_at(line, nn, **keywords):
    """Fit, with an interrupt before the given line that is executed of `fit`, of the run's own
    methods, or of what writes checkpoints.

    Returns False where there is no such line any more.
    """
    count = 0

    def lines(frame, event, arg):
        nonlocal count
        if event == "line":
            count += 1
            if count == line:
                raise Interrupt
        return lines

    def calls(frame, event, arg):
        # Python itself swallows what is raised in __del__.
        here = frame.f_code.co_filename in FILES and frame.f_code.co_name != "__del__"
        return lines if here else None

    before = sys.gettrace()
    # The collector would run finalisers of what other tests have left behind, among these lines.
    gc.disable()
    sys.settrace(calls)
    try:
        nn.fit(*NEW, *NEW, **keywords)
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
        gc.enable()
    assert count < line, f"the interrupt before line {line} was lost"
    return False


@pytest.mark.parametrize("fitted", [False, True])
def test_ctrl_c_between_any_two_lines_leaves_a_model_of_whole_epochs(fitted):
    def new(epochs):
        return NeuralNetMLP(4, epochs=epochs, minibatch_size=9, eta=0.01, l2=0.1, seed=2)

    whole = [state(new(epochs).fit(*NEW, *NEW)) for epochs in range(4)]
    line, reached = 0, set()
    while True:
        line += 1
        nn = new(3)
        old = state(nn.fit(*OLD)) if fitted else None
        if not interrupted_at(line, nn):
            break
        if hasattr(nn, "classes_") and state(nn) != old:
            assert state(nn) == whole[nn.n_iter_], f"before line {line}"
            assert nn.predict(NEW[0]).shape == (100,)
            reached.add(nn.n_iter_)
        elif not fitted:
            with pytest.raises(NotFittedError):
                nn.predict(NEW[0])
    assert reached == {0, 1, 2, 3}


@pytest.mark.parametrize("every", [1, 2])
def test_ctrl_c_between_any_two_lines_leaves_a_checkpoint_of_the_last_epoch(
    every, monkeypatch, tmp_path
):
    # Ten thousand times, which takes minutes where others write to the disk. That it is done, and
    # when, is for test_checkpoint_file.py.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)

    def new(epochs):
        return NeuralNetMLP(4, epochs=epochs, minibatch_size=9, eta=0.01, l2=0.1, seed=2)

    whole = [state(new(epochs).fit(*NEW, *NEW)) for epochs in range(4)]
    line, reached = 0, set()
    while True:
        line += 1
        nn = new(3)
        # The line may be one that takes the lock, or gives it back.
        keywords = {"checkpoint": f"{line}.ckpt", "checkpoint_every": every}
        if not interrupted_at(line, nn, **keywords):
            break
        if hasattr(nn, "classes_"):
            assert state(nn) == whole[nn.n_iter_], f"before line {line}"
            assert read_checkpoint(f"{line}.ckpt")[0]["epoch"] == nn.n_iter_, f"before line {line}"
            reached.add(nn.n_iter_)
        assert f"{line}.ckpt.tmp" not in os.listdir()
        assert state(new(3).fit(*NEW, *NEW, **keywords)) == whole[3], f"before line {line}"
        for path in tmp_path.iterdir():
            path.unlink()
    assert reached == {0, 1, 2, 3}


# Callbacks and divergence


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_exception_in_a_callback_keeps_its_epoch(job, error):
    def fail(epoch, history):
        if epoch == 2:
            raise error("enough")

    nn = model(job, epochs=5, callback=fail)
    with pytest.raises(error, match="enough"):
        fit(nn)
    assert_as_after(nn, job, 2)


def test_an_exception_in_the_first_epoch_leaves_the_starting_weights(monkeypatch):
    class Broken(np.random.RandomState):
        def shuffle(self, order):
            raise MemoryError("no more")

    nn = model(JOBS[0])
    with monkeypatch.context() as patch:
        patch.setattr(np.random, "RandomState", Broken)
        with pytest.raises(MemoryError, match="no more"):
            fit(nn)
    assert_as_after(nn, JOBS[0], 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("job", JOBS)
def test_divergence_names_the_epoch_and_keeps_the_one_before(job, dtype):
    # Weights are multiplied by 1 - eta * l2 = -8 in each step, until their squares overflow.
    keywords = {"eta": 90.0, "l2": 0.1, "dtype": dtype, "epochs": 1000, "minibatch_size": 750}
    nn = model(job, **keywords)
    with pytest.raises(FloatingPointError, match="lower eta") as caught:
        fit(nn)
    epoch = int(re.search(r"not finite after epoch (\d+)", str(caught.value))[1])
    assert epoch > 3
    assert np.isfinite(nn.eval_["cost"]).all()
    assert_as_after(nn, job, epoch - 1, **keywords)
    assert np.isfinite(nn.predict_proba(X)).all()
    with pytest.raises(FloatingPointError, match=f"epoch {epoch}"):
        fit(nn.set_params(epochs=epoch))


def test_divergence_between_evaluations():
    """Noticed in the epoch in which weights grow beyond measure, not in the next evaluation."""
    keywords = {"eta": 90.0, "l2": 0.1, "epochs": 1000, "minibatch_size": 750}
    nn = model(JOBS[0], **keywords, eval_every=10)
    with pytest.raises(FloatingPointError) as caught:
        fit(nn)
    epoch = int(re.search(r"not finite after epoch (\d+)", str(caught.value))[1])
    assert epoch % 10 > 1
    whole = fit(model(JOBS[0], **{**keywords, "epochs": epoch - 1}))
    assert nn.n_iter_ == epoch - 1
    assert nn.eval_["cost"] == whole.eval_["cost"][9::10]
    assert np.array_equal(nn.w_h, whole.w_h)
    assert np.isfinite(nn.predict_proba(X)).all()


def test_divergence_of_biases_alone_between_evaluations():
    """Nothing but the output biases moves: inputs are zero, and so are the units behind them."""
    nn = NeuralNetMLP(5, epochs=20, eta=1e308, minibatch_size=60, seed=1, activation="relu",
                      eval_every=10)  # fmt: skip
    with pytest.raises(FloatingPointError, match="after epoch 1;"):
        nn.fit(np.zeros((60, 4)), np.arange(60) % 3)
    assert nn.n_iter_ == 0
    assert not nn.b_out.any()
    assert np.isfinite(nn.predict_proba(np.zeros((1, 4)))).all()


def test_divergence_in_the_first_epoch_leaves_the_starting_weights():
    nn = model(JOBS[0], eta=1e300, l2=1e5)
    with pytest.raises(FloatingPointError, match="after epoch 1;"):
        fit(nn)
    assert_as_after(nn, JOBS[0], 0)
