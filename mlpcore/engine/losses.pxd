"""Losses, the output units that belong to them, and targets; the loops are in simd/losses.h."""

from mlpcore.engine.typedefs cimport real_t

cdef struct Loss:
    int kind, output          # indices in registry.LOSSES and registry.OUTPUTS
    bint softmax              # the output units are those
    bint canonical            # the error of an output is output - target
    bint exact                # the loss comes from logits: finite, and nothing is clipped
    bint averaged             # over the outputs, not their sum
    double parameter

# What the rows of a set are to become. labels: of each row the output that shall be one, the others
# zero; else values: n_outputs reals for each row. weights: of each row, or NULL.
cdef struct Targets:
    const int* labels
    const void* values
    const double* weights

cdef class TargetRows:
    cdef Targets targets
    cdef object _keep         # what `targets` points into

# The loss of that name. None for its canonical output units, and for the default parameter.
cdef Loss loss_of(name, output, parameter, bint clip) except *

# Pre-activations z of one row (n outputs in a buffer of `width`) become outputs.
cdef void output(const Loss* loss, real_t* z, int n, int width) noexcept nogil
# The loss of a row from its pre-activations z, which are overwritten. scratch: `width` reals.
cdef double row_loss(const Loss* loss, const Targets* targets, Py_ssize_t row, real_t* z, int n,
                     int width, real_t* scratch) noexcept nogil
# Pre-activations of a row become errors, the derivatives of its loss by them, and 0 in padding. The
# loss where it is wanted, else 0. scratch: twice `width` reals.
cdef double row_error(const Loss* loss, const Targets* targets, Py_ssize_t row, bint wanted,
                      real_t* z, int n, int width, real_t* scratch) noexcept nogil
# The same for n rows with one output, which is no softmax unit; their numbers are in `rows`, their
# pre-activations in every ld-th place of z. Losses are written where they are wanted. scratch: 192
# reals.
cdef void errors_of_one_output(const Loss* loss, const Targets* targets, const Py_ssize_t* rows,
                               Py_ssize_t n, bint wanted, real_t* z, Py_ssize_t ld,
                               real_t* scratch, double* losses) noexcept nogil
