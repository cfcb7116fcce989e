"""A plan: all that the threads need to know to train, without Python.

What is fixed for a fit (Rule), fixed for a network (Layout), the buffers (Workspace) and what
changes with each minibatch (Progress). Buffers of reals are void*: the dtype is chosen once per
call, not per struct.
"""

from libc.stdint cimport int64_t

from mlpcore.engine.dropout cimport Dropout
from mlpcore.engine.inputs cimport Input, Lists, Rows
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
    const double* dropout     # rates of what each layer reads; NULL for none
    Py_ssize_t minibatch_size
    Py_ssize_t row_block      # rows that go through the forward and backward pass at a time
    Py_ssize_t split_feature  # where the first layer's sums are made in two halves; 0 for no halves
    # What SPARSE_FEATURE_BLOCKs of the first layer's W cost, summed up, as fractions of all: each
    # thread updates as much of it as any other.
    const double* cost
    # What updates of the other layers cost, summed up likewise layer by layer, with that of the
    # first layer in front where it has dense rows.
    const double* update_cost

# One thread's buffers.
cdef struct Scratch:
    void* gradient            # of a block of rows of W; or targets and derivatives of an output row
    void* initial             # accumulator that the first layer's sums start from
    int64_t* cursor           # of each row of a minibatch
    Lists buckets             # nonzeros, transposed
    Py_ssize_t start, stop    # rows of the first layer's W that this thread updates; see step

cdef struct Workspace:
    void* state               # the optimiser's vectors, `state_stride` apart
    Py_ssize_t state_stride
    void* work                # of the minibatch: inputs, activations, errors, derivatives
    void* transposed          # W.T of the dense layers that errors pass back through
    void* block_sums          # column sums of each SPARSE_FEATURE_BLOCK of the first layer's W
    void* second_half         # sums over the features from `split_feature` on
    void* full_gradient       # where it is clipped, else NULL
    void* scaled              # u and the column sums of V of the scaled representation; see online
    double* losses            # of each row
    double* penalties         # of each ROW_TILE of W
    double* squares           # of the full gradient without biases: of each ROW_TILE
    Py_ssize_t transpose_feature_block   # features whose nonzeros are transposed at a time
    Py_ssize_t bucket_capacity
    Scratch* scratch          # of each thread

# What thread 0 sets at the start of a minibatch, and what sums up over minibatches.
cdef struct Progress:
    UpdateRule update
    double learning_rate
    const double* rates       # learning rates of each minibatch of the epoch; NULL for one of all
    Py_ssize_t minibatch      # its number in this epoch
    int64_t step_count        # minibatches in all epochs
    Dropout dropout           # seed and epoch
    double row_weight         # the minibatch's rows or their weights summed up
    double penalty            # of the weights before the step
    double loss_sum, loss_curve   # of all rows, and as scikit-learn's loss curve has it
    double scale              # of the scaled representation

cdef struct Plan:
    Rule rule
    Layout layout
    Workspace workspace
    Progress progress
    Rows rows                 # the training rows
    const Rows* undropped     # where nonzeros of `rows` are dropped, what they are made of
    Targets targets
    TeamState* team

# The rows of a minibatch, whose numbers are followed by those of the next one's n_next rows.
cdef struct Minibatch:
    const Py_ssize_t* order
    Py_ssize_t rows
    Py_ssize_t n_next

# Multiplications of one step.
cdef double step_products(const Layout* layout, Input train, Py_ssize_t minibatch_size)
# Parts of making a plan, in this order: the layers of a network as training needs them; what depends
# on the rows; buffers, of which `work` has `least_work` elements or more.
cdef plan_layout(Plan* plan, const Layout* network, Input train, dropout, Arena arena)
cdef plan_rows(Plan* plan, Input train, dropout, dtype, Arena arena)
cdef plan_workspace(Plan* plan, Input train, int n_threads, Py_ssize_t least_work, dtype,
                    Arena arena)
