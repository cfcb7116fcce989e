"""Models in files and in pickles: nothing lost, nothing executed, nothing believed unchecked."""

import copy
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlpcore import Distortion, NeuralNetMLP, NotFittedError, load_digits, load_npz, save_npz

X, Y = load_digits()
FAST = {"n_hidden": (9, 7), "epochs": 2, "eta": 0.02, "l2": 0.01, "minibatch_size": 20, "seed": 1}


def model(labels=Y, **keywords):
    return NeuralNetMLP(**{**FAST, **keywords}).fit(X, labels, X[:99], labels[:99])


def assert_equal(a, b):
    """All that was learned, to the bit and to the type."""
    for mine, its in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        assert mine.dtype == its.dtype
        assert np.array_equal(mine, its)
    assert a.classes_.dtype == b.classes_.dtype
    assert a.classes_.tolist() == b.classes_.tolist()
    assert [type(label) for label in a.classes_.tolist()] == [
        type(label) for label in b.classes_.tolist()
    ]
    assert a.eval_ == b.eval_
    assert (a.n_features_in_, a.n_iter_) == (b.n_features_in_, b.n_iter_)
    assert a.input_path_ == b.input_path_
    assert np.array_equal(a.predict_proba(X), b.predict_proba(X))
    assert np.array_equal(a.predict(X), b.predict(X))
    assert a.predict(X[:1]) == b.predict(X[:1])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


