/* Vector type and run-time dispatch shared by the leaf functions.
 *
 * A `nqs_vec` holds eight doubles; GCC lowers it to one AVX-512, two AVX2 or
 * four SSE2/NEON registers.  `NQS_DISPATCH` compiles a function once per
 * instruction set and picks the best one when the library is loaded, so one
 * build runs on every node type. */
#ifndef NQS_SIMD_H
#define NQS_SIMD_H

#include <stddef.h>

#define NQS_LANES 8

typedef double nqs_vec __attribute__((vector_size(64), aligned(8), may_alias));

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) \
    && !defined(__clang__) && !defined(NQS_NO_DISPATCH)
#define NQS_DISPATCH \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define NQS_DISPATCH
#endif

#endif
