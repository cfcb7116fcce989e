/* Random distortions of images: thickness of the lines, an affine map, and elastic displacements
 * (Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to visual
 * document analysis", ICDAR 2003).
 *
 * A pixel of the result is the bilinear interpolation of the image at the place that the inverse of
 * the affine map gives, plus its displacement. Displacements are random numbers on a coarse grid of
 * nodes, summed with Gaussian weights: first along the width and then along the height.
 *
 * Everything is computed with the background subtracted, so that a pixel which the lines do not reach
 * is exactly the background. */
#ifndef MLP_TYPE

#include "philox.h"

/* Columns that are computed together, and that rows of the buffers are padded to. */
enum { MLP_COLUMNS = 16 };

/* What is fixed for images of one size. Angles are in radians, lengths in pixels. */
typedef struct {
    double rotation, scale, shear, translation, thickness;
    ptrdiff_t height, width;
    /* Nodes of the displacements: rows, columns (both 0 for no displacement); and for a row of the
     * image how many rows of nodes have a weight, `band` of them from `first` on. */
    ptrdiff_t node_rows, node_columns, band;
    const int *first;
    const void *row_weights;    /* (height, band) */
    const void *column_weights; /* (node_columns, width in whole MLP_COLUMNS) */
    const int *column_range;    /* first node, and that after the last, for each MLP_COLUMNS */
} mlp_distortion;

static inline ptrdiff_t mlp_whole_columns(ptrdiff_t n) {
    return (n + MLP_COLUMNS - 1) / MLP_COLUMNS * MLP_COLUMNS;
}
/* Rows of the image get a border of background: one pixel in front and two behind. */
static inline ptrdiff_t mlp_bordered_size(const mlp_distortion *d) {
    return (d->height + 3) * mlp_whole_columns(d->width + 3);
}
static inline ptrdiff_t mlp_noise_blocks(const mlp_distortion *d) {
    return mlp_whole_columns((d->node_rows * d->node_columns + 1) / 2);
}
/* Elements of the buffer that the distortion of an image needs. */
__attribute__((unused)) static ptrdiff_t mlp_distortion_buffer(const mlp_distortion *d) {
    return 2 * mlp_bordered_size(d) + 4 * mlp_noise_blocks(d) +
           2 * d->node_rows * mlp_whole_columns(d->width);
}

#define MLP_BODY "distortion.h"
#include "each.h"
#undef MLP_BODY

#else

/* 4 * blocks numbers from -1 to 1, from the counters (first, row, ...) and on: the words number 0
 * of all counters, then the words number 1, and so on. `blocks` is a multiple of MLP_COLUMNS. */
MLP_INLINE void MLP_NAME(noise)(uint32_t first, ptrdiff_t blocks, int64_t row, uint32_t epoch,
                                uint64_t seed, REAL *restrict out) {
    for (ptrdiff_t from = 0; from < blocks; from += MLP_COLUMNS) {
        uint32_t word[4 * MLP_COLUMNS];
        for (int j = 0; j < MLP_COLUMNS; j++)
            MLP_NAME(philox)(first + (uint32_t)from + (uint32_t)j, (uint32_t)row, epoch,
                             MLP_LAYER(MLP_DISTORTION_LAYER, row), seed, word + j, MLP_COLUMNS);
        for (int w = 0; w < 4; w++)
            for (int j = 0; j < MLP_COLUMNS; j++)
                out[w * blocks + from + j] =
                    (REAL)(int32_t)word[w * MLP_COLUMNS + j] * (REAL)0x1p-31;
    }
}

/* out (node_rows, whole columns of the width) = noise (node_rows, node_columns) @ column weights */
MLP_INLINE void MLP_NAME(spread_along_width)(const mlp_distortion *d, const REAL *restrict noise,
                                             REAL *restrict out) {
    const ptrdiff_t ld = mlp_whole_columns(d->width);
    for (ptrdiff_t i = 0; i < d->node_rows; i++)
        for (ptrdiff_t x = 0; x < ld; x += MLP_COLUMNS) {
            const int *range = d->column_range + x / MLP_COLUMNS * 2;
            const REAL *weights = (const REAL *)d->column_weights + x;
            REAL sum[MLP_COLUMNS] = {0};
            for (int k = range[0]; k < range[1]; k++)
                for (int j = 0; j < MLP_COLUMNS; j++)
                    sum[j] += noise[i * d->node_columns + k] * weights[k * ld + j];
            for (int j = 0; j < MLP_COLUMNS; j++) out[i * ld + x + j] = sum[j];
        }
}

/* The larger of two numbers, or the smaller one. */
MLP_INLINE REAL MLP_NAME(extreme)(const int largest, REAL a, REAL b) {
    return largest ? (a > b ? a : b) : (a < b ? a : b);
}

