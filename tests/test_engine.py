"""The network, its trainer and their team of threads."""

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import oracle
import pytest
import threadpoolctl

from mlpcore.engine.blas_threads import single_threaded_blas
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective, gradient
from mlpcore.engine.team import Team
from mlpcore.engine.trainer import Trainer

DTYPES = ["float32", "float64"]


def small(dtype="float64", units=(5, 7, 3), rows=23):
    rng = np.random.default_rng(0)
    network = Network(units, dtype=dtype)
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(size=array.shape)
    X = rng.normal(size=(rows, units[0])).astype(dtype)
    return network, X, rng.integers(units[-1], size=rows).astype(np.intc)


# Worked by hand


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_step_worked_by_hand(dtype):
    """Two inputs, one hidden unit, two outputs; one row, of class 1. Write L for ln 3.

    The logistic function is 3/4 at L, 1/4 at -L.

    forward   x = (1, -1), w_h = (2L, L), b_h = 0:         z_h = 2L - L = L, a_h = 3/4
              w_out = (4L/3, -8L/3), b_out = (0, L):       z_out = (L, -2L + L) = (L, -L)
                                                           a_out = (3/4, 1/4)
    loss      t = (0, 1):  ln(1 + e^L) + ln(1 + e^-L) + L = ln 4 + ln 4/3 + ln 3 = 4 ln 2
    error     a_out - t = (3/4, -3/4)
    backward  3/4 * 4L/3 - 3/4 * -8L/3 = 3L, times a_h (1 - a_h) = 3/16:  9L/16
    gradient  of w_out 3/4 * (3/4, -3/4) = (9/16, -9/16), of b_out the error itself,
              of w_h   (1, -1) * 9L/16, of b_h 9L/16
    step      eta = 1/2, l2 = 1/4:  w - (g + w/4) / 2 = 7w/8 - g/2 and b - g/2
    """
    L = np.log(3)
    network = Network((2, 1, 2), dtype=dtype)
    network.coefs[0][:] = [[2 * L], [L]]
    network.coefs[1][:] = [[4 * L / 3, -8 * L / 3]]
    network.intercepts[1][:] = [0, L]
    X, labels = Input(np.array([[1, -1]], dtype), dtype), np.array([1], np.intc)
    close = {"rtol": 8 * np.finfo(dtype).eps, "atol": 8 * np.finfo(dtype).eps}

    np.testing.assert_allclose(network.logits(X), [[L, -L]], **close)
    np.testing.assert_allclose(network.weights_squared(), (5 + 80 / 9) * L**2, **close)

    loss, flat = gradient(network, X, labels)
    coefs, intercepts = network.views(flat)
    np.testing.assert_allclose(loss, 4 * np.log(2), **close)
    np.testing.assert_allclose(coefs[0], [[9 * L / 16], [-9 * L / 16]], **close)
    np.testing.assert_allclose(intercepts[0], [9 * L / 16], **close)
    np.testing.assert_allclose(coefs[1], [[9 / 16, -9 / 16]], **close)
    np.testing.assert_allclose(intercepts[1], [3 / 4, -3 / 4], **close)

    with Trainer(network, X, labels, learning_rate=1 / 2, l2=1 / 4) as trainer:
        assert trainer.evaluate()[1] == 0  # the row is taken for class 0
        trainer.epoch(np.arange(1))
    np.testing.assert_allclose(
        network.coefs[0], [[7 * L / 4 - 9 * L / 32], [7 * L / 8 + 9 * L / 32]], **close
    )
    np.testing.assert_allclose(network.intercepts[0], [-9 * L / 32], **close)
    np.testing.assert_allclose(
        network.coefs[1], [[7 * L / 6 - 9 / 32, -7 * L / 3 + 9 / 32]], **close
    )
    np.testing.assert_allclose(network.intercepts[1], [-3 / 8, L + 3 / 8], **close)


