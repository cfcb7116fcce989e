"""Distortions of images: against NumPy and SciPy, their statistics, and whose bits they are."""

import hashlib
import json

import numpy as np
import oracle
import pytest
from oracle.distortion import fields, gaussian
from small import small_network

from mlpcore import Distortion, load_digits
from mlpcore.engine.distortion import DistortedRows, node_weights
from mlpcore.engine.inputs import Input
from mlpcore.engine.kernels import instruction_set
from mlpcore.engine.trainer import Trainer

SEED = 0x123456789ABCDEF0
ALL = {"rotation": 20, "scale": 0.2, "shear": 15, "translation": 1.5, "elastic": 0.8,
       "smoothness": 2.5, "thickness": 1.5}  # fmt: skip
ONE_BY_ONE = {
    "nothing": {},
    "rotation": {"rotation": 180},
    "scale": {"scale": 0.9},
    "shear": {"shear": 60},
    "translation": {"translation": 9},
    "elastic": {"elastic": 1.5, "smoothness": 0.5},
    "smooth": {"elastic": 1.5, "smoothness": 40},
    "thickness": {"thickness": 1.9},
    "much thickness": {"thickness": 7},
    "all": ALL,
}
SHAPES = [(8, 8), (28, 28), (1, 1), (1, 40), (33, 3), (16, 13), (5, 70)]


def images(shape, n=6, background=0.0):
    """Strokes of random intensity on a background, as float64."""
    rng = np.random.default_rng(sum(shape))
    strokes = rng.random((n, *shape)) < 0.3
    return np.where(strokes, background + rng.uniform(0.1, 1, (n, *shape)), background)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_values_are_the_oracles(case, shape):
    X = images(shape, 3)
    distortion = Distortion(**ONE_BY_ONE[case], background=0)
    expected = [oracle.distort(x, i, 7, SEED, **ONE_BY_ONE[case]) for i, x in enumerate(X)]
    result = distortion.transform(X, seed=SEED, epoch=7)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-10)
    single = distortion.transform(X.astype(np.float32), seed=SEED, epoch=7)
    assert single.dtype == np.float32
    # A place among 40 pixels has 18 bits behind the point, and stretched ones of 10 times that.
    np.testing.assert_allclose(single, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("background", [0.0, -1.0, 255.0])
def test_lines_may_be_lighter_or_darker_than_their_background(background):
    X = images((12, 9), background=background)
    if background == 255:
        X = 510 - X  # darker
    expected = [oracle.distort(x, i, 0, 1, background=background, **ALL) for i, x in enumerate(X)]
    given = Distortion(**ALL, background=background).transform(X, seed=1)
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-10)
    found = Distortion(**ALL).transform(X, seed=1)
    assert np.array_equal(found, given)


def test_rows_and_epochs_beyond_32_and_31_bits():
    X = images((8, 8), 1)
    rows = Input(X.reshape(1, -1), "float64")
    engine = DistortedRows(rows, (8, 8), background=0.0, **ALL)
    out = np.empty((1, 64))
    engine.distort(out, seed=2**64 - 1, epoch=2**32 - 1)
    expected = oracle.distort(X[0], 0, 2**32 - 1, 2**64 - 1, **ALL)
    np.testing.assert_allclose(out[0].reshape(8, 8), expected, rtol=0, atol=1e-10)


def test_bytes_are_rounded():
    X = np.round(images((28, 28)) * 255).astype(np.uint8)
    distortion = Distortion(**ALL)
    result = distortion.transform(X, seed=3)
    assert result.dtype == np.uint8
    exact = distortion.transform(X.astype(np.float32), seed=3)
    assert np.array_equal(result, np.floor(exact + np.float32(0.5)))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_nothing_changes_nothing(dtype):
    X = (images((28, 28)) * 255).astype(dtype)
    assert np.array_equal(Distortion().transform(X, seed=1), X)


