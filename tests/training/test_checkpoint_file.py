"""The file of a checkpoint: what is in it, how it is written, and what is not believed."""

import errno
import hashlib
import json
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from runs import DATA, X, Y, assert_same, epoch_of, get, model, put, stop_after

from mlpcore import NeuralNetMLP, NotFittedError
from mlpcore import _files as files
from mlpcore.training.checkpoint import Checkpoint, read_checkpoint

# What is in it, and how it is written


def test_the_file_is_what_the_module_says():
    """Read without the package."""
    nn = model(3).fit(*DATA, checkpoint="run.ckpt")
    data = get("run.ckpt")
    assert data[:8] == b"mlpckpt1"
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
    end = 16 + int.from_bytes(data[8:16], "little")
    text = json.loads(data[16:end])
    assert text["about"]["epoch"] == 3
    arrays = {}
    for name, dtype, shape in text["arrays"]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        arrays[name] = np.frombuffer(data[end : end + size], np.dtype(dtype)).reshape(shape)
        end += size
    assert end == len(data) - 32
    weights = [array.ravel() for array in nn.coefs_ + nn.intercepts_]
    assert np.array_equal(arrays["parameters"][0], np.concatenate(weights))
    assert arrays["cost"].tolist() == nn.eval_["cost"]


def test_the_one_before_is_kept():
    def look(epoch, history):
        assert epoch_of("run.ckpt") == epoch
        assert epoch_of("run.ckpt.previous") == epoch - 1

    model(4, callback=look).fit(*DATA, checkpoint="run.ckpt")
    assert sorted(os.listdir()) == ["run.ckpt", "run.ckpt.previous"]
    os.replace("run.ckpt.previous", "run.ckpt")
    assert_same(model(4).fit(*DATA, checkpoint="run.ckpt"), model(4).fit(*DATA))


def test_names_of_every_kind(tmp_path):
    whole = model(2).fit(*DATA)
    for name in ("a", tmp_path / "b", os.fsencode(tmp_path / "c"), "ü.x.y"):
        model(2, callback=stop_after(1)).fit(*DATA, checkpoint=name)
        assert_same(model(2).fit(*DATA, checkpoint=name), whole)
    os.mkdir("there")
    os.symlink("there/run.ckpt", "link")
    model(2).fit(*DATA, checkpoint="link")
    assert os.path.islink("link")
    assert sorted(os.listdir("there")) == ["run.ckpt", "run.ckpt.previous"]


def test_where_there_are_no_hard_links(monkeypatch):
    def link(*names):
        raise PermissionError(errno.EPERM, "no such thing here")

    monkeypatch.setattr(os, "link", link)
    model(3).fit(*DATA, checkpoint="run.ckpt")
    assert epoch_of("run.ckpt.previous") == 2
    assert epoch_of("run.ckpt") == 3


