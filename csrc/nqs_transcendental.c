/* Hyperbolic and trigonometric functions of whole arrays of hidden units.
 *
 * The only file compiled with -ffast-math, so that the loops vectorize with
 * the vector library of libm: every function in a loop of its own.  No checks
 * for infinities or NaN belong here. */
#include "nqs_transcendental.h"

#include <math.h>

enum { CHUNK = 256 };

static const double PI = 3.14159265358979323846;

static ptrdiff_t chunk_length(ptrdiff_t start, ptrdiff_t n)
{
    return n - start < CHUNK ? n - start : CHUNK;
}

/* 1 - exp(-x) for x >= 0 where e = exp(-x); the series where the difference
 * would lose digits. */
static inline double complement(double x, double e)
{
    double series = x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4 * (1 - x / 5
                  * (1 - x / 6 * (1 - x / 7 * (1 - x / 8)))))));
    return x < 0.04 ? series : 1 - e;
}

/* e_j = exp(-factor |a_j|): it keeps tanh and ln cosh finite for any angle. */
NQS_DISPATCH
static void decay(const double *a, double factor, ptrdiff_t m, double *e)
{
    for (ptrdiff_t j = 0; j < m; j++)
        e[j] = exp(-factor * fabs(a[j]));
}

NQS_DISPATCH
static void circular(const double *a, ptrdiff_t m, double *c, double *s)
{
    for (ptrdiff_t j = 0; j < m; j++)
        c[j] = cos(a[j]);
    for (ptrdiff_t j = 0; j < m; j++)
        s[j] = sin(a[j]);
}

/* ---- tangents ------------------------------------------------------------ */

NQS_DISPATCH
static void tangents_cosh(const double *angle, ptrdiff_t n, double *t)
{
    double e[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        const double *a = angle + start;
        decay(a, 2, m, e);
        for (ptrdiff_t j = 0; j < m; j++)
            t[start + j] = copysign(complement(2 * fabs(a[j]), e[j]), a[j])
                         / (1 + e[j]);
    }
}

NQS_DISPATCH
static void tangents_cos(const double *angle, ptrdiff_t n, double *t)
{
    double c[CHUNK], s[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        circular(angle + start, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++)
            t[start + j] = s[j] / c[j];
    }
}

/* tanh(a+ib) = (sinh 2a + i sin 2b) / (cosh 2a + cos 2b), both multiplied by
 * 2 exp(-2|a|); the denominator is written as a sum of squares, which does not
 * cancel near its zeros. */
NQS_DISPATCH
static void tangents_complex(const double *angle, ptrdiff_t n, double *t)
{
    double c[CHUNK], s[CHUNK], e[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        const double *a = angle + start;
        decay(a, 2, m, e);
        circular(angle + n + start, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++) {
            double p = 1 + e[j], q = complement(2 * fabs(a[j]), e[j]);
            double u = c[j] * p, v = s[j] * q, norm = u * u + v * v;
            t[start + j] = copysign(p * q, a[j]) / norm;
            t[n + start + j] = 4 * s[j] * c[j] * e[j] / norm;
        }
    }
}

void nqs_unit_tangents(const double *angle, const nqs_shape *shape, double *t)
{
    ptrdiff_t n_cosh = shape->n_cosh, n_real = n_cosh + shape->n_cos;
    tangents_cosh(angle, n_cosh, t);
    tangents_cos(angle + n_cosh, shape->n_cos, t + n_cosh);
    tangents_complex(angle + n_real, shape->n_complex, t + n_real);
}

/* ---- tables -------------------------------------------------------------- */

NQS_DISPATCH
static void halves_cosh(double *shift, ptrdiff_t n, double *half)
{
    double e[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        double *x = shift + start;
        decay(x, 1, m, e);
        for (ptrdiff_t j = 0; j < m; j++) {
            double p = 1 + e[j];
            half[start + j] = copysign(complement(fabs(x[j]), e[j]), x[j]) / p;
            x[j] = p * p / (4 * e[j]);
        }
    }
}

/* x_j is reduced to -pi/2..pi/2 by multiples of pi; sign_j = -1 where their
 * number is odd, which is the change of sign of cos(x_j). */
NQS_DISPATCH
static void reduce(double *x, ptrdiff_t m, double *sign)
{
    for (ptrdiff_t j = 0; j < m; j++) {
        double turns = nearbyint(x[j] / PI);
        x[j] -= turns * PI;
        sign[j] = turns - 2 * nearbyint(turns / 2) == 0 ? 1.0 : -1.0;
    }
}

NQS_DISPATCH
static void halves_cos(double *shift, ptrdiff_t n, double *half)
{
    double c[CHUNK], s[CHUNK], sign[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        double *y = shift + start;
        reduce(y, m, sign);
        circular(y, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++) {
            half[start + j] = s[j] / (1 + c[j]);
            y[j] = sign[j] * 0.5 * (1 + c[j]);
        }
    }
}