# Network


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_are_one_block_with_a_view_for_each_layer(dtype):
    network = Network([5, 7, 300, 3], dtype=dtype)
    assert network.n_units == (5, 7, 300, 3)
    assert network.n_layers == 3
    assert [w.shape for w in network.coefs] == [(5, 7), (7, 300), (300, 3)]
    assert [b.shape for b in network.intercepts] == [(7,), (300,), (3,)]
    assert network.parameters.shape == (network.size,)
    assert not network.parameters.any()
    # No two views share an element, and all lie in the block.
    arrays = network.coefs + network.intercepts
    for number, array in enumerate(arrays, 1):
        assert array.dtype == dtype
        assert np.shares_memory(array, network.parameters)
        array[:] = number
    for number, array in enumerate(arrays, 1):
        assert (array == number).all()
    assert np.count_nonzero(network.parameters) == sum(array.size for array in arrays)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [(5, 3), (300, 257, 3), (3, 256, 1)])
def test_weights_squared_counts_weights_only(dtype, units):
    network, _, _ = small(dtype, units)
    expected = sum((w.astype(np.float64) ** 2).sum() for w in network.coefs)
    np.testing.assert_allclose(network.weights_squared(), expected, rtol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", list(oracle.ACTIVATIONS))
@pytest.mark.parametrize(
    "units", [(5, 3), (1, 1, 1), (5, 7, 3), (33, 65, 31, 17), (5, 533, 531, 3)]
)
def test_net_inputs_equal_the_oracles(units, activation, dtype):
    rng = np.random.default_rng(3)
    network = Network(units, activation=activation, dtype=dtype)
    for w, b in zip(network.coefs, network.intercepts, strict=True):
        w[:] = rng.normal(0, len(w) ** -0.5, w.shape)
        b[:] = rng.normal(size=b.shape)
    layers = [
        (w.astype(float), b.astype(float))
        for w, b in zip(network.coefs, network.intercepts, strict=True)
    ]
    for rows in (1, 2, 95, 96, 97, 200):
        X = rng.normal(size=(rows, units[0])).astype(dtype)
        z = network.logits(Input(X, dtype))
        assert z.dtype == dtype
        expected = oracle.net_inputs(layers, X.astype(float), activation)[-1]
        tolerance = 100 * np.finfo(dtype).eps
        np.testing.assert_allclose(z, expected, rtol=tolerance, atol=tolerance)


def test_whether_blas_is_used_follows_from_the_size_of_the_weights():
    assert not Network((784, 100, 10), dtype="float64").uses_blas()
    assert Network((3, 1200, 1200, 10), dtype="float32").uses_blas()


def test_rows_lie_anywhere_and_are_not_copied():
    network, _, _ = small(units=(4, 3))
    block = np.random.default_rng(1).normal(size=(60, 9))
    same = np.broadcast_to(block[3, :4], (7, 4))
    for X in (block[:, 2:6], block[::-3, 5:9], block[10:11, :4], same):
        z = network.logits(Input(X, "float64"))
        np.testing.assert_allclose(z, X @ network.coefs[0] + network.intercepts[0], atol=1e-13)
    X = block[:, :4]
    held = Input(X, "float64")
    X[:] = 0
    np.testing.assert_array_equal(network.logits(held), np.tile(network.intercepts[0], (60, 1)))


def test_an_input_keeps_its_rows_alive():
    X = np.ones((3, 4))
    alive = weakref.ref(X)
    held = Input(X, "float64")
    del X
    gc.collect()
    assert alive() is not None
    del held
    gc.collect()
    assert alive() is None


def test_elements_of_a_row_must_be_adjacent():
    with pytest.raises(ValueError, match="adjacent"):
        Input(np.ones((3, 8))[:, ::2], "float64")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"activation": "step"}, r"activation must be one of .*logistic.*'step'"),
        ({"loss": "hinge"}, r"loss must be one of .*binary_cross_entropy.*'hinge'"),
    ],
)
def test_unknown_names(keywords, message):
    with pytest.raises(ValueError, match=message):
        Network((2, 3), **keywords)


