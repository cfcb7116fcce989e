/* exp, expm1, log and log1p as branch-free scalar code, which compilers turn into vector code.
 *
 * Bodies that need these include this file; see each.h. x = n ln 2 + r with |r| <= ln(2) / 2,
 * and e^r - 1 is its Taylor series, long enough that the first term left out is below half a
 * unit in the last place. NaN passes through: the clamps compare so that it fails them. */

#if IS_F32
#define BITS int32_t
#define UNSIGNED uint32_t
#define MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer in the low bits */
#define LN2_HIGH 0.693145751953125f
#define LN2_LOW 1.428606765330187e-06f
#define EXP_LOW -87.0f
#define EXP_HIGH 88.0f
#define MANTISSA 23
#define EXPONENT_BIAS 127
#define ROOT_HALF 0x3f3504f3 /* the bits of sqrt(1/2) */
#define SMALLEST 1.1754943508222875e-38f
#else
#define BITS int64_t
#define UNSIGNED uint64_t
#define MAGIC 6755399441055744.0 /* 1.5 * 2^52 */
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_LOW -708.0
#define EXP_HIGH 709.0
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define ROOT_HALF 0x3fe6a09e667f3bcd
#define SMALLEST 2.2250738585072014e-308
#endif

/* One clamp on each side: for two in a row, compilers make many masks. */
MLP_INLINE REAL MLP_NAME(clamp)(REAL x, REAL low, REAL high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* 2^n and e^r - 1 for an x from the range in which 2^n is a normal number. */
MLP_INLINE REAL MLP_NAME(reduce)(REAL x, REAL *power) {
    REAL shifted = x * (REAL)1.4426950408889634 + MAGIC, n = shifted - MAGIC;
    REAL r = (x - n * LN2_HIGH) - n * LN2_LOW;
    BITS bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (BITS)(((UNSIGNED)bits + EXPONENT_BIAS) << MANTISSA);
    memcpy(power, &bits, sizeof bits);
    REAL p;
#if IS_F32
    p = (REAL)(1.0 / 5040);
#else
    p = (REAL)(1.0 / 6227020800.0);
    p = p * r + (REAL)(1.0 / 479001600.0);
    p = p * r + (REAL)(1.0 / 39916800.0);
    p = p * r + (REAL)(1.0 / 3628800.0);
    p = p * r + (REAL)(1.0 / 362880.0);
    p = p * r + (REAL)(1.0 / 40320.0);
    p = p * r + (REAL)(1.0 / 5040.0);
#endif
    p = p * r + (REAL)(1.0 / 720);
    p = p * r + (REAL)(1.0 / 120);
    p = p * r + (REAL)(1.0 / 24);
    p = p * r + (REAL)(1.0 / 6);
    p = p * r + (REAL)0.5;
    return p * r * r + r;
}

/* e^x with x clipped to [low, high], and to the range above where that is narrower. */
MLP_INLINE REAL MLP_NAME(exponential_within)(REAL x, REAL low, REAL high) {
    low = low < (REAL)EXP_LOW ? (REAL)EXP_LOW : low;
    high = high > (REAL)EXP_HIGH ? (REAL)EXP_HIGH : high;
    REAL power, less_one = MLP_NAME(reduce)(MLP_NAME(clamp)(x, low, high), &power);
    return power * less_one + power;
}
MLP_INLINE REAL MLP_NAME(exponential)(REAL x) {
    return MLP_NAME(exponential_within)(x, (REAL)EXP_LOW, (REAL)EXP_HIGH);
}

MLP_INLINE REAL MLP_NAME(exponential_less_one)(REAL x) {
    x = MLP_NAME(clamp)(x, (REAL)EXP_LOW, (REAL)EXP_HIGH);
    REAL power, less_one = MLP_NAME(reduce)(x, &power);
    return power * less_one + (power - 1);
}

/* log(1 + t) for t in [0, 1]: 2 atanh(s) with s = t / (2 + t) <= 1/3, by its odd power series. */
MLP_INLINE REAL MLP_NAME(log_one_plus)(REAL t) {
    REAL s = t / (2 + t), q = s * s, p;
#if IS_F32
    p = (REAL)(1.0 / 15);
#else
    p = (REAL)(1.0 / 33);
    p = p * q + (REAL)(1.0 / 31);
    p = p * q + (REAL)(1.0 / 29);
    p = p * q + (REAL)(1.0 / 27);
    p = p * q + (REAL)(1.0 / 25);
    p = p * q + (REAL)(1.0 / 23);
    p = p * q + (REAL)(1.0 / 21);
    p = p * q + (REAL)(1.0 / 19);
    p = p * q + (REAL)(1.0 / 17);
    p = p * q + (REAL)(1.0 / 15);
#endif
    p = p * q + (REAL)(1.0 / 13);
    p = p * q + (REAL)(1.0 / 11);
    p = p * q + (REAL)(1.0 / 9);
    p = p * q + (REAL)(1.0 / 7);
    p = p * q + (REAL)(1.0 / 5);
    p = p * q + (REAL)(1.0 / 3);
    return 2 * (p * q * s + s);
}

/* log x = e ln 2 + log m with m in [sqrt(1/2), sqrt(2)), and log m = 2 atanh(s) with
 * s = (m - 1) / (m + 1), |s| <= 0.172. What is below the smallest normal number counts as 0. */
MLP_INLINE REAL MLP_NAME(logarithm)(REAL x) {
    const REAL magic = MAGIC;
    UNSIGNED bits, exponent, one;
    memcpy(&bits, &x, sizeof bits);
    memcpy(&exponent, &magic, sizeof exponent);
    one = (UNSIGNED)1 << MANTISSA;
    bits += EXPONENT_BIAS * one - ROOT_HALF; /* at sqrt(1/2) the exponent goes up by one */
    exponent += bits >> MANTISSA;
    bits = (bits & (one - 1)) + ROOT_HALF;
    REAL m, e, p;
    memcpy(&m, &bits, sizeof m);
    memcpy(&e, &exponent, sizeof e);
    e = e - MAGIC - EXPONENT_BIAS;
    REAL s = (m - 1) / (m + 1), q = s * s;
#if IS_F32
    p = (REAL)(1.0 / 9);
#else
    p = (REAL)(1.0 / 21);
    p = p * q + (REAL)(1.0 / 19);
    p = p * q + (REAL)(1.0 / 17);
    p = p * q + (REAL)(1.0 / 15);
    p = p * q + (REAL)(1.0 / 13);
    p = p * q + (REAL)(1.0 / 11);
    p = p * q + (REAL)(1.0 / 9);
#endif
    p = p * q + (REAL)(1.0 / 7);
    p = p * q + (REAL)(1.0 / 5);
    p = p * q + (REAL)(1.0 / 3);
    REAL r = e * LN2_HIGH + (e * LN2_LOW + 2 * (p * q * s + s));
    r = x < (REAL)SMALLEST ? (REAL)-INFINITY : r;
    r = x < 0 ? (REAL)NAN : r;
    return x < (REAL)INFINITY ? r : x; /* infinity and NaN are their own logarithms */
}

/* 1 / (1 + e^-z), the pre-activation clipped to [-250, 250] as in the textbook. */
MLP_INLINE REAL MLP_NAME(sigmoid)(REAL z) {
    return 1 / (1 + MLP_NAME(exponential_within)(-z, -250, 250));
}

#undef BITS
#undef UNSIGNED
#undef MAGIC
#undef LN2_HIGH
#undef LN2_LOW
#undef EXP_LOW
#undef EXP_HIGH
#undef MANTISSA
#undef EXPONENT_BIAS
#undef ROOT_HALF
#undef SMALLEST