/* Move each pixel by a fraction of the way to the largest (or smallest) one among its 3 x 3
 * neighbours: first along the width, into `other`, then along the height. */
MLP_INLINE void MLP_NAME(move_to_extreme)(const int largest, REAL fraction, ptrdiff_t height,
                                          ptrdiff_t ld, REAL *restrict image,
                                          REAL *restrict other) {
    for (ptrdiff_t i = ld + 1; i < (height + 1) * ld - 1; i++)
        other[i] = MLP_NAME(extreme)(largest, image[i],
                                     MLP_NAME(extreme)(largest, image[i - 1], image[i + 1]));
    for (ptrdiff_t i = ld + 1; i < (height + 1) * ld - 1; i++) {
        const REAL end = MLP_NAME(extreme)(
            largest, other[i], MLP_NAME(extreme)(largest, other[i - ld], other[i + ld]));
        image[i] += fraction * (end - image[i]);
    }
}

/* Make the lines of a bordered image thicker by so many pixels, or thinner. */
MLP_INLINE void MLP_NAME(thicken)(const mlp_distortion *d, double pixels, REAL *image,
                                  REAL *other) {
    const ptrdiff_t ld = mlp_whole_columns(d->width + 3), n = mlp_bordered_size(d);
    REAL sums[MLP_COLUMNS] = {0};
    double sum = 0;
    for (ptrdiff_t i = 0; i < n; i += MLP_COLUMNS)
        for (int j = 0; j < MLP_COLUMNS; j++) sums[j] += image[i + j];
    for (int j = 0; j < MLP_COLUMNS; j++) sum += sums[j];
    /* Lines are lighter or darker than the background. */
    const int largest = (pixels > 0) == (sum > 0);
    memset(other, 0, (size_t)n * sizeof *other);
    /* Each of the two sides of a line moves by half of it. */
    for (double rest = fabs(pixels) / 2; rest > 0; rest -= 1) {
        const REAL fraction = rest < 1 ? (REAL)rest : 1;
        if (largest)
            MLP_NAME(move_to_extreme)(1, fraction, d->height, ld, image, other);
        else
            MLP_NAME(move_to_extreme)(0, fraction, d->height, ld, image, other);
        /* What has moved into the border beside the image stays out of sight. */
        for (ptrdiff_t y = 1; y <= d->height; y++) {
            image[y * ld] = 0;
            for (ptrdiff_t x = d->width + 1; x < ld; x++) image[y * ld + x] = 0;
        }
    }
}

/* The inverse of the affine map: (x, y) in the image at (u, v) in the result is
 * (a[0] u + a[1] v + a[2], a[3] u + a[4] v + a[5]). It turns about the middle of the image. */
MLP_INLINE void MLP_NAME(inverse_map)(const mlp_distortion *d, const REAL *uniform, double *a) {
    const double angle = d->rotation * uniform[0], slant = tan(d->shear * uniform[3]);
    const double wide = 1 / (1 + d->scale * uniform[1]), high = 1 / (1 + d->scale * uniform[2]);
    const double cosine = cos(angle), sine = sin(angle);
    const double x = (double)(d->width - 1) / 2, y = (double)(d->height - 1) / 2;
    const double u = x + d->translation * uniform[4], v = y + d->translation * uniform[5];
    a[0] = (cosine + slant * sine) * wide;
    a[1] = (sine - slant * cosine) * wide;
    a[3] = -sine * high;
    a[4] = cosine * high;
    a[2] = x - (a[0] * u + a[1] * v);
    a[5] = y - (a[3] * u + a[4] * v);
}

/* MLP_COLUMNS displacements of one row of the image, from column x on. */
MLP_INLINE void MLP_NAME(displacements)(const mlp_distortion *d, const REAL *restrict spread,
                                        ptrdiff_t x, ptrdiff_t y, REAL *restrict out) {
    const ptrdiff_t ld = mlp_whole_columns(d->width);
    const REAL *weights = (const REAL *)d->row_weights + y * d->band;
    REAL sum[MLP_COLUMNS] = {0};
    for (ptrdiff_t k = 0; k < d->band; k++)
        for (int j = 0; j < MLP_COLUMNS; j++)
            sum[j] += weights[k] * spread[(d->first[y] + k) * ld + x + j];
    for (int j = 0; j < MLP_COLUMNS; j++) out[j] = sum[j];
}

