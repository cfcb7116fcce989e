"""The fuzzer's targets without a fuzzer: their seeds, inputs near these, and that they can fail."""

import random

import numpy as np
import pytest
from fuzz import mutations, targets

from mlpcore import NeuralNetMLP, _files

SEEDS = {name: list(seeds()) for name, (_, seeds) in targets.TARGETS.items()}


def run_all(name):
    run, _ = targets.TARGETS[name]
    for seed in SEEDS[name]:
        run(seed)


@pytest.fixture
def refused(monkeypatch):
    """What the package refused, one entry each."""
    seen = []
    check = targets.refusal
    monkeypatch.setattr(targets, "refusal", lambda error: (seen.append(error), check(error)))
    return seen


@pytest.mark.parametrize("name", SEEDS)
def test_seeds(name, refused):
    run_all(name)
    # Most are correct files, so that the fuzzer starts behind the checks and not before them. (A
    # checkpoint of another run is refused by the second fit.)
    limit = {"checkpoint": 1.5}.get(name, 0.2)
    assert len(refused) < limit * len(SEEDS[name])


@pytest.mark.parametrize("name", SEEDS)
def test_inputs_near_the_seeds(name, refused):
    """As the fuzzer makes them, only without its knowledge of what has not been reached yet."""
    rng = random.Random(name)

    def change_bytes(data, longest):
        data = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(data))
            data[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        return bytes(data[:longest])

    run, _ = targets.TARGETS[name]
    for _ in range(300):
        seed = rng.choice(SEEDS[name])
        run(mutations.change(seed, 1 << 16, rng.randrange(2**32), change_bytes))
    most = 300 * (3 if name == "checkpoint" else 1)  # read once, and then resumed twice
    assert 10 < len(refused) < most - 10


def test_changes_keep_what_is_in_pieces_in_pieces():
    seed = SEEDS["model"][2]
    members = list(targets.pieces(seed[1:]))
    assert seed[1:] == targets.in_pieces(members)
    seen = set()
    for number in range(200):
        data = mutations.change(seed, 1 << 16, number, lambda data, longest: data + b"x")
        rest = targets.in_pieces(targets.pieces(data[1:]))
        assert data[1:] in (rest, rest + b"x")
        seen.add(data)
    assert len(seen) > 50
    assert len(mutations.change(seed, 100, 3, lambda data, longest: data[:longest])) <= 100


# Each of these is a mistake that a reader could have; the target has to notice.

MISTAKES = {
    "another exception": ("idx", "_idx.unpack", lambda *_: 1 // 0),
    "a number that is another": (
        "idx",
        "read_idx",
        lambda path, read=targets.read_idx: np.roll(read(path), 1),
    ),
    "another order of bytes": (
        "idx",
        "read_idx",
        lambda path, read=targets.read_idx: (a := read(path)).astype(a.dtype.newbyteorder()),
    ),
    "a pickle that is read": (
        "npz",
        "load_npz",
        lambda path, read=targets.load_npz: {**read(path), "x": np.array([None])},
    ),
    "an array that is lost": (
        "npz",
        "load_npz",
        lambda path, read=targets.load_npz: dict(list(read(path).items())[1:]),
    ),
    "a message without the name": ("model", "NeuralNetMLP.load", lambda *_: int("x")),
    "checks that are left out": ("checkpoint", "read_checkpoint", lambda path: ({}, {})),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes_are_noticed(what, monkeypatch):
    name, place, mistake = MISTAKES[what]
    monkeypatch.setattr(f"fuzz.targets.{place}", mistake)
    with pytest.raises((AssertionError, ZeroDivisionError, ValueError)):
        run_all(name)


def test_a_length_that_is_believed_is_noticed(monkeypatch):
    """An array is made, and nobody looks whether the file has its elements."""
    monkeypatch.setattr(_files, "fill", lambda array, pieces: array.nbytes)
    with pytest.raises(AssertionError):
        run_all("npz")


def test_weights_that_are_not_finite_are_noticed(monkeypatch):
    load = NeuralNetMLP.load

    def broken(path):
        nn = load(path)
        nn._network.parameters[:] = np.nan
        return nn

    monkeypatch.setattr(NeuralNetMLP, "load", broken)
    with pytest.raises(AssertionError):
        run_all("model")
