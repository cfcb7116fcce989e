"""NeuralNetMLP inside scikit-learn's tools, which it does not import itself."""

import numpy as np
import pytest

from mlpcore import NeuralNetMLP, load_digits

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

X, Y = load_digits()
X, Y = X[:400].astype(np.float64), Y[:400]
NAMES = np.array(list("abcdefghij"))[Y]
FAST = {"n_hidden": 10, "epochs": 5, "eta": 0.02, "minibatch_size": 10, "seed": 1}


def folds(n_splits=3):
    return StratifiedKFold(n_splits).split(X, Y)


def scores(settings, n_splits=3, labels=Y):
    """What the tools should come to, by a plain loop."""
    return [
        NeuralNetMLP(**settings).fit(X[train], labels[train]).score(X[test], labels[test])
        for train, test in folds(n_splits)
    ]


def test_clone_copies_the_parameters_and_not_what_was_learned():
    def callback(epoch, history):
        pass

    nn = NeuralNetMLP(**FAST, l2=0.1, dtype="float32", callback=callback, input_scale=(2, -1))
    nn.fit(X, Y)
    again = clone(nn)
    assert type(again) is NeuralNetMLP
    assert again.get_params() == nn.get_params()
    assert again.callback is callback
    assert not hasattr(again, "classes_")
    assert np.array_equal(again.fit(X, Y).w_h, nn.w_h)


def test_clone_of_a_list_of_units():
    nn = NeuralNetMLP([5, 4])
    again = clone(nn)
    assert again.n_hidden == [5, 4]
    again.n_hidden.append(3)
    assert nn.n_hidden == [5, 4]


def test_what_it_is():
    nn = NeuralNetMLP()
    assert is_classifier(nn)
    assert not is_regressor(nn)
    tags = get_tags(nn)
    assert tags.estimator_type == "classifier"
    assert tags.classifier_tags.multi_class
    assert not tags.classifier_tags.multi_label
    assert tags.target_tags.required
    assert tags.input_tags.sparse
    assert not tags.input_tags.allow_nan


def test_check_is_fitted():
    nn = NeuralNetMLP(**FAST)
    with pytest.raises(NotFittedError):
        check_is_fitted(nn)
    check_is_fitted(nn.fit(X, Y))


def test_pipeline():
    pipe = make_pipeline(StandardScaler(), NeuralNetMLP(**FAST)).fit(X, NAMES)
    scaled = StandardScaler().fit_transform(X)
    nn = NeuralNetMLP(**FAST).fit(scaled, NAMES)
    assert np.array_equal(pipe.predict(X), nn.predict(scaled))
    assert np.array_equal(pipe.predict_proba(X), nn.predict_proba(scaled))
    assert pipe.score(X, NAMES) == nn.score(scaled, NAMES)
    assert pipe.classes_.tolist() == list("abcdefghij")
    check_is_fitted(pipe)


def test_pipeline_parameters_and_picture():
    pipe = Pipeline([("scale", MinMaxScaler()), ("net", NeuralNetMLP())])
    pipe.set_params(net__eta=0.5)
    assert pipe.get_params()["net__eta"] == 0.5
    assert "NeuralNetMLP(eta=0.5)" in repr(pipe)
    assert "NeuralNetMLP" in pipe._repr_html_()


def test_cross_val_score():
    """Rows in order of class: scikit-learn takes folds with all classes for a classifier only."""
    order = np.argsort(Y, kind="stable")
    found = cross_val_score(NeuralNetMLP(**FAST), X[order], Y[order], cv=3)
    expected = [
        NeuralNetMLP(**FAST)
        .fit(X[order][train], Y[order][train])
        .score(X[order][test], Y[order][test])
        for train, test in StratifiedKFold(3).split(X[order], Y[order])
    ]
    assert found.tolist() == expected
    assert min(expected) > 0.3  # with a class missing in training it would be less


@pytest.mark.parametrize("labels", [Y, NAMES, Y - 5.0], ids=["numbers", "text", "floats"])
def test_cross_validation_with_any_labels(labels):
    nn = NeuralNetMLP(**FAST)
    assert cross_val_score(nn, X, labels, cv=3).tolist() == scores(FAST, labels=labels)
    predicted = cross_val_predict(nn, X, labels, cv=3)
    assert predicted.dtype == labels.dtype
    right = sum(
        score * len(test)
        for score, (_, test) in zip(scores(FAST, labels=labels), folds(), strict=True)
    )
    assert accuracy_score(labels, predicted) == pytest.approx(right / len(X))


def test_scorers_that_use_probabilities():
    found = cross_validate(
        NeuralNetMLP(**FAST), X, Y, cv=3, scoring=["neg_log_loss", "roc_auc_ovr", "accuracy"]
    )
    for i, (train, test) in enumerate(folds()):
        nn = NeuralNetMLP(**FAST).fit(X[train], Y[train])
        proba = nn.predict_proba(X[test])[np.arange(len(test)), Y[test]]
        assert found["test_neg_log_loss"][i] == pytest.approx(np.log(proba).mean())
    assert found["test_roc_auc_ovr"].min() > 0.8


def test_grid_search_with_two_processes():
    grid = {"eta": [0.001, 0.02], "n_hidden": [5, (8, 6)]}
    search = GridSearchCV(NeuralNetMLP(**FAST), grid, cv=2, n_jobs=2).fit(X, NAMES)
    for parameters, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        expected = scores({**FAST, **parameters}, 2, NAMES)
        assert score == pytest.approx(np.mean(expected))
    best = NeuralNetMLP(**{**FAST, **search.best_params_}).fit(X, NAMES)
    assert np.array_equal(search.predict(X), best.predict(X))
    assert search.score(X, NAMES) == best.score(X, NAMES)


def test_grid_search_over_a_pipeline():
    pipe = Pipeline([("scale", MinMaxScaler((-1, 1))), ("net", NeuralNetMLP(**FAST))])
    search = GridSearchCV(pipe, {"net__l2": [0.0, 5.0]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"net__l2": 0.0}


def test_learning_curve():
    sizes, train, test = learning_curve(
        NeuralNetMLP(**FAST), X, Y, train_sizes=[100, 200], cv=2, shuffle=True, random_state=0
    )
    assert sizes.tolist() == [100, 200]
    assert train.shape == test.shape == (2, 2)


def test_metaestimators():
    one_vs_rest = OneVsRestClassifier(NeuralNetMLP(**FAST)).fit(X, Y)
    assert one_vs_rest.score(X, Y) > 0.5
    vote = VotingClassifier(
        [("a", NeuralNetMLP(**FAST)), ("b", NeuralNetMLP(**{**FAST, "seed": 2}))], voting="soft"
    ).fit(X, Y)
    a, b = (NeuralNetMLP(**{**FAST, "seed": seed}).fit(X, Y).predict_proba(X) for seed in (1, 2))
    np.testing.assert_allclose(vote.predict_proba(X), (a + b) / 2)
    calibrated = CalibratedClassifierCV(NeuralNetMLP(**FAST), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


def test_sparse_rows_in_a_pipeline():
    from scipy.sparse import csr_matrix

    rows = np.where(X > 0, X, 0)
    pipe = make_pipeline(StandardScaler(with_mean=False), NeuralNetMLP(**FAST))
    dense, sparse = (clone(pipe).fit(kind(rows), Y) for kind in (np.asarray, csr_matrix))
    assert np.array_equal(dense.predict(rows), sparse.predict(csr_matrix(rows)))
    assert cross_val_score(pipe, csr_matrix(rows), Y, cv=2).min() > 0.3