MLP_INLINE REAL MLP_NAME(between)(REAL x, REAL low, REAL high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* A bordered image at MLP_COLUMNS places. Beyond the border there is nothing but background.
 *
 * Loops of one kind each: compilers vectorise those of arithmetic, and loads one by one take no
 * longer than a gather instruction. */
MLP_INLINE void MLP_NAME(interpolate)(const REAL *restrict image, int ld, REAL last_x, REAL last_y,
                                      const REAL *restrict x, const REAL *restrict y,
                                      REAL *restrict out) {
    REAL right[MLP_COLUMNS], down[MLP_COLUMNS];
    REAL corner[4][MLP_COLUMNS];
    int place[MLP_COLUMNS];
    for (int j = 0; j < MLP_COLUMNS; j++) {
        const REAL inside_x = MLP_NAME(between)(x[j], 0, last_x);
        const REAL inside_y = MLP_NAME(between)(y[j], 0, last_y);
        const int column = (int)inside_x, row = (int)inside_y;
        place[j] = row * ld + column;
        right[j] = inside_x - (REAL)column;
        down[j] = inside_y - (REAL)row;
    }
    for (int j = 0; j < MLP_COLUMNS; j++) {
        const REAL *p = image + place[j];
        corner[0][j] = p[0], corner[1][j] = p[1], corner[2][j] = p[ld], corner[3][j] = p[ld + 1];
    }
    for (int j = 0; j < MLP_COLUMNS; j++) {
        const REAL above = corner[0][j] + right[j] * (corner[1][j] - corner[0][j]);
        const REAL below = corner[2][j] + right[j] * (corner[3][j] - corner[2][j]);
        out[j] = above + down[j] * (below - above);
    }
}

/* Distort one image of height * width numbers in place: a function of it, its row, the epoch and
 * the seed. */
MLP_KERNEL void MLP_NAME(distort)(const mlp_distortion *d, uint64_t seed, uint32_t epoch,
                                  int64_t row, double background, REAL *image, REAL *buffer) {
    const ptrdiff_t height = d->height, width = d->width, ld = mlp_whole_columns(width + 3);
    const ptrdiff_t blocks = mlp_noise_blocks(d);
    REAL *const bordered = buffer, *const other = bordered + mlp_bordered_size(d);
    REAL *const noise = other + mlp_bordered_size(d), *const across = noise + 4 * blocks;
    REAL *const along = across + d->node_rows * mlp_whole_columns(width);
    const REAL ground = (REAL)background;
    REAL uniform[8];
    double a[6];

    memset(bordered, 0, (size_t)mlp_bordered_size(d) * sizeof *bordered);
    for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t x = 0; x < width; x++)
            bordered[(y + 1) * ld + x + 1] = image[y * width + x] - ground;
    /* The first two counters are for the image as a whole. */
    for (int block = 0; block < 2; block++) {
        uint32_t word[4];
        MLP_NAME(philox)((uint32_t)block, (uint32_t)row, epoch,
                         MLP_LAYER(MLP_DISTORTION_LAYER, row), seed, word, 1);
        for (int w = 0; w < 4; w++)
            uniform[4 * block + w] = (REAL)(int32_t)word[w] * (REAL)0x1p-31;
    }
    if (d->thickness > 0) MLP_NAME(thicken)(d, d->thickness * uniform[6], bordered, other);
    MLP_NAME(inverse_map)(d, uniform, a);
    if (blocks > 0) {
        MLP_NAME(noise)(2, blocks, row, epoch, seed, noise);
        MLP_NAME(spread_along_width)(d, noise, across);
        MLP_NAME(spread_along_width)(d, noise + 2 * blocks, along);
    }
    for (ptrdiff_t y = 0; y < height; y++) {
        /* With 1 for the border. */
        const REAL start_x = (REAL)(a[1] * (double)y + a[2] + 1);
        const REAL start_y = (REAL)(a[4] * (double)y + a[5] + 1);
        for (ptrdiff_t x = 0; x < width; x += MLP_COLUMNS) {
            REAL from_x[MLP_COLUMNS] = {0}, from_y[MLP_COLUMNS] = {0}, result[MLP_COLUMNS];
            if (blocks > 0) {
                MLP_NAME(displacements)(d, across, x, y, from_x);
                MLP_NAME(displacements)(d, along, x, y, from_y);
            }
            for (int j = 0; j < MLP_COLUMNS; j++) {
                from_x[j] += start_x + (REAL)a[0] * (REAL)((int)x + j);
                from_y[j] += start_y + (REAL)a[3] * (REAL)((int)x + j);
            }
            MLP_NAME(interpolate)(bordered, (int)ld, (REAL)(width + 1), (REAL)(height + 1),
                                  from_x, from_y, result);
            const ptrdiff_t left = width - x < MLP_COLUMNS ? width - x : MLP_COLUMNS;
            for (int j = 0; j < MLP_COLUMNS; j++) result[j] += ground;
            memcpy(image + y * width + x, result, (size_t)left * sizeof *image);
        }
    }
}

#endif
