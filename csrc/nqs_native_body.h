/* The variants of nqs_native.h; nqs_native.c includes this file once per
 * instruction set, with NQS_WIDTH doubles in a vector and NQS_NAME to name the
 * variant.  No include guard: every inclusion defines new functions. */

typedef double NQS_NAME(vec) __attribute__((vector_size(8 * NQS_WIDTH)));
typedef double NQS_NAME(packed)
    __attribute__((vector_size(8 * NQS_WIDTH), aligned(8), may_alias));
typedef int64_t NQS_NAME(mask) __attribute__((vector_size(8 * NQS_WIDTH)));

#define vec NQS_NAME(vec)
#define mask NQS_NAME(mask)
#define load(p) ((vec)*(const NQS_NAME(packed) *)(p))
#define store(p, value) (*(NQS_NAME(packed) *)(p) = (value))

enum {
    /* vectors that hold one block of configurations */
    NQS_NAME(PARTS) = NQS_LANES / NQS_WIDTH,
    /* rows done at a time, so that eight chains of additions run at once */
    NQS_NAME(GROUP) = NQS_WIDTH,
    /* factors multiplied per accumulator before its range is checked */
    NQS_NAME(ROUNDS) = 16,
    /* images whose row indices stay in the fastest cache */
    NQS_NAME(TILE) = 32
};
#define PARTS NQS_NAME(PARTS)
#define GROUP NQS_NAME(GROUP)
#define ROUNDS NQS_NAME(ROUNDS)
#define TILE NQS_NAME(TILE)

/* Partial products are checked to lie between SMALLEST and 1 / SMALLEST: far
 * enough from the ends of the range for the factors of the next rounds. */
#define SMALLEST 1e-150

/* Lanes whose squares lie between this and its inverse are multiplied at once. */
#define NEAR_ONE 1e-20

/* Below this fraction of its terms a factor has lost digits to cancellation. */
#define CANCELLED 1e-3

static inline int NQS_NAME(any)(mask m)
{
    int64_t sum = 0;
    for (int lane = 0; lane < NQS_WIDTH; lane++)
        sum |= m[lane];
    return sum != 0;
}

/* Whether all numbers lie between smallest and 1 / smallest. */
static inline int NQS_NAME(in_range)(vec norm, double smallest)
{
    mask inside = (norm > smallest) & (norm < 1 / smallest);
    return !NQS_NAME(any)(~inside);
}

/* product *= all lanes of re + i im, one after the other */
static void NQS_NAME(multiply_one_by_one)(nqs_scale *product, vec re, vec im)
{
    for (int lane = 0; lane < NQS_WIDTH; lane++)
        nqs_multiply(product, re[lane], im[lane]);
}

/* product *= all lanes of re + i im; returns 0 when one left the range of
 * partial products */
static inline int NQS_NAME(multiply_lanes)(nqs_scale *product, vec re, vec im,
                                           int is_complex)
{
    vec norm = re * re + im * im;
    if (!NQS_NAME(in_range)(norm, NEAR_ONE)) {
        NQS_NAME(multiply_one_by_one)(product, re, im);
        return NQS_NAME(in_range)(norm, SMALLEST * SMALLEST);
    }
    if (!is_complex) {
        double pr = re[0];
        for (int lane = 1; lane < NQS_WIDTH; lane++)
            pr *= re[lane];
        nqs_multiply(product, pr, 0);
        return 1;
    }
#pragma GCC unroll 4
    for (int step = NQS_WIDTH / 2; step > 0; step /= 2) {
        mask order;
        for (int lane = 0; lane < NQS_WIDTH; lane++)
            order[lane] = (lane + step) % NQS_WIDTH;
        vec r = __builtin_shuffle(re, order), i = __builtin_shuffle(im, order);
        vec next = re * r - im * i;
        im = re * i + im * r;
        re = next;
    }
    nqs_multiply(product, re[0], im[0]);
    return 1;
}

