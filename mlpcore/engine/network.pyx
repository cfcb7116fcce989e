"""A network: its layers, its parameters in one block of memory, and the way forward."""

import numpy as np

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from mlpcore.engine.activations cimport activate
from mlpcore.engine.blas cimport gemm
from mlpcore.engine.inputs cimport (
    CHUNK,
    RECORDS,
    Input,
    Rows,
    fetch_row,
    records_forward,
)
from mlpcore.engine.kernels cimport column_sums, small_gemm, sum_squares
from mlpcore.engine.team cimport Team, barrier_take
from mlpcore.engine.typedefs cimport LINE, real_t

from mlpcore.engine.activations import ACTIVATIONS
from mlpcore.engine.losses import LOSSES
from mlpcore.engine.team import single_threaded_blas

# A layer goes through BLAS from here on: its weights no longer stay in a core's second-level cache,
# and BLAS's own packing pays.
cdef Py_ssize_t WIDE_BYTES = 1 << 20


def aligned_zeros(size, dtype):
    """One-dimensional array of zeros that starts on a cache line."""
    dtype = np.dtype(dtype)
    raw = np.zeros(size * dtype.itemsize + LINE, np.uint8)
    start = -raw.__array_interface__["data"][0] % LINE
    return raw[start : start + size * dtype.itemsize].view(dtype)


