"""The network: its parameters, its outputs, and what it refuses."""

import gc
import weakref

import numpy as np
import oracle
import pytest
from small import small_network

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective, gradient

DTYPES = ["float32", "float64"]


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
    network, _, _ = small_network(dtype, units)
    expected = sum((w.astype(np.float64) ** 2).sum() for w in network.coefs)
    np.testing.assert_allclose(network.weights_squared(), expected, rtol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", list(oracle.ACTIVATIONS))
@pytest.mark.parametrize(
    "units",
    [(5, 3), (1, 1, 1), (5, 7, 3), (33, 65, 31, 17), (5, 533, 531, 3), (5, 40, 1), (5, 701, 40, 2),
     (3, 1027, 4)],
)  # fmt: skip
def test_logits_equal_the_oracles(units, activation, dtype):
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
        expected = oracle.pre_activations(layers, X.astype(float), activation)[-1]
        tolerance = 100 * np.finfo(dtype).eps
        np.testing.assert_allclose(z, expected, rtol=tolerance, atol=tolerance)


def test_whether_blas_is_used_follows_from_the_size_of_the_weights():
    assert not Network((784, 100, 10), dtype="float64").uses_blas()
    assert Network((3, 1200, 1200, 10), dtype="float32").uses_blas()


def test_rows_lie_anywhere_and_are_not_copied():
    network, _, _ = small_network(units=(4, 3))
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


# One row


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "cross_entropy", "squared_error"])
@pytest.mark.parametrize("background", [None, 0.0, -1.0])
def test_one_row_the_quick_way(dtype, loss, background):
    _, X, _ = small_network(dtype)
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
    network, X, _ = small_network(dtype)
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
    network, _, _ = small_network()
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
    network, X, labels = small_network(rows=700)
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
