#include "nqs_pairs.h"
#include "nqs_native.h"

#include <math.h>

int nqs_invert(double *matrix, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t *swaps,
               double *pivots)
{
    int n_swaps = 0;
    nqs_native->invert(matrix, n_rows, n, swaps, pivots);
    for (ptrdiff_t k = n_rows - 1; k >= 0; k--) {
        n_swaps += swaps[k] != k;
        for (ptrdiff_t i = 0; i < n_rows && swaps[k] != k; i++) {
            double *row = matrix + i * n, held = row[k];
            row[k] = row[swaps[k]];
            row[swaps[k]] = held;
        }
    }
    return n_swaps;
}

double nqs_dot(const double *a, const double *b, ptrdiff_t n)
{
    return nqs_native->dot(a, b, n);
}

void nqs_rows_product(const double *left, ptrdiff_t stride, ptrdiff_t n_left,
                      const double *right, ptrdiff_t n_right, ptrdiff_t n,
                      double *to)
{
    for (ptrdiff_t v = 0; v < n_left; v++)
        nqs_native->combine(left + v * stride, right, n_right, n, to + v * n);
}

void nqs_rows_update(double *matrix, ptrdiff_t n_rows, ptrdiff_t n, int n_units,
                     const ptrdiff_t *units, const double *columns,
                     const double *rows, const double *change)
{
    int n_used = change ? 3 * n_units : 2 * n_units;
    for (ptrdiff_t v = 0; v < n_rows; v++) {
        double *row = matrix + v * n, factor[6];
        for (int q = 0; q < n_units; q++) {
            factor[q] = -row[units[q]];
            factor[n_units + q] = -nqs_native->dot(row, columns + q * n, n);
            if (change)
                factor[2 * n_units + q] = change[q * n_rows + v];
        }
        nqs_native->add_rows(factor, rows, n_used, n, row);
    }
}

double nqs_small_determinant(double *matrix, int size, double *inverse)
{
    double determinant = 1;
    if (size == 2 && !inverse)
        return matrix[0] * matrix[3] - matrix[1] * matrix[2];
    for (int i = 0; inverse && i < size * size; i++)
        inverse[i] = i % (size + 1) == 0;
    for (int k = 0; k < size; k++) {
        int pivot = k;
        for (int i = k + 1; i < size; i++)
            if (fabs(matrix[i * size + k]) > fabs(matrix[pivot * size + k]))
                pivot = i;
        for (int j = 0; j < size && pivot != k; j++) {
            double *m = matrix, *r = inverse, held = m[k * size + j];
            m[k * size + j] = m[pivot * size + j];
            m[pivot * size + j] = held;
            if (r) {
                held = r[k * size + j];
                r[k * size + j] = r[pivot * size + j];
                r[pivot * size + j] = held;
            }
        }
        double scale = matrix[k * size + k];
        determinant *= pivot == k ? scale : -scale;
        if (scale == 0)
            return 0;
        for (int i = 0; i < size; i++) {
            double factor = matrix[i * size + k] / scale;
            if (i == k || factor == 0 || (!inverse && i < k))
                continue;
            for (int j = k; j < size; j++)
                matrix[i * size + j] -= factor * matrix[k * size + j];
            for (int j = 0; inverse && j < size; j++)
                inverse[i * size + j] -= factor * inverse[k * size + j];
        }
    }
    for (int k = 0; inverse && k < size; k++)
        for (int j = 0; j < size; j++)
            inverse[k * size + j] /= matrix[k * size + k];
    return determinant;
}
