"""What mlpcore.sklearn has beyond scikit-learn, each against its formula."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn.neural_network as theirs
from cases import weights
from oracle import ACTIVATIONS, LOSSES, OPTIMIZERS, OUTPUTS
from scipy.special import xlogy
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mlpcore.sklearn import MLPClassifier, MLPRegressor
from mlpcore.sklearn._optimizer import STOCHASTIC
from mlpcore.training.schedules import cosine, one_cycle

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 60
X, Y = make_classification(N, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
NUMBERS = make_regression(N, 6, noise=1, random_state=0)[1] / 100
FAST = {"hidden_layer_sizes": (5, 4), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.01}
STEP = {**FAST, "solver": "sgd", "momentum": 0, "max_iter": 1, "batch_size": N, "alpha": 0}


def start(cls=MLPClassifier, y=Y, **settings):
    """The weights that a fit with these settings starts from: those after a step of no length."""
    return cls(**{**STEP, "learning_rate_init": 1e-300, **settings}).fit(X, y)


# Losses, activations and output activations, by formula and by differences.

NUMBERS_LOSSES = [name for name, loss in LOSSES.items() if loss.targets != "probability"]
# A value for each parameter that a loss has.
PARAMETERS = {loss.parameter[0]: loss.parameter[1][0] for loss in LOSSES.values() if loss.parameter}


def loss_of(name, y, p):
    """The mean over the rows."""
    parameter = LOSSES[name].parameter
    terms = LOSSES[name].terms(p, y, *(PARAMETERS[parameter[0]],) if parameter else ())
    return terms.sum(axis=1).mean()


def outputs(model, rows, units, out):
    a = rows
    for i, (w, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        a = OUTPUTS[[*units, out][i]](a @ w + b)
    return a


def check_gradient(model, y, value, scale=1):
    """Loss by its formula, and gradient by central differences of `scale` times the loss."""
    theta = np.concatenate([part.ravel() for part in model.coefs_ + model.intercepts_])
    loss, gradient = model._loss_grad_lbfgs(theta, X, y)
    assert loss == pytest.approx(value, rel=1e-10)
    h = 1e-6
    for i in np.random.default_rng(0).permutation(theta.size)[:40]:
        ends = []
        for sign in (1, -1):
            shifted = theta.copy()
            shifted[i] += sign * h
            ends.append(model._loss_grad_lbfgs(shifted, X, y)[0])
        assert gradient[i] == pytest.approx(
            scale * (ends[0] - ends[1]) / (2 * h), rel=1e-4, abs=1e-7
        )


@pytest.mark.parametrize("out", [None, *sorted(set(OUTPUTS) - {"softmax"})])
@pytest.mark.parametrize("loss", NUMBERS_LOSSES)
@pytest.mark.parametrize("targets", [1, 2])
def test_losses_of_numbers(loss, out, targets):
    if loss == "poisson" and out not in (None, "exp", "softplus", "logistic"):
        pytest.skip("the Poisson deviance is of outputs above zero")
    y = abs(NUMBERS) if targets == 1 else abs(np.column_stack([NUMBERS, NUMBERS[::-1]]))
    settings = {**PARAMETERS, "activation": ["tanh", "silu"], "solver": "lbfgs"}
    settings |= {"alpha": 0.2, "l1": 0.1} if targets == 1 else {"alpha": 0}
    reg = MLPRegressor(loss, (5, 4), **settings, out_activation=out, max_iter=3, random_state=0)
    reg.fit(X, y)
    default = LOSSES[loss].output
    assert reg.out_activation_ == (out or default)
    p = outputs(reg, X, ["tanh", "silu"], out or default)
    np.testing.assert_allclose(reg.predict(X), p if targets > 1 else p[:, 0])
    penalty = sum(reg.alpha / 2 * (w**2).sum() + reg.l1 * abs(w).sum() for w in reg.coefs_) / N
    # As in scikit-learn the loss is the mean over the outputs, and the gradient that of their sum.
    scale = targets if LOSSES[loss].averaged else 1
    y = y.reshape(N, targets)
    check_gradient(reg, y, loss_of(loss, y, p) + penalty, scale)


@pytest.mark.parametrize("second", ACTIVATIONS)
def test_an_activation_for_each_layer(second):
    reg = MLPRegressor(
        hidden_layer_sizes=(5, 4), activation=["tanh", second], solver="lbfgs", max_iter=3,
        random_state=0,
    ).fit(X, NUMBERS)  # fmt: skip
    p = outputs(reg, X, ["tanh", second], "identity")
    np.testing.assert_allclose(reg.predict(X), p[:, 0])
    penalty = sum(0.5e-4 * (w**2).sum() for w in reg.coefs_) / N
    check_gradient(reg, NUMBERS.reshape(-1, 1), ((NUMBERS - p[:, 0]) ** 2).mean() / 2 + penalty)


def test_a_list_of_one_and_the_same_activation_is_that_activation():
    a, b = (
        MLPClassifier(**FAST, activation=name).fit(X, Y) for name in ("logistic", ["logistic"] * 2)
    )
    assert np.array_equal(weights(a), weights(b))


def test_logistic_outputs_for_several_classes():
    """Each output learns its own class, as labels of which several apply would."""
    clf = MLPClassifier(**FAST, out_activation="logistic").fit(X, Y)
    many = MLPClassifier(**FAST).fit(X, np.eye(3, dtype=int)[Y])
    np.testing.assert_allclose(clf.loss_curve_, many.loss_curve_)
    np.testing.assert_allclose(weights(clf), weights(many))
    own = many.predict_proba(X)
    np.testing.assert_allclose(clf.predict_proba(X), own / own.sum(axis=1, keepdims=True))
    assert np.array_equal(clf.predict(X), own.argmax(axis=1))


def test_rows_far_from_every_class_have_probabilities():
    clf = MLPClassifier(**FAST, out_activation="logistic").fit(X, Y)
    clf.intercepts_[-1][:] = -1e5
    proba = clf.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba >= 0).all()


# Penalties and limits, by what they do to a single step.


def step(y=Y, cls=MLPClassifier, **settings):
    """The change of all weights in one plain step, divided by the learning rate."""
    model = cls(**{**STEP, **settings}).fit(X, y)
    return (weights(model) - weights(start(cls, y))) / STEP["learning_rate_init"]


def test_l1():
    begin = start()
    signs = [np.sign(w).ravel() for w in begin.coefs_] + [0 * b for b in begin.intercepts_]
    expected = step() - 0.7 / N * np.concatenate(signs)
    np.testing.assert_allclose(step(l1=0.7), expected, atol=1e-10)
    plain, penalised = (MLPClassifier(**{**STEP, "l1": l1}).fit(X, Y).loss_ for l1 in (0.0, 0.7))
    added = 0.7 / N * sum(abs(w).sum() for w in begin.coefs_)
    assert penalised == pytest.approx(plain + added)


@pytest.mark.parametrize("alpha", [0, 5.0])
def test_clip_norm(alpha):
    """The whole gradient, penalty included, is shortened; one that is short enough is not."""
    full = step(alpha=alpha)
    length = np.linalg.norm(full)
    np.testing.assert_allclose(
        step(alpha=alpha, clip_norm=0.01), full * 0.01 / length, rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(step(alpha=alpha, clip_norm=1.01 * length), full, rtol=1e-6)


def test_max_norm():
    clf = MLPClassifier(**{**STEP, "max_norm": 0.8, "learning_rate_init": 0.1}).fit(X, Y)
    free = MLPClassifier(**{**STEP, "learning_rate_init": 0.1}).fit(X, Y)
    shortened = 0
    for mine, other in zip(clf.coefs_, free.coefs_, strict=True):
        norm = np.linalg.norm(other, axis=0)
        np.testing.assert_allclose(mine, other * np.minimum(1, 0.8 / norm), rtol=1e-9)
        shortened += (norm > 0.8).sum()
    assert 0 < shortened < 12
    assert all(map(np.array_equal, clf.intercepts_, free.intercepts_))


def test_adamw():
    """One step: Adam's, and apart from it the decay of weights, not of biases."""
    settings = {**STEP, "solver": "adam"}
    adam = MLPClassifier(**settings).fit(X, Y)
    adamw = MLPClassifier(**{**settings, "solver": "adamw", "weight_decay": 0.3}).fit(X, Y)
    for mine, other, begin in zip(adamw.coefs_, adam.coefs_, start().coefs_, strict=True):
        np.testing.assert_allclose(mine, other - 0.01 * 0.3 * begin, rtol=1e-9)
    for mine, other in zip(adamw.intercepts_, adam.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)
    long, longw = (
        MLPClassifier(**{**FAST, "solver": solver, "weight_decay": 0}).fit(X, Y)
        for solver in ("adam", "adamw")
    )
    np.testing.assert_allclose(weights(longw), weights(long), rtol=1e-12)


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_solvers_are_the_engines_optimizers(solver):
    """A step on all rows, from the gradient that a step of plain descent shows."""
    rule, values = OPTIMIZERS[solver]
    begin, state = start(), [[0.0] * 2 for _ in range(6)]
    sizes = [part.size for part in begin.coefs_ + begin.intercepts_]
    gradients = np.split(-step(), np.cumsum(sizes)[:-1])
    clf = MLPClassifier(**{**STEP, "solver": solver, **values}).fit(X, Y)
    for mine, old, g, vectors in zip(
        clf.coefs_ + clf.intercepts_, begin.coefs_ + begin.intercepts_, gradients, state,
        strict=True,
    ):  # fmt: skip
        exact = rule(old, g.reshape(old.shape), vectors, 1, STEP["learning_rate_init"], **values)
        np.testing.assert_allclose(mine, np.float64(exact), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_only_scikit_learns_own_optimisers_hand_over_their_state(solver):
    """Then the next steps are the same; the state of another one stays behind."""
    settings = {**FAST, "solver": solver, "shuffle": False, "weight_decay": 0}
    clf = MLPClassifier(**settings)
    for _ in range(3):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
    other = clf.to_sklearn()
    assert hasattr(other, "_optimizer") == (solver in ("sgd", "adam", "adamw"))
    assert other.solver == (solver if solver in ("sgd", "adam") else "adam")
    np.testing.assert_allclose(other.predict_proba(X), clf.predict_proba(X), rtol=1e-9)
    if hasattr(other, "_optimizer"):
        for model in (clf, other):
            model.partial_fit(X, Y)
        np.testing.assert_allclose(weights(clf), weights(other), rtol=1e-6, atol=1e-9)


# Dropout.


def test_dropout_of_nothing_changes_nothing():
    plain = MLPClassifier(**FAST).fit(X, Y)
    for rates in (0, [0.0, 0.0], [0, 0, 0]):
        assert np.array_equal(
            weights(MLPClassifier(**FAST, dropout=rates).fit(X, Y)), weights(plain)
        )


def test_dropout_is_drawn_from_the_random_state():
    settings = {**FAST, "dropout": 0.4}
    a, b = (MLPClassifier(**settings).fit(X, Y) for _ in range(2))
    assert np.array_equal(weights(a), weights(b))
    c = MLPClassifier(**{**settings, "random_state": 1}).fit(X, Y)
    assert abs(a.loss_ - c.loss_) > 1e-6
    assert abs(a.loss_ - MLPClassifier(**FAST).fit(X, Y).loss_) > 1e-6
    assert np.array_equal(a.predict_proba(X), a.predict_proba(X))  # none in prediction


def test_dropout_of_one_layer():
    """A layer whose units are all but left out learns nothing of what comes before it."""
    settings = {**STEP, "activation": "tanh", "solver": "sgd", "max_iter": 3}
    clf = MLPClassifier(**settings, dropout=[0, 1 - 1e-9]).fit(X, Y)
    begin = start(activation="tanh")
    assert np.array_equal(clf.coefs_[0], begin.coefs_[0])
    assert np.array_equal(clf.coefs_[2], begin.coefs_[2])
    assert not np.array_equal(clf.intercepts_[2], begin.intercepts_[2])
    features = MLPClassifier(**settings, dropout=[1 - 1e-9, 0, 0]).fit(X, Y)
    assert np.array_equal(features.coefs_[0], begin.coefs_[0])
    assert not np.array_equal(features.coefs_[1], begin.coefs_[1])


def test_dropout_keeps_the_mean():
    """Linear units, errors of one kind: the mean of steps with many masks is that without any."""
    settings = STEP | {"hidden_layer_sizes": 4, "activation": "identity", "random_state": None}
    rng = np.random.default_rng(0)
    settings["coefs_init"] = [rng.normal(size=(6, 4)), np.zeros((4, 1))]
    settings["intercepts_init"] = [np.zeros(4), np.zeros(1)]
    # The output weights are zero: their step is hidden units times errors that no mask changes.
    plain = MLPRegressor(**settings).fit(X, NUMBERS).coefs_[1]
    steps = [MLPRegressor(**settings, dropout=0.5).fit(X, NUMBERS).coefs_[1] for _ in range(400)]
    error = np.std(steps, axis=0) / np.sqrt(len(steps))
    assert (abs(np.mean(steps, axis=0) - plain) < 5 * error).all()
    assert (error < 0.1 * abs(plain).max()).all()


def test_dropout_with_threads():
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(600, 80)), rng.integers(0, 3, 600)
    found = [
        MLPClassifier((90, 50), random_state=0, max_iter=3, dropout=[0.1, 0.5, 0.3], n_threads=n)
        .fit(rows, y)
        .coefs_
        for n in (1, 2, 3)
    ]
    for coefs in found[1:]:
        assert all(map(np.array_equal, coefs, found[0]))


