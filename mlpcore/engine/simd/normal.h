/* The normal distribution, as branch-free scalar code. Bodies that need it include it after
 * exponential.h.
 *
 * Its tail Q(x) = erfc(x / sqrt(2)) / 2 is e^(-x^2 / 2) m(x) with a smooth m (Mills' ratio but
 * for a factor), and (1 + x) m(x) a polynomial of t = (x - 4) / (x + 4), which maps [0,
 * infinity) to [-1, 1) (the idea of Shepherd & Laframboise, Mathematics of Computation 36,
 * 1981). The coefficients are those of its Chebyshev series, computed to 60 digits and cut off
 * below half a unit in the last place. */

/* m(x) for x >= 0; root: e^(-x^2 / 4) for |x| <= 60; rest: the factor that corrects root^2 for
 * the rounding of x * x. The root is returned and not its square, which may be below the
 * smallest normal number. */
MLP_INLINE REAL MLP_NAME(tail)(REAL x, REAL *root, REAL *rest) {
    /* The upper half of x's digits, whose square is exact. */
#if IS_F32
    uint32_t bits;
    const uint32_t upper = ~(uint32_t)0 << 12;
#else
    uint64_t bits;
    const uint64_t upper = ~(uint64_t)0 << 27;
#endif
    REAL high;
    memcpy(&bits, &x, sizeof bits);
    bits &= upper;
    memcpy(&high, &bits, sizeof high);
    const REAL low = x - high, square = x * x;
    *root = MLP_NAME(exponential)(square * (REAL)-0.25);
    *rest = 1 - (((high * high - square) + 2 * high * low) + low * low) / 2;
    const REAL t = (x - 4) / (x + 4);
    REAL p;
#if IS_F32
    p = (REAL)(-0.0000580912352587139336);
    p = p * t + (REAL)(-0.0000499905144533462123);
    p = p * t + (REAL)(0.000664988692059167668);
    p = p * t + (REAL)(-0.000325830998651278312);
    p = p * t + (REAL)(-0.00498771424986599602);
    p = p * t + (REAL)(0.0179528174750093873);
    p = p * t + (REAL)(-0.0322011628912484129);
    p = p * t + (REAL)(0.0285974678696930061);
    p = p * t + (REAL)(0.0139999136679267372);
    p = p * t + (REAL)(-0.0967033354137740064);
    p = p * t + (REAL)(0.472053202694158296);
#else
    p = (REAL)(-6.76326721056245388e-10);
    p = p * t + (REAL)(-1.54562215981438521e-9);
    p = p * t + (REAL)(5.47470863204868944e-9);
    p = p * t + (REAL)(1.74425837644197931e-8);
    p = p * t + (REAL)(-1.79321219166424145e-8);
    p = p * t + (REAL)(-1.10223540137390792e-7);
    p = p * t + (REAL)(-1.23715336699219701e-9);
    p = p * t + (REAL)(5.50774796536409787e-7);
    p = p * t + (REAL)(4.06717301251544479e-7);
    p = p * t + (REAL)(-2.61184643401685557e-6);
    p = p * t + (REAL)(-3.43337221685327538e-6);
    p = p * t + (REAL)(0.0000136263151926004012);
    p = p * t + (REAL)(0.0000212504468562083747);
    p = p * t + (REAL)(-0.0000878530044264579189);
    p = p * t + (REAL)(-0.0000944303394415222288);
    p = p * t + (REAL)(0.000694897069257049513);
    p = p * t + (REAL)(-0.000285623086809394133);
    p = p * t + (REAL)(-0.00500237858705146657);
    p = p * t + (REAL)(0.0179360974788685885);
    p = p * t + (REAL)(-0.0321978374283145264);
    p = p * t + (REAL)(0.0286003640535774896);
    p = p * t + (REAL)(0.0139996347244304691);
    p = p * t + (REAL)(-0.096703477326526068);
    p = p * t + (REAL)(0.472053206509844663);
#endif
    return p / (1 + x);
}

/* z Phi(z), and its derivative Phi(z) + z phi(z). The tail is that at 60 from there on. */
MLP_INLINE REAL MLP_NAME(gaussian_unit)(REAL z, REAL *derivative) {
    REAL near = z < -60 ? (REAL)-60 : z;
    near = near > 60 ? (REAL)60 : near;
    REAL root, rest, m = MLP_NAME(tail)(near < 0 ? -near : near, &root, &rest);
    const REAL density = root * (root * rest), tail = near * root * (root * rest * m);
    const REAL below = density * m + near * density * (REAL)0.39894228040143268;
    *derivative = z < 0 ? below : 1 - density * m + near * density * (REAL)0.39894228040143268;
    return z < 0 ? tail : z - tail;
}