# What would read or write memory that is not theirs if the engine believed it.
MISTAKES = {
    "one layer of units": "Network((5,))",
    "no units": "Network(())",
    "a layer without units": "Network((5, 0, 3))",
    "a negative number of units": "Network((5, -7, 3))",
    "more units than a C int counts": "Network((1, 2**31 - 1, 1))",
    "rows of another width to predict": "network.logits(Input(np.ones((4, 6)), 'float64'))",
    "rows for another dtype to predict":
        "network.logits(Input(np.ones((4, 5), np.uint8), 'float32'))",
    "rows of another width to learn from":
        "Trainer(network, Input(np.ones((4, 500)), 'float64'), labels[:4])",
    "rows for another dtype to learn from":
        "Trainer(network, Input(np.ones((4, 5), np.uint8), 'float32'), labels[:4])",
    "too few labels": "Trainer(network, X, labels[:4])",
    "no rows": "Trainer(network, Input(np.ones((0, 5)), 'float64'), labels[:0])",
    "a label beyond the outputs": "Trainer(network, X, labels + 10**6)",
    "a negative label": "Trainer(network, X, labels - 10**6)",
    "minibatches of no rows": "Trainer(network, X, labels, minibatch_size=0)",
    "validation labels without rows": "Trainer(network, X, labels, valid_targets=labels)",
    "validation rows without labels": "Trainer(network, X, labels, valid=X)",
    "too few validation labels": "Trainer(network, X, labels, valid=X, valid_targets=labels[:2])",
    "validation rows of another width":
        "Trainer(network, X, labels, valid=Input(np.ones((9, 600)), 'float64'), "
        "valid_targets=labels[:9])",
    "too few labels for a gradient": "gradient(network, X, labels[:4])",
    "too few targets":
        "row_losses('binary_cross_entropy', np.ones((2, 3)), np.ones((2, 1)))",
}  # fmt: skip


def test_the_engine_refuses_what_would_break_it(run_python):
    """Each in a child of one process, so that a crash is a result, too."""
    code = f"""
import os
import numpy as np
from mlpcore.engine.inputs import Input
from mlpcore.engine.losses import row_losses
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective, gradient
from mlpcore.engine.trainer import Trainer

network = Network((5, 7, 3))
X = Input(np.ones((23, 5)), "float64")
labels = np.zeros(23, np.intc)
for name, code in {MISTAKES}.items():
    child = os.fork()
    if not child:
        try:
            eval(code)
        except (ValueError, TypeError):
            os._exit(0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print(name, "was accepted" if status > 0 else "crashed")
"""
    # One BLAS thread: Python warns of a fork while there are threads.
    assert run_python(code, OPENBLAS_NUM_THREADS="1") == ""


# Trainer


def one_epoch(order, minibatch_size, **keywords):
    network, X, labels = small()
    trainer = Trainer(network, Input(X, "float64"), labels, learning_rate=0.1,
                      minibatch_size=minibatch_size, **keywords)  # fmt: skip
    with trainer:
        trainer.epoch(np.array(order, np.intp))
    return network.parameters


def test_a_shorter_last_slice_is_left_out():
    assert np.array_equal(one_epoch(range(23), 5), one_epoch(range(20), 5))
    assert not np.array_equal(one_epoch(range(23), 5), one_epoch(range(15), 5))
    untouched = small()[0].parameters
    assert np.array_equal(one_epoch(range(4), 5), untouched)
    assert np.array_equal(one_epoch([], 5), untouched)


def test_rows_are_visited_in_the_order_given():
    network, X, labels = small()
    order = np.random.default_rng(1).permutation(23)
    shuffled = one_epoch(order, 5)
    assert not np.array_equal(shuffled, one_epoch(range(23), 5))
    with Trainer(network, Input(X[order], "float64"), labels[order], learning_rate=0.1,
                 minibatch_size=5) as trainer:  # fmt: skip
        trainer.epoch(np.arange(23))
    assert np.array_equal(network.parameters, shuffled)


@pytest.mark.parametrize("order", [[0, 23], [-1, 0], [2**40]])
def test_order_must_name_training_rows(order):
    with pytest.raises(ValueError, match="below 23"):
        one_epoch(order, 1)


