#include "nqs_permanent.h"
#include "nqs_native.h"

/* sums[S]: permanent of the first |S| rows with the columns S, row s at first + s step */
static void sum_subsets(const double *first, ptrdiff_t step, int size, double *sums)
{
    size_t set, n_sets = (size_t)1 << size;

    sums[0] = 1;
    for (set = 1; set < n_sets; set++) {
        const double *row = first + (__builtin_popcountl(set) - 1) * step;
        double sum = 0;
        for (size_t left = set; left; left &= left - 1)
            sum += row[__builtin_ctzl(left)] * sums[set ^ (left & -left)];
        sums[set] = sum;
    }
}

double nqs_permanent(const double *matrix, int size, double *heads)
{
    if (size >= NQS_SMALLEST)
        return nqs_native->permanent(matrix, size, heads);
    sum_subsets(matrix, size, size, heads);
    return heads[((size_t)1 << size) - 1];
}

void nqs_permanent_minors(const double *matrix, int size, const double *heads,
                          double *tails, double *minors)
{
    size_t set, all = ((size_t)1 << size) - 1;

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
        double *minor = minors + __builtin_popcountl(set) * size;
        for (size_t left = all ^ set; left; left &= left - 1)
            minor[__builtin_ctzl(left)] += heads[set] * tails[(all ^ set) ^ (left & -left)];
    }
}
