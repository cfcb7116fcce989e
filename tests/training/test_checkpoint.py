"""Checkpoints: resumed and uninterrupted runs are the same to the bit; other runs are refused."""

import os
import re
import shutil

import numpy as np
import pytest
from oracle import OPTIMIZERS
from runs import DATA, X, Y, assert_same, epoch_of, get, model, stop_after
from scipy import sparse

from mlpcore import Distortion, NeuralNetMLP, NotFittedError
from mlpcore.training.checkpoint import Checkpoint, read_checkpoint
from mlpcore.training.snapshot import fingerprint

DISTORTION = Distortion(rotation=9, translation=0.5, elastic=0.4, smoothness=2, thickness=0.5)

# Resumed runs


CASES = {
    "as it is": {},
    "online": {"minibatch_size": 1, "epochs": 4},
    "online, dense": {"minibatch_size": 1, "input_path": "dense", "epochs": 4},
    "sparse path": {"input_path": "sparse"},
    "two layers": {"n_hidden": (7, 5)},
    "float64": {"dtype": "float64"},
    "float32": {"dtype": np.float32},
    "in order": {"shuffle": False},
    "rows left over": {"minibatch_size": 77},
    "few evaluations": {"eval_every": 4},
    "scaled": {"input_scale": (0.5, 0.1)},
    "relu": {"activation": "relu"},
    "two activations": {"n_hidden": (7, 5), "activation": ("tanh", "relu")},
    "momentum": {"optimizer": "momentum"},
    "nesterov": {"optimizer": "nesterov", "dtype": "float64"},
    "adam": {"optimizer": "adam", "n_hidden": (7, 5)},
    "dropout": {"dropout": 0.5},
    "dropout, online": {"dropout": 0.2, "minibatch_size": 1, "epochs": 3},
    "dropout of inputs": {"dropout": (0.2, 0.5, 0.0), "n_hidden": (7, 5), "optimizer": "adamw"},
    "dropout, adam, early stopping": {"dropout": 0.3, "optimizer": "adam", "patience": 1,
                                      "early_stopping": True, "eta": 0.05, "epochs": 12},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "adamw, decay of layers": {"optimizer": "adamw", "weight_decay": [0.1, 0.3], "l2": (0.0, 0.1)},
    "adam, online": {"optimizer": "adam", "minibatch_size": 1, "epochs": 3},
    "adam, early stopping": {"optimizer": "adam", "early_stopping": True, "patience": 2,
                             "eta": 0.05, "epochs": 12},
    "early stopping": {"early_stopping": True, "patience": 2, "eta": 0.05, "epochs": 12},
    "early stopping on cost": {"early_stopping": "cost", "patience": 1, "eta": 0.4, "epochs": 15},
    "the best of a few evaluations": {"early_stopping": "cost", "eval_every": 3, "epochs": 8},
    "distorted": {"augment": DISTORTION, "optimizer": "adam", "early_stopping": "cost"},
    "distorted, sparse path": {"augment": DISTORTION, "input_path": "sparse", "dropout": 0.2},
    "distorted, online": {"augment": DISTORTION, "input_path": "sparse", "minibatch_size": 1,
                          "epochs": 3},
    "warm-up": {"warmup_epochs": 2.5, "schedule": "cosine"},
    "warm-up, adaptive": {"warmup_epochs": 1.5, "schedule": "adaptive", "patience": 1},
    "average of steps": {"weight_average": 0.9, "optimizer": "adam"},
    "average of steps, early stopping": {"weight_average": 0.95, "early_stopping": "cost",
                                         "eta": 0.4, "patience": 1, "epochs": 15},
    "average of steps, online": {"weight_average": 0.99, "minibatch_size": 1, "epochs": 3},
    "average of epochs": {"weight_average": 3},
    "average of more epochs than there are": {"weight_average": 30, "eval_every": 2},
    "average of steps, wide": {"n_hidden": 600, "minibatch_size": 50, "epochs": 3,
                               "weight_average": 0.8},
    "smoothed labels": {"label_smoothing": 0.1, "optimizer": "adam"},
    "wide": {"n_hidden": 600, "minibatch_size": 50, "epochs": 3},  # weights that go through BLAS
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("valid", [True, False])
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(case, valid):
    keywords = {"epochs": 7, **CASES[case]}
    data = DATA if valid or keywords.get("early_stopping") is True else DATA[:2]
    epochs = keywords.pop("epochs")
    whole = model(epochs, **keywords).fit(*data)
    for n in range(whole.n_iter_):
        # The number of threads may change on the way, and so may the object.
        nn = model(epochs, **keywords, callback=stop_after(n), n_threads=2)
        nn.fit(*data, checkpoint=f"{n}.ckpt")
        assert nn.n_iter_ == (n or whole.n_iter_)
        resumed = model(epochs, **keywords, n_threads=1).fit(*data, checkpoint=f"{n}.ckpt")
        assert_same(resumed, whole)
        assert resumed.predict(X).tolist() == whole.predict(X).tolist()


def test_a_run_in_many_pieces():
    whole = model(12).fit(*DATA)
    seen = []
    for n in (1, 2, 5, 6, 11, 12):
        nn = model(12, callback=lambda epoch, history, n=n: seen.append(epoch) or epoch == n)
        nn.fit(*DATA, checkpoint="run.ckpt")
    assert_same(nn, whole)
    assert seen == list(range(1, 13))


@pytest.mark.parametrize("data", ["bytes", "csr", "text labels", "strided"])
def test_other_kinds_of_data(data):
    rows, labels = X[:300], Y[:300]
    if data == "bytes":
        rows = ((rows + 1) * 8).astype(np.uint8)
    elif data == "csr":
        rows = sparse.csr_array(rows + 1)
    elif data == "strided":
        rows = X[:600:2]
    else:
        labels = np.array([f"digit {label}" for label in labels])
    whole = model(5).fit(rows, labels)
    model(5, callback=stop_after(2)).fit(rows, labels, checkpoint="run.ckpt")
    assert_same(model(5).fit(rows.copy(), labels, checkpoint="run.ckpt"), whole)


def test_a_fitted_object_goes_on_by_the_checkpoint_alone():
    nn = model(6, callback=stop_after(3)).fit(*DATA, checkpoint="run.ckpt")
    nn.set_params(seed=5, callback=None).fit(*DATA)
    nn.set_params(seed=1).fit(*DATA, checkpoint="run.ckpt")
    assert_same(nn, model(6).fit(*DATA))


@pytest.mark.parametrize("every", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("first", [0, 1, 4, 5])
def test_more_epochs_equal_a_run_that_asked_for_them_at_once(first, every):
    """The last epoch of the shorter run has an evaluation that the longer run does without."""
    keywords = {"eval_every": every}
    model(first, **keywords).fit(*DATA, checkpoint="run.ckpt")
    longer = model(9, **keywords).fit(*DATA, checkpoint="run.ckpt")
    assert_same(longer, model(9, **keywords).fit(*DATA))


def test_an_epoch_that_becomes_the_last_one_is_evaluated():
    model(9, eval_every=4, callback=stop_after(6)).fit(*DATA, checkpoint="run.ckpt")
    assert len(read_checkpoint("run.ckpt")[1]["cost"]) == 1
    for _ in range(2):
        nn = model(6, eval_every=4).fit(*DATA, checkpoint="run.ckpt")
        assert_same(nn, model(6, eval_every=4).fit(*DATA))
    nn = model(9, eval_every=4).fit(*DATA, checkpoint="run.ckpt")
    assert_same(nn, model(9, eval_every=4).fit(*DATA))


def test_a_finished_run_is_not_trained_further():
    first = model(4).fit(*DATA, checkpoint="run.ckpt")
    before = (os.stat("run.ckpt").st_mtime_ns, os.stat("run.ckpt").st_ino)
    called = []
    nn = model(4, callback=lambda *args: called.append(args)).fit(*DATA, checkpoint="run.ckpt")
    assert_same(nn, first)
    assert not called
    assert (os.stat("run.ckpt").st_mtime_ns, os.stat("run.ckpt").st_ino) == before


def test_fewer_epochs_than_there_are():
    model(4).fit(*DATA, checkpoint="run.ckpt")
    with pytest.raises(ValueError, match=r"run\.ckpt: epochs must be at least 4.*got 3"):
        model(3).fit(*DATA, checkpoint="run.ckpt")


@pytest.mark.parametrize("part", [{"shuffle": True}, {"shuffle": False, "dropout": 0.5}])
def test_without_a_seed_the_run_goes_on_with_its_own_draws(part):
    keywords = {"seed": None, **part}
    model(8, **keywords, callback=stop_after(3)).fit(*DATA, checkpoint="a.ckpt")
    shutil.copy("a.ckpt", "b.ckpt")
    a = model(8, **keywords).fit(*DATA, checkpoint="a.ckpt")
    b = model(8, **keywords).fit(*DATA, checkpoint="b.ckpt")
    assert_same(a, b)
    assert not np.array_equal(a.w_h, model(8, **keywords).fit(*DATA).w_h)


def test_the_checkpoint_costs_the_run_no_bit():
    assert_same(model(5).fit(*DATA, checkpoint="run.ckpt"), model(5).fit(*DATA))


@pytest.mark.parametrize("every", [1, 2, 3, 100])
def test_how_often_it_is_written(every):
    seen = []

    def look(epoch, history):
        seen.append(epoch_of("run.ckpt"))

    model(5, callback=look).fit(*DATA, checkpoint="run.ckpt", checkpoint_every=every)
    assert seen == [epoch // every * every for epoch in range(1, 6)]
    assert epoch_of("run.ckpt") == 5  # the last one in any case


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "1"])
def test_checkpoint_every_is_checked(every):
    with pytest.raises((TypeError, ValueError), match="checkpoint_every must be a whole number"):
        model(5).fit(*DATA, checkpoint="run.ckpt", checkpoint_every=every)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
@pytest.mark.parametrize("every", [1, 100])
def test_whatever_ends_training_the_last_epoch_is_in_the_checkpoint(error, every):
    def fail(epoch, history):
        if epoch == 3:
            raise error("enough")

    with pytest.raises(error):
        model(8, callback=fail).fit(*DATA, checkpoint="run.ckpt", checkpoint_every=every)
    assert epoch_of("run.ckpt") == 3
    assert_same(model(8).fit(*DATA, checkpoint="run.ckpt"), model(8).fit(*DATA))


def test_divergence_leaves_the_last_finite_epoch():
    keywords = {"eta": 90.0, "l2": 0.1, "minibatch_size": 300}
    with pytest.raises(FloatingPointError) as caught:
        model(1000, **keywords).fit(*DATA, checkpoint="run.ckpt", checkpoint_every=1000)
    epoch = int(re.search(r"not finite after epoch (\d+)", str(caught.value))[1])
    assert epoch_of("run.ckpt") == epoch - 1 > 3
    with pytest.raises(FloatingPointError, match=f"after epoch {epoch};"):
        model(1000, **keywords).fit(*DATA, checkpoint="run.ckpt")


# Other runs


OTHER_PARAMETERS = {
    "n_hidden": 8,
    "l2": 0.02,
    "eta": 0.02,
    "shuffle": False,
    "minibatch_size": 21,
    "seed": 2,
    "dtype": "float64",
    "input_path": "sparse",
    "input_scale": (1.5, 0),
    "eval_every": 2,
    "early_stopping": True,
    "patience": 3,
    "activation": "tanh",
    "optimizer": "momentum",
    "dropout": 0.1,
    "schedule": "cosine",
    "power_t": 0.25,
    "clip_norm": 1.0,
    "max_norm": 0.5,
    "label_smoothing": 0.1,
    "weight_average": 0.9,
    "warmup_epochs": 0.5,
    "class_weight": {3: 2.0},
    "coefs_init": [np.zeros((64, 9)), np.zeros((9, 10))],
    "intercepts_init": [np.ones(9), np.ones(10)],
    "augment": Distortion(rotation=9),
    "image_shape": (4, 16),
}
# With these, those matter.
USED_WITH = {
    "early_stopping": {"early_stopping": "cost"},
    "patience": {"early_stopping": "cost"},
    "power_t": {"schedule": "invscaling"},
    "augment": {"augment": Distortion(rotation=10)},
    "image_shape": {"augment": Distortion(rotation=10)},
}
# Every hyperparameter with every optimiser that has it.
HYPERPARAMETERS = [
    (optimizer, name, value)
    for optimizer, rule in OPTIMIZERS.items()
    for name, value in rule.hyperparameters.items()
    if name in NeuralNetMLP().get_params()
]


def refused(nn, data=DATA):
    """The message with which a fit is refused that leaves checkpoint and model as they were."""
    before = get("run.ckpt")
    with pytest.raises(
        ValueError, match=r"^run\.ckpt: expected a checkpoint of the same"
    ) as caught:
        nn.fit(*data, checkpoint="run.ckpt")
    assert get("run.ckpt") == before
    with pytest.raises(NotFittedError):
        nn.predict(X)
    return str(caught.value)


def named(message):
    return set(re.findall(r"(\w+) was ", message))


@pytest.mark.parametrize("name", OTHER_PARAMETERS)
def test_other_parameters_are_refused_by_name(name):
    usual = USED_WITH.get(name, {})
    model(3, **usual).fit(*DATA, checkpoint="run.ckpt")
    # Scaled, the data are others; and what the other optimiser uses was not there.
    also = {
        "input_scale": {"X_train", "X_valid"},
        "optimizer": {"momentum"},
        "schedule": {"epochs"},
    }.get(name, set())
    message = refused(model(3, **usual | {name: OTHER_PARAMETERS[name]}))
    if name == "class_weight":  # which a checkpoint knows by the weights of the rows
        name = "sample_weight"
    assert named(message) == {name} | also
    assert "give another checkpoint" in message


@pytest.mark.parametrize(("optimizer", "name", "value"), HYPERPARAMETERS)
def test_another_hyperparameter_is_refused_by_name(optimizer, name, value):
    model(3, optimizer=optimizer).fit(*DATA, checkpoint="run.ckpt")
    assert named(refused(model(3, optimizer=optimizer, **{name: value}))) == {name}


def test_every_parameter_is_one_that_differs_or_one_that_does_not():
    free = {"epochs", "n_threads", "progress", "callback", "buffer_bytes"}
    others = set(OTHER_PARAMETERS) | {name for _, name, _ in HYPERPARAMETERS}
    assert others | free == set(NeuralNetMLP().get_params())
    nn = model(3, callback=stop_after(1), progress=False, n_threads=2)
    nn.fit(*DATA, checkpoint="run.ckpt")
    again = model(3, callback=None, progress=True, n_threads=1, buffer_bytes=1)
    # What this optimiser has no use for, or runs without early stopping, may differ as well.
    again.set_params(patience=7, momentum=0.1, beta_1=0.1, beta_2=0.1, weight_decay=3)
    assert_same(again.fit(*DATA, checkpoint="run.ckpt"), model(3).fit(*DATA))


def test_the_message_says_what_was_and_what_is():
    model(3).fit(*DATA, checkpoint="run.ckpt")
    message = refused(model(3, eta=0.5, l2=0))
    assert "l2 was 0.01 and is 0.0; eta was 0.01 and is 0.5. " in message


def test_parameters_that_mean_the_same():
    model(3, callback=stop_after(1)).fit(*DATA, checkpoint="run.ckpt")
    same = {"n_hidden": [np.int64(9)], "l2": np.float64(0.01), "dtype": np.dtype("f4"),
            "input_path": "dense", "input_scale": (1, 0), "shuffle": np.True_,
            "image_shape": (8, 8)}  # fmt: skip
    assert_same(model(3, **same).fit(*DATA, checkpoint="run.ckpt"), model(3).fit(*DATA))


def changed(array, place, value):
    other = array.copy()
    other[place] = value
    return other


OTHER_DATA = {
    "one number": ({"X_train"}, (changed(X[:300], (299, 63), 0.5), *DATA[1:])),
    "float64": ({"X_train", "X_valid", "dtype"}, (X[:300].astype("f8"), Y[:300],
                                                  X[300:400].astype("f8"), Y[300:400])),
    "rows": ({"X_train", "y_train"}, (X[:299], Y[:299], *DATA[2:])),
    "order of rows": ({"X_train", "y_train"}, (X[299::-1], Y[299::-1], *DATA[2:])),
    "one label": ({"y_train"}, (X[:300], changed(Y[:300], 7, 3), *DATA[2:])),
    "names of labels": ({"classes"}, (X[:300], Y[:300] + 1, X[300:400], Y[300:400] + 1)),
    "one number of validation": ({"X_valid"}, (*DATA[:2], changed(DATA[2], (0, 0), 9), DATA[3])),
    "one label of validation": ({"y_valid"}, (*DATA[:3], changed(DATA[3], 0, 9))),
    "no validation": ({"X_valid", "y_valid"}, DATA[:2]),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHER_DATA)
def test_other_data_are_refused_by_name(what):
    model(3).fit(*DATA, checkpoint="run.ckpt")
    names, data = OTHER_DATA[what]
    assert named(refused(model(3), data)) == names


@pytest.mark.parametrize(
    "make",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1].copy()[::-1],
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i4", "M8[s]", "U3"])
def test_fingerprints_are_of_values_and_not_of_their_places(make, dtype):
    array = np.arange(700_000 if dtype == "u1" else 1400).reshape(-1, 7).astype(dtype)
    assert fingerprint(make(array)) == fingerprint(array)
    for place in ((0, 0), (len(array) - 1, 6)):
        assert fingerprint(changed(array, place, array[1, 1])) != fingerprint(array)
    assert fingerprint(array[:-1]) != fingerprint(array)
    assert fingerprint(array.reshape(7, -1)) != fingerprint(array)


def test_fingerprints_of_sparse_matrices_and_of_objects():
    dense = np.arange(12.0).reshape(3, 4) % 5
    matrix = sparse.csr_array(dense)
    assert fingerprint(matrix) == fingerprint(sparse.csr_matrix(dense))
    assert fingerprint(matrix) != fingerprint(sparse.csr_array(changed(dense, (0, 0), 7)))
    assert fingerprint(matrix) != fingerprint(sparse.csr_array(dense.T[[0, 1, 2]]))
    labels = [None, 1, "a", 2.5, b"x", frozenset(["a", "b"])]
    one, two = (np.array([*labels, 0], object)[:-1] for _ in range(2))
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint(changed(one, 1, 1.0))
    assert fingerprint(one) != fingerprint(changed(one, 2, "b"))
    assert fingerprint(None) is None


LABELS_IN_ANOTHER_DTYPE = [
    (lambda y: y, lambda y: y.astype(np.int8)),
    (lambda y: y.astype(np.int32), lambda y: y.astype(float)),
    (lambda y: y.astype(str), lambda y: y.astype(str).astype(object)),
    (lambda y: y.astype(object), lambda y: y.tolist()),
    (lambda y: y.astype("U1"), lambda y: y.astype("U7")),
]


@pytest.mark.parametrize(("before", "after"), LABELS_IN_ANOTHER_DTYPE)
def test_the_same_labels_in_another_dtype_go_on(before, after):
    X_train, y_train, X_valid, y_valid = DATA
    model(3, callback=stop_after(1)).fit(
        X_train, before(y_train), X_valid, before(y_valid), checkpoint="run.ckpt"
    )
    again = model(3).fit(X_train, after(y_train), X_valid, after(y_valid), checkpoint="run.ckpt")
    assert_same(again, model(3).fit(X_train, after(y_train), X_valid, after(y_valid)))


@pytest.mark.parametrize("dtype", ["int32", "U1", "object"])
def test_checkpoints_of_version_0_1_go_on(dtype):
    """They have the fingerprint of the labels as these were given, and nothing that came later."""
    X_train, y_train, X_valid, y_valid = DATA
    data = X_train, y_train.astype(dtype), X_valid, y_valid.astype(dtype)
    model(3, callback=stop_after(1)).fit(*data, checkpoint="run.ckpt")
    about, arrays = read_checkpoint("run.ckpt")
    about["run"]["classes"] = fingerprint(np.unique(data[1]))
    for name in ("coefs_init", "intercepts_init", "schedule", "clip_norm", "max_norm",
                 "sample_weight"):  # fmt: skip
        del about["run"][name]
    del about["schedule"]
    with Checkpoint("run.ckpt") as file:
        file.write(about, arrays)
    assert_same(model(3).fit(*data, checkpoint="run.ckpt"), model(3).fit(*data))