@pytest.mark.parametrize("rows", [1, 95, 96, 97, 500])
def test_evaluation_counts_every_row_once(rows):
    network, X, labels = small(rows=rows)
    _, X_valid, labels_valid = small(rows=rows + 31)
    layers = list(zip(network.coefs, network.intercepts, strict=True))
    z, z_valid = (oracle.net_inputs(layers, rows)[-1] for rows in (X, X_valid))
    with Trainer(network, Input(X, "float64"), labels, valid=Input(X_valid, "float64"),
                 valid_targets=labels_valid, minibatch_size=1, n_threads=2) as trainer:  # fmt: skip
        loss, hits, valid_hits = trainer.evaluate()
    np.testing.assert_allclose(loss, oracle.cross_entropy(z, np.eye(3)[labels]).sum(), rtol=1e-13)
    assert hits == (z.argmax(axis=1) == labels).sum()
    assert valid_hits == (z_valid.argmax(axis=1) == labels_valid).sum()
    with Trainer(network, Input(X, "float64"), labels) as trainer:
        assert trainer.evaluate() == (loss, hits, 0)


def test_the_first_of_equal_net_inputs_wins():
    network = Network((1, 4))
    network.intercepts[0][:] = [0, 2, 2, 1]
    X = Input(np.zeros((2, 1)), "float64")
    with Trainer(network, X, np.array([1, 2], np.intc)) as trainer:
        assert trainer.evaluate()[1] == 1
    assert network.classes(X).tolist() == [1, 1]


# Team


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_every_thread_works_once_and_the_caller_is_the_first(n_threads):
    with Team(n_threads) as team:
        assert team.n_threads == n_threads
        for _ in range(20):
            seen = []
            team.run(lambda thread, seen=seen: seen.append((thread, threading.get_native_id())))
            assert [thread for thread, _ in sorted(seen)] == list(range(n_threads))
            assert (0, threading.get_native_id()) in seen
            assert len({number for _, number in seen}) == n_threads


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_exception_in_any_thread_is_raised_and_the_team_goes_on(failing):
    def work(thread):
        if thread == failing:
            raise OSError(f"in thread {thread}")

    with Team(3) as team:
        with pytest.raises(OSError, match=f"in thread {failing}"):
            team.run(work)
        seen = []
        team.run(seen.append)
        assert sorted(seen) == [0, 1, 2]


@pytest.mark.parametrize("when", ["at once", "when the other is at work"])
def test_an_interrupt_of_the_calling_thread_leaves_nobody_at_work(when):
    working, seen = threading.Event(), []

    def work(thread):
        if thread == 0:
            if when != "at once":
                working.wait()
            raise KeyboardInterrupt
        working.set()
        time.sleep(0.05)
        seen.append(thread)

    with Team(2) as team:
        with pytest.raises(KeyboardInterrupt):
            team.run(work)
        # The threads at work have finished, and the others do not begin any more.
        before = list(seen)
        assert before == [1] or (when == "at once" and before == [])
        team.run(lambda thread: time.sleep(0.1))
        assert seen == before


@pytest.mark.parametrize("pause", [0, 0.001])
def test_threads_that_wait_or_sleep_are_there_for_the_next_call(pause):
    counts = [0, 0, 0]

    def work(thread):
        counts[thread] += 1

    with Team(3) as team:
        for _ in range(200):
            team.run(work)
            time.sleep(pause)
    assert counts == [200] * 3


def test_a_team_works_inside_of_its_block_only():
    team = Team(2)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="with"):
            team.run(print)
        with team:
            team.run(lambda thread: None)
            with pytest.raises(RuntimeError, match="one `with` block"):
                team.__enter__()


def blas_threads():
    return [
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]


@pytest.fixture
def two_blas_threads():
    """Set BLAS to two threads, whatever the machine has, and check that it stays so."""
    if not blas_threads():
        pytest.skip("this BLAS has no threads that can be set")
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        assert set(blas_threads()) == {2}
        yield
        assert set(blas_threads()) == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_is_held_at_one_thread_until_the_last_one_leaves():
    with single_threaded_blas():
        assert set(blas_threads()) == {1}
        with pytest.raises(KeyError), single_threaded_blas():
            raise KeyError
        assert set(blas_threads()) == {1}


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_is_held_at_one_thread_from_any_thread():
    def held():
        with single_threaded_blas():
            return set(blas_threads())

    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(held).result() == {1}
        assert set(blas_threads()) == {2}
        assert held() == {1}


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("first_out", [0, 1])
def test_blas_is_held_by_whoever_is_left(first_out):
    """Two threads enter one after the other and leave in either order."""
    leave = [threading.Event(), threading.Event()]

    def hold(number, entered):
        with single_threaded_blas():
            entered.set()
            leave[number].wait()

    counts = []
    with ThreadPoolExecutor(2) as pool:
        futures = []
        for number in (0, 1):
            entered = threading.Event()
            futures.append(pool.submit(hold, number, entered))
            entered.wait()
            counts.append(set(blas_threads()))
        for number in (first_out, 1 - first_out):
            counts.append(set(blas_threads()))
            leave[number].set()
            futures[number].result()
    assert counts == [{1}, {1}, {1}, {1}]