def test_partial_fit_goes_on_with_other_masks():
    clf = MLPClassifier(**{**STEP, "dropout": 0.5})
    changes, before = [], None
    for _ in range(3):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
        clf._optimizer.step_size = 1e-3
        now = weights(clf)
        if before is not None:
            changes.append(now - before)
        before = now
    # Nearly the same weights and the same rows: with the same masks the steps would be parallel.
    a, b = (change / np.linalg.norm(change) for change in changes)
    assert a @ b < 0.99


@pytest.mark.parametrize("rates", [[0.1], [0.1] * 4, [0.1, 1.0], [-0.1, 0.0]])
def test_dropout_rates_that_do_not_fit(rates):
    with pytest.raises(ValueError, match="dropout must be one rate"):
        MLPClassifier(**FAST, dropout=rates).fit(X, Y)


# Penalties of each layer.


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_penalty_of_each_layer(estimator):
    """Steps, the loss, and loss and gradient of L-BFGS."""
    y = Y if estimator is MLPClassifier else NUMBERS
    before = start(estimator, y, hidden_layer_sizes=(5, 4))
    plain = estimator(**STEP).fit(X, y)
    alpha = np.array([0.3, 0.0, 0.7])
    fitted = estimator(**{**STEP, "alpha": alpha}).fit(X, y)
    for a, w, mine, without in zip(alpha, before.coefs_, fitted.coefs_, plain.coefs_, strict=True):
        np.testing.assert_allclose(mine, without - 0.01 * a / N * w, rtol=1e-9, atol=1e-12)
    penalty = sum(a / 2 / N * (w**2).sum() for a, w in zip(alpha, before.coefs_, strict=True))
    assert fitted.loss_ == pytest.approx(plain.loss_ + penalty, rel=1e-9)
    if estimator is MLPRegressor:
        before.set_params(alpha=alpha)
        p = before.predict(X)
        check_gradient(before, NUMBERS.reshape(-1, 1), ((NUMBERS - p) ** 2).mean() / 2 + penalty)
    assert fitted.to_sklearn().alpha == 0.0001  # it has one for all layers


