"""Distorted rows in training, for each facade; and the parameters of a distortion."""

import copy
import math
import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone

from mlpcore import Distortion, NeuralNetMLP, load_digits
from mlpcore.sklearn import MLPClassifier, MLPRegressor

X, Y = load_digits()
BYTES = np.round((X + 1) * 8).astype(np.uint8)
DISTORTION = Distortion(rotation=12, scale=0.1, shear=8, translation=0.5, elastic=0.4,
                        smoothness=2, thickness=0.4)  # fmt: skip


def textbook(**keywords):
    settings = {"n_hidden": 9, "epochs": 3, "eta": 0.02, "minibatch_size": 20, "seed": 1}
    return NeuralNetMLP(**{**settings, "augment": DISTORTION, **keywords})


def classifier(**keywords):
    settings = {"hidden_layer_sizes": (9,), "max_iter": 3, "random_state": 1, "batch_size": 20,
                "learning_rate": "cosine", "augment": DISTORTION}  # fmt: skip
    return MLPClassifier(**{**settings, **keywords})


def same(a, b):
    parts = zip(a.coefs_ + type(a.coefs_)(a.intercepts_), b.coefs_ + type(b.coefs_)(b.intercepts_),
                strict=True)  # fmt: skip
    return all(np.array_equal(one, other) for one, other in parts)


MODELS = pytest.mark.parametrize("model", [textbook, classifier])


@MODELS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_number_of_threads_changes_no_bit(model, dtype):
    rows = X[:300].astype(dtype)
    one = model(n_threads=1).fit(rows, Y[:300])
    for n_threads in (2, 3):
        assert same(model(n_threads=n_threads).fit(rows, Y[:300]), one)


@MODELS
def test_each_epoch_and_each_seed_has_other_distortions(model):
    nothing = model(augment=Distortion()).fit(X[:300], Y[:300])
    assert not same(model().fit(X[:300], Y[:300]), nothing)
    # The draw of a seed for distortions comes after that of the weights, and shifts the orders.
    if model is textbook:
        assert same(model(augment=None).fit(X[:300], Y[:300]), nothing)
    # Another distortion in each epoch: training goes on where it would be the end of one image.
    changed = Distortion(rotation=12)
    assert not same(model(augment=changed).fit(X[:300], Y[:300]), nothing)


@pytest.mark.parametrize("path", ["dense", "sparse"])
def test_metrics_and_predictions_are_those_of_the_rows_as_they_are(path):
    rows = (X[:300], Y[:300], X[300:400], Y[300:400])
    nn = textbook(n_hidden=40, epochs=20, optimizer="adam", eta=0.01, input_path=path).fit(*rows)
    assert nn.input_path_ == path
    assert nn.eval_["train_acc"][-1] == nn.score(X[:300], Y[:300]) > 0.9
    assert nn.eval_["valid_acc"][-1] == nn.score(X[300:400], Y[300:400])
    clf = classifier(max_iter=20, learning_rate_init=0.01).fit(X[:300], Y[:300], X_val=X[300:400],
                                                              y_val=Y[300:400])  # fmt: skip
    p = clf.predict_proba(X[300:400])[np.arange(100), Y[300:400]]
    assert math.isclose(clf.validation_loss_curve_[-1], -np.log(p).mean(), rel_tol=1e-5)


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("batch", [1, 20, 150])
def test_bytes_and_the_numbers_that_they_stand_for_train_alike(path, batch):
    """With a background of -1, from the scale, and with every kind of path."""
    keywords = {"input_path": path, "minibatch_size": batch, "dtype": "float64", "eta": 0.001}
    from_bytes = textbook(input_scale=(1 / 8, -1), **keywords).fit(BYTES[:300], Y[:300])
    from_numbers = textbook(**keywords).fit(BYTES[:300] / 8 - 1, Y[:300])
    scaled = textbook(input_scale=(1 / 8, -1), **keywords).fit(BYTES[:300] * 1.0, Y[:300])
    given = Distortion(**{**vars(DISTORTION), "background": 0.0})
    named = textbook(input_scale=(1 / 8, -1), augment=given, **keywords)
    for other in (from_numbers, scaled, named.fit(BYTES[:300] * 1.0, Y[:300])):
        for a, b in zip(from_bytes.coefs_, other.coefs_, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, (0.2, 0.0), (0.2, 0.3)])
