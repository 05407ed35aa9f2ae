/* Arithmetic over the hidden units of a Boltzmann machine.
 *
 * A unit contributes the factor cosh(angle), or cos(angle) where its weight
 * vector is purely imaginary and the magnitudes are stored.  With t = tanh(angle)
 * or tan(angle) and half = tanh(shift / 2) or tan(shift / 2), a change of the
 * angle by sign * shift multiplies the factor by
 *     cosh^2(shift / 2) (1 + half (half + 2 sign t)),
 *     cos^2(shift / 2)  (1 - half (half + 2 sign t)):
 * the addition theorem with one table per change; the leading factors of all
 * units are one number per change, its `scale`. */
#ifndef NQS_UNITS_H
#define NQS_UNITS_H

#include <stddef.h>

#include "nqs_simd.h"

/* A row of numbers over the units: those of cosh units, of cos units, then the
 * real parts and the imaginary parts of complex cosh units.  Each count is a
 * multiple of NQS_LANES; padding units have weights, angle, t and half = 0. */
typedef struct {
    ptrdiff_t n_cosh, n_cos, n_complex;
} nqs_shape;

/* A number (re + i im) 2^exponent, the exponent a whole number: the leading
 * factors of all units of one change.  The exponent is infinite where a shift
 * is so large that t no longer tells the angle: see nqs_unit_ratio. */
typedef struct {
    double re, im, exponent;
} nqs_scale;

/* Psi(new) / Psi = ratio[0] + i ratio[1] of one change.  Returns 0 where digits
 * would be lost; the ratio is then to be had from nqs_unit_log_sum. */
int nqs_unit_ratio(const double *t, const double *half, const nqs_scale *scale,
                   double sign, const nqs_shape *shape, double ratio[2]);

/* Move t along with the change, in place; angle is that after the change, from
 * which t is rebuilt where digits were lost. */
void nqs_unit_advance(const double *angle, const double *half, double sign,
                      const nqs_shape *shape, double *t);

/* row += factor weights + factor2 weights2 over n numbers, in place. */
void nqs_unit_add(const double *weights, double factor, const double *weights2,
                  double factor2, ptrdiff_t n, double *row);

/* t from angle. */
void nqs_unit_tangents(const double *angle, const nqs_shape *shape, double *t);

/* half and scale of a change from its shift; shift is destroyed. */
void nqs_unit_tables(double *shift, const nqs_shape *shape, double *half,
                     nqs_scale *scale);

/* log_psi[0] + i log_psi[1] = sum of ln cosh(angle) or ln cos(angle). */
void nqs_unit_log_sum(const double *angle, const nqs_shape *shape,
                      double log_psi[2]);

/* Blocks of NQS_LANES configurations.  x holds the inputs and their negatives,
 * (2 n_inputs, NQS_LANES); index (n_images, n_inputs) gathers from its rows. */

/* angle[lane * stride + g] = bias + sum_u weights_u x[index[g, u], lane] */
void nqs_block_angles(const double *weights, double bias, const double *x,
                      const int *index, ptrdiff_t n_images, ptrdiff_t n_inputs,
                      double *angle, ptrdiff_t stride);

/* angle[row, j] = bias_j + sum_u x[u, row] w_uj of the first n_states <= NQS_LANES
 * configurations; tiles hold w as (n / NQS_LANES, n_inputs, NQS_LANES).  For
 * units that are no images of each other. */
void nqs_tile_angles(const double *tiles, const double *bias, const double *x,
                     ptrdiff_t n_inputs, ptrdiff_t n, ptrdiff_t n_states,
                     double *angle);

/* out[u, lane] = sum_g t[lane * stride + g] x[index[g, u], lane]; work has room
 * for (n_images, NQS_LANES). */
void nqs_block_image_sums(const double *t, ptrdiff_t stride, const double *x,
                          const int *index, ptrdiff_t n_images,
                          ptrdiff_t n_inputs, double *work, double *out);

/* Instruction sets of the inner loops by name, from the slowest one; NULL after
 * the last.  In use is the fastest that the processor runs, or the one named by
 * the environment variable HPC_NQS_SIMD. */
const char *nqs_variant(int k);
const char *nqs_variant_in_use(void);

#endif
