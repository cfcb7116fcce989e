/* Compile one body for each instruction set and each real type.
 *
 * A header of kernels includes itself through this file:
 *
 *     #ifndef MLP_TYPE
 *     #define MLP_BODY "thing.h"
 *     #include "each.h"
 *     #else
 *     static void MLP_NAME(thing)(REAL *x, ptrdiff_t n) { ... }
 *     #endif
 *
 * which defines thing_v4_f32, thing_v4_f64, thing_v3_f32, ... MLP_PICK(thing, f32) is the one for
 * this processor. On other processors than x86-64, or with a compiler that cannot switch the target
 * inside a file, only the `base` set exists: plain C and GCC's portable vectors.
 *
 * Inside a body: REAL, IS_F32, BYTES (a vector's), LANES (reals in it), V (the vector type).
 */
#ifndef MLP_ISA_H
#define MLP_ISA_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MLP_BASE, MLP_V3, MLP_V4 };

#if defined(__x86_64__) && defined(__GNUC__)
#define MLP_X86 1
#else
#define MLP_X86 0
#endif

/* Bytes of a cache line. Every row of weights and of activations starts on one and fills whole
 * lines, so no kernel has a remainder loop over columns, and each element goes through the same
 * instructions. */
#define MLP_CACHE_LINE 64
#define MLP_INLINE static inline __attribute__((always_inline, unused))
#define MLP_KERNEL static __attribute__((unused))

/* The best instruction set that the processor has, or a lesser one named in the environment. */
__attribute__((unused)) static int mlp_detect_isa(void) {
#if MLP_X86
    __builtin_cpu_init();
    int best = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512cd")
                   ? MLP_V4
                   : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                             __builtin_cpu_supports("bmi2")
                         ? MLP_V3
                         : MLP_BASE;
    const char *wanted = getenv("MLPCORE_SIMD");
    if (wanted && !strcmp(wanted, "base")) return MLP_BASE;
    if (wanted && !strcmp(wanted, "v3") && best > MLP_V3) return MLP_V3;
    return best;
#else
    return MLP_BASE;
#endif
}

static int mlp_isa = MLP_BASE;
__attribute__((constructor)) static void mlp_choose_isa(void) { mlp_isa = mlp_detect_isa(); }

#if MLP_X86
#define MLP_PICK(name, type)                  \
    (mlp_isa == MLP_V4   ? name##_v4_##type   \
     : mlp_isa == MLP_V3 ? name##_v3_##type   \
                         : name##_base_##type)
#else
#define MLP_PICK(name, type) name##_base_##type
#endif

/* For Clang, which may have been told that the processor lacks a feature (zig cc names all of them):
 * then the name of a set does not bring it back, but its own name does. */
#define MLP_FEATURES_V3 ",avx,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe,popcnt,sse4.2,ssse3"
#define MLP_TARGET_V3 "arch=x86-64-v3" MLP_FEATURES_V3
#define MLP_TARGET_V4 \
    "arch=x86-64-v4" MLP_FEATURES_V3 ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"

/* Cython calls a function of a fused type that is declared as "MLP_FUSED(thing)" by that name
 * with a number in front, that of the type in real_t (../typedefs.pxd): 0 for float, 1 for
 * double. So one declaration binds a kernel for both. tests/engine/test_cimport.py holds Cython to it. */
#define __pyx_fuse_0MLP_FUSED(name) MLP_PICK(name, f32)
#define __pyx_fuse_1MLP_FUSED(name) MLP_PICK(name, f64)

#define MLP_JOIN_(name, set, type) name##_##set##_##type
#define MLP_JOIN(name, set, type) MLP_JOIN_(name, set, type)
#define MLP_NAME(name) MLP_JOIN(name, MLP_SET, MLP_TYPE)

#endif /* MLP_ISA_H */

/* Not guarded: each header of kernels comes through here once. */
#if MLP_X86

#ifdef __clang__
#pragma clang attribute push(__attribute__((target(MLP_TARGET_V4))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#endif
#define MLP_SET v4
#define BYTES 64
#include "each_type.h"
#undef MLP_SET
#undef BYTES
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target(MLP_TARGET_V3))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#endif
#define MLP_SET v3
#define BYTES 32
#include "each_type.h"
#undef MLP_SET
#undef BYTES
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* MLP_X86 */

#define MLP_SET base
#define BYTES 16
#include "each_type.h"
#undef MLP_SET
#undef BYTES
