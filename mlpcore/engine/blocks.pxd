"""The forward pass of many rows, block by block: for prediction and for evaluation."""

from libc.stdint cimport int64_t

from mlpcore.engine.inputs cimport PackBuffers, Rows
from mlpcore.engine.layout cimport Layout
from mlpcore.engine.memory cimport Arena
from mlpcore.engine.status cimport Status
from mlpcore.engine.team cimport Team, TeamState

# The buffers of one thread, for a block of rows.
cdef struct BlockBuffers:
    Py_ssize_t capacity       # rows that the buffers are made for
    void* work                # inputs, activations, outputs
    int64_t* cursor           # into each packed row
    PackBuffers packed        # for dense rows that are packed in the forward pass
    void* row                 # scratch for a row of outputs
    Status status             # why this thread stopped the others

# Rows [first, first + rows) of the input after their forward pass. z: pre-activations of the
# outputs, in rows that lie the last layer's ld apart.
cdef struct Block:
    Py_ssize_t first, rows
    void* z
    BlockBuffers* buffers

# A function that uses the results of a block; another status than OK stops all threads.
ctypedef Status (*Consume)(void* consumer, const Block* block) noexcept nogil

cdef struct ForwardJob:
    const Layout* layout
    const void* theta
    bint packs                # whether dense rows are packed first, with this background
    double background
    void* block_sums          # for packed rows: column sums of blocks of the first layer's W, and
    void* initial             # the initial accumulator that follows from them; see layers.sparse
    bint ready                # whether `initial` is that of the present parameters
    BlockBuffers* buffers     # one for each thread
    const Rows* rows
    TeamState* team
    Consume consume
    void* consumer

cdef class ForwardPass:
    cdef ForwardJob job
    cdef Arena _arena
    # Let the first `size` threads of the team work on all rows; returns why they stopped early, or
    # OK.
    cdef Status for_each_block(self, Team team, int size, const Rows* rows, Consume consume,
                               void* consumer) except *

# Make a forward pass for up to n_threads threads and up to `capacity` rows at a time. With a
# background, dense rows are packed first. The layout, the parameters and `work` must live as long
# as it does; `work` has `forward_width` elements for each thread's rows, and is allocated if it is
# NULL.
cdef ForwardPass forward_pass(const Layout* layout, const void* theta, background, int n_threads,
                              Py_ssize_t capacity, void* work=*)
# Compute the initial accumulator of the first layer, if these rows need one and it is not ready.
cdef void refresh_initial(ForwardJob* job, const Rows* rows) noexcept nogil
# The forward pass of rows [first, first + rows), in this thread alone.
cdef void forward_block(ForwardJob* job, const Rows* source, int thread, Py_ssize_t first,
                        Py_ssize_t rows, Block* block) noexcept nogil
