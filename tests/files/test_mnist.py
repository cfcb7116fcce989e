"""load_mnist: the four files, their spellings, the scaling, and what is refused."""

import gzip
import hashlib
import lzma
import os
import re
import struct
import tracemalloc

import numpy as np
import pytest

from mlpcore.datasets import IDXError, load_mnist, read_idx

MNIST = os.environ.get("MLPCORE_DATA")
needs_mnist = pytest.mark.skipif(not MNIST, reason="MLPCORE_DATA names no folder with MNIST")

PIXELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4) * 11
DIGITS = [7, 255]


def images_file(pixels):
    return struct.pack(">IIII", 2051, *pixels.shape) + pixels.tobytes()


def labels_file(labels):
    return struct.pack(">II", 2049, len(labels)) + bytes(labels)


@pytest.fixture
def folder(tmp_path):
    """A folder with a training set of two images, 3 x 4, in plain files."""
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images_file(PIXELS))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels_file(DIGITS))
    return tmp_path


def test_bytes_and_labels(folder):
    X, y = load_mnist(folder, scale=False)
    assert X.dtype == np.uint8
    assert y.dtype == np.int64
    np.testing.assert_array_equal(X, PIXELS.reshape(2, 12))
    np.testing.assert_array_equal(y, DIGITS)


@pytest.mark.parametrize("kind", ["t10k", "test"])
def test_both_names_of_the_test_set(tmp_path, kind):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(images_file(PIXELS))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels_file(DIGITS))
    np.testing.assert_array_equal(load_mnist(tmp_path, kind)[1], DIGITS)


def test_unknown_kind(folder):
    message = 'kind must be "train", "t10k", "test" or "all"; got '
    for kind in ("valid", "", None, ["train"]):
        with pytest.raises(ValueError, match=message + re.escape(repr(kind))):
            load_mnist(folder, kind)


@pytest.mark.parametrize("kind", ["t10k", "test"])
def test_test_sets_under_another_name(tmp_path, kind):
    (tmp_path / "test-images-idx3-ubyte.gz").write_bytes(gzip.compress(images_file(PIXELS)))
    (tmp_path / "test-labels.idx1-ubyte").write_bytes(labels_file(DIGITS))
    np.testing.assert_array_equal(load_mnist(tmp_path, kind)[1], DIGITS)
    # One file of MNIST's, and the other of something else, are no pair.
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(images_file(255 - PIXELS))
    with pytest.raises(FileNotFoundError, match=r"expected t10k-labels-idx1-ubyte or t10k-labels"):
        load_mnist(tmp_path, kind)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels_file([1, 2]))
    X, y = load_mnist(tmp_path, kind, scale=False)
    np.testing.assert_array_equal(X, 255 - PIXELS.reshape(2, 12))
    np.testing.assert_array_equal(y, [1, 2])


def test_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    np.testing.assert_array_equal(load_mnist(f"~/{folder.name}")[1], DIGITS)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("end", ["", ".gz", ".xz"])
@pytest.mark.parametrize("dash", ["-", "."])
def test_every_spelling_judged_by_its_bytes(tmp_path, dash, end, pack):
    (tmp_path / f"train-images{dash}idx3-ubyte{end}").write_bytes(pack(images_file(PIXELS)))
    (tmp_path / f"train-labels{dash}idx1-ubyte{end}").write_bytes(pack(labels_file(DIGITS)))
    X, y = load_mnist(str(tmp_path), scale=False)
    np.testing.assert_array_equal(X, PIXELS.reshape(2, 12))
    np.testing.assert_array_equal(y, DIGITS)


def test_order_of_the_spellings(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images_file(PIXELS))
    # As some unpackers do: a folder with the name of the file in it. Never taken for the file.
    (tmp_path / "train-labels-idx1-ubyte.gz").mkdir()
    names = ["train-labels.idx1-ubyte", "train-labels.idx1-ubyte.gz", "train-labels-idx1-ubyte"]
    for label, name in enumerate(names):
        (tmp_path / name).write_bytes(labels_file([label, label]))
        assert load_mnist(tmp_path)[1][0] == label
    (tmp_path / "train-labels-idx1-ubyte.gz").rmdir()
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(labels_file([3, 3]))
    assert load_mnist(tmp_path)[1][0] == 3


# EMNIST and QMNIST: their file names are those of the archives that their authors publish.


