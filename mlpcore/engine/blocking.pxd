"""Block sizes: how much is computed at a time, each with its unit and its reason.

None depends on the number of threads, so that no bit does.
"""

cdef enum:
    # Bytes of a cache line. Every row of weights and of activations starts on a cache line and
    # fills whole lines.
    CACHE_LINE = 64
    # Rows of activations or of weights that go to one thread together: whole tiles of the products.
    ROW_TILE = 8
    # Bytes of a row of W, without padding, up to which a layer has few outputs: its products then
    # run along its inputs, of which there must be some for each output. With 100 inputs, 200 rows
    # and one output they take a fifth of the time in float32 and a third in float64, with four and
    # two outputs two thirds.
    NARROW_BYTES = 16
    NARROW_INPUTS = 16
    # Rows of W, beyond the first layer, that one thread updates together: activations of a cache
    # line in float32.
    UPDATE_TILE = 16
    # Rows of a minibatch that go through the forward and the backward pass at a time: a layer's
    # activations are 57 KB, where they are 128 rows of 112 floats.
    STEP_ROW_BLOCK = 128
    # Rows in a chunk of a minibatch at least, where the gradient of each chunk is computed apart
    # and then summed: 100 rows make one thread 2 % faster than 50, but leave work for two threads
    # only in minibatches of 200.
    CHUNK_ROWS = 48
    # Rows that go through the forward pass together outside of training: their inputs and a small
    # network's weights fit in a second-level cache. Sums over rows are made block by block.
    EVALUATION_ROW_BLOCK = 96
    # Rows of W whose gradient is computed and applied at a time, from dense rows: 64 of 112 floats
    # are 28 KB, about a first-level cache.
    DENSE_FEATURE_BLOCK = 64
    # The same from packed sparse rows, and rows of W in a partial sum of the columns, for the
    # background term: 32 of 112 floats are 14 KB, half a first-level cache.
    SPARSE_FEATURE_BLOCK = 32
    # Rows whose nonzeros are transposed at a time, so that their errors stay in the cache.
    TRANSPOSE_ROW_BLOCK = 128
    # Bytes of the larger kind of bucket item, and of all buckets of one thread at most: one item in
    # five is used with 100 rows of MNIST, so that those stay in a second-level cache.
    BUCKET_ITEM_BYTES = 16
    BUCKETS_BYTES = 1 << 21
    # Bytes of W from which a layer goes through BLAS: it no longer stays in a core's second-level
    # cache, and BLAS's own packing pays; and the number of splits of such a layer, along its inputs
    # or its outputs.
    BLAS_FROM_BYTES = 1 << 20
    BLAS_SPLITS = 8
    # Numbers of dense rows that are packed at a time: their nonzeros stay in the cache.
    PACK_BLOCK = 1 << 15
    # Elements after the last nonzero that packing may write to.
    PACK_PADDING = 16