def test_what_lines_do_not_reach_is_exactly_background():
    """A dot stays within a few pixels, and all else is the same number."""
    X = np.full((200, 28, 28), -0.3, np.float32)
    X[:, 14, 14] = 1
    distortion = Distortion(**{**ALL, "elastic": 0.3}, background=-0.3)
    result = distortion.transform(X, seed=1)
    far = np.ones((28, 28), bool)
    far[8:21, 8:21] = False
    assert (result[:, far] == np.float32(-0.3)).all()
    assert (result[:, ~far] != np.float32(-0.3)).any(axis=1).mean() > 0.9


# Statistics


@pytest.mark.parametrize("n", [1, 8, 28, 100])
@pytest.mark.parametrize("smoothness", [0.5, 1.3, 4, 50])
def test_covariance_of_the_displacements_is_that_of_smoothed_noise(smoothness, n):
    """The convolution of a Gaussian with itself: sigma times the root of 2."""
    first, weights = node_weights(n, smoothness)
    dense = np.zeros((n, first.max() + weights.shape[1]))
    for row, start, own in zip(dense, first, weights, strict=True):
        row[start : start + len(own)] = own
    np.testing.assert_allclose(dense, gaussian(n, smoothness)[:, : dense.shape[1]], atol=1e-12)
    covariance = dense @ dense.T
    distance = np.subtract.outer(np.arange(n), np.arange(n))
    expected = np.exp(-(distance**2) / (4 * smoothness**2))
    np.testing.assert_allclose(covariance, expected, atol=5e-4)
    np.testing.assert_allclose(np.diag(covariance), 1, rtol=1e-12)


def test_displacements_have_their_standard_deviation_and_their_range():
    drawn = np.array([
        list(fields((9, 7), row, 0, SEED, elastic=1.5, smoothness=3)) for row in range(400)
    ])  # fmt: skip
    # 400 rows with few independent pixels in each: deviations of about 3 % for one pixel.
    assert abs(drawn.std(axis=0) / 1.5 - 1).max() < 0.15
    assert abs(drawn.std() / 1.5 - 1) < 0.03
    assert abs(drawn.mean()) < 0.05
    # Apart by 3 pixels, which is the smoothness: e^(-1/4). Both fields are independent.
    neighbours = (drawn[:, :, :, 3:] * drawn[:, :, :, :-3]).mean() / drawn.var()
    assert abs(neighbours - np.exp(-0.25)) < 0.03
    assert abs((drawn[:, 0] * drawn[:, 1]).mean()) < 0.1


def moments(X):
    """Total, middle (x, y) and covariance of each image's intensity."""
    y, x = np.indices(X.shape[1:])
    total = X.sum(axis=(1, 2))
    middle = np.stack([(X * x).sum(axis=(1, 2)), (X * y).sum(axis=(1, 2))], axis=1) / total[:, None]
    dx, dy = x - middle[:, 0, None, None], y - middle[:, 1, None, None]
    spread = [(X * part).sum(axis=(1, 2)) / total for part in (dx * dx, dx * dy, dy * dy)]
    return total, middle, np.array(spread).T


def blob(n, wide=9.0, high=9.0):
    """n smooth spots in the middle of images of 41 x 41 pixels, with these variances."""
    y, x = np.indices((41, 41)) - 20
    return np.repeat(np.exp(-(x**2) / 2 / wide - y**2 / 2 / high)[None], n, axis=0)


def test_translations_are_uniform():
    _, middle, _ = moments(Distortion(translation=3).transform(blob(2000), seed=1))
    moved = middle - 20
    assert abs(moved).max() < 3.001
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(moved.std(axis=0), 3 / 3**0.5, rtol=0.05)
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.1


def test_rotations_are_uniform():
    _, _, spread = moments(
        Distortion(rotation=30).transform(blob(2000, wide=25.0, high=4.0), seed=1)
    )
    angle = np.degrees(np.arctan2(2 * spread[:, 1], spread[:, 0] - spread[:, 2]) / 2)
    assert abs(angle).max() < 30.1
    assert abs(angle.mean()) < 1.5
    np.testing.assert_allclose(angle.std(), 30 / 3**0.5, rtol=0.05)


