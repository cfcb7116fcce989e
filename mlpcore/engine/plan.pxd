"""A plan: all that the threads need for training, without Python.

It has what is fixed for a fit (Rule), what is fixed for a network (Layout), the buffers (Workspace)
and what changes with each minibatch (Progress). Buffers of reals are void*: the dtype is chosen
once per call, not per struct.
"""

from libc.stdint cimport int64_t

from mlpcore.engine.distortion cimport Images
from mlpcore.engine.dropout cimport Dropout
from mlpcore.engine.inputs cimport Buckets, Input, PackBuffers, Rows
from mlpcore.engine.layout cimport Layout
from mlpcore.engine.losses cimport Targets
from mlpcore.engine.memory cimport Arena
from mlpcore.engine.optimizers cimport Rule as UpdateRule
from mlpcore.engine.team cimport TeamState

# Fixed for a fit.
cdef struct Rule:
    int optimizer
    bint is_sgd, bias_corrected
    bint average              # gradients are means over a minibatch's rows, not sums
    bint track_loss
    double clip_norm, max_norm   # 0 for none
    double average_decay      # of the average of the parameters
    # Of each layer, the factors of the update rule's l2 and its weight decay; NULL where all layers
    # have the rule's.
    const double* l2
    const double* weight_decay
    const double* dropout     # rate for the inputs of each layer; NULL for no dropout
    Py_ssize_t minibatch_size
    Py_ssize_t row_block      # rows that go through the forward and backward pass at a time
    Py_ssize_t chunk_rows     # rows in a chunk whose gradient is computed apart; 0: no chunks
    Py_ssize_t row_unit       # rows that go to one thread together
    Py_ssize_t split_feature  # first feature of the second half sum of the first layer; 0: one sum
    # The cumulated cost of the SPARSE_FEATURE_BLOCKs of the first layer's W, as a fraction of the
    # total: W is partitioned so that all threads have equal costs.
    const double* cost
    # What updates of the other layers cost, summed up likewise layer by layer, with that of the
    # first layer in front where it has dense rows.
    const double* update_cost

# The buffers of one thread.
cdef struct Scratch:
    void* gradient            # of a block of rows of W; or targets and derivatives of an output row
    void* initial             # initial accumulator of the first layer; or its background term
    int64_t* cursor           # into each packed row of a minibatch
    Buckets buckets           # nonzeros, transposed to CSC
    void* image               # a row that is distorted and then packed
    void* distortion          # the buffer of its distortion
    Py_ssize_t start, stop    # rows of the first layer's W that this thread updates; see step

cdef struct Workspace:
    void* state               # the optimiser's vectors, `state_stride` apart
    Py_ssize_t state_stride
    void* averaged            # the average of the parameters over steps; NULL for none
    void* work                # inputs, activations, errors and derivatives of the minibatch
    void* transposed          # W.T of the dense layers that errors pass back through
    void* block_sums          # column sums of each SPARSE_FEATURE_BLOCK of the first layer's W
    void* second_half         # sums over the features from `split_feature` on
    void* full_gradient       # if it is clipped, else NULL
    void* partials            # the gradient of each chunk of rows, laid out like the parameters
    void* scaled              # u and the column sums of V of the scaled representation; see online
    double* losses            # one for each row
    double* penalties         # one for each ROW_TILE of W
    double* squares           # squared norms of the full gradient without biases: ROW_TILEs
    Py_ssize_t transpose_feature_block   # features whose nonzeros are transposed at a time
    Py_ssize_t bucket_capacity
    # The minibatch's distorted rows, packed: a slot for each, so that threads pack them
    # independently. Slot i has nonzeros start[2 i] to start[2 i + 1], as if it were a row between
    # others; `slots` are the numbers 0, 2, 4 and so on of these rows.
    PackBuffers packed
    Py_ssize_t* slots
    Scratch* scratch          # one for each thread

# Values that thread 0 sets at the start of a minibatch, and sums over minibatches.
cdef struct Progress:
    UpdateRule update
    double learning_rate
    const double* learning_rates   # one for each minibatch of the epoch; NULL if all are equal
    Py_ssize_t minibatch      # its number in this epoch
    int64_t step_count        # minibatches in all epochs
    int64_t steps_before      # those before this segment of the epoch
    Dropout dropout           # seed and epoch, of distortions as well
    double row_weight         # number of the minibatch's rows, or the sum of their weights
    double penalty            # penalty of the weights before the step
    double loss_sum, loss_curve   # sum over all rows; the same as in scikit-learn's loss curve
    double scale              # of the scaled representation

cdef struct Plan:
    Rule rule
    Layout layout
    Workspace workspace
    Progress progress
    Rows rows                 # the training rows; or a minibatch's distorted rows, packed
    const Images* images      # the training rows to distort; NULL for none
    const Rows* undropped     # packed rows before dropout; NULL if `rows` are not dropped from
    Targets targets
    TeamState* team

# A minibatch: the numbers of its rows. In `order`, those of the next minibatch's n_next rows
# follow.
cdef struct Minibatch:
    const Py_ssize_t* order
    const Py_ssize_t* packed  # the same rows among the packed ones
    Py_ssize_t rows
    Py_ssize_t n_next

# The multiplications of one step that threads can share, or what takes as long: none in online
# learning.
cdef double step_products(const Layout* layout, Input train, Py_ssize_t minibatch_size,
                          bint distorts)
# Functions that make a plan, to be called in this order: the layers of a network as training needs
# them; what depends on the rows; the buffers, with at least `least_work` elements in `work`.
cdef plan_layout(Plan* plan, const Layout* network, Input train, dropout, Arena arena)
cdef plan_rows(Plan* plan, Input train, dropout, dtype, Arena arena)
cdef plan_workspace(Plan* plan, Input train, int n_threads, Py_ssize_t least_work, dtype,
                    Arena arena)
