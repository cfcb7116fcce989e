"""Averages of weights, against those of weights from step to step or from epoch to epoch."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from small import X, Y, model

from mlpcore import NeuralNetMLP
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer
from mlpcore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NUMBERS = np.column_stack([Y, -Y]) / 9.0


def over_steps(weights, decay):
    """The average after each of several weights: the mean, until the decay is less of it."""
    averages, average = [], 0.0
    for n, w in enumerate(weights):
        keep = min(decay, n / (n + 1))
        average = keep * average + (1 - keep) * w
        averages.append(average)
    return averages


# The engine

ENGINE = {
    "sgd": ({}, (64, 9, 10)),
    "momentum, L2": ({"optimizer": "momentum", "l2": 0.1}, (64, 9, 10)),
    "adam, dropout": ({"optimizer": "adam", "dropout": (0.3,), "seed": 2}, (64, 9, 10)),
    "clipped": ({"clip_norm": 0.1, "average": True}, (64, 9, 10)),
    "max-norm": ({"max_norm": 0.3}, (64, 9, 10)),
    "layers through BLAS": ({"optimizer": "adamw"}, (64, 530, 520, 10)),
}


@pytest.mark.parametrize("case", ENGINE)
@pytest.mark.parametrize(("path", "batch"), [("dense", 25), ("sparse", 25), ("sparse", 1)])
def test_average_over_steps(case, path, batch):
    """The weights are those of training without it, and the average is that of all steps."""
    settings, units = ENGINE[case]
    rows = X + 1  # their background is 0
    results = []
    for decay in (0.0, 0.8):
        network = Network(units, activation="tanh")
        for w in network.coefs:
            w[:] = np.random.default_rng(2).normal(0, 0.1, w.shape)
        trainer = Trainer(
            network, Input(rows, "float64", path=path), Y.astype(np.intc), learning_rate=0.003,
            minibatch_size=batch, keep_last=True, average_decay=decay, n_threads=2, **settings,
        )  # fmt: skip
        weights = []
        order = np.arange(len(rows))[: 5 * batch]
        with trainer:
            for _ in range(2):
                if decay:
                    trainer.epoch(order)
                else:  # step by step
                    epoch = trainer.epoch_count
                    for start in range(0, len(order), batch):
                        trainer.epoch_count = epoch
                        trainer.epoch(order[start : start + batch])
                        weights.append(network.parameters.copy())
        results.append((network.parameters.copy(), trainer.averaged, weights))
    (raw, nothing, weights), (same, averaged, _) = results
    assert nothing.size == 0
    np.testing.assert_allclose(same, raw, rtol=1e-9, atol=1e-12)
    expected = over_steps(weights, 0.8)[-1]
    np.testing.assert_allclose(averaged, expected, rtol=1e-9, atol=1e-12)
    assert np.abs(expected - raw).max() > 1e-4


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_the_engine_refuses_a_decay(decay):
    with pytest.raises(ValueError, match="average_decay must be from 0 to below 1; got"):
        Trainer(Network((64, 10)), Input(X, "float64"), Y.astype(np.intc), average_decay=decay)


# The facades: weights from epoch to epoch are those of shorter fits.


def textbook(epochs, X=X, **keywords):
    """A fit, its weights and its metrics: of all rows in one step."""
    batch = keywords.pop("batch", len(X))
    fitted = model(epochs=epochs, minibatch_size=batch, shuffle=False, **keywords)
    fitted.fit(X, Y, X[:50], Y[:50])
    return fitted, flat(fitted), fitted.eval_


def classifier(epochs, X=X, **keywords):
    settings = {"hidden_layer_sizes": (7,), "random_state": 1, "shuffle": False, "tol": 0}
    fitted = MLPClassifier(**settings, max_iter=epochs, batch_size=keywords.pop("batch", len(X)),
                           **keywords).fit(X, Y, X_val=X[:50], y_val=Y[:50])  # fmt: skip
    return fitted, flat(fitted), fitted.validation_loss_curve_


def regressor(epochs, X=X, **keywords):
    settings = {"hidden_layer_sizes": (7,), "random_state": 1, "shuffle": False, "tol": 0}
    fitted = MLPRegressor(**settings, max_iter=epochs, batch_size=keywords.pop("batch", len(X)),
                          **keywords)  # fmt: skip
    fitted.fit(X, NUMBERS, X_val=X[:50], y_val=NUMBERS[:50])
    return fitted, flat(fitted), fitted.validation_loss_curve_


def flat(model):
    return np.concatenate([np.ravel(part) for part in [*model.coefs_, *model.intercepts_]])


FACADES = pytest.mark.parametrize("facade", [textbook, classifier, regressor])


@FACADES
@pytest.mark.parametrize("keywords", [{"weight_average": 0.6}, {"weight_average": 3, "batch": 20}])
def test_the_model_has_the_average(facade, keywords):
    raw = {key: value for key, value in keywords.items() if key != "weight_average"}
    weights = [facade(epochs, **raw)[1] for epochs in range(1, 7)]
    fitted, mine, _ = facade(6, **keywords)
    if "batch" in keywords:
        expected = np.mean(weights[3:], axis=0)
    else:
        expected = over_steps(weights, 0.6)[-1]
    np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-12)
    assert fitted.n_iter_ == 6


@FACADES
@pytest.mark.parametrize("weight_average", [0.6, 3])
def test_metrics_are_those_of_the_average(facade, weight_average):
    """The metrics of each epoch are those that a model with these weights has."""
    keywords = {"batch": 20, "weight_average": weight_average}
    fitted, _, metrics = facade(6, **keywords)
    if facade is textbook:
        assert metrics["valid_acc"][-1] == fitted.score(X[:50], Y[:50])
        assert metrics["train_acc"][-1] == fitted.score(X, Y)
        plain = facade(6, batch=20)[0]
        assert metrics["cost"][-1] != plain.eval_["cost"][-1]
        assert len(metrics["cost"]) == 6
    elif facade is classifier:
        p = fitted.predict_proba(X[:50])[np.arange(50), Y[:50]]
        assert metrics[-1] == pytest.approx(-np.log(p).mean(), rel=1e-9)
        # What it learns by is the loss of the weights themselves.
        assert fitted.loss_curve_ == facade(6, batch=20)[0].loss_curve_
    else:
        error = fitted.predict(X[:50]) - NUMBERS[:50]
        assert metrics[-1] == pytest.approx((error**2).mean() / 2, rel=1e-9)


@pytest.mark.parametrize("weight_average", [0.9, 4])
def test_callbacks_see_the_average(weight_average):
    seen = []

    def look(epoch, history):
        seen.append((flat(nn), history["valid_acc"][-1] == nn.score(X[:50], Y[:50])))

    nn = model(epochs=5, weight_average=weight_average, callback=look)
    nn.fit(X, Y, X[:50], Y[:50])
    assert all(same for _, same in seen)
    assert np.array_equal(seen[-1][0], flat(nn))


def test_early_stopping_keeps_the_best_average():
    seen = []
    nn = model(epochs=30, eta=0.3, weight_average=0.9, early_stopping=True, patience=3, n_hidden=20,
               callback=lambda *_: seen.append(flat(nn)))  # fmt: skip
    nn.fit(X, Y, X[:50], Y[:50])
    best = int(np.argmax(nn.eval_["valid_acc"]))
    assert np.array_equal(flat(nn), seen[best])
    assert best + 1 < len(seen) < 30


@FACADES
@pytest.mark.parametrize("weight_average", [0.9, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_number_of_threads_changes_no_bit(facade, weight_average, dtype):
    keywords = {"X": X.astype(dtype), "batch": 30, "weight_average": weight_average}
    one = facade(3, **keywords, n_threads=1)
    for n_threads in (2, 3):
        again = facade(3, **keywords, n_threads=n_threads)
        assert np.array_equal(again[1], one[1])
        assert again[2] == one[2]


# `partial_fit`, copies, and what is refused


def classes(n):
    return {} if n else {"classes": range(10)}


def test_partial_fit_goes_on_from_the_weights_themselves():
    settings = {"hidden_layer_sizes": (7,), "random_state": 1, "shuffle": False, "batch_size": 20}
    whole = MLPClassifier(**settings, max_iter=4, weight_average=0.95).fit(X, Y)
    steps = MLPClassifier(**settings, weight_average=0.95)
    for n in range(4):
        steps.partial_fit(X, Y, **classes(n))
        steps = pickle.loads(pickle.dumps(steps))
    assert np.array_equal(flat(steps), flat(whole))
    assert not np.array_equal(flat(steps), flat(clone(whole).set_params(weight_average=0.9)
                                                .fit(X, Y)))  # fmt: skip


def test_weights_that_the_caller_has_written_count():
    settings = {"hidden_layer_sizes": (7,), "random_state": 1, "shuffle": False, "solver": "sgd",
                "momentum": 0, "batch_size": len(X)}  # fmt: skip
    averaged, plain = (MLPClassifier(**settings, weight_average=it) for it in (0.75, None))
    for n in range(3):
        averaged.partial_fit(X, Y, **classes(n))
        plain.partial_fit(X, Y, **classes(n))
    for part in averaged.coefs_ + averaged.intercepts_ + plain.coefs_ + plain.intercepts_:
        part[:] = 0.125
    written = flat(plain)
    averaged.partial_fit(X, Y)
    plain.partial_fit(X, Y)
    np.testing.assert_allclose(flat(averaged), 0.75 * written + 0.25 * flat(plain), rtol=1e-12)


def test_a_warm_start_begins_with_the_average():
    settings = {"hidden_layer_sizes": (7,), "random_state": 1, "shuffle": False, "max_iter": 3}
    first = MLPClassifier(**settings, weight_average=0.9, warm_start=True).fit(X, Y)
    starts = {"coefs_init": [part.copy() for part in first.coefs_],
              "intercepts_init": [part.copy() for part in first.intercepts_]}  # fmt: skip
    again = MLPClassifier(**settings, **starts, weight_average=0.9)
    assert np.array_equal(flat(first.fit(X, Y)), flat(again.fit(X, Y)))


def test_none_is_no_average():
    assert np.array_equal(flat(textbook(3)[0]), flat(textbook(3, weight_average=None)[0]))


def test_what_is_refused():
    message = "weight_average must be a decay above 0 and below 1, or a whole number of epochs"
    with pytest.raises(ValueError, match=message):
        NeuralNetMLP(weight_average=1.0).fit(X, Y)
    with pytest.raises(ValueError, match="'weight_average' parameter of MLPClassifier must be"):
        MLPClassifier(weight_average=1).fit(X, Y)
    with pytest.raises(ValueError, match="weight_average is for the solvers"):
        MLPRegressor(solver="lbfgs", weight_average=0.9).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="partial_fit does not support weight_average=3, which"):
        MLPClassifier(weight_average=3).partial_fit(X, Y, classes=range(10))
