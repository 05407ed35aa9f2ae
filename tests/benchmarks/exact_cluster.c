/* Lowest level of a Heisenberg magnet on any cluster of up to 28 spins at fixed Sz, by the Lanczos method.

   H = sum_b J_b S_i.S_j - h sum_i S^z_i, in the basis of all configurations with n_up spins up; matrix elements are made
   anew in every product, so that three vectors are all the memory: 120 MB for 25 spins.  Two tables, of the left and the
   right half of the spins, give the number of a configuration: H. Q. Lin, PRB 42, 6561 (1990).

     gcc -O3 -march=native -fopenmp exact_cluster.c -o exact_cluster -lm
     ./exact_cluster N_UP [FIELD [ITERATIONS]] < bonds      (lines "n_sites n_bonds", then "i j J")

   python -m tests.benchmarks.cluster_bonds INPUT.toml prints the bonds of an input. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tridiagonal.h"

typedef uint32_t word;
enum { MAX_SITES = 28, MAX_BONDS = 400 };

static int n_sites, n_bonds, site[MAX_BONDS][2];
static double coupling[MAX_BONDS], field;
static long n_states;
static word *states;
static long *left, *right; /* number of a configuration = left[its upper half] + right[its lower half] */
static int half;

static void list_states(int n_up)
{
    half = n_sites / 2;
    long n_right = 1L << half, n_left = 1L << (n_sites - half), count[MAX_SITES + 1] = {0};
    left = calloc(n_left, sizeof *left), right = calloc(n_right, sizeof *right);
    for (word r = 0; r < n_right; r++) right[r] = count[__builtin_popcount(r)]++;
    for (word l = 0; l < n_left; l++) {
        int wanted = n_up - __builtin_popcount(l);
        left[l] = n_states;
        n_states += wanted < 0 || wanted > half ? 0 : count[wanted];
    }
    states = malloc(n_states * sizeof *states);
    for (word l = 0; l < n_left; l++)
        for (word r = 0; r < n_right; r++)
            if (__builtin_popcount(l) + __builtin_popcount(r) == n_up) states[left[l] + right[r]] = l << half | r;
}

/* out += H in */
static void multiply(const double *in, double *out, double constant)
{
    word low = (1u << half) - 1;
#pragma omp parallel for schedule(static)
    for (long k = 0; k < n_states; k++) {
        word s = states[k];
        double diagonal = constant, sum = 0;
        for (int b = 0; b < n_bonds; b++) {
            word pair = 1u << site[b][0] | 1u << site[b][1], both = s & pair;
            if (both == 0 || both == pair) {
                diagonal += 0.25 * coupling[b];
            } else {
                word t = s ^ pair;
                diagonal -= 0.25 * coupling[b];
                sum += 0.5 * coupling[b] * in[left[t >> half] + right[t & low]];
            }
        }
        out[k] += sum + diagonal * in[k];
    }
}

static double dot(const double *a, const double *b)
{
    double sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (long k = 0; k < n_states; k++) sum += a[k] * b[k];
    return sum;
}

int main(int argc, char **argv)
{
    if (argc < 2 || scanf("%d %d", &n_sites, &n_bonds) != 2 || n_sites > MAX_SITES || n_bonds > MAX_BONDS) {
        fprintf(stderr, "exact_cluster N_UP [FIELD [ITERATIONS]] < bonds, up to %d spins\n", MAX_SITES);
        return 2;
    }
    for (int b = 0; b < n_bonds; b++)
        if (scanf("%d %d %lf", &site[b][0], &site[b][1], &coupling[b]) != 3) return 2;
    int n_up = atoi(argv[1]), n_iterations = argc > 3 ? atoi(argv[3]) : 100;
    field = argc > 2 ? atof(argv[2]) : 0;
    list_states(n_up);
    double *now = malloc(n_states * sizeof *now), *next = calloc(n_states, sizeof *next);
    double *alpha = malloc(n_iterations * sizeof *alpha), *beta = calloc(n_iterations + 1, sizeof *beta);
    uint64_t seed = 88172645463325252ULL;
    for (long k = 0; k < n_states; k++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        now[k] = (double)(seed >> 11) / 9007199254740992.0 - 0.5;
    }
    double norm = sqrt(dot(now, now)), before = 0, energy = 0;
    for (long k = 0; k < n_states; k++) now[k] /= norm;
    for (int j = 0; j < n_iterations; j++) { /* next holds -beta times the vector before `now` */
        multiply(now, next, -field * (n_up - 0.5 * n_sites));
        alpha[j] = dot(now, next);
        for (long k = 0; k < n_states; k++) next[k] -= alpha[j] * now[k];
        beta[j + 1] = sqrt(dot(next, next));
        energy = lowest(j + 1, alpha, beta);
        if (j % 10 == 9) fprintf(stderr, "%d %.10f\n", j + 1, energy), fflush(stderr);
        if (beta[j + 1] < 1e-10 || (j > 30 && fabs(energy - before) < 1e-11)) break;
        before = energy;
        for (long k = 0; k < n_states; k++) {
            double unit = next[k] / beta[j + 1];
            next[k] = -beta[j + 1] * now[k], now[k] = unit;
        }
    }
    printf("%ld configurations, E = %.9f, e = %.9f\n", n_states, energy, energy / n_sites);
    return 0;
}
