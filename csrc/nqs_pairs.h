/* Linear algebra of a pair product: small determinants and low-rank updates.
 *
 * Rows hold n numbers, a multiple of NQS_LANES, padded with zeros. */
#ifndef NQS_PAIRS_H
#define NQS_PAIRS_H

#include <stddef.h>

#include "nqs_simd.h"

/* Invert a square matrix in place, by Gauss-Jordan elimination with row pivots;
 * room for n_rows `swaps` and `pivots`.  The determinant is the product of the
 * pivots, times -1 if the returned number of row swaps is odd.  A zero pivot
 * leaves infinities behind. */
int nqs_invert(double *matrix, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t *swaps,
               double *pivots);

double nqs_dot(const double *a, const double *b, ptrdiff_t n);

/* to[v] = sum_k left[v, k] right[k]; rows of `left` are `stride` numbers apart,
 * of `right` and `to` n. */
void nqs_rows_product(const double *left, ptrdiff_t stride, ptrdiff_t n_left,
                      const double *right, ptrdiff_t n_right, ptrdiff_t n,
                      double *to);

/* Woodbury's formula applied to rows, in place: with U = (unit vectors of
 * `units`, `columns`) and rows[0..2 n_units - 1] = (1 + V^T G U)^{-1} V^T G,
 *     matrix[v] -= (matrix[v] . U) rows.
 * Where `change` is given, (n_units, n_rows), rows[2 n_units + q] times
 * change[q, v] is added. */
void nqs_rows_update(double *matrix, ptrdiff_t n_rows, ptrdiff_t n, int n_units,
                     const ptrdiff_t *units, const double *columns,
                     const double *rows, const double *change);

/* Determinant of a matrix of at most 4 x 4, which is destroyed; its inverse
 * where `inverse` is not NULL. */
double nqs_small_determinant(double *matrix, int size, double *inverse);

#endif
