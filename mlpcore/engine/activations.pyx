"""Activations of units; the functions themselves are in simd/activations.h."""

import numpy as np

from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.kernels import place_of

# Same order as in simd/activations.h.
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
# Those of output units, which softmax units need their whole row for.
OUTPUTS = (*ACTIVATIONS, "exp", "softmax")


cdef extern from "simd/activations.h" nogil:
    void activate_f32 "MLP_PICK(activate, f32)" (int, float*, Py_ssize_t)
    void activate_f64 "MLP_PICK(activate, f64)" (int, double*, Py_ssize_t)
    void chain_f32 "MLP_PICK(chain, f32)" (int, const float*, float*, Py_ssize_t)
    void chain_f64 "MLP_PICK(chain, f64)" (int, const double*, double*, Py_ssize_t)


cdef void activate(int kind, real_t* z, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        activate_f32(kind, z, n)
    else:
        activate_f64(kind, z, n)


cdef void chain(int kind, const real_t* a, real_t* delta, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        chain_f32(kind, a, delta, n)
    else:
        chain_f64(kind, a, delta, n)


cdef void _apply(int kind, real_t[::1] z) noexcept:
    if z.shape[0]:
        activate(kind, &z[0], z.shape[0])


cdef void _multiply(int kind, real_t[::1] a, real_t[::1] delta) noexcept:
    if a.shape[0]:
        chain(kind, &a[0], &delta[0], a.shape[0])


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


def slope(name, a):
    """Derivative of an activation by its net input, written in terms of the activation itself.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`.
    a : array_like of float32 or float64, any shape
        Activations, as `activation` returns them.

    Returns
    -------
    slope : ndarray, shape and dtype of `a`
    """
    a = np.array(a, order="C")
    out = np.ones_like(a)
    cdef int kind = place_of(name, ACTIVATIONS, "activation")
    if a.dtype == np.float32:
        _multiply[float](kind, a.reshape(-1), out.reshape(-1))
    else:
        _multiply[double](kind, a.reshape(-1), out.reshape(-1))
    return out
