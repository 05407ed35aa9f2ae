#include "nqs_units.h"
#include "nqs_native.h"
#include "nqs_transcendental.h"

#include <math.h>

/* A product of complex numbers that keeps its exponent apart. */
static void multiply(nqs_scale *product, double re, double im)
{
    double next = product->re * re - product->im * im;
    product->im = product->re * im + product->im * re;
    product->re = next;
    int exponent = 0;
    frexp(fmax(fabs(product->re), fabs(product->im)), &exponent);
    product->re = ldexp(product->re, -exponent);
    product->im = ldexp(product->im, -exponent);
    product->exponent += exponent;
}

/* The ratio unit by unit, where the fast product leaves the range of doubles. */
static void careful_product(const double *t, const double *half, double sign,
                            const nqs_shape *shape, nqs_scale *product)
{
    ptrdiff_t n_real = shape->n_cosh + shape->n_cos, n = shape->n_complex;
    for (ptrdiff_t j = 0; j < n_real; j++) {
        double eta = j < shape->n_cosh ? 1 : -1;
        multiply(product, 1 + eta * half[j] * (half[j] + 2 * sign * t[j]), 0);
    }
    t += n_real;
    half += n_real;
    for (ptrdiff_t j = 0; j < n; j++) {
        double hr = half[j], hi = half[n + j];
        double zr = hr + 2 * sign * t[j], zi = hi + 2 * sign * t[n + j];
        multiply(product, 1 + hr * zr - hi * zi, hr * zi + hi * zr);
    }
}

static double scaled(double x, double exponent)
{
    return ldexp(x, (int)fmax(-4000, fmin(4000, exponent)));
}

void nqs_unit_ratio(const double *t, const double *half, const nqs_scale *scale,
                    double sign, const nqs_shape *shape, double ratio[2])
{
    ptrdiff_t n_cosh = shape->n_cosh, n_real = n_cosh + shape->n_cos;
    double cosh_part = 1, cos_part = 1, complex_part[2] = {1, 0};
    int safe = scale->exponent == 0;
    if (n_cosh)
        safe &= nqs_native->product_real(t, half, sign, 1, n_cosh, &cosh_part);
    if (shape->n_cos)
        safe &= nqs_native->product_real(t + n_cosh, half + n_cosh, sign, -1,
                                         shape->n_cos, &cos_part);
    if (shape->n_complex)
        safe &= nqs_native->product_complex(t + n_real, half + n_real, sign,
                                            shape->n_complex, complex_part);
    if (safe) {
        double re = complex_part[0], im = complex_part[1];
        double product = cosh_part * cos_part;
        ratio[0] = product * (re * scale->re - im * scale->im);
        ratio[1] = product * (re * scale->im + im * scale->re);
    } else {
        nqs_scale total = *scale;
        careful_product(t, half, sign, shape, &total);
        ratio[0] = scaled(total.re, total.exponent);
        ratio[1] = scaled(total.im, total.exponent);
    }
}

void nqs_unit_tables(double *shift, const nqs_shape *shape, double *half,
                     nqs_scale *scale)
{
    ptrdiff_t n_real = shape->n_cosh + shape->n_cos, n = shape->n_complex;
    nqs_scale product = {1, 0, 0};
    nqs_unit_halves(shift, shape, half);
    for (ptrdiff_t j = 0; j < n_real; j++)
        multiply(&product, shift[j], 0);
    for (ptrdiff_t j = n_real; j < n_real + n; j++)
        multiply(&product, shift[j], shift[n + j]);
    if (fabs(product.exponent) < 100) {
        product.re = scaled(product.re, product.exponent);
        product.im = scaled(product.im, product.exponent);
        product.exponent = 0;
    }
    *scale = product;
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
void nqs_unit_add(const double *weights, double factor, ptrdiff_t n,
                  double *row)
{
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] += factor * weights[j];
}

void nqs_block_angles(const double *weights, double bias, const double *x,
                      const int *index, ptrdiff_t n_images, ptrdiff_t n_inputs,
                      double *angle, ptrdiff_t stride)
{
    nqs_native->block_angles(weights, bias, x, index, n_images, n_inputs, angle,
                             stride);
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
