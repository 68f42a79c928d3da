/* Detection of Helium, and arithmetic for all parts of mve.h. */
#ifndef TVM_TINY_MVE_COMMON_H
#define TVM_TINY_MVE_COMMON_H

#include <stdint.h>

#include "tvm_tiny/options.h"

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(__clang__)

/* 1 where the compiler is gcc and optimizes for a core with Helium. */
#define TVM_TINY_MVE 1
#include <arm_mve.h>
#else
#define TVM_TINY_MVE 0
#endif

/* 1 where there are vectors of float32, too. */
#if TVM_TINY_MVE && (__ARM_FEATURE_MVE & 2)
#define TVM_TINY_MVE_FLOAT 1
#else
#define TVM_TINY_MVE_FLOAT 0
#endif

/* Limits a value to [low, high], which lies within int8. */
TVM_TINY_INLINE int8_t tvm_tiny_mve_clamp(int32_t value, int32_t low, int32_t high) {
  return (int8_t)(value < low ? low : value > high ? high : value);
}

/* Returns a * multiplier / 2^31, rounded to nearest, ties up. */
TVM_TINY_INLINE int32_t tvm_tiny_mve_scale(int32_t a, int32_t multiplier) {
  return (int32_t)(((int64_t)a * multiplier + (1 << 30)) >> 31);
}

#endif /* TVM_TINY_MVE_COMMON_H */