def test_each_write_is_on_the_disk_before_it_counts(monkeypatch):
    """File, then name, then folder."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"
        calls.append(kind)
        fsync(descriptor)

    def note_replace(source, target):
        calls.append(os.path.basename(target))
        replace(source, target)

    monkeypatch.setattr(files.os, "fsync", note_fsync)
    monkeypatch.setattr(files.os, "replace", note_replace)
    model(2).fit(*DATA, checkpoint="run.ckpt")
    assert calls == ["file", "run.ckpt", "folder"] * 3


def test_what_a_killed_process_left_is_removed():
    model(2).fit(*DATA, checkpoint="run.ckpt")
    put("run.ckpt.tmp", b"half")
    put("run.ckpt.lock", b"")
    model(2).fit(*DATA, checkpoint="run.ckpt")
    assert sorted(os.listdir()) == ["run.ckpt", "run.ckpt.previous"]


def test_a_temporary_name_that_points_elsewhere():
    """In a folder that others write to, somebody may put a link there."""
    put("precious", b"mine")
    with files.atomic_write("run.ckpt", temporary="run.ckpt.tmp") as file:
        file.write(b"x")
    os.symlink("precious", "run.ckpt.tmp")
    with files.atomic_write("run.ckpt", temporary="run.ckpt.tmp") as file:
        file.write(b"y")
    assert get("precious") == b"mine"
    assert get("run.ckpt") == b"y"


def test_two_runs_at_once():
    def begin_another(epoch, history):
        before = sorted(os.listdir())
        with pytest.raises(BlockingIOError, match="in use by another run"):
            model(3).fit(*DATA, checkpoint="run.ckpt")
        assert sorted(os.listdir()) == before
        assert_same(model(3).fit(*DATA, checkpoint="other.ckpt"), whole)

    whole = model(3).fit(*DATA)
    assert_same(model(3, callback=begin_another).fit(*DATA, checkpoint="run.ckpt"), whole)
    model(3).fit(*DATA, checkpoint="run.ckpt")


def test_the_lock_survives_its_file_being_removed_by_an_owner_before():
    """Who waits with the old file open must not think that the lock on it means anything."""
    import fcntl

    with open("run.ckpt.lock", "ab") as old:
        fcntl.flock(old, fcntl.LOCK_EX)
        os.unlink("run.ckpt.lock")
        with Checkpoint("run.ckpt"), pytest.raises(BlockingIOError), Checkpoint("run.ckpt"):
            pass
    assert os.listdir() == []


def test_where_there_are_no_locks(monkeypatch):
    import fcntl

    def flock(*arguments):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert_same(model(2).fit(*DATA, checkpoint="run.ckpt"), model(2).fit(*DATA))
    assert sorted(os.listdir()) == ["run.ckpt", "run.ckpt.previous"]


def test_the_lock_of_windows(monkeypatch):
    """`msvcrt` has another kind of lock, for which flock stands in; it refuses by another error."""
    import fcntl

    def locking(descriptor, mode, n_bytes):
        assert (mode, n_bytes, os.lseek(descriptor, 0, os.SEEK_CUR)) == (2, 1, 0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    msvcrt = SimpleNamespace(LK_NBLCK=2, locking=locking)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(sys, "platform", "win32")
    with Checkpoint("run.ckpt"):
        with pytest.raises(BlockingIOError, match="in use by another run"), Checkpoint("run.ckpt"):
            pass
        assert os.listdir() == ["run.ckpt.lock"]
    assert os.listdir() == []
    with Checkpoint("run.ckpt"):
        pass


# Damage


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The smallest run, its data, and the bytes of its last two checkpoints."""
    data = X[:20, 20:23], Y[:20] % 2
    path = tmp_path_factory.mktemp("tiny") / "run.ckpt"
    nn = NeuralNetMLP(2, epochs=2, seed=1, minibatch_size=5)
    nn.fit(*data, checkpoint=path)
    return nn, data, path.read_bytes(), path.with_name("run.ckpt.previous").read_bytes()


def test_any_byte_changed_is_noticed(tiny):
    _, _, data, _ = tiny
    rng = np.random.default_rng(0)
    for place in range(len(data)):
        other = bytearray(data)
        other[place] ^= int(rng.integers(1, 256))
        put("run.ckpt", other)
        with pytest.raises(ValueError, match=r"^run\.ckpt: expected a"):
            read_checkpoint("run.ckpt")


def test_any_length_but_the_right_one_is_noticed(tiny):
    _, _, data, _ = tiny
    for length in range(len(data)):
        put("run.ckpt", data[:length])
        with pytest.raises(ValueError, match=r"^run\.ckpt: expected a"):
            read_checkpoint("run.ckpt")
    put("run.ckpt", data + b"\0")
    with pytest.raises(ValueError, match=r"^run\.ckpt: expected a whole"):
        read_checkpoint("run.ckpt")
    put("run.ckpt", data)
    assert epoch_of("run.ckpt") == 2


