"""Losses, the output units that belong to them, and targets; the loops are in simd/losses.h."""

from mlpcore.engine.typedefs cimport real_t

cdef struct Loss:
    int kind, output          # places in LOSSES and in activations.OUTPUTS
    bint softmax              # the output units are those
    bint matched              # the error of a net input is output - target
    bint exact                # the loss comes from net inputs: finite, and nothing is clipped
    bint mean                 # over the outputs, not their sum
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

# The loss of that name. None for its own output units, and for the usual parameter.
cdef Loss loss_of(name, output, parameter, bint clip) except *

# Net inputs z of one row (n outputs in a buffer of `width`) become outputs.
cdef void output(const Loss* loss, real_t* z, int n, int width) noexcept nogil
# The loss of a row from its net inputs z, which may become outputs on the way, or other things.
# room: `width` reals.
cdef double row_loss(const Loss* loss, const Targets* targets, Py_ssize_t row, real_t* z, int n,
                     int width, real_t* room) noexcept nogil
# Net inputs of a row become errors, the derivatives of its loss by them, and 0 in padding. The loss
# where it is wanted, else 0. room: twice `width` reals.
cdef double row_error(const Loss* loss, const Targets* targets, Py_ssize_t row, bint wanted,
                      real_t* z, int n, int width, real_t* room) noexcept nogil
