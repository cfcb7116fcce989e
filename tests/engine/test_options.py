"""What training can be told beside the textbook's: the same bits for any number of threads."""

import numpy as np
import pytest

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import gradient
from mlpcore.engine.trainer import Trainer

# Units, rows of a minibatch and share of zeros: dense rows, sparse rows, layers through BLAS with
# either, several of those, and a wide last layer. All have enough to do for five threads.
NETWORKS = {
    "dense": ((211, 121, 93, 5), 29, 0.0),
    "sparse": ((1021, 121, 33, 5), 29, 0.9),
    "wide first layer": ((1361, 257, 5), 13, 0.0),
    "wide first layer, sparse": ((1361, 257, 5), 33, 0.9),
    "wide layers": ((37, 533, 531, 17, 5), 13, 0.0),
    "wide last layer": ((19, 4801, 61), 13, 0.0),
}
ROWS = 75

# Cut to the number of hidden layers.
DROPOUT = (0.3, 0.5, 0.2)
# The network's options and the trainer's.
WAYS = {
    "softmax, momentum": ({"loss": "cross_entropy"}, {"optimizer": "momentum"}),
    "squared error, nesterov, L2": (
        {"loss": "squared_error", "activation": "tanh"},
        {"optimizer": "nesterov", "l2": 0.1},
    ),
    "adam, average, L1": (
        {"activation": "relu"},
        {"optimizer": "adam", "average": True, "l1": 0.1},
    ),
    "adamw, clipped loss": (
        {"loss_clip": True, "activation": "elu"},
        {"optimizer": "adamw", "weight_decay": 0.1},
    ),
    "poisson, gelu": ({"loss": "poisson", "activation": "gelu"}, {"average": True, "l2": 0.2}),
    "pinball, silu": (
        {"loss": "pinball", "loss_parameter": 0.2, "activation": "silu"},
        {"optimizer": "adam", "l1": 0.1, "l2": 0.1},
    ),
    "dropout": (
        {"activation": "relu"},
        {"dropout": DROPOUT, "seed": 9, "optimizer": "momentum", "average": True},
    ),
    "dropout of inputs and hidden units": (
        {"activation": "tanh", "loss": "squared_error"},
        {"dropout": (0.2, *DROPOUT), "seed": 9, "optimizer": "adam"},
    ),
    "clipped gradient": (
        {"activation": "tanh"},
        {"clip_norm": 0.01, "l1": 0.1, "l2": 0.1, "optimizer": "nesterov", "average": True},
    ),
    "max-norm, clipped gradient": (
        {"loss": "cross_entropy"},
        {"max_norm": 0.9, "clip_norm": 1.0, "dropout": DROPOUT, "optimizer": "adamw"},
    ),
    "max-norm": ({"loss": "squared_error"}, {"max_norm": 0.8, "l2": 0.1}),
    "average of the parameters": (
        {"activation": "relu"},
        {"average_decay": 0.7, "optimizer": "adam", "average": True},
    ),
    "average, clipped gradient, max-norm": (
        {"activation": "tanh"},
        {"average_decay": 0.7, "clip_norm": 1.0, "max_norm": 0.9},
    ),
    "penalties of layers": (
        {"activation": "relu"},
        {"l2": "each", "weight_decay": "each", "optimizer": "adamw", "clip_norm": 1.0},
    ),
    "smoothed labels": ({"loss": "cross_entropy"}, {"label_smoothing": 0.2, "optimizer": "adam"}),
    "huber, softplus outputs": (
        {"loss": "huber", "output": "softplus", "activation": "softplus"},
        {"optimizer": "adam"},
    ),
}


def problem(name, dtype, options, *, labels=False):
    units, batch, zeros = NETWORKS[name]
    rng = np.random.default_rng(5)
    if not isinstance(options.get("activation", ""), str):
        options = {**options, "activation": options["activation"][: len(units) - 2]}
    network = Network(units, dtype=dtype, **options)
    for w, b in zip(network.coefs, network.intercepts, strict=True):
        w[:] = rng.normal(0, len(w) ** -0.5, w.shape)
        b[:] = rng.normal(0, 0.1, b.shape)
    X = rng.normal(size=(ROWS, units[0]))
    X[rng.random(X.shape) < zeros] = 0
    X = Input(X.astype(dtype), dtype, path="sparse" if zeros else "dense")
    targets = rng.integers(units[-1], size=ROWS).astype(np.intc)
    if not labels:
        targets = rng.uniform(0, 1, (ROWS, units[-1])).astype(dtype)
    return network, X, targets, batch