@pytest.mark.parametrize("damage", ["a byte", "the first byte", "cut short", "empty", "text"])
def test_the_one_before_a_damaged_one_is_named(tiny, damage):
    nn, data, now, before = tiny
    bad = {
        "a byte": now[:99] + bytes([now[99] ^ 1]) + now[100:],
        "the first byte": b"M" + now[1:],
        "cut short": now[:-1],
        "empty": b"",
        "text": b"an old shopping list\n" * 10,
    }[damage]
    put("run.ckpt", bad)
    with pytest.raises(ValueError, match=r"Move it away to begin again"):
        nn.fit(*data, checkpoint="run.ckpt")
    put("run.ckpt.previous", before)
    message = r"run\.ckpt\.previous, is whole and of epoch 1: rename it to run\.ckpt to go on"
    with pytest.raises(ValueError, match=message):
        nn.fit(*data, checkpoint="run.ckpt")
    # Neither of them was touched, and the advice is good.
    assert get("run.ckpt") == bad
    assert get("run.ckpt.previous") == before
    os.replace("run.ckpt.previous", "run.ckpt")
    again = NeuralNetMLP(2, epochs=2, seed=1, minibatch_size=5).fit(*data, checkpoint="run.ckpt")
    assert_same(again, nn)


def forged(about, arrays, *, listed=None, version=b"1", length=None, body=None):
    """A file whose checksum fits, whatever it says."""
    if listed is None:
        listed = [[name, array.dtype.name, array.shape] for name, array in arrays.items()]
    text = json.dumps({"about": about, "arrays": listed}).encode()
    size = len(text) if length is None else length
    if body is None:
        body = b"".join(array.tobytes() for array in arrays.values())
    data = b"mlpckpt" + version + size.to_bytes(8, "little") + text + body
    return data + hashlib.sha256(data).digest()


@pytest.fixture
def content(tiny):
    put("right.ckpt", tiny[2])
    return read_checkpoint("right.ckpt")


def test_a_forgery_with_nothing_changed(tiny, content):
    assert forged(*content) == tiny[2]


def test_newer_formats_are_refused_by_name(tiny, content):
    put("run.ckpt", forged(*content, version=b"2"))
    with pytest.raises(ValueError, match=r"expected checkpoint format 1; got format b'2'"):
        tiny[0].fit(*tiny[1], checkpoint="run.ckpt")


def test_checkpoints_of_something_else(tiny, content):
    about, arrays = content
    put("run.ckpt", forged({**about, "kind": "Another"}, arrays))
    with pytest.raises(ValueError, match=r"expected a checkpoint of NeuralNetMLP.*got.*'Another'"):
        tiny[0].fit(*tiny[1], checkpoint="run.ckpt")


GONE = object()


def replaced(entries, changes):
    return {key: value for key, value in {**entries, **changes}.items() if value is not GONE}


ABOUT = {
    "no kind": {"kind": GONE},
    "no run": {"run": GONE},
    "a run that is a list": {"run": []},
    "no epoch": {"epoch": GONE},
    "a negative epoch": {"epoch": -1},
    "half an epoch": {"epoch": 1.5},
    "a text for an epoch": {"epoch": "2"},
    "more epochs than evaluations": {"epoch": 3},
    "an epoch beyond all numbers": {"epoch": 10**30},
    "no seed": {"seed": GONE},
    "a negative seed": {"seed": -1},
    "a seed beyond all numbers": {"seed": 2**64},
    "no steps": {"steps": GONE},
    "negative steps": {"steps": -1},
    "steps beyond all numbers": {"steps": 2**63},
    "no random state": {"random": GONE},
    "a random state in words": {"random": "state"},
    "a random state that is empty": {"random": {}},
    "no best": {"best": GONE},
    "a best in words": {"best": "this"},
    "a best that is not there": {"best": {"figure": 1.0, "waited": 0}},
    "a best without its number": {"best": {"waited": 0}},
    "a best that waited no whole number": {"best": {"figure": None, "waited": 0.5}},
}


