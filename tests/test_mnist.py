"""load_mnist: the four files, their spellings, the scaling, and what is refused."""

import gzip
import hashlib
import os
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
    with pytest.raises(ValueError, match='kind must be "train", "t10k" or "test"; got \'valid\''):
        load_mnist(folder, "valid")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dash", ["-", "."])
def test_every_spelling_judged_by_its_bytes(tmp_path, dash, end, packed):
    pack = gzip.compress if packed else bytes
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
    (folder / "train-labels-idx1-ubyte").rename(folder / "labels.idx")
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(folder)
    message = str(caught.value)
    for name in ("train-labels-idx1-ubyte", "train-labels.idx1-ubyte"):
        assert f"{name}, " in message or f"{name};" in message
        assert f"{name}.gz, " in message
    assert "the folder holds labels.idx, train-images-idx3-ubyte. mlpcore.fetch_mnist(" in message


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
