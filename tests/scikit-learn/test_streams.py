"""Both estimators on data larger than memory; tests/training/test_streams.py has the order."""

import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from mlpcore import Distortion  # noqa: E402
from mlpcore.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

RNG = np.random.default_rng(0)
N, D = 5000, 36
FLOATS = RNG.normal(size=(N, D)).astype(np.float32)
BYTES = np.where(RNG.random((N, D)) < 0.8, 0, RNG.integers(0, 256, (N, D))).astype(np.uint8)
LABELS = RNG.choice(["a", "b", "c"], N)
NUMBERS = FLOATS[:, 0] - FLOATS[:, 1] ** 2
WEIGHTS = RNG.random(N) + 0.5
FAST = {"hidden_layer_sizes": 9, "max_iter": 3, "batch_size": 77, "random_state": 1}
BUFFER = 120_000

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Training interrupted"
)


@pytest.fixture
def mapped(tmp_path):
    """Return a function that puts an array into a file and maps it."""

    def put(array, name="rows.npy"):
        np.save(tmp_path / name, array)
        return np.load(tmp_path / name, mmap_mode="r")

    return put


def assert_same(a, b):
    for mine, its in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        assert mine.dtype == its.dtype
        assert np.array_equal(mine, its)
    assert a.loss_curve_ == b.loss_curve_
    assert a.validation_loss_curve_ == b.validation_loss_curve_
    assert a.validation_scores_ == b.validation_scores_
    assert (a.n_iter_, a.t_) == (b.n_iter_, b.t_)


CASES = {
    "floats": (MLPClassifier, FLOATS, LABELS, {}),
    "float64": (MLPClassifier, FLOATS.astype(np.float64), LABELS == "a", {"solver": "sgd"}),
    "bytes": (MLPClassifier, BYTES, LABELS, {"class_weight": "balanced", "label_smoothing": 0.1}),
    "several labels": (MLPClassifier, FLOATS, np.stack([LABELS == "a", LABELS > "a"], 1), {}),
    "early stopping": (MLPClassifier, BYTES, LABELS, {"early_stopping": True}),
    "dropout": (MLPClassifier, FLOATS, LABELS, {"dropout": (0.1, 0.2)}),
    "distorted": (MLPClassifier, BYTES, LABELS, {"augment": Distortion(rotation=9)}),
    "numbers": (MLPRegressor, FLOATS, NUMBERS, {}),
    "several numbers": (MLPRegressor, BYTES, np.stack([NUMBERS, -NUMBERS], 1), {"dropout": 0.2}),
    "early stopping of numbers": (MLPRegressor, FLOATS, NUMBERS, {"early_stopping": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_in_the_order_of_the_file_give_the_bits_of_memory(case, mapped):
    estimator, X, y, keywords = CASES[case]
    file, target = mapped(X), mapped(y.astype(np.str_) if y.dtype.kind == "U" else y, "y.npy")
    keywords = {**FAST, **keywords, "shuffle": False, "buffer_bytes": BUFFER}
    weights, valid = {"sample_weight": WEIGHTS[:4100]}, slice(4100, None)
    inside, outside, mixed = (estimator(**keywords) for _ in range(3))
    inside.fit(X[:4100], y[:4100], **weights, X_val=X[valid], y_val=y[valid])
    outside.fit(file[:4100], target[:4100], **weights, X_val=file[valid], y_val=target[valid])
    assert_same(inside, outside)
    assert np.array_equal(inside.predict(X), outside.predict(file))
    assert inside.score(X, y) == outside.score(file, target)
    mixed.fit(file[:4100], y[:4100], **weights, X_val=X[valid], y_val=y[valid])
    assert_same(inside, mixed)


def test_partial_fit_and_warm_start(mapped):
    file = mapped(FLOATS)
    keywords = {**FAST, "shuffle": False, "buffer_bytes": BUFFER}
    inside, outside = MLPRegressor(**keywords), MLPRegressor(**keywords)
    for _ in range(2):
        inside.partial_fit(FLOATS, NUMBERS)
        outside.partial_fit(file, NUMBERS)
    assert_same(inside, outside)
    inside, outside = (MLPClassifier(**keywords, warm_start=True) for _ in range(2))
    for _ in range(2):
        inside.fit(FLOATS, LABELS)
        outside.fit(file, LABELS)
    assert_same(inside, outside)


def test_a_resumed_fit_has_the_bits_of_an_uninterrupted_one(mapped):
    file = mapped(FLOATS)
    keywords = {**FAST, "buffer_bytes": BUFFER, "dropout": 0.2}
    whole = MLPClassifier(**{**keywords, "max_iter": 5}).fit(file, LABELS)
    MLPClassifier(**keywords).fit(file, LABELS, checkpoint="run.ckpt")
    again = MLPClassifier(**{**keywords, "max_iter": 5})
    assert_same(whole, again.fit(file, LABELS, checkpoint="run.ckpt"))
    with pytest.raises(ValueError, match="order of rows was"):
        again.set_params(buffer_bytes=2 * BUFFER).fit(file, LABELS, checkpoint="run.ckpt")


def test_what_needs_all_rows_is_refused(mapped):
    file = mapped(FLOATS)
    for keywords, match in [
        ({"solver": "lbfgs"}, r'needs all rows at once; .* Use "adam", or raise buffer_bytes'),
        ({"early_stopping": True}, r"holds out random rows.*Give X_val and y_val"),
        ({"batch_size": 900}, r"must hold two minibatches"),
    ]:
        with pytest.raises(ValueError, match=match):
            MLPRegressor(**{**FAST, "buffer_bytes": BUFFER, **keywords}).fit(file, NUMBERS)
    model = MLPRegressor(**FAST, buffer_bytes=BUFFER).fit(file, NUMBERS)
    with pytest.raises(ValueError, match="X has 35 features"):
        model.predict(mapped(FLOATS[:, 1:], "other.npy"))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(file, NUMBERS[1:])
    bad = FLOATS.copy()
    bad[4000, 7] = np.inf
    with pytest.raises(ValueError, match=r"X must be finite.*row 4000, column 7"):
        model.fit(mapped(bad, "bad.npy"), NUMBERS)


def test_a_file_that_changes_while_training(mapped, tmp_path):
    file = mapped(FLOATS)
    model = MLPClassifier(**{**FAST, "max_iter": 9}, verbose=False, buffer_bytes=BUFFER)

    class Verbose(MLPClassifier):
        def _record(self, run, trainer):
            super()._record(run, trainer)
            if run.epoch == 2:
                (tmp_path / "rows.npy").write_bytes(b"other")

    model.__class__ = Verbose
    with pytest.raises(OSError, match=r"X: .*rows\.npy has become shorter"):
        model.fit(file, LABELS)
    assert model.n_iter_ == 2
    assert len(model.loss_curve_) == 2
    assert model.predict(FLOATS).shape == (N,)


def test_early_stopping_by_a_scorer_reads_in_pieces(mapped):
    file = mapped(FLOATS)
    keywords = {**FAST, "shuffle": False, "early_stopping": True, "scoring": "f1_macro"}
    inside, outside = (MLPClassifier(**keywords, buffer_bytes=BUFFER) for _ in range(2))
    inside.fit(FLOATS, LABELS, X_val=FLOATS, y_val=LABELS)
    outside.fit(file, LABELS, X_val=file, y_val=LABELS)
    assert inside.validation_scores_ == outside.validation_scores_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(outside.predict_proba(file)) == N