@pytest.mark.parametrize("what", ABOUT)
def test_texts_that_are_wrong(tiny, content, what):
    about, arrays = content
    put("run.ckpt", forged(replaced(about, ABOUT[what]), arrays))
    with pytest.raises(ValueError, match=r"^run\.ckpt: "):
        tiny[0].fit(*tiny[1], checkpoint="run.ckpt")


@pytest.mark.parametrize(
    "change",
    [
        {"pos": 625},
        {"pos": -1},
        {"pos": 2**31 - 1},
        {"pos": None},
        {"has_gauss": -1},
        {"gauss": "x"},
        {"gauss": float("nan")},
        {"gauss": 10**400},
        {"bit_generator": "PCG64"},
        {"bit_generator": ["MT19937"]},
    ],
)
def test_random_states_that_are_none(tiny, content, change):
    """NumPy reads beyond its memory where the place is too large."""
    about, arrays = content
    random = json.loads(json.dumps(about["random"]))
    for name, value in change.items():
        (random["state"] if name == "pos" else random)[name] = value
    put("run.ckpt", forged({**about, "random": random}, arrays))
    with pytest.raises(ValueError, match=r"^run\.ckpt: not a complete checkpoint"):
        tiny[0].fit(*tiny[1], checkpoint="run.ckpt")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["parameters", "best"])
def test_weights_that_are_not_finite(tiny, content, name, bad):
    about, arrays = content
    array = arrays["parameters"].copy()
    array[0, -1] = bad
    about = {**about, "best": {"figure": 0.5, "waited": 0}}
    put("run.ckpt", forged(about, {**arrays, "best": arrays["parameters"], name: array}))
    with pytest.raises(ValueError, match=r"^run\.ckpt: not a complete .* not finite"):
        tiny[0].fit(*tiny[1], checkpoint="run.ckpt")


@pytest.mark.parametrize("name", ["parameters", "state", "best", "random", "cost", "train_acc"])
def test_arrays_that_do_not_fit(tiny, content, name):
    about, arrays = content
    array = arrays[name]
    shape = array.shape
    for wrong in (
        GONE,
        np.zeros(shape, "f4" if array.dtype != "f4" else "f8"),
        np.zeros((*shape[:-1], shape[-1] + 1), array.dtype),
        np.zeros((*shape, 1), array.dtype),
        np.zeros((), array.dtype),
    ):
        put("run.ckpt", forged(about, replaced(arrays, {name: wrong})))
        with pytest.raises(ValueError, match=r"^run\.ckpt: not a complete checkpoint"):
            tiny[0].fit(*tiny[1], checkpoint="run.ckpt")


@pytest.mark.parametrize(
    "listed",
    [
        5,
        {"a": 1},
        [1],
        ["abc"],
        [["a", "float32"]],
        [["a", "float32", 3]],
        [["a", "float32", [-1]]],
        [["a", "float32", [-1, -1]]],
        [["a", "float32", [1.0]]],
        [["a", "float32", [True]]],
        [["a", "float32", [2**31]]],
        [["a", "float32", [2**62, 4]]],
        [["a", "float32", [2**31 - 1] * 40]],
        [["a", "float32", [1] * 100]],
        [["a", "float32", [0] + [2**31 - 1] * 60]],
        [["a", "object", [1]]],
        [["a", "O", [1]]],
        [["a", "U1000000", [1]]],
        [["a", ["float32"], [1]]],
        [["a", None, [1]]],
        [[["a"], "float32", [1]]],
        [["a", "uint8", [2]], ["a", "uint8", [2]]],
        [["a", "uint8", [3]]],
        [["a", "uint8", [5]]],
        [],
    ],
)
def test_lists_of_arrays_that_are_wrong(listed, peak):
    """Four bytes follow, whatever the list says, and little more is asked for."""
    put("run.ckpt", forged({}, {}, listed=listed, body=b"1234"))

    def refuse():
        with pytest.raises(ValueError, match=r"^run\.ckpt: not a complete checkpoint"):
            read_checkpoint("run.ckpt")

    assert peak(refuse) < 2_000_000


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**63, 2**64 - 1])
def test_lengths_of_the_text_that_are_wrong(content, length):
    put("run.ckpt", forged(*content, length=length))
    with pytest.raises(ValueError, match=r"^run\.ckpt: not a complete checkpoint"):
        read_checkpoint("run.ckpt")


