#include "nqs_native.h"
#include "nqs_simd.h"

#include <math.h>
#include <string.h>

#define NQS_JOIN_(name, suffix) name##_##suffix
#define NQS_JOIN(name, suffix) NQS_JOIN_(name, suffix)
#define NQS_NAME(name) NQS_JOIN(name, NQS_VARIANT)

#define NQS_VARIANT baseline
#define NQS_WIDTH 2
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

__attribute__((constructor)) static void select_best(void)
{
    nqs_native = VARIANTS[n_supported() - 1];
}

const char *nqs_variant(int k)
{
    return k < N_VARIANTS ? VARIANTS[k]->name : NULL;
}

int nqs_select(const char *name)
{
    for (int k = 0; k < n_supported(); k++)
        if (strcmp(VARIANTS[k]->name, name) == 0) {
            nqs_native = VARIANTS[k];
            return 1;
        }
    return 0;
}
