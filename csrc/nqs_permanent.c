#include "nqs_permanent.h"
#include "nqs_native.h"

#include <string.h>

/* How many columns a set has; the processor's own instruction is not on every one. */
static const signed char N_COLUMNS[1 << (NQS_SMALLEST - 1)] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

/* sums[S]: permanent of the first |S| rows with the columns S, row s at first + s step */
static void sum_subsets(const double *first, ptrdiff_t step, int size, double *sums)
{
    size_t set, n_sets = (size_t)1 << size;

    sums[0] = 1;
    for (set = 1; set < n_sets; set++) {
        const double *row = first + (N_COLUMNS[set] - 1) * step;
        double sum = 0;
        for (size_t left = set; left; left &= left - 1)
            sum += row[__builtin_ctzl(left)] * sums[set ^ (left & -left)];
        sums[set] = sum;
    }
}

/* Permanent of two rows a b and c d. */
static inline double of_two(double a, double b, double c, double d)
{
    return a * d + b * c;
}

/* First minors of three rows. */
static inline void minors_of_three(const double *m, double *minors)
{
    for (int i = 0; i < 3; i++) {
        const double *p = m + (i == 0 ? 3 : 0), *q = m + (i == 2 ? 3 : 6);
        minors[3 * i] = of_two(p[1], p[2], q[1], q[2]);
        minors[3 * i + 1] = of_two(p[0], p[2], q[0], q[2]);
        minors[3 * i + 2] = of_two(p[0], p[1], q[0], q[1]);
    }
}

double nqs_permanent(const double *m, int size, double *heads)
{
    switch (size) {
    case 0:
        return 1;
    case 1:
        return m[0];
    case 2:
        return of_two(m[0], m[1], m[2], m[3]);
    case 3:
        return m[0] * of_two(m[4], m[5], m[7], m[8]) + m[1] * of_two(m[3], m[5], m[6], m[8])
             + m[2] * of_two(m[3], m[4], m[6], m[7]);
    }
    if (size >= NQS_SMALLEST)
        return nqs_native->permanent(m, size, heads);
    sum_subsets(m, size, size, heads);
    return heads[((size_t)1 << size) - 1];
}

void nqs_permanent_minors(const double *matrix, int size, const double *heads,
                          double *tails, double *minors)
{
    size_t set, all = ((size_t)1 << size) - 1;

    switch (size) {
    case 0:
        return;
    case 1:
        minors[0] = 1;
        return;
    case 2:
        for (int i = 0; i < 4; i++)
            minors[i] = matrix[3 - i];
        return;
    case 3:
        minors_of_three(matrix, minors);
        return;
    }
    if (size >= NQS_SMALLEST) {
        nqs_native->permanent_minors(matrix, size, heads, tails, minors);
        return;
    }
    /* tails[S]: the last rows with the columns S */
    sum_subsets(matrix + (size - 1) * size, -size, size, tails);
    for (int i = 0; i < size * size; i++)
        minors[i] = 0;
    /* rows before row i take the columns S, those after it all but S and j */
    for (set = 0; set < all; set++) {
        double *minor = minors + N_COLUMNS[set] * size;
        for (size_t left = all ^ set; left; left &= left - 1)
            minor[__builtin_ctzl(left)] += heads[set] * tails[(all ^ set) ^ (left & -left)];
    }
}

NQS_DISPATCH
void nqs_permanent_moves(const double *exchange, ptrdiff_t n_sites, const ptrdiff_t *up,
                         const ptrdiff_t *down, ptrdiff_t size, const double *minors,
                         double *restrict of_up, double *restrict of_down)
{
    const ptrdiff_t n = n_sites;

    memset(of_up, 0, size * n * sizeof(double));
    memset(of_down, 0, size * n * sizeof(double));
    for (ptrdiff_t i = 0; i < size; i++)
        for (ptrdiff_t k = 0; k < size; k++) {
            const double minor = minors[i * size + k];
            const double *from_down = exchange + down[k] * n, *from_up = exchange + up[i] * n;
            double *a = of_up + i * n, *b = of_down + k * n;
            for (ptrdiff_t site = 0; site < n; site++) {
                a[site] += minor * from_down[site];
                b[site] += minor * from_up[site];
            }
        }
}
