"""What is fixed for a network: its layers, and where everything of them lies in memory."""

from mlpcore.engine.losses cimport Loss

# How a layer's products are computed.
cdef enum LayerKind:
    DENSE                     # by the engine's own kernels, with weights that fit in the cache
    BLAS                      # by BLAS, with weights that do not
    SPARSE                    # the first layer, in training, from packed sparse rows

# Sizes and places only, so that one struct serves both dtypes. Offsets count elements.
cdef struct Layer:
    LayerKind kind
    int n_in, n_out
    int width                 # n_out in whole cache lines: the columns that kernels work on
    int ld                    # from one row to the next, of the weights and of the activations
    int ld_in                 # the same of the rows that the layer reads
    bint hidden
    bint narrow               # a dense layer with so few outputs that rows of W are mostly padding
    int activation            # of hidden units; those of the last layer belong to the loss
    Py_ssize_t w, b           # where weights (n_in rows) and biases start in the parameters
    Py_ssize_t wt             # where its transpose starts, for the backward pass of dense layers
    Py_ssize_t x, a, delta    # what it reads, its activations, their errors: where they start in
    #                           a workspace, times the rows that the workspace is made for
    Py_ssize_t derivative     # of its activations, if they must be kept; 0 for nowhere
    Py_ssize_t tile           # the first of its ROW_TILEs of weights, among those of all layers

cdef struct Layout:
    Layer* layers
    int n_layers
    Loss loss
    bint single               # float32, not float64
    Py_ssize_t size           # of the parameters, padding included
    Py_ssize_t forward_width  # of a workspace, per row, for a forward pass
    Py_ssize_t full_width     # the same for a backward pass, too
    Py_ssize_t transposed_size   # of all transposes
    Py_ssize_t n_tiles        # in all layers

# Elements from one row of n to the next.
cdef int row_stride(Py_ssize_t n, Py_ssize_t itemsize) noexcept
# Set sizes and places in `layout.layers`, which has room for `n_layers`.
cdef void lay_out(Layout* layout, const int* n_units) noexcept
cdef bint uses_blas(const Layout* layout) noexcept

# Whether a layer's units are partitioned among the threads, not its rows: its forward and backward
# pass read all rows of the minibatch and write all rows.
cdef inline bint needs_all_rows(const Layer* layer) noexcept nogil:
    return layer.kind == BLAS
