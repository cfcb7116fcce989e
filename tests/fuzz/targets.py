"""Whatever bytes a file holds, reading it ends in the right answer or in the documented error.

Each target is a function that takes bytes, writes them into a file, reads that as a user would, and
raises AssertionError, or whatever came out of the package, if a promise is broken:

- no other exception than the documented one, whose message names the file;
- what was read is what an independent reader makes of the same bytes;
- what was read survives being written and read again.

Here is no fuzzer: `__main__` runs one over these, and ../files/test_fuzz.py the seeds and what was
found.
"""

import gzip
import hashlib
import io
import json
import lzma
import os
import struct
import tempfile
import zipfile
from unittest import mock

import numpy as np

from mlpcore import IDXError, NeuralNetMLP, load_npz, read_idx, save_npz, write_idx
from mlpcore.datasets import _idx
from mlpcore.training.checkpoint import Checkpoint, read_checkpoint

# The first byte of an input says how the rest becomes a file.
AS_IT_IS, PACKED, WITH_TEXT, PACKED_BY_XZ = 0, 1, 2, 3

FOLDER = tempfile.TemporaryDirectory(
    prefix="mlpcore-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
)
PATH = os.path.join(FOLDER.name, "file-of-a-stranger")
AGAIN = os.path.join(FOLDER.name, "written-again")
RUN = os.path.join(FOLDER.name, "run.ckpt")


def write(content):
    with open(PATH, "wb") as file:
        file.write(content)


def refusal(error):
    """Check that an error's message says which file it is about, and says more than that."""
    assert PATH in str(error), str(error)
    assert len(str(error)) > len(PATH) + 20, str(error)


# IDX


def idx(data):
    """`read_idx` of plain bytes, and of the same as correct gzip or xz data, in all their forms."""
    form, content = data[:1], data[1:]
    if form == bytes([PACKED]):
        content = gzip.compress(content, 1)
    elif form == bytes([PACKED_BY_XZ]):
        content = lzma.compress(content, preset=0)
    write(content)
    # So low that both ways of unpacking are taken: in one pass, and after counting.
    with mock.patch.object(_idx, "_ONE_PASS", 256):
        array, error = array_or_error(PATH)
        for same, name in ((content, "the given bytes"), (io.BytesIO(content), "the open file")):
            again, other_error = array_or_error(same)
            if error is not None:
                assert str(other_error).startswith(f"{name}: "), (error, other_error)
            else:
                assert other_error is None, other_error
                assert (again.dtype, again.shape) == (array.dtype, array.shape)
                assert again.tobytes() == array.tobytes()
    if error is not None:
        refusal(error)
        return
    plain = content
    if plain.startswith(b"\x1f\x8b"):
        plain = gzip.decompress(plain)
    elif plain.startswith(b"\xfd"):
        plain = unxz(plain)
    letters = {8: ">u1", 9: ">i1", 0xB: ">i2", 0xC: ">i4", 0xD: ">f4", 0xE: ">f8"}
    dtype = np.dtype(letters[plain[2]])
    shape = struct.unpack_from(f">{plain[3]}I", plain, 4)
    elements = np.frombuffer(plain, dtype, offset=4 + 4 * plain[3]).reshape(shape)
    assert plain[:2] == b"\0\0"
    assert array.dtype == dtype.newbyteorder("=")
    assert array.shape == shape
    assert array.astype(dtype).tobytes() == elements.tobytes()
    for name in (AGAIN, AGAIN + ".gz"):
        write_idx(name, array)
        back = read_idx(name)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tobytes() == array.tobytes()


def array_or_error(source):
    try:
        return read_idx(source), None
    except IDXError as error:
        return None, error


def unxz(packed):
    """What xz data unpacks to, which lzma.decompress knows only where there is no padding."""
    plain = b""
    while packed:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        plain += stream.decompress(packed)
        packed = stream.unused_data.lstrip(b"\0")
    return plain


