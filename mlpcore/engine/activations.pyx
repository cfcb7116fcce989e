"""Activations of units; the functions themselves are in simd/activations.h."""

import numpy as np

from mlpcore.engine.registry cimport index_of
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.registry import ACTIVATIONS


cdef extern from "simd/activations.h" nogil:
    void _activate "MLP_FUSED(activate)" (int, real_t*, Py_ssize_t)
    void _activate_with_derivative "MLP_FUSED(activate_with_derivative)" (
        int, real_t*, real_t*, Py_ssize_t)
    void _chain "MLP_FUSED(chain)" (int, const real_t*, real_t*, Py_ssize_t)


cdef void activate(int kind, real_t* z, Py_ssize_t n) noexcept nogil:
    _activate(kind, z, n)


cdef void activate_with_derivative(int kind, real_t* z, real_t* derivative,
                                   Py_ssize_t n) noexcept nogil:
    _activate_with_derivative(kind, z, derivative, n)


cdef void chain(int kind, const real_t* a, real_t* delta, Py_ssize_t n) noexcept nogil:
    _chain(kind, a, delta, n)


cdef void _apply(int kind, real_t[::1] z) noexcept:
    if z.shape[0]:
        activate(kind, &z[0], z.shape[0])


cdef void _apply_with_derivative(int kind, real_t[::1] z, real_t[::1] derivative) noexcept:
    if z.shape[0]:
        activate_with_derivative(kind, &z[0], &derivative[0], z.shape[0])


def activation(name, z):
    """Apply an activation as the engine does.

    Parameters
    ----------
    name : str
        One of `mlpcore.engine.registry.ACTIVATIONS`.
    z : array_like of float32 or float64, any shape
        Pre-activations. The logistic function clips them to [-250, 250], as the textbook does.

    Returns
    -------
    a : ndarray, shape and dtype of `z`
    """
    z = np.array(z, order="C")
    cdef int kind = index_of(name, ACTIVATIONS, "activation")
    if z.dtype == np.float32:
        _apply[float](kind, z.reshape(-1))
    else:
        _apply[double](kind, z.reshape(-1))
    return z


def derivative(name, z):
    """Derivative of an activation by its pre-activation, as the engine computes it.

    Parameters
    ----------
    name : str
        One of `mlpcore.engine.registry.ACTIVATIONS`.
    z : array_like of float32 or float64, any shape
        Pre-activations.

    Returns
    -------
    derivative : ndarray, shape and dtype of `z`
    """
    z = np.array(z, order="C")
    out = np.empty_like(z)
    cdef int kind = index_of(name, ACTIVATIONS, "activation")
    if z.dtype == np.float32:
        _apply_with_derivative[float](kind, z.reshape(-1), out.reshape(-1))
    else:
        _apply_with_derivative[double](kind, z.reshape(-1), out.reshape(-1))
    return out
