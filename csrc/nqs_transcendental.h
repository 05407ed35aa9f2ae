/* From the shift of the angles to the tables of a change. */
#ifndef NQS_TRANSCENDENTAL_H
#define NQS_TRANSCENDENTAL_H

#include "nqs_units.h"

/* half from shift; shift is replaced by the leading factors cosh^2(shift / 2)
 * and cos^2(shift / 2), in place. */
void nqs_unit_halves(double *shift, const nqs_shape *shape, double *half);

#endif
