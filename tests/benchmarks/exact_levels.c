/* Lowest level of the J1-J2 magnet on the periodic 6x6 square lattice in one symmetry sector, by exact diagonalization.

   H = sum_<ij> S_i.S_j + J2 sum_<<ij>> S_i.S_j, all 36 spins, M = 0.  The basis are the configurations that are the
   smallest of their images under translations, the elements of the point group about a site that keep k, and the
   flip of all spins: 15.8 million at k = (0, 0) and (pi, pi), 31.5 million at (pi, 0); H between them is kept (5 and 10 GB) and
   the Lanczos method gives the lowest eigenvalue.

     gcc -O3 -march=native -fopenmp exact_levels.c -o exact_levels -lm
     ./exact_levels J2 KX KY ROTATION MIRROR FLIP [ITERATIONS]

   -DL=4 compiles that of the 4x4 lattice, a test of a second.

   KX, KY: 0 or L / 2, in units of 2 pi / L.  FLIP: 1 for even, -1 for odd total spin.  ROTATION, MIRROR: characters
   1 or -1 of the rotation (x, y) -> (-y, x) and of the mirror (x, y) -> (x, -y); at KX != KY the rotation is that by pi. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tridiagonal.h"

#ifndef L
#define L 6
#endif
#ifndef LANES
#define LANES 16
#endif
enum { N = L * L, MAX_OPS = 8, CHUNK = (N + 2) / 3, PREFIX = N > 23 ? 22 : N - 1 };
typedef uint64_t word;
static const word ALL = (1ULL << N) - 1, COLUMN = ((1ULL << N) - 1) / ((1ULL << L) - 1); /* the sites with x = 0 */

static int n_ops, op_sign[MAX_OPS], kx, ky, flip, op_site[MAX_OPS][N];
static word table[MAX_OPS][3][1 << CHUNK];

static int site(int x, int y) { return (x % L + L) % L + L * ((y % L + L) % L); }

static void make_ops(int rotation, int mirror)
{
    int step = kx == ky ? 1 : 2;
    for (int m = 0; m < 2; m++)
        for (int r = 0; r < 4; r += step) {
            int sign = (m ? mirror : 1) * ((r / step) % 2 ? rotation : 1);
            for (int y = 0; y < L; y++)
                for (int x = 0; x < L; x++) {
                    int a = x, b = m ? -y : y;
                    for (int k = 0; k < r; k++) { int t = a; a = -b; b = t; }
                    op_site[n_ops][site(x, y)] = site(a, b);
                }
            for (int c = 0; c < 3; c++)
                for (int bits = 0; bits < 1 << CHUNK; bits++) {
                    word image = 0;
                    for (int b = 0; b < CHUNK; b++)
                        if (c * CHUNK + b < N && bits >> b & 1) image |= 1ULL << op_site[n_ops][c * CHUNK + b];
                    table[n_ops][c][bits] = image;
                }
            op_sign[n_ops++] = sign;
        }
}

/* The smallest image of s; its character; with `order` the number of images that leave s alone and their sum of
   characters. */