def emnist(folder, name, pixels, labels):
    """Write two files as they are in EMNIST's gzip.zip."""
    # The first row of the file's picture is the first column of the letter.
    stored = np.stack([image.T for image in pixels])
    images = gzip.compress(images_file(stored))
    (folder / f"emnist-{name}-images-idx3-ubyte.gz").write_bytes(images)
    (folder / f"emnist-{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels_file(labels)))


@pytest.fixture
def letters(tmp_path):
    """A folder with parts of EMNIST, the pictures different from each other."""
    folder = tmp_path / "gzip"
    folder.mkdir()
    emnist(folder, "letters-train", PIXELS, [1, 26])
    emnist(folder, "letters-test", PIXELS + 1, [2, 25])
    emnist(folder, "byclass-train", PIXELS + 2, [0, 61])
    emnist(folder, "mnist-test", PIXELS + 3, [0, 9])
    (folder / "emnist-letters-mapping.txt").write_text("1 65 97\n")
    return folder


@pytest.mark.parametrize(
    ("prefix", "kind", "more", "labels"),
    [
        ("emnist-letters", "train", 0, [1, 26]),
        ("emnist-letters", "test", 1, [2, 25]),
        ("emnist-letters", "t10k", 1, [2, 25]),
        ("emnist-byclass", "train", 2, [0, 61]),
        ("emnist-mnist", "test", 3, [0, 9]),
    ],
)
def test_emnist_stands_upright(letters, prefix, kind, more, labels):
    X, y = load_mnist(letters, kind, prefix=prefix, scale=False)
    np.testing.assert_array_equal(X, (PIXELS + more).reshape(2, 12))
    assert X.flags.c_contiguous
    np.testing.assert_array_equal(y, labels)
    assert y.dtype == np.int64
    scaled, _ = load_mnist(letters, kind, prefix=prefix, dtype=np.float64)
    np.testing.assert_array_equal(scaled, (X / 255 - 0.5) * 2)


def test_only_emnist_is_turned(tmp_path):
    for prefix in ("other", "not-emnist"):
        (tmp_path / f"{prefix}-train-images-idx3-ubyte").write_bytes(images_file(PIXELS))
        (tmp_path / f"{prefix}-train-labels-idx1-ubyte").write_bytes(labels_file(DIGITS))
        X, _ = load_mnist(tmp_path, prefix=prefix, scale=False)
        np.testing.assert_array_equal(X, PIXELS.reshape(2, 12))


def label_table(rows, n_columns=8):
    header = struct.pack(">III", 0x0C02, len(rows), n_columns)
    return header + np.array(rows, ">i4").tobytes()


# Class, series, writer, number of the digit for the writer, class in NIST's hexadecimal, number of
# the digit, and two that nobody uses: the columns as QMNIST's authors list them.
ROWS = [[7, 4, 2100, 3, 55, 600000, 0, 0], [0, 1, 2101, 4, 48, -1, 0, 0]]


@pytest.mark.parametrize("part", ["train-", "test-", ""])
@pytest.mark.parametrize("ending", [".gz", ".xz", ""])
@pytest.mark.parametrize("dash", ["-", "."])
def test_qmnist(tmp_path, part, ending, dash):
    pack = {".gz": gzip.compress, ".xz": lzma.compress, "": bytes}[ending]
    name = "qmnist" if part else "xnist"
    images, labels = tmp_path / f"{name}-{part}images{dash}idx3-ubyte{ending}", label_table(ROWS)
    images.write_bytes(pack(images_file(PIXELS)))
    (tmp_path / f"{name}-{part}labels{dash}idx2-int{ending}").write_bytes(pack(labels))
    (tmp_path / f"{name}-{part}labels.tsv.gz").write_bytes(gzip.compress(b"7\t4\n"))
    X, y = load_mnist(tmp_path, part.rstrip("-") or "all", prefix=name, scale=False)
    np.testing.assert_array_equal(X, PIXELS.reshape(2, 12))
    np.testing.assert_array_equal(y, [7, 0])
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (label_table([[1] * 8]), "got 2 images, and 1 labels in "),
        (label_table([[], []], 0), "expected a table of labels; got one without columns"),
        (labels_file([1, 2]), r"magic 3074 \(a table of labels\); got 2049 \(labels\)\.$"),
        (images_file(PIXELS), r"magic 3074 \(a table of labels\); got 2051 \(images\)\.$"),
        (label_table(ROWS)[:-1], "the file has 75 bytes"),
    ],
)
def test_tables_of_labels_that_are_wrong(tmp_path, content, message):
    (tmp_path / "qmnist-train-images-idx3-ubyte").write_bytes(images_file(PIXELS))
    (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(content)
    with pytest.raises(IDXError, match=rf"qmnist-train-.*{message}"):
        load_mnist(tmp_path, prefix="qmnist")


def test_prefixes_that_are_none(folder):
    with pytest.raises(TypeError, match="prefix must be a str, such as 'emnist-letters'; got None"):
        load_mnist(folder, prefix=None)
    with pytest.raises(ValueError, match=r"prefix must not name a folder.*'gzip/emnist-letters'"):
        load_mnist(folder, prefix="gzip/emnist-letters")


def advice(*arguments, **keywords):
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(*arguments, **keywords)
    return str(caught.value)


def test_no_advice_puts_two_data_sets_into_one_folder(letters, tmp_path):
    message = advice(letters)
    assert "expected train-images-idx3-ubyte (.gz and .xz may follow, and .idx" in message
    assert "the folder holds emnist-byclass-train-images-idx3-ubyte.gz, emnist-byclass" in message
    assert message.endswith(
        'What is there can be loaded with kind="train", prefix="emnist-byclass" or kind="train", '
        f"prefix=\"emnist-letters\": '{letters}'"
    )
    assert "fetch_mnist" not in message
    message = advice(letters, "test", prefix="emnist-byclass")
    names = "emnist-byclass-t10k-images-idx3-ubyte or emnist-byclass-test-images-idx3-ubyte"
    assert f"expected {names} (.gz and" in message
    assert 'with kind="test", prefix="emnist-letters" or kind="test", prefix="emnist-mnist"' in (
        message
    )
    # Something that is called test-..., half a data set, and one with other names.
    for name in ("test-images-idx3-ubyte", "some-train-images-idx3-ubyte.gz", "labels.idx"):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        (folder / name).touch()
        assert "fetch_mnist" not in advice(folder)
        assert f"the folder holds {name}. Give the folder that has them" in advice(folder)
    (tmp_path / "with test-images-idx3-ubyte" / "test-labels-idx1-ubyte").touch()
    message = advice(tmp_path / "with test-images-idx3-ubyte")
    assert 'What is there can be loaded with kind="test": ' in message


def test_mnist_is_not_advised_for_another_data_set(folder):
    assert 'loaded with kind="train": ' in advice(folder, prefix="qmnist")
    assert 'loaded with kind="train": ' in advice(folder, "all")
    assert "fetch_mnist" not in advice(folder / "absent", prefix="qmnist")


# The scaling


@pytest.fixture
def all_bytes(tmp_path):
    """A folder with one image of 256 pixels, one for each byte."""
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images_file(pixels))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels_file([1]))
    return tmp_path


