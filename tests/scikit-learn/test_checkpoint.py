"""Checkpoints of mlpcore.sklearn's estimators: a fit goes on with the bits of an unbroken one."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from mlpcore import Distortion, load_digits
from mlpcore.sklearn import MLPClassifier, MLPRegressor, _solvers
from mlpcore.training.checkpoint import Checkpoint, read_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

X, Y = load_digits()
X, Y = X[:260].astype(np.float64), Y[:260]
WEIGHTS = np.random.default_rng(0).uniform(0.5, 2, 260)
FAST = {"hidden_layer_sizes": (9,), "max_iter": 6, "batch_size": 30, "random_state": 1}


class Stop(Exception):
    """Ends a fit from within."""


def interrupted(model, epoch, monkeypatch, *args, **keywords):
    """Fit until an epoch is over, and then end by an exception."""

    def update(self, now, metrics):
        if now == epoch:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(_solvers.Progress, "update", update)
        with pytest.raises(Stop):
            model.fit(*args, checkpoint="run.ckpt", **keywords)
    assert model.n_iter_ == epoch


CURVES = (
    "loss_curve_", "validation_scores_", "validation_loss_curve_", "loss_", "n_iter_", "t_",
    "best_loss_", "best_validation_score_", "_no_improvement_count",
)  # fmt: skip


def assert_same(a, b):
    for mine, its in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        assert np.array_equal(mine, its)
    for name in CURVES:
        assert getattr(a, name) == getattr(b, name), name


CASES = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "momentum off": {"solver": "sgd", "momentum": 0},
    "adamw with a schedule": {"solver": "adamw", "learning_rate": "one_cycle"},
    "cosine": {"learning_rate": "cosine"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1},
    "early stopping": {"early_stopping": True},
    "early stopping that stops": {"early_stopping": True, "n_iter_no_change": 1, "tol": 0.5},
    "dropout": {"dropout": (0.1, 0.3), "early_stopping": True},
    "distorted": {"augment": Distortion(rotation=9, elastic=0.4, smoothness=2)},
    "warm-up": {"warmup_epochs": 2.5, "learning_rate": "cosine"},
    "average of steps": {"weight_average": 0.9},
    "average of steps, early stopping": {"weight_average": 0.9, "early_stopping": True},
    "average of epochs": {"weight_average": 4, "solver": "adamw"},
    "penalties of layers": {"solver": "adamw", "alpha": (0.1, 0.3), "weight_decay": [0.1, 0.0]},
    "smoothed labels": {"label_smoothing": 0.1},
    "limits": {"clip_norm": 0.5, "max_norm": 1.0, "l1": 0.01},
    "no shuffling": {"shuffle": False},
    "a random state without a seed": {"random_state": None},
    "a generator": {"random_state": "generator"},
    "starting weights": {
        "coefs_init": [np.full((64, 9), 0.01), np.full((9, 10), 0.02)],
    },
}


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_resumed_fit_has_the_bits_of_an_unbroken_one(case, estimator, epoch, monkeypatch):
    settings = dict(CASES[case])
    if estimator is MLPRegressor and {"augment", "label_smoothing"} & settings.keys():
        pytest.skip("the classifier's alone")
    target = Y if estimator is MLPClassifier else Y[:, None] * [1.0, -0.5] / 9
    if estimator is MLPRegressor and "coefs_init" in settings:
        settings["coefs_init"] = [settings["coefs_init"][0], settings["coefs_init"][1][:, :2]]
    seed = settings.get("random_state", 1)

    def model():
        generator = np.random.RandomState(5) if seed == "generator" else seed
        return estimator(**{**FAST, **settings, "random_state": generator})

    broken = model()
    interrupted(broken, epoch, monkeypatch, X, target, WEIGHTS)
    again = model().fit(X, target, WEIGHTS, checkpoint="run.ckpt")
    if seed is None:  # its draws are known from the checkpoint only
        whole = model().set_params(random_state=broken_from_the_start())
    else:
        whole = model()
    assert_same(again, whole.fit(X, target, WEIGHTS))


def broken_from_the_start():
    """The random numbers with which the fit of the checkpoint began."""
    about, arrays = read_checkpoint("run.ckpt")
    rng = np.random.RandomState()
    state = about["start"]["state"]
    gauss = about["start"]["has_gauss"], about["start"]["gauss"]
    rng.set_state(("MT19937", arrays["start"], state["pos"], *gauss))
    return rng


def test_with_a_validation_set_of_the_callers(monkeypatch):
    data = {"X_val": X[200:], "y_val": Y[200:], "sample_weight_val": WEIGHTS[200:]}
    settings = {**FAST, "early_stopping": True, "scoring": "neg_log_loss"}
    interrupted(MLPClassifier(**settings), 2, monkeypatch, X[:200], Y[:200], **data)
    again = MLPClassifier(**settings).fit(X[:200], Y[:200], checkpoint="run.ckpt", **data)
    assert_same(again, MLPClassifier(**settings).fit(X[:200], Y[:200], **data))


def test_more_epochs_go_on(monkeypatch):
    MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")
    longer = {**FAST, "max_iter": 9}
    again = MLPClassifier(**longer).fit(X, Y, checkpoint="run.ckpt")
    assert_same(again, MLPClassifier(**longer).fit(X, Y))
    with pytest.raises(ValueError, match=r"epochs must be at least 9.*got 6"):
        MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")


def test_partial_fit_goes_on_from_a_resumed_fit(monkeypatch):
    interrupted(MLPClassifier(**FAST), 2, monkeypatch, X, Y)
    again = MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt").partial_fit(X, Y)
    assert_same(again, MLPClassifier(**FAST).fit(X, Y).partial_fit(X, Y))


def test_the_checkpoint_costs_the_fit_no_bit():
    for estimator in (MLPClassifier, MLPRegressor):
        kept = estimator(**FAST).fit(X, Y, checkpoint=f"{estimator.__name__}.ckpt")
        assert_same(kept, estimator(**FAST).fit(X, Y))


OTHERS = {
    "alpha": 0.5,
    "hidden_layer_sizes": (8,),
    "activation": "tanh",
    "solver": "sgd",
    "batch_size": 31,
    "learning_rate": "cosine",
    "learning_rate_init": 0.1,
    "shuffle": False,
    "random_state": 2,
    "beta_1": 0.8,
    "l1": 0.1,
    "dropout": 0.5,
    "clip_norm": 1.0,
    "max_norm": 1.0,
    "tol": 0.1,
    "n_iter_no_change": 3,
    "early_stopping": True,
    "augment": Distortion(rotation=9),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_parameters_are_refused_by_name(name):
    MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")
    with pytest.raises(ValueError, match=rf"same run; .*\b{name} was"):
        MLPClassifier(**{**FAST, name: OTHERS[name]}).fit(X, Y, checkpoint="run.ckpt")


def test_other_data_are_refused_by_name():
    MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")
    for data, name in (
        ((X + 1, Y), "X"),
        ((X, (Y + 1) % 10), "y"),
        ((X, Y, WEIGHTS), "sample_weight"),
        ((X, Y + 1), "classes"),
    ):
        with pytest.raises(ValueError, match=rf"same run; {name} was"):
            MLPClassifier(**FAST).fit(*data, checkpoint="run.ckpt")


def test_what_changes_no_bit_may_differ():
    MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")
    free = {"n_threads": 1, "max_iter": 7, "momentum": 0.1, "power_t": 0.1, "weight_decay": 0.5}
    again = MLPClassifier(**{**FAST, **free}).fit(X, Y, checkpoint="run.ckpt")
    assert_same(again, MLPClassifier(**{**FAST, "max_iter": 7}).fit(X, Y))


def test_a_checkpoint_of_another_class_is_refused():
    MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")
    with pytest.raises(ValueError, match=r"checkpoint of MLPRegressor\.fit; got one of 'MLPCl"):
        MLPRegressor(**FAST).fit(X, Y, checkpoint="run.ckpt")


@pytest.mark.parametrize("part", ["start", "order", "parameters", "random"])
def test_a_checkpoint_that_lacks_something_is_refused(part):
    MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")
    about, arrays = read_checkpoint("run.ckpt")
    del arrays[part]
    with Checkpoint("run.ckpt") as file:
        file.write(about, arrays)
    with pytest.raises(ValueError, match=rf"not a complete checkpoint: .*{part}"):
        MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")


def test_an_order_of_other_rows_is_refused():
    MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")
    about, arrays = read_checkpoint("run.ckpt")
    arrays["order"][3] = arrays["order"][4]
    with Checkpoint("run.ckpt") as file:
        file.write(about, arrays)
    with pytest.raises(ValueError, match="order"):
        MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt")


def test_lbfgs_goes_on_from_its_last_iterate():
    settings = {**FAST, "solver": "lbfgs", "alpha": 1.0, "tol": 1e-7, "activation": "tanh"}
    MLPClassifier(**{**settings, "max_iter": 20}).fit(X, Y, checkpoint="run.ckpt")
    assert read_checkpoint("run.ckpt")[0]["epoch"] == 20
    again = MLPClassifier(**{**settings, "max_iter": 2000}).fit(X, Y, checkpoint="run.ckpt")
    whole = MLPClassifier(**{**settings, "max_iter": 2000}).fit(X, Y)
    assert 20 < again.n_iter_ < 2000
    # Another way through a loss with several minima, which end about as low.
    assert again.loss_ == pytest.approx(whole.loss_, rel=0.02)
    with pytest.raises(ValueError, match="alpha was"):
        MLPClassifier(**{**settings, "alpha": 2.0}).fit(X, Y, checkpoint="run.ckpt")


def test_every_how_many_epochs_is_checked():
    with pytest.raises(ValueError, match="checkpoint_every must be a whole number"):
        MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt", checkpoint_every=0)


def test_interrupts_leave_the_last_finished_epoch(monkeypatch):
    """Ctrl-C within an epoch, as scikit-learn has it, ends training with a warning."""
    whole = MLPClassifier(**{**FAST, "max_iter": 2}).fit(X, Y)

    class Interrupted(_solvers.Trainer):
        def epoch(self, order, rates=None):
            loss = super().epoch(order, rates)
            if self.epoch_count == 3:
                raise KeyboardInterrupt
            return loss

    model = MLPClassifier(**FAST)
    with monkeypatch.context() as patch:
        patch.setattr(_solvers, "Trainer", Interrupted)
        with pytest.warns(UserWarning, match="Training interrupted by user"):
            model.fit(X, Y, checkpoint="run.ckpt", checkpoint_every=100)
    assert_same(model, whole)
    assert_same(MLPClassifier(**FAST).fit(X, Y, checkpoint="run.ckpt"),
                MLPClassifier(**FAST).fit(X, Y))  # fmt: skip


def test_divergence_leaves_the_last_finite_epoch():
    model = MLPRegressor(**{**FAST, "solver": "sgd", "learning_rate_init": 1e3, "max_iter": 50})
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.fit(X * 100, Y * 1e3)
    assert all(np.isfinite(part).all() for part in model.coefs_ + model.intercepts_)
    assert len(model.loss_curve_) == model.n_iter_


def test_a_bar_in_place_of_lines(capsys, monkeypatch):
    MLPClassifier(**FAST, verbose="bar").fit(X, Y)
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line.split(":")[0] for line in err.splitlines()]
    assert lines == [f"epoch {i}/6" for i in range(1, 7)]
    assert "loss " in err


@pytest.mark.parametrize(
    ("hidden", "outputs", "batch", "order"),
    [
        ((40,), 1, 20, "along the inputs of narrow layers"),
        ((40,), 10, 200, "over chunks of 50 rows"),
        ((40,), 1, 100, "along the inputs of narrow layers and over chunks of 50 rows"),
        ((40,), 10, 20, None),
        ((700,), 10, 100, None),
        ((700, 600), 10, 100, "by whole cache lines of wide layers"),
    ],
)
def test_a_checkpoint_with_another_order_of_sums_is_refused(
    hidden, outputs, batch, order, monkeypatch
):
    """Earlier builds added some numbers in another order, and said nothing of it: a run that goes
    on from then would end with bits that no uninterrupted run has."""
    options = FAST | {"hidden_layer_sizes": hidden, "batch_size": batch}
    target = np.stack([Y] * outputs, axis=1).squeeze() / 10
    write = Checkpoint.write

    def write_as_before(self, about, arrays):
        run = {name: value for name, value in about["run"].items() if name != "the order of sums"}
        write(self, {**about, "run": run}, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", write_as_before)
        interrupted(MLPRegressor(**options), 2, monkeypatch, X, target)
    resumed = MLPRegressor(**options)
    if order:
        with pytest.raises(ValueError, match=rf"the order of sums was None and is {order}"):
            resumed.fit(X, target, checkpoint="run.ckpt")
    else:
        whole = MLPRegressor(**options).fit(X, target)
        assert_same(resumed.fit(X, target, checkpoint="run.ckpt"), whole)
