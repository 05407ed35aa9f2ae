/* Passes over rows of numbers; complex ones have real and imaginary parts side by
 * side. */
#ifndef NQS_ROWS_H
#define NQS_ROWS_H

#include <stddef.h>

#include "nqs_simd.h"

/* out_k = conj(row_k) (re + i im) of n numbers. */
void nqs_conjugate_times(const double *row, double re, double im, ptrdiff_t n,
                         double *out);

/* out_k += row_k (re + i im) of n numbers. */
void nqs_add_times(const double *row, double re, double im, ptrdiff_t n,
                   double *out);

/* The sums of n doubles over n_rows rows that lie `stride` doubles apart. */
void nqs_sum_rows(const double *rows, ptrdiff_t n_rows, ptrdiff_t stride,
                  ptrdiff_t n, double *out);

/* out_k = (re_k + i im_k) - (first_k + second_k) - i (third_k - first_k + second_k):
 * a difference of planes and a product of three real ones. */
void nqs_subtract_planes(const double *re, const double *im, const double *first,
                         const double *second, const double *third, ptrdiff_t n,
                         double *out);

/* re, im and both = re + im of n numbers. */
void nqs_split(const double *row, ptrdiff_t n, double *re, double *im,
               double *both);

/* x += step direction, remainder -= step product, preconditioned = inverse
 * remainder; sums[0] = remainder . remainder, sums[1] = remainder .
 * preconditioned. */
void nqs_advance(double step, const double *direction, const double *product,
                 const double *inverse, ptrdiff_t n, double *x,
                 double *remainder, double *preconditioned, double *sums);

/* direction = preconditioned + factor direction. */
void nqs_turn(double factor, const double *preconditioned, ptrdiff_t n,
              double *direction);

#endif
