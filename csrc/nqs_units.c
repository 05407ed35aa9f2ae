#include "nqs_units.h"
#include "nqs_simd.h"

#include <math.h>

/* Largest number of factors per lane multiplied before the exponent is split
 * off, so that neither overflow nor underflow can happen on the way. */
enum { NQS_BLOCK = 8 * NQS_LANES };

/* A factor smaller than this, relative to its two terms, has lost digits to
 * cancellation: t is then recomputed from the angle. */
static const double NQS_CANCELLED = 1e-3;

#define load(p) (*(const nqs_vec *)(p))

NQS_DISPATCH
static double product_block(const double *t, const double *even,
                            const double *odd, double sign, ptrdiff_t n)
{
    nqs_vec p0 = {1, 1, 1, 1, 1, 1, 1, 1}, p1 = p0;
    ptrdiff_t j = 0;
    for (; j + 2 * NQS_LANES <= n; j += 2 * NQS_LANES) {
        p0 *= load(even + j) + sign * load(t + j) * load(odd + j);
        p1 *= load(even + j + NQS_LANES)
              + sign * load(t + j + NQS_LANES) * load(odd + j + NQS_LANES);
    }
    for (; j < n; j += NQS_LANES)
        p0 *= load(even + j) + sign * load(t + j) * load(odd + j);
    p0 *= p1;
    double product = 1.0;
    for (int lane = 0; lane < NQS_LANES; lane++)
        product *= p0[lane];
    return product;
}

NQS_DISPATCH
static void product_block_complex(const double *t, const double *even,
                                  const double *odd, double sign, ptrdiff_t n,
                                  ptrdiff_t plane, double product[2])
{
    nqs_vec re = {1, 1, 1, 1, 1, 1, 1, 1}, im = re - re;
    for (ptrdiff_t j = 0; j < n; j += NQS_LANES) {
        nqs_vec tr = sign * load(t + j), ti = sign * load(t + plane + j);
        nqs_vec sr = load(odd + j), si = load(odd + plane + j);
        nqs_vec fr = load(even + j) + tr * sr - ti * si;
        nqs_vec fi = load(even + plane + j) + tr * si + ti * sr;
        nqs_vec next = re * fr - im * fi;
        im = re * fi + im * fr;
        re = next;
    }
    double pr = 1.0, pi = 0.0;
    for (int lane = 0; lane < NQS_LANES; lane++) {
        double next = pr * re[lane] - pi * im[lane];
        pi = pr * im[lane] + pi * re[lane];
        pr = next;
    }
    product[0] = pr;
    product[1] = pi;
}

static double split_exponent(double x, long *exponent)
{
    int e = 0;
    double mantissa = frexp(x, &e);
    *exponent += e;
    return mantissa;
}

static double join_exponent(double x, long exponent)
{
    if (exponent > 4000) exponent = 4000;
    if (exponent < -4000) exponent = -4000;
    return ldexp(x, (int)exponent);
}

static void product_real(const double *t, const double *even, const double *odd,
                         double sign, ptrdiff_t n, double ratio[2])
{
    double product = 1.0;
    long exponent = 0;
    for (ptrdiff_t j = 0; j < n; j += NQS_BLOCK) {
        ptrdiff_t m = n - j < NQS_BLOCK ? n - j : NQS_BLOCK;
        product *= product_block(t + j, even + j, odd + j, sign, m);
        product = split_exponent(product, &exponent);
    }
    ratio[0] = join_exponent(product, exponent);
    ratio[1] = 0.0;
}

static void product_complex(const double *t, const double *even,
                            const double *odd, double sign, ptrdiff_t n,
                            double ratio[2])
{
    double pr = 1.0, pi = 0.0, block[2];
    long exponent = 0;
    for (ptrdiff_t j = 0; j < n; j += NQS_BLOCK) {
        ptrdiff_t m = n - j < NQS_BLOCK ? n - j : NQS_BLOCK;
        product_block_complex(t + j, even + j, odd + j, sign, m, n, block);
        double re = pr * block[0] - pi * block[1];
        double im = pr * block[1] + pi * block[0];
        long e = 0;
        split_exponent(fabs(re) > fabs(im) ? re : im, &e);
        pr = join_exponent(re, -e);
        pi = join_exponent(im, -e);
        exponent += e;
    }
    ratio[0] = join_exponent(pr, exponent);
    ratio[1] = join_exponent(pi, exponent);
}

