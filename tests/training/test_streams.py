"""Data larger than memory: read in pieces, in an order of the seed and the buffer."""

import os

import numpy as np
import pytest
from runs import assert_same, epoch_of, stop_after

from mlpcore import Distortion, NeuralNetMLP
from mlpcore.engine.async_call import AsyncCall
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer
from mlpcore.streams.blocks import grid, shuffled
from mlpcore.streams.source import Source, is_large

RNG = np.random.default_rng(0)
N, D = 5000, 36
FLOATS = RNG.normal(size=(N, D)).astype(np.float32)
BYTES = np.where(RNG.random((N, D)) < 0.8, 0, RNG.integers(0, 256, (N, D))).astype(np.uint8)
Y = RNG.integers(0, 4, N)
WEIGHTS = RNG.random(N) + 0.5
SCALED = {"input_scale": (2 / 255, -1)}
BUFFER = 120_000


def model(**keywords):
    usual = {"n_hidden": 9, "epochs": 3, "minibatch_size": 77, "eta": 0.001, "seed": 1}
    return NeuralNetMLP(**{**usual, "progress": False, "buffer_bytes": BUFFER, **keywords})


@pytest.fixture
def mapped(tmp_path):
    """Return a function that puts an array into a file and maps it."""

    def put(array, name="rows.npy"):
        np.save(tmp_path / name, array)
        return np.load(tmp_path / name, mmap_mode="r")

    return put


