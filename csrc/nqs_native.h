/* Inner loops with one variant per instruction set, called through a table. */
#ifndef NQS_NATIVE_H
#define NQS_NATIVE_H

#include <stddef.h>

struct nqs_native {
    const char *name;

    /* product over n units of 1 + eta half (half + 2 sign t), eta = +1 or -1;
     * returns 0 when it left the safe range on the way and is not to be used */
    int (*product_real)(const double *t, const double *half, double sign,
                        int eta, ptrdiff_t n, double *product);

    /* the same of complex units, planes n apart, eta = +1 */
    int (*product_complex)(const double *t, const double *half, double sign,
                           ptrdiff_t n, double product[2]);

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
    void (*block_image_sums)(const double *t, const double *x, const int *index,
                             ptrdiff_t n_images, ptrdiff_t n_inputs,
                             double *out);

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
};

/* The best variant that this processor runs, or the one selected by name. */
extern const struct nqs_native *nqs_native;

/* Select a variant by name; returns 0 where there is none of this name or the
 * processor cannot run it. */
int nqs_select(const char *name);

/* Name of variant k, k = 0, 1, .. from the slowest; NULL after the last one. */
const char *nqs_variant(int k);

#endif
