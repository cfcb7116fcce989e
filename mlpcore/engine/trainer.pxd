"""Training: one step over a minibatch in two phases, epochs of steps, and the evaluation."""

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
    void* scratch             # per thread: a chunk of a gradient
    Py_ssize_t scratch_size
    Py_ssize_t forward_width

cdef class Trainer:
    cdef Plan plan
    cdef readonly Network network
    cdef readonly object state
    cdef Input _train, _valid
    cdef int[::1] _train_labels, _valid_labels
    cdef Team _team
    cdef object _buffers, _exits
