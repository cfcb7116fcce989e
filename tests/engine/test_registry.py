"""Every activation, loss, optimiser and kind of input is tested, documented and within reach.

Each of these tests names what was forgotten where one of them was added.
"""

import inspect
import re

import numpy as np
import oracle
import pytest

from mlpcore import NeuralNetMLP, _html_page
from mlpcore._onnx_nodes import FORMULAS
from mlpcore.engine.registry import (
    ACTIVATIONS,
    HYPERPARAMETERS,
    INPUT_KINDS,
    LOSSES,
    OPTIMIZERS,
    OUTPUTS,
    POSITIVE_UNITS,
    TRAINING,
    index_of,
)

Z = np.linspace(-30, 30, 601)


@pytest.mark.parametrize(
    ("engine", "tested"),
    [
        (ACTIVATIONS, oracle.ACTIVATIONS),
        (OUTPUTS, oracle.OUTPUTS),
        (LOSSES, oracle.LOSSES),
        (OPTIMIZERS, oracle.OPTIMIZERS),
        (INPUT_KINDS, oracle.INPUT_KINDS),
    ],
    ids=["activations", "outputs", "losses", "optimizers", "inputs"],
)
def test_the_oracle_has_all_that_the_engine_has(engine, tested):
    """What is in the oracle's tables is what the tests loop over."""
    assert set(engine) == set(tested)
    assert len(set(engine)) == len(list(engine))


def test_units_that_are_above_zero_say_so():
    for name in OUTPUTS:
        positive = (oracle.OUTPUTS[name](Z) > 0).all()
        assert (name in POSITIVE_UNITS) == positive, name
    for name, activation in ACTIVATIONS.items():
        assert activation.positive == (name in POSITIVE_UNITS), name


@pytest.mark.parametrize("name", LOSSES)
def test_what_the_table_says_of_a_loss(name):
    loss, tested = LOSSES[name], oracle.LOSSES[name]
    assert loss.output == tested.output
    assert loss.averaged_over_outputs == tested.averaged
    assert loss.probabilities == (tested.targets == "probability")
    parameter, values = tested.parameter or (None, ())
    assert loss.parameter == parameter
    assert all(loss.above < value < loss.below for value in values)
    assert parameter is None or loss.above < loss.default < loss.below
    # The value itself is finite for outputs below zero, or NaN.
    with np.errstate(invalid="ignore", divide="ignore"):
        values = tested.value(np.full(1, -0.5), np.full(1, 0.5))
    assert loss.positive_outputs == (np.isnan(values).any() and not loss.probabilities)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_the_table_says_of_an_optimizer(name):
    tested = oracle.OPTIMIZERS[name].hyperparameters
    assert set(OPTIMIZERS[name].hyperparameters) == set(tested)
    for key, value in tested.items():
        default, low, below = HYPERPARAMETERS[key]
        assert low <= default < below
        assert low <= value < below
        assert value != default


def test_every_hyperparameter_belongs_to_an_optimizer():
    used = {name for optimizer in OPTIMIZERS.values() for name in optimizer.hyperparameters}
    assert used == set(HYPERPARAMETERS)


def test_integers_are_read_through_a_table_of_all_their_numbers():
    for name in INPUT_KINDS:
        dtype = np.dtype(name)
        assert dtype.kind == "f" or (dtype.kind in "iu" and dtype.itemsize <= 2), name


def test_an_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^loss must be one of .*huber.*; got 'hinge'$"):
        index_of("hinge", LOSSES, "loss")


def test_other_formats_can_have_all_activations_that_the_package_came_with():
    """Later ones may have a formula; the tests of to_onnx and to_html loop over all of them."""
    first = {
        "identity",
        "logistic",
        "tanh",
        "relu",
        "leaky_relu",
        "elu",
        "gelu",
        "silu",
        "softplus",
    }
    assert first | {"exp", "softmax"} <= set(FORMULAS) <= set(OUTPUTS)
    assert first <= set(_html_page.FORMULAS) <= set(ACTIVATIONS)


# Constructors and docstrings


def default(cls, name):
    return inspect.signature(cls).parameters[name].default


def described(cls, name):
    """What a class's docstring says of a parameter."""
    text = inspect.getdoc(cls).split("Attributes\n---")[0]
    entry = re.search(rf"^(?:\w+, )*{name}(?:, \w+)* :.*\n(?:(?:    .*)?\n)*", text, re.M)
    assert entry, f"{name} is missing in the docstring of {cls.__name__}"
    return set(re.findall(r'"(\w+)"', entry[0]))


@pytest.mark.parametrize("name", sorted(set(HYPERPARAMETERS) - {"epsilon"}))
def test_the_classifier_has_every_hyperparameter(name):
    """But for Adam's epsilon, which is the default's."""
    assert default(NeuralNetMLP, name) == HYPERPARAMETERS[name].default
    assert described(NeuralNetMLP, name) == {
        key for key, optimizer in OPTIMIZERS.items() if name in optimizer.hyperparameters
    }


def test_the_classifier_lists_every_optimizer():
    assert described(NeuralNetMLP, "optimizer") == set(TRAINING)


def test_the_classifier_lists_every_kind_of_input():
    text = inspect.getdoc(NeuralNetMLP.fit)
    for kind in INPUT_KINDS:
        assert re.search(rf"Rows of [^.]*\b{kind}\b[^.]*are read", text), kind


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_scikit_learns_estimators_have_every_hyperparameter(name):
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    for cls in (sklearn.MLPClassifier, sklearn.MLPRegressor):
        assert default(cls, name) == HYPERPARAMETERS[name].default
        assert cls().get_params()[name] == HYPERPARAMETERS[name].default
        assert cls(**{name: 0.25}).get_params()[name] == 0.25
        with pytest.raises(ValueError, match=f"'{name}' parameter of {cls.__name__}"):
            cls(**{name: -1.0}).fit([[0.0], [1.0]], [0, 1])


def test_scikit_learns_estimators_list_every_solver_and_loss():
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    assert described(sklearn.MLPClassifier, "solver") == {
        "lbfgs", *(set(TRAINING) - {"momentum", "nesterov"})
    }  # fmt: skip
    of_numbers = {name for name, loss in LOSSES.items() if not loss.probabilities}
    assert described(sklearn.MLPRegressor, "loss") == of_numbers
    for loss in LOSSES.values():
        if loss.parameter is not None:
            assert default(sklearn.MLPRegressor, loss.parameter) == loss.default


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_scikit_learns_estimators_describe_every_parameter(name):
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    cls = getattr(sklearn, name)
    listed = inspect.getdoc(cls).split("Parameters\n---")[1].split("Attributes\n---")[0]
    described = re.findall(r"^((?:\w+, )*\w+) : ", listed, re.M)
    names = ", ".join(described).split(", ")
    assert names == list(inspect.signature(cls).parameters)
    assert set(names) == set(cls().get_params())