def test_float64_has_the_bits_of_the_textbook(all_bytes):
    X, _ = load_mnist(all_bytes, dtype=np.float64)
    images = np.arange(256, dtype=np.uint8).reshape(1, 256)
    expected = ((images / 255.0) - 0.5) * 2
    assert X.dtype == np.float64
    assert X.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, "float32"])
def test_other_dtypes_are_rounded_once(all_bytes, dtype):
    X, _ = load_mnist(all_bytes, dtype=dtype)
    expected = [np.dtype(dtype).type((pixel / 255 - 0.5) * 2) for pixel in range(256)]
    assert X.dtype == dtype
    np.testing.assert_array_equal(X[0], expected)
    assert (X[0, 0], X[0, 255]) == (-1, 1)


def test_float32_is_the_default(folder):
    assert load_mnist(folder)[0].dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, int, complex])
def test_scaled_pixels_need_a_floating_point_dtype(folder, dtype):
    with pytest.raises(ValueError, match=r"floating-point dtype.*scale=False for the bytes"):
        load_mnist(folder, dtype=dtype)
    assert load_mnist(folder, dtype=dtype, scale=False)[0].dtype == np.uint8


def test_more_pixels_than_one_piece(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (300, 28, 28)).astype(np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images_file(pixels))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels_file([0] * 300))
    X, _ = load_mnist(tmp_path, dtype=np.float64)
    np.testing.assert_array_equal(X, (pixels.reshape(300, 784) / 255 - 0.5) * 2)


