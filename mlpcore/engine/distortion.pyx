"""Random distortions of images; the loops are in simd/distortion.h.

Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to visual
document analysis", ICDAR 2003: affine maps, and elastic displacements by random fields that a
Gaussian has smoothed.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from mlpcore.engine.inputs cimport PACKED, Input, fetch_rows
from mlpcore.engine.memory cimport Arena, address
from mlpcore.engine.team cimport (
    SECONDS_BETWEEN_SIGNALS,
    Team,
    TeamState,
    clock,
    team_stopped,
    team_take,
)
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.team_size import worthwhile

cdef extern from "simd/distortion.h" nogil:
    Py_ssize_t distortion_buffer "mlp_distortion_buffer" (const DistortionRule*)
    Py_ssize_t whole_columns "mlp_whole_columns" (Py_ssize_t)
    void _distort "MLP_FUSED(distort)" (
        const DistortionRule*, uint64_t, uint32_t, int64_t, double, real_t*, real_t*)

PRODUCTS_OF_A_PIXEL = 300

# What the threads need to distort all rows.
cdef struct Job:
    const Images* images
    uint64_t seed
    uint32_t epoch
    bint bytes                # whether results are rounded to bytes
    char* out
    void* buffers             # of each thread: an image, and what its distortion needs
    Py_ssize_t stride         # elements of a thread's buffers
    TeamState* team


cdef class DistortedRows:
    """Rows of images, each of which is distorted as it is read.

    Parameters
    ----------
    rows : Input
        Dense rows, an image in each.
    image_shape : (int, int)
        Height and width of an image.
    background : float
        What is around the lines, as the rows' numbers are read.
    rotation, scale, shear, translation, elastic, smoothness, thickness : float
        As in `mlpcore.Distortion`.

    Attributes
    ----------
    rows : Input
    image_shape : (int, int)

    Raises
    ------
    ValueError
        If the rows are packed, or are not images of this shape.
    """

    def __init__(self, Input rows, image_shape, *, double background, double rotation, double scale,
                 double shear, double translation, double elastic, double smoothness,
                 double thickness):
        cdef DistortionRule* rule = &self.images.rule
        height, width = image_shape
        if rows.rows.kind == PACKED:
            raise ValueError("images must be in dense rows; these are packed")
        if min(height, width) < 1 or height * width != rows.rows.n_features:
            raise ValueError(
                f"image_shape must be (height, width) with height * width = "
                f"{rows.rows.n_features}; got {image_shape}"
            )
        if (height + 3) * whole_columns(width + 3) > np.iinfo(np.intc).max:
            raise ValueError(f"images must have less than 2**31 pixels; got {image_shape}")
        self.rows, self.image_shape, self._arena = rows, (height, width), Arena()
        self.images.rows, self.images.background = rows.rows, background
        rule.rotation, rule.shear = np.radians(rotation), np.radians(shear)
        rule.scale, rule.translation, rule.thickness = scale, translation, thickness
        rule.height, rule.width = height, width
        if elastic > 0:
            self._set_nodes(elastic, smoothness)
        self.images.buffer_size = distortion_buffer(rule)

    def replace(self, Input rows):
        """Distort other rows of the same dtype and width from here on.

        Parameters
        ----------
        rows : Input
            Dense rows.
        """
        if rows.rows.kind == PACKED or (rows.dtype, rows.n_features) != (
                self.rows.dtype, self.rows.n_features):
            raise ValueError(
                f"rows must be dense, with {self.rows.n_features} features as {self.rows.dtype}; "
                f"got {rows.path} ones with {rows.n_features} as {rows.dtype}"
            )
        self.rows = rows
        self.images.rows = rows.rows

    def _set_nodes(self, elastic, smoothness):
        """Weights of the nodes for each row and for each column of an image."""
        cdef DistortionRule* rule = &self.images.rule
        cdef Arena arena = self._arena
        dtype = self.rows.dtype
        first, weights = node_weights(rule.height, smoothness)
        rule.node_rows, rule.band = first.max() + weights.shape[1], weights.shape[1]
        # Numbers from -1 to 1 have a standard deviation of 1 / sqrt(3).
        weights = (weights * (elastic * np.sqrt(3))).astype(dtype)
        rule.row_weights = arena.reserve("row_weights", weights.size, dtype)
        memcpy(<void*> rule.row_weights, address(weights), weights.nbytes)
        rule.first = <const int*> arena.reserve("first", len(first), np.intc)
        memcpy(<void*> rule.first, address(first), first.nbytes)
        first, weights = node_weights(rule.width, smoothness)
        rule.node_columns = first.max() + weights.shape[1]
        padded = whole_columns(rule.width)
        dense = np.zeros((rule.node_columns, padded), dtype)
        for x, (start, column) in enumerate(zip(first, weights)):
            dense[start : start + len(column), x] = column
        rule.column_weights = arena.reserve("column_weights", dense.size, dtype)
        memcpy(<void*> rule.column_weights, address(dense), dense.nbytes)
        step = whole_columns(1)
        last = first[np.minimum(np.arange(step - 1, padded, step), rule.width - 1)]
        ranges = np.column_stack([first[::step], last + weights.shape[1]]).astype(np.intc)
        rule.column_range = <const int*> arena.reserve("column_range", ranges.size, np.intc)
        memcpy(<void*> rule.column_range, address(ranges), ranges.nbytes)

    def distort(self, out, *, uint64_t seed, uint32_t epoch=0, int n_threads=1):
        """Distort all rows.

        Parameters
        ----------
        out : ndarray, shape (n_rows, n_features)
            C-contiguous, of the dtype of the rows' `Input`, or uint8, for which results are
            rounded, and clipped to 0 and 255.
        seed : int
        epoch : int, default=0
        n_threads : int, default=1
            At most.

        Raises
        ------
        ValueError
            If `out` is not as described.
        """
        cdef AllRows all_rows = AllRows()
        cdef Job* job = &all_rows.job
        cdef Team team
        cdef Arena arena = Arena()
        n, d, dtype = self.images.rows.n_rows, self.images.rows.n_features, self.rows.dtype
        if (out.shape != (n, d) or out.dtype not in (dtype, np.uint8)
                or not out.flags.c_contiguous or not out.flags.writeable):
            raise ValueError(
                f"out must be a writeable C-contiguous array of shape {(n, d)} and dtype {dtype} "
                f"or uint8; got {out.dtype} of shape {out.shape}"
            )
        if n == 0:
            return
        blocks = (n + IMAGE_ROW_BLOCK - 1) // IMAGE_ROW_BLOCK
        team = Team(worthwhile(PRODUCTS_OF_A_PIXEL * n * d, min(n_threads, blocks)))
        job.images, job.team, job.seed, job.epoch = &self.images, team.state, seed, epoch
        job.bytes, job.out = out.dtype == np.uint8, <char*> address(out)
        job.stride = whole_columns(d) + whole_columns(self.images.buffer_size)
        job.buffers = arena.reserve("buffers", team.state.capacity * job.stride, dtype)
        all_rows.single = dtype == np.float32
        with team:
            team.execute(team.n_threads, _single_blocks if all_rows.single else _double_blocks,
                         job, all_rows.lead)


cdef class AllRows:
    """The state of distorting all rows, and the work of the calling thread."""
    cdef Job job
    cdef bint single

    def lead(self):
        """Distort rows, and look for signals between blocks."""
        cdef bint more = True
        cdef double deadline
        while more:
            deadline = clock() + SECONDS_BETWEEN_SIGNALS
            with nogil:
                if self.single:
                    more = _some_blocks[float](&self.job, 0, deadline, NULL)
                else:
                    more = _some_blocks[double](&self.job, 0, deadline, NULL)
            PyErr_CheckSignals()


cdef void _single_blocks(void* job, int thread) noexcept nogil:
    _some_blocks[float](<Job*> job, thread, 1e300, NULL)


cdef void _double_blocks(void* job, int thread) noexcept nogil:
    _some_blocks[double](<Job*> job, thread, 1e300, NULL)


cdef bint _some_blocks(Job* job, int thread, double deadline, real_t* tag) noexcept nogil:
    """Distort blocks of rows until the deadline or none is left; returns whether there may be
    more."""
    cdef Py_ssize_t n_rows = job.images.rows.n_rows, d = job.images.rows.n_features, row, stop, i
    cdef real_t* own = <real_t*> job.buffers + thread * job.stride
    cdef real_t* image = own
    while not team_stopped(job.team):
        row = team_take(job.team) * IMAGE_ROW_BLOCK
        if row >= n_rows:
            return False
        stop = min(n_rows, row + IMAGE_ROW_BLOCK)
        while row < stop:
            if not job.bytes:
                image = <real_t*> job.out + row * d
            distort_row[real_t](job.images, job.seed, job.epoch, row, image,
                                own + whole_columns(d))
            if job.bytes:
                for i in range(d):
                    (<uint8_t*> job.out)[row * d + i] = <uint8_t> min(
                        max(image[i] + <real_t> 0.5, <real_t> 0), <real_t> 255)
            row += 1
        if clock() > deadline:
            return True
    return False


cdef void distort_row(const Images* images, uint64_t seed, uint32_t epoch, int64_t row,
                      real_t* image, real_t* buffer) noexcept nogil:
    fetch_rows(&images.rows, NULL, row, 1, image, 0)
    _distort(&images.rule, seed, epoch, row + images.first_row, images.background, image, buffer)


def node_weights(n, smoothness):
    """Weights by which pixels in a line get their displacements from nodes.

    The nodes are one standard deviation of the Gaussian apart, which makes little difference to
    more of them: the covariance of two pixels is that of smoothed white noise to 2e-4 of the
    variance, and the variance is exactly 1 everywhere.

    Parameters
    ----------
    n : int
        Pixels.
    smoothness : float
        The standard deviation of the Gaussian, in pixels.

    Returns
    -------
    first : ndarray of intc, shape (n,)
        The first node that each pixel has a weight for.
    weights : ndarray of float64, shape (n, 2 * NODES_ASIDE + 1)
        Its weights for that node and those that follow, with a sum of squares of 1.
    """
    place = np.arange(n) / smoothness   # among the nodes, of which NODES_ASIDE are in front
    first = np.ceil(place).astype(np.intc)
    distance = first[:, np.newaxis] + np.arange(2 * NODES_ASIDE + 1) - NODES_ASIDE \
        - place[:, np.newaxis]
    weights = np.exp(-distance**2 / 2)
    return first, weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))
