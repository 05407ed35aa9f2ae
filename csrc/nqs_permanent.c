#include "nqs_permanent.h"

NQS_DISPATCH
double nqs_permanent(const double *matrix, int size, double *heads)
{
    size_t set, n_sets = (size_t)1 << size;

    heads[0] = 1;
    for (set = 1; set < n_sets; set++) {
        const double *row = matrix + (__builtin_popcountl(set) - 1) * size;
        double sum = 0;
        for (size_t left = set; left; left &= left - 1)
            sum += row[__builtin_ctzl(left)] * heads[set ^ (left & -left)];
        heads[set] = sum;
    }
    return heads[n_sets - 1];
}

NQS_DISPATCH
void nqs_permanent_minors(const double *matrix, int size, const double *heads,
                          double *tails, double *minors)
{
    size_t set, all = ((size_t)1 << size) - 1;

    /* tails[S]: the last rows with the columns S */
    tails[0] = 1;
    for (set = 1; set <= all; set++) {
        const double *row = matrix + (size - __builtin_popcountl(set)) * size;
        double sum = 0;
        for (size_t left = set; left; left &= left - 1)
            sum += row[__builtin_ctzl(left)] * tails[set ^ (left & -left)];
        tails[set] = sum;
    }
    for (int i = 0; i < size * size; i++)
        minors[i] = 0;
    /* rows before row i take the columns S, those after it all but S and j */
    for (set = 0; set < all; set++) {
        double *minor = minors + __builtin_popcountl(set) * size;
        for (size_t left = all ^ set; left; left &= left - 1)
            minor[__builtin_ctzl(left)] += heads[set] * tails[(all ^ set) ^ (left & -left)];
    }
}