@pytest.mark.parametrize("scale", [False, True])
def test_no_images_at_all(tmp_path, scale):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images_file(np.zeros((0, 28, 28), "u1")))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels_file([]))
    X, y = load_mnist(tmp_path, scale=scale)
    assert X.shape == (0, 784)
    assert y.shape == (0,)


# Refusing


def test_swapped_files(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(labels_file(DIGITS))
    message = (
        r"train-images.*: expected IDX magic 2051 \(images\); got 2049 \(labels\)\. "
        r"Are the two paths swapped\?"
    )
    with pytest.raises(IDXError, match=message):
        load_mnist(folder)
    (folder / "train-labels-idx1-ubyte").write_bytes(images_file(PIXELS))
    with pytest.raises(IDXError, match=r"2049 \(labels\); got 2051 \(images\)\. Are the two"):
        load_mnist(folder)


def test_files_of_another_type(folder):
    rows = struct.pack(">III2i", 3074, 2, 1, 5, 0)  # QMNIST's labels
    (folder / "train-labels-idx1-ubyte").write_bytes(rows)
    with pytest.raises(IDXError, match=r"magic 2049 \(labels\); got 3074 \(a table of labels\)"):
        load_mnist(folder)


def test_web_page_under_a_gz_name(folder):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"<!DOCTYPE html><html></html>")
    with pytest.raises(IDXError, match=r"train-images-idx3-ubyte\.gz: .* got a web page"):
        load_mnist(folder)


def test_numbers_of_images_and_labels_must_agree(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(labels_file([1, 2, 3]))
    with pytest.raises(IDXError, match=r"got 2 images, and 3 labels in .*train-labels"):
        load_mnist(folder)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mlpcore\.fetch_mnist downloads: .*absent"):
        load_mnist(tmp_path / "absent")


def test_missing_file(folder):
    (folder / "train-labels-idx1-ubyte").rename(folder / "labels")
    message = advice(folder)
    assert "expected train-labels-idx1-ubyte or train-labels-idx2-int (.gz and" in message
    assert "the folder holds labels, train-images-idx3-ubyte. mlpcore.fetch_mnist(" in message


def test_folder_that_is_a_file(folder):
    with pytest.raises(NotADirectoryError, match=r"give the one with the files in it: .*images"):
        load_mnist(folder / "train-images-idx3-ubyte")


def test_missing_file_in_full_and_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="the folder holds nothing"):
        load_mnist(tmp_path)
    for i in range(11):
        (tmp_path / f"note-{i:02}").touch()
    with pytest.raises(FileNotFoundError, match="note-06, note-07 and 3 more"):
        load_mnist(tmp_path)


# MNIST itself


@needs_mnist
@pytest.mark.parametrize(
    ("name", "md5"),  # of the unpacked files, as published
    [
        ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
        ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
        ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
        ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
    ],
)
def test_mnist_is_read_byte_for_byte(name, md5):
    found = [path for path in os.listdir(MNIST) if path.startswith(name)]
    array = read_idx(os.path.join(MNIST, found[0]))
    magic = 2051 if array.ndim == 3 else 2049
    header = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
    assert hashlib.md5(header + array.tobytes()).hexdigest() == md5


@needs_mnist
def test_mnist_training_set():
    X, y = load_mnist(MNIST)
    assert X.shape == (60000, 784)
    assert y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y).tolist() == counts
    # The mean and spread that everybody normalises MNIST with, of pixels in [0, 1].
    assert (X.mean(dtype=np.float64) + 1) / 2 == pytest.approx(0.1307, abs=5e-5)
    assert X.std(dtype=np.float64) / 2 == pytest.approx(0.3081, abs=5e-5)


@needs_mnist
def test_mnist_test_set():
    X, y = load_mnist(MNIST, "test", scale=False)
    assert X.shape == (10000, 784)
    assert y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_mnist
def test_mnist_bytes_take_little_more_memory_than_they_are():
    tracemalloc.start()
    try:
        X, _ = load_mnist(MNIST, scale=False)
        assert tracemalloc.get_traced_memory()[1] < X.nbytes + (2 << 20)
    finally:
        tracemalloc.stop()
