"""Loss curves, weights and gradients, against scikit-learn's own estimators."""

import warnings

import numpy as np
import pytest

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.trainer import Trainer

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.neural_network import MLPClassifier, MLPRegressor

ROWS, FEATURES, EPOCHS, BATCH, RATE, ALPHA = 83, 7, 6, 20, 0.01, 0.03

# Estimator, loss and how many outputs of what kind.
TASKS = {
    "binary": (MLPClassifier, "binary_cross_entropy", 1),
    "multiclass": (MLPClassifier, "cross_entropy", 4),
    "multilabel": (MLPClassifier, "binary_cross_entropy", 3),
    "regression": (MLPRegressor, "squared_error", 1),
    "several outputs": (MLPRegressor, "squared_error", 3),
    "poisson": (MLPRegressor, "poisson", 1),
    "several poisson outputs": (MLPRegressor, "poisson", 2),
}
SOLVERS = {
    "sgd": ({"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}, {}),
    "momentum": (
        {"solver": "sgd", "momentum": 0.8, "nesterovs_momentum": False},
        {"momentum": 0.8},
    ),
    "nesterov": ({"solver": "sgd", "momentum": 0.8}, {"momentum": 0.8}),
    "adam": (
        {"solver": "adam", "beta_1": 0.85, "beta_2": 0.99, "epsilon": 1e-5},
        {"beta_1": 0.85, "beta_2": 0.99, "epsilon": 1e-5},
    ),
}


def rows_and_targets(task):
    """Features, the target as scikit-learn takes it, and as the engine does."""
    rng = np.random.default_rng(4)
    X = rng.normal(0, 0.5, (ROWS, FEATURES))
    # Most entries are zero, so that the way of the sparse rows is gone, too.
    X[rng.random(X.shape) < 0.6] = 0
    _, loss, n = TASKS[task]
    if task == "multiclass":
        y = np.arange(ROWS) % n
        return X, y, y.astype(np.intc)
    if loss == "binary_cross_entropy":
        y = rng.integers(2, size=(ROWS, n))
    elif loss == "poisson":
        y = rng.poisson(2.0, size=(ROWS, n))
    else:
        y = rng.normal(size=(ROWS, n)) + X[:, :1]
    return X, (y[:, 0] if n == 1 else y), y.astype(np.float64)


def theirs(task, activation, weighted, **parameters):
    """A scikit-learn estimator that was trained, and what it started from."""
    estimator, loss, _ = TASKS[task]
    if loss == "poisson":
        parameters["loss"] = "poisson"
    X, y, _ = rows_and_targets(task)
    weight = np.random.default_rng(9).uniform(0.2, 3, ROWS) if weighted else None
    start = []

    class Watched(estimator):
        def _init_coef(self, *arguments):
            arrays = super()._init_coef(*arguments)
            start.append([array.copy() for array in arrays])
            return arrays

    model = Watched(
        hidden_layer_sizes=(9, 5), activation=activation, alpha=ALPHA, batch_size=BATCH,
        learning_rate_init=RATE, max_iter=EPOCHS, shuffle=False, random_state=1, tol=1e-9,
        **parameters,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        try:
            model.fit(X, y, **({} if weight is None else {"sample_weight": weight}))
        except TypeError:
            pytest.skip("this scikit-learn has no sample_weight here")
    return model, start, weight


def ours(task, activation, start, **parameters):
    X, _, targets = rows_and_targets(task)
    network = Network(
        (FEATURES, 9, 5, TASKS[task][2]), activation=activation, loss=TASKS[task][1], loss_clip=True
    )
    for w, b, (w_0, b_0) in zip(network.coefs, network.intercepts, start, strict=True):
        w[:], b[:] = w_0, b_0
    return network, Input(X, "float64", path=parameters.pop("path", "dense")), targets


@pytest.fixture(autouse=True)
def _skip_what_scikit_learn_lacks(request):
    task = getattr(request.node, "callspec", None) and request.node.callspec.params.get("task")
    if task and "poisson" in task and "loss" not in MLPRegressor().get_params():
        pytest.skip("this scikit-learn has no poisson loss")


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("task", TASKS)
def test_loss_curve_and_weights(task, activation, solver, weighted, path):
    parameters, options = SOLVERS[solver]
    model, start, weight = theirs(task, activation, weighted, **parameters)
    network, X, targets = ours(task, activation, start, path=path)
    trainer = Trainer(
        network, X, targets, sample_weight=weight, optimizer=solver, learning_rate=RATE, l2=ALPHA,
        average=True, minibatch_size=BATCH, keep_last=True, track_loss=True, n_threads=2, **options,
    )  # fmt: skip
    with trainer:
        curve = [trainer.epoch(np.arange(ROWS)) for _ in range(EPOCHS)]
    np.testing.assert_allclose(curve, model.loss_curve_, rtol=1e-10)
    for w, b, w_theirs, b_theirs in zip(
        network.coefs, network.intercepts, model.coefs_, model.intercepts_, strict=True
    ):
        np.testing.assert_allclose(w, w_theirs, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(b, b_theirs, rtol=1e-8, atol=1e-10)
    if TASKS[task][0] is MLPClassifier and TASKS[task][2] > 1:
        expected = model.predict_proba(rows_and_targets(task)[0])
        np.testing.assert_allclose(network.outputs(X), expected, rtol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_loss_and_gradient_for_lbfgs(task, weighted):
    """Those of scikit-learn's objective, at the weights that a few of its steps have led to."""
    model, start, weight = theirs(task, "tanh", weighted, solver="adam")
    network, X, targets = ours(task, "tanh", start)
    for w, b, *arrays in zip(
        network.coefs, network.intercepts, model.coefs_, model.intercepts_, strict=True
    ):
        w[:], b[:] = arrays
    loss, flat = gradient(network, X, targets, sample_weight=weight, l2=ALPHA, average=True)
    dense, _, y = rows_and_targets(task)
    y = np.eye(TASKS[task][2])[y] if task == "multiclass" else y
    activations = [dense, *(np.empty((ROWS, n)) for n in network.n_units[1:])]
    empty = [[None] * network.n_layers for _ in range(3)]
    arguments = (weight,) if "sample_weight" in _names(model._backprop) else ()
    expected = model._backprop(dense, y, *arguments, activations, *empty)
    np.testing.assert_allclose(loss, expected[0], rtol=1e-13)
    for mine, its in zip(network.views(flat), expected[1:], strict=True):
        for a, b in zip(mine, its, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def _names(function):
    return function.__code__.co_varnames[: function.__code__.co_argcount]


def test_probabilities_are_clipped_as_scikit_learn_does():
    """Certain and wrong: the exact loss is the net input, 800; clipped it is -log(eps), 36."""
    y = np.array([[0.0, 1.0]])
    for loss, output_bias in [("binary_cross_entropy", [800, 0]), ("cross_entropy", [800, 0])]:
        reported = []
        for clip in (False, True):
            network = Network((1, 2), loss=loss, loss_clip=clip)
            network.intercepts[0][:] = output_bias
            reported.append(gradient(network, Input(np.zeros((1, 1)), "float64"), y)[0])
        second = np.log(2) if loss == "binary_cross_entropy" else 0
        np.testing.assert_allclose(reported[0], 800 + second, rtol=1e-14)
        expected = -np.log(np.finfo(float).eps)
        np.testing.assert_allclose(reported[1], expected + second, rtol=1e-14)
