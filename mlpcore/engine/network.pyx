"""A network: its layers, its parameters in one block of memory, and the way forward."""

import contextlib
import threading

import numpy as np

from cython cimport critical_section

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport int64_t, uint16_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from mlpcore.engine.activations cimport activate, activate_keeping
from mlpcore.engine.blas cimport gemm
from mlpcore.engine.inputs cimport (
    CHUNK,
    FLOAT32,
    FLOAT64,
    RECORDS,
    UINT8,
    Input,
    Rows,
    fetch_row,
    pack_block,
    records_forward,
)
from mlpcore.engine.kernels cimport all_finite, argmax, column_sums, small_gemm, sum_squares
from mlpcore.engine.losses cimport loss_of, output as to_outputs
from mlpcore.engine.packing cimport MOST_FEATURES, PACK_PADDING
from mlpcore.engine.team cimport Team, barrier_stop, barrier_stopped, barrier_take
from mlpcore.engine.typedefs cimport LINE, real_t

from mlpcore.engine.activations import ACTIVATIONS
from mlpcore.engine.kernels import place_of
from mlpcore.engine.team import single_threaded_blas

# A layer goes through BLAS from here on: its weights no longer stay in a core's second-level cache,
# and BLAS's own packing pays.
cdef Py_ssize_t WIDE_BYTES = 1 << 20

# Padding included, sizes are C ints.
MOST_UNITS = 2**31 - 2**12

# What is wanted of rows that go forward.
cdef enum:
    NET_INPUTS
    OUTPUTS
    CLASSES

