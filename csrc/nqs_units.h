/* Arithmetic over the hidden units of a Boltzmann machine.
 *
 * Every unit j contributes the factor cosh(angle_j) (eta_j = +1) or
 * cos(angle_j) (eta_j = -1, a purely imaginary weight vector whose magnitude
 * is stored).  t_j is tanh(angle_j) or tan(angle_j).  A table entry describes
 * one change of the spins through, per unit,
 *     shift  = change of the angle,
 *     even   = cosh(shift) or cos(shift),
 *     odd    = eta_j sinh or sin of the shift, so that
 *     factor = even + sign * t * odd         (theory: cosh(a+d)/cosh(a)).
 * Arrays of complex numbers are split: `width` = 2 planes (real, imaginary) of
 * `n` numbers each; `width` = 1 for real numbers.  n is a multiple of
 * NQS_LANES; padding units have t = 0, even = 1, odd = shift = 0, eta = 1. */
#ifndef NQS_UNITS_H
#define NQS_UNITS_H

#include <stddef.h>

/* product over units of (even + sign t odd); ratio[0] + i ratio[1]. */
void nqs_unit_product(const double *t, const double *even, const double *odd,
                      double sign, ptrdiff_t n, int width, double ratio[2]);

/* angle += sign shift, t moved along by the addition theorem; in place. */
void nqs_unit_advance(double *angle, double *t, const double *shift,
                      const double *even, const double *odd, const double *eta,
                      double sign, ptrdiff_t n, int width);

/* angle = bias + sum_v x_v weights_v; weights are (n_inputs, width, n). */
void nqs_unit_angles(const double *weights, const double *bias, const double *x,
                     ptrdiff_t n_inputs, ptrdiff_t n, int width, double *angle);

/* t from angle. */
void nqs_unit_tangents(const double *angle, const double *eta, ptrdiff_t n,
                       int width, double *t);

/* even and odd from shift. */
void nqs_unit_tables(const double *shift, const double *eta, ptrdiff_t n,
                     int width, double *even, double *odd);

/* log_psi[0] + i log_psi[1] = sum over the first n_units of ln(2 cosh angle). */
void nqs_unit_log_sum(const double *angle, const double *eta, ptrdiff_t n_units,
                      ptrdiff_t n, int width, double log_psi[2]);

/* out_u = sum over images g of t_g x[index[g, u]], one feature; complex t
 * give interleaved (real, imaginary) out.  `stride` is the distance between
 * the planes of t. */
void nqs_image_sum(const double *t, ptrdiff_t stride, int width,
                   const double *x, const int *index, ptrdiff_t n_images,
                   ptrdiff_t n_inputs, double *out);

#endif
