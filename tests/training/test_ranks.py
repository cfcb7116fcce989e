"""Fits that several processes share; here they are threads, with a communicator of queues."""

import time

import numpy as np
import pytest
from communicator import results_of

from mlpcore import Distortion, NeuralNetMLP, load_digits, rank_rows
from mlpcore.training import ranks as ranks_module
from mlpcore.training.grid import Grid, shard_bounds
from mlpcore.training.ranks import Ranks
from mlpcore.training.tree import merges_within, shards_of

pytestmark = pytest.mark.filterwarnings("ignore:the . ranks exchanged")

X, y = load_digits()
X, y, X_valid, y_valid = X[:603], y[:603], X[603:900], y[603:900]
WEIGHTS = np.random.default_rng(0).uniform(0, 2, len(y))


def cut(n, rank, size):
    """Rows of a rank: unequal slices, at places that have nothing to do with shards."""
    ends = np.sort(np.random.default_rng(n).integers(1, n, size - 1))
    return slice(*np.concatenate([[0], ends, [n]])[rank : rank + 2])


def fit(comm, **parameters):
    """The model of one rank, or with None that of one process without others."""
    parameters = {"n_hidden": 20, "epochs": 3, "eta": 0.002, "minibatch_size": 50, "seed": 3,
                  "n_threads": 2} | parameters  # fmt: skip
    model = NeuralNetMLP(**parameters)
    if comm is None:
        return model.fit(X, y, X_valid, y_valid, sample_weight=WEIGHTS, shards=16)
    mine = cut(len(X), comm.rank, comm.size)
    mine_valid = cut(len(X_valid), comm.rank, comm.size)
    return model.fit(
        X[mine], y[mine], X_valid[mine_valid], y_valid[mine_valid],
        sample_weight=WEIGHTS[mine], comm=comm,
    )  # fmt: skip


def bits(model):
    return model._network.parameters.tobytes(), repr(model.eval_), model.n_iter_


OPTIONS = {
    "plain": {},
    "dropout and Adam": {"optimizer": "adam", "dropout": [0.1, 0.2]},
    "sparse rows": {"input_path": "sparse", "optimizer": "momentum", "dropout": 0.2},
    "clipping": {"clip_norm": 5.0, "l2": 0.1, "max_norm": 2.0},
    "early stopping": {"early_stopping": True, "patience": 1, "epochs": 20, "eta": 0.02},
    "average": {"weight_average": 0.9, "optimizer": "adamw", "schedule": "one_cycle"},
    "classes": {"class_weight": "balanced", "label_smoothing": 0.1, "schedule": "invscaling"},
    "images": {"augment": Distortion(rotation=10, elastic=1.0), "minibatch_size": 9},
    "wide layers": {"n_hidden": [600, 500], "minibatch_size": 200, "dtype": np.float32},
    "fewer rows than shards": {"minibatch_size": 7, "optimizer": "nesterov", "shuffle": False},
}


@pytest.mark.parametrize("parameters", OPTIONS.values(), ids=OPTIONS)
def test_any_number_of_ranks_gives_the_same_bits(parameters):
    expected = bits(fit(None, **parameters))
    for size in (1, 2, 3, 4, 8):
        found = results_of(size, lambda comm: bits(fit(comm, **parameters)))
        assert set(found) == {expected}, size


@pytest.mark.parametrize("parameters", OPTIONS.values(), ids=OPTIONS)
def test_exchange_of_single_layers_has_the_same_bits(parameters, monkeypatch):
    """It goes on while the gradients of lower layers are computed, in large networks."""
    expected = bits(fit(None, **parameters))
    monkeypatch.setattr(ranks_module, "OVERLAP_FROM", 0)
    for size in (2, 3, 4):
        found = results_of(size, lambda comm: bits(fit(comm, **parameters)))
        assert set(found) == {expected}, size


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"l2": 0.1, "optimizer": "adam", "dropout": 0.3},
        {"clip_norm": 5.0, "max_norm": 2.0},
        {"n_hidden": [600, 500], "minibatch_size": 200, "input_path": "dense"},
        {"weight_average": 0.9, "augment": Distortion(rotation=10)},
    ],
)
def test_one_shard_is_a_fit_without_shards(parameters):
    """The gradient takes another way, through memory, and the bits are the same."""

    def model():
        common = {"n_hidden": 20, "epochs": 2, "seed": 3, "shuffle": False, "minibatch_size": 50}
        return NeuralNetMLP(**common | parameters)

    with_shards = model().fit(X, y, X_valid, y_valid, sample_weight=WEIGHTS, shards=1)
    without = model().fit(X, y, X_valid, y_valid, sample_weight=WEIGHTS)
    assert bits(with_shards) == bits(without)


