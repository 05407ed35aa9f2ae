#include "nqs_native.h"
#include "nqs_simd.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NQS_JOIN_(name, suffix) name##_##suffix
#define NQS_JOIN(name, suffix) NQS_JOIN_(name, suffix)
#define NQS_NAME(name) NQS_JOIN(name, NQS_VARIANT)

#define NQS_VARIANT baseline
#if defined(__AVX512F__)
#define NQS_WIDTH 8
#elif defined(__AVX__)
#define NQS_WIDTH 4
#else
#define NQS_WIDTH 2
#endif
#include "nqs_native_body.h"
#undef NQS_VARIANT
#undef NQS_WIDTH

#if NQS_MULTIVERSION

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define NQS_VARIANT avx2
#define NQS_WIDTH 4
#include "nqs_native_body.h"
#undef NQS_VARIANT
#undef NQS_WIDTH
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
#define NQS_VARIANT avx512
#define NQS_WIDTH 8
#include "nqs_native_body.h"
#undef NQS_VARIANT
#undef NQS_WIDTH
#pragma GCC pop_options

#endif

static const struct nqs_native *const VARIANTS[] = {
    &variant_baseline,
#if NQS_MULTIVERSION
    &variant_avx2,
    &variant_avx512,
#endif
};

enum { N_VARIANTS = sizeof VARIANTS / sizeof VARIANTS[0] };

const struct nqs_native *nqs_native = &variant_baseline;

/* How many of the variants, from the first one, this processor runs. */
static int n_supported(void)
{
#if NQS_MULTIVERSION
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4"))
        return 3;
    if (__builtin_cpu_supports("x86-64-v3"))
        return 2;
#endif
    return 1;
}

/* The fastest variant, or the one that the environment names. */
__attribute__((constructor)) static void select_variant(void)
{
    const char *wanted = getenv("HPC_NQS_SIMD");
    int n = n_supported();
    nqs_native = VARIANTS[n - 1];
    for (int k = 0; k < n; k++)
        if (wanted && strcmp(VARIANTS[k]->name, wanted) == 0)
            nqs_native = VARIANTS[k];
}

const char *nqs_variant(int k)
{
    return k < N_VARIANTS ? VARIANTS[k]->name : NULL;
}
