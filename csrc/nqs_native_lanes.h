/* Square matrices side by side, lane l of every entry that of matrix l: entry (i, j) of NQS_LANES
 * matrices of n rows stands at 8 (i n + j).  nqs_native_body.h includes this file once per variant. */

#define AT(matrix, i, j, part) ((matrix) + ((i) * n + (j)) * NQS_LANES + (part) * NQS_WIDTH)
#define SELECT(m, yes, no) ((vec)(((mask)(yes) & (m)) | ((mask)(no) & ~(m))))
#define MODULUS(x) ((vec)((mask)(x) & INT64_MAX))

/* Exchange n entries, `step` apart, of two rows or columns in the lanes where best == which. */
static inline void NQS_NAME(exchange_lanes)(double *a, double *b, ptrdiff_t step, ptrdiff_t n,
                                            const double *best, double which)
{
    for (int part = 0; part < PARTS; part++) {
        mask chosen = load(best + part * NQS_WIDTH) == (vec){0} + which;
        for (ptrdiff_t j = 0; j < n; j++) {
            double *at_a = a + j * step + part * NQS_WIDTH, *at_b = b + j * step + part * NQS_WIDTH;
            vec held = load(at_a), other = load(at_b);
            store(at_a, SELECT(chosen, other, held));
            store(at_b, SELECT(chosen, held, other));
        }
    }
}

/* For every number other than k among the lanes of `best`, exchange it with k. */
static inline void NQS_NAME(exchange_with_best)(double *matrix, ptrdiff_t k, ptrdiff_t across,
                                                ptrdiff_t along, ptrdiff_t n, const double *best)
{
    for (int lane = 0; lane < NQS_LANES; lane++) {
        int met = best[lane] == (double)k;
        for (int before = 0; before < lane; before++)
            met |= best[before] == best[lane];
        if (!met)
            NQS_NAME(exchange_lanes)(matrix + k * across, matrix + (ptrdiff_t)best[lane] * across, along,
                                     n, best, best[lane]);
    }
}

/* Row of the pivot of column k per lane: the largest entry from row k on, or row k
 * itself where it is not much smaller, so that few rows are exchanged. */
static inline void NQS_NAME(find_pivots)(const double *matrix, ptrdiff_t k, ptrdiff_t n, double *best)
{
    for (int part = 0; part < PARTS; part++) {
        vec largest = MODULUS(load(AT(matrix, k, k, part))), row = (vec){0} + (double)k;
        for (ptrdiff_t i = k + 1; i < n; i++) {
            vec size = MODULUS(load(AT(matrix, i, k, part)));
            mask larger = size > largest;
            largest = SELECT(larger, size, largest);
            row = SELECT(larger, (vec){0} + (double)i, row);
        }
        mask close = NQS_CLOSE_PIVOT * MODULUS(load(AT(matrix, k, k, part))) >= largest;
        store(best + part * NQS_WIDTH, SELECT(close, (vec){0} + (double)k, row));
    }
}

static void NQS_NAME(invert_lanes)(double *matrix, ptrdiff_t n, double *best, double *pivots)
{
    const ptrdiff_t row = n * NQS_LANES;
    for (ptrdiff_t k = 0; k < n; k++) {
        NQS_NAME(find_pivots)(matrix, k, n, best + k * NQS_LANES);
        NQS_NAME(exchange_with_best)(matrix, k, row, NQS_LANES, n, best + k * NQS_LANES);
        for (int part = 0; part < PARTS; part++) {
            vec pivot = load(AT(matrix, k, k, part)), scale = 1.0 / pivot;
            store(pivots + k * NQS_LANES + part * NQS_WIDTH, pivot);
            store(AT(matrix, k, k, part), (vec){0} + 1.0);
            for (ptrdiff_t j = 0; j < n; j++)
                store(AT(matrix, k, j, part), scale * load(AT(matrix, k, j, part)));
            for (ptrdiff_t i = 0; i < n; i++) {
                if (i == k)
                    continue;
                vec factor = load(AT(matrix, i, k, part));
                store(AT(matrix, i, k, part), (vec){0});
                for (ptrdiff_t j = 0; j < n; j++)
                    store(AT(matrix, i, j, part),
                          load(AT(matrix, i, j, part)) - factor * load(AT(matrix, k, j, part)));
            }
        }
    }
    for (ptrdiff_t k = n - 1; k >= 0; k--)
        NQS_NAME(exchange_with_best)(matrix, k, NQS_LANES, row, n, best + k * NQS_LANES);
}

static void NQS_NAME(multiply_lanes_by_rows)(const double *const *left, const double *right, ptrdiff_t n,
                                             double *to)
{
    enum { COLUMNS = 4 };
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t first = 0; first < n; first += COLUMNS) {
            int n_columns = n - first < COLUMNS ? (int)(n - first) : COLUMNS;
            for (int part = 0; part < PARTS; part++) {
                vec sum[COLUMNS] = {{0}};
                if (n_columns == COLUMNS)
                    for (ptrdiff_t k = 0; k < n; k++)
                        for (int c = 0; c < COLUMNS; c++)
                            sum[c] += load(left[i * n + k] + part * NQS_WIDTH)
                                      * load(AT(right, k, first + c, part));
                else
                    for (ptrdiff_t k = 0; k < n; k++)
                        for (int c = 0; c < n_columns; c++)
                            sum[c] += load(left[i * n + k] + part * NQS_WIDTH)
                                      * load(AT(right, k, first + c, part));
                for (int c = 0; c < n_columns; c++)
                    store(AT(to, i, first + c, part), sum[c]);
            }
        }
}

