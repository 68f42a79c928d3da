/* Detection, instructions and layout. */
#ifndef TVM_TINY_DSP_COMMON_H
#define TVM_TINY_DSP_COMMON_H

#include <stdint.h>
#include "tvm_tiny/options.h"

/* Where element i of four stands. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_slot(int32_t i) { return ((i & 1) << 1) | (i >> 1); }

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

/* Loops of constant counts that must go: what they index is then in registers. */
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

/* Of much code, which layers of different sizes share. */
#define TVM_TINY_DSP_ONCE static __attribute__((noinline, unused))

/* Largest kernel_h and kernel_w of a depthwise convolution. */
#define TVM_TINY_DSP_KERNEL 16

/* Words of memory that other code sees as bytes or int16. */
typedef uint32_t __attribute__((may_alias)) tvm_tiny_dsp_word;
typedef uint64_t __attribute__((may_alias, aligned(4))) tvm_tiny_dsp_words;
typedef uint32_t __attribute__((may_alias, aligned(1))) tvm_tiny_dsp_unaligned;
typedef uint16_t __attribute__((may_alias)) tvm_tiny_dsp_half;

/* Assembler where gcc has no intrinsic, or does not fold a rotation into an extension. */
#define TVM_TINY_DSP_UNARY(name, text)                      \
  TVM_TINY_INLINE uint32_t tvm_tiny_dsp_##name(uint32_t x) { \
    uint32_t y;                                             \
    __asm__(text : "=r"(y) : "r"(x));                       \
    return y;                                               \
  }
#define TVM_TINY_DSP_BINARY(name, text)                                 \
  TVM_TINY_INLINE uint32_t tvm_tiny_dsp_##name(uint32_t x, uint32_t y) { \
    uint32_t z;                                                         \
    __asm__(text : "=r"(z) : "r"(x), "r"(y));                           \
    return z;                                                           \
  }
#define TVM_TINY_DSP_SUM(name)                                                          \
  TVM_TINY_INLINE int32_t tvm_tiny_dsp_##name(uint32_t x, uint32_t w, int32_t sum) {     \
    int32_t z;                                                                          \
    __asm__ volatile(#name " %0, %1, %2, %3" : "=r"(z) : "r"(x), "r"(w), "r"(sum));              \
    return z;                                                                           \
  }
TVM_TINY_DSP_UNARY(even, "sxtb16 %0, %1")
TVM_TINY_DSP_UNARY(odd, "sxtb16 %0, %1, ror #8")
/* Bytes 0 and 2, and bytes 1 and 3, of y added to the halves of x. */
TVM_TINY_DSP_BINARY(add_even, "sxtab16 %0, %1, %2")
TVM_TINY_DSP_BINARY(add_odd, "sxtab16 %0, %1, %2, ror #8")
/* Lower halves of x and y as one word, and the upper ones. */
TVM_TINY_DSP_BINARY(lower, "pkhbt %0, %1, %2, lsl #16")
TVM_TINY_DSP_BINARY(upper, "pkhtb %0, %2, %1, asr #16")
/* Registers' low bytes are what they shift by. */
TVM_TINY_DSP_BINARY(shift_left, "lsl %0, %1, %2")
TVM_TINY_DSP_BINARY(shift_right, "asr %0, %1, %2")
TVM_TINY_DSP_BINARY(add_saturated, "qadd %0, %1, %2")
TVM_TINY_DSP_SUM(smlad)
TVM_TINY_DSP_SUM(smlabb)
TVM_TINY_DSP_SUM(smlabt)
TVM_TINY_DSP_SUM(smlatb)
TVM_TINY_DSP_SUM(smmlar)

/* In place: fewer registers where sums go round a loop. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_smlad_in_place(uint32_t x, uint32_t w, int32_t sum) {
  __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(w));
  return sum;
}

TVM_TINY_INLINE uint32_t tvm_tiny_dsp_load(const int8_t* x) {
  return *(const tvm_tiny_dsp_unaligned*)(const void*)x;
}

/* Volatile, as the sums are: in the order written all fits the registers. */
TVM_TINY_INLINE void tvm_tiny_dsp_load_two(const tvm_tiny_dsp_word* from, uint32_t* to) {
  __asm__ volatile("ldrd %0, %1, %2"
                   : "=r"(to[0]), "=r"(to[1])
                   : "m"(*(const tvm_tiny_dsp_words*)from));
}

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_COMMON_H */
