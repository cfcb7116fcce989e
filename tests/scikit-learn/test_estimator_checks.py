"""scikit-learn's checks for estimators, in full."""

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn.neural_network as theirs
from sklearn.utils.estimator_checks import check_estimator

import mlpcore.sklearn as ours

# The checks fit for few epochs, and some of them warn on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")


def outcomes(estimator):
    """Names of the checks that have passed, and of those that were skipped; no other outcome."""
    results = check_estimator(estimator, on_skip=None)
    names = {"passed": set(), "skipped": set()}
    for result in results:
        names[result["status"]].add(result["check_name"])
    return names["passed"], names["skipped"]


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_check_passes(name):
    passed, skipped = outcomes(getattr(ours, name)())
    passed_by_theirs, skipped_by_theirs = outcomes(getattr(theirs, name)())
    assert passed >= passed_by_theirs
    # Of the checks that both have: older versions of theirs take no sample weights, and know no
    # check of them that could be skipped where pandas is missing.
    assert skipped & (passed_by_theirs | skipped_by_theirs) <= skipped_by_theirs
    assert len(passed) > 40


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_check_passes_with_what_is_new(name):
    """But for dropout: a row that is left out does not weigh the same as one of no weight."""
    estimator = getattr(ours, name)(
        activation="gelu", solver="adamw", l1=0.01, clip_norm=1.0, max_norm=3.0
    )
    passed, _ = outcomes(estimator)
    assert len(passed) > 40
