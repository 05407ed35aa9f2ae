/* Determinants of NQS_LANES matrices side by side: those of the images of one
 * configuration, which share their rows, columns and moves.
 *
 * Entry (i, j) of the matrix of lane l stands at NQS_LANES (i n + j) + l. */
#ifndef NQS_LANES_H
#define NQS_LANES_H

#include <stddef.h>

#include "nqs_simd.h"

/* A pivot may be smaller than the largest entry of its column by this factor. */
#define NQS_CLOSE_PIVOT 8.0

/* Invert matrices of n rows in place, every lane with row pivots of its own; room
 * for n NQS_LANES numbers in `best` (the row that came to place k) and `pivots`.
 * The determinant is the product of the pivots, times -1 for every k with
 * best != k.  A zero pivot leaves infinities behind, in its lane alone. */
void nqs_invert_lanes(double *matrix, ptrdiff_t n, double *best, double *pivots);

/* to = left right, left[i n + k] the lanes of entry (i, k) of the left factor. */
void nqs_multiply_lanes(const double *const *left, const double *right, ptrdiff_t n,
                        double *to);

/* Ratios of pair products when the up spin at x = u_a and the down spin at
 * y = d_b trade places: G_ba (sum_i D_bi f(u_i, x) - f(y, x)) - D_ba sum_i G_bi f(u_i, x),
 * of the rows b of G = F^-1 and D = f(d, d) G; f(v, x) = column_x[v]. */
void nqs_pair_ratios(const double *inverse_b, const double *dressed_b,
                     const double *column_x, const ptrdiff_t *up, ptrdiff_t n,
                     ptrdiff_t a, const double *f_yx, double *ratios);

/* Move G and D along, in place, with Woodbury's formula.
 *
 * column[i] = f(u_i, x) - f(u_i, y), and f(y, x) for i = a; change[r] =
 * f(d_r, x) - f(d_r, y), and -f(x, y) for r = b; u and d before the move; n rows
 * each.  Room for 2 n rows in `solved`.  The ratios of the determinants of F come back
 * in `determinants`: those of the pair products times -1. */
void nqs_pair_update(double *inverse, double *dressed, ptrdiff_t n, ptrdiff_t a,
                     ptrdiff_t b, const double *column, const double *change,
                     double *solved, double *determinants);

#endif