def test_a_decay_of_each_layer():
    settings = {**STEP, "solver": "adamw"}
    before = start(solver="adamw")
    plain, all_of_it = (
        MLPClassifier(**settings, weight_decay=decay).fit(X, Y) for decay in (0, (0.5, 0.0, 2.0))
    )
    for decay, w, mine, without in zip(
        (0.5, 0.0, 2.0), before.coefs_, all_of_it.coefs_, plain.coefs_, strict=True
    ):
        np.testing.assert_allclose(mine, without - 0.01 * decay * w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["alpha", "weight_decay"])
@pytest.mark.parametrize("numbers", [[0.1], [0.1] * 4, [0.1, 0.1, -1], [0.1, 0.1, np.nan]])
def test_numbers_of_layers_that_do_not_fit(name, numbers):
    with pytest.raises(ValueError, match=f"{name} must be one number >= 0, or one for each of the"):
        MLPClassifier(**FAST, **{name: numbers}).fit(X, Y)


# Schedules.


def torch_one_cycle(total):
    """torch.optim.lr_scheduler.OneCycleLR's rates with its defaults, for max_lr=1."""

    def between(start, end, share):
        return end + (start - end) / 2 * (1 + np.cos(np.pi * share))

    rates, peak = [], 0.3 * total - 1
    for step in range(total):
        if step <= peak:
            rates.append(between(1 / 25, 1, step / peak))
        else:
            rates.append(between(1, 1 / 25 / 1e4, (step - peak) / (total - 1 - peak)))
    return rates