def idx_seeds():
    for code in (8, 9, 0xB, 0xC, 0xD, 0xE):
        size = {8: 1, 9: 1, 0xB: 2, 0xC: 4, 0xD: 4, 0xE: 8}[code]
        for shape in ((3,), (2, 3), (2, 1, 4), (0, 5), (300,)):
            count = int(np.prod(shape))
            file = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
            file += bytes(range(256)) * (count * size // 256 + 1)
            file = file[: 4 + 4 * len(shape) + count * size]
            yield bytes([AS_IT_IS]) + file
            yield bytes([PACKED]) + file
            yield bytes([PACKED_BY_XZ]) + file
            yield bytes([AS_IT_IS]) + gzip.compress(file, mtime=0)
            yield bytes([AS_IT_IS]) + lzma.compress(file, preset=0)
    # Two members of gzip data, two streams of xz data, a file cut short, and what is found under
    # the name instead.
    yield bytes([AS_IT_IS]) + gzip.compress(file[:9], mtime=0) + gzip.compress(file[9:], mtime=0)
    packed = [lzma.compress(part, preset=0) + bytes(4) for part in (file[:9], file[9:])]
    yield bytes([AS_IT_IS]) + b"".join(packed)
    yield bytes([AS_IT_IS]) + file[:-1]
    for other in (b"", b"<html>404</html>", b"PK\x03\x04", b"\x93NUMPY", b"\x1f\x8b\x08", b"text"):
        yield bytes([AS_IT_IS]) + other


# Archives of arrays. Of an input in pieces, each is a name and a content with their lengths before
# them: correct zip files are made of those, which no random change would keep correct.


def pieces(data):
    place = 0
    while place + 3 <= len(data):
        name_length, length = struct.unpack_from("<BH", data, place)
        place += 3 + name_length
        yield data[place - name_length : place].decode("latin1"), data[place : place + length]
        place += length


def in_pieces(members):
    return b"".join(
        struct.pack("<BH", len(name), len(content)) + name.encode("latin1") + content
        for name, content in members
    )


def archive(members, method):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as file:
        for name, data in members:
            # The name as it came, which the constructor would cut at a null character.
            info = zipfile.ZipInfo()
            info.filename, info.compress_type = name, method
            with mock.patch("warnings.warn"):  # of two members with one name
                file.writestr(info, data)
    return content.getvalue()


def as_archive(data, with_text):
    form, content = data[:1], data[1:]
    if form == bytes([AS_IT_IS]):
        return content
    members = list(pieces(content))
    if with_text and form == bytes([WITH_TEXT]) and members:
        text = members[0][1].decode("utf-8", "replace").rstrip("\0")
        members[0] = ("about.npy", npy(np.array(text)))
    return archive(members, zipfile.ZIP_DEFLATED if len(content) % 2 else zipfile.ZIP_STORED)


def npy(array):
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=False)
    return content.getvalue()


def unchecked():
    """Without the checksums of zip files, which anybody can make correct, and no fuzzer does."""
    return mock.patch.object(zipfile.ZipExtFile, "_update_crc", return_value=None)


def assert_same_arrays(ours, theirs):
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype
        assert array.shape == theirs[name].shape
        assert array.tobytes() == theirs[name].tobytes()


def npz(data):
    """`load_npz` of any bytes, and of correct zip files with any members."""
    write(as_archive(data, with_text=False))
    with unchecked():
        try:
            arrays = load_npz(PATH)
        except ValueError as error:
            refusal(error)
            return
        theirs = {}
        with zipfile.ZipFile(PATH) as file:
            for name in file.namelist():
                with file.open(name) as member:
                    array = np.lib.format.read_array(member, allow_pickle=False)
                    theirs[name.removesuffix(".npy")] = array
    assert_same_arrays(arrays, theirs)
    assert not any(array.dtype.hasobject for array in arrays.values())
    for array in arrays.values():
        array.tolist()
    if all("\0" not in name for name in arrays):  # zipfile writes names up to there
        save_npz(AGAIN, **arrays)
        assert_same_arrays(load_npz(AGAIN), arrays)


