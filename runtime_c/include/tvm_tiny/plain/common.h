/* Compilers and cores, and arithmetic for all parts of plain.h. */
#ifndef TVM_TINY_PLAIN_COMMON_H
#define TVM_TINY_PLAIN_COMMON_H

#include <stdint.h>

#include "tvm_tiny/options.h"

/* Unrolls a loop. Without it gcc at -O2 unrolls only loops that do not grow. */
#if defined(__GNUC__) && !defined(__clang__)
#define TVM_TINY_PLAIN_UNROLL _Pragma("GCC unroll 16")
#else
#define TVM_TINY_PLAIN_UNROLL
#endif

/* Declares a large function that is rarely called and not inlined. Marks an unlikely condition. */
#if defined(__GNUC__)
#define TVM_TINY_PLAIN_ONCE static __attribute__((noinline, unused))
#define TVM_TINY_PLAIN_RARE(condition) __builtin_expect(condition, 0)
#else
#define TVM_TINY_PLAIN_ONCE static
#define TVM_TINY_PLAIN_RARE(condition) (condition)
#endif

/* Defined where the core has no multiplication to 64 bits. */
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
#define TVM_TINY_PLAIN_NO_LONG
#endif

/* Keeps gcc from moving loads through a pointer ahead, where they would take all registers. */
#if defined(__GNUC__) && !defined(__clang__)
#define TVM_TINY_PLAIN_HIDE(pointer) __asm__ volatile("" : "+r"(pointer))
#else
#define TVM_TINY_PLAIN_HIDE(pointer) ((void)0)
#endif

/* Returns (a * multiplier + 2^30) >> 31 for |a| < 2^30 and multiplier >= 0. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_scale(int32_t a, int32_t multiplier) {
#ifdef TVM_TINY_PLAIN_NO_LONG
  /* With a signed lower half the middle terms fit 32 bits. */
  const int32_t low = (int16_t)a;
  const int32_t high = (a - low) >> 16;
  const int32_t m_low = (uint16_t)multiplier;
  const int32_t m_high = multiplier >> 16;
  const int32_t middle = ((low * m_low) >> 16) + low * m_high + high * m_low;
  return 2 * high * m_high + (((middle >> 14) + 1) >> 1);
#else
  const int64_t product = (int64_t)(a + a) * multiplier;
  return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
}

/* Limits a value to [low, high], which lies within int8. */
TVM_TINY_INLINE int8_t tvm_tiny_plain_clamp(int32_t value, int32_t low, int32_t high) {
#if defined(__ARM_FEATURE_SAT) && defined(__GNUC__)
  if (low == -128 && high == 127) {
    __asm__("ssat %0, #8, %0" : "+r"(value));
    return (int8_t)value;
  }
#endif
  if (low == -128 && high == 127) {
    return (int8_t)(value == (int8_t)value ? value : (value >> 31) ^ 127);
  }
  return (int8_t)(value < low ? low : value > high ? high : value);
}

#endif /* TVM_TINY_PLAIN_COMMON_H */