cdef int _whole_lines(Py_ssize_t n, Py_ssize_t itemsize) noexcept:
    """n elements, rounded up to whole cache lines."""
    return <int> ((n * itemsize + LINE - 1) // LINE * LINE // itemsize)


cdef int _stride(Py_ssize_t n, Py_ssize_t itemsize) noexcept:
    """Elements from one row of n to the next: whole lines, and no large power of two, since rows
    that lie that far apart compete for the same few places in the cache."""
    cdef int size = _whole_lines(n, itemsize)
    return size + LINE // itemsize if size * itemsize % 2048 == 0 else size


cdef class Network:
    """A feed-forward network of fully connected layers.

    Parameters
    ----------
    n_units : sequence of int
        Units of each layer, from the inputs to the outputs; at least two.
    activation : str, default="logistic"
        Of the hidden units; see `mlpcore.engine.activations.ACTIVATIONS`.
    loss : str, default="binary_cross_entropy"
        The loss and with it the output units; see `mlpcore.engine.losses.LOSSES`.
    dtype : {"float32", "float64"}, default="float64"

    Attributes
    ----------
    coefs : list of ndarray, shapes (n_in, n_out)
        Weights of each layer: views of the network's own memory, zero at first. Writing to them
        changes the network.
    intercepts : list of ndarray, shapes (n_out,)
        Biases of each layer, likewise.
    parameters : ndarray, shape (size,)
        The memory itself, padding included.
    """

    def __cinit__(self, n_units, *, activation="logistic", loss="binary_cross_entropy",
                  dtype="float64"):
        self.dtype = np.dtype(dtype)
        self.single = self.dtype == np.float32
        self.n_units = tuple(n_units)
        self.n_layers = <int> len(self.n_units) - 1
        self.loss = LOSSES.index(loss)
        self.layers = <Layer*> calloc(self.n_layers, sizeof(Layer))
        if self.layers is NULL:
            raise MemoryError("no memory for the layers")
        cdef Layer* layer
        cdef Py_ssize_t place = 0, itemsize = self.dtype.itemsize
        cdef Py_ssize_t per_row = _stride(self.n_units[0], itemsize)
        cdef int i, ld_in = <int> per_row
        for i in range(self.n_layers):
            layer = &self.layers[i]
            layer.n_in, layer.n_out = self.n_units[i], self.n_units[i + 1]
            layer.width = _whole_lines(layer.n_out, itemsize)
            layer.ld = _stride(layer.n_out, itemsize)
            layer.ld_in = ld_in
            layer.activation = ACTIVATIONS.index(activation)
            layer.wide = layer.n_in * layer.ld * itemsize > WIDE_BYTES
            layer.w = place
            layer.b = layer.w + <Py_ssize_t> layer.n_in * layer.ld
            place = layer.b + layer.ld
            layer.wt = self.transposed_size
            if i > 0 and not layer.wide:
                self.transposed_size += <Py_ssize_t> layer.n_out * layer.ld_in
            layer.x = self.layers[i - 1].a if i > 0 else 0
            layer.a = per_row
            per_row += layer.ld
            ld_in = layer.ld
        self.forward_width = per_row
        for i in range(self.n_layers - 1):
            self.layers[i].delta = per_row
            per_row += self.layers[i].ld
        # Outputs turn into their errors in place.
        self.layers[self.n_layers - 1].delta = self.layers[self.n_layers - 1].a
        self.full_width = per_row
        self.size = place
        self.parameters = aligned_zeros(place, self.dtype)
        self.theta = <void*> <size_t> self.parameters.__array_interface__["data"][0]
        self.coefs, self.intercepts = self.views(self.parameters)

    def __dealloc__(self):
        free(self.layers)

    def views(self, flat):
        """Weights and biases of each layer in any array laid out as `parameters`.

        Parameters
        ----------
        flat : ndarray, shape (size,)

        Returns
        -------
        coefs, intercepts : list of ndarray
            Views of `flat`, without the padding.
        """
        coefs, intercepts = [], []
        for i in range(self.n_layers):
            w, b, ld = self.layers[i].w, self.layers[i].b, self.layers[i].ld
            n_in, n_out = self.layers[i].n_in, self.layers[i].n_out
            coefs.append(flat[w:b].reshape(n_in, ld)[:, :n_out])
            intercepts.append(flat[b : b + n_out])
        return coefs, intercepts

    def weights_squared(self):
        """Sum of the squares of all weights, biases not counted: a float."""
        cdef double total = 0
        cdef const Layer* layer
        for i in range(self.n_layers):
            layer = &self.layers[i]
            if self.single:
                total += sum_squares[float](<float*> self.theta + layer.w, layer.b - layer.w)
            else:
                total += sum_squares[double](<double*> self.theta + layer.w, layer.b - layer.w)
        return total

    def uses_blas(self):
        """Whether any layer is large enough to go through BLAS."""
        return any(self.layers[i].wide for i in range(self.n_layers))

    def net_inputs(self, Input X, int n_threads=1):
        """Net inputs of the output units.

        Parameters
        ----------
        X : Input
            Rows with as many features as the network has inputs.
        n_threads : int, default=1

        Returns
        -------
        z : ndarray, shape (n_samples, n_outputs)
        """
        if X.rows.n_features != self.n_units[0]:
            raise ValueError(f"the network has {self.n_units[0]} inputs; got {X.rows.n_features}")
        z = np.empty((X.rows.n_rows, self.layers[self.n_layers - 1].n_out), self.dtype)
        blocks = (X.rows.n_rows + BLOCK - 1) // BLOCK
        cdef Team team = Team(max(1, min(n_threads, blocks)))
        with team:
            if self.uses_blas():
                with single_threaded_blas():
                    team.run(lambda thread: self._blocks(X, team, z))
            else:
                team.run(lambda thread: self._blocks(X, team, z))
        return z

    def _blocks(self, Input X, Team team, z):
        """Work through blocks of rows until none is left."""
        ld = self.layers[0].ld
        work = aligned_zeros(min(BLOCK, X.rows.n_rows) * self.forward_width, self.dtype)
        start = aligned_zeros(ld, self.dtype)
        sums = aligned_zeros((self.layers[0].n_in + CHUNK - 1) // CHUNK * ld, self.dtype)
        cursor = np.empty(BLOCK, np.int64)
        if self.single:
            _net_inputs[float](self, X, team, work, start, sums, cursor, z)
        else:
            _net_inputs[double](self, X, team, work, start, sums, cursor, z)


cdef _net_inputs(Network net, Input X, Team team, real_t[::1] work, real_t[::1] start,
                 real_t[::1] sums, int64_t[::1] cursor, real_t[:, ::1] z):
    cdef const Layer* first = net.layers
    cdef const Layer* last = &net.layers[net.n_layers - 1]
    cdef const real_t* theta = <const real_t*> net.theta
    cdef Py_ssize_t row, rows, i, j, capacity = min(BLOCK, X.rows.n_rows)
    with nogil:
        if X.rows.kind == RECORDS and X.rows.background != 0:
            chunk_sums[real_t](first, theta, 0, first.n_in, &sums[0])
        start_of_sums[real_t](first, theta, &X.rows, &sums[0], &start[0])
        while True:
            row = barrier_take(team.barrier) * BLOCK
            if row >= X.rows.n_rows:
                break
            rows = min(BLOCK, X.rows.n_rows - row)
            forward_first[real_t](first, first != last, theta, &X.rows, NULL, row, rows, NULL, 0,
                                  &start[0], &cursor[0], &work[0], capacity, 0)
            for i in range(1, net.n_layers):
                forward(&net.layers[i], i < net.n_layers - 1, theta, &work[0], capacity, 0, rows)
            for i in range(rows):
                for j in range(last.n_out):
                    z[row + i, j] = (&work[0])[capacity * last.a + i * last.ld + j]


cdef void chunk_sums(const Layer* layer, const real_t* theta, Py_ssize_t start, Py_ssize_t stop,
                     real_t* sums) noexcept nogil:
    while start < stop:
        column_sums[real_t](theta + layer.w + start * layer.ld, min(CHUNK, stop - start), layer.ld,
                            sums + start // CHUNK * layer.ld)
        start += CHUNK


cdef void start_of_sums(const Layer* layer, const real_t* theta, const Rows* source,
                        const real_t* sums, real_t* out) noexcept nogil:
    cdef real_t background = <real_t> source.background
    cdef const real_t* b = theta + layer.b
    cdef Py_ssize_t j
    if source.kind == RECORDS and background != 0:
        column_sums[real_t](sums, (layer.n_in + CHUNK - 1) // CHUNK, layer.ld, out)
        for j in range(layer.ld):
            out[j] = b[j] + background * out[j]
    else:
        for j in range(layer.ld):
            out[j] = b[j]


cdef void forward_first(const Layer* layer, bint hidden, const real_t* theta, const Rows* source,
                        const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows,
                        const Py_ssize_t* next, Py_ssize_t n_next, const real_t* start,
                        int64_t* cursor, real_t* work, Py_ssize_t capacity,
                        Py_ssize_t at) noexcept nogil:
    cdef real_t* z = work + capacity * layer.a + at * layer.ld
    cdef Py_ssize_t i
    if source.kind != RECORDS:
        fetch(layer, source, order, first, rows, work, at)
        forward(layer, hidden, theta, work, capacity, at, rows)
        return
    for i in range(rows):
        memcpy(z + i * layer.ld, start, layer.ld * sizeof(real_t))
    records_forward[real_t](source, order, first, rows, next, n_next, theta + layer.w, layer.ld,
                            layer.width, z, cursor)
    if hidden:
        activate(layer.activation, z, rows * layer.ld)


cdef void fetch(const Layer* layer, const Rows* source, const Py_ssize_t* order, Py_ssize_t first,
                Py_ssize_t rows, real_t* work, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(rows):
        fetch_row(source, order[first + i] if order is not NULL else first + i,
                  work + (at + i) * layer.ld_in)


cdef void forward(const Layer* layer, bint hidden, const real_t* theta, real_t* work,
                  Py_ssize_t capacity, Py_ssize_t at, Py_ssize_t rows) noexcept nogil:
    cdef const real_t* x = work + capacity * layer.x + at * layer.ld_in
    cdef const real_t* w = theta + layer.w
    cdef const real_t* b = theta + layer.b
    cdef real_t* z = work + capacity * layer.a + at * layer.ld
    cdef Py_ssize_t i, j
    if layer.wide:
        for i in range(rows):
            for j in range(layer.n_out):
                z[i * layer.ld + j] = b[j]
        gemm[real_t](False, False, <int> rows, layer.n_out, layer.n_in, 1, x, layer.ld_in,
                     w, layer.ld, 1, z, layer.ld)
    else:
        small_gemm[real_t](rows, layer.width, layer.n_in, x, layer.ld_in, 1, w, layer.ld,
                           b, 0, z, layer.ld)
    if hidden:
        activate(layer.activation, z, rows * layer.ld)
