"""Dense rows to packed sparse rows: the nonzeros of X - background, row by row (CSR).

In some data most numbers equal one background value (81 % of MNIST's pixels). Only the others are
stored: the index of the feature in 16 bits, and the value less the background. Where there are few
different values, they are dictionary-encoded: a byte for each, and a lookup table of 256 numbers.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy

from mlpcore.engine.blocking cimport PACK_BLOCK, PACK_PADDING
from mlpcore.engine.kernels cimport all_finite
from mlpcore.engine.memory cimport address
from mlpcore.engine.status cimport BUFFER_FULL, NON_FINITE, NOT_IN_TABLE, OK, Status
from mlpcore.engine.team cimport (
    Team,
    team_await_turn,
    team_end_turn,
    team_stop,
    team_take,
)

from mlpcore.engine.team_size import worthwhile


cdef extern from "simd/sparse.h" nogil:
    bint encode "MLP_PICK(encode, f64)" (
        const double*, int64_t, const double*, const uint8_t*, uint64_t, uint8_t*)

# Rows are packed up to this fraction of nonzeros: just below where both paths take equally long
# with 100 hidden units, in the benchmark `density`.
SPARSE_BELOW = 0.36
# Numbers in the sample that the background is found from.
SAMPLE = 4096
# Nonzeros from which it pays to store bytes in place of doubles, where there are few different
# numbers, and numbers in the sample that these are found from. A lookup of a float takes longer
# than to read it.
ENCODED_FROM = 1 << 17
ENCODING_SAMPLE = 50_000
# What it takes to look at a number and to keep it or not, in multiplications of a product.
PRODUCTS_OF_A_NUMBER = 15


cdef class PackedRows:
    """Packed sparse rows.

    Attributes
    ----------
    start : ndarray of int64, shape (n_rows + 1,)
        Nonzeros start[i] to start[i + 1] belong to row i.
    index : ndarray of uint16, shape (n_nonzeros,)
        Their features, ascending in each row.
    value : ndarray of the network's dtype or of uint8, shape (n_nonzeros,)
        X - background there, or its index in the table.
    table : ndarray, shape (256,), or None
    background : float
    density : float
        Fraction of nonzeros.
    """


cdef PackedRows pack(X, dtype, table, lowest, background, bint forced, int n_threads,
                     PackRow pack_row, const void* source):
    """Find the background, and pack the rows if few enough numbers differ from it."""
    X = np.asarray(X)   # NumPy 1 finds no unique values in a numpy.matrix
    from_bytes = X.dtype == np.uint8
    n, d = X.shape
    background, fraction, rows = most_frequent(X, background)
    number = background if table is None else table[int(background) - lowest]
    with np.errstate(over="ignore"):
        if not np.isfinite(np.asarray(number).astype(dtype)):
            return None
    if not forced and fraction < 0.9 - SPARSE_BELOW:
        return None   # far from enough; the sample's error is about 0.01
    max_nonzeros = n * d if forced else int(n * d * SPARSE_BELOW)
    # Arrays have the size that the sample predicts; if that is too small, the largest allowed one.
    likely = int(n * d * (1.03 - fraction))
    cdef Encoding encoding = None
    if from_bytes:
        encoding = Encoding(table - number)
    elif table is None and dtype == "float64" and likely >= ENCODED_FROM:
        encoding = _encoding_of(X[rows[:: max(1, len(rows) * d // ENCODING_SAMPLE)]], background)
    cdef Packing packing = Packing(n, d, dtype, background, from_bytes)
    packing.pack_row, packing.source = pack_row, source
    blocks = (n + packing.rows - 1) // packing.rows
    cdef Team team = Team(worthwhile(<double> n * d * PRODUCTS_OF_A_NUMBER, min(n_threads, blocks)))
    cdef Status status
    capacity = min(likely, max_nonzeros)
    with team:
        while True:
            status = packing.attempt(team, capacity, encoding)
            if status == OK:
                break
            if status == NOT_IN_TABLE:   # a number that the sample did not contain
                encoding = None
            elif status == BUFFER_FULL and capacity < max_nonzeros:
                capacity = max_nonzeros
            else:
                return None
    return packing.packed(number)


def most_frequent(X, background=None):
    """The background of some rows: the most frequent number of an even sample.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_features)
    background : scalar, optional
        One that is given, of which only the fraction is found.

    Returns
    -------
    background : scalar of X's dtype
    fraction : float
        How many of the sample it is.
    rows : ndarray of intp
        The sampled rows; of each there is one number.
    """
    n, d = X.shape
    # In steps that share no pattern with the rows.
    rows = np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.intp)
    columns = np.arange(len(rows)) * 7919 % d
    if background is not None:
        background = X.dtype.type(background)
        return background, np.mean(X[rows, columns] == background), rows
    values, counts = np.unique(X[rows, columns], return_counts=True)
    return values[counts.argmax()], counts.max() / len(rows), rows


cdef class Packing:
    """The state of packing all rows of a source."""
    cdef PackRow pack_row
    cdef const void* source
    cdef Py_ssize_t n, d, rows             # rows: in a block
    cdef double background
    cdef bint single, from_bytes
    cdef object dtype, start, index, value
    cdef Encoding encoding
    cdef Status status

    def __init__(self, n, d, dtype, background, from_bytes):
        self.n, self.d, self.rows = n, d, max(1, PACK_BLOCK // d)
        self.dtype, self.single = np.dtype(np.uint8 if from_bytes else dtype), dtype == "float32"
        self.background, self.from_bytes = background, from_bytes

    cdef Status attempt(self, Team team, capacity, Encoding encoding) except *:
        """Pack all rows into arrays for that many nonzeros; returns why it failed, or OK."""
        self.start = np.zeros(self.n + 1, np.int64)
        self.index = np.empty(capacity, np.uint16)
        self.value = np.empty(capacity, self.dtype if encoding is None else np.uint8)
        self.encoding, self.status = encoding, OK
        team.run(lambda thread: self._pack_blocks(team))
        return self.status

    cdef PackedRows packed(self, double background):
        """The result of the last attempt; `background` is the number that the network reads."""
        cdef PackedRows packed = PackedRows()
        found = self.start[self.n]
        self.index.resize(found, refcheck=False)
        self.value.resize(found, refcheck=False)
        packed.start, packed.index, packed.value = self.start, self.index, self.value
        if self.encoding is not None:
            dtype = np.float32 if self.single else np.float64
            packed.table = self.encoding.table.astype(dtype, copy=False)
        packed.background = background
        packed.density = found / (self.n * self.d)
        return packed

    def _pack_blocks(self, Team team):
        """Pack blocks of rows until none is left, each into a buffer of this thread first: the
        offset of a block in the result is known only when those before it have been counted."""
        cdef Encoding encoding = self.encoding
        cdef bint encodes = encoding is not None and not self.from_bytes
        cdef Py_ssize_t block_size = self.rows * self.d, itemsize = self.value.itemsize
        cdef int64_t[::1] start = self.start
        cdef int64_t capacity = len(self.index), offset, found
        own_indices = np.empty(block_size + PACK_PADDING, np.uint16)
        own_values = np.empty(block_size + PACK_PADDING, self.dtype)
        own_codes = np.empty(block_size if encodes else 0, np.uint8)
        cdef uint16_t* indices = <uint16_t*> address(self.index)
        cdef char* values = <char*> address(self.value)
        cdef uint16_t* own_index = <uint16_t*> address(own_indices)
        cdef char* own_value = <char*> address(own_values)
        cdef uint8_t* own_code = <uint8_t*> address(own_codes)
        cdef Status status
        cdef Py_ssize_t first, i, stop
        cdef long block
        with nogil:
            while True:
                block = team_take(team.state)
                first, stop = block * self.rows, min(self.n, (block + 1) * self.rows)
                if first >= self.n:
                    break
                found = self._pack_some(first, stop, start, own_index, own_value)
                status = OK
                if encodes:
                    status = encoding.encode(<const double*> own_value, found, own_code)
                if team_await_turn(team.state, block):
                    break
                offset = start[first]
                if offset + found > capacity:
                    status = BUFFER_FULL
                elif not self.from_bytes and not _finite(self.single, own_value, found):
                    status = NON_FINITE
                if status != OK:
                    self.status = status   # later blocks stop before they set theirs
                    team_stop(team.state)
                    break
                for i in range(first, stop):
                    start[i + 1] += offset
                team_end_turn(team.state)
                memcpy(indices + offset, own_index, found * sizeof(uint16_t))
                memcpy(values + offset * itemsize, own_code if encodes else <uint8_t*> own_value,
                       found * itemsize)

    cdef int64_t _pack_some(self, Py_ssize_t first, Py_ssize_t stop, int64_t[::1] start,
                            uint16_t* index, char* value) noexcept nogil:
        """Pack rows [first, stop), write to `start` where each ends, and return how many nonzeros
        there are."""
        cdef Py_ssize_t itemsize = 1 if self.from_bytes else 4 if self.single else 8
        cdef int64_t found = 0
        cdef Py_ssize_t i
        for i in range(first, stop):
            found += self.pack_row(self.source, i, self.background, self.single, index + found,
                                   value + found * itemsize)
            start[i + 1] = found
        return found


cdef class Encoding:
    """A dictionary encoding: a byte for each of at most 256 numbers.

    Parameters
    ----------
    table : ndarray of float64, shape (256,)
        The numbers.
    """
    cdef object table
    cdef const double* numbers
    cdef const uint8_t[::1] slots
    cdef uint64_t factor

    def __init__(self, table):
        self.table = table
        self.numbers = <const double*> address(table)

    def find_slots(self, Py_ssize_t n):
        """Look for a factor that hashes each of the first n numbers to another slot."""
        bits = self.table[:n].view(np.uint64)
        rng = np.random.default_rng(0)
        for _ in range(64):
            # Through int: NumPy 1 makes a float of such a number times 2.
            factor = np.uint64(2 * int(rng.integers(2**63, dtype=np.uint64)) + 1)
            slots = (bits * factor) >> np.uint64(48)
            if len(np.unique(slots)) == n:
                self.factor = factor
                taken = np.zeros(2**16, np.uint8)
                taken[slots.astype(np.intp)] = np.arange(n)
                self.slots = taken
                return True
        return False

    cdef Status encode(self, const double* value, int64_t n, uint8_t* code) noexcept nogil:
        """Write the indices of n numbers in the table to `code`."""
        if encode(value, n, self.numbers, &self.slots[0], self.factor, code):
            return OK
        return NOT_IN_TABLE


cdef bint _finite(bint single, const char* values, int64_t n) noexcept nogil:
    if single:
        return all_finite[float](<const float*> values, n)
    return all_finite[double](<const double*> values, n)


cdef Encoding _encoding_of(sample, background):
    """An encoding for the nonzeros of such rows; None if there are too many different numbers."""
    with np.errstate(invalid="ignore"):
        numbers = np.unique(np.unique(sample).astype(np.float64) - np.float64(background))
    if len(numbers) > 256:
        return None
    table = np.zeros(256)
    table[: len(numbers)] = numbers
    encoding = Encoding(table)
    return encoding if encoding.find_slots(len(numbers)) else None
