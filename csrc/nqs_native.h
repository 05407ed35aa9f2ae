/* Inner loops with one variant per instruction set, called through a table. */
#ifndef NQS_NATIVE_H
#define NQS_NATIVE_H

#include <math.h>
#include <stddef.h>

#include "nqs_lanes.h"
#include "nqs_permanent.h"
#include "nqs_roofline.h"
#include "nqs_units.h"

/* product *= re + i im, far from overflow and underflow. */
static inline void nqs_multiply(nqs_scale *product, double re, double im)
{
    double next = product->re * re - product->im * im;
    product->im = product->re * im + product->im * re;
    product->re = next;
    double size = fabs(product->re) + fabs(product->im);
    if (!(size > 1e-100 && size < 1e100)) {
        int exponent = 0;
        frexp(size, &exponent);
        product->re = ldexp(product->re, -exponent);
        product->im = ldexp(product->im, -exponent);
        product->exponent += exponent;
    }
}

/* The same of a product that is real so far and stays real. */
static inline void nqs_multiply_real(nqs_scale *product, double factor)
{
    product->re *= factor;
    if (!(fabs(product->re) > 1e-100 && fabs(product->re) < 1e100)) {
        int exponent = 0;
        product->re = frexp(product->re, &exponent);
        product->exponent += exponent;
    }
}

struct nqs_native {
    const char *name;

    /* product over n units of 1 + eta half (half + 2 sign t), eta = +1 or -1,
     * multiplied to `product`; returns 0 when it left the range of doubles */
    int (*product_real)(const double *t, const double *half, double sign,
                        int eta, ptrdiff_t n, nqs_scale *product);
    /* the same of complex units, eta = +1, planes n apart */
    int (*product_complex)(const double *t, const double *half, double sign,
                           ptrdiff_t n, nqs_scale *product);

    /* move t along by the addition theorem, in place; returns whether a factor
     * was lost to cancellation */
    int (*advance_real)(double *t, const double *half, double sign, int eta,
                        ptrdiff_t n);
    int (*advance_complex)(double *t, const double *half, double sign,
                           ptrdiff_t n);

    /* as those of nqs_units.h; t is (n_images, NQS_LANES) */
    void (*block_angles)(const double *weights, double bias, const double *x,
                         const int *index, ptrdiff_t n_images,
                         ptrdiff_t n_inputs, double *angle, ptrdiff_t stride);
    void (*tile_angles)(const double *tiles, const double *bias, const double *x,
                        ptrdiff_t n_inputs, ptrdiff_t n, ptrdiff_t n_states,
                        double *angle);
    void (*block_image_sums)(const double *t, const double *x, const int *index,
                             ptrdiff_t n_images, ptrdiff_t n_inputs,
                             double *out);

    /* as those of nqs_roofline.h */
    void (*multiply_adds)(double *values, double factor, double summand,
                          ptrdiff_t n_rounds);
    void (*triad)(const double *b, const double *c, double factor, ptrdiff_t n,
                  double *a);

    /* a . b */
    double (*dot)(const double *a, const double *b, ptrdiff_t n);
    /* out = sum_k factor_k rows[k]; out += sum_k factor_k rows[k] */
    void (*combine)(const double *factor, const double *rows, ptrdiff_t n_rows,
                    ptrdiff_t n, double *out);
    void (*add_rows)(const double *factor, const double *rows, ptrdiff_t n_rows,
                     ptrdiff_t n, double *out);
    /* as nqs_invert of nqs_pairs.h, the columns not yet back in order */
    void (*invert)(double *matrix, ptrdiff_t n_rows, ptrdiff_t n,
                   ptrdiff_t *swaps, double *pivots);

    /* as those of nqs_lanes.h */
    void (*invert_lanes)(double *matrix, ptrdiff_t n, double *best, double *pivots);
    void (*multiply_lanes_by_rows)(const double *const *left, const double *right,
                                   ptrdiff_t n, double *to);
    void (*pair_ratios)(const double *inverse_b, const double *dressed_b,
                        const double *column_x, const ptrdiff_t *up, ptrdiff_t n,
                        ptrdiff_t a, const double *f_yx, double *ratios);
    void (*pair_update)(double *inverse, double *dressed, ptrdiff_t n, ptrdiff_t a,
                        ptrdiff_t b, const double *column, const double *change,
                        double *solved, double *determinants);

    /* as those of nqs_permanent.h, of NQS_SMALLEST rows or more */
    double (*permanent)(const double *matrix, int size, double *heads);
    void (*permanent_minors)(const double *matrix, int size, const double *heads,
                             double *tails, double *minors);
};

/* The variant in use: the fastest that this processor runs, or the one that the
 * environment variable HPC_NQS_SIMD names. Every extension has its own copy. */
extern const struct nqs_native *nqs_native;

#endif