# A thread more must bring this many multiplications to a prediction, or starting it costs more.
cdef double WORTH_A_THREAD = 5_000_000


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
    activation : str or sequence of str, default="logistic"
        Of the hidden units, or of those of each hidden layer; see
        `mlpcore.engine.activations.ACTIVATIONS`.
    loss : str, default="binary_cross_entropy"
        See `mlpcore.engine.losses.LOSSES`. Losses of numbers, such as the squared error, are the
        mean over the outputs; their gradient is that of the sum all the same, as in scikit-learn.
    output : str, optional
        The output units, one of `mlpcore.engine.activations.OUTPUTS`; those that belong to the loss
        if not given.
    loss_parameter : float, optional
        Of losses that have one; see `mlpcore.engine.losses.PARAMETERS`.
    loss_clip : bool, default=False
        Report the cross-entropies of probabilities that are clipped to [eps, 1 - eps], as
        scikit-learn does, and not their exact values. The gradient is that of the exact one.
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
    background : float or None
        See there.
    """

    def __cinit__(self, n_units, *, activation="logistic", loss="binary_cross_entropy",
                  output=None, loss_parameter=None, bint loss_clip=False, dtype="float64"):
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64; got {self.dtype}")
        self.single = self.dtype == np.float32
        self.n_units = tuple(n_units)
        if len(self.n_units) < 2 or not all(1 <= n <= MOST_UNITS for n in self.n_units):
            raise ValueError(
                f"n_units must be two numbers or more, from 1 to {MOST_UNITS}; got {self.n_units}"
            )
        self.n_layers = <int> len(self.n_units) - 1
        self.loss = loss_of(loss, output, loss_parameter, loss_clip)
        if isinstance(activation, str):
            place_of(activation, ACTIVATIONS, "activation")
            activation = (activation,) * (self.n_layers - 1)
        if len(activation) != self.n_layers - 1:
            raise ValueError(
                f"activation must be one name, or one for each of the {self.n_layers - 1} hidden "
                f"layers; got {len(activation)}"
            )
        total = sum((n_in + 1) * _stride(n_out, self.dtype.itemsize)
                    for n_in, n_out in zip(self.n_units, self.n_units[1:]))
        if total * self.dtype.itemsize > np.iinfo(np.intp).max:
            raise ValueError(f"n_units must leave the weights room in memory; got {self.n_units}")
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
            layer.hidden = i < self.n_layers - 1
            if layer.hidden:
                layer.activation = place_of(activation[i], ACTIVATIONS, "activation")
            layer.wide = layer.n_in * layer.ld * itemsize > WIDE_BYTES
            layer.w = place
            layer.b = layer.w + <Py_ssize_t> layer.n_in * layer.ld
            place = layer.b + layer.ld
            layer.wt = self.transposed_size
            if i > 0 and not layer.wide:
                self.transposed_size += <Py_ssize_t> layer.n_out * layer.ld_in
            layer.tile = self.n_tiles
            self.n_tiles += (layer.n_in + TILE - 1) // TILE
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
        self._lock = threading.Lock()

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

    @property
    def background(self):
        """The number that most features are, which prediction then skips; None for none.

        Setting it also tells a network that its parameters have been written to from outside.
        """
        return self._background

    @background.setter
    def background(self, number):
        with critical_section(self):
            self._background = number
            self.one = None

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

    def check(self, Input X):
        """Raise ValueError unless the network can read these rows."""
        if X.rows.n_features != self.layers[0].n_in or X.dtype != self.dtype:
            raise ValueError(
                f"the network reads {self.layers[0].n_in} features as {self.dtype}; got rows of "
                f"{X.rows.n_features} for {X.dtype}"
            )

    def net_inputs(self, Input X, int n_threads=1):
        """Net inputs of the output units.

        A row's result does not depend on the rows beside it; in a network that `uses_blas`, its
        rounding may depend on how many there are.

        Parameters
        ----------
        X : Input
            Rows with as many features as the network has inputs.
        n_threads : int, default=1
            At most; few rows get fewer.

        Returns
        -------
        z : ndarray, shape (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If dense rows hold NaN, infinity or what the network's dtype can't.
        """
        return self._forward(X, n_threads, NET_INPUTS)

    def outputs(self, Input X, int n_threads=1):
        """Outputs: the same net inputs through the output units' activation.

        Parameters
        ----------
        X : Input
        n_threads : int, default=1
            As in `net_inputs`.

        Returns
        -------
        a : ndarray, shape (n_samples, n_outputs)
        """
        return self._forward(X, n_threads, OUTPUTS)

    def classes(self, Input X, int n_threads=1):
        """Class of each row: that of the output unit with the largest net input.

        Parameters
        ----------
        X : Input
        n_threads : int, default=1
            As in `net_inputs`.

        Returns
        -------
        index : ndarray of intp, shape (n_samples,)
            Of equal net inputs, that of the first.
        """
        return self._forward(X, n_threads, CLASSES)

    def _forward(self, Input X, int n_threads, int wanted):
        self.check(X)
        z = index = None
        if wanted == CLASSES:
            index = np.empty(X.rows.n_rows, np.intp)
        else:
            z = np.empty((X.rows.n_rows, self.layers[self.n_layers - 1].n_out), self.dtype)
        cdef Py_ssize_t blocks = (X.rows.n_rows + BLOCK - 1) // BLOCK
        worth = X.rows.n_rows * <double> self.size / WORTH_A_THREAD
        cdef Team team = Team(max(1, min(n_threads, blocks, int(worth))))
        hold = single_threaded_blas if self.uses_blas() else contextlib.nullcontext
        with team, hold():
            team.run(lambda thread: self._blocks(X, team, wanted, z, index))
        if barrier_stopped(team.barrier):
            raise ValueError(f"X must be finite as {self.dtype}")
        return index if wanted == CLASSES else z

    def _blocks(self, Input X, Team team, int wanted, z, index):
        """Work through blocks of rows until none is left."""
        cdef Room room = Room(self, min(BLOCK, X.rows.n_rows))
        if self.single:
            _net_inputs[float](self, X, team, room, wanted, z, index)
        else:
            _net_inputs[double](self, X, team, room, wanted, z, index)

    def classify(self, x):
        """Class of one row, the quick way.

        Parameters
        ----------
        x : ndarray of the network's dtype, shape (1, n_features), elements of the row adjacent

        Returns
        -------
        index : int
            That of the output unit with the largest net input, or -1 where `x` is not as described
            or not finite: then the long way tells why.
        """
        return self._one_row(x, NULL)

    def row_outputs(self, x):
        """Outputs for one row, the quick way.

        Parameters
        ----------
        x : ndarray
            As in `classify`.

        Returns
        -------
        a : ndarray, shape (1, n_outputs), or None
            As in `outputs`, and None where `classify` returns -1.
        """
        a = np.empty((1, self.layers[self.n_layers - 1].n_out), self.dtype)
        cdef size_t place = a.__array_interface__["data"][0]
        return a if self._one_row(x, <void*> place) >= 0 else None

    cdef int _one_row(self, x, void* outputs) except -2:
        """The class of one row, or -1; its outputs go where there is a place for them."""
        cdef Py_buffer view
        cdef int index = -1
        cdef Room room
        try:
            PyObject_GetBuffer(x, &view, PyBUF_STRIDES | PyBUF_FORMAT)
        except (BufferError, TypeError, ValueError):  # NumPy lends out no dates
            return -1
        # One caller at a time has the buffers; another one takes the long way.
        if (self._lock.acquire(False)):
            try:
                # Another thread may be setting it to None.
                with critical_section(self):
                    room = self.one
                    if room is None:
                        room = self.one = Room(self, 1)
                if (view.ndim == 2 and view.shape[0] == 1
                        and view.shape[1] == self.layers[0].n_in
                        and view.strides[1] == view.itemsize
                        and view.format[0] == (c"f" if self.single else c"d")
                        and view.format[1] == 0):
                    if self.single:
                        index = _classify[float](self, <float*> view.buf, room, <float*> outputs)
                    else:
                        index = _classify[double](self, <double*> view.buf, room,
                                                  <double*> outputs)
            finally:
                self._lock.release()
        PyBuffer_Release(&view)
        return index


cdef class Room:
    """Buffers for a few rows on their way forward.

    Parameters
    ----------
    network : Network
    rows : int
        How many go at a time.
    """

    def __init__(self, Network network, rows):
        cdef const Layer* first = network.layers
        dtype = network.dtype
        self.capacity = rows
        self.skips = network.background is not None and first.n_in <= MOST_FEATURES
        self.background = network.background if self.skips else 0.0
        entries = rows * first.n_in + PACK_PADDING if self.skips else 0
        chunks = (first.n_in + CHUNK - 1) // CHUNK
        self._arrays = (
            aligned_zeros(rows * network.forward_width, dtype),
            aligned_zeros(first.ld, dtype),
            aligned_zeros(chunks * first.ld, dtype),
            aligned_zeros(rows, np.int64),
            aligned_zeros(rows + 1, np.int64),
            aligned_zeros(entries, np.uint16),
            aligned_zeros(entries, dtype),
            aligned_zeros(first.ld_in, dtype),
        )
        cdef list places = [array.__array_interface__["data"][0] for array in self._arrays]
        self.work, self.start = <void*> <size_t> places[0], <void*> <size_t> places[1]
        self.sums, self.cursor = <void*> <size_t> places[2], <int64_t*> <size_t> places[3]
        self.block.start, self.block.index = <int64_t*> <size_t> places[4], \
            <uint16_t*> <size_t> places[5]
        self.block.value, self.block.row = <void*> <size_t> places[6], <void*> <size_t> places[7]
        self.ready = False


cdef void _rows_forward(const Layer* layers, int n_layers, const real_t* theta, const Rows* source,
                        Py_ssize_t row, Py_ssize_t rows, Room room) noexcept nogil:
    """Some rows through all layers, in a room of one's own."""
    cdef Rows packed
    cdef real_t* work = <real_t*> room.work
    cdef real_t* start = <real_t*> room.start
    cdef int i
    if not room.ready:
        packed = source[0]
        if room.skips:
            packed.kind, packed.background = RECORDS, room.background
        if packed.kind == RECORDS and packed.background != 0:
            chunk_sums[real_t](layers, theta, 0, layers.n_in, <real_t*> room.sums)
        start_of_sums[real_t](layers, theta, &packed, <real_t*> room.sums, start)
        # Biases alone are copied each time: somebody may have written to them.
        room.ready = packed.kind == RECORDS and packed.background != 0
    if room.skips and source.kind != RECORDS:
        pack_block[real_t](source, row, rows, <real_t> room.background, &room.block, &packed)
        forward_first[real_t](layers, theta, &packed, NULL, 0, rows, NULL, 0, start,
                              room.cursor, work, room.capacity, 0)
    else:
        forward_first[real_t](layers, theta, source, NULL, row, rows, NULL, 0, start,
                              room.cursor, work, room.capacity, 0)
    for i in range(1, n_layers):
        forward(&layers[i], theta, work, room.capacity, 0, rows)


cdef bint _finite(const Layer* first, const Rows* source, Py_ssize_t rows, Room room,
                  real_t* tag=NULL) noexcept nogil:
    """Whether the rows that have just gone forward were finite, while they are in the cache. Of
    records and bytes that is known."""
    if source.kind == RECORDS or source.kind == UINT8:
        return True
    if room.skips:
        return all_finite[real_t](<const real_t*> room.block.value, room.block.start[rows])
    return all_finite[real_t](<const real_t*> room.work + room.capacity * first.x,
                              rows * first.ld_in)


cdef _net_inputs(Network net, Input X, Team team, Room room, int wanted, real_t[:, ::1] z,
                 Py_ssize_t[::1] index):
    cdef const Layer* last = &net.layers[net.n_layers - 1]
    cdef const real_t* theta = <const real_t*> net.theta
    cdef real_t* out = <real_t*> room.work + room.capacity * last.a
    cdef Py_ssize_t row, rows, i
    with nogil:
        while not barrier_stopped(team.barrier):
            row = barrier_take(team.barrier) * BLOCK
            if row >= X.rows.n_rows:
                break
            rows = min(BLOCK, X.rows.n_rows - row)
            _rows_forward[real_t](net.layers, net.n_layers, theta, &X.rows, row, rows, room)
            if not _finite[real_t](net.layers, &X.rows, rows, room):
                barrier_stop(team.barrier)
                break
            for i in range(rows):
                if wanted == CLASSES:
                    index[row + i] = argmax[real_t](out + i * last.ld, last.n_out)
                    continue
                if wanted == OUTPUTS:
                    to_outputs[real_t](&net.loss, out + i * last.ld, last.n_out, last.width)
                memcpy(&z[row + i, 0], out + i * last.ld, last.n_out * sizeof(real_t))


cdef int _classify(Network net, real_t* x, Room room, real_t* outputs) noexcept:
    cdef const Layer* last = &net.layers[net.n_layers - 1]
    cdef real_t* z = <real_t*> room.work + room.capacity * last.a
    cdef Rows source
    source.kind = FLOAT32 if real_t is float else FLOAT64
    source.n_rows, source.n_features = 1, net.layers.n_in
    source.data, source.row_bytes = <const char*> x, 0
    source.background = 0
    _rows_forward[real_t](net.layers, net.n_layers, <const real_t*> net.theta, &source, 0, 1, room)
    if not _finite[real_t](net.layers, &source, 1, room):
        return -1
    cdef int index = argmax[real_t](z, last.n_out)
    if outputs is not NULL:
        to_outputs[real_t](&net.loss, z, last.n_out, last.width)
        memcpy(outputs, z, last.n_out * sizeof(real_t))
    return index


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


cdef void forward_first(const Layer* layer, const real_t* theta, const Rows* source,
                        const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows,
                        const Py_ssize_t* next, Py_ssize_t n_next, const real_t* start,
                        int64_t* cursor, real_t* work, Py_ssize_t capacity,
                        Py_ssize_t at) noexcept nogil:
    cdef real_t* z = work + capacity * layer.a + at * layer.ld
    cdef Py_ssize_t i
    if source.kind != RECORDS:
        fetch(layer, source, order, first, rows, work, at)
        forward(layer, theta, work, capacity, at, rows)
        return
    for i in range(rows):
        memcpy(z + i * layer.ld, start, layer.ld * sizeof(real_t))
    records_forward[real_t](source, order, first, rows, next, n_next, 0, layer.n_in,
                            theta + layer.w, layer.ld, layer.width, z, cursor)
    activate_units(layer, work, capacity, at * layer.ld, rows * layer.ld)


cdef void activate_units(const Layer* layer, real_t* work, Py_ssize_t capacity, Py_ssize_t place,
                         Py_ssize_t n) noexcept nogil:
    cdef real_t* z = work + capacity * layer.a + place
    if layer.slope:
        activate_keeping(layer.activation, z, work + capacity * layer.slope + place, n)
    elif layer.hidden:
        activate(layer.activation, z, n)


cdef void fetch(const Layer* layer, const Rows* source, const Py_ssize_t* order, Py_ssize_t first,
                Py_ssize_t rows, real_t* work, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(rows):
        fetch_row(source, order[first + i] if order is not NULL else first + i,
                  work + (at + i) * layer.ld_in)


cdef void forward(const Layer* layer, const real_t* theta, real_t* work,
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
    activate_units(layer, work, capacity, at * layer.ld, rows * layer.ld)
