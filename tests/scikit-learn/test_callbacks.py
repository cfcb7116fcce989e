"""scikit-learn's callbacks, which it has from 1.9 on."""

import numpy as np
import pytest

pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")

from sklearn.callback import ScoringMonitor
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpcore.sklearn import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(60, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
FAST = {"hidden_layer_sizes": (5, 4), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.01}


class Record:
    """A callback that writes down what it is called with, and asks to stop."""

    def __init__(self, stop_after=None):
        self.calls, self.losses, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.calls.append(("end", context.task_name, context.task_id))
        if hasattr(fitted_estimator, "predict_proba"):
            self.losses.append(log_loss(y, fitted_estimator.predict_proba(X)))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_callbacks(solver):
    record = Record(stop_after=3)
    clf = MLPClassifier(**FAST | {"solver": solver}).set_callbacks(record).fit(X, Y)
    assert clf.n_iter_ == 3
    tasks = [("begin", "fit", 0)]
    for i in range(3):
        tasks += [("begin", "epoch", i), ("end", "epoch", i)]
    assert record.calls == ["setup", *tasks, ("end", "fit", 0), "teardown"]
    # Each epoch's loss is that of the weights of that epoch.
    plain = [
        MLPClassifier(**FAST | {"solver": solver, "max_iter": i}).fit(X, Y).predict_proba(X)
        for i in (1, 2, 3)
    ]
    np.testing.assert_allclose(record.losses[:3], [log_loss(Y, proba) for proba in plain])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scikit_learns_own_callbacks(solver):
    pandas = pytest.importorskip("pandas")
    monitor = ScoringMonitor(scoring="accuracy")
    clf = MLPClassifier(**FAST | {"solver": solver}).set_callbacks(monitor)
    table = pandas.DataFrame(X).add_prefix("c")
    clf.fit(table, Y)
    log = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(log) == 6
    assert log[-1]["accuracy"] == clf.score(table, Y)


def test_callbacks_of_a_pipeline():
    """They are passed on to its steps."""

    class Passed(Record):
        max_propagation_depth = None

    record = Passed()
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**FAST)).set_callbacks(record)
    pipe.fit(X, Y)
    assert [call[2] for call in record.calls if call[:2] == ("end", "epoch")] == list(range(6))
    assert len(record.losses) >= 6


def test_callbacks_are_torn_down_after_a_failure():
    record = Record()
    clf = MLPClassifier(**FAST | {"solver": "sgd", "learning_rate_init": 1e300})
    clf.set_callbacks(record)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(X, Y)
    assert record.calls[0] == "setup"
    assert record.calls[-1] == "teardown"