def test_width_and_height_are_stretched_independently():
    _, _, spread = moments(Distortion(scale=0.2).transform(blob(2000), seed=1))
    factor = np.sqrt(spread[:, [0, 2]] / spread_of_blob())
    # Interpolation makes a spot a little wider.
    assert factor.min() > 0.795
    assert factor.max() < 1.215
    np.testing.assert_allclose(factor.mean(axis=0), 1, atol=0.02)
    np.testing.assert_allclose(factor.std(axis=0), 0.2 / 3**0.5, rtol=0.05)
    assert abs(np.corrcoef(factor.T)[0, 1]) < 0.1


def spread_of_blob():
    return moments(blob(1))[2][0, [0, 2]]


def test_upright_lines_are_slanted_by_up_to_so_many_degrees():
    _, _, spread = moments(Distortion(shear=20).transform(blob(2000), seed=1))
    angle = np.degrees(np.arctan(spread[:, 1] / spread[:, 2]))
    assert abs(angle).max() < 20.1
    np.testing.assert_allclose(angle.std(), 20 / 3**0.5, rtol=0.05)


def test_thickness_is_that_of_a_line():
    X = np.zeros((2000, 21, 21))
    X[:, :, 8:13] = 1
    result = Distortion(thickness=3).transform(X, seed=1)
    # In the middle of the line's length, where its ends do not count.
    change = result[:, 10].sum(axis=1) - 5
    assert abs(change).max() < 3.001
    assert abs(change.mean()) < 0.15
    np.testing.assert_allclose(change.std(), 3 / 3**0.5, rtol=0.05)


# Bits


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_bits_depend_on_seed_epoch_and_row_alone(dtype):
    X = (images((11, 14), 60) * 255).astype(dtype)
    distortion = Distortion(**ALL, background=0)
    together = distortion.transform(X, seed=5, epoch=2, n_threads=1)
    for n_threads in (2, 3, 50):
        again = distortion.transform(X, seed=5, epoch=2, n_threads=n_threads)
        assert np.array_equal(again, together)
    for n in (1, 15, 16, 17):
        assert np.array_equal(distortion.transform(X[:n], seed=5, epoch=2), together[:n])
    # A row's neighbours do not count: the others may be anything.
    other = np.zeros_like(X)
    other[37] = X[37]
    assert np.array_equal(distortion.transform(other, seed=5, epoch=2)[37], together[37])
    flat = distortion.transform(X.reshape(60, -1), seed=5, epoch=2, image_shape=(11, 14))
    assert np.array_equal(flat, together.reshape(60, -1))
    strided = np.repeat(X.reshape(60, -1), 2, axis=0)[::2]
    assert np.array_equal(
        distortion.transform(strided, seed=5, epoch=2, image_shape=(11, 14)), flat
    )
    for change in ({"seed": 6}, {"epoch": 3}):
        changed = distortion.transform(X, **{"seed": 5, "epoch": 2, **change})
        assert (changed != together).any(axis=(1, 2)).all()
    assert not np.array_equal(distortion.transform(X[:1].repeat(2, 0), seed=5)[0],
                              distortion.transform(X[:1].repeat(2, 0), seed=5)[1])  # fmt: skip


def test_one_kind_does_not_change_the_draws_of_another():
    """An image that is turned stays turned by the same angle when it is moved, too."""
    X = blob(20, wide=25.0, high=4.0)
    angles = []
    for others in ({}, {"translation": 2}):
        _, _, spread = moments(Distortion(rotation=30, **others).transform(X, seed=1))
        angles.append(np.arctan2(2 * spread[:, 1], spread[:, 0] - spread[:, 2]))
    np.testing.assert_allclose(*angles, atol=0.02)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


JOB = """
import json, os, sys
sys.path.insert(0, os.environ["TESTS"])
sys.path.insert(0, os.path.join(os.environ["TESTS"], "engine"))
from test_distortion import digests_and_values
print(json.dumps(digests_and_values("values.npz")))
"""