def test_schedules():
    for total in (20, 37, 1000):
        step = np.arange(total)
        np.testing.assert_allclose(one_cycle(step, total), torch_one_cycle(total), rtol=1e-12)
        np.testing.assert_allclose(cosine(step, total), np.cos(np.pi * step / total / 2) ** 2)
    for total in (1, 2, 3, 4):
        rates = one_cycle(np.arange(total), total)
        assert ((rates > 0) & (rates <= 1)).all()


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize(("name", "plan"), [("cosine", cosine), ("one_cycle", one_cycle)])
def test_scheduled_fit_is_a_row_of_steps_with_those_rates(solver, name, plan):
    settings = {**FAST, "solver": solver, "batch_size": 25, "shuffle": False, "weight_decay": 0.1}
    clf = MLPClassifier(**settings, learning_rate=name).fit(X, Y)
    steps = MLPClassifier(**settings | {"batch_size": "auto"})
    # 60 rows in minibatches of 25: three a epoch, the last one shorter.
    batches = [slice(0, 25), slice(25, 50), slice(50, 60)]
    for i, rate in enumerate(0.01 * plan(np.arange(18.0), 18)):
        rows = batches[i % 3]
        if i == 0:
            steps.set_params(learning_rate_init=rate)
        else:
            steps._optimizer.step_size = rate
        steps.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    np.testing.assert_allclose(weights(clf), weights(steps), rtol=1e-9, atol=1e-12)