# Files

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "ei", "neun"])
LABELS = {
    "numbers": Y,
    "small numbers": Y.astype(np.uint8),
    "negative numbers": Y - 5,
    "floats": Y * 2.0,
    "truth values": Y > 4,
    "text": NAMES[Y],
    "text beyond ASCII": np.array(["ä", "日本", "🙂", "z", "", "a b", "\n", "'", '"', "\\"])[Y],
    "bytes": NAMES.astype("S")[Y],
    "objects": NAMES.astype(object)[Y],
    "a mixture": np.array([7, 1, 2.5, "x", True, "", -3, "y", "z", 10**20], object)[Y],
    "dates": np.datetime64("2000-01-01") + Y.astype("m8[D]"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_survive(kind, path):
    nn = model(LABELS[kind])
    nn.save(path)
    assert_equal(NeuralNetMLP.load(path), nn)


@pytest.mark.parametrize(
    "keywords",
    [
        {"dtype": "float32"},
        {"dtype": np.float64},
        {"dtype": np.dtype("f4")},
        {"n_hidden": 12},
        {"n_hidden": [5, 6, 7]},
        {"n_hidden": np.array([5, 6])},
        {"n_hidden": np.int64(5), "seed": np.uint32(7), "eta": np.float32(0.25), "l2": 0},
        {"seed": None, "shuffle": False, "n_threads": 1, "progress": False},
        {"input_path": "sparse", "eval_every": 2},
        {"input_path": "dense", "input_scale": (0.5, -0.25)},
        {"epochs": 0},
        {"eta": 1 / 3, "l2": 1e-17},
        {"activation": "tanh"},
        {"activation": ("relu", "tanh"), "optimizer": "adam", "eta": 0.001},
        {"n_hidden": 9, "activation": ["identity"], "optimizer": "nesterov", "eta": 0.001},
        {"augment": Distortion(rotation=1 / 3, elastic=1, background=-1), "image_shape": (16, 4)},
        {"augment": Distortion()},
        {"label_smoothing": 1 / 3, "warmup_epochs": 1 / 3, "weight_average": 0.999},
        {"weight_average": np.int8(2), "l2": np.array([0.1, 0.2, 0])},
        {"optimizer": "adamw", "eta": 0.001, "weight_decay": [0.1, 0.2, 0]},
    ],
)
def test_parameters_and_weights_survive(keywords, path):
    nn = model(**keywords)
    nn.save(path)
    again = NeuralNetMLP.load(path)
    assert_equal(again, nn)
    for name, value in nn.get_params().items():
        mine = getattr(again, name)
        if name == "dtype":
            assert mine is value is None or np.dtype(mine) == np.dtype(value)
        else:
            assert np.array_equal(mine, value)
    if nn.seed is not None:  # and so does what they would learn
        assert_equal(again.fit(X, Y, X[:99], Y[:99]), nn)


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_the_activation_is_that_of_the_fit(way, path):
    """And not that of a parameter set since."""
    nn = model(activation=("relu", "tanh"))
    before = nn.predict_proba(X)
    nn.set_params(activation="identity")
    assert np.array_equal(nn.predict_proba(X), before)
    if way == "file":
        nn.save(path)
        again = NeuralNetMLP.load(path)
    else:
        again = pickle.loads(pickle.dumps(nn))
    assert np.array_equal(again.predict_proba(X), before)
    assert again.activation == "identity"


def test_pickles_without_activations_load_still():
    state = model().__getstate__()
    del state["_activation"]
    again = NeuralNetMLP()
    again.__setstate__(state)
    assert_equal(again, model())


def test_a_callback_is_left_out(path):
    nn = model(callback=lambda epoch, history: None)
    nn.save(path)
    again = NeuralNetMLP.load(path)
    assert again.callback is None
    assert_equal(again, nn)


def test_the_file_has_the_name_that_was_asked_for(tmp_path):
    nn = model()
    for name in ("model", "model.npz", "a.b", "ü"):
        nn.save(tmp_path / name)
        assert_equal(NeuralNetMLP.load(str(tmp_path / name)), nn)
        assert_equal(NeuralNetMLP.load(os.fsencode(tmp_path / name)), nn)
    assert sorted(os.listdir(tmp_path)) == ["a.b", "model", "model.npz", "ü"]


def test_saving_replaces_an_older_file(path):
    model(seed=1).save(path)
    nn = model(seed=2)
    nn.save(path)
    assert_equal(NeuralNetMLP.load(path), nn)


def test_the_file_is_plain_arrays_and_text(path):
    """Anybody can read it with NumPy, and nobody can hide a pickle in it."""
    nn = model()
    nn.save(path)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert np.array_equal(arrays["coef_0"], nn.w_h)
    assert np.array_equal(arrays["intercept_2"], nn.b_out)
    about = json.loads(str(arrays["about"]))
    assert about["history"] == nn.eval_
    assert about["parameters"]["eta"] == nn.eta


def test_subclasses_load_as_themselves(path):
    class Mine(NeuralNetMLP):
        pass

    model().save(path)
    assert type(Mine.load(path)) is Mine


def test_only_what_is_fitted_is_saved(path):
    with pytest.raises(NotFittedError, match="call fit first"):
        NeuralNetMLP().save(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "labels",
    [
        np.fromiter([(1, 2), (3, 4), (5, 6)] * 599, object),
        np.fromiter([b"x", 1, "y"] * 599, object),
        np.fromiter([1j, "a", "b"] * 599, object),
        np.fromiter([frozenset(), "a", "b"] * 599, object),
    ],
    ids=["tuples", "bytes", "complex", "sets"],
)
def test_labels_that_only_a_pickle_could_hold_are_refused(labels, path):
    nn = model(labels)
    with pytest.raises(TypeError, match=r"cannot save .*pickle the model instead"):
        nn.save(path)
    assert not path.exists()
    assert_equal(pickle.loads(pickle.dumps(nn)), nn)


def test_parameters_that_only_a_pickle_could_hold_are_refused(path):
    nn = model().set_params(n_hidden=range(3, 5))
    with pytest.raises(TypeError, match=r"cannot save range\(3, 5\)"):
        nn.save(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("parameter", "value"), [("eta", -1), ("n_threads", "all"), ("dtype", "float16")]
)
def test_what_could_not_be_loaded_is_not_saved(parameter, value, path):
    nn = model().set_params(**{parameter: value})
    with pytest.raises((TypeError, ValueError), match=parameter):
        nn.save(path)
    assert not path.exists()


# Files that are not right


GONE = object()


def replaced(entries, changes):
    return {key: value for key, value in {**entries, **changes}.items() if value is not GONE}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """The content of a file that is right."""
    path = tmp_path_factory.mktemp("right") / "model.npz"
    model().save(path)
    return load_npz(path)


@pytest.fixture
def saved(path, arrays):
    """Return a function that writes a file with some arrays replaced or gone."""

    def save(**changes):
        np.savez(path, **replaced(arrays, changes))

    return save


@pytest.fixture
def about(arrays):
    """Return a function that makes the file's text with some entries replaced or gone."""

    def text(**changes):
        return json.dumps(replaced(json.loads(str(arrays["about"])), changes))

    return text


def test_a_file_with_nothing_changed(path, saved, about):
    saved(about=about())
    assert_equal(NeuralNetMLP.load(path), model())


@pytest.mark.parametrize("version", [3, 99, "2", 1.5, -1, [1], None])
def test_other_versions_are_refused_by_name(version, path, saved, about):
    saved(about=about(version=version))
    message = rf"model\.npz: expected model format 2 or older; got format {version!r}"
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        NeuralNetMLP.load(path)


def test_the_first_format_loads_still():
    """A file that the first version wrote, when hidden units were logistic."""
    old = NeuralNetMLP.load(Path(__file__).with_name("model-1.npz"))
    rows, labels = X[:60, 20:25], Y[:60] % 2
    new = NeuralNetMLP([3, 2], epochs=2, seed=1, minibatch_size=5, eta=0.5, l2=0.01, dtype="f4")
    new.fit(rows[:40], labels[:40], rows[40:], labels[40:])
    assert old.get_params() == new.set_params(dtype="float32").get_params()
    # On another processor, another instruction set may have been at work.
    for mine, its in zip(old.coefs_ + old.intercepts_, new.coefs_ + new.intercepts_, strict=True):
        assert np.allclose(mine, its, rtol=1e-4, atol=1e-6)
    assert np.allclose(old.eval_["cost"], new.eval_["cost"])
    assert np.allclose(old.predict_proba(rows), new.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"about": GONE},
        {"about": np.arange(3)},
        {"about": np.array(["a", "b"])},
        {"about": "not JSON"},
        {"about": "[" * 100_000},
        {"about": "[1, 2]"},
        {"about": "3"},
        {"about": json.dumps({"format": "another", "version": 1})},
        {"about": json.dumps({"version": 1})},
        {"about": json.dumps({"format": "mlpcore.NeuralNetMLP"})},
    ],
)
def test_arrays_that_are_no_model(changes, path, saved):
    saved(**changes)
    with pytest.raises(ValueError, match=r"model\.npz: expected a model saved by NeuralNetMLP"):
        NeuralNetMLP.load(path)


