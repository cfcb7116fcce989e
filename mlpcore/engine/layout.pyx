"""The layout of a network: its layers, and where their parts lie in memory."""

from mlpcore.engine.blocking cimport (
    BLAS_FROM_BYTES,
    CACHE_LINE,
    NARROW_BYTES,
    NARROW_INPUTS,
    ROW_TILE,
)


cdef int _whole_lines(Py_ssize_t n, Py_ssize_t itemsize) noexcept:
    """n elements, rounded up to whole cache lines."""
    return <int> ((n * itemsize + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE // itemsize)


cdef int row_stride(Py_ssize_t n, Py_ssize_t itemsize) noexcept:
    """The leading dimension for rows of n elements: whole lines, and no multiple of 2048 bytes,
    since rows that lie that far apart compete for the same few sets of the cache."""
    cdef int size = _whole_lines(n, itemsize)
    return size + <int> (CACHE_LINE // itemsize) if size * itemsize % 2048 == 0 else size


cdef void lay_out(Layout* layout, const int* n_units) noexcept:
    """Set sizes and offsets of all layers."""
    cdef Py_ssize_t offset = 0, itemsize = 4 if layout.single else 8
    cdef Py_ssize_t per_row = row_stride(n_units[0], itemsize)
    cdef Layer* layer
    cdef int i, ld_in = <int> per_row
    for i in range(layout.n_layers):
        layer = &layout.layers[i]
        layer.n_in, layer.n_out = n_units[i], n_units[i + 1]
        layer.width = _whole_lines(layer.n_out, itemsize)
        layer.ld = row_stride(layer.n_out, itemsize)
        layer.ld_in = ld_in
        layer.hidden = i < layout.n_layers - 1
        layer.w = offset
        layer.b = layer.w + <Py_ssize_t> layer.n_in * layer.ld
        offset = layer.b + layer.ld
        layer.narrow = False
        layer.kind = BLAS if (layer.b - layer.w) * itemsize > BLAS_FROM_BYTES else DENSE
        # The rows that it reads must be padded, as the network's inputs and BLAS's outputs are not.
        if i > 0 and layout.layers[i - 1].kind == DENSE:
            layer.narrow = (layer.n_out * itemsize <= NARROW_BYTES
                            and layer.n_in >= NARROW_INPUTS * layer.n_out)
        layer.wt = layout.transposed_size
        if i > 0 and layer.kind == DENSE:
            layout.transposed_size += <Py_ssize_t> layer.n_out * layer.ld_in
        layer.tile = layout.n_tiles
        layout.n_tiles += (layer.n_in + ROW_TILE - 1) // ROW_TILE
        layer.x = layout.layers[i - 1].a if i > 0 else 0
        layer.a = per_row
        per_row += layer.ld
        ld_in = layer.ld
    layout.forward_width = per_row
    for i in range(layout.n_layers - 1):
        layout.layers[i].delta = per_row
        per_row += layout.layers[i].ld
    # Outputs turn into their errors in place.
    layout.layers[layout.n_layers - 1].delta = layout.layers[layout.n_layers - 1].a
    layout.full_width = per_row
    layout.size = offset


cdef bint uses_blas(const Layout* layout) noexcept:
    """Whether any layer is large enough to go through BLAS."""
    for i in range(layout.n_layers):
        if layout.layers[i].kind == BLAS:
            return True
    return False