@pytest.mark.usefixtures("two_blas_threads")
def test_training_and_prediction_leave_blas_as_it_was():
    network, X, labels = small("float32", (5, 533, 531, 3))
    assert network.uses_blas()
    seen = []
    with Trainer(network, Input(X, "float32"), labels) as trainer:
        seen += blas_threads()
        trainer.epoch(np.arange(3))
    assert set(seen) == {1}
    assert set(blas_threads()) == {2}
    network.logits(Input(X, "float32"))


def test_exceptions_in_training_leave_the_trainer_usable():
    network, X, labels = small()
    expected = one_epoch(range(23), 5)
    trainer = Trainer(network, Input(X, "float64"), labels, learning_rate=0.1, minibatch_size=5)
    with trainer:
        with pytest.raises(ValueError, match="below 23"):
            trainer.epoch(np.arange(24))
        trainer.epoch(np.arange(23))
    assert np.array_equal(network.parameters, expected)


# One row


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "cross_entropy", "squared_error"])
@pytest.mark.parametrize("background", [None, 0.0, -1.0])
def test_one_row_the_quick_way(dtype, loss, background):
    _, X, _ = small(dtype)
    X[np.abs(X) < 0.5] = -1 if background is None else background
    network = Network((5, 7, 3), loss=loss, dtype=dtype)
    network.background = background
    rng = np.random.default_rng(1)
    for _ in range(3):
        for array in network.coefs + network.intercepts:
            # Only what has a background keeps anything of the parameters.
            array[:] = rng.normal(size=array.shape)
        if background:
            network.parameters_changed()
        table = network.outputs(Input(X, dtype))
        rows = np.concatenate([network.row_outputs(row[None]) for row in X])
        np.testing.assert_allclose(rows, table, rtol=1e-5 if dtype == "float32" else 1e-12)
        assert [network.classify(row[None]) for row in X] == table.argmax(axis=1).tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_have_no_quick_way(dtype):
    network, X, _ = small(dtype)
    other = "float64" if dtype == "float32" else "float32"
    bad = X[:1].copy()
    bad[0, 2] = np.nan
    for x in (X[:2], X[0], X[:1, :4], X[:1].astype(other), np.repeat(X[:1], 2, 1)[:, ::2], bad):
        assert network.row_outputs(x) is None
        assert network.classify(x) == -1


# Weights in and out


@pytest.mark.parametrize("dtype", DTYPES)
def test_packed_parameters_are_all_weights_and_then_all_biases(dtype):
    network = Network((5, 3, 2), dtype=dtype)
    numbers = np.arange(5 * 3 + 3 * 2 + 3 + 2, dtype=dtype)
    assert network.n_parameters == len(numbers)
    network.unpack(numbers)
    assert np.array_equal(network.coefs[0], numbers[:15].reshape(5, 3))
    assert np.array_equal(network.coefs[1], numbers[15:21].reshape(3, 2))
    assert np.array_equal(network.intercepts[0], numbers[21:24])
    assert np.array_equal(network.intercepts[1], numbers[24:])
    assert np.array_equal(network.pack(), numbers)
    assert network.parameters.sum() == numbers.sum()  # nothing in the padding
    gradient = np.zeros(network.size, dtype)
    network.unpack(-numbers, gradient)
    assert np.array_equal(network.pack(gradient), -numbers)
    assert np.array_equal(network.pack(), numbers)
    for wrong in (numbers[1:], numbers[None], np.append(numbers, 0)):
        with pytest.raises(ValueError, match=r"packed must have shape \(26,\)"):
            network.unpack(wrong)