def test_paths_give_the_same_network(dropout):
    dense, sparse = (
        textbook(input_path=path, dropout=dropout, dtype="float64").fit(BYTES[:300], Y[:300])
        for path in ("dense", "sparse")
    )
    for a, b in zip(dense.coefs_, sparse.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_partial_fit_goes_on_with_new_distortions():
    clf = classifier(learning_rate="constant")
    for _ in range(2):
        clf.partial_fit(X[:300], Y[:300], classes=range(10))
    assert np.isfinite(clf.coefs_[0]).all()
    again = classifier(learning_rate="constant")
    for _ in range(2):
        again.partial_fit(X[:300], Y[:300], classes=range(10))
    assert same(clf, again)


# What is refused


@MODELS
def test_rows_that_are_no_images(model):
    with pytest.raises(TypeError, match="augment is for arrays; got a sparse matrix"):
        model().fit(scipy.sparse.csr_matrix(X[:60]), Y[:60])
    with pytest.raises(ValueError, match="image_shape must be given for images of 63 features"):
        model().fit(X[:60, 1:], Y[:60])
    with pytest.raises(ValueError, match=r"height \* width = 64, .*got \(8, 7\)"):
        model(image_shape=(8, 7)).fit(X[:60], Y[:60])


def test_what_is_no_distortion():
    with pytest.raises(TypeError, match="augment must be a Distortion or None; got 3"):
        textbook(augment=3).fit(X[:60], Y[:60])
    with pytest.raises(ValueError, match="'augment' parameter of MLPClassifier must be"):
        classifier(augment=3).fit(X[:60], Y[:60])
    with pytest.raises(ValueError, match="image_shape"):
        classifier(image_shape=64).fit(X[:60], Y[:60])
    with pytest.raises(ValueError, match="augment is for the solvers"):
        classifier(solver="lbfgs").fit(X[:60], Y[:60])
    with pytest.raises(TypeError, match="augment"):
        MLPRegressor(augment=DISTORTION)


BAD = {
    "rotation": [-1, 360, "9", None, True, float("nan"), [9]],
    "scale": [-0.1, 1, 2, "0.1", None],
    "shear": [-1, 90, 1e9, None],
    "translation": [-1, 1e5, None, float("inf")],
    "elastic": [-1, 1e5, None],
    "smoothness": [0, 0.4, 1e5, None, float("nan")],
    "thickness": [-1, 100, None],
    "background": [float("nan"), float("inf"), "0", True, [0]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_bad_parameters_are_named(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be a number"):
        Distortion(**{name: value})


def test_every_parameter_is_among_the_bad_ones():
    assert set(BAD) == set(vars(DISTORTION))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 2**64}, "seed must be a whole number from 0"),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": 1, "epoch": -1}, "epoch must be a whole number from 0"),
        ({"seed": 1, "epoch": 2**32}, "epoch must be a whole number from 0"),
        ({"seed": 1, "n_threads": 0}, "n_threads must be a whole number from 1"),
        ({"seed": 1, "image_shape": (4, 4)}, r"image_shape must be \(height, width\) with"),
        ({"seed": 1, "image_shape": 8}, r"image_shape must be \(height, width\), whole"),
    ],
)
def test_transform_refuses_by_name(keywords, message):
    with pytest.raises((TypeError, ValueError), match=message):
        DISTORTION.transform(X[:3], **keywords)


def test_transform_refuses_rows():
    for rows, message in (
        (X[0], "two dimensions"),
        (np.full((2, 64), np.nan), "X must be finite"),
        (X[:2, 1:], "image_shape must be given for images of 63 features"),
        (np.zeros((0, 64)), "at least one row"),
        ([["a"] * 64], "X must hold numbers"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            DISTORTION.transform(rows, seed=1)
    with pytest.raises(TypeError, match="got a sparse matrix"):
        DISTORTION.transform(scipy.sparse.csr_matrix(X[:2]), seed=1)
    with pytest.raises(ValueError, match="background must be from 0 to 255 for bytes; got 300"):
        Distortion(background=300).transform(BYTES[:2], seed=1)
    with pytest.raises(ValueError, match=r"image_shape is \(4, 16\), and X has images of \(8, 8\)"):
        DISTORTION.transform(X[:2].reshape(2, 8, 8), seed=1, image_shape=(4, 16))


def test_other_numbers_become_floats():
    rows = BYTES[:5].astype(np.int64)
    result = DISTORTION.transform(rows, seed=1)
    assert result.dtype == np.float64
    assert np.array_equal(result, DISTORTION.transform(rows.astype(float), seed=1))
    assert np.array_equal(rows, BYTES[:5])


# A value like others


def test_a_distortion_is_a_value():
    same = Distortion(rotation=12.0, scale=np.float64(0.1), shear=8, translation=0.5, elastic=0.4,
                      smoothness=2, thickness=np.float32(0.4))  # fmt: skip
    assert same != DISTORTION  # a float32 of 0.4 is another number
    assert Distortion(rotation=12) == Distortion(rotation=12.0)
    assert len({Distortion(rotation=12), Distortion(rotation=12.0), Distortion()}) == 2
    assert repr(Distortion()) == "Distortion()"
    assert eval(repr(DISTORTION)) == DISTORTION
    for duplicate in (copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))):
        assert duplicate(DISTORTION) == DISTORTION
    with pytest.raises(AttributeError):
        DISTORTION.rotation = 3


@MODELS
def test_estimators_with_distortions_are_cloned_and_pickled(model):
    mine = model(image_shape=(8, 8))
    assert clone(mine).get_params()["augment"] == DISTORTION
    assert same(clone(mine).fit(X[:60], Y[:60]), mine.fit(X[:60], Y[:60]))
    again = pickle.loads(pickle.dumps(mine))
    assert again.augment == DISTORTION
    assert same(again.fit(X[:60], Y[:60]), mine)
    assert "augment=Distortion(rotation=12.0" in repr(mine)
