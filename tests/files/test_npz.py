"""save_npz and load_npz: NumPy's format, nothing unpickled, nothing believed unchecked."""

import errno
import io
import os
import pickle
import struct
import zipfile

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcore import _files
from mlpcore.datasets import load_npz, save_npz

MIB = 1 << 20

DTYPES = ["?", "u1", "<i8", ">i2", "<f2", "<f4", ">f8", "<c16", "S3", "<U2", ">U1", "<M8[ns]"]


def npy(text, payload=b"", version=1):
    """An .npy file with any header text, by the description in NumPy's documentation."""
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode("latin1") + payload


def header(descr="'<f4'", order="False", shape="(1,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def archive(*members, method=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def file(tmp_path):
    """Return a function that writes bytes into a file and returns its path."""

    def write(data):
        path = tmp_path / "some.npz"
        path.write_bytes(data)
        return path

    return write


# Reading and writing


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text("abcXYZ_019", min_size=1, max_size=8),
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_round_trip(tmp_path_factory, arrays, fortran_order):
    path = tmp_path_factory.getbasetemp() / "round.npz"
    if fortran_order:
        arrays = {name: np.asfortranarray(array) for name, array in arrays.items()}
    save_npz(path, **arrays)
    back = load_npz(path)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()  # NaNs and -0.0, too
        assert back[name].flags.f_contiguous or not fortran_order
        assert back[name].flags.writeable


def test_any_name_is_a_name(tmp_path):
    save_npz(tmp_path / "a.npz", path=[1], file=[2], self=[3], **{"x.npy": [4], "a b": [5]})
    assert list(load_npz(tmp_path / "a.npz")) == ["path", "file", "self", "x.npy", "a b"]


def test_numpy_reads_what_save_npz_writes(tmp_path):
    X = np.linspace(-1, 1, 300, dtype=np.float32).reshape(100, 3)
    save_npz(tmp_path / "scaled.npz", X_train=X, y_train=[3, 7])
    with np.load(tmp_path / "scaled.npz") as arrays:
        np.testing.assert_array_equal(arrays["X_train"], X)
        np.testing.assert_array_equal(arrays["y_train"], [3, 7])
        assert arrays["X_train"].dtype == np.float32


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_load_npz_reads_what_numpy_writes(tmp_path, save):
    X = np.random.RandomState(0).normal(size=(300, 784))  # several pieces long
    save(tmp_path / "a.npz", X=X, t=np.asfortranarray(X), n=3, labels=np.array(["three", ""]))
    arrays = load_npz(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(arrays["X"], X)
    np.testing.assert_array_equal(arrays["t"], X)
    assert arrays["t"].flags.f_contiguous
    assert arrays["n"] == 3
    assert arrays["labels"].tolist() == ["three", ""]


def test_header_version_2(file):
    data = archive(("a.npy", npy(header(), np.float32(1.5).tobytes(), version=2)))
    np.testing.assert_array_equal(load_npz(file(data))["a"], np.float32([1.5]))


def test_the_same_arrays_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        save_npz(tmp_path / name, X=np.arange(100.0), y=[1, 2])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "array",
    [np.array([None]), np.zeros(2, [("a", "f4")]), np.zeros(2, "V0"), [{}], np.zeros(2, "O")],
)
def test_objects_and_records_are_not_saved(tmp_path, array):
    path = tmp_path / "a.npz"
    save_npz(path, X=[1])
    with pytest.raises(ValueError, match=r"y: expected an array of numbers.*Convert it with"):
        save_npz(path, X=[2], y=array)
    assert load_npz(path)["X"] == 1
    assert os.listdir(tmp_path) == ["a.npz"]


def test_error_while_writing_keeps_the_old_file(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.npz"
    save_npz(path, X=[1])
    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="No space left"):
        save_npz(path, X=[2])
    assert load_npz(path)["X"] == 1
    assert os.listdir(tmp_path) == ["a.npz"]


# Refusing: (content, telling part of the message)

GOOD = npy(header(), bytes(4))
HUGE = f"({10**12},)"
MALFORMED = {
    "empty": (b"", "not a zip file"),
    "html": (b"<html></html>", "not a zip file"),
    "npy": (GOOD, "not a zip file"),
    "end missing": (archive(("a.npy", GOOD))[:-1], "not a zip file"),
    "start missing": (archive(("a.npy", GOOD))[9:], "content is wrong"),
    "not an array": (archive(("readme.txt", b"Hello")), "'readme.txt' is not an array"),
    "bzip2": (archive(("a.npy", GOOD), method=zipfile.ZIP_BZIP2), "unknown method"),
    "lzma": (archive(("a.npy", GOOD), method=zipfile.ZIP_LZMA), "unknown method"),
    "nothing in it": (archive(("a.npy", b"")), "magic string"),
    "no .npy": (archive(("a.npy", b"<html></html>")), "magic string"),
    "pickle": (archive(("a.npy", pickle.dumps([1]))), "magic string"),
    "header cut": (archive(("a.npy", GOOD[:30])), "array header"),
    "header empty": (archive(("a.npy", npy(""))), "Cannot parse header"),
    "header too long": (archive(("a.npy", npy(" " * 70000, version=2))), "array header"),
    "header is code": (archive(("a.npy", npy("__import__('os').getpid()"))), "malformed"),
    "header nested": (archive(("a.npy", npy("-" * 9000 + "1"))), "that NumPy writes"),
    "header unclosed": (archive(("a.npy", npy("{"))), "EOF"),
    "version 3": (archive(("a.npy", npy(header(), bytes(4), version=3))), r"\(3, 0\) is for"),
    "version 9": (archive(("a.npy", npy(header(), bytes(4), version=9))), r"\(9, 0\) is for"),
    "objects": (archive(("a.npy", npy(header("'|O'"), bytes(8)))), "holds object of shape"),
    "records": (archive(("a.npy", npy(header("[('x', '<f4')]"), bytes(4)))), "holds .*'x'"),
    "no bytes each": (archive(("a.npy", npy(header("'|S0'", shape=HUGE)))), "of shape"),
    "negative": (archive(("a.npy", npy(header(shape="(-1,)")))), r"of shape \(-1,\)"),
    "too short": (archive(("a.npy", GOOD[:-1])), "holds 3 bytes, but float32 .* takes 4"),
    "too long": (archive(("a.npy", GOOD + b"\0")), "holds 5 bytes, but float32 .* takes 4"),
    "terabytes": (archive(("a.npy", npy(header(shape=HUGE), bytes(4)))), "takes 4000000000000"),
    "beyond NumPy": (
        archive(("a.npy", npy(header(shape=f"(0, {2**63 - 1}, 9)")))),
        "too big|dimension",
    ),
    "no character": (archive(("a.npy", npy(header("'<U1'"), b"\0\0\x11\0"))), "no <U1"),
    "no character either": (archive(("a.npy", npy(header("'>U1'"), b"\xff" * 4))), "no >U1"),
    "no truth value": (archive(("a.npy", npy(header("'|b1'"), b"\2"))), "no bool"),
    "encrypted": (
        archive(("a.npy", GOOD)).replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"),
        "encrypted",
    ),
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_file_is_a_value_error_that_names_it(file, peak, data, message):
    def refuse():
        with pytest.raises(ValueError, match=rf"some\.npz: expected .*{message}.*save_npz"):
            load_npz(file(data))

    assert peak(refuse) < 2 * MIB


def test_two_arrays_of_one_name(file):
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = archive(("a.npy", GOOD), ("a.npy", GOOD))
    with pytest.raises(ValueError, match="two arrays have the same name"):
        load_npz(file(data))


def directory_entry(data):
    """Where the first entry of a zip file's directory starts."""
    # From there: packed size at byte 20, size at 24, length of the comment at 32.
    return data.index(b"PK\1\2")


def test_member_that_states_an_impossible_size(file):
    data = bytearray(archive(("a.npy", npy(header(shape="(250000000,)"), bytes(4)))))
    struct.pack_into("<I", data, directory_entry(data) + 24, 10**9 + len(GOOD) - 4)
    with pytest.raises(ValueError, match=r"'a\.npy' cannot unpack to 10000000"):
        load_npz(file(data))


def test_entry_swallowed_by_the_comment_of_another(file):
    data = bytearray(archive(("a.npy", GOOD), ("b.npy", GOOD)))
    struct.pack_into("<H", data, directory_entry(data) + 32, 46 + len("b.npy"))
    with pytest.raises(ValueError, match="lists 1 arrays and counts 2"):
        load_npz(file(data))


def test_members_larger_than_the_file(file):
    data = bytearray(archive(("a.npy", GOOD)))
    struct.pack_into("<I", data, directory_entry(data) + 20, 10**9)
    with pytest.raises(ValueError, match="overlap or are cut short"):
        load_npz(file(data))


def test_member_that_ends_early(file):
    # Stated as four bytes longer than it unpacks to, with the right sum for what there is.
    data = bytearray(archive(("a.npy", npy(header(shape="(2,)"), bytes(4)))))
    place = directory_entry(data) + 24
    struct.pack_into("<I", data, place, struct.unpack_from("<I", data, place)[0] + 4)
    with pytest.raises(ValueError, match=r"'a\.npy' is cut short"):
        load_npz(file(data))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three arrays, and the bytes of a file that holds them."""
    arrays = {"X": np.arange(30, dtype="f4"), "y": np.array(["a", "bc"]), "n": np.array(3)}
    path = tmp_path_factory.mktemp("whole") / "a.npz"
    save_npz(path, **arrays)
    return arrays, path.read_bytes()


def test_file_cut_anywhere(file, whole):
    for size in range(len(whole[1])):
        with pytest.raises(ValueError, match=r"some\.npz: expected a whole \.npz file"):
            load_npz(file(whole[1][:size]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bits_never_change_an_array(tmp_path_factory, whole, flips):
    arrays, content = whole
    data = bytearray(content)
    for place, flip in flips:
        data[place % len(data)] ^= flip
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    path.write_bytes(data)
    try:
        back = load_npz(path)
    except ValueError:
        return
    assert list(back) == list(arrays)  # a flip hit a date, an attribute or the like
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_missing_file_folder_and_pipe(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_npz(tmp_path / "absent")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        load_npz(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe: expected a file; got a pipe"):
        load_npz(tmp_path / "pipe")


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EIO, "Input/output error")])
def test_trouble_of_the_machine_is_not_blamed_on_the_file(file, whole, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(_files, "fill", fail)
    with pytest.raises(type(error)):
        load_npz(file(whole[1]))
