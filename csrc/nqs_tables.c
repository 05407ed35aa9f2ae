#include "nqs_tables.h"

NQS_DISPATCH
void nqs_codes(const int *up, const ptrdiff_t *first_unit, const ptrdiff_t *units,
               const ptrdiff_t *first_code, ptrdiff_t n_clusters, int *codes)
{
    for (ptrdiff_t c = 0; c < n_clusters; c++) {
        int sum[NQS_LANES];
        for (int lane = 0; lane < NQS_LANES; lane++)
            sum[lane] = (int)first_code[c];
        for (ptrdiff_t u = first_unit[c]; u < first_unit[c + 1]; u++) {
            const int *bits = up + units[u] * NQS_LANES;
            const int shift = (int)(u - first_unit[c]);
            for (int lane = 0; lane < NQS_LANES; lane++)
                sum[lane] += bits[lane] << shift;
        }
        for (int lane = 0; lane < NQS_LANES; lane++)
            codes[c * NQS_LANES + lane] = sum[lane];
    }
}

NQS_DISPATCH
void nqs_flip_differences(const double *table, const int *codes, const ptrdiff_t *first_unit,
                          const ptrdiff_t *units, ptrdiff_t n_clusters, ptrdiff_t n_units,
                          double *differences)
{
    for (ptrdiff_t i = 0; i < n_units * NQS_LANES; i++)
        differences[i] = 0;
    for (ptrdiff_t c = 0; c < n_clusters; c++) {
        int code[NQS_LANES];
        double present[NQS_LANES];
        for (int lane = 0; lane < NQS_LANES; lane++) {
            code[lane] = codes[c * NQS_LANES + lane];
            present[lane] = table[code[lane]];
        }
        for (ptrdiff_t u = first_unit[c]; u < first_unit[c + 1]; u++) {
            double *sum = differences + units[u] * NQS_LANES;
            const int bit = 1 << (u - first_unit[c]);
            for (int lane = 0; lane < NQS_LANES; lane++)
                sum[lane] += table[code[lane] ^ bit] - present[lane];
        }
    }
}

NQS_DISPATCH
void nqs_sum_fields(const double *restrict pairs, const int *restrict spins, ptrdiff_t n_rows,
                    ptrdiff_t n_sites, double *restrict fields)
{
    const ptrdiff_t n = 4 * n_sites;
    for (ptrdiff_t k = 0; k < n_rows * n; k++)
        fields[k] = 0;
    for (ptrdiff_t i = 0; i < n_sites; i++)
        for (ptrdiff_t row = 0; row < n_rows; row++) {
            const double *from = pairs + (4 * i + spins[row * n_sites + i]) * n;
            double *to = fields + row * n;
            for (ptrdiff_t k = 0; k < n; k++)
                to[k] += from[k];
        }
}

NQS_DISPATCH
void nqs_move_fields(const double *restrict before, const double *restrict after, ptrdiff_t n,
                     double *restrict fields)
{
    for (ptrdiff_t k = 0; k < n; k++)
        fields[k] += after[k] - before[k];
}
