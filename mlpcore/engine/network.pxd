"""A network: its layers, its parameters in one block of memory, and the way forward."""

from cpython.pythread cimport PyThread_type_lock
from libc.stdint cimport int64_t

from mlpcore.engine.inputs cimport Block, Rows
from mlpcore.engine.losses cimport Loss
from mlpcore.engine.typedefs cimport real_t

# Rows that go forward together outside training: their inputs and a small network's weights fit in
# a second-level cache. A sum over rows is made block by block, so this is never a function of the
# threads.
cdef enum:
    BLOCK = 96
    # Rows of activations or of weights that are dealt out together: whole tiles of the products.
    TILE = 8

# Sizes and places only, so that one struct serves both dtypes. Offsets count elements.
cdef struct Layer:
    int n_in, n_out
    int width                 # n_out in whole cache lines: the columns that kernels work on
    int ld                    # from one row to the next, of the weights and of the activations
    int ld_in                 # the same of the rows that the layer reads
    bint hidden
    int activation            # of hidden units; those of the last layer belong to the loss
    bint wide                 # too large for the cache: through BLAS
    Py_ssize_t w, b           # where weights (n_in rows) and biases start in the parameters
    Py_ssize_t wt             # where its transpose starts, for errors to pass back; see trainer
    Py_ssize_t x, a, delta    # what it reads, its activations, their errors: where they start in
    #                           a workspace, times the rows that the workspace is made for
    Py_ssize_t slope          # the slopes of its activations, if they must be kept; 0 for nowhere
    Py_ssize_t tile           # the first of its TILEs of rows of weights, among those of all layers

cdef class Network:
    cdef Layer* layers
    cdef readonly int n_layers
    cdef Loss loss
    cdef readonly bint single             # float32, not float64
    cdef readonly Py_ssize_t size         # of the parameters, padding included
    cdef void* theta                      # the parameters
    cdef Py_ssize_t forward_width         # of a workspace, per row, to go forward
    cdef Py_ssize_t full_width            # the same, to go back as well
    cdef Py_ssize_t transposed_size       # of all transposes
    cdef Py_ssize_t n_tiles               # of rows of weights, in all layers
    cdef readonly object parameters, coefs, intercepts, dtype
    cdef readonly object n_units
    cdef object _background
    cdef Room one                         # for one row; None after a change of the parameters
    cdef PyThread_type_lock _lock
    cdef int _one_row(self, x, void* outputs) except -2

cdef class Room:
    cdef void* work
    cdef void* start
    cdef void* sums
    cdef int64_t* cursor
    cdef Block block
    cdef Py_ssize_t capacity
    cdef bint skips, ready    # ready: `start` is what the first layer's sums start from
    cdef double background
    cdef object _arrays

# What the first layer's sums start from. Over dense rows, the biases. Where the background is
# skipped, the biases and the background's share: `sums` holds the column sums of each CHUNK of
# rows of W, which `chunk_sums` makes and `start_of_sums` adds up, in one order for any number of
# threads.
cdef void chunk_sums(const Layer* layer, const real_t* theta, Py_ssize_t start, Py_ssize_t stop,
                     real_t* sums) noexcept nogil
cdef void start_of_sums(const Layer* layer, const real_t* theta, const Rows* source,
                        const real_t* sums, real_t* out) noexcept nogil
# Rows through the first layer, into rows `at` and on of a workspace made for `capacity`: those that
# `order` lists from `first` on, or those rows themselves. The n_next rows after them are about to
# be wanted. start: see above; cursor: room for a number per row.
cdef void forward_first(const Layer* layer, const real_t* theta, const Rows* source,
                        const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows,
                        const Py_ssize_t* next, Py_ssize_t n_next, const real_t* start,
                        int64_t* cursor, real_t* work, Py_ssize_t capacity,
                        Py_ssize_t at) noexcept nogil
# Net inputs of hidden units become activations: n elements from a place in the layer's part of it.
cdef void activate_units(const Layer* layer, real_t* work, Py_ssize_t capacity, Py_ssize_t place,
                         Py_ssize_t n) noexcept nogil
# Convert dense rows into those rows of the workspace, as forward_first does before its product.
cdef void fetch(const Layer* layer, const Rows* source, const Py_ssize_t* order, Py_ssize_t first,
                Py_ssize_t rows, real_t* work, Py_ssize_t at) noexcept nogil
# Rows of that workspace through one layer: x to x @ W + b. Hidden units are activated; the last
# layer's net inputs are left as they are, since the loss reads them.
cdef void forward(const Layer* layer, const real_t* theta, real_t* work,
                  Py_ssize_t capacity, Py_ssize_t at, Py_ssize_t rows) noexcept nogil