def test_scaled_mnist_is_no_model(path):
    save_npz(path, X_train=X, y_train=Y)
    with pytest.raises(ValueError, match=r"got arrays X_train, y_train\. .*with load_npz"):
        NeuralNetMLP.load(path)


ARRAYS = {
    "a missing layer": {"coef_1": GONE},
    "missing biases": {"intercept_0": GONE},
    "no layers": {f"{part}_{i}": GONE for part in ("coef", "intercept") for i in range(3)},
    "a missing first layer": {"coef_0": GONE, "intercept_0": GONE},
    "one layer too many": {"coef_7": np.zeros((10, 10), "f4")},
    "missing classes": {"classes": GONE},
    "classes too few": {"classes": np.arange(9)},
    "the same class twice": {"classes": np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8])},
    "classes in two dimensions": {"classes": np.arange(10)[None]},
    "classes of one number": {"classes": np.int64(3)},
    "a class that is NaN": {"classes": np.append(np.arange(9.0), np.nan)},
    "a class that is no time": {"classes": np.append(np.arange(9), -(2**63)).view("M8[s]")},
    "weights of another shape": {"coef_1": np.zeros((9, 8), "f4")},
    "weights of one row": {"coef_1": np.zeros((1, 7), "f4")},
    "weights of one column": {"coef_1": np.zeros((9, 1), "f4")},
    "weights in one dimension": {"coef_1": np.zeros(63, "f4")},
    "weights in three dimensions": {"coef_0": np.zeros((64, 9, 1), "f4")},
    "weights of one number": {"coef_0": np.float32(3)},
    "no features": {"coef_0": np.zeros((0, 9), "f4")},
    "no hidden units": {"coef_0": np.zeros((64, 0), "f4"), "intercept_0": np.zeros(0, "f4"),
                        "coef_1": np.zeros((0, 7), "f4")},
    "biases of another length": {"intercept_1": np.zeros(8, "f4")},
    "biases of one number": {"intercept_1": np.float32(0)},
    "another dtype for one layer": {"coef_1": np.zeros((9, 7), "f8")},
    "whole numbers": {f"{part}_{i}": np.zeros(shape, "i4") for i, (m, n) in
                      enumerate([(64, 9), (9, 7), (7, 10)])
                      for part, shape in (("coef", (m, n)), ("intercept", (n,)))},
    "weights that are not finite": {"coef_1": np.full((9, 7), np.nan, "f4")},
    "biases that are not finite": {"intercept_2": np.full(10, -np.inf, "f4")},
    "text for weights": {"coef_1": np.full((9, 7), "x")},
    "half precision": {f"{part}_{i}": np.zeros(shape, "f2") for i, (m, n) in
                       enumerate([(64, 9), (9, 7), (7, 10)])
                       for part, shape in (("coef", (m, n)), ("intercept", (n,)))},
}  # fmt: skip


