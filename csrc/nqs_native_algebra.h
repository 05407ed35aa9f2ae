/* Rows, dot products and the inverse of small matrices; nqs_native_body.h includes
 * this file once per variant. */

static double NQS_NAME(dot)(const double *a, const double *b, ptrdiff_t n)
{
    vec even = {0}, odd = {0};
    ptrdiff_t j = 0;
    for (; j + 2 * NQS_WIDTH <= n; j += 2 * NQS_WIDTH) {
        even += load(a + j) * load(b + j);
        odd += load(a + j + NQS_WIDTH) * load(b + j + NQS_WIDTH);
    }
    for (; j < n; j += NQS_WIDTH)
        even += load(a + j) * load(b + j);
    even += odd;
    double sum = 0;
    for (int lane = 0; lane < NQS_WIDTH; lane++)
        sum += even[lane];
    return sum;
}

__attribute__((always_inline)) static inline void
NQS_NAME(sum_rows)(const double *factor, const double *rows, ptrdiff_t n_rows,
                   ptrdiff_t n, int add, double *out)
{
    for (ptrdiff_t j = 0; j < n; j += NQS_LANES) {
        vec sum[PARTS];
        for (int part = 0; part < PARTS; part++)
            sum[part] = add ? load(out + j + part * NQS_WIDTH) : (vec){0};
        for (ptrdiff_t k = 0; k < n_rows; k++)
            for (int part = 0; part < PARTS; part++)
                sum[part] += factor[k] * load(rows + k * n + j + part * NQS_WIDTH);
        for (int part = 0; part < PARTS; part++)
            store(out + j + part * NQS_WIDTH, sum[part]);
    }
}

/* Ten independent chains: enough to fill two units of four or five cycles. */
static void NQS_NAME(multiply_adds)(double *values, double factor, double summand,
                                    ptrdiff_t n_rounds)
{
    const vec f = (vec){0} + factor, s = (vec){0} + summand;
    for (ptrdiff_t start = 0; start < NQS_CHAINS; start += 10 * NQS_WIDTH) {
        vec x[10];
        for (int k = 0; k < 10; k++)
            x[k] = load(values + start + k * NQS_WIDTH);
        for (ptrdiff_t round = 0; round < n_rounds; round++)
#pragma GCC unroll 10
            for (int k = 0; k < 10; k++)
                x[k] = x[k] * f + s;
        for (int k = 0; k < 10; k++)
            store(values + start + k * NQS_WIDTH, x[k]);
    }
}

static void NQS_NAME(triad)(const double *b, const double *c, double factor,
                            ptrdiff_t n, double *a)
{
    for (ptrdiff_t j = 0; j < n; j += NQS_WIDTH)
        store(a + j, load(b + j) + factor * load(c + j));
}

static void NQS_NAME(combine)(const double *factor, const double *rows,
                              ptrdiff_t n_rows, ptrdiff_t n, double *out)
{
    NQS_NAME(sum_rows)(factor, rows, n_rows, n, 0, out);
}

static void NQS_NAME(add_rows)(const double *factor, const double *rows,
                               ptrdiff_t n_rows, ptrdiff_t n, double *out)
{
    NQS_NAME(sum_rows)(factor, rows, n_rows, n, 1, out);
}

static void NQS_NAME(invert)(double *matrix, ptrdiff_t n_rows, ptrdiff_t n,
                             ptrdiff_t *swaps, double *pivots)
{
    for (ptrdiff_t k = 0; k < n_rows; k++) {
        ptrdiff_t best = k;
        for (ptrdiff_t i = k + 1; i < n_rows; i++)
            if (fabs(matrix[i * n + k]) > fabs(matrix[best * n + k]))
                best = i;
        double *pivot_row = matrix + k * n, *best_row = matrix + best * n;
        for (ptrdiff_t j = 0; j < n && best != k; j += NQS_WIDTH) {
            vec held = load(pivot_row + j);
            store(pivot_row + j, load(best_row + j));
            store(best_row + j, held);
        }
        swaps[k] = best;
        pivots[k] = pivot_row[k];
        pivot_row[k] = 1;
        double scale = 1 / pivots[k];
        for (ptrdiff_t j = 0; j < n; j += NQS_WIDTH)
            store(pivot_row + j, scale * load(pivot_row + j));
        for (ptrdiff_t i = 0; i < n_rows; i++) {
            double *row = matrix + i * n, factor = row[k];
            if (i == k || factor == 0)
                continue;
            row[k] = 0;
            for (ptrdiff_t j = 0; j < n; j += NQS_WIDTH)
                store(row + j, load(row + j) - factor * load(pivot_row + j));
        }
    }
}
