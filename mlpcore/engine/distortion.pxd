"""Random distortions of images; the loops are in simd/distortion.h."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from mlpcore.engine.inputs cimport Input, Rows
from mlpcore.engine.memory cimport Arena
from mlpcore.engine.typedefs cimport real_t

cdef enum:
    # Nodes on each side of a pixel that count for its displacement. They are one standard deviation
    # of the Gaussian apart, and what is left out is 3e-4 of the nearest one's weight.
    NODES_ASIDE = 4
    # Rows of images that one thread distorts at a time, outside of training.
    IMAGE_ROW_BLOCK = 16

# What it takes to distort a pixel, in multiplications of a product.
cdef double PRODUCTS_OF_A_PIXEL

# What is fixed for images of one size; the header explains the fields.
cdef extern from "simd/distortion.h" nogil:
    ctypedef struct DistortionRule "mlp_distortion":
        double rotation, scale, shear, translation, thickness
        Py_ssize_t height, width
        Py_ssize_t node_rows, node_columns, band
        const int* first
        const void* row_weights
        const void* column_weights
        const int* column_range

# Dense rows of images, and how they are distorted as they are read.
cdef struct Images:
    Rows rows
    DistortionRule rule
    double background         # what the rows' own background stands for
    Py_ssize_t buffer_size    # elements of the buffer for one image
    int64_t first_row         # the number of the first row, of which distortions are a function

cdef class DistortedRows:
    cdef Images images
    cdef readonly Input rows
    cdef readonly tuple image_shape
    cdef Arena _arena         # the memory of the rule

# Read and distort one row: a function of seed, epoch and its number, from `images.first_row` on.
# `image` gets n_features elements; `buffer` has `buffer_size` elements.
cdef void distort_row(const Images* images, uint64_t seed, uint32_t epoch, int64_t row,
                      real_t* image, real_t* buffer) noexcept nogil
