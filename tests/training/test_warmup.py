"""Warm-up: the rates of each step, and training with them, against loops over the steps."""

import math

import numpy as np
import pytest
from oracle import gradient, initial
from small import X, Y, model

from mlpcore.sklearn import MLPClassifier, MLPRegressor
from mlpcore.training.schedules import Schedule

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# 120 rows in minibatches of 13, of which NeuralNetMLP leaves out the shorter rest.
STEPS, EPOCHS, ETA = 9, 4, 0.01


def expected(schedule, warmup_epochs, epochs=EPOCHS, rate=ETA):
    """The rate of every step, one by one."""
    total, warmup = epochs * STEPS, round(warmup_epochs * STEPS)
    rates = []
    for step in range(total):
        now = rate
        if schedule == "cosine" and step >= warmup:
            now *= (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
        if schedule == "invscaling" and step >= STEPS:
            now /= (step // STEPS * 120 + 1) ** 0.5
        rates.append(now * min(1, (step + 1) / (warmup + 1)))
    return rates


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "cosine"])
@pytest.mark.parametrize("warmup_epochs", [0, 0.3, 1, 2.5])
def test_rates(schedule, warmup_epochs):
    plan = Schedule(schedule, ETA, 0.5, warmup_epochs)
    rates = []
    for epoch in range(EPOCHS):
        one = plan.rates(STEPS, EPOCHS)
        if schedule != "cosine" and epoch >= warmup_epochs:
            assert one is None
        rates += [plan.step_size] * STEPS if one is None else one.tolist()
        plan.epoch_ends(120 * (epoch + 1))
    np.testing.assert_allclose(rates, expected(schedule, warmup_epochs), rtol=1e-14)


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "cosine"])
@pytest.mark.parametrize("warmup_epochs", [0.5, 2.5])
def test_training_goes_by_these_rates(schedule, warmup_epochs):
    fitted = model(epochs=EPOCHS, schedule=schedule, warmup_epochs=warmup_epochs).fit(X, Y)
    rng, targets = np.random.RandomState(1), np.eye(10)[Y]
    layers = initial((64, 7, 10), rng)
    rates = iter(expected(schedule, warmup_epochs))
    for _ in range(EPOCHS):
        order = np.arange(len(X))
        rng.shuffle(order)
        for start in range(0, STEPS * 13, 13):
            rows, rate = order[start : start + 13], next(rates)
            for (w, b), (grad_w, grad_b) in zip(
                layers, gradient(layers, X[rows], targets[rows]), strict=True
            ):
                w -= rate * grad_w
                b -= rate * grad_b
    for mine, (w, _) in zip(fitted.coefs_, layers, strict=True):
        np.testing.assert_allclose(mine, w, rtol=1e-9, atol=1e-11)


def weights(estimator):
    return np.concatenate([part.ravel() for part in estimator.coefs_ + estimator.intercepts_])


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    ("solver", "schedule"), [("adamw", "cosine"), ("sgd", "invscaling"), ("adam", "constant")]
)
def test_estimators_go_by_the_same_rates(estimator, solver, schedule):
    settings = {"hidden_layer_sizes": (5,), "solver": solver, "learning_rate_init": ETA,
                "random_state": 0, "shuffle": False, "max_iter": EPOCHS}  # fmt: skip
    fitted = estimator(**settings, batch_size=14, learning_rate=schedule, warmup_epochs=1.5)
    fitted.fit(X, Y)
    steps = estimator(**settings)
    keywords = {"classes": range(10)} if estimator is MLPClassifier else {}
    for i, rate in enumerate(expected(schedule, 1.5)):
        if i == 0:
            steps.set_params(learning_rate_init=rate)
        else:
            steps._optimizer.step_size = rate
        rows = slice(i % STEPS * 14, i % STEPS * 14 + 14)
        steps.partial_fit(X[rows], Y[rows], **(keywords if i == 0 else {}))
    np.testing.assert_allclose(weights(fitted), weights(steps), rtol=1e-9, atol=1e-12)


def test_partial_fit_warms_up_from_call_to_call():
    fitted = MLPClassifier((5,), random_state=0, max_iter=3, warmup_epochs=2, shuffle=False)
    one = fitted.fit(X, Y)
    again = MLPClassifier((5,), random_state=0, warmup_epochs=2, shuffle=False)
    for _ in range(3):
        again.partial_fit(X, Y, classes=range(10))
    np.testing.assert_allclose(weights(again), weights(one), rtol=1e-12)


def test_number_of_threads_changes_no_bit():
    keywords = {"warmup_epochs": 1.5, "schedule": "cosine", "n_hidden": 40}
    one = model(**keywords, n_threads=1).fit(X, Y)
    for n_threads in (2, 3):
        again = model(**keywords, n_threads=n_threads).fit(X, Y)
        assert all(np.array_equal(a, b) for a, b in zip(one.coefs_, again.coefs_, strict=True))


def test_what_has_no_room_for_a_warm_up():
    with pytest.raises(ValueError, match='warmup_epochs must be 0 with schedule="one_cycle"'):
        model(schedule="one_cycle", warmup_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match=r'must be 0 with learning_rate="one_cycle".*got 0\.5'):
        MLPClassifier(learning_rate="one_cycle", warmup_epochs=0.5).fit(X, Y)
    with pytest.raises(ValueError, match=r"below epochs \(2\) with schedule=.*got 2\."):
        model(schedule="cosine", warmup_epochs=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"below max_iter \(3\) with learning_rate="):
        MLPRegressor(max_iter=3, learning_rate="cosine", warmup_epochs=5).fit(X, Y)
    with pytest.raises(ValueError, match="warmup_epochs is for the solvers"):
        MLPClassifier(solver="lbfgs", warmup_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="'warmup_epochs' parameter of MLPClassifier must be"):
        MLPClassifier(warmup_epochs=-1).fit(X, Y)
    # A constant rate needs no end of the warm-up.
    assert model(warmup_epochs=5).fit(X, Y).n_iter_ == 2