static word smallest(word s, int *sign, int *order, int *characters)
{
    word lane[LANES], low[LANES], which[LANES];
    const int n_lanes = 2 * n_ops;
    for (int o = 0; o < n_ops; o++) {
        word image = table[o][0][s & ((1 << CHUNK) - 1)] | table[o][1][s >> CHUNK & ((1 << CHUNK) - 1)]
                     | table[o][2][s >> 2 * CHUNK];
        lane[2 * o] = image;
        lane[2 * o + 1] = ~image & ALL;
    }
    for (int j = 0; j < n_lanes; j++) { low[j] = lane[j]; which[j] = 0; }
    for (int o = n_lanes; o < LANES; o++) { lane[o] = lane[0]; low[o] = ALL; which[o] = 0; }
    int same = 0, total = 0;
    for (int dx = 0; dx < L; dx++) {
        for (int dy = 0; dy < L; dy++) {
            word at = dx * L + dy;
            for (int j = 0; j < LANES; j++) {
                int less = lane[j] < low[j];
                low[j] = less ? lane[j] : low[j];
                which[j] = less ? at : which[j];
            }
            if (order)
                for (int j = 0; j < n_lanes; j++)
                    if (lane[j] == s) {
                        same++;
                        total += op_sign[j / 2] * (j % 2 ? flip : 1) * ((kx && dx % 2) != (ky && dy % 2) ? -1 : 1);
                    }
            for (int j = 0; j < LANES; j++) lane[j] = (lane[j] << L | lane[j] >> (N - L)) & ALL;
        }
        for (int j = 0; j < LANES; j++)
            lane[j] = (lane[j] << 1 & ~COLUMN & ALL) | (lane[j] >> (L - 1) & COLUMN);
    }
    int best = 0;
    for (int j = 1; j < n_lanes; j++) if (low[j] < low[best]) best = j;
    int dx = (int)which[best] / L, dy = (int)which[best] % L;
    *sign = op_sign[best / 2] * (best % 2 ? flip : 1) * ((kx && dx % 2) != (ky && dy % 2) ? -1 : 1);
    if (order) { *order = same; *characters = total; }
    return low[best];
}

static word *basis;
static float *root; /* of the order of the stabilizer */
static uint32_t *first;
static size_t dim;

static void make_basis(void)
{
    size_t room = 1 << 20;
    basis = malloc(room * sizeof *basis);
    root = malloc(room * sizeof *root);
    word s = (1ULL << N / 2) - 1;
    while (s < 1ULL << (N - 1)) { /* the flip of all spins takes those above to those below */
        /* a few images first: most configurations have a smaller one */
        word y = s, x = s;
        int keep = 1;
        for (int d = 0; d < L && keep; d++) {
            x = y;
            for (int e = 0; e < L && keep; e++) {
                x = (x << L | x >> (N - L)) & ALL;
                keep = x >= s && (~x & ALL) >= s;
            }
            y = (y << 1 & ~COLUMN & ALL) | (y >> (L - 1) & COLUMN);
        }
        if (keep) {
            int sign, order, characters;
            if (smallest(s, &sign, &order, &characters) == s && characters) {
                if (dim == room) {
                    room *= 2;
                    basis = realloc(basis, room * sizeof *basis);
                    root = realloc(root, room * sizeof *root);
                }
                basis[dim] = s;
                root[dim++] = sqrtf((float)order);
            }
        }
        word low = s & -s, up = s + low; /* the next one with as many bits */
        s = up | ((s ^ up) >> 2) / low;
    }
    first = calloc(((size_t)1 << PREFIX) + 1, sizeof *first);
    for (size_t i = 0; i < dim; i++) first[(basis[i] >> (N - 1 - PREFIX)) + 1]++;
    for (size_t p = 0; p < (size_t)1 << PREFIX; p++) first[p + 1] += first[p];
}

static int64_t find(word s)
{
    size_t prefix = s >> (N - 1 - PREFIX), low = first[prefix], high = first[prefix + 1];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (basis[middle] < s) low = middle + 1; else high = middle;
    }
    return low < first[prefix + 1] && basis[low] == s ? (int64_t)low : -1;
}

enum { N_BONDS = 4 * N };
static word bond[N_BONDS];
static double coupling[N_BONDS];

static size_t *begin;
static uint32_t *column; /* bit 31: the sign, bit 30: a bond of J2 */
static float *diagonal;