void nqs_unit_product(const double *t, const double *even, const double *odd,
                      double sign, ptrdiff_t n, int width, double ratio[2])
{
    if (width == 1)
        product_real(t, even, odd, sign, n, ratio);
    else
        product_complex(t, even, odd, sign, n, ratio);
}

NQS_DISPATCH
static int advance_real(double *angle, double *t, const double *shift,
                        const double *even, const double *odd,
                        const double *eta, double sign, ptrdiff_t n)
{
    int cancelled = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double term = sign * t[j] * odd[j];
        double factor = even[j] + term;
        angle[j] += sign * shift[j];
        t[j] = (t[j] * even[j] + sign * eta[j] * odd[j]) / factor;
        cancelled |= fabs(factor) < NQS_CANCELLED * (fabs(even[j]) + fabs(term));
    }
    return cancelled;
}

NQS_DISPATCH
static int advance_complex(double *angle, double *t, const double *shift,
                           const double *even, const double *odd,
                           double sign, ptrdiff_t n)
{
    int cancelled = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double tr = t[j], ti = t[n + j];
        double er = even[j], ei = even[n + j];
        double sr = sign * odd[j], si = sign * odd[n + j];
        double fr = er + tr * sr - ti * si, fi = ei + tr * si + ti * sr;
        double nr = tr * er - ti * ei + sr, ni = tr * ei + ti * er + si;
        double norm = fr * fr + fi * fi;
        double scale = er * er + ei * ei + (tr * tr + ti * ti) * (sr * sr + si * si);
        angle[j] += sign * shift[j];
        angle[n + j] += sign * shift[n + j];
        t[j] = (nr * fr + ni * fi) / norm;
        t[n + j] = (ni * fr - nr * fi) / norm;
        cancelled |= norm < NQS_CANCELLED * NQS_CANCELLED * scale;
    }
    return cancelled;
}

void nqs_unit_advance(double *angle, double *t, const double *shift,
                      const double *even, const double *odd, const double *eta,
                      double sign, ptrdiff_t n, int width)
{
    int cancelled = width == 1
        ? advance_real(angle, t, shift, even, odd, eta, sign, n)
        : advance_complex(angle, t, shift, even, odd, sign, n);
    if (cancelled)
        nqs_unit_tangents(angle, eta, n, width, t);
}

NQS_DISPATCH
void nqs_unit_angles(const double *weights, const double *bias, const double *x,
                     ptrdiff_t n_inputs, ptrdiff_t n, int width, double *angle)
{
    ptrdiff_t m = width * n;
    for (ptrdiff_t j = 0; j < m; j++)
        angle[j] = bias[j];
    for (ptrdiff_t v = 0; v < n_inputs; v++)
        for (ptrdiff_t j = 0; j < m; j++)
            angle[j] += x[v] * weights[v * m + j];
}

NQS_DISPATCH
void nqs_image_sum(const double *t, ptrdiff_t stride, int width,
                   const double *x, const int *index, ptrdiff_t n_images,
                   ptrdiff_t n_inputs, double *out)
{
    for (ptrdiff_t u = 0; u < width * n_inputs; u++)
        out[u] = 0.0;
    for (ptrdiff_t g = 0; g < n_images; g++) {
        const int *row = index + g * n_inputs;
        if (width == 1)
            for (ptrdiff_t u = 0; u < n_inputs; u++)
                out[u] += t[g] * x[row[u]];
        else
            for (ptrdiff_t u = 0; u < n_inputs; u++) {
                out[2 * u] += t[g] * x[row[u]];
                out[2 * u + 1] += t[stride + g] * x[row[u]];
            }
    }
}