@pytest.mark.parametrize("what", ARRAYS)
def test_models_whose_arrays_do_not_fit(what, path, saved):
    saved(**ARRAYS[what])
    with pytest.raises(ValueError, match=r"model\.npz: "):
        NeuralNetMLP.load(path)


ENTRIES = {
    "no parameters": {"parameters": GONE},
    "parameters that are a list": {"parameters": [1, 2]},
    "parameters that are text": {"parameters": "eta"},
    "an unknown parameter": {"parameters": {"inertia": 0.9}},
    "a parameter that fit would not take": {"parameters": {"n_threads": "\ud800"}},
    "an augment that is a number": {"parameters": {"augment": 3}},
    "an unknown distortion": {"parameters": {"augment": {"spin": 3}}},
    "a distortion that is text": {"parameters": {"augment": {"rotation": "much"}}},
    "an image_shape that is a number": {"parameters": {"image_shape": 64}},
    "a dtype that there is none of": {"parameters": {"dtype": "float16"}},
    "no history": {"history": GONE},
    "history that is a list": {"history": [1]},
    "history without costs": {"history": {"train_acc": [], "valid_acc": []}},
    "history that is a number": {"history": {"cost": 1, "train_acc": [], "valid_acc": []}},
    "history of text": {"history": {"cost": ["x"], "train_acc": [], "valid_acc": []}},
    "history of lists": {"history": {"cost": [[1]], "train_acc": [], "valid_acc": []}},
    "history beyond doubles":
        {"history": {"cost": [10**400], "train_acc": [], "valid_acc": []}},
    "no activation": {"activation": GONE},
    "an unknown activation": {"activation": ["logistic", "cubic"]},
    "an activation too many": {"activation": ["logistic"] * 3},
    "an activation that is a number": {"activation": 1},
    "an activation that is no list": {"activation": "logistic"},
    "activations of lists": {"activation": [["logistic"], ["tanh"]]},
    "no number of epochs": {"n_iter": GONE},
    "a negative number of epochs": {"n_iter": -1},
    "half an epoch": {"n_iter": 0.5},
    "epochs in words": {"n_iter": "two"},
    "no background": {"background": GONE},
    "a background in words": {"background": "black"},
    "a background in a list": {"background": [0]},
    "a background beyond doubles": {"background": 10**400},
    "an infinite background": {"background": float("inf")},
    "a background beyond the dtype": {"background": 1e39},
    "an offset beyond the dtype": {"scale": [0.5, 1e39]},
    "a scale that takes bytes beyond the dtype": {"scale": [1e37, 0]},
}  # fmt: skip


@pytest.mark.parametrize("what", ENTRIES)
def test_models_whose_entries_are_wrong(what, path, saved, about):
    saved(about=about(**ENTRIES[what]))
    with pytest.raises(ValueError, match=r"model\.npz: "):
        NeuralNetMLP.load(path)


@pytest.mark.parametrize("classes", [5, "abc", [1, 2], {"a": 1}, [[1]] * 10, [1] * 10,
                                     [*range(9), float("nan")]])  # fmt: skip
def test_classes_in_the_text_that_are_wrong(classes, path, saved, about):
    saved(about=about(classes=classes), classes=GONE)
    with pytest.raises(ValueError, match=r"model\.npz: "):
        NeuralNetMLP.load(path)


class Trap:
    """Its pickle creates a file when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("name", ["about", "classes", "coef_0", "extra"])
def test_pickles_inside_are_refused_unread(name, path, tmp_path, arrays):
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    np.savez(path, **{**arrays, name: trap})
    with pytest.raises(ValueError, match=r"model\.npz"):
        NeuralNetMLP.load(path)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_is_no_model_file(path, tmp_path):
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ValueError, match=r"model\.npz"):
        NeuralNetMLP.load(path)
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_not_there_or_no_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        NeuralNetMLP.load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        NeuralNetMLP.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        model().save(tmp_path / "no folder" / "model.npz")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small model and the bytes of its file."""
    nn = NeuralNetMLP(2, epochs=1, seed=1, minibatch_size=5).fit(X[:20, 20:25], Y[:20] % 2)
    path = tmp_path_factory.mktemp("whole") / "model.npz"
    nn.save(path)
    return nn, path.read_bytes()