def digests_and_values(path):
    out, values = {}, {}
    for dtype in ("float32", "float64"):
        X = images((28, 28), 40).astype(dtype)
        results = [Distortion(**ALL).transform(X, seed=1, n_threads=n) for n in (1, 3)]
        out[dtype] = [digest(result) for result in results]
        values[dtype] = results[0]
    np.savez(path, **values)
    return instruction_set(), out


@pytest.mark.parametrize("name", ["base", "v3", "v4"])
def test_each_instruction_set(name, run_python, tmp_path):
    used, digests = json.loads(run_python(JOB, MLPCORE_SIMD=name))
    if used != name:
        pytest.skip(f"the processor lacks {name}")
    for dtype, each in digests.items():
        assert len(set(each)) == 1, dtype
    with np.load(tmp_path / "values.npz") as file:
        X = images((28, 28), 40)
        expected = [oracle.distort(x, i, 0, 1, **ALL) for i, x in enumerate(X)]
        np.testing.assert_allclose(file["float64"], expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(file["float32"], expected, rtol=0, atol=1e-4)


# In training


def trained(dtype, path, *, distorted, batch=9, **keywords):
    """Weights after two epochs, from rows that are distorted on the way or were before."""
    X, y = load_digits()
    X, labels = X[:60].astype(dtype), y[:60].astype(np.intc)
    network, _, _ = small_network(dtype, units=(64, 13, 10))
    settings = {"learning_rate": 0.1, "minibatch_size": batch, "seed": SEED, **keywords}
    order = np.random.default_rng(1).permutation(60)
    background = -1.0
    for epoch in range(2):
        rows, extra = Input(X, dtype, path=path), {}
        engine = DistortedRows(Input(X, dtype), (8, 8), background=background, **ALL)
        if distorted:
            extra = {"augment": engine}
        else:
            out = np.empty_like(X)
            engine.distort(out, seed=SEED, epoch=epoch)
            rows = Input(out, dtype, path=path)
        trainer = Trainer(network, rows, labels, **settings, **extra)
        trainer.epoch_count = epoch
        with trainer:
            trainer.epoch(order)
    return np.concatenate([part.ravel() for part in network.coefs + network.intercepts])


@pytest.mark.parametrize("batch", [1, 9, 50])
@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_sees_the_rows_that_transform_returns(dtype, path, batch):
    """The bits of training on rows that were distorted beforehand, where sums have one order."""
    result = trained(dtype, path, distorted=True, batch=batch)
    expected = trained(dtype, path, distorted=False, batch=batch)
    if path == "dense":
        assert np.array_equal(result, expected)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("batch", [1, 9, 50])
def test_number_of_threads_changes_no_bit_of_training(batch, path):
    one = trained("float32", path, distorted=True, batch=batch, dropout=(0.3,))
    for n_threads in (2, 3, 5):
        result = trained("float32", path, distorted=True, batch=batch, dropout=(0.3,),
                         n_threads=n_threads)  # fmt: skip
        assert np.array_equal(result, one)


def test_rows_to_distort_must_be_those_to_train_on():
    network, X, labels = small_network()
    rows = Input(X, "float64")
    for other in (Input(X[1:], "float64"), Input(X, "float32")):
        with pytest.raises(ValueError, match="augment must have the rows, features and dtype"):
            Trainer(network, rows, labels, augment=DistortedRows(
                other, (1, X.shape[1]), background=0.0, **ALL))  # fmt: skip


def test_rows_must_be_dense_images_of_the_shape():
    X = np.zeros((3, 12))
    with pytest.raises(ValueError, match="dense rows; these are packed"):
        DistortedRows(Input(X, "float64", path="sparse"), (3, 4), background=0.0, **ALL)
    with pytest.raises(ValueError, match=r"height \* width = 12; got \(3, 5\)"):
        DistortedRows(Input(X, "float64"), (3, 5), background=0.0, **ALL)
    engine = DistortedRows(Input(X, "float64"), (3, 4), background=0.0, **ALL)
    for out in (np.zeros((3, 11)), np.zeros((3, 12), np.float32), np.zeros((12, 3)).T):
        with pytest.raises(ValueError, match="out must be a writeable C-contiguous array"):
            engine.distort(out, seed=1)