def train(name, dtype, options, settings, n_threads, *, labels=False, weighted=False, epochs=2):
    """Losses, parameters, state, average after some epochs, and the threads at work."""
    network, X, targets, batch = problem(name, dtype, options, labels=labels)
    if "dropout" in settings:
        inputs = len(settings["dropout"]) - len(DROPOUT)
        rates = settings["dropout"][: inputs + network.n_layers - 1]
        settings = {**settings, "dropout": rates}
    settings = {
        key: np.linspace(0, 0.2, network.n_layers) if value == "each" else value
        for key, value in settings.items()
    }
    weight = np.random.default_rng(8).uniform(0, 2, ROWS) if weighted else None
    trainer = Trainer(
        network, X, targets, sample_weight=weight, valid=X, valid_targets=targets,
        valid_weight=weight, minibatch_size=batch, keep_last=True, track_loss=True,
        n_threads=n_threads, **{"learning_rate": 0.0003, **settings},
    )  # fmt: skip
    losses = []
    with trainer:
        for _ in range(epochs):
            losses.append(trainer.epoch(np.arange(ROWS)[::-1].copy()))
        losses += [*trainer.evaluate(), trainer.valid_loss()]
        at_work = trainer.n_threads
    return (
        np.array(losses), network.parameters.copy(), trainer.state.copy(), trainer.averaged.copy(),
        at_work,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_number_of_threads_changes_no_bit(name, way, dtype):
    weighted, labels = dtype == "float32", way in ("softmax, momentum", "smoothed labels")
    options = {"labels": labels, "weighted": weighted}
    *one, _ = train(name, dtype, *WAYS[way], 1, **options)
    assert np.isfinite(one[1]).all()
    assert np.isfinite(one[0]).all()
    for n_threads in (2, 3, 5):
        *others, at_work = train(name, dtype, *WAYS[way], n_threads, **options)
        assert at_work == n_threads
        for a, b in zip(one, others, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_and_outputs_have_the_same_bits_for_any_number_of_threads(name, weighted, dtype):
    network, X, targets, _ = problem(name, dtype, {"loss": "squared_error", "activation": "gelu"})
    weight = np.linspace(0, 2, ROWS) if weighted else None
    options = {"sample_weight": weight, "l1": 0.1, "l2": 0.2, "average": True}
    loss, flat = gradient(network, X, targets, **options)
    outputs = network.outputs(X)
    for n_threads in (2, 3, 5):
        again, flat_again = gradient(network, X, targets, **options, n_threads=n_threads)
        assert again == loss
        assert np.array_equal(flat_again, flat)
        assert np.array_equal(network.outputs(X, n_threads), outputs)


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_stays_zero(name):
    """Rows of weights are padded to whole cache lines, which nothing may write to."""
    options = {"loss": "huber", "activation": "softplus"}
    settings = {"optimizer": "adam", "l1": 0.1, "average_decay": 0.9}
    _, parameters, state, averaged, _ = train(name, "float64", options, settings, 2)
    network = Network(NETWORKS[name][0])
    for flat in [parameters, averaged, *state.reshape(2, -1)]:
        coefs, intercepts = network.views(flat)
        for array in coefs + intercepts:
            array[:] = 0
        assert not flat.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layers_activation_is_its_own(dtype):
    network, X, *_ = problem("dense", dtype, {"activation": ("tanh", "gelu")})
    for swapped in (("gelu", "tanh"), ("tanh", "tanh")):
        other, *_ = problem("dense", dtype, {"activation": swapped})
        assert not np.allclose(other.logits(X), network.logits(X))


def test_weights_stand_for_repeated_rows():
    """A weight of three is the row three times, and one of zero leaves it out."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    weight = rng.integers(0, 4, 20).astype(np.float64)
    again = np.repeat(np.arange(20), weight.astype(int))
    results = []
    for rows, targets, weights in [(X, y, weight), (X[again], y[again], None)]:
        network = Network((4, 5, 2), loss="squared_error", activation="tanh")
        for w in network.coefs:
            w[:] = np.linspace(-1, 1, w.size).reshape(w.shape)
        trainer = Trainer(
            network, Input(rows, "float64"), targets, sample_weight=weights, average=True,
            minibatch_size=len(rows), l2=0.1, learning_rate=0.1, optimizer="adam", track_loss=True,
        )  # fmt: skip
        with trainer:
            curve = [trainer.epoch(np.arange(len(rows))) for _ in range(5)]
            results.append([*curve, trainer.evaluate()[0], *network.parameters])
    np.testing.assert_allclose(*results, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("path", ["dense", "sparse"])
def test_rows_without_weight_change_nothing(path):
    X, y = np.eye(6), np.ones((6, 1))
    network = Network((6, 3, 1), loss="squared_error")
    network.coefs[0][:] = 0.3
    before = network.parameters.copy()
    trainer = Trainer(
        network, Input(X, "float64", path=path), y, sample_weight=np.zeros(6), average=True, l2=0.1,
        minibatch_size=3, learning_rate=1.0, track_loss=True,
    )  # fmt: skip
    with trainer:
        assert trainer.epoch(np.arange(6)) == 0
    assert np.array_equal(network.parameters, before)


def test_a_shorter_last_minibatch_is_trained_on_or_left_out():
    X, y = np.eye(7), np.ones((7, 1))
    results = {}
    for rows, keep_last in [(6, False), (7, False), (7, True)]:
        network = Network((7, 1), loss="squared_error")
        trainer = Trainer(
            network, Input(X, "float64"), y, minibatch_size=3, keep_last=keep_last, average=True,
            learning_rate=0.5,
        )  # fmt: skip
        with trainer:
            assert np.isnan(trainer.epoch(np.arange(rows)))
        results[rows, keep_last] = network.parameters.copy()
        assert trainer.step_count == (3 if keep_last else 2)
    assert np.array_equal(results[6, False], results[7, False])
    assert not np.array_equal(results[6, False], results[7, True])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_weight": np.ones(5)}, "weights of train must be 6 finite numbers; got 5"),
        ({"sample_weight": np.array([1, 1, 1, np.nan, 1, 1])}, "finite numbers; got nan for row 3"),
        ({"sample_weight": np.array([1, -np.inf, 1, 1, 1, 1])}, "got -inf for row 1"),
        ({"targets": np.ones((6, 2))}, "train_targets must be 6 x 1 numbers as float64"),
        ({"targets": np.ones((6, 1), np.float32)}, "train_targets must be .*; got .* float32"),
        ({"targets": np.ones((12, 1))[::2]}, "adjacent in memory"),
    ],
)
def test_targets_and_weights_must_fit(arguments, message):
    network = Network((6, 1), loss="squared_error")
    arguments = {"targets": np.ones((6, 1)), **arguments}
    with pytest.raises(ValueError, match=message):
        Trainer(network, Input(np.eye(6), "float64"), **arguments)


def test_activations_must_be_one_for_each_hidden_layer():
    with pytest.raises(ValueError, match="each of the 2 hidden layers; got 1"):
        Network((3, 4, 5, 2), activation=["relu"])


# What takes the short way of online learning, and what looks alike but must not.
ONLINE = {
    "plain": {},
    "L2": {"l2": 0.1},
    "average": {"average": True, "l2": 0.1},
    "weighted": {"weighted": True},
    "weighted, average": {"weighted": True, "average": True, "l2": 0.1},
    "L1": {"l1": 0.05},
    "momentum": {"optimizer": "momentum"},
    "tracked": {"track_loss": True},
    "dropout": {"dropout": (0.5, 0.3), "seed": 4},
    "dropout of inputs": {"dropout": (0.2, 0.5, 0.3), "seed": 4},
    "clipped": {"clip_norm": 0.2},
    "max-norm": {"max_norm": 0.9},
    "rates": {"rates": np.linspace(0, 0.02, 40)},
}


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "huber"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("way", ONLINE)
def test_minibatches_of_one_row_are_the_same_for_dense_and_sparse_rows(way, activation, loss):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 30))
    X[rng.random(X.shape) < 0.8] = 0
    t = rng.dirichlet(np.ones(4), 40)
    settings = dict(ONLINE[way])
    weight = rng.uniform(0.5, 2, 40) if settings.pop("weighted", False) else None
    rates = settings.pop("rates", None)
    results = []
    for path in ("dense", "sparse"):
        network = Network((30, 9, 7, 4), activation=activation, loss=loss)
        for w in network.coefs:
            w[:] = np.random.default_rng(2).normal(0, 0.4, w.shape)
        trainer = Trainer(network, Input(X, "float64", path=path), t, sample_weight=weight,
                          learning_rate=0.02, **settings)  # fmt: skip
        with trainer:
            for _ in range(3):
                trainer.epoch(np.arange(40), rates)
            assert (trainer.step_count, trainer.epoch_count) == (120, 3)
        results.append(network.parameters.copy())
    np.testing.assert_allclose(*results, rtol=1e-10, atol=1e-12)
