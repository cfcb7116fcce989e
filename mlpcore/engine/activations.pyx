"""Activations of units; the functions themselves are in simd/activations.h."""

import numpy as np

from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.kernels import place_of

# Same order as in simd/activations.h.
ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu",
               "softplus")
# Those whose slope cannot be told from the activation alone.
NETS = ("gelu", "silu")
# Those of output units, which softmax units need their whole row for.
OUTPUTS = (*ACTIVATIONS, "exp", "softmax")


cdef extern from "simd/activations.h" nogil:
    void activate_f32 "MLP_PICK(activate, f32)" (int, float*, Py_ssize_t)
    void activate_f64 "MLP_PICK(activate, f64)" (int, double*, Py_ssize_t)
    void activate_keeping_f32 "MLP_PICK(activate_keeping, f32)" (int, float*, float*, Py_ssize_t)
    void activate_keeping_f64 "MLP_PICK(activate_keeping, f64)" (int, double*, double*, Py_ssize_t)
    void chain_f32 "MLP_PICK(chain, f32)" (int, const float*, float*, Py_ssize_t)
    void chain_f64 "MLP_PICK(chain, f64)" (int, const double*, double*, Py_ssize_t)


cdef void activate(int kind, real_t* z, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        activate_f32(kind, z, n)
    else:
        activate_f64(kind, z, n)


cdef void activate_keeping(int kind, real_t* z, real_t* slope, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        activate_keeping_f32(kind, z, slope, n)
    else:
        activate_keeping_f64(kind, z, slope, n)


cdef void chain(int kind, const real_t* a, real_t* delta, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        chain_f32(kind, a, delta, n)
    else:
        chain_f64(kind, a, delta, n)


cdef void _apply(int kind, real_t[::1] z) noexcept:
    if z.shape[0]:
        activate(kind, &z[0], z.shape[0])


cdef void _keep(int kind, real_t[::1] z, real_t[::1] slope) noexcept:
    if z.shape[0]:
        activate_keeping(kind, &z[0], &slope[0], z.shape[0])


def activation(name, z):
    """Apply an activation as the engine does.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`.
    z : array_like of float32 or float64, any shape
        Net inputs. The logistic function clips them to [-250, 250], as the textbook does.

    Returns
    -------
    a : ndarray, shape and dtype of `z`
    """
    z = np.array(z, order="C")
    cdef int kind = place_of(name, ACTIVATIONS, "activation")
    if z.dtype == np.float32:
        _apply[float](kind, z.reshape(-1))
    else:
        _apply[double](kind, z.reshape(-1))
    return z


def slope(name, z):
    """Derivative of an activation by its net input, as the engine computes it.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`.
    z : array_like of float32 or float64, any shape
        Net inputs.

    Returns
    -------
    slope : ndarray, shape and dtype of `z`
    """
    z = np.array(z, order="C")
    out = np.empty_like(z)
    cdef int kind = place_of(name, ACTIVATIONS, "activation")
    if z.dtype == np.float32:
        _keep[float](kind, z.reshape(-1), out.reshape(-1))
    else:
        _keep[double](kind, z.reshape(-1), out.reshape(-1))
    return out
