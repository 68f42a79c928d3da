/* Element order, detection of the DSP extension and its instructions, for all parts of dsp.h. */
#ifndef TVM_TINY_DSP_COMMON_H
#define TVM_TINY_DSP_COMMON_H

#include <stdint.h>

#include "tvm_tiny/options.h"

/* Returns the position of element i, 0 <= i < 4, within a quad of int16. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_slot(int32_t i) { return ((i & 1) << 1) | (i >> 1); }

/* Limits a value to [low, high], which lies within int8. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_clamp(int32_t value, int32_t low, int32_t high) {
  return (int8_t)(value < low ? low : value > high ? high : value);
}

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED) && defined(__thumb2__) && \
    defined(__GNUC__) && defined(__OPTIMIZE__)
#define TVM_TINY_DSP 1
#else
#define TVM_TINY_DSP 0
#endif

#if TVM_TINY_DSP

/* Unrolls a loop of constant count completely, so that the arrays it indexes are kept in
 * registers. */
#ifdef __clang__
#define TVM_TINY_DSP_UNROLL _Pragma("unroll")
#define TVM_TINY_DSP_UNROLL_MORE _Pragma("unroll")
#else
#define TVM_TINY_DSP_UNROLL _Pragma("GCC unroll 16")
#define TVM_TINY_DSP_UNROLL_MORE _Pragma("GCC unroll 64")
#endif

#ifdef __clang__
#define TVM_TINY_DSP_LOOP _Pragma("clang loop unroll(disable)")
#else
#define TVM_TINY_DSP_LOOP _Pragma("GCC unroll 1")
#endif

/* Declares a large function that layers of different sizes share: it is not inlined. */
#define TVM_TINY_DSP_ONCE static __attribute__((noinline, unused))

/* Largest kernel_h and kernel_w for which kernels keep their rows and taps in arrays on the
 * stack. */
#define TVM_TINY_DSP_KERNEL 16

/* Words and halfwords of memory that other code accesses as int8 or int16. */
typedef uint32_t __attribute__((may_alias)) tvm_tiny_dsp_word;
typedef uint64_t __attribute__((may_alias, aligned(4))) tvm_tiny_dsp_words;
typedef uint32_t __attribute__((may_alias, aligned(1))) tvm_tiny_dsp_unaligned;
typedef uint16_t __attribute__((may_alias)) tvm_tiny_dsp_half;

/* Define functions for instructions. gcc has no intrinsics for some of them, and for others does
 * not fold the rotation into the sign extension. */
#define TVM_TINY_DSP_UNARY(name, text)                       \
  TVM_TINY_INLINE uint32_t tvm_tiny_dsp_##name(uint32_t x) { \
    uint32_t y;                                              \
    __asm__(text : "=r"(y) : "r"(x));                        \
    return y;                                                \
  }
#define TVM_TINY_DSP_BINARY(name, text)                                  \
  TVM_TINY_INLINE uint32_t tvm_tiny_dsp_##name(uint32_t x, uint32_t y) { \
    uint32_t z;                                                          \
    __asm__(text : "=r"(z) : "r"(x), "r"(y));                            \
    return z;                                                            \
  }

/* Defines a function for an instruction that accumulates. It is volatile, as all values fit the
 * registers in the order in which the calls are written. */
#define TVM_TINY_DSP_SUM(name)                                                       \
  TVM_TINY_INLINE int32_t tvm_tiny_dsp_##name(uint32_t x, uint32_t w, int32_t sum) { \
    int32_t z;                                                                       \
    __asm__ volatile(#name " %0, %1, %2, %3" : "=r"(z) : "r"(x), "r"(w), "r"(sum));  \
    return z;                                                                        \
  }

/* Sign-extend bytes 0 and 2 of x (even), or bytes 1 and 3 (odd), to two int16. */
TVM_TINY_DSP_UNARY(even, "sxtb16 %0, %1")
TVM_TINY_DSP_UNARY(odd, "sxtb16 %0, %1, ror #8")

/* Add bytes 0 and 2 of y (add_even), or bytes 1 and 3 (add_odd), to the two int16 of x. */
TVM_TINY_DSP_BINARY(add_even, "sxtab16 %0, %1, %2")
TVM_TINY_DSP_BINARY(add_odd, "sxtab16 %0, %1, %2, ror #8")

/* Combine the lower halfwords of x and y (lower), or the upper ones (upper); that of x comes
 * first. */
TVM_TINY_DSP_BINARY(lower, "pkhbt %0, %1, %2, lsl #16")
TVM_TINY_DSP_BINARY(upper, "pkhtb %0, %2, %1, asr #16")

/* Shift x by the number in the low byte of y. */
TVM_TINY_DSP_BINARY(shift_left, "lsl %0, %1, %2")
TVM_TINY_DSP_BINARY(shift_right, "asr %0, %1, %2")

/* Adds two int32 with saturation. */
TVM_TINY_DSP_BINARY(add_saturated, "qadd %0, %1, %2")

/* Add products of int16 to `sum`: of both pairs (smlad), of two lower halves (smlabb), of the lower
 * half of x and the upper one of w (smlabt), or the reverse (smlatb). */
TVM_TINY_DSP_SUM(smlad)
TVM_TINY_DSP_SUM(smlabb)
TVM_TINY_DSP_SUM(smlabt)
TVM_TINY_DSP_SUM(smlatb)

/* Adds the upper word of x * w, an int64 rounded to nearest, to `sum`. */
TVM_TINY_DSP_SUM(smmlar)

/* Adds both products of int16 to `sum` in the same register, for loops with few registers left. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_smlad_in_place(uint32_t x, uint32_t w, int32_t sum) {
  __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(w));
  return sum;
}

/* Loads four bytes from any address. */
TVM_TINY_INLINE uint32_t tvm_tiny_dsp_load(const int8_t* x) {
  return *(const tvm_tiny_dsp_unaligned*)(const void*)x;
}

/* Loads two words. It is volatile for the same reason as the sums. */
TVM_TINY_INLINE void tvm_tiny_dsp_load_two(const tvm_tiny_dsp_word* from, uint32_t* to) {
  __asm__ volatile("ldrd %0, %1, %2"
                   : "=r"(to[0]), "=r"(to[1])
                   : "m"(*(const tvm_tiny_dsp_words*)from));
}

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_COMMON_H */
