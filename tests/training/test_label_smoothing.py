"""Label smoothing: steps and losses against those of the smoothed targets, in NumPy."""

import numpy as np
import pytest
from oracle import LOSSES, OUTPUTS, gradient, initial
from small import X, Y, model

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient as engine_gradient
from mlpcore.engine.trainer import Trainer
from mlpcore.sklearn import MLPClassifier, MLPRegressor

S = 0.15
CLASSES = 10
SMOOTHED = np.where(np.eye(CLASSES)[Y], 1 - S + S / CLASSES, S / CLASSES)
# A step of plain gradient descent over all rows.
STEP = {"solver": "sgd", "momentum": 0, "max_iter": 1, "batch_size": len(X), "alpha": 0,
        "hidden_layer_sizes": (), "learning_rate_init": 0.5, "random_state": 1}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_the_textbooks_network_learns_the_smoothed_targets():
    layers = initial((64, 7, CLASSES), np.random.RandomState(1))
    fitted = model(epochs=1, minibatch_size=len(X), l2=0.1, label_smoothing=S).fit(X, Y)
    for (w, b), (grad_w, grad_b) in zip(layers, gradient(layers, X, SMOOTHED, l2=0.1), strict=True):
        w -= 0.01 * grad_w
        b -= 0.01 * grad_b
    for mine, (w, _) in zip(fitted.coefs_, layers, strict=True):
        np.testing.assert_allclose(mine, w, rtol=1e-9, atol=1e-11)
    a = OUTPUTS["logistic"](X @ layers[0][0] + layers[0][1])
    z = a @ layers[1][0] + layers[1][1]
    cost = LOSSES["binary_cross_entropy"].logit_terms(z, SMOOTHED).sum()
    cost += 0.1 * sum((w**2).sum() for w, _ in layers)
    assert fitted.eval_["cost"] == pytest.approx([cost], rel=1e-9)
    assert fitted.eval_["train_acc"] == [np.mean(z.argmax(axis=1) == Y)]


def start(y, **keywords):
    """The weights before the step."""
    settings = {**STEP, **keywords, "learning_rate_init": 1e-300}
    return MLPClassifier(**settings).fit(X, y)


TARGETS = {
    "three or more classes": (Y, {}, SMOOTHED, "cross_entropy"),
    "each class for itself": (Y, {"out_activation": "logistic"}, SMOOTHED, "binary_cross_entropy"),
    "two classes": (
        Y > 4, {}, np.where(Y > 4, 1 - S / 2, S / 2)[:, None], "binary_cross_entropy"),
    "several labels": (
        np.eye(10, dtype=int)[Y], {}, np.where(np.eye(10)[Y], 1 - S / 2, S / 2),
        "binary_cross_entropy"),
}  # fmt: skip


@pytest.mark.parametrize("case", TARGETS)
def test_the_estimator_learns_the_smoothed_targets(case):
    y, keywords, t, loss = TARGETS[case]
    before = start(y, **keywords)
    w, b = before.coefs_[0], before.intercepts_[0]
    output, value = LOSSES[loss].output, LOSSES[loss].logit_terms(X @ w + b, t).sum(axis=1)
    error = (OUTPUTS[output](X @ w + b) - t) / len(X)
    fitted = MLPClassifier(**STEP, **keywords, label_smoothing=S).fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(fitted.coefs_[0], w - 0.5 * X.T @ error, rtol=1e-9, atol=1e-12)
    assert fitted.loss_curve_ == pytest.approx([value.mean()], rel=1e-9)
    # On the validation rows it is the loss of the labels.
    labels = {10: np.eye(10)[Y], 1: (Y > 4)[:, None]}[fitted.n_outputs_]
    z = X @ fitted.coefs_[0] + fitted.intercepts_[0]
    expected = LOSSES[loss].logit_terms(z, labels).sum(axis=1).mean()
    assert fitted.validation_loss_curve_ == pytest.approx([expected], rel=1e-9)


@pytest.mark.parametrize("case", TARGETS)
def test_lbfgs_has_the_same_loss_and_gradient(case):
    y, keywords, t, loss = TARGETS[case]
    before = start(y, **keywords)
    theta = np.concatenate([part.ravel() for part in before.coefs_ + before.intercepts_])
    before.set_params(label_smoothing=S)
    z = X @ before.coefs_[0] + before.intercepts_[0]
    error = (OUTPUTS[LOSSES[loss].output](z) - t) / len(X)
    before._initialize((64, before.n_outputs_), np.dtype(np.float64))
    value, slope = before._loss_grad_lbfgs(theta, X, before._encode(y))
    assert value == pytest.approx(LOSSES[loss].logit_terms(z, t).sum(axis=1).mean(), rel=1e-9)
    expected = np.concatenate([(X.T @ error).ravel(), error.sum(axis=0)])
    np.testing.assert_allclose(slope, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "squared_error"])
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("output", [None, "softmax"])
def test_labels_and_their_smoothed_targets_train_alike(loss, clip, output):
    """Also where outputs and loss are not made for each other, and with weights of rows."""
    results = []
    for targets, smoothing in ((Y.astype(np.intc), S), (SMOOTHED, 0.0)):
        network = Network((64, 7, CLASSES), loss=loss, loss_clip=clip, output=output)
        for i, w in enumerate(network.coefs):
            w[:] = np.random.default_rng(i).normal(0, 0.3, w.shape)
        options = {"label_smoothing": smoothing, "sample_weight": np.linspace(0, 2, len(X))}
        rows = Input(X, "float64")
        value, slope = engine_gradient(network, rows, targets, **options)
        trainer = Trainer(network, rows, targets, learning_rate=0.1, average=True,
                          minibatch_size=7, track_loss=True, **options)  # fmt: skip
        with trainer:
            curve = [trainer.epoch(np.arange(len(X))) for _ in range(2)]
            results.append([value, *slope, *curve, trainer.evaluate()[0], *network.parameters])
    np.testing.assert_allclose(*results, rtol=1e-11, atol=1e-13)


def test_one_output_stands_for_its_only_class():
    network = Network((64, 1))
    trainer = Trainer(network, Input(X, "float64"), np.zeros(len(X), np.intc),
                      label_smoothing=S, learning_rate=0.1)  # fmt: skip
    other = Network((64, 1))
    plain = Trainer(other, Input(X, "float64"), np.zeros(len(X), np.intc), learning_rate=0.1)
    with trainer, plain:
        trainer.epoch(np.arange(len(X)))
        plain.epoch(np.arange(len(X)))
    assert np.array_equal(network.parameters, other.parameters)


def test_no_smoothing_is_none():
    clf = MLPClassifier(max_iter=2, random_state=1)
    assert np.array_equal(clf.fit(X, Y).coefs_[0],
                          clf.set_params(label_smoothing=0).fit(X, Y).coefs_[0])  # fmt: skip


def test_it_is_for_classes():
    with pytest.raises(TypeError, match="label_smoothing"):
        MLPRegressor(label_smoothing=S)
    with pytest.raises(ValueError, match="'label_smoothing' parameter of MLPClassifier must be"):
        MLPClassifier(label_smoothing=1).fit(X, Y)
    with pytest.raises(ValueError, match="label_smoothing must be from 0 to below 1; got"):
        Trainer(Network((64, 10)), Input(X, "float64"), Y.astype(np.intc), label_smoothing=-0.5)