def test_planned_epochs_do_not_warn(recwarn):
    for name in ("cosine", "one_cycle"):
        clf = MLPClassifier(**FAST, learning_rate=name).fit(X, Y)
        assert clf.n_iter_ == 6
    assert not recwarn


def test_planned_schedules_are_for_fit():
    clf = MLPClassifier(**FAST, learning_rate="one_cycle")
    with pytest.raises(ValueError, match=r"planned for the whole of a fit. Use fit"):
        clf.partial_fit(X, Y, classes=[0, 1, 2])


# Validation.


def test_validation_loss_of_classes():
    train, rest = train_test_split(np.arange(N), random_state=0)
    weight = np.linspace(0.5, 2, len(rest))
    for labels in (Y, (Y > 0).astype(int)):
        for w in (None, weight):
            clf = MLPClassifier(**FAST).fit(
                X[train], labels[train], X_val=X[rest], y_val=labels[rest], sample_weight_val=w
            )
            assert len(clf.validation_loss_curve_) == len(clf.loss_curve_) == 6
            expected = log_loss(labels[rest], clf.predict_proba(X[rest]), sample_weight=w)
            assert clf.validation_loss_curve_[-1] == pytest.approx(expected)
            # Looking on does not change the training.
            plain = MLPClassifier(**FAST).fit(X[train], labels[train])
            assert np.array_equal(weights(clf), weights(plain))
            assert plain.validation_loss_curve_ is None


