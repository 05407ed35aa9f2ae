/* Widths, and the choice of an instruction set when the library is loaded: one
 * build runs on every node type.
 *
 * Loops that the compiler vectorizes by itself carry `NQS_DISPATCH`.  Loops that
 * keep accumulators in registers stand in nqs_native_body.h, which is compiled
 * once per instruction set with vectors of its native width: wider generic
 * vectors live in memory and cost a factor of four. */
#ifndef NQS_SIMD_H
#define NQS_SIMD_H

#include <stddef.h>

/* Rows over hidden units are padded to whole multiples of this, and a block
 * holds this many configurations. */
#define NQS_LANES 8

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) \
    && !defined(__clang__) && !defined(NQS_NO_DISPATCH)
#define NQS_MULTIVERSION 1
#define NQS_DISPATCH \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define NQS_MULTIVERSION 0
#define NQS_DISPATCH
#endif

#endif
