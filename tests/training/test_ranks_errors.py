"""What goes wrong in one rank: all get the same error, and none waits for ever."""

import itertools

import numpy as np
import pytest
from communicator import in_ranks, results_of

from mlpcore import NeuralNetMLP, load_digits
from mlpcore.sklearn import MLPClassifier
from mlpcore.training.ranks import Ranks

pytestmark = pytest.mark.filterwarnings("ignore:the . ranks exchanged")

SIZE = 3
X, y = load_digits()
X, y = X[:600], y[:600]


def given(comm):
    """The arguments of `fit` in a rank."""
    mine = slice(comm.rank * 200, comm.rank * 200 + 200)
    return {"X_train": X[mine].copy(), "y_train": y[mine], "X_valid": X[mine], "y_valid": y[mine],
            "sample_weight": np.ones(200)}  # fmt: skip


def errors(change, **parameters):
    """What each rank raises where the last one has a change of what it is given."""

    def work(comm):
        arguments, mine = given(comm), {"epochs": 2, "minibatch_size": 50} | parameters
        if comm.rank == SIZE - 1:
            change(arguments, mine)
        NeuralNetMLP(**mine).fit(**arguments, comm=comm)

    return in_ranks(SIZE, work)


def put(name, value):
    return lambda arguments, parameters: arguments.update({name: value})


def set_parameter(name, value):
    return lambda arguments, parameters: parameters.update({name: value})


def put_nan(arguments, parameters):
    arguments["X_train"][7, 3] = np.nan


def raise_in_callback(epoch, history):
    raise ZeroDivisionError("in the callback")


BAD = {
    "columns": (put("X_train", X[:200, :63]), "the number of columns of X_train is 63 in rank 2"),
    "dtype": (put("X_train", X[:200].astype(float)), "the dtype of X_train is float64 in rank 2"),
    "classes": (put("y_train", y[:200].astype(str)), "the kind of y_train is U in rank 2"),
    "no rows": (put("X_train", X[:0]), "rank 2 of 3: X_train must have"),
    "lengths": (put("y_train", y[:199]), "rank 2 of 3: y_train must have a label"),
    "not finite": (put_nan, "X_train must be finite.*got nan in row 7, column 3"),
    "no weights": (put("sample_weight", None), "sample_weight is none in rank 2 and given"),
    "validation": (
        lambda arguments, _: arguments.update(X_valid=None, y_valid=None),
        "X_valid is none in rank 2",
    ),
    "unknown class": (put("y_valid", np.full(200, 77)), "rank 2 of 3: y_valid must hold only"),
    "parameter": (set_parameter("eta", 0.1), "the parameter eta is 0.1 in rank 2 and 0.001 in"),
    "wrong parameter": (set_parameter("eta", -1), "rank 2 of 3: eta must be"),
    "shards": (put("shards", 8), "shards is 8 in rank 2 and 16 in rank 0"),
    "number of shards": (put("shards", 3), "rank 2 of 3: shards must be a power of two"),
    "names": (
        lambda arguments, _: arguments.update(checkpoint="elsewhere"),
        "checkpoint is elsewhere in rank 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_all_ranks_raise_what_one_of_them_does(change, message):
    found = errors(change)
    assert {type(error) for error in found} == {ValueError}
    assert len({str(error) for error in found}) == 1
    with pytest.raises(ValueError, match=message):
        raise found[0]


def test_an_exception_between_epochs_reaches_all():
    def nothing(epoch, history):
        pass

    found = errors(set_parameter("callback", raise_in_callback), callback=nothing, epochs=5)
    assert {repr(error) for error in found} == {"ZeroDivisionError('rank 2 of 3: in the callback')"}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError, RuntimeError])
