"""Parameters: refused by name, or taken for the numbers they are."""

import datetime
import fractions
import os
import re

import numpy as np
import pytest
from small import X, Y, model

from mlpcore import Distortion, NeuralNetMLP
from mlpcore.engine.registry import HYPERPARAMETERS

HUGE = 10**400  # more than a double holds

BAD_PARAMETERS = {
    "n_hidden": [0, -1, 2.5, "30", None, True, [], (), [5, 0], [5, 2.5], [5, "x"], [[5]], 2**31,
                 HUGE, b"7", 1j, np.array([[5]]), float("nan")],
    "l2": [-1, -1e-300, float("nan"), float("inf"), "0.1", None, True, 1j, HUGE, [0.1], [0.1] * 3,
           [0.1, -1], [0.1, "x"], [0.1, None], b"1"],
    "epochs": [-1, 1.5, None, "3", True, [3], 2**31, float("nan")],
    "eta": [0, -0.1, float("nan"), float("inf"), "0.1", None, True, 1j, HUGE, (0.1, 0.2), {}],
    "shuffle": [1, 0, None, "yes", "False", 1.0],
    "minibatch_size": [0, -1, 2.5, None, "10", True, 121, 2**31, HUGE],
    "seed": [-1, 2**32, 1.5, "1", [1, 2], HUGE, np.random.RandomState(0), float("nan")],
    "dtype": ["int32", np.float16, "longdouble", "nonsense", object, complex, bool, 5, ">f4"],
    "n_threads": [0, -1, 1.5, "2", True, HUGE],
    "buffer_bytes": [0, -1, 1e9, "2", None, True, 2**63],
    "progress": ["yes", None, 2, 1, 0, 1.0, "True", [True]],
    "callback": [3, "function", [len]],
    "eval_every": [0, -1, 1.5, None, "2", True, HUGE],
    "input_path": ["fast", None, True, 1, ["auto"]],
    "input_scale": [3, "ab", (1,), (1, 2, 3), (float("nan"), 0), (1, float("inf")), ("a", 1),
                    (None, None), (HUGE, 0), (1j, 0), (1e37, 0), (1, -1e39)],
    "early_stopping": [1, 0, None, 0.5, "yes", "train_acc", ["cost"]],
    "patience": [0, -1, 1.5, None, "2", True, HUGE],
    "activation": ["", "cubic", "softmax", None, 1, True, b"relu", ["relu", "tanh"], [], [None],
                   [["relu"]], {"relu": 1, "tanh": 2}],
    "optimizer": ["", "accumulate", "lbfgs", None, 1, True, b"sgd", ["sgd"]],
    "dropout": [-0.1, 1, 1.5, None, "0.5", True, HUGE, float("nan"), [0.1] * 3, [], [1.0], ["x"]],
    "schedule": ["", "step", None, 1, True, b"cosine", ["cosine"]],
    "power_t": [-0.1, None, "0.5", True, HUGE, float("nan"), [0.5]],
    "clip_norm": [0, -1, "1", True, HUGE, float("nan"), float("inf"), [1]],
    "max_norm": [0, -1, "1", True, HUGE, float("nan"), float("inf"), [1]],
    "warmup_epochs": [-0.1, None, "1", True, HUGE, float("nan"), [1]],
    "weight_average": [0, 1, -1, 0.0, 1.0, 1.5, -0.5, "0.9", True, HUGE, float("nan"), [0.9]],
    "label_smoothing": [-0.1, 1, 1.5, None, "0.1", True, HUGE, float("nan"), [0.1]],
    "class_weight": ["even", 1, True, [1, 2], {99: 1}, dict.fromkeys(range(10), 0),
                     {0: float("nan")}, {0: -1000}],
    "coefs_init": [3, True, [], [np.zeros((64, 7))], [np.zeros((64, 7)), np.zeros((7, 9))],
                   [np.full((64, 7), np.nan), np.zeros((7, 10))], ["a", "b"], [None, None]],
    "intercepts_init": [3, True, [], [np.zeros(7)], [np.zeros(7), np.full(10, np.inf)]],
    "augment": [3, True, "rotation", {"rotation": 9}, Distortion],
    "image_shape": [3, "ab", (64,), (4, 4, 4), (0, 64), (-8, -8), (8.0, 8), (True, 64), [None] * 2],
}  # fmt: skip
BAD_PARAMETERS |= {
    name: [low - 0.1, below, float("nan"), None, "0.9", True, 1j, HUGE, [0.9], [0.9, -1], [0.9] * 3]
    for name, (_, low, below) in HYPERPARAMETERS.items()
    if name in NeuralNetMLP().get_params()
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_PARAMETERS.items() for value in values],
    ids=lambda part: re.sub(r"\W+", " ", repr(part))[:20],
)
def test_bad_parameters_are_named(name, value):
    nn = model().set_params(**{name: value})
    with pytest.raises((ValueError, TypeError), match=f"^{name} must ") as caught:
        nn.fit(X, Y)
    if isinstance(value, (int, float, str)) and value != HUGE:  # what came is in the message
        text = f"{value:g}" if isinstance(value, float) else repr(value)
        assert text in str(caught.value) or repr(value) in str(caught.value)
    assert not hasattr(nn, "classes_")