/* tanh((x+iy)/2) = (sinh x + i sin y) / (cosh x + cos y),
 * cosh^2((x+iy)/2) = (1 + cosh(x+iy)) / 2; cos y >= 0 after the reduction. */
NQS_DISPATCH
static void halves_complex(double *shift, ptrdiff_t n, double *half)
{
    double c[CHUNK], s[CHUNK], e[CHUNK], sign[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        double *x = shift + start, *y = shift + n + start;
        decay(x, 1, m, e);
        reduce(y, m, sign);
        circular(y, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++) {
            double sinh2 = copysign((1 + e[j]) * complement(fabs(x[j]), e[j]), x[j]);
            double cosh2 = 1 + e[j] * e[j], norm = cosh2 + 2 * e[j] * c[j];
            half[start + j] = sinh2 / norm;
            half[n + start + j] = 2 * e[j] * s[j] / norm;
            x[j] = sign[j] * (0.5 + 0.25 * cosh2 * c[j] / e[j]);
            y[j] = sign[j] * 0.25 * sinh2 * s[j] / e[j];
        }
    }
}

void nqs_unit_halves(double *shift, const nqs_shape *shape, double *half)
{
    ptrdiff_t n_cosh = shape->n_cosh, n_real = n_cosh + shape->n_cos;
    halves_cosh(shift, n_cosh, half);
    halves_cos(shift + n_cosh, shape->n_cos, half + n_cosh);
    halves_complex(shift + n_real, shape->n_complex, half + n_real);
}

/* ---- logarithms ---------------------------------------------------------- */

/* Products over every eighth number of a chunk, so that few logarithms remain. */
NQS_DISPATCH
static void fold(const double *u, const double *v, ptrdiff_t m,
                 double re[NQS_LANES], double im[NQS_LANES])
{
    for (int lane = 0; lane < NQS_LANES; lane++) {
        re[lane] = 1;
        im[lane] = 0;
    }
    for (ptrdiff_t j = 0; j < m; j += NQS_LANES)
        for (int lane = 0; lane < NQS_LANES; lane++) {
            double next = re[lane] * u[j + lane] - im[lane] * v[j + lane];
            im[lane] = re[lane] * v[j + lane] + im[lane] * u[j + lane];
            re[lane] = next;
        }
}

/* log_psi += the logarithm of the product of u + iv over a chunk. */
static void add_logs(const double *u, const double *v, ptrdiff_t m,
                     double log_psi[2])
{
    double re[NQS_LANES], im[NQS_LANES];
    fold(u, v, m, re, im);
    for (int lane = 0; lane < NQS_LANES; lane++) {
        log_psi[0] += 0.5 * log(re[lane] * re[lane] + im[lane] * im[lane]);
        log_psi[1] += atan2(im[lane], re[lane]);
    }
}

/* cosh(a) = exp|a| (1 + exp(-2|a|)) / 2 */
NQS_DISPATCH
static void logs_cosh(const double *angle, ptrdiff_t n, double log_psi[2])
{
    double u[CHUNK], v[CHUNK] = {0};
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        double exponent = 0;
        decay(angle + start, 2, m, u);
        for (ptrdiff_t j = 0; j < m; j++) {
            u[j] = 0.5 * (1 + u[j]);
            exponent += fabs(angle[start + j]);
        }
        log_psi[0] += exponent;
        add_logs(u, v, m, log_psi);
    }
}

NQS_DISPATCH
static void logs_cos(const double *angle, ptrdiff_t n, double log_psi[2])
{
    double u[CHUNK], v[CHUNK] = {0};
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        for (ptrdiff_t j = 0; j < m; j++)
            u[j] = cos(angle[start + j]);
        add_logs(u, v, m, log_psi);
    }
}

/* cosh(a+ib) = exp|a| (cos b (1 + e) + i sign(a) sin b (1 - e)) / 2 */
NQS_DISPATCH
static void logs_complex(const double *angle, ptrdiff_t n, double log_psi[2])
{
    double c[CHUNK], s[CHUNK], e[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        ptrdiff_t m = chunk_length(start, n);
        const double *a = angle + start;
        double exponent = 0;
        decay(a, 2, m, e);
        circular(angle + n + start, m, c, s);
        for (ptrdiff_t j = 0; j < m; j++) {
            c[j] *= 0.5 * (1 + e[j]);
            s[j] *= copysign(0.5 * complement(2 * fabs(a[j]), e[j]), a[j]);
            exponent += fabs(a[j]);
        }
        log_psi[0] += exponent;
        add_logs(c, s, m, log_psi);
    }
}

void nqs_unit_log_sum(const double *angle, const nqs_shape *shape,
                      double log_psi[2])
{
    ptrdiff_t n_cosh = shape->n_cosh, n_real = n_cosh + shape->n_cos;
    log_psi[0] = log_psi[1] = 0;
    logs_cosh(angle, n_cosh, log_psi);
    logs_cos(angle + n_cosh, shape->n_cos, log_psi);
    logs_complex(angle + n_real, shape->n_complex, log_psi);
}