static void make_matrix(void)
{
    begin = malloc((dim + 1) * sizeof *begin);
    diagonal = malloc(dim * sizeof *diagonal);
    begin[0] = 0;
    for (size_t i = 0; i < dim; i++) {
        double energy = 0;
        size_t n = 0;
        for (int b = 0; b < N_BONDS; b++) {
            word both = basis[i] & bond[b];
            int differ = both && both != bond[b];
            energy += coupling[b] * (differ ? -0.25 : 0.25);
            n += differ;
        }
        diagonal[i] = (float)energy;
        begin[i + 1] = begin[i] + n;
    }
    column = malloc(begin[dim] * sizeof *column);
    if (!column) { puts("not enough memory"); exit(1); }
#pragma omp parallel for schedule(dynamic, 4096)
    for (size_t i = 0; i < dim; i++) {
        size_t at = begin[i];
        for (int b = 0; b < N_BONDS; b++) {
            word both = basis[i] & bond[b];
            if (!both || both == bond[b]) continue;
            int sign;
            int64_t j = find(smallest(basis[i] ^ bond[b], &sign, NULL, NULL));
            column[at++] = j < 0 ? 0x3fffffff : (uint32_t)j | (sign < 0 ? 1u << 31 : 0) | (b >= 2 * N ? 1u << 30 : 0);
        }
    }
}

static void multiply(const float *in, float *out, double j2)
{
#pragma omp parallel for schedule(dynamic, 4096)
    for (size_t i = 0; i < dim; i++) {
        double sum[2] = {0, 0};
        for (size_t p = begin[i]; p < begin[i + 1]; p++) {
            uint32_t c = column[p], j = c & 0x3fffffff;
            if (j == 0x3fffffff) continue;
            double x = in[j] * root[j];
            sum[c >> 30 & 1] += c >> 31 ? -x : x;
        }
        out[i] = (float)(diagonal[i] * in[i] + 0.5 * (sum[0] + j2 * sum[1]) / root[i]);
    }
}

static double dot(const float *a, const float *b)
{
    double sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (size_t i = 0; i < dim; i++) sum += (double)a[i] * b[i];
    return sum;
}

int main(int argc, char **argv)
{
    if (argc < 7) { puts("usage: exact_levels J2 KX KY ROTATION MIRROR FLIP [ITERATIONS]"); return 2; }
    double j2 = atof(argv[1]);
    kx = atoi(argv[2]), ky = atoi(argv[3]), flip = atoi(argv[6]);
    int iterations = argc > 7 ? atoi(argv[7]) : 60;
    make_ops(atoi(argv[4]), atoi(argv[5]));
    for (int y = 0; y < L; y++)
        for (int x = 0; x < L; x++) {
            int at = site(x, y), ends[4] = {site(x + 1, y), site(x, y + 1), site(x + 1, y + 1), site(x + 1, y - 1)};
            for (int d = 0; d < 4; d++) {
                bond[d * N + at] = 1ULL << at | 1ULL << ends[d];
                coupling[d * N + at] = d < 2 ? 1 : j2;
            }
        }
    make_basis();
    printf("%zu configurations\n", dim), fflush(stdout);
    make_matrix();
    printf("%zu elements\n", begin[dim]), fflush(stdout);
    float *v = malloc(dim * sizeof *v), *w = malloc(dim * sizeof *w), *old = calloc(dim, sizeof *old);
    double alpha[1000], beta[1000] = {0};
    uint64_t seed = 1;
    for (size_t i = 0; i < dim; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        v[i] = (float)((seed >> 33) / 2147483648.0 - 0.5) * expf(-0.3f * diagonal[i]); /* low energies first */
    }
    double norm = sqrt(dot(v, v));
    for (size_t i = 0; i < dim; i++) v[i] = (float)(v[i] / norm);
    for (int k = 0; k < iterations && k < 999; k++) {
        multiply(v, w, j2);
        alpha[k] = dot(v, w);
        for (size_t i = 0; i < dim; i++) w[i] -= (float)(alpha[k] * v[i] + beta[k] * old[i]);
        beta[k + 1] = sqrt(dot(w, w));
        for (size_t i = 0; i < dim; i++) { old[i] = v[i]; v[i] = (float)(w[i] / beta[k + 1]); }
        double energy = lowest(k + 1, alpha, beta);
        printf("%d  E = %.8f  e = %.8f\n", k + 1, energy, energy / N), fflush(stdout);
    }
    return 0;
}
