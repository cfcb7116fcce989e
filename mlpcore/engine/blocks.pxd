"""The forward pass of many rows, block by block: for prediction and for evaluation."""

from libc.stdint cimport int64_t

from mlpcore.engine.inputs cimport PackBuffers, Rows
from mlpcore.engine.layout cimport Layout
from mlpcore.engine.memory cimport Arena
from mlpcore.engine.status cimport Status
from mlpcore.engine.team cimport Team, TeamState

# One thread's buffers for a block of rows.
cdef struct BlockBuffers:
    Py_ssize_t capacity       # rows
    void* work                # inputs, activations, outputs
    int64_t* cursor           # of each row
    PackBuffers packed        # dense rows on their way into packed ones
    void* row                 # a row of outputs, for whatever the block is used for
    Status status             # why this thread stopped the others

# Rows [first, first + rows) of the input, after their forward pass: the pre-activations of the
# outputs, in rows of the last layer's ld.
cdef struct Block:
    Py_ssize_t first, rows
    void* z
    BlockBuffers* buffers

# What is done with a block; anything but OK stops all threads.
ctypedef Status (*Consume)(void* consumer, const Block* block) noexcept nogil

cdef struct ForwardJob:
    const Layout* layout
    const void* theta
    bint packs                # dense rows are packed first, with this background
    double background
    void* block_sums          # what the first layer's sums start from, if its rows are packed, and
    void* initial             # what that is made of; see layers.sparse
    bint ready                # `initial` holds for the parameters as they are
    BlockBuffers* buffers     # of each thread
    const Rows* rows
    TeamState* team
    Consume consume
    void* consumer

cdef class ForwardPass:
    cdef ForwardJob job
    cdef Arena _arena
    # All rows, by the first `size` threads of the team; why they stopped early, or OK.
    cdef Status for_each_block(self, Team team, int size, const Rows* rows, Consume consume,
                               void* consumer) except *

# A forward pass by up to so many threads, of up to `capacity` rows at a time. With a background,
# dense rows are packed on the way. The layout, the parameters and `work` are the caller's to keep;
# the last has `forward_width` elements for each of those rows, and is made here if it is NULL.
cdef ForwardPass forward_pass(const Layout* layout, const void* theta, background, int n_threads,
                              Py_ssize_t capacity, void* work=*)
# What the first layer's sums start from, unless it is ready; then the forward pass of rows
# [first, first + rows) in this thread alone.
cdef void refresh_initial(ForwardJob* job, const Rows* rows) noexcept nogil
cdef void forward_block(ForwardJob* job, const Rows* source, int thread, Py_ssize_t first,
                        Py_ssize_t rows, Block* block) noexcept nogil
