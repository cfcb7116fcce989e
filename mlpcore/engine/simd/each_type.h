/* The second half of each.h: MLP_BODY once for float and once for double. Not guarded, on
 * purpose. */
#define LANES ((int)(BYTES / sizeof(REAL)))
#define V MLP_NAME(vector)

#define MLP_TYPE f32
#define REAL float
#define IS_F32 1
typedef REAL V __attribute__((vector_size(BYTES), may_alias));
#include MLP_BODY
#undef MLP_TYPE
#undef REAL
#undef IS_F32

#define MLP_TYPE f64
#define REAL double
#define IS_F32 0
typedef REAL V __attribute__((vector_size(BYTES), may_alias));
#include MLP_BODY
#undef MLP_TYPE
#undef REAL
#undef IS_F32

#undef LANES
#undef V