def test_an_exception_within_an_epoch_reaches_all(kind, monkeypatch):
    """The others hear of it with the next gradients; here it comes of a signal's handler."""
    steps = itertools.count()
    add = Ranks.add

    def handle(number, frame):
        raise kind(143 if kind is SystemExit else "enough")

    def add_and_send_a_signal(self, partials):
        add(self, partials)
        if self.rank == 1 and next(steps) == 5:
            self._handlers[0] = handle
            self._put_off(0, None)

    monkeypatch.setattr(Ranks, "add", add_and_send_a_signal)
    monkeypatch.setattr(Ranks, "_restore_handlers", lambda self: None)
    models = [NeuralNetMLP(epochs=50, minibatch_size=50, seed=1) for _ in range(SIZE)]
    found = in_ranks(SIZE, lambda comm: models[comm.rank].fit(**given(comm), comm=comm))
    message = "143" if kind is SystemExit else "rank 1 of 3: enough"
    assert [(type(error), str(error)) for error in found] == [(kind, message)] * SIZE
    assert {model.n_iter_ for model in models} == {0}
    assert len({model.w_h.tobytes() for model in models}) == 1
    assert next(steps) == 7  # sums so far: the first epoch has ended with the next one


def test_estimators_agree_on_their_parameters():
    def work(comm):
        alpha = 1e-4 if comm.rank else -1
        mine = slice(comm.rank * 200, comm.rank * 200 + 200)
        MLPClassifier(alpha=alpha, max_iter=2).fit(X[mine], y[mine], comm=comm)

    found = in_ranks(SIZE, work)
    assert len({str(error) for error in found}) == 1
    with pytest.raises(ValueError, match=r"rank 0 of 3: The 'alpha' parameter"):
        raise found[1]


def test_versions_must_be_equal():
    def work(comm):
        with Ranks(comm, 16) as ranks:
            ranks.same({"the version of mlpcore": f"0.{comm.rank}"})

    found = in_ranks(SIZE, work)
    with pytest.raises(ValueError, match=r"version of mlpcore is 0.1 in rank 1 and 0.0 in rank 0"):
        raise found[0]
    assert len({str(error) for error in found}) == 1


def test_parameters_that_drift_apart_are_an_error():
    """As they would if the processors of two machines rounded differently."""

    models = {}

    def callback(rank):
        def call(epoch, history):
            if epoch == 2 and rank == 1:
                models[rank]._network.parameters[0] += 1

        return call

    def work(comm):
        models[comm.rank] = NeuralNetMLP(epochs=4, minibatch_size=50, callback=callback(comm.rank))
        models[comm.rank].fit(**given(comm), comm=comm)

    found = in_ranks(SIZE, work)
    assert {type(error) for error in found} == {RuntimeError}
    with pytest.raises(RuntimeError, match="parameters of rank 1 are no longer those of rank 0"):
        raise found[2]


def test_too_many_ranks_for_the_shards():
    model = NeuralNetMLP(epochs=1, minibatch_size=9)
    found = in_ranks(3, lambda comm: model.fit(**given(comm), comm=comm, shards=2))
    with pytest.raises(ValueError, match="shards must be at least the number of ranks, 3"):
        raise found[1]


def test_no_communicator():
    with pytest.raises(TypeError, match=r"comm must have .*; got 5 without rank and size"):
        NeuralNetMLP().fit(X, y, comm=5)


def test_a_callback_stops_all_ranks():
    def work(comm):
        model = NeuralNetMLP(
            epochs=9, minibatch_size=50, callback=lambda epoch, _: comm.rank == 1 and epoch == 3
        )
        return model.fit(**given(comm), comm=comm).n_iter_

    assert results_of(SIZE, work) == [3, 3, 3]


def test_long_messages_are_cut(monkeypatch):
    """MPI before version 4 cannot count more than 2**31 bytes."""
    from mlpcore.training import exchange

    monkeypatch.setattr(exchange, "PIECE", 1000)
    values = np.random.default_rng(0).normal(size=(4, 3000))

    def work(comm):
        with Ranks(comm, 4) as ranks:
            text = ranks.broadcast(lambda: "x" * 5000)
            return ranks.sum(values[ranks.shards.start : ranks.shards.stop]), text

    for total, text in results_of(SIZE, work):
        np.testing.assert_array_equal(total, (values[0] + values[1]) + (values[2] + values[3]))
        assert text == "x" * 5000
