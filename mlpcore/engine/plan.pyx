"""Making a plan from a network, rows and rules; plan.pxd says what a plan is."""

import numpy as np

from libc.stdint cimport int64_t, uint16_t
from libc.string cimport memcpy

from mlpcore.engine.blocking cimport (
    BUCKET_ITEM_BYTES,
    BUCKETS_BYTES,
    CHUNK_ROWS,
    DENSE_FEATURE_BLOCK,
    PACK_PADDING,
    ROW_TILE,
    SPARSE_FEATURE_BLOCK,
    STEP_ROW_BLOCK,
    TRANSPOSE_ROW_BLOCK,
)
from mlpcore.engine.distortion cimport PRODUCTS_OF_A_PIXEL
from mlpcore.engine.inputs cimport PACKED, Input, PackBuffers
from mlpcore.engine.kernels cimport MAX_CHUNKS
from mlpcore.engine.layout cimport DENSE, SPARSE, Layer, Layout, uses_blas
from mlpcore.engine.memory cimport Arena

from mlpcore.engine.registry import ACTIVATIONS

# The cost of a nonzero relative to a block of weights, when the first layer's features are
# partitioned; and of an optimiser's step for each weight, in multiplications.
cdef double COST_OF_NONZERO = 0.01
cdef double COST_OF_STEP = 30
# Bytes of the first layer's weights from which its sums are made in two halves, so that fewer of
# its weights move between cores, and rows of a minibatch up to which that pays.
cdef Py_ssize_t SPLIT_FROM_BYTES = 1 << 17
cdef Py_ssize_t SPLIT_UP_TO_ROWS = 256
# Gradients of chunks of rows are computed apart where the weights of all layers are at most this
# share of the numbers that one core would otherwise read from another: the rows, activations and
# errors of a minibatch. With minibatches of 200, 50-100-1 has 0.14 (two threads take 42 us a step
# in place of 54) and 200-100-1 has 0.34 (128 and 130; one thread is 5 % slower).
cdef double CHUNK_SHARE = 0.25


cdef double step_products(const Layout* layout, Input train, Py_ssize_t minibatch_size,
                          bint distorts):
    if minibatch_size == 1 and train.path == "sparse" and not distorts:
        return 0
    products = [<double> layout.layers[i].n_in * layout.layers[i].n_out
                for i in range(layout.n_layers)]
    products[0] *= train.density
    per_row = 3 * sum(products)
    if distorts:
        per_row += PRODUCTS_OF_A_PIXEL * train.n_features
    return minibatch_size * per_row


cdef plan_layout(Plan* plan, const Layout* network, Input train, dropout, Arena arena):
    """Copy the network's layers, with offsets for derivatives that the backward pass needs."""
    cdef Layout* layout = &plan.layout
    cdef Py_ssize_t n_bytes = network.n_layers * sizeof(Layer)
    cdef Layer* layer
    cdef int i
    activations = list(ACTIVATIONS.values())
    layout[0] = network[0]
    layout.layers = <Layer*> arena.reserve("layers", n_bytes, "u1")
    memcpy(layout.layers, network.layers, n_bytes)
    for i in range(layout.n_layers - 1):
        layer = &layout.layers[i]
        # Derivatives do not follow from activations with dropout, either.
        if activations[layer.activation].needs_preactivation or dropout[i + 1] > 0:
            layer.derivative = layout.full_width
            layout.full_width += layer.ld
    # Layers that need all rows take the whole minibatch at once.
    plan.rule.row_block = plan.rule.minibatch_size if uses_blas(layout) else STEP_ROW_BLOCK
    if train.rows.kind == PACKED:
        layout.layers.kind = SPARSE
    plan.rule.row_unit = ROW_TILE
    plan.rule.chunk_rows = _chunk_rows(layout, plan.rule.minibatch_size)
    if plan.rule.chunk_rows:
        plan.rule.row_unit = plan.rule.row_block = plan.rule.chunk_rows


