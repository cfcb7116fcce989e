"""The layout of a network: its layers, and where their parts lie in memory."""

from mlpcore.engine.losses cimport Loss

# The kinds of layers, by what computes their products.
cdef enum LayerKind:
    DENSE                     # by the engine's own kernels, with weights that fit in the cache
    BLAS                      # by BLAS, with weights that do not
    SPARSE                    # the first layer, in training, from packed sparse rows

# Sizes and offsets only, so that one struct serves both dtypes. Offsets count elements.
cdef struct Layer:
    LayerKind kind
    int n_in, n_out
    int width                 # n_out in whole cache lines: the columns that kernels work on
    int ld                    # leading dimension of the weights and of the activations
    int ld_in                 # leading dimension of the rows that the layer reads
    bint hidden
    bint narrow               # a dense layer with so few outputs that rows of W are mostly padding
    int activation            # of hidden units; output units belong to the loss
    Py_ssize_t w, b           # offsets of weights (n_in rows) and biases in the parameters
    Py_ssize_t wt             # offset of the transpose, for the backward pass of dense layers
    Py_ssize_t x, a, delta    # offsets of inputs, activations and errors in a workspace, to be
    #                           multiplied by the number of rows that it is made for
    Py_ssize_t derivative     # the same of derivatives, if they must be stored; 0 if not
    Py_ssize_t tile           # number of its first ROW_TILE of weights among those of all layers

cdef struct Layout:
    Layer* layers
    int n_layers
    Loss loss
    bint single               # float32, not float64
    Py_ssize_t size           # elements of the parameters, padding included
    Py_ssize_t forward_width  # elements of a workspace per row, for a forward pass
    Py_ssize_t full_width     # the same for forward and backward pass
    Py_ssize_t transposed_size   # elements of all transposes
    Py_ssize_t n_tiles        # ROW_TILEs of all layers

# The leading dimension for rows of n elements.
cdef int row_stride(Py_ssize_t n, Py_ssize_t itemsize) noexcept
# Set sizes and offsets in `layout.layers`, an array of `n_layers`.
cdef void lay_out(Layout* layout, const int* n_units) noexcept
cdef bint uses_blas(const Layout* layout) noexcept

# Whether a layer's units are partitioned among the threads, not its rows: its forward and backward
# pass read all rows of the minibatch and write all rows.
cdef inline bint needs_all_rows(const Layer* layer) noexcept nogil:
    return layer.kind == BLAS