__attribute__((always_inline)) static inline int
NQS_NAME(product_eta)(const double *t, const double *half, double twice,
                      int eta, ptrdiff_t n, nqs_scale *product)
{
#define FACTOR(j)                                                           \
    (eta > 0 ? one + load(half + (j)) * (load(half + (j)) + twice * load(t + (j))) \
             : one - load(half + (j)) * (load(half + (j)) + twice * load(t + (j))))
    const vec one = (vec){0} + 1.0;
    vec total = one;
    int safe = 1;
    ptrdiff_t j = 0;
    while (j < n) {
        ptrdiff_t stop = j + 4 * NQS_WIDTH * ROUNDS;
        if (stop > n)
            stop = n;
        vec p0 = one, p1 = one, p2 = one, p3 = one;
        for (; j + 4 * NQS_WIDTH <= stop; j += 4 * NQS_WIDTH) {
            p0 *= FACTOR(j);
            p1 *= FACTOR(j + NQS_WIDTH);
            p2 *= FACTOR(j + 2 * NQS_WIDTH);
            p3 *= FACTOR(j + 3 * NQS_WIDTH);
        }
        for (; j < stop; j += NQS_WIDTH)
            p0 *= FACTOR(j);
        total *= (p0 * p1) * (p2 * p3);
        if (j < n)
            safe &= NQS_NAME(in_range)(total * total, SMALLEST * SMALLEST);
    }
    return safe & NQS_NAME(multiply_lanes)(product, total, one - one, 0);
#undef FACTOR
}

static int NQS_NAME(product_real)(const double *t, const double *half,
                                  double sign, int eta, ptrdiff_t n,
                                  nqs_scale *product)
{
    return eta > 0 ? NQS_NAME(product_eta)(t, half, 2 * sign, 1, n, product)
                   : NQS_NAME(product_eta)(t, half, 2 * sign, -1, n, product);
}

static int NQS_NAME(product_complex)(const double *t, const double *half,
                                     double sign, ptrdiff_t n,
                                     nqs_scale *product)
{
#define MULTIPLY(re, im, j)                                                 \
    do {                                                                    \
        vec hr = load(half + (j)), hi = load(half + n + (j));               \
        vec zr = hr + twice * load(t + (j));                                \
        vec zi = hi + twice * load(t + n + (j));                            \
        vec fr = one + hr * zr - hi * zi, fi = hr * zi + hi * zr;           \
        vec next = re * fr - im * fi;                                       \
        im = re * fi + im * fr;                                             \
        re = next;                                                          \
    } while (0)
#define JOIN(re, im, r, i)                                                  \
    do {                                                                    \
        vec next = re * r - im * i;                                         \
        im = re * i + im * r;                                               \
        re = next;                                                          \
    } while (0)
    const double twice = 2 * sign;
    const vec one = (vec){0} + 1.0, zero = {0};
    vec re = one, im = zero;
    int safe = 1;
    ptrdiff_t j = 0;
    while (j < n) {
        ptrdiff_t stop = j + 4 * NQS_WIDTH * ROUNDS;
        if (stop > n)
            stop = n;
        vec re0 = one, re1 = one, re2 = one, re3 = one;
        vec im0 = zero, im1 = zero, im2 = zero, im3 = zero;
        for (; j + 4 * NQS_WIDTH <= stop; j += 4 * NQS_WIDTH) {
            MULTIPLY(re0, im0, j);
            MULTIPLY(re1, im1, j + NQS_WIDTH);
            MULTIPLY(re2, im2, j + 2 * NQS_WIDTH);
            MULTIPLY(re3, im3, j + 3 * NQS_WIDTH);
        }
        for (; j < stop; j += NQS_WIDTH)
            MULTIPLY(re0, im0, j);
        JOIN(re0, im0, re1, im1);
        JOIN(re2, im2, re3, im3);
        JOIN(re0, im0, re2, im2);
        JOIN(re, im, re0, im0);
        if (j < n)
            safe &= NQS_NAME(in_range)(re * re + im * im, SMALLEST * SMALLEST);
    }
    return safe & NQS_NAME(multiply_lanes)(product, re, im, 1);
#undef JOIN
#undef MULTIPLY
}