def npz_seeds():
    arrays = {
        "a.npy": np.arange(6, dtype="<f4").reshape(2, 3), "b.npy": np.asfortranarray(np.eye(3)),
        "c.npy": np.array("text"), "d.npy": np.array([b"x", b"yz"]),
        "e.npy": np.zeros((0, 4), ">i2"), "f.npy": np.array(["2000-01-01"], "M8[D]"),
        "g.npy": np.array(1 + 2j), "h.npy": np.array([True, False]),
    }  # fmt: skip
    members = [(name, npy(array)) for name, array in arrays.items()]
    version_2 = b"\x93NUMPY\x02\0" + struct.pack("<I", 61)
    version_2 += b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".ljust(60) + b"\n"
    members.append(("i.npy", version_2 + bytes(4)))
    for chosen in ([], members[:1], members[1:3], members, members[-1:]):
        yield bytes([PACKED]) + in_pieces(chosen)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield bytes([AS_IT_IS]) + archive(chosen, method)
    yield bytes([AS_IT_IS]) + archive([("x.txt", b"text")], zipfile.ZIP_STORED)


# Models


def model(data):
    """`NeuralNetMLP.load` of any bytes, of correct zip files, and of those with correct text."""
    write(as_archive(data, with_text=True))
    with unchecked():
        try:
            nn = NeuralNetMLP.load(PATH)
        except ValueError as error:
            refusal(error)
            return
    assert type(nn) is NeuralNetMLP
    rows = np.zeros((3, nn.n_features_in_), nn.w_h.dtype)
    if rows.size > 1 << 20:
        return
    # Whatever the weights are; of numbers near the largest even sums may not be finite.
    assert all(np.isfinite(array).all() for array in nn.coefs_ + nn.intercepts_)
    with np.errstate(all="ignore"):
        assert all(label in nn.classes_.tolist() for label in nn.predict(rows).tolist())
        assert nn.predict(rows[:1]).shape == (1,)
        assert nn.predict_proba(rows).shape == (3, len(nn.classes_))
    repr(nn)
    nn.save(AGAIN)
    again = NeuralNetMLP.load(AGAIN)
    for mine, its in zip(nn.coefs_ + nn.intercepts_, again.coefs_ + again.intercepts_, strict=True):
        assert mine.tobytes() == its.tobytes()
    assert repr(nn.eval_) == repr(again.eval_)
    assert repr(nn.classes_) == repr(again.classes_)
    assert repr(nn) == repr(again)


def model_seeds():
    rng = np.random.default_rng(0)
    fits = [
        ({"n_hidden": 2}, np.arange(8) % 2),
        ({"n_hidden": (3, 2), "dtype": "float32", "l2": 0.1}, np.array(["a", "b", "ü", ""] * 2)),
        ({"n_hidden": 1, "input_path": "sparse"}, np.array([2j, 1, "x", 2.5] * 2)),
        ({"n_hidden": 2, "input_scale": (0.5, -1), "activation": "relu"}, np.arange(8) % 3 == 0),
    ]  # fmt: skip
    for parameters, labels in fits:
        rows = rng.integers(0, 3, (8, 4)).astype(np.float32)
        NeuralNetMLP(epochs=2, seed=1, progress=False, **parameters).fit(rows, labels).save(AGAIN)
        with open(AGAIN, "rb") as file:
            yield bytes([AS_IT_IS]) + file.read()
        arrays = load_npz(AGAIN)
        text = str(arrays["about"])
        rest = [(f"{name}.npy", npy(array)) for name, array in arrays.items() if name != "about"]
        yield bytes([PACKED]) + in_pieces([("about.npy", npy(arrays["about"])), *rest])
        yield bytes([WITH_TEXT]) + in_pieces([("", text.encode()), *rest])
        short = {**json.loads(text), "parameters": {}}
        yield bytes([WITH_TEXT]) + in_pieces([("", json.dumps(short).encode()), *rest])


# Checkpoints


ROWS = np.arange(24, dtype=np.float64).reshape(8, 3) % 5 - 2
LABELS = np.arange(8) % 2


def resume(epochs, early_stopping, path):
    """A run that a checkpoint is of, if it is of any."""
    nn = NeuralNetMLP(2, epochs=epochs, minibatch_size=4, seed=1, progress=False, n_threads=1,
                      early_stopping=early_stopping,
                      optimizer="adam" if early_stopping else "sgd")  # fmt: skip
    nn.fit(ROWS, LABELS, ROWS[:4], LABELS[:4], checkpoint=path)
    return nn


