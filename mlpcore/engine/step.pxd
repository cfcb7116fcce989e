"""One step over a minibatch, in two phases: each function is one thread's part."""

from libc.stdint cimport int64_t

from mlpcore.engine.dropout cimport Dropout
from mlpcore.engine.inputs cimport Rows
from mlpcore.engine.losses cimport Loss, Targets
from mlpcore.engine.network cimport Layer
from mlpcore.engine.optimizers cimport Rule
from mlpcore.engine.team cimport Barrier
from mlpcore.engine.typedefs cimport real_t

cdef enum:
    # Rows of W whose gradient is made and applied at a time, from dense rows: 64 of 112 floats are
    # 28 KB, about a first-level cache.
    DENSE_CHUNK = 64
    # Bytes of entries turned about at a time, at most: of 100 rows of MNIST one in five is used, so
    # that they stay in a second-level cache.
    LIST_BYTES = 1 << 21

# All that a thread needs to know, without Python. Buffers of reals are void*: the dtype is chosen
# once per call, not per struct.
cdef struct Plan:
    const Layer* layers
    int n_layers
    Loss loss
    int optimizer
    bint is_sgd, bias_corrected
    Rule rule                 # what changes in it, thread 0 sets at the start of a minibatch
    Py_ssize_t state_stride   # between the optimiser's state vectors
    Rows rows                 # the training rows
    Targets targets           # and what they are to become
    Py_ssize_t batch          # rows in a minibatch
    bint average              # gradients are means over a minibatch's rows, not sums
    bint track_loss
    double learning_rate
    const double* rates       # or one for each minibatch of the epoch
    Py_ssize_t minibatch      # its number in this epoch
    int64_t step_count        # minibatches in all epochs
    Barrier* barrier
    void* state
    void* work                # the minibatch: inputs, activations, errors
    void* transposed          # W.T of the layers that errors pass back through
    void* sums                # of the first layer's weights; see network.pxd
    # The first layer's weights: what CHUNKs of their rows cost, summed up, as fractions of all; and
    # [start, stop) of the rows that each thread updates, which `prepare` makes of that.
    const double* cost
    Py_ssize_t* slices
    Py_ssize_t forward_width
    # Where the first layer's sums are made in two halves: the feature that parts them, and a place
    # for the second ones.
    bint halves
    Py_ssize_t middle
    void* second_half
    # Per thread: a chunk of a gradient, what the first layer's sums start from, a cursor for each
    # row, and the lists of `strip` features, of `slots` entries each.
    void* gradient
    Py_ssize_t gradient_size
    void* start
    int64_t* cursor
    Py_ssize_t cursor_size
    char* entries
    int* counts
    Py_ssize_t strip
    Py_ssize_t slots
    # The minibatch's rows or their weights summed up, the loss of each row, and what the penalty
    # makes of each TILE of rows of W. Sums of losses: of all rows, and as scikit-learn's loss curve
    # has it.
    double total, penalty
    double* losses
    double* penalties
    Py_ssize_t n_tiles
    double loss_sum, loss_curve
    # Dropout: the rates of what each layer reads (NULL for none), the seed, and where `rows` are
    # records and are dropped from, the records that they are made of.
    const double* rates_of_dropout
    Dropout dropout
    const Rows* undropped
    # Where a gradient is clipped, all of it, and the sum of squares of each TILE and of the biases
    # of each layer.
    double clip_norm, max_norm
    void* whole
    double* squares
    # Online learning: W = scale * V + 1 u.T, and in `lazy` u and the column sums of V.
    double scale
    void* lazy

# What is kept beside the weights, from the weights as they are now: transposes and sums.
cdef void prepare(Plan* plan, const real_t* theta, int thread) noexcept nogil
# The rows that `order` lists, `rows` of them; n_next more come after them.
cdef void step(Plan* plan, real_t* theta, int thread, const Py_ssize_t* order, Py_ssize_t rows,
               Py_ssize_t n_next) noexcept nogil

# The optimiser's step on some rows of W, of which the gradient is given.
cdef void apply_rule(Plan* plan, const Rule* rule, const Layer* layer, real_t* theta,
                     const real_t* gradient, Py_ssize_t start, Py_ssize_t rows) noexcept nogil

# Parts of a step, for steps of other kinds.
cdef void start_minibatch(Plan* plan, const Py_ssize_t* order, Py_ssize_t rows) noexcept nogil
cdef void output_errors(Plan* plan, real_t* work, int thread, const Py_ssize_t* order,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil
cdef void backward(Plan* plan, const Layer* layer, const real_t* theta, real_t* work,
                   Py_ssize_t start, Py_ssize_t rows) noexcept nogil
cdef void update_weights(Plan* plan, const Layer* layer, real_t* theta, int thread,
                         Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop) noexcept nogil
cdef void update_biases(Plan* plan, const Layer* layer, real_t* theta, int thread,
                        Py_ssize_t rows) noexcept nogil