static int NQS_NAME(advance_real)(double *t, const double *half, double sign,
                                  int eta, ptrdiff_t n)
{
    const double signs = eta, twice = 2 * sign;
    mask lost = {0};
    for (ptrdiff_t j = 0; j < n; j += NQS_WIDTH) {
        vec old = load(t + j), h = load(half + j);
        vec even = 1.0 + signs * h * h, odd = twice * h;
        vec term = signs * odd * old, factor = even + term;
        store(t + j, (old * even + odd) / factor);
        lost |= factor * factor
              < CANCELLED * CANCELLED * (even * even + term * term);
    }
    return NQS_NAME(any)(lost);
}

static int NQS_NAME(advance_complex)(double *t, const double *half, double sign,
                                     ptrdiff_t n)
{
    const double twice = 2 * sign;
    mask lost = {0};
    for (ptrdiff_t j = 0; j < n; j += NQS_WIDTH) {
        vec tr = load(t + j), ti = load(t + n + j);
        vec hr = load(half + j), hi = load(half + n + j);
        vec er = 1.0 + hr * hr - hi * hi, ei = 2.0 * hr * hi;
        vec sr = twice * hr, si = twice * hi;
        vec xr = tr * sr - ti * si, xi = tr * si + ti * sr;
        vec fr = er + xr, fi = ei + xi;
        vec nr = tr * er - ti * ei + sr, ni = tr * ei + ti * er + si;
        vec norm = fr * fr + fi * fi, inverse = 1.0 / norm;
        store(t + j, (nr * fr + ni * fi) * inverse);
        store(t + n + j, (ni * fr - nr * fi) * inverse);
        lost |= norm < CANCELLED * CANCELLED
                       * (er * er + ei * ei + xr * xr + xi * xi);
    }
    return NQS_NAME(any)(lost);
}

static void NQS_NAME(block_angles)(const double *weights, double bias,
                                   const double *x, const int *index,
                                   ptrdiff_t n_images, ptrdiff_t n_inputs,
                                   double *angle, ptrdiff_t stride)
{
    for (ptrdiff_t g = 0; g < n_images; g += GROUP) {
        const int *row[GROUP];
        vec sum[GROUP][PARTS];
        for (int k = 0; k < GROUP; k++) {
            row[k] = index + (g + k < n_images ? g + k : g) * n_inputs;
            for (int part = 0; part < PARTS; part++)
                sum[k][part] = (vec){0} + bias;
        }
        for (ptrdiff_t u = 0; u < n_inputs; u++) {
            vec weight = (vec){0} + weights[u];
            for (int k = 0; k < GROUP; k++) {
                const double *column = x + NQS_LANES * (ptrdiff_t)row[k][u];
                for (int part = 0; part < PARTS; part++)
                    sum[k][part] += weight * load(column + part * NQS_WIDTH);
            }
        }
        for (int k = 0; k < GROUP && g + k < n_images; k++)
            for (int part = 0; part < PARTS; part++)
                for (int lane = 0; lane < NQS_WIDTH; lane++)
                    angle[(part * NQS_WIDTH + lane) * stride + g + k]
                        = sum[k][part][lane];
    }
}

static void NQS_NAME(tile_angles)(const double *tiles, const double *bias,
                                  const double *x, ptrdiff_t n_inputs,
                                  ptrdiff_t n, ptrdiff_t n_states,
                                  double *angle)
{
    for (ptrdiff_t j = 0; j < n; j += NQS_LANES)
        for (ptrdiff_t first = 0; first < n_states; first += GROUP) {
            const double *row = tiles + j * n_inputs, *lanes = x + first;
            vec sum[GROUP][PARTS];
            for (int k = 0; k < GROUP; k++)
                for (int part = 0; part < PARTS; part++)
                    sum[k][part] = load(bias + j + part * NQS_WIDTH);
            for (ptrdiff_t u = 0; u < n_inputs; u++) {
                for (int part = 0; part < PARTS; part++) {
                    vec weight = load(row + part * NQS_WIDTH);
                    for (int k = 0; k < GROUP; k++)
                        sum[k][part] += lanes[k] * weight;
                }
                row += NQS_LANES;
                lanes += NQS_LANES;
            }
            for (int k = 0; k < GROUP && first + k < n_states; k++)
                for (int part = 0; part < PARTS; part++)
                    store(angle + (first + k) * n + j + part * NQS_WIDTH,
                          sum[k][part]);
        }
}