def test_validation_loss_of_labels_of_which_several_apply():
    rows, y = make_multilabel_classification(N, 6, n_classes=3, random_state=0)
    clf = MLPClassifier(**FAST).fit(rows, y, X_val=rows[:20], y_val=y[:20])
    p = clf.predict_proba(rows[:20])
    expected = -(xlogy(y[:20], p) + xlogy(1 - y[:20], 1 - p)).sum(axis=1).mean()
    assert clf.validation_loss_curve_[-1] == pytest.approx(expected)


@pytest.mark.parametrize("loss", NUMBERS_LOSSES)
def test_validation_loss_of_numbers(loss):
    y = abs(NUMBERS)
    reg = MLPRegressor(loss, **FAST, **PARAMETERS).fit(X, y, X_val=X[:20], y_val=y[:20])
    expected = loss_of(loss, y[:20, None], reg.predict(X[:20])[:, None])
    assert reg.validation_loss_curve_[-1] == pytest.approx(expected)


def test_early_stopping_on_a_custom_validation_set():
    settings = {**FAST, "max_iter": 100, "early_stopping": True, "n_iter_no_change": 3, "tol": 0.01}
    clf = MLPClassifier(**settings).fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:])
    assert 4 <= clf.n_iter_ < 100
    assert len(clf.validation_scores_) == clf.n_iter_ == len(clf.validation_loss_curve_)
    assert clf.score(X[40:], Y[40:]) == clf.best_validation_score_ == max(clf.validation_scores_)
    # All of X is trained on: the same epochs without looking on end at the same weights.
    best = int(np.argmax(clf.validation_scores_)) + 1
    plain = MLPClassifier(**{**FAST, "max_iter": best}).fit(X[:40], Y[:40])
    assert np.array_equal(weights(plain), weights(clf))


@pytest.mark.parametrize(
    ("given", "missing"), [("X_val", "y_val"), ("y_val", "X_val"), ("sample_weight_val", "X_val")]
)
def test_half_a_validation_set(given, missing):
    values = {"X_val": X[:9], "y_val": Y[:9], "sample_weight_val": np.ones(9)}
    with pytest.raises(ValueError, match=f"X_val and y_val belong together.*got only {given}"):
        MLPClassifier(**FAST).fit(X, Y, **{given: values[given]})
    assert missing != given


def test_validation_set_through_a_pipeline():
    """Its rows go through the steps before, as scikit-learn's Pipeline does on request."""
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        clf = MLPClassifier(**FAST).set_fit_request(X_val=True, y_val=True)
        pipe = Pipeline([("scale", StandardScaler()), ("net", clf)], transform_input=["X_val"])
        pipe.fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:])
        expected = log_loss(Y[40:], pipe.predict_proba(X[40:]))
        assert pipe[-1].validation_loss_curve_[-1] == pytest.approx(expected)


def test_validation_set_of_another_kind():
    with pytest.raises(ValueError, match="`y_val` has classes not in"):
        MLPClassifier(**FAST).fit(X, Y, X_val=X[:9], y_val=np.arange(9))
    with pytest.raises(ValueError, match="X has 5 features"):
        MLPClassifier(**FAST).fit(X, Y, X_val=X[:9, 1:], y_val=Y[:9])


@pytest.mark.parametrize(
    ("settings", "validation", "name"),
    [
        ({}, {"X_val": X, "y_val": Y}, "X_val"),
        ({"dropout": 0.1}, {}, "dropout"),
        ({"clip_norm": 1.0}, {}, "clip_norm"),
        ({"max_norm": 1.0}, {}, "max_norm"),
    ],
)
def test_what_lbfgs_has_no_use_for(settings, validation, name):
    clf = MLPClassifier(**FAST | {"solver": "lbfgs"}, **settings)
    with pytest.raises(ValueError, match=f"^{name} is for the solvers sgd, adam, adamw.*; got"):
        clf.fit(X, Y, **validation)


