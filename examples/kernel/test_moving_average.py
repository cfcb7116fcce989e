"""The kernel against NumPy. MLPCORE_SIMD=base or v3 tests it for a lesser instruction set."""

import moving_average
import numpy as np
import pytest

from mlpcore.engine import kernels
from mlpcore.engine.network import Network


def networks(dtype, n_units=(13, 7, 3)):
    """Two networks with random weights; rows are padded to whole cache lines."""
    rng = np.random.default_rng(0)
    pair = Network(n_units, dtype=dtype), Network(n_units, dtype=dtype)
    for network in pair:
        for array in (*network.coefs, *network.intercepts):
            array[...] = rng.normal(size=array.shape)
    return pair


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("n_units", [(1, 1), (13, 7, 3), (50, 40, 10)])
def test_average_and_change_are_those_of_numpy(dtype, rate, n_units):
    average, network = networks(dtype, n_units)
    before, w = (x.parameters.astype(np.float64) for x in (average, network))
    change = moving_average.moving_average(average.parameters, network.parameters, rate)
    step = rate * (w - before)
    eps = float(np.finfo(dtype).eps)
    scale = np.abs(before).max() + np.abs(w).max()
    np.testing.assert_allclose(average.parameters, before + step, rtol=0, atol=4 * eps * scale)
    # The operands of each change are exact, so that its relative error is a few eps; so is that of
    # the short sums in this dtype.
    assert change == pytest.approx(np.sum(step**2), rel=20 * eps, abs=0)
    assert not average.parameters[(before == 0) & (w == 0)].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slices_have_the_bits_of_the_whole(dtype):
    """However the lines are partitioned, by threads for example, an element is the same."""
    whole, network = networks(dtype)
    slices, _ = networks(dtype)
    moving_average.moving_average(whole.parameters, network.parameters, 0.3)
    line = 64 // network.dtype.itemsize
    for start, stop in ((0, 3 * line), (3 * line, 4 * line), (4 * line, len(slices.parameters))):
        moving_average.moving_average(
            slices.parameters[start:stop], network.parameters[start:stop], 0.3
        )
    np.testing.assert_array_equal(slices.parameters, whole.parameters)


def test_arrays_that_do_not_fill_whole_lines_are_refused():
    average, network = networks("float64")
    with pytest.raises(ValueError, match="equal lengths; got 8 and 16"):
        moving_average.moving_average(average.parameters[:8], network.parameters[:16], 0.1)
    for part in (slice(0, 7), slice(1, 9)):
        with pytest.raises(ValueError, match="whole lines of 64 bytes"):
            moving_average.moving_average(average.parameters[part], network.parameters[part], 0.1)
    assert moving_average.moving_average(np.empty(0), np.empty(0), 0.1) == 0


def test_instruction_set_is_that_of_the_engine():
    assert moving_average.instruction_set() == kernels.instruction_set()
