"""Estimators that several ranks fit together; see tests/training/test_ranks.py."""

import numpy as np
import pytest
from communicator import results_of

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore:the . ranks exchanged", "ignore:Stochastic Optimizer", "ignore:lbfgs failed"
)

X, y = load_digits()
X, y, X_val, y_val = X[:603], y[:603], X[603:900], y[603:900]
WEIGHTS = np.random.default_rng(0).uniform(0, 2, len(y))

OPTIONS = {
    "plain": (MLPClassifier, {}, False),
    "held out": (MLPClassifier, {"early_stopping": True, "dropout": 0.2}, False),
    "scoring": (
        MLPClassifier,
        {"early_stopping": True, "scoring": "f1_macro", "solver": "sgd",
         "learning_rate": "adaptive", "class_weight": "balanced"},
        False,
    ),
    "validation rows": (MLPClassifier, {"early_stopping": True, "clip_norm": 1.0}, True),
    "regression": (MLPRegressor, {"early_stopping": True, "weight_average": 0.9}, False),
    "lbfgs": (MLPClassifier, {"solver": "lbfgs"}, False),
}  # fmt: skip


def target(cls, labels):
    return labels.astype(float) if cls is MLPRegressor else np.array(list("abcdefghij"))[labels]


def fit(comm, cls, parameters, validation):
    model = cls(
        **{"hidden_layer_sizes": (20,), "max_iter": 4, "random_state": 3, "n_threads": 2}
        | parameters
    )
    mine = mine_val = slice(None)
    if comm is not None:
        mine, mine_val = (
            slice(*np.concatenate([[0], np.sort(np.random.default_rng(n).integers(
                1, n, comm.size - 1)), [n]])[comm.rank : comm.rank + 2])
            for n in (len(X), len(X_val))
        )  # fmt: skip
    more = {"shards": 16} if comm is None else {"comm": comm}
    if validation:
        more |= {"X_val": X_val[mine_val], "y_val": target(cls, y_val)[mine_val]}
    return model.fit(X[mine], target(cls, y)[mine], WEIGHTS[mine], **more)


def bits(model):
    names = ("loss_", "loss_curve_", "validation_scores_", "validation_loss_curve_", "n_iter_")
    numbers = repr([getattr(model, name, None) for name in names])
    return model._network.parameters.tobytes(), numbers


@pytest.mark.parametrize(("cls", "parameters", "validation"), OPTIONS.values(), ids=OPTIONS)
def test_any_number_of_ranks_gives_the_same_bits(cls, parameters, validation):
    expected = bits(fit(None, cls, parameters, validation))
    for size in (1, 2, 3, 4, 8):
        found = results_of(size, lambda comm: bits(fit(comm, cls, parameters, validation)))
        assert set(found) == {expected}, size


def test_lbfgs_of_shards_is_that_of_all_rows():
    X64 = X.astype(float)
    models = [
        MLPClassifier((20,), solver="lbfgs", max_iter=3, random_state=1).fit(X64, y, **options)
        for options in ({}, {"shards": 8})
    ]
    np.testing.assert_allclose(models[1].coefs_[0], models[0].coefs_[0], rtol=1e-6, atol=1e-9)


def test_rows_of_every_class_are_held_out_in_proportion():
    model = MLPClassifier((5,), max_iter=1, early_stopping=True, validation_fraction=0.25)
    seen = []

    def scoring(estimator, X, y):
        seen.append(y)
        return 0.0

    model.set_params(scoring=scoring).fit(X, y, shards=4)
    assert len(seen[0]) == np.ceil(0.25 * len(X))
    counts = np.bincount(seen[0], minlength=10)
    assert np.abs(counts - 0.25 * np.bincount(y)).max() <= 4  # one for each shard


def test_all_ranks_know_the_classes_of_all():
    order = np.argsort(y, kind="stable")

    def work(comm):
        mine = order[comm.rank * 201 : comm.rank * 201 + 201]
        assert len(set(y[mine])) < 6
        return MLPClassifier((5,), max_iter=1).fit(X[mine], y[mine], comm=comm).classes_.tolist()

    assert results_of(3, work) == [list(range(10))] * 3


def test_a_warm_start_is_refused():
    with pytest.raises(ValueError, match="warm_start=True is for fits without comm and shards"):
        MLPClassifier(warm_start=True).fit(X, y, shards=2)


def test_too_few_rows_to_hold_out():
    with pytest.raises(ValueError, match="at least one row for each of 16 shards"):
        MLPClassifier(early_stopping=True).fit(X[:100], y[:100], shards=16)
