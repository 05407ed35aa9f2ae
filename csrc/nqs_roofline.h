/* What a core can do at most: multiply-adds in registers, numbers from memory. */
#ifndef NQS_ROOFLINE_H
#define NQS_ROOFLINE_H

#include <stddef.h>

/* Numbers that nqs_multiply_adds works on: ten vectors of the widest kind. */
#define NQS_CHAINS 80

/* Every one of NQS_CHAINS values becomes value * factor + summand, n_rounds
 * times, in place. */
void nqs_multiply_adds(double *values, double factor, double summand,
                       ptrdiff_t n_rounds);

/* a = b + factor c; n is a multiple of NQS_LANES. */
void nqs_triad(const double *b, const double *c, double factor, ptrdiff_t n,
               double *a);

#endif