CASES = {
    "floats": (FLOATS, {}),
    "floats, scaled": (FLOATS, {"input_scale": (0.5, 0.1)}),
    "float64": (FLOATS.astype(np.float64), {}),
    "other byte order": (FLOATS.astype(">f4"), {}),
    "whole numbers": (BYTES.astype(np.int32), {"input_scale": (0.01, 0)}),
    "bytes": (BYTES, {**SCALED, "input_path": "dense"}),
    "packed bytes": (BYTES, SCALED),
    "packed floats": (BYTES.astype(np.float32), {"input_scale": (0.01, -1)}),
    "packed, one thread": (BYTES, {**SCALED, "n_threads": 1}),
    "online": (BYTES, {**SCALED, "minibatch_size": 1, "epochs": 1}),
    "dropout": (FLOATS, {"dropout": (0.1, 0.3)}),
    "dropout, packed": (BYTES, {**SCALED, "dropout": 0.3}),
    "large minibatch": (FLOATS, {"minibatch_size": 280}),
    "distorted": (BYTES, {**SCALED, "augment": Distortion(rotation=9, elastic=0.4, smoothness=2)}),
    "average": (FLOATS, {"weight_average": 0.9, "optimizer": "adam", "schedule": "one_cycle"}),
    "smoothed labels": (FLOATS, {"label_smoothing": 0.1, "class_weight": "balanced"}),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_in_the_order_of_the_file_give_the_bits_of_memory(case, mapped):
    X, keywords = CASES[case]
    file = mapped(X)
    data = X[:4100], Y[:4100], X[4100:], Y[4100:]
    weights = WEIGHTS[:4100]
    inside = model(**keywords, shuffle=False).fit(*data, sample_weight=weights)
    assert is_large(file[:4100], BUFFER)
    outside = model(**keywords, shuffle=False).fit(
        file[:4100], Y[:4100], file[4100:], Y[4100:], sample_weight=weights
    )
    assert inside.input_path_ == outside.input_path_
    assert ("packed" in case or "online" in case) <= (inside.input_path_ == "sparse")
    if case == "online":  # whose scaled representation is left at the end of each buffer
        np.testing.assert_allclose(inside.w_h, outside.w_h, rtol=1e-3, atol=1e-5)
        return
    assert_same(inside, outside)
    assert np.array_equal(inside.predict_proba(X), outside.predict_proba(file))
    assert inside.score(X, Y, WEIGHTS) == outside.score(file, Y, WEIGHTS)


def test_labels_weights_and_validation_rows_may_be_outside_as_well(mapped):
    X, y, weights = mapped(FLOATS), mapped(Y, "y.npy"), mapped(WEIGHTS, "w.npy")
    text = np.array(["b", "a", "c", "d"])[Y]
    inside = model().fit(X, Y, X[:99], Y[:99], sample_weight=WEIGHTS)
    outside = model().fit(X, y, X[:99], y[:99], sample_weight=weights)
    assert_same(inside, outside)
    named = model().fit(X, mapped(text, "t.npy"), sample_weight=weights)
    assert named.classes_.tolist() == ["a", "b", "c", "d"]
    assert np.array_equal(named.predict(X), model().fit(X, text, sample_weight=weights).predict(X))
    # Rows in memory with validation rows outside, and the other way round.
    for train, valid in ((FLOATS, X), (X, FLOATS)):
        nn = model(shuffle=False).fit(train, Y, valid, y)
        assert nn.eval_ == model(shuffle=False).fit(FLOATS, Y, FLOATS, Y).eval_


def expected_order(n, epochs, rng):
    """The rows of each epoch, by a second implementation of the two levels."""
    row = 4 * D + 16
    capacity = BUFFER // 2 // row
    block = max(1, capacity // 32 // 96) * 96
    capacity -= capacity % block
    for _ in range(epochs):
        blocks = [np.arange(n)[i : i + block] for i in range(0, n, block)]
        blocks = [blocks[i] for i in rng.permutation(len(blocks))]
        order, rest = [], np.arange(0)
        while blocks:
            buffer = []
            while blocks and sum(map(len, buffer)) + len(blocks[0]) <= capacity:
                buffer.append(blocks.pop(0))
            rows = np.concatenate([rest, *buffer])
            rows = rows[rng.permutation(len(rows))]
            use = len(rows) - len(rows) % 77 if blocks else len(rows)
            order.append(rows[:use])
            rest = rows[use:]
        yield np.concatenate(order)


def test_order_has_two_levels(mapped):
    nn = model(epochs=2).fit(mapped(FLOATS), Y)
    rng = np.random.RandomState(1)
    network = Network((D, 9, 4), dtype="float32")
    for weights in network.coefs:
        weights[:] = rng.normal(0.0, 0.1, weights.shape)
    trainer = Trainer(
        network, Input(FLOATS, "float32"), Y.astype(np.intc), learning_rate=0.001, minibatch_size=77
    )
    with trainer:
        for order in expected_order(N, 2, rng):
            assert sorted(order.tolist()) == list(range(N))
            trainer.epoch(order)
    for mine, its in zip(
        network.coefs + network.intercepts, nn.coefs_ + nn.intercepts_, strict=True
    ):
        assert np.array_equal(mine, its)


def test_order_depends_on_seed_and_buffer_only(mapped):
    X = mapped(FLOATS)
    usual = model().fit(X, Y)
    assert_same(usual, model(n_threads=1).fit(X, Y))
    for other in ({"seed": 2}, {"buffer_bytes": 2 * BUFFER}):
        assert not np.array_equal(usual.w_h, model(**other).fit(X, Y).w_h)
    small = mapped(FLOATS[:500], "small.npy")
    assert not is_large(small, BUFFER)
    assert_same(model().fit(small, Y[:500]), model().fit(FLOATS[:500], Y[:500]))


def test_blocks_are_whole_and_buffers_hold_them():
    rng = np.random.RandomState(0)
    for n, row, buffer, chunks, align in [
        (10_001, 100, 300_000, None, False),
        (10_001, 100, 300_000, np.arange(0, 10_001, 128), False),
        (10_001, 100, 300_000, np.arange(0, 10_001, 4096), False),
        (10_000, 100, 300_000, np.array([0, 1000, 1010, 1020, 2200, 3000, 4400, 5000, 6000, 7000,
                                         8400, 9000]), True),
    ]:  # fmt: skip
        found = grid(n, row, buffer, chunks, align)
        pieces = found.pieces(shuffled(found, rng))
        rows = np.concatenate([np.arange(*span) for piece in pieces for span in piece])
        assert np.array_equal(np.sort(rows), np.arange(n))
        assert all(sum(b - a for a, b in piece) <= found.capacity for piece in pieces)
        assert found.capacity * row * 2 <= buffer
        if align:
            assert set(found.starts[:-1]) <= set(chunks)
    with pytest.raises(ValueError, match="buffer_bytes must hold 384 rows"):
        grid(1000, 100, 30_000)
    with pytest.raises(ValueError, match="smaller row groups"):
        grid(9000, 100, 300_000, np.array([0, 6000]), True)


def test_a_resumed_fit_has_the_bits_of_an_uninterrupted_one(mapped):
    for rows, keywords in ((BYTES, SCALED), (FLOATS, {"dropout": 0.2, "optimizer": "adam"})):
        X = mapped(rows)
        whole = model(**keywords, epochs=4).fit(X, Y)
        for n in (1, 3):
            first = model(**keywords, epochs=4, callback=stop_after(n))
            first.fit(X, Y, checkpoint=f"{rows.dtype}{n}.ckpt")
            assert epoch_of(f"{rows.dtype}{n}.ckpt") == n
            again = model(**keywords, epochs=4, n_threads=1)
            assert_same(whole, again.fit(X, Y, checkpoint=f"{rows.dtype}{n}.ckpt"))
        with pytest.raises(ValueError, match=r"order of rows was .* blocks"):
            model(**keywords, epochs=4, buffer_bytes=2 * BUFFER).fit(
                X, Y, checkpoint=f"{rows.dtype}{n}.ckpt"
            )


def damage(path, how):
    if how == "shrinks":
        os.truncate(path, os.path.getsize(path) // 2)
    elif how == "vanishes":
        os.remove(path)
    elif how == "is replaced":
        os.replace(f"{path}.other", path)
    else:
        with open(path, "r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(b"1234")
        os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("how", ["shrinks", "changes", "vanishes", "is replaced"])
def test_a_file_that_changes_while_training(how, mapped, tmp_path):
    X = mapped(FLOATS)
    np.save(f"{tmp_path}/rows.npy.other.npy", FLOATS)
    os.rename(f"{tmp_path}/rows.npy.other.npy", f"{tmp_path}/rows.npy.other")

    def callback(epoch, history):
        if epoch == 2:
            damage(tmp_path / "rows.npy", how)

    nn = model(callback=callback, epochs=5)
    with pytest.raises(OSError, match=r"X_train: .*rows\.npy (has|cannot)"):
        nn.fit(X, Y)
    assert nn.n_iter_ == 2
    assert_same(nn, model(epochs=2).fit(mapped(FLOATS, "again.npy"), Y))


def test_a_file_that_shrinks_before_fit(mapped, tmp_path):
    X = mapped(FLOATS)
    os.truncate(tmp_path / "rows.npy", 300_000)
    with pytest.raises(OSError, match=r"has become shorter|ends within row"):
        model().fit(X, Y)


class Slices:
    """Rows with shape, dtype and slices, and nothing else."""

    def __init__(self, array, fail_from=None):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.fail_from, self.largest = fail_from, 0

    def __getitem__(self, rows):
        assert type(rows) is slice
        self.largest = max(self.largest, rows.stop - rows.start)
        return self.array[rows][: self.fail_from]


def test_anything_with_shape_dtype_and_slices():
    rows = Slices(FLOATS)
    nn = model(shuffle=False).fit(rows, Slices(Y))
    assert_same(nn, model(shuffle=False).fit(FLOATS, Y))
    assert rows.largest * D * 4 <= BUFFER / 2
    assert np.array_equal(nn.predict(rows), nn.predict(FLOATS))
    assert np.array_equal(nn.predict(Slices(FLOATS[:9])), nn.predict(FLOATS[:9]))
    with pytest.raises(OSError, match=r"X_train: rows 0 to 95 must have shape \(96, 36\)"):
        model().fit(Slices(FLOATS, fail_from=9), Y)
    with pytest.raises(OSError, match=r"cannot be read: TypeError"):
        model().fit(Slices(FLOATS, fail_from="x"), Y)


def test_bad_input_is_refused(mapped):
    bad = FLOATS.copy()
    bad[3001, 5] = np.nan
    with pytest.raises(ValueError, match=r"X_train must be finite.* in row 3001, column 5"):
        model().fit(mapped(bad), Y)
    X = mapped(FLOATS)
    for error, match, arguments, keywords in [
        (ValueError, "a label for each of the 5000 rows", (X, Y[:9]), {}),
        (ValueError, "one value for each of the 5000 rows", (X, Slices(Y[:9])), {}),
        (ValueError, "two dimensions", (mapped(FLOATS.ravel(), "1.npy"), Y), {}),
        (ValueError, "more than|at least 2 classes|two classes", (X, Slices(0 * Y)), {}),
        (ValueError, "continuous", (X, Slices(WEIGHTS)), {}),
        (ValueError, "has 35 features", (X, Y, mapped(FLOATS[:, :35].copy(), "2.npy"), Y), {}),
        (ValueError, "only classes that y_train has", (X, Y, X, Slices(Y + 1)), {}),
        (ValueError, "buffer_bytes must hold 384 rows", (X, Y), {"buffer_bytes": 999}),
        (ValueError, "buffer_bytes must hold two minibatches", (X, Y), {"minibatch_size": 900}),
        (ValueError, "raise buffer_bytes above", (mapped(BYTES, "3.npy"), Y),
         {"dropout": (0.2, 0), "input_path": "sparse"}),
    ]:  # fmt: skip
        with pytest.raises(error, match=match):
            model(**keywords).fit(*arguments)
    with pytest.raises(ValueError, match="sum to a finite number above zero"):
        model().fit(X, Y, sample_weight=Slices(-WEIGHTS))
    with pytest.raises(ValueError, match="has 36 features, but"):
        model().fit(FLOATS[:, :30], Y).predict(X)


def test_interrupts_leave_the_last_finished_epoch(mapped):
    X = mapped(FLOATS)

    def callback(epoch, history):
        if epoch == 2:
            raise KeyboardInterrupt

    nn = model(callback=callback)
    with pytest.raises(KeyboardInterrupt):
        nn.fit(X, Y)
    assert_same(nn, model(epochs=2).fit(X, Y))


def test_the_place_of_a_view_in_its_file(mapped, tmp_path):
    X = mapped(FLOATS)
    for view, rows in [
        (X[100:], FLOATS[100:]),
        (np.asarray(X)[7:4000], FLOATS[7:4000]),
        (X.reshape(-1, D // 2), FLOATS.reshape(-1, D // 2)),
        (X[::3], FLOATS[::3]),
        (X[:, 3:9], FLOATS[:, 3:9]),
    ]:
        assert np.array_equal(Source(view, "X")[11:300], rows[11:300])
    raw = np.memmap(tmp_path / "raw", np.float32, "w+", offset=5000, shape=FLOATS.shape)
    raw[:] = FLOATS
    assert np.array_equal(Source(raw[50:], "X")[1:7], FLOATS[51:57])
    os.remove(tmp_path / "raw")  # the mapping is all that there is of it
    assert np.array_equal(Source(raw[50:], "X")[1:7], FLOATS[51:57])


def test_a_call_in_another_thread():
    for ahead in (True, False):
        with AsyncCall(ahead) as call:
            for number in range(50):
                call.begin(lambda number=number: number**2)
                assert call.wait() == number**2
            call.begin(lambda: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                call.wait()
            call.begin(list)  # left alone at the end of the block
    with AsyncCall() as call:
        call.begin(list)
        with pytest.raises(RuntimeError, match="has not been waited for"):
            call.begin(list)


def test_the_thread_is_none_of_pythons(run_python):
    """Under gevent, too, which replaces Python's threads by turns in the calling one."""
    pytest.importorskip("gevent", reason="gevent is not installed")
    out = run_python(
        "from gevent import monkey; monkey.patch_all()\n"
        "from mlpcore.engine.async_call import AsyncCall\n"
        "from mlpcore.engine.team import system_thread\n"
        "with AsyncCall() as call:\n"
        "    call.begin(system_thread)\n"
        "    print(call.wait() != system_thread())\n"
    )
    assert out.strip() == "True"