@pytest.mark.parametrize(
    "text", [b"", b"x", b"3", b"[]", b"{}", b"[" * 10**5, b"\xff", b'{"about": 1, "arrays": []}',
             b'{"about": {}}', b'{"arrays": []}', b"1" * 10**5]
)  # fmt: skip
def test_texts_that_are_no_text(text):
    data = b"mlpckpt1" + len(text).to_bytes(8, "little") + text
    put("run.ckpt", data + hashlib.sha256(data).digest())
    with pytest.raises(ValueError, match=r"^run\.ckpt: not a complete checkpoint"):
        read_checkpoint("run.ckpt")


def test_a_pipe_is_no_checkpoint():
    os.mkfifo("run.ckpt")
    with pytest.raises(ValueError, match="pipe or a device"):
        model(2).fit(*DATA, checkpoint="run.ckpt")


# Disks that fail


@pytest.mark.parametrize("part", ["fsync", "replace", "link and copy", "open"])
@pytest.mark.parametrize("every", [1, 2])
def test_a_write_that_fails_leaves_model_and_checkpoint_whole(monkeypatch, part, every):
    def fail(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = {}

    def break_the_disk(epoch, history):
        if epoch == 3:
            before.update({name: get(name) for name in os.listdir()})
            if part == "link and copy":
                broken.setattr(os, "link", fail)
                broken.setattr(shutil, "copyfile", fail)
            elif part == "open":
                broken.setattr(files, "open", fail, raising=False)
            else:
                broken.setattr(files.os, part, fail)

    nn = model(9, callback=break_the_disk)
    with monkeypatch.context() as broken, pytest.raises(OSError, match="No space") as caught:
        nn.fit(*DATA, checkpoint="run.ckpt", checkpoint_every=every)
    failed = 4
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "run.ckpt"
    assert f"the checkpoint of epoch {failed} could not be written" in str(caught.value)
    assert "fit again to go on from there" in str(caught.value)
    assert_same(nn, model(failed).fit(*DATA))
    assert get("run.ckpt") == before["run.ckpt"]
    assert "run.ckpt.tmp" not in os.listdir()
    assert_same(model(9).fit(*DATA, checkpoint="run.ckpt"), model(9).fit(*DATA))


def test_a_write_that_fails_after_something_else_did(monkeypatch):
    """The first trouble is raised, with a note on the second."""

    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    def interrupt(epoch, history):
        if epoch == 3:
            broken.setattr(os, "fsync", fail)
            raise KeyboardInterrupt

    nn = model(9, callback=interrupt)
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt) as caught:
        nn.fit(*DATA, checkpoint="run.ckpt", checkpoint_every=5)
    assert "checkpoint of epoch 3 could not be written" in caught.value.__notes__[0]
    assert_same(nn, model(3).fit(*DATA))
    assert epoch_of("run.ckpt") == 0


def test_a_checkpoint_that_cannot_begin_stops_before_training():
    called = []
    nn = model(3, callback=lambda *arguments: called.append(1))
    for name, error in (
        ("no folder/run.ckpt", FileNotFoundError),
        ("file/run.ckpt", NotADirectoryError),
        ("folder", IsADirectoryError),
    ):
        put("file", b"")
        os.makedirs("folder", exist_ok=True)
        with pytest.raises(error):
            nn.fit(*DATA, checkpoint=name)
        with pytest.raises(NotFittedError):
            nn.predict(X)
    assert not called
    assert sorted(os.listdir()) == ["file", "folder"]
