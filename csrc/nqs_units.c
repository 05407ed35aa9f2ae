#include "nqs_units.h"
#include "nqs_native.h"
#include "nqs_transcendental.h"

#include <math.h>

/* A shift of WIDEST may cost five digits of a factor cosh. */
static const double WIDEST = 12;

int nqs_unit_ratio(const double *t, const double *half, const nqs_scale *scale,
                   double sign, const nqs_shape *shape, double ratio[2])
{
    ptrdiff_t n_cosh = shape->n_cosh, n_real = n_cosh + shape->n_cos;
    nqs_scale product = *scale;
    int safe = isfinite(scale->exponent);
    if (n_cosh)
        safe &= nqs_native->product_real(t, half, sign, 1, n_cosh, &product);
    if (shape->n_cos)
        safe &= nqs_native->product_real(t + n_cosh, half + n_cosh, sign, -1,
                                         shape->n_cos, &product);
    if (shape->n_complex)
        safe &= nqs_native->product_complex(t + n_real, half + n_real, sign,
                                            shape->n_complex, &product);
    ratio[0] = product.re;
    ratio[1] = product.im;
    if (product.exponent != 0) {
        int exponent = (int)fmax(-4000, fmin(4000, product.exponent));
        ratio[0] = ldexp(product.re, exponent);
        ratio[1] = ldexp(product.im, exponent);
    }
    return safe;
}

/* Largest absolute value of n numbers. */
NQS_DISPATCH
static double largest(const double *shift, ptrdiff_t n)
{
    double found[NQS_LANES] = {0};
    for (ptrdiff_t j = 0; j < n; j += NQS_LANES)
        for (int lane = 0; lane < NQS_LANES; lane++) {
            double size = fabs(shift[j + lane]);
            found[lane] = size > found[lane] ? size : found[lane];
        }
    for (int lane = 1; lane < NQS_LANES; lane++)
        found[0] = found[lane] > found[0] ? found[lane] : found[0];
    return found[0];
}

void nqs_unit_tables(double *shift, const nqs_shape *shape, double *half,
                     nqs_scale *scale)
{
    ptrdiff_t n_real = shape->n_cosh + shape->n_cos, n = shape->n_complex;
    double widest = largest(shift, shape->n_cosh);
    double other = largest(shift + n_real, n);
    widest = other > widest ? other : widest;
    nqs_unit_halves(shift, shape, half);
    /* counts are multiples of NQS_LANES; one chain of products would wait for
     * itself */
    nqs_scale part[NQS_LANES];
    for (int lane = 0; lane < NQS_LANES; lane++)
        part[lane] = (nqs_scale){1, 0, 0};
    for (ptrdiff_t j = 0; j < n_real; j += NQS_LANES)
        for (int lane = 0; lane < NQS_LANES; lane++)
            nqs_multiply_real(&part[lane], shift[j + lane]);
    for (ptrdiff_t j = n_real; j < n_real + n; j += NQS_LANES)
        for (int lane = 0; lane < NQS_LANES; lane++)
            nqs_multiply(&part[lane], shift[j + lane], shift[n + j + lane]);
    *scale = (nqs_scale){1, 0, widest < WIDEST ? 0 : INFINITY};
    for (int lane = 0; lane < NQS_LANES; lane++) {
        nqs_multiply(scale, part[lane].re, part[lane].im);
        scale->exponent += part[lane].exponent;
    }
}

void nqs_unit_advance(const double *angle, const double *half, double sign,
                      const nqs_shape *shape, double *t)
{
    ptrdiff_t n_cosh = shape->n_cosh, n_real = n_cosh + shape->n_cos;
    int lost = nqs_native->advance_real(t, half, sign, 1, n_cosh);
    lost |= nqs_native->advance_real(t + n_cosh, half + n_cosh, sign, -1,
                                     shape->n_cos);
    lost |= nqs_native->advance_complex(t + n_real, half + n_real, sign,
                                        shape->n_complex);
    if (lost)
        nqs_unit_tangents(angle, shape, t);
}

NQS_DISPATCH
void nqs_unit_add(const double *weights, double factor, const double *weights2,
                  double factor2, ptrdiff_t n, double *row)
{
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] = row[j] + factor * weights[j] + factor2 * weights2[j];
}

void nqs_block_angles(const double *weights, double bias, const double *x,
                      const int *index, ptrdiff_t n_images, ptrdiff_t n_inputs,
                      double *angle, ptrdiff_t stride)
{
    nqs_native->block_angles(weights, bias, x, index, n_images, n_inputs, angle,
                             stride);
}

void nqs_tile_angles(const double *tiles, const double *bias, const double *x,
                     ptrdiff_t n_inputs, ptrdiff_t n, ptrdiff_t n_states,
                     double *angle)
{
    nqs_native->tile_angles(tiles, bias, x, n_inputs, n, n_states, angle);
}

void nqs_block_image_sums(const double *t, ptrdiff_t stride, const double *x,
                          const int *index, ptrdiff_t n_images,
                          ptrdiff_t n_inputs, double *work, double *out)
{
    for (ptrdiff_t g = 0; g < n_images; g++)
        for (ptrdiff_t lane = 0; lane < NQS_LANES; lane++)
            work[NQS_LANES * g + lane] = t[lane * stride + g];
    nqs_native->block_image_sums(work, x, index, n_images, n_inputs, out);
}

const char *nqs_variant_in_use(void)
{
    return nqs_native->name;
}
