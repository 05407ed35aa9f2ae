/* Codes of small clusters of spins and tables over them, for NQS_LANES configurations at once. */
#ifndef NQS_TABLES_H
#define NQS_TABLES_H

#include <stddef.h>

#include "nqs_simd.h"

/* Codes of all clusters: first_code plus one bit per unit on the cluster, set where
 * the spin is up.  `up` (n_units, NQS_LANES) holds 1 where a spin is up, else 0;
 * codes (n_clusters, NQS_LANES). */
void nqs_codes(const int *up, const ptrdiff_t *first_unit, const ptrdiff_t *units,
               const ptrdiff_t *first_code, ptrdiff_t n_clusters, int *codes);

/* differences (n_units, NQS_LANES) = sum over the clusters with a unit of
 * table[code with its bit flipped] - table[code]. */
void nqs_flip_differences(const double *table, const int *codes, const ptrdiff_t *first_unit,
                          const ptrdiff_t *units, ptrdiff_t n_clusters, ptrdiff_t n_units,
                          double *differences);

/* fields (n_rows, n_sites, 4) = sum over the sites i of row 4 i + spins[i] of
 * `pairs`, (4 n_sites, 4 n_sites); spins (n_rows, n_sites).  Rows of `pairs` serve
 * all configurations while they are in the fast caches. */
void nqs_sum_fields(const double *pairs, const int *spins, ptrdiff_t n_rows, ptrdiff_t n_sites,
                    double *fields);

/* fields += after - before, n numbers each. */
void nqs_move_fields(const double *before, const double *after, ptrdiff_t n, double *fields);

#endif
