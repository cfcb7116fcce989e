"""Rows in files of several formats, which models read in pieces."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mlpcore import IDXError, NeuralNetMLP, open_idx, open_parquet, read_idx, write_idx

RNG = np.random.default_rng(0)
N, D = 5000, 36
FLOATS = RNG.normal(size=(N, D)).astype(np.float32)
Y = RNG.integers(0, 4, N)
BUFFER = 120_000


def fit(X, y=Y, buffer_bytes=BUFFER, **keywords):
    usual = {"n_hidden": 9, "epochs": 2, "minibatch_size": 77, "seed": 1, "shuffle": False}
    nn = NeuralNetMLP(**usual, progress=False, buffer_bytes=buffer_bytes, **keywords)
    return nn.fit(X, y, X, y)


def assert_same(a, b):
    assert a.eval_ == b.eval_
    for mine, its in zip(a.coefs_, b.coefs_, strict=True):
        assert np.array_equal(mine, its)


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "i2"])
def test_a_mapped_idx_file(dtype, tmp_path):
    images = (FLOATS * 9).clip(0, 99).astype(dtype).reshape(N, 6, 6)
    write_idx(tmp_path / "images", images)
    mapped = open_idx(tmp_path / "images")
    assert isinstance(mapped, np.memmap)
    assert mapped.shape == images.shape
    assert np.array_equal(mapped, read_idx(tmp_path / "images"))
    rows = mapped.reshape(N, -1)
    assert_same(fit(rows, input_path="dense"), fit(images.reshape(N, -1), input_path="dense"))
    assert not mapped.flags.writeable


def test_an_idx_file_that_cannot_be_mapped(tmp_path):
    write_idx(tmp_path / "images.gz", Y.astype(np.uint8))
    with pytest.raises(IDXError, match="not compressed; got one by gzip"):
        open_idx(tmp_path / "images.gz")
    write_idx(tmp_path / "labels", Y.astype(np.uint8))
    whole = (tmp_path / "labels").read_bytes()
    for damaged in (whole[:-1], whole + b"0", b"", b"other"):
        (tmp_path / "labels").write_bytes(damaged)
        with pytest.raises(IDXError):
            open_idx(tmp_path / "labels")
    with pytest.raises(OSError, match="nowhere"):
        open_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("chunks", [True, None, (100, 36), (4096, 7)])
def test_datasets_of_h5py(chunks, tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file.create_dataset("X", data=FLOATS, chunks=chunks)
        file.create_dataset("y", data=Y)
    with h5py.File(tmp_path / "rows.h5", "r") as file:
        nn = fit(file["X"], file["y"])
        assert_same(nn, fit(FLOATS))
        assert np.array_equal(nn.predict(file["X"]), nn.predict(FLOATS))
        assert nn.score(file["X"], file["y"]) == nn.score(FLOATS, Y)
        assert_same(fit(file["X"], file["y"], buffer_bytes=1 << 28), nn)


def test_arrays_of_zarr(tmp_path):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    X = zarr.open(str(tmp_path / "X"), mode="w", shape=(N, D), chunks=(500, D), dtype="f4")
    X[:] = FLOATS
    nn = fit(zarr.open(str(tmp_path / "X"), mode="r"))
    assert_same(nn, fit(FLOATS))
    assert np.array_equal(nn.predict(X), nn.predict(FLOATS))


@pytest.fixture
def table():
    """Some columns of FLOATS, and a few of other kinds."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    columns = {f"x{i}": FLOATS[:, i] for i in range(D)}
    columns |= {"y": Y, "text": pa.array(["a", "b"] * (N // 2)), "flag": pa.array([True] * N)}
    columns["kind"] = pa.array(["a", "b"] * (N // 2)).dictionary_encode()
    columns["holes"] = pa.array([1, None] * (N // 2))
    return pa.table(columns)


NAMES = [f"x{i}" for i in range(D)]


def test_a_parquet_file(table, tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=150)
    rows = open_parquet(tmp_path / "rows.parquet", NAMES)
    assert (rows.shape, rows.dtype, len(rows)) == ((N, D), np.float32, N)
    assert np.array_equal(rows[140:470], FLOATS[140:470])
    y = open_parquet(tmp_path / "rows.parquet", "y")
    assert np.array_equal(y[149:151], Y[149:151])
    nn = fit(rows, y)
    # Row groups are blocks, so that the sums of losses are made in other parts.
    inside = fit(FLOATS)
    assert np.array_equal(nn.w_h, inside.w_h)
    np.testing.assert_allclose(nn.eval_["cost"], inside.eval_["cost"])
    assert nn.eval_["valid_acc"] == inside.eval_["valid_acc"]
    assert nn.feature_names_in_.tolist() == NAMES
    assert np.array_equal(nn.predict(rows), nn.predict(table.select(NAMES).to_pandas()))
    with pytest.raises(ValueError, match="feature names should match"):
        nn.predict(open_parquet(tmp_path / "rows.parquet", NAMES[::-1]))
    assert np.array_equal(fit(rows, y, buffer_bytes=1 << 28).w_h, inside.w_h)
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=151)
    with pytest.raises(OSError, match=r"X: .*has changed"):
        nn.predict(rows)


def test_a_folder_of_parquet_files(table, tmp_path):
    import pyarrow.dataset as ds

    part = table.select([*NAMES[:3], "y"])
    ds.write_dataset(
        part, tmp_path / "rows", format="parquet", max_rows_per_group=100, partitioning=["y"],
        partitioning_flavor="hive", max_rows_per_file=400,
    )  # fmt: skip
    rows = open_parquet(tmp_path / "rows", NAMES[:3])
    y = open_parquet(tmp_path / "rows", "y")
    assert rows.shape == (N, 3)
    assert len(rows.files) > 8
    order = np.lexsort(np.column_stack([rows[:], y[:]]).T)
    usual = np.lexsort(np.column_stack([FLOATS[:, :3], Y]).T)
    assert np.array_equal(rows[:][order], FLOATS[usual, :3])
    assert np.array_equal(y[:][order], Y[usual])
    nn = NeuralNetMLP(epochs=1, minibatch_size=9, buffer_bytes=20_000, progress=False)
    assert nn.fit(rows, y).score(rows, y) > 0.1


def test_columns_that_are_no_numbers(table, tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=150)
    for column, match in [
        ("text", r"'text' of .*rows\.parquet holds text, and a network reads numbers"),
        ("kind", r"holds categories.*one column of 0 and 1 for each"),
    ]:
        with pytest.raises(TypeError, match=match):
            open_parquet(tmp_path / "rows.parquet", ["x1", column])
    with pytest.raises(ValueError, match=r"no column 'z'; it has x0, x1"):
        open_parquet(tmp_path / "rows.parquet", ["z"])
    holes = open_parquet(tmp_path / "rows.parquet", ["holes", "flag"])
    with pytest.raises(OSError, match="'holes' has 75 missing values"):
        fit(holes, buffer_bytes=20_000)
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=1500)
    with pytest.raises(ValueError, match="smaller row groups"):
        fit(open_parquet(tmp_path / "rows.parquet", NAMES), buffer_bytes=80_000)


def test_parquet_without_pyarrow(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    with pytest.raises(ImportError, match=r"pip install \"mlpcore\[arrow\]\""):
        open_parquet(tmp_path)


@pytest.mark.skipif(
    sys.platform != "linux" or "san" in os.environ.get("LD_PRELOAD", ""),
    reason="only Linux limits the memory of data, and a sanitizer needs memory of its own",
)
@pytest.mark.parametrize(("kind", "path"), [("uint8", "sparse"), ("float32", "dense")])
def test_memory_is_what_the_buffer_says(kind, path, tmp_path):
    """Data four times as large as the memory that may be allocated, most of which is the buffer."""
    buffer, allowed, d = 64 << 20, 120 << 20, 784
    rows = 4 * allowed // d // np.dtype(kind).itemsize + 1
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", kind, (rows, d))  # zeros, on no disk
    X[::200, ::5] = (np.arange(len(X[::200])) % 7).reshape(-1, 1)
    assert X.nbytes >= 4 * allowed
    del X
    code = f"""
import resource
import numpy as np
from mlpcore import NeuralNetMLP
X = np.load("X.npy", mmap_mode="r")
y = (np.arange(len(X)) % 7).astype("u1")
nn = NeuralNetMLP(n_hidden=5, epochs=2, minibatch_size=500, seed=1, n_threads=2, progress=False,
                  optimizer="adam", eta=1e-4, buffer_bytes={buffer}, input_path={path!r})
nn.fit(X[:2000], y[:2000]).predict(X[:2000])  # what is loaded on first use
used = next(int(line.split()[1]) << 10 for line in open("/proc/self/status")
            if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + {allowed}, used + {allowed}))
nn.fit(X, y, X[:2000], y[:2000])
print(nn.input_path_, len(nn.predict(X)) == len(X), nn.n_iter_, nn.score(X, y) > 0)
try:
    X.copy()
except MemoryError:
    print("too large")
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert out.stdout.split() == [path, "True", "2", "True", "too", "large"]