def load_or_refuse(path):
    """The model, or None where it was refused with a ValueError that names the file."""
    try:
        return NeuralNetMLP.load(path)
    except ValueError as error:
        message = str(error)
    assert "model.npz" in message
    return None


def same(a, b):
    return (
        all(map(np.array_equal, a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_))
        and a.eval_ == b.eval_
        and a.classes_.tolist() == b.classes_.tolist()
        and a.get_params() == b.get_params()
    )


def test_a_file_cut_short_anywhere(whole, path):
    _, data = whole
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"model\.npz"):
            NeuralNetMLP.load(path)


def test_a_file_with_any_byte_changed(whole, path):
    """Either it is noticed, or it was a byte that nobody needs, such as those of the date."""
    nn, data = whole
    rng = np.random.default_rng(0)
    refused = 0
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        loaded = load_or_refuse(path)
        assert loaded is None or same(loaded, nn), f"byte {place}"
        refused += loaded is None
    assert refused > len(data) / 2


def test_a_file_with_many_bytes_changed(whole, path):
    nn, data = whole
    rng = np.random.default_rng(1)
    for _ in range(300):
        changed = np.frombuffer(data, np.uint8).copy()
        start, length = rng.integers(len(data)), rng.integers(1, 60)
        changed[start : start + length] = rng.integers(0, 256, len(changed[start : start + length]))
        path.write_bytes(changed.tobytes())
        loaded = load_or_refuse(path)
        assert loaded is None or same(loaded, nn)


def test_a_file_whose_checksums_are_right_and_whose_text_is_not(whole, path):
    """As an archive it is whole; only what is in it has a byte changed."""
    nn, data = whole
    rng = np.random.default_rng(2)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(600):
        name = rng.choice(list(members))
        changed = bytearray(members[name])
        changed[rng.integers(len(changed))] = int(rng.integers(256))
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, bytes(changed) if member == name else content)
        loaded = load_or_refuse(path)
        if loaded is not None:  # other numbers, of the right kind and number
            assert loaded.predict_proba(X[:3, 20:25]).shape == (3, 2)
            assert [w.shape for w in loaded.coefs_] == [w.shape for w in nn.coefs_]


# Pickles and copies


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pickles(protocol, dtype):
    nn = model(dtype=dtype)
    again = pickle.loads(pickle.dumps(nn, protocol))
    assert again.get_params() == nn.get_params()
    assert_equal(again, nn)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda nn: pickle.loads(pickle.dumps(nn))]
)
@pytest.mark.parametrize("path", ["dense", "sparse"])
def test_copies_live_on_their_own(duplicate, path):
    nn = model(input_path=path)
    again = duplicate(nn)
    assert_equal(again, nn)
    before = again.predict_proba(X)
    nn.set_params(seed=99).fit(X, 9 - Y)
    assert np.array_equal(again.predict_proba(X), before)
    # It learns again what it had learned.
    assert np.array_equal(again.fit(X, Y, X[:99], Y[:99]).predict_proba(X), before)


def test_pickles_of_what_is_not_fitted():
    nn = pickle.loads(pickle.dumps(NeuralNetMLP(7, eta=0.5)))
    assert nn.get_params() == NeuralNetMLP(7, eta=0.5).get_params()
    with pytest.raises(NotFittedError):
        nn.predict(X)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_survive_pickling(kind):
    nn = model(LABELS[kind])
    assert_equal(pickle.loads(pickle.dumps(nn)), nn)


def test_an_interrupted_model_is_saved_as_it_is(path):
    def stop(epoch, history):
        if epoch == 1:
            raise KeyboardInterrupt

    nn = NeuralNetMLP(**FAST, callback=stop)
    with pytest.raises(KeyboardInterrupt):
        nn.fit(X, Y, X[:99], Y[:99])
    nn.save(path)
    assert_equal(NeuralNetMLP.load(path), nn)
    assert_equal(nn, model(epochs=1))


def test_models_move_between_processes(path, run_python):
    """Also where another instruction set computes: the weights are the same."""
    nn = model()
    nn.save(path)
    code = f"""
import pickle, sys
from mlpcore import NeuralNetMLP
nn = NeuralNetMLP.load({str(path)!r})
sys.stdout.buffer.write(pickle.dumps(nn).hex().encode())
"""
    assert_equal(pickle.loads(bytes.fromhex(run_python(code, MLPCORE_SIMD="base"))), nn)