def test_weights_are_set_as_they_were_got():
    network, _, _ = small()
    coefs, intercepts = network.get_weights()
    before = network.pack()
    network.parameters[:] = 0
    assert coefs[0].any()  # a copy
    network.set_weights(coefs, [array.tolist() for array in intercepts])
    assert np.array_equal(network.pack(), before)
    for wrong in (
        (coefs[:1], intercepts),
        (coefs, [*intercepts, intercepts[0]]),
        (coefs[::-1], intercepts),
        ([*coefs, intercepts[0]], intercepts[1:]),
        (coefs, intercepts[::-1]),
    ):
        with pytest.raises(ValueError, match="coefs and intercepts must have shapes"):
            network.set_weights(*wrong)
    assert np.array_equal(network.pack(), before)


@pytest.mark.parametrize("way", ["unpack", "set_weights", "parameters_changed"])
def test_one_row_is_predicted_with_the_weights_that_were_set(way):
    network = Network((3, 2))
    network.background = -1.0
    row = np.array([[-1.0, 0.5, -1.0]])
    network.row_outputs(row)
    W, b = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.25]]), np.array([0.125, -0.5])
    if way == "unpack":
        network.unpack(np.concatenate([W.ravel(), b]))
    elif way == "set_weights":
        network.set_weights([W], [b])
    else:
        network.coefs[0][:], network.intercepts[0][:] = W, b
        network.parameters_changed()
    np.testing.assert_allclose(network.row_outputs(row), 1 / (1 + np.exp(-(row @ W + b))))


def test_packed_rows_are_read_by_their_own_background():
    """Not by the one that prediction would pack dense rows with."""
    rng = np.random.default_rng(2)
    X = np.where(rng.random((40, 30)) < 0.2, rng.normal(size=(40, 30)), 0.0)
    network = Network((30, 5, 3))
    for weights in network.coefs:
        weights[:] = rng.normal(size=weights.shape)
    expected = network.logits(Input(X, "float64"))
    network.background = -1.0
    packed = Input(X, "float64", path="sparse")
    assert packed.background == 0
    np.testing.assert_allclose(network.logits(packed), expected, rtol=1e-10)


# Loss and gradient, again and again


@pytest.mark.parametrize("average", [False, True])
def test_objective_of_other_parameters_in_each_call(average):
    network, X, labels = small(rows=700)
    weight = np.linspace(0.5, 2, 700)
    options = {"sample_weight": weight, "l1": 0.2, "l2": 0.3, "average": average, "n_threads": 2}
    rows = Input(X, "float64")
    with Objective(network, rows, labels, **options) as objective:
        for _ in range(3):
            for array in network.coefs + network.intercepts:
                array *= 0.7
            loss, flat = objective()
            expected, expected_flat = gradient(network, rows, labels, **options)
            assert loss == expected
            assert np.array_equal(flat, expected_flat)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_renews_what_one_row_is_predicted_with(dtype):
    """Of a network that skips a background, whose share in the sums is kept from row to row."""
    rng = np.random.default_rng(3)
    X = np.where(rng.random((40, 30)) < 0.2, rng.normal(size=(40, 30)), -1.0).astype(dtype)
    labels = (np.arange(40) % 3).astype(np.intc)
    network = Network((30, 5, 3), dtype=dtype)
    for weights in network.coefs:
        weights[:] = rng.normal(0, 0.3, weights.shape)
    network.background = -1.0
    before = np.concatenate([network.row_outputs(X[i : i + 1]) for i in range(40)])
    rows = Input(X, dtype, path="sparse")
    with Trainer(network, rows, labels, learning_rate=0.1, minibatch_size=10) as trainer:
        trainer.epoch(np.arange(40))
    after = np.concatenate([network.row_outputs(X[i : i + 1]) for i in range(40)])
    z = X.astype(float)
    for weights, biases in zip(network.coefs, network.intercepts, strict=True):
        z = 1 / (1 + np.exp(-(z @ weights.astype(float) + biases)))
    np.testing.assert_allclose(after, z, rtol=1e-4 if dtype == "float32" else 1e-12)
    assert abs(after - before).min() > 1e-3