static void NQS_NAME(block_image_sums)(const double *t, const double *x,
                                       const int *index, ptrdiff_t n_images,
                                       ptrdiff_t n_inputs, double *out)
{
    for (ptrdiff_t u = 0; u < NQS_LANES * n_inputs; u++)
        out[u] = 0.0;
    for (ptrdiff_t first = 0; first < n_images; first += TILE) {
        ptrdiff_t stop = first + TILE < n_images ? first + TILE : n_images;
        for (ptrdiff_t u = 0; u < n_inputs; u += GROUP) {
            ptrdiff_t input[GROUP];
            vec sum[GROUP][PARTS];
            for (int k = 0; k < GROUP; k++) {
                input[k] = u + k < n_inputs ? u + k : u;
                for (int part = 0; part < PARTS; part++)
                    sum[k][part] = load(out + NQS_LANES * input[k]
                                        + part * NQS_WIDTH);
            }
            for (ptrdiff_t g = first; g < stop; g++) {
                const int *row = index + g * n_inputs;
                vec value[PARTS];
                for (int part = 0; part < PARTS; part++)
                    value[part] = load(t + NQS_LANES * g + part * NQS_WIDTH);
                for (int k = 0; k < GROUP; k++) {
                    const double *column = x + NQS_LANES * (ptrdiff_t)row[input[k]];
                    for (int part = 0; part < PARTS; part++)
                        sum[k][part] += value[part]
                                      * load(column + part * NQS_WIDTH);
                }
            }
            for (int k = 0; k < GROUP && u + k < n_inputs; k++)
                for (int part = 0; part < PARTS; part++)
                    store(out + NQS_LANES * input[k] + part * NQS_WIDTH,
                          sum[k][part]);
        }
    }
}

#include "nqs_native_algebra.h"
#include "nqs_native_lanes.h"
#include "nqs_native_permanent.h"

#define NQS_TEXT_(word) #word
#define NQS_TEXT(word) NQS_TEXT_(word)

static const struct nqs_native NQS_NAME(variant) = {
    .name = NQS_TEXT(NQS_VARIANT),
    .product_real = NQS_NAME(product_real),
    .product_complex = NQS_NAME(product_complex),
    .advance_real = NQS_NAME(advance_real),
    .advance_complex = NQS_NAME(advance_complex),
    .block_angles = NQS_NAME(block_angles),
    .tile_angles = NQS_NAME(tile_angles),
    .block_image_sums = NQS_NAME(block_image_sums),
    .multiply_adds = NQS_NAME(multiply_adds),
    .triad = NQS_NAME(triad),
    .dot = NQS_NAME(dot),
    .combine = NQS_NAME(combine),
    .add_rows = NQS_NAME(add_rows),
    .invert = NQS_NAME(invert),
    .invert_lanes = NQS_NAME(invert_lanes),
    .multiply_lanes_by_rows = NQS_NAME(multiply_lanes_by_rows),
    .pair_ratios = NQS_NAME(pair_ratios),
    .pair_update = NQS_NAME(pair_update),
    .permanent = NQS_NAME(permanent),
    .permanent_minors = NQS_NAME(permanent_minors),
};

#undef vec
#undef mask
#undef load
#undef store
#undef PARTS
#undef GROUP
#undef ROUNDS
#undef TILE
#undef SMALLEST
#undef NEAR_ONE
#undef CANCELLED
#undef NQS_TEXT
#undef NQS_TEXT_
