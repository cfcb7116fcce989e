"""mlpcore.sklearn on a cluster: threads inside tasks of Dask, and the size of what is sent."""

import pickle
import sys
import types

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError

from mlpcore._threads import available_threads
from mlpcore.sklearn import MLPClassifier, MLPRegressor

X, Y = make_classification(300, 40, n_informative=6, n_classes=3, random_state=0)
X = X.astype(np.float32)
MODELS = [
    (cls, solver) for cls in (MLPClassifier, MLPRegressor) for solver in ("adam", "sgd", "adamw")
]


def fitted(cls, solver, **settings):
    return cls(
        hidden_layer_sizes=500, max_iter=2, n_iter_no_change=9, solver=solver,
        random_state=0, **settings,
    ).fit(X, Y)  # fmt: skip


@pytest.fixture
def cores(monkeypatch):
    """More cores than one, whatever this machine has."""
    for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mlpcore._threads._cores", lambda: 4)
    monkeypatch.setattr("mlpcore._threads._cpu_quota", lambda: None)


def no_worker():
    raise ValueError("No worker found")


@pytest.mark.parametrize(("get_worker", "expected"), [(no_worker, 4), (object, 1)])
def test_one_thread_in_a_task_of_dask(cores, monkeypatch, get_worker, expected):
    module = types.SimpleNamespace(get_worker=get_worker)
    monkeypatch.setitem(sys.modules, "distributed.worker", module)
    assert available_threads() == expected


@pytest.mark.filterwarnings("ignore")
def test_one_thread_on_a_real_worker_without_a_process_of_its_own(cores):
    """Dask sets no environment variables for such a worker."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None
    ) as client:
        assert client.submit(available_threads, pure=False).result() == 1
        assert available_threads() == 4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("cls", "solver"), MODELS)
def test_a_copy_without_the_optimizer(cls, solver):
    model = fitted(cls, solver)
    before = pickle.dumps(model)
    small = model.without_optimizer()
    assert pickle.dumps(model) == before
    weights = sum(part.nbytes for part in model.coefs_ + model.intercepts_)
    assert len(pickle.dumps(small)) < 1.15 * weights
    assert len(before) > 1.9 * weights
    sent = pickle.loads(pickle.dumps(small))
    assert np.array_equal(sent.predict(X), model.predict(X))
    assert not np.shares_memory(small.coefs_[0], model.coefs_[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_copy_without_the_optimizer_begins_a_new_one():
    """As a new estimator does that starts from the same weights; the one that has it goes on."""
    model = fitted(MLPRegressor, "adam", shuffle=False)
    new = MLPRegressor(
        hidden_layer_sizes=500, random_state=0, shuffle=False,
        coefs_init=model.coefs_, intercepts_init=model.intercepts_,
    )  # fmt: skip
    for one in (small := model.without_optimizer(), new, model):
        one.partial_fit(X, Y)
    assert all(map(np.array_equal, small.coefs_, new.coefs_))
    assert not np.array_equal(small.coefs_[0], model.coefs_[0])


def test_a_copy_of_an_estimator_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        MLPClassifier().without_optimizer()
