"""An exponential moving average of a network's parameters, computed by a kernel of its own header.

Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim.
30, 1992, describe the use of averaged parameters.
"""

from mlpcore.engine.typedefs cimport real_t

# MLP_FUSED(f) binds the kernel f for both types of real_t and this processor's instruction set.
cdef extern from "moving_average.h" nogil:
    const int MLP_CACHE_LINE   # bytes of a cache line
    const int mlp_isa          # the chosen instruction set
    double _moving_average "MLP_FUSED(moving_average)" (
        real_t*, const real_t*, double, Py_ssize_t)


def moving_average(real_t[::1] average, const real_t[::1] w, double rate):
    """Move an average towards parameters: ``average += rate * (w - average)``.

    Parameters
    ----------
    average, w : ndarray of float32 or float64, shape (n,)
        Arrays of one dtype that start on a cache line and fill whole lines, such as
        `mlpcore.engine.network.Network.parameters`. `average` is written to.
    rate : float

    Returns
    -------
    change : float
        Sum of the squared changes.

    Raises
    ------
    ValueError
        If the shapes differ, or the arrays do not fill whole cache lines.
    """
    cdef Py_ssize_t n = average.shape[0]
    cdef double change
    if w.shape[0] != n:
        raise ValueError(f"average and w must have equal lengths; got {n} and {w.shape[0]}")
    if n == 0:
        return 0.0
    if (<size_t> &average[0] | <size_t> &w[0] | n * sizeof(real_t)) % MLP_CACHE_LINE != 0:
        raise ValueError(
            "average and w must start on a cache line and fill whole lines of "
            f"{MLP_CACHE_LINE} bytes; use the parameters of two networks"
        )
    with nogil:
        change = _moving_average(&average[0], &w[0], rate, n)
    return change


def instruction_set():
    """Return "base", "v3" or "v4": the set whose kernels this module calls."""
    return ("base", "v3", "v4")[mlp_isa]
