#include "nqs_rows.h"

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
