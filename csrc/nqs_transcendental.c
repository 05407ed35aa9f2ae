/* Hyperbolic and trigonometric functions of whole arrays of hidden units.
 *
 * The only file compiled with -ffast-math, so that the loops vectorize with
 * the vector library of libm.  No checks for infinities or NaN belong here. */
#include "nqs_units.h"
#include "nqs_simd.h"

#include <math.h>

enum { CHUNK = 256 };

/* cosh, sinh, cos, sin of one chunk; each function in a loop of its own. */
NQS_DISPATCH
static void hyperbolic(const double *a, ptrdiff_t m, double *c, double *s)
{
    double e[CHUNK];
    for (ptrdiff_t j = 0; j < m; j++)
        e[j] = exp(fabs(a[j]));
    for (ptrdiff_t j = 0; j < m; j++) {
        double x = a[j], x2 = x * x;
        /* series below 0.3: the difference of exponentials loses digits */
        double small = x * (1 + x2 / 6 * (1 + x2 / 20 * (1 + x2 / 42
                       * (1 + x2 / 72 * (1 + x2 / 110)))));
        double large = copysign(0.5 * (e[j] - 1 / e[j]), x);
        c[j] = 0.5 * (e[j] + 1 / e[j]);
        s[j] = fabs(x) < 0.3 ? small : large;
    }
}

NQS_DISPATCH
static void circular(const double *a, ptrdiff_t m, double *c, double *s)
{
    for (ptrdiff_t j = 0; j < m; j++)
        c[j] = cos(a[j]);
    for (ptrdiff_t j = 0; j < m; j++)
        s[j] = sin(a[j]);
}

static ptrdiff_t chunk_length(ptrdiff_t start, ptrdiff_t n)
{
    return n - start < CHUNK ? n - start : CHUNK;
}

/* exp(-2|a|) keeps tanh and ln cosh finite for any angle. */
NQS_DISPATCH
static void tangents_real(const double *angle, const double *eta, ptrdiff_t n,
                          double *t)
{
    double c[CHUNK], s[CHUNK], e[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        const double *a = angle + start;
        for (ptrdiff_t j = 0; j < m; j++)
            e[j] = exp(-2 * fabs(a[j]));
        circular(a, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++) {
            double x2 = a[j] * a[j];
            double small = a[j] * (1 + x2 / 6 * (1 + x2 / 20 * (1 + x2 / 42)))
                         / (1 + x2 / 2 * (1 + x2 / 12 * (1 + x2 / 30)));
            double tanh_a = fabs(a[j]) < 0.02 ? small
                          : copysign((1 - e[j]) / (1 + e[j]), a[j]);
            t[start + j] = eta[start + j] > 0 ? tanh_a : s[j] / c[j];
        }
    }
}

NQS_DISPATCH
static void tangents_complex(const double *angle, ptrdiff_t n, double *t)
{
    double c[CHUNK], s[CHUNK], e[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        const double *a = angle + start, *b = angle + n + start;
        for (ptrdiff_t j = 0; j < m; j++)
            e[j] = exp(-2 * fabs(a[j]));
        circular(b, m, c, s);
        /* tanh(a+ib) = (sinh 2a + i sin 2b) / (cosh 2a + cos 2b), both
         * multiplied by 2 exp(-2|a|); the denominator is written as a sum of
         * squares, which does not cancel near its zeros. */
        for (ptrdiff_t j = 0; j < m; j++) {
            double p = 1 + e[j], q = 1 - e[j];
            double u = c[j] * p, v = s[j] * q, norm = u * u + v * v;
            t[start + j] = copysign(p * q, a[j]) / norm;
            t[n + start + j] = 4 * s[j] * c[j] * e[j] / norm;
        }
    }
}

void nqs_unit_tangents(const double *angle, const double *eta, ptrdiff_t n,
                       int width, double *t)
{
    if (width == 1)
        tangents_real(angle, eta, n, t);
    else
        tangents_complex(angle, n, t);
}

NQS_DISPATCH
void nqs_unit_tables(const double *shift, const double *eta, ptrdiff_t n,
                     int width, double *even, double *odd)
{
    double ch[CHUNK], sh[CHUNK], c[CHUNK], s[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        hyperbolic(shift + start, m, ch, sh);
        circular(shift + (width - 1) * n + start, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++) {
            ptrdiff_t k = start + j;
            if (width == 1) {
                even[k] = eta[k] > 0 ? ch[j] : c[j];
                odd[k] = eta[k] > 0 ? sh[j] : -s[j];
            } else {
                even[k] = ch[j] * c[j];
                even[n + k] = sh[j] * s[j];
                odd[k] = sh[j] * c[j];
                odd[n + k] = ch[j] * s[j];
            }
        }
    }
}

NQS_DISPATCH
void nqs_unit_log_sum(const double *angle, const double *eta, ptrdiff_t n_units,
                      ptrdiff_t n, int width, double log_psi[2])
{
    double c[CHUNK], s[CHUNK], e[CHUNK], magnitude[CHUNK], phase[CHUNK];
    double re = 0.0, im = 0.0;
    for (ptrdiff_t start = 0; start < n_units; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n_units);
        const double *a = angle + start;
        for (ptrdiff_t j = 0; j < m; j++)
            e[j] = exp(-2 * fabs(a[j]));
        circular(angle + (width - 1) * n + start, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++) {
            /* 2 cosh(a+ib) = exp|a| (u + i sign(a) v); a real unit has b = 0,
             * an imaginary one a = 0 */
            int hyper = eta[start + j] > 0;
            double p = width == 2 || hyper ? 1 + e[j] : 2;
            double u = width == 2 || !hyper ? c[j] * p : p;
            double v = width == 2 ? copysign(1.0, a[j]) * s[j] * (1 - e[j]) : 0;
            re += width == 2 || hyper ? fabs(a[j]) : 0;
            magnitude[j] = u * u + v * v;
            phase[j] = v;
            c[j] = u;
        }
        for (ptrdiff_t j = 0; j < m; j++)
            re += 0.5 * log(magnitude[j]);
        for (ptrdiff_t j = 0; j < m; j++)
            im += atan2(phase[j], c[j]);
    }
    log_psi[0] = re;
    log_psi[1] = im;
}