cdef Py_ssize_t _chunk_rows(const Layout* layout, Py_ssize_t minibatch_size):
    """Rows in a chunk, or 0 where the gradients of chunks are not computed apart.

    The number of chunks is a power of two, so that as many threads have equal shares.
    """
    cdef const Layer* layer
    cdef Py_ssize_t chunks = 1
    cdef int i
    weights = columns = 0
    for i in range(layout.n_layers):
        layer = &layout.layers[i]
        if layer.kind != DENSE:
            return 0
        weights += layer.n_in * layer.ld
        columns += layer.ld_in + layer.ld
    while chunks < MAX_CHUNKS and minibatch_size >= 2 * chunks * CHUNK_ROWS:
        chunks *= 2
    if chunks == 1 or weights > CHUNK_SHARE * minibatch_size * columns:
        return 0
    return (minibatch_size + chunks - 1) // chunks


cdef plan_rows(Plan* plan, Input train, dropout, dtype, Arena arena):
    """Set how the first layer's features are partitioned, and buffers for dropout from inputs."""
    cdef const Layer* first = plan.layout.layers
    cdef Py_ssize_t batch = plan.rule.minibatch_size
    plan.rows = train.rows
    cost = _cost(train, batch)
    plan.rule.cost = <double*> arena.copy("cost", cost)
    update_cost = _update_cost(&plan.layout, 0 if plan.rule.chunk_rows else batch)
    plan.rule.update_cost = <double*> arena.copy("update_cost", update_cost)
    if first.kind != SPARSE:
        return
    # The bits depend on the halves, so these must not depend on the threads.
    middle = min(train.n_features, np.searchsorted(cost, 0.5) * SPARSE_FEATURE_BLOCK)
    if ((first.b - first.w) * np.dtype(dtype).itemsize >= SPLIT_FROM_BYTES
            and 1 < batch <= SPLIT_UP_TO_ROWS and 0 < middle < first.n_in and dropout[0] == 0
            and plan.images is NULL):
        plan.rule.split_feature = middle
    if dropout[0] == 0:
        return
    if train.background != 0:
        raise ValueError(
            f"inputs can be dropped from only where the background is 0; it is "
            f"{train.background}. Use path='dense'."
        )
    if plan.images is not NULL:   # they are dropped from before they are packed
        return
    # The values after dropout; the original ones stay as they are.
    plan.rows.packed.value = arena.reserve(
        "nonzeros", max(1, train.rows.packed.start[train.rows.n_rows]), dtype)
    plan.rows.packed.encoded = 0
    plan.undropped = &train.rows