def test_shards_have_the_gradient_of_all_rows():
    """In a step on all rows, the shards differ from a plain sum by rounding only."""
    models = [
        NeuralNetMLP(n_hidden=20, epochs=3, seed=3, minibatch_size=len(X), eta=1e-3).fit(
            X.astype(float), y, **options
        )
        for options in ({}, {"shards": 2}, {"shards": 64})
    ]
    for model in models[1:]:
        np.testing.assert_allclose(model.w_h, models[0].w_h, rtol=1e-9, atol=1e-12)
        assert not np.array_equal(model.w_h, models[0].w_h)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 13, 16])
def test_sums_have_the_same_bits_for_any_number_of_ranks(size):
    values = np.random.default_rng(0).normal(size=(16, 20_000))
    expected = values
    while len(expected) > 1:
        expected = expected[::2] + expected[1::2]

    def work(comm):
        with Ranks(comm, 16) as ranks:
            mine = values[ranks.shards.start : ranks.shards.stop]
            return ranks.sum(mine), ranks.sum(mine[:, :3])

    for whole, short in results_of(size, work):
        np.testing.assert_array_equal(whole, expected[0])
        np.testing.assert_array_equal(short, expected[0, :3])


def test_a_rank_keeps_few_partial_sums():
    merges, left, most = merges_within(range(1024))
    assert left == [(0, 1024)]
    assert sum(merges) == 1023
    assert most == 11
    assert merges_within(range(5, 10))[1] == [(5, 1), (6, 2), (8, 2)]
    assert [len(shards_of(rank, 3, 16)) for rank in range(3)] == [5, 5, 6]


@pytest.mark.parametrize(
    ("n", "size", "keep_last"), [(103, 20, True), (103, 20, False), (64, 7, True)]
)
def test_minibatches_have_the_rows_that_were_asked_for(n, size, keep_last):
    parts = [Grid(n, 16, shards_of(i, 3, 16), size, keep_last=keep_last) for i in range(3)]
    steps = -(-n // size) if keep_last else n // size
    rows = [min(size, n - i * size) for i in range(steps)]
    assert all(part.rows.tolist() == rows for part in parts)
    assert sum(part.counts.sum(axis=1) for part in parts).tolist() == rows
    seen = np.concatenate(
        [part.order(np.random.RandomState(0), True) + part.first_row for part in parts]
    )
    assert len(set(seen)) == sum(rows)
    bounds = shard_bounds(n, 16)
    assert bounds[0] == 0
    assert bounds[-1] == n
    assert set(np.diff(bounds)) <= {n // 16, n // 16 + 1}


def test_a_checkpoint_goes_on_with_another_number_of_ranks(tmp_path):
    options = {"optimizer": "adam", "dropout": 0.2, "weight_average": 0.9, "minibatch_size": 50}

    def fit_some(epochs, size, checkpoint):
        def work(comm):
            mine = cut(len(X), comm.rank, comm.size)
            model = NeuralNetMLP(n_hidden=20, epochs=epochs, seed=3, **options)
            return bits(model.fit(X[mine], y[mine], comm=comm, checkpoint=checkpoint))

        return set(results_of(size, work))

    expected = fit_some(6, 1, None)
    for epochs, size in ((2, 3), (3, 1), (5, 4), (6, 2)):
        found = fit_some(epochs, size, tmp_path / "run.ckpt")
    assert found == expected
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.ckpt", "run.ckpt.previous"]
    with pytest.raises(ValueError, match="shards was 16 and is 8"):
        NeuralNetMLP(n_hidden=20, epochs=6, seed=3, **options).fit(
            X, y, shards=8, checkpoint=tmp_path / "run.ckpt"
        )


def test_rank_rows_are_those_of_the_shards():
    """So that none move: the engine reads them where they are."""
    seen = []

    def work(comm):
        mine = rank_rows(comm, len(X))
        seen.append(mine)
        with Ranks(comm, 16) as ranks:
            rows = X[mine]
            assert ranks.take(rows, ranks.gather(len(rows))) is rows

    results_of(3, work)
    assert sorted(rows.start for rows in seen) == [0, *sorted(rows.stop for rows in seen)[:-1]]


@pytest.mark.filterwarnings("default:the . ranks exchanged")
def test_a_fit_warns_where_exchange_takes_longer_than_work(monkeypatch):
    add = Ranks.add

    def slowly(self, partials):
        time.sleep(0.01)
        add(self, partials)

    monkeypatch.setattr(Ranks, "add", slowly)
    with pytest.warns(UserWarning, match="the 2 ranks exchanged gradients") as caught:
        results_of(2, lambda comm: fit(comm))
    assert len(caught) == 1