/* sums[l] = sum_i row[i, l] column[place[i], l] of two rows at once */
static inline void NQS_NAME(dot_two_rows)(const double *first, const double *second, const double *column,
                                          const ptrdiff_t *place, ptrdiff_t n, int part, vec *sums)
{
    vec even[2] = {{0}}, odd[2] = {{0}};
    ptrdiff_t i = 0;
#define ADD(i, to)                                                                       \
    do {                                                                                 \
        vec f = load(column + (place ? place[i] : (i)) * NQS_LANES + part * NQS_WIDTH);  \
        to[0] += load(first + (i) * NQS_LANES + part * NQS_WIDTH) * f;                   \
        to[1] += load(second + (i) * NQS_LANES + part * NQS_WIDTH) * f;                  \
    } while (0)
    for (; i + 1 < n; i += 2) {
        ADD(i, even);
        ADD(i + 1, odd);
    }
    if (i < n)
        ADD(i, even);
#undef ADD
    sums[0] = even[0] + odd[0];
    sums[1] = even[1] + odd[1];
}

static void NQS_NAME(pair_ratios)(const double *inverse_b, const double *dressed_b, const double *column_x,
                                  const ptrdiff_t *up, ptrdiff_t n, ptrdiff_t a, const double *f_yx,
                                  double *ratios)
{
    for (int part = 0; part < PARTS; part++) {
        vec sums[2], g = load(inverse_b + a * NQS_LANES + part * NQS_WIDTH);
        NQS_NAME(dot_two_rows)(inverse_b, dressed_b, column_x, up, n, part, sums);
        store(ratios + part * NQS_WIDTH, g * (sums[1] - load(f_yx + part * NQS_WIDTH))
                                         - load(dressed_b + a * NQS_LANES + part * NQS_WIDTH) * sums[0]);
    }
}

/* matrix[r] += -(matrix[r, a], matrix[r] . column) solved + change[r] extra */
static inline void NQS_NAME(update_rows)(double *matrix, ptrdiff_t n, ptrdiff_t a, const double *column,
                                         const double *solved, const double *change, const double *extra)
{
    for (int part = 0; part < PARTS; part++)
        for (ptrdiff_t r = 0; r < n; r++) {
            vec even = {0}, odd = {0}, first = load(AT(matrix, r, a, part)), last = {0};
            ptrdiff_t j = 0;
            for (; j + 1 < n; j += 2) {
                even += load(AT(matrix, r, j, part)) * load(AT(column, 0, j, part));
                odd += load(AT(matrix, r, j + 1, part)) * load(AT(column, 0, j + 1, part));
            }
            if (j < n)
                even += load(AT(matrix, r, j, part)) * load(AT(column, 0, j, part));
            even += odd;
            if (change)
                last = load(change + r * NQS_LANES + part * NQS_WIDTH);
            for (j = 0; j < n; j++) {
                vec value = load(AT(matrix, r, j, part)) - first * load(AT(solved, 0, j, part))
                            - even * load(AT(solved, 1, j, part));
                if (change)
                    value += last * load(AT(extra, 0, j, part));
                store(AT(matrix, r, j, part), value);
            }
        }
}

static void NQS_NAME(pair_update)(double *inverse, double *dressed, ptrdiff_t n, ptrdiff_t a, ptrdiff_t b,
                                  const double *column, const double *change, double *solved,
                                  double *determinants)
{
    for (int part = 0; part < PARTS; part++) {
        const double *inverse_b = AT(inverse, b, 0, 0), *dressed_b = AT(dressed, b, 0, 0);
        vec sums[2], m11 = load(AT(dressed, b, a, part)), m21 = load(AT(inverse, b, a, part));
        NQS_NAME(dot_two_rows)(inverse_b, dressed_b, column, NULL, n, part, sums);
        vec m12 = sums[1] - load(AT(column, 0, a, part)), m22 = 1.0 + sums[0];
        vec determinant = m11 * m22 - m12 * m21, scale = 1.0 / determinant;
        store(determinants + part * NQS_WIDTH, determinant);
        for (ptrdiff_t j = 0; j < n; j++) {
            vec row = load(AT(dressed, b, j, part)) - (j == a ? 1.0 : 0.0), other = load(AT(inverse, b, j, part));
            store(AT(solved, 0, j, part), scale * (m22 * row - m12 * other));
            store(AT(solved, 1, j, part), scale * (m11 * other - m21 * row));
        }
    }
    NQS_NAME(update_rows)(inverse, n, a, column, solved, NULL, NULL);
    for (ptrdiff_t j = 0; j < n; j++)
        for (int part = 0; part < PARTS; part++)
            store(AT(dressed, b, j, part), (vec){0} + (j == a ? 1.0 : 0.0));
    NQS_NAME(update_rows)(dressed, n, a, column, solved, change, AT(inverse, b, 0, 0));
}

#undef AT
#undef SELECT
#undef MODULUS
