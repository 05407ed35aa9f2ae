/* Permanents of small square matrices by sums over subsets of columns. */
#ifndef NQS_PERMANENT_H
#define NQS_PERMANENT_H

#include <stddef.h>

#include "nqs_simd.h"

/* The smallest matrix worth vectors, five columns, and the most columns beyond the
 * three whose subsets are the lanes of a block. */
#define NQS_SMALLEST 5
#define NQS_MAX_HIGH 21

/* Permanent of a matrix of `size` rows, 3 + NQS_MAX_HIGH at most.  `heads`,
 * with room for 2^size numbers, holds afterwards, of four rows or more, the permanents of the first rows
 * with every subset of as many columns: heads[S], bit j of S set where column j is
 * in it.
 * Expansion along the last row, size 2^(size - 1) products; unlike those of Ryser
 * and Glynn the sum has terms of one sign where the matrix has entries of one. */
double nqs_permanent(const double *matrix, int size, double *heads);

/* First minors, minors[i * size + j] = permanent without row i and column j,
 * all of them in one pass from the `heads` of the matrix; `tails` has room for
 * 2^size numbers. */
void nqs_permanent_minors(const double *matrix, int size, const double *heads,
                          double *tails, double *minors);

/* Permanents after a site has taken the place of another one, from the minors of
 * r_ik, i in `up` and k in `down`, rows and columns of `exchange` (n_sites, n_sites),
 * symmetric: of_up (size, n_sites) in place of row i, of_down (size, n_sites) in place
 * of column k. */
void nqs_permanent_moves(const double *exchange, ptrdiff_t n_sites, const ptrdiff_t *up,
                         const ptrdiff_t *down, ptrdiff_t size, const double *minors,
                         double *of_up, double *of_down);

#endif