# Starting weights.


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.filterwarnings("ignore:.*iprint.*:DeprecationWarning")  # of older scikit-learn
def test_starting_weights(solver):
    """As in scikit-learn where one puts them into the lists before a warm start."""
    rng = np.random.default_rng(0)
    shapes = [(6, 5), (5, 4), (4, 3)]
    coefs = [rng.normal(0, 0.3, shape) for shape in shapes]
    intercepts = [rng.normal(0, 0.3, shape[1]) for shape in shapes]
    settings = FAST | {"solver": solver, "shuffle": False}
    clf = MLPClassifier(**settings, coefs_init=coefs, intercepts_init=intercepts).fit(X, Y)
    other = theirs.MLPClassifier(**settings | {"max_iter": 1}, warm_start=True).fit(X, Y)
    other.coefs_, other.intercepts_ = [w.copy() for w in coefs], [b.copy() for b in intercepts]
    other.set_params(max_iter=6).fit(X, Y)
    np.testing.assert_allclose(weights(clf), weights(other), rtol=1e-6, atol=1e-9)
    # What is not given is drawn as ever; what is given is not changed.
    half = start(coefs_init=coefs)
    assert all(map(np.array_equal, half.coefs_, coefs))
    assert all(map(np.array_equal, half.intercepts_, start().intercepts_))


def test_starting_weights_that_do_not_fit():
    for name in ("coefs_init", "intercepts_init"):
        with pytest.raises(ValueError, match=f"{name} must hold an array for each layer"):
            MLPClassifier(**FAST, **{name: [np.zeros((6, 5))]}).fit(X, Y)
    with pytest.raises(ValueError, match="intercepts_init must be finite"):
        MLPClassifier(**FAST, intercepts_init=[np.zeros(5), np.zeros(4), [0, np.nan, 0]]).fit(X, Y)


# Mistakes.


@pytest.mark.parametrize(
    ("cls", "settings", "text"),
    [
        (MLPClassifier, {"activation": "swish"}, "'activation' parameter of MLPClassifier"),
        (MLPClassifier, {"activation": ["relu"]}, "one for each of the 2 hidden layers; got 1"),
        (MLPClassifier, {"activation": ["relu", "swish"]}, "activation must hold names.*'swish'"),
        (MLPClassifier, {"out_activation": "tanh"}, "'out_activation' parameter"),
        (MLPRegressor, {"out_activation": "softmax"}, "'out_activation' parameter"),
        (MLPRegressor, {"loss": "poisson", "out_activation": "relu"}, "needs outputs above zero"),
        (MLPRegressor, {"loss": "cauchy"}, "'loss' parameter"),
        (MLPRegressor, {"delta": 0}, "'delta' parameter"),
        (MLPRegressor, {"quantile": 1.0}, "'quantile' parameter"),
        (MLPRegressor, {"l1": -1}, "'l1' parameter"),
        (MLPRegressor, {"clip_norm": 0}, "'clip_norm' parameter"),
        (MLPRegressor, {"max_norm": -2.0}, "'max_norm' parameter"),
        (MLPRegressor, {"dropout": 1.0}, "'dropout' parameter"),
        (MLPRegressor, {"weight_decay": -0.1}, "'weight_decay' parameter"),
        (MLPRegressor, {"n_threads": 0}, "'n_threads' parameter"),
        (MLPRegressor, {"scoring": "goodness", "early_stopping": True}, "'goodness'"),
    ],
)
def test_mistakes(cls, settings, text):
    with pytest.raises(ValueError, match=text):
        cls(**FAST, **settings).fit(X, Y)


def test_softmax_of_two_classes():
    with pytest.raises(ValueError, match=r"softmax.*for three classes or more.*got binary y"):
        MLPClassifier(**FAST, out_activation="softmax").fit(X, Y > 0)
