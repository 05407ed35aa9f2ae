#include "nqs_roofline.h"
#include "nqs_native.h"

void nqs_multiply_adds(double *values, double factor, double summand,
                       ptrdiff_t n_rounds)
{
    nqs_native->multiply_adds(values, factor, summand, n_rounds);
}

void nqs_triad(const double *b, const double *c, double factor, ptrdiff_t n,
               double *a)
{
    nqs_native->triad(b, c, factor, n, a);
}
