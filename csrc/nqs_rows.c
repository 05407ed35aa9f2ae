#include "nqs_rows.h"

#include <string.h>

NQS_DISPATCH
void nqs_conjugate_times(const double *restrict row, double re, double im,
                         ptrdiff_t n, double *restrict out)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        out[2 * k] = row[2 * k] * re + row[2 * k + 1] * im;
        out[2 * k + 1] = row[2 * k] * im - row[2 * k + 1] * re;
    }
}

NQS_DISPATCH
void nqs_add_times(const double *restrict row, double re, double im, ptrdiff_t n,
                   double *restrict out)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        out[2 * k] += row[2 * k] * re - row[2 * k + 1] * im;
        out[2 * k + 1] += row[2 * k] * im + row[2 * k + 1] * re;
    }
}

NQS_DISPATCH
void nqs_sum_rows(const double *rows, ptrdiff_t n_rows, ptrdiff_t stride,
                  ptrdiff_t n, double *restrict out)
{
    memset(out, 0, n * sizeof(double));
    for (ptrdiff_t row = 0; row < n_rows; row++)
        for (ptrdiff_t k = 0; k < n; k++)
            out[k] += rows[row * stride + k];
}

NQS_DISPATCH
void nqs_subtract_planes(const double *restrict re, const double *restrict im,
                         const double *restrict first,
                         const double *restrict second,
                         const double *restrict third, ptrdiff_t n,
                         double *restrict out)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        out[2 * k] = re[k] - (first[k] + second[k]);
        out[2 * k + 1] = im[k] - (third[k] - first[k] + second[k]);
    }
}

NQS_DISPATCH
void nqs_split(const double *restrict row, ptrdiff_t n, double *restrict re,
               double *restrict im, double *restrict both)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        re[k] = row[2 * k];
        im[k] = row[2 * k + 1];
        both[k] = row[2 * k] + row[2 * k + 1];
    }
}

/* The sums run in NQS_LANES lanes, so that they fill vectors in a fixed order. */
NQS_DISPATCH
void nqs_advance(double step, const double *restrict direction,
                 const double *restrict product, const double *restrict inverse,
                 ptrdiff_t n, double *restrict x, double *restrict remainder,
                 double *restrict preconditioned, double *restrict sums)
{
    double squares[NQS_LANES] = {0}, slopes[NQS_LANES] = {0};
    ptrdiff_t k = 0;
    for (; k + NQS_LANES <= n; k += NQS_LANES)
        for (int lane = 0; lane < NQS_LANES; lane++) {
            double left = remainder[k + lane] - step * product[k + lane];
            double scaled = inverse[k + lane] * left;
            x[k + lane] += step * direction[k + lane];
            remainder[k + lane] = left;
            preconditioned[k + lane] = scaled;
            squares[lane] += left * left;
            slopes[lane] += left * scaled;
        }
    for (; k < n; k++) {
        double left = remainder[k] - step * product[k];
        x[k] += step * direction[k];
        remainder[k] = left;
        preconditioned[k] = inverse[k] * left;
        squares[0] += left * left;
        slopes[0] += left * preconditioned[k];
    }
    sums[0] = sums[1] = 0;
    for (int lane = 0; lane < NQS_LANES; lane++) {
        sums[0] += squares[lane];
        sums[1] += slopes[lane];
    }
}

NQS_DISPATCH
void nqs_turn(double factor, const double *restrict preconditioned, ptrdiff_t n,
              double *restrict direction)
{
    for (ptrdiff_t k = 0; k < n; k++)
        direction[k] = preconditioned[k] + factor * direction[k];
}