def test_every_parameter_is_among_the_bad_ones():
    assert set(BAD_PARAMETERS) == set(NeuralNetMLP().get_params())


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("n_hidden", np.int8(7), 7),
        ("n_hidden", range(3, 5), (3, 4)),
        ("l2", 1, 1.0),
        ("l2", fractions.Fraction(1, 4), 0.25),
        ("l2", np.float32(0.25), 0.25),
        ("l2", np.array(0.25), 0.25),
        ("l2", [0.25, np.float32(0.25)], 0.25),
        ("l2", np.array([0.25, 0]), (0.25, 0.0)),
        ("eta", np.float64(0.01), 0.01),
        ("eta", 1, 1.0),
        ("epochs", np.uint8(2), 2),
        ("shuffle", np.False_, False),
        ("minibatch_size", np.array(13), 13),
        ("seed", np.int64(5), 5),
        ("seed", 2**32 - 1, np.uint32(2**32 - 1)),
        ("n_threads", np.int16(1), 1),
        ("input_scale", [2, -1], (2.0, -1.0)),
        ("input_scale", np.array([0.5, 1]), (0.5, 1.0)),
        ("eval_every", np.int32(2), 2),
    ],
)
def test_numbers_of_any_kind_are_taken(name, value, plain):
    a, b = (model(**{name: number}).fit(X, Y) for number in (value, plain))
    assert a.eval_ == b.eval_
    assert np.array_equal(a.w_h, b.w_h)


def test_minibatch_of_all_rows_is_the_largest():
    assert model(minibatch_size=120).fit(X, Y).n_iter_ == 2
    with pytest.raises(ValueError, match="at most the number of rows, 120; got 121"):
        model(minibatch_size=121).fit(X, Y)


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="it maps terabytes itself")
def test_sizes_that_no_memory_holds_are_an_error_and_not_a_crash(run_python):
    code = """
import resource
import numpy as np
from mlpcore import NeuralNetMLP

limit = 4 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for n_hidden in (2**31 - 1, 2**31 - 65, 2**30, (2**30, 2**30), (2**20, 2**20)):
    nn = NeuralNetMLP(n_hidden, epochs=1)
    try:
        nn.fit(np.eye(4), [0, 1, 2, 3])
    except (ValueError, MemoryError):
        assert not hasattr(nn, "classes_")
    else:
        raise AssertionError(n_hidden)
print("refused")
"""
    assert run_python(code, OPENBLAS_NUM_THREADS="1") == "refused\n"


def test_changed_parameters_wait_for_the_next_fit():
    fitted = model().fit(X, Y)
    before = fitted.predict_proba(X)
    fitted.set_params(n_hidden=3, eta=-1, dtype="nonsense", epochs="many")
    assert np.array_equal(fitted.predict_proba(X), before)
    with pytest.raises(ValueError, match="n_threads"):
        fitted.set_params(n_threads=0).predict_proba(X)


@pytest.mark.parametrize("scale", [None, (2 / 16, -1)])
def test_the_scale_of_the_last_fit_is_that_of_prediction(scale):
    rows = (X * 8 + 8).astype(np.uint8)
    fitted = model(input_scale=scale).fit(rows, Y)
    before = fitted.predict_proba(rows)
    fitted.set_params(input_scale=(7, 3))
    assert np.array_equal(fitted.predict_proba(rows), before)
    one = rows[:1].astype(np.float32)
    assert fitted.predict(one) == fitted.classes_[before[0].argmax()]


def test_a_date_is_not_a_number():
    with pytest.raises(TypeError, match=r"^eta must be a number"):
        model(eta=datetime.date(2020, 1, 1)).fit(X, Y)
