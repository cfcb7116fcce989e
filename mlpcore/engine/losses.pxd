"""Losses, the output units that belong to them, and targets; the loops are in simd/losses.h."""

from mlpcore.engine.typedefs cimport real_t

cdef struct Loss:
    int kind, output          # indices in registry.LOSSES and registry.OUTPUTS
    bint softmax              # whether the output units are softmax units
    bint canonical            # whether the error of an output is output - target
    bint exact                # whether the loss is computed from logits: finite, and not clipped
    bint averaged             # whether a row's loss is the mean over its outputs, not the sum
    double parameter          # of losses that have one

# The targets of some rows. labels: for each row, the output whose target is one, the others' being
# zero, and smoothing: the fraction of these targets that is spread evenly over all outputs; or, if
# labels is NULL, values: n_outputs reals for each row. weights: one for each row, or NULL.
cdef struct Targets:
    const int* labels
    double smoothing
    const void* values
    const double* weights

cdef class TargetRows:
    cdef Targets targets
    cdef object _arrays       # what `targets` points into

# The loss of that name. `output` may be None for its canonical output units, and `parameter` for
# the default.
cdef Loss loss_of(name, output, parameter, bint clip) except *

# Pre-activations z of one row (n outputs in a buffer of `width`) become outputs in place.
cdef void output(const Loss* loss, real_t* z, int n, int width) noexcept nogil
# The loss of a row from its pre-activations z, which are overwritten. scratch: `width` reals.
cdef double row_loss(const Loss* loss, const Targets* targets, Py_ssize_t row, real_t* z, int n,
                     int width, real_t* scratch) noexcept nogil
# Pre-activations z of a row become errors in place: the derivatives of its loss by them, and 0 in
# the padding. Returns the loss where it is wanted, else 0. scratch: twice `width` reals.
cdef double row_error(const Loss* loss, const Targets* targets, Py_ssize_t row, bint wanted,
                      real_t* z, int n, int width, real_t* scratch) noexcept nogil
# The same for n rows with one output, which is no softmax unit; their numbers are in `rows`, their
# pre-activations in every ld-th place of z. Losses are written where they are wanted. scratch: 192
# reals.
cdef void errors_of_one_output(const Loss* loss, const Targets* targets, const Py_ssize_t* rows,
                               Py_ssize_t n, bint wanted, real_t* z, Py_ssize_t ld,
                               real_t* scratch, double* losses) noexcept nogil
