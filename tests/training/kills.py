"""Training in child processes that get killed: run by test_kill.py, in a process of its own.

The imports are done once; each child is a fork, so that fifty of them take a second or two. What
came out is printed as JSON.
"""

import io
import json
import os
import random
import signal
import sys
import time
import warnings

import numpy as np

from mlpcore import Distortion, NeuralNetMLP, _files, load_digits
from mlpcore.sklearn import MLPClassifier, MLPRegressor, _solvers
from mlpcore.training import checkpoint
from mlpcore.training.checkpoint import read_checkpoint

X, Y = load_digits()
DATA = (X[:200], Y[:200], X[200:260], Y[200:260])
NEVER = 10**6  # epochs, so that no child finishes by itself


FAST = {"n_hidden": 9, "eta": 0.01, "l2": 0.01, "minibatch_size": 20, "seed": 1, "n_threads": 1}
# One with all that a run may have to keep beside the weights.
RICH = {**FAST, "n_hidden": (9, 7), "activation": ("relu", "tanh"), "optimizer": "adam",
        "dropout": 0.2, "early_stopping": "cost", "patience": NEVER, "eval_every": 2,
        "augment": Distortion(rotation=9, elastic=0.4, smoothness=2),
        "weight_average": 0.99, "label_smoothing": 0.1, "warmup_epochs": 7.5}  # fmt: skip
# The estimators of mlpcore.sklearn, with all that they may have to keep.
ESTIMATOR = {"hidden_layer_sizes": (9, 7), "batch_size": 20, "dropout": 0.2, "random_state": 1,
             "early_stopping": True, "n_iter_no_change": NEVER, "n_threads": 1}  # fmt: skip
KINDS = [
    (NeuralNetMLP, FAST),
    (NeuralNetMLP, RICH),
    (MLPClassifier, {**ESTIMATOR, "learning_rate_init": 0.003,
                     "augment": Distortion(rotation=9, elastic=0.4, smoothness=2),
                     "weight_average": 0.99, "label_smoothing": 0.1}),
    (MLPRegressor, {**ESTIMATOR, "solver": "sgd", "learning_rate": "invscaling"}),
]  # fmt: skip
kind = 0


def model(epochs, **keywords):
    facade, settings = KINDS[kind]
    length = "epochs" if facade is NeuralNetMLP else "max_iter"
    return facade(**{length: epochs, **settings, **keywords})


def fit(epochs, after_epoch=None, **keywords):
    """Fit one of KINDS; `after_epoch` is called after each epoch."""
    if kind < 2:
        return model(epochs, callback=after_epoch).fit(*DATA, **keywords)
    if after_epoch is not None:
        _solvers.Progress.update = lambda self, *about: after_epoch(*about)
    return model(epochs).fit(*DATA[:2], **keywords)


def history(fitted):
    if kind < 2:
        return fitted.eval_
    return [fitted.loss_curve_, fitted.validation_scores_, fitted.validation_loss_curve_]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_child(function):
    """Start a function in a fork; its process id."""
    child = os.fork()
    if child == 0:
        try:
            function()
        finally:
            os._exit(1)
    return child


def was_killed(child):
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def standing():
    """Epoch of the checkpoint, which is whole at any moment, or None where there is none."""
    try:
        return read_checkpoint("run.ckpt")[0]["epoch"]
    except FileNotFoundError:
        return None


def outcome(kills):
    """Let the run end, and compare it with one that was never killed."""
    left_behind = sum("run.ckpt.tmp" in names for names in kills)
    epochs = standing() + 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the estimators warn that max_iter ended them
        resumed, whole = fit(epochs, checkpoint="run.ckpt"), fit(epochs)
    return {
        "kills": len(kills),
        "left behind": left_behind,
        "epochs": resumed.n_iter_,
        "weights": all(
            np.array_equal(a, b)
            for a, b in zip(
                [*resumed.coefs_, *resumed.intercepts_],
                [*whole.coefs_, *whole.intercepts_],
                strict=True,
            )
        ),
        "history": history(resumed) == history(whole),
        "files": sorted(os.listdir()),
    }


def at_random(count, which):
    """Kill children at moments that a seeded schedule chooses: after so many epochs, and then
    after some part of a few milliseconds, in which an epoch and several writes take place."""
    global kind
    kind = which
    schedule = random.Random(1)
    kills, before = [], None
    while len(kills) < count:
        reading, writing = os.pipe()

        def train(writing=writing):
            fit(NEVER, lambda *_: not os.write(writing, b"."), checkpoint="run.ckpt")

        child = in_a_child(train)
        os.close(writing)
        for _ in range(schedule.randrange(4)):
            os.read(reading, 1)
        time.sleep(schedule.uniform(0, 0.004))
        os.kill(child, signal.SIGKILL)
        assert was_killed(child)
        os.close(reading)
        kills.append(os.listdir())
        after = standing()
        assert before is None or after >= before, "an epoch that was written is lost"
        before = after
    return outcome(kills)


def at_every_line():
    """Kill a child before each line that Python executes for a write, one after the other."""
    files = {checkpoint.__file__, _files.__file__}
    kills, line, alive = [], 0, False
    model(1).fit(*DATA, checkpoint="run.ckpt")
    while not alive:
        line += 1
        before = standing()

        def train(line=line):
            count = 0

            def lines(frame, event, argument):
                nonlocal count
                if event == "line":
                    count += 1
                    if count == line:
                        die()
                return lines

            def calls(frame, event, argument):
                return lines if frame.f_code.co_filename in files else None

            def start(epoch, history):
                # The next write is the first one that is traced, and the last one.
                if count:
                    os._exit(0)
                sys.settrace(calls)

            model(NEVER, callback=start).fit(*DATA, checkpoint="run.ckpt")

        alive = not was_killed(in_a_child(train))
        kills.append(os.listdir())
        assert before + 1 <= standing() <= before + 2
    kills.pop()
    return outcome(kills)


def in_half_a_write():
    """Kill children after any part of a file's bytes."""
    write = checkpoint._write
    model(1).fit(*DATA, checkpoint="run.ckpt")
    length = os.path.getsize("run.ckpt")
    kills = []
    for part in range(0, length, length // 20):

        def train(part=part):
            def write_some(file, *content):
                whole = io.BytesIO()
                write(whole, *content)
                file.write(whole.getvalue()[:part])
                file.flush()
                die()

            def start(epoch, history):
                checkpoint._write = write_some

            model(NEVER, callback=start).fit(*DATA, checkpoint="run.ckpt")

        before = standing()
        assert was_killed(in_a_child(train))
        assert os.path.getsize("run.ckpt.tmp") == part
        assert standing() == before + 1
        kills.append(os.listdir())
    return outcome(kills)


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*map(int, arguments))))