def checkpoint(data):
    """Reading a checkpoint of any bytes, or of any text and arrays, and resuming it."""
    form, content = data[:1], data[1:]
    if form != bytes([AS_IT_IS]):
        text, *bodies = [part for _, part in pieces(content)] or [b""]
        content = b"mlpckpt1" + len(text).to_bytes(8, "little") + text + b"".join(bodies)
        content += hashlib.sha256(content).digest()
    write(content)
    try:
        about, arrays = read_checkpoint(PATH)
    except ValueError as error:
        refusal(error)
    else:
        # There is one way only to write the arrays, and nothing between or after them.
        assert all(array.dtype.isnative for array in arrays.values())
        elements = b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays.values())
        assert content[:-32].endswith(elements)
        length = int.from_bytes(content[8:16], "little")
        assert 16 + length + len(elements) + 32 == len(content)
        assert json.loads(content[16 : 16 + length])["about"] == about or "NaN" in repr(about)
    for early_stopping in (False, "cost"):
        write(content)
        try:
            nn = resume(4, early_stopping, PATH)
        except ValueError as error:
            refusal(error)
        except FloatingPointError:
            pass  # with weights as large as these may be
        else:
            assert nn.n_iter_ <= 4
            assert np.isfinite(nn.predict_proba(ROWS)).all()


def checkpoint_seeds():
    for early_stopping in (False, "cost"):
        for epochs in (1, 3, 4):
            resume(epochs, early_stopping, RUN)
            with open(RUN, "rb") as file:
                content = file.read()
            yield bytes([AS_IT_IS]) + content
            yield in_parts(content)
            os.unlink(RUN)
    arrays = {"a": np.zeros((2, 0, 3)), "b": np.float32(1), "c": np.arange(3, dtype=np.uint8)}
    with Checkpoint(RUN) as file:
        file.write({"epoch": 1}, {name: np.asarray(array) for name, array in arrays.items()})
    with open(RUN, "rb") as file:
        yield in_parts(file.read())
    os.unlink(RUN)


def in_parts(content):
    end = 16 + int.from_bytes(content[8:16], "little")
    return bytes([PACKED]) + in_pieces([("", content[16:end]), ("", content[end:-32])])


TARGETS = {
    "idx": (idx, idx_seeds),
    "npz": (npz, npz_seeds),
    "model": (model, model_seeds),
    "checkpoint": (checkpoint, checkpoint_seeds),
}

# What changes of single bytes would seldom make.
WORDS = [
    *("'descr': ", "'fortran_order': ", "'shape': (", "True", "False", "None", "'<f4'", "'>f8'"),
    *("'|O'", "'|V0'", "'<U0'", "'<m8[ns]'", "[('a', '<f4')]", "\x93NUMPY\x01", "\x93NUMPY\x02"),
    *("PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "PK\x06\x06", "PK\x06\x07", "\x01\x00\x18\x00"),
    *(".npy", "about.npy", "classes.npy", "coef_0.npy", "coef_1.npy", "intercept_0.npy"),
    *('"format": ', '"version": ', '"parameters": ', '"history": ', '"n_iter": ', '"scale": '),
    *('"background": ', '"classes": ', '"dtype": ', '"n_threads": ', '"self": ', "NaN"),
    *("Infinity", "-Infinity", "1e999", "null", "[[]]", "{}", "\\ud800", "\x1f\x8b\x08\x00"),
    *("\xfd7zXZ\x00", "\x00\x00\x00\x00YZ"),
    *("\x00\x00\x08\x01", "\xff\xff\xff\xff", "\x80\x00\x00\x00", "\x00\x00\x0e\x03"),
    *("mlpckpt1", '"about": ', '"arrays": ', '"random": ', '"best": ', '"figure": ', '"waited": '),
    *('"pos": ', '"has_gauss": ', '"gauss": ', '"epoch": ', '"float64"', '"uint8"', "[]", "[0]"),
]
