"""Training: one step over a minibatch in two phases, epochs of steps, and the evaluation."""

from libc.stdint cimport int64_t

from mlpcore.engine.inputs cimport Input, Rows
from mlpcore.engine.network cimport Layer, Network
from mlpcore.engine.optimizers cimport Rule
from mlpcore.engine.team cimport Barrier, Team

# All that a thread needs to know, without Python. Buffers of reals are void*: the dtype is chosen
# once per call, not per struct.
cdef struct Plan:
    const Layer* layers
    int n_layers
    int loss
    int optimizer
    Rule rule
    Py_ssize_t state_stride   # between the optimiser's state vectors
    Rows rows                 # the training rows
    const int* labels         # and their classes
    Py_ssize_t batch          # rows in a minibatch
    Barrier* barrier
    void* state
    void* work                # the minibatch: inputs, activations, errors
    void* transposed          # W.T of the layers that errors pass back through
    void* sums                # of the first layer's weights; see network.pxd
    const Py_ssize_t* bounds  # thread t updates the first layer's rows bounds[t] to bounds[t + 1]
    Py_ssize_t forward_width
    # Per thread: a chunk of a gradient, what the first layer's sums start from, a cursor for each
    # row, and a chunk of the records turned about.
    void* gradient
    Py_ssize_t gradient_size
    void* start
    int64_t* cursor
    Py_ssize_t cursor_size
    char* entries

cdef class Trainer:
    cdef Plan plan
    cdef readonly Network network
    cdef readonly object state
    cdef Input _train, _valid
    cdef int[::1] _train_labels, _valid_labels
    cdef Team _team
    cdef object _buffers, _exits