cdef plan_workspace(Plan* plan, Input train, int n_threads, Py_ssize_t least_work, dtype,
                    Arena arena):
    """Allocate the buffers of a minibatch and of each thread."""
    cdef const Layout* layout = &plan.layout
    cdef Workspace* workspace = &plan.workspace
    cdef Py_ssize_t batch = plan.rule.minibatch_size, ld = layout.layers.ld, blocks
    blocks = (layout.layers.n_in + SPARSE_FEATURE_BLOCK - 1) // SPARSE_FEATURE_BLOCK
    workspace.work = arena.reserve("work", max(batch * layout.full_width, least_work), dtype)
    workspace.transposed = arena.reserve("transposed", layout.transposed_size, dtype)
    workspace.block_sums = arena.reserve("block_sums", blocks * ld, dtype)
    workspace.losses = <double*> arena.reserve("losses", batch, np.float64)
    workspace.penalties = <double*> arena.reserve("penalties", layout.n_tiles, np.float64)
    workspace.squares = <double*> arena.reserve(
        "squares", layout.n_tiles, np.float64)
    workspace.scaled = arena.reserve("scaled", 2 * ld, dtype)
    if plan.rule.split_feature:
        workspace.second_half = arena.reserve("second_half", batch * ld, dtype)
    if plan.rule.chunk_rows:
        blocks = (batch + plan.rule.chunk_rows - 1) // plan.rule.chunk_rows
        workspace.partials = arena.reserve("partials", blocks * layout.size, dtype)
    if plan.rule.clip_norm > 0:
        workspace.full_gradient = arena.reserve("full_gradient", layout.size, dtype)
    if layout.layers.kind == SPARSE:
        workspace.bucket_capacity = min(batch, TRANSPOSE_ROW_BLOCK)
        workspace.transpose_feature_block = min(train.n_features, max(
            DENSE_FEATURE_BLOCK, BUCKETS_BYTES // (workspace.bucket_capacity * BUCKET_ITEM_BYTES)
            // DENSE_FEATURE_BLOCK * DENSE_FEATURE_BLOCK))
        if plan.images is not NULL:
            _reserve_slots(plan, dtype, arena)
    _reserve_scratch(plan, n_threads, dtype, arena)


cdef _reserve_slots(Plan* plan, dtype, Arena arena):
    """Allocate the packed rows of a minibatch of distorted rows, in place of those of all rows."""
    cdef PackBuffers* packed = &plan.workspace.packed
    cdef Py_ssize_t batch = plan.rule.minibatch_size, i
    # Packing writes beyond the last nonzero, and another thread has the next slot.
    cdef Py_ssize_t stride = plan.layout.layers.ld_in + PACK_PADDING
    packed.start = <int64_t*> arena.reserve("slot starts", 2 * batch, np.int64)
    packed.index = <uint16_t*> arena.reserve("slot indices", batch * stride, np.uint16)
    packed.value = arena.reserve("slot values", batch * stride, dtype)
    plan.workspace.slots = <Py_ssize_t*> arena.reserve("slots", batch, np.intp)
    for i in range(batch):
        packed.start[2 * i] = packed.start[2 * i + 1] = i * stride
        plan.workspace.slots[i] = 2 * i
    plan.rows.packed.start, plan.rows.packed.index = packed.start, packed.index
    plan.rows.packed.value, plan.rows.packed.table = packed.value, NULL
    plan.rows.packed.wide_index = plan.rows.packed.encoded = 0


cdef _reserve_scratch(Plan* plan, int n_threads, dtype, Arena arena):
    """Allocate the buffers of each thread."""
    cdef const Layout* layout = &plan.layout
    cdef Workspace* workspace = &plan.workspace
    cdef Py_ssize_t batch = plan.rule.minibatch_size, longest = 0, gradient_size
    cdef Py_ssize_t features = workspace.transpose_feature_block
    cdef Scratch* scratch
    cdef int i
    for i in range(layout.n_layers):
        longest = max(longest, layout.layers[i].ld)
    gradient_size = DENSE_FEATURE_BLOCK * longest
    if batch > TRANSPOSE_ROW_BLOCK:   # sums over several blocks of rows
        gradient_size = max(gradient_size, features * layout.layers.ld)
    workspace.scratch = <Scratch*> arena.reserve("scratch", n_threads * sizeof(Scratch), "u1")
    for i in range(n_threads):
        scratch = &workspace.scratch[i]
        scratch.gradient = arena.reserve(f"gradient {i}", gradient_size, dtype)
        scratch.initial = arena.reserve(f"initial {i}", layout.layers.ld, dtype)
        scratch.cursor = <int64_t*> arena.reserve(f"cursor {i}", batch, np.int64)
        scratch.buckets.items = arena.reserve(
            f"buckets {i}", features * workspace.bucket_capacity * BUCKET_ITEM_BYTES, "u1")
        scratch.buckets.count = <int*> arena.reserve(f"counts {i}", features, np.intc)
        if plan.images is not NULL:
            scratch.image = arena.reserve(f"image {i}", layout.layers.n_in, dtype)
            scratch.distortion = arena.reserve(
                f"distortion {i}", plan.images.buffer_size, dtype)


def _cost(Input train, minibatch_size):
    """The cumulated cost of the blocks of the first layer's weights, from 0 to 1.

    A block of features costs its nonzeros and its weights. Nonzeros are counted in a sample: pixels
    in the middle of an image are seldom background, those at its edges always.
    """
    blocks = (train.n_features + SPARSE_FEATURE_BLOCK - 1) // SPARSE_FEATURE_BLOCK
    cost = np.full(blocks, 1.0)
    if train.path == "sparse":
        cost += train.nonzeros_per_block(blocks) * minibatch_size * COST_OF_NONZERO
    return np.concatenate([[0.0], np.cumsum(cost)]) / cost.sum()


cdef _update_cost(const Layout* layout, minibatch_size):
    """What phase 2 does in each layer that is partitioned with others, summed up from 0 to 1."""
    cdef const Layer* layer
    cdef int i
    cost = [0.0]
    for i in range(layout.n_layers):
        layer = &layout.layers[i]
        if layer.kind == DENSE or i == 0 and layer.kind != SPARSE:
            products = minibatch_size * (layer.n_out if layer.narrow else layer.width)
            cost.append(layer.n_in * (products + COST_OF_STEP * layer.width))
        else:
            cost.append(0.0)
    return np.cumsum(cost) / max(1.0, sum(cost))
