#include "nqs_lanes.h"

#include "nqs_native.h"

void nqs_invert_lanes(double *matrix, ptrdiff_t n, double *best, double *pivots)
{
    nqs_native->invert_lanes(matrix, n, best, pivots);
}

void nqs_multiply_lanes(const double *const *left, const double *right, ptrdiff_t n,
                        double *to)
{
    nqs_native->multiply_lanes_by_rows(left, right, n, to);
}

void nqs_pair_ratios(const double *inverse_b, const double *dressed_b,
                     const double *column_x, const ptrdiff_t *up, ptrdiff_t n,
                     ptrdiff_t a, const double *f_yx, double *ratios)
{
    nqs_native->pair_ratios(inverse_b, dressed_b, column_x, up, n, a, f_yx, ratios);
}

void nqs_pair_update(double *inverse, double *dressed, ptrdiff_t n, ptrdiff_t a,
                     ptrdiff_t b, const double *column, const double *change,
                     double *solved, double *determinants)
{
    nqs_native->pair_update(inverse, dressed, n, a, b, column, change, solved,
                            determinants);
}
