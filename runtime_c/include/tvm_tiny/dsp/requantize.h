/* Requantization of int32 sums to int8, as dsp.h defines it. */
#ifndef TVM_TINY_DSP_REQUANTIZE_H
#define TVM_TINY_DSP_REQUANTIZE_H

#include <stddef.h>

#include "tvm_tiny/dsp/common.h"

/* ---- Portable C for one sum ------------------------------------------------------------------ */

/* Returns the bias of a channel. float32, a constant in every call here and below: whether params
 * are those of a _float32 function. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_bias(const int32_t* params, int float32) {
  return float32 ? params[0] : params[0] >> 8;
}

/*
 * Computes rint(f32(f32(sum) * multiplier)) with integers; `bits` are those of the multiplier.
 *
 * With multiplier = m / 2^(31 + s), t is sum * m / 2^31 and y is t / 2^s, both rounded to nearest.
 * The float32 product can be a tie between two integers only where t is one. There it is a tie if
 * the remainder of the first division is at most half a unit in the last place of a float32 of t's
 * size.
 *
 * Valid for |sum| < 2^30 and |t| < 2^23. The latter is no limit where s <= 15 and only results
 * within int8 matter.
 */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_rounded_any(int32_t sum, uint32_t bits) {
  const int32_t s = 126 - (int32_t)(bits >> 23);
  const int32_t m = (int32_t)(((bits & 0x7fffffu) | 0x800000u) << 7);
  const int64_t product = (int64_t)sum * m;
  const int32_t t = (int32_t)((product + (1 << 30)) >> 31);
  const int32_t raised = t + (1 << (s - 1));
  const int32_t y = raised >> s;
  if (y * (1 << s) == raised) {
    const int64_t rest = product - t * ((int64_t)1 << 31);
    int64_t half_place = 1 << 7;
    int32_t size = t < 0 ? -t : t;
    for (; size > 1; size >>= 1) {
      half_place *= 2;
    }
    /* y has been rounded up. A tie belongs to the even neighbour: below an odd y. */
    return y - ((y & 1) != 0 ? rest <= half_place : rest < -half_place);
  }
  return y;
}

/* Requantizes one sum; params are those of its channel. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_rescale_any(int32_t sum, const int32_t* params, int float32,
                                                int32_t zero_point, int32_t low, int32_t high) {
  if (float32) {
    const int32_t y = tvm_tiny_dsp_rounded_any(sum, (uint32_t)params[1]);
    return tvm_tiny_dsp_clamp(y + zero_point, low, high);
  } else {
    const int32_t s = params[0] & 255;
    const int32_t t = (int32_t)(((int64_t)sum * params[1] + (1 << 30)) >> 31);
    const int32_t offset = (2 * zero_point + 1) * (1 << s);
    return tvm_tiny_dsp_clamp((t + (t >> 31) + offset) >> s >> 1, low, high);
  }
}

#if TVM_TINY_DSP

/* ---- One sum, with instructions -------------------------------------------------------------- */

/* Limits y, which is within int8, to [low, high]. Constant limits of int8 take no instruction. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_limit_byte(int32_t y, int32_t low, int32_t high) {
  if (!__builtin_constant_p(low) || low > -128) {
    y = y < low ? low : y;
  }
  if (!__builtin_constant_p(high) || high < 127) {
    y = y > high ? high : y;
  }
  return (int8_t)y;
}

/* Limits value / 2, rounded down, to int8 and to [low, high]. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_limit_half(int32_t value, int32_t low, int32_t high) {
  int32_t y;
  __asm__("ssat %0, #8, %1, asr #1" : "=r"(y) : "r"(value));
  return tvm_tiny_dsp_limit_byte(y, low, high);
}

/* Limits value + zero_point to int8 and to [low, high]. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_limit_sum(int32_t value, int32_t zero_point, int32_t low,
                                              int32_t high) {
  int32_t y = value;
  if (!__builtin_constant_p(zero_point) || zero_point != 0) {
    y = (int32_t)tvm_tiny_dsp_add_saturated((uint32_t)value, (uint32_t)zero_point);
  }
  __asm__("ssat %0, #8, %0" : "+r"(y));
  return tvm_tiny_dsp_limit_byte(y, low, high);
}

/* 1 if the core has a floating-point unit for float32. */
#if defined(__ARM_FP) && (__ARM_FP & 4) != 0 && !defined(__SOFTFP__)
#define TVM_TINY_DSP_FLOAT 1
#else
#define TVM_TINY_DSP_FLOAT 0
#endif

#if TVM_TINY_DSP_FLOAT
/* A float32 multiplier, read from the bits that params hold. */
typedef float __attribute__((may_alias)) tvm_tiny_dsp_factor;

/* Computes rint(f32(f32(sum) * factor)) with the floating-point unit. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_rounded(int32_t sum, tvm_tiny_dsp_factor factor) {
  __asm__(
      "vmov s0, %0\n\t"
      "vcvt.f32.s32 s0, s0\n\t"
      "vmul.f32 s0, s0, %1\n\t"
      "vcvtr.s32.f32 s0, s0\n\t"
      "vmov %0, s0"
      : "+r"(sum)
      : "t"(factor)
      : "s0");
  return sum;
}

/* Replaces each of two sums by rint(f32(f32(sum) * factor)). */
TVM_TINY_INLINE void tvm_tiny_dsp_rounded_two(int32_t* a, tvm_tiny_dsp_factor a_factor, int32_t* b,
                                              tvm_tiny_dsp_factor b_factor) {
  __asm__(
      "vmov s0, s1, %0, %1\n\t"
      "vcvt.f32.s32 s0, s0\n\t"
      "vcvt.f32.s32 s1, s1\n\t"
      "vmul.f32 s0, s0, %2\n\t"
      "vmul.f32 s1, s1, %3\n\t"
      "vcvtr.s32.f32 s0, s0\n\t"
      "vcvtr.s32.f32 s1, s1\n\t"
      "vmov %0, %1, s0, s1"
      : "+r"(*a), "+r"(*b)
      : "t"(a_factor), "t"(b_factor)
      : "s0", "s1");
}
#else
/* The bits of a float32 multiplier. */
typedef uint32_t __attribute__((may_alias)) tvm_tiny_dsp_factor;

/* Computes rint(f32(f32(sum) * factor)) with integers. */
TVM_TINY_DSP_ONCE int32_t tvm_tiny_dsp_rounded(int32_t sum, tvm_tiny_dsp_factor factor) {
  return tvm_tiny_dsp_rounded_any(sum, factor);
}

/* Replaces each of two sums by rint(f32(f32(sum) * factor)). */
TVM_TINY_INLINE void tvm_tiny_dsp_rounded_two(int32_t* a, tvm_tiny_dsp_factor a_factor, int32_t* b,
                                              tvm_tiny_dsp_factor b_factor) {
  *a = tvm_tiny_dsp_rounded(*a, a_factor);
  *b = tvm_tiny_dsp_rounded(*b, b_factor);
}
#endif

/* Reads a multiplier; `at` points to the second of a channel's params. */
TVM_TINY_INLINE tvm_tiny_dsp_factor tvm_tiny_dsp_factor_at(const void* at) {
  return *(const tvm_tiny_dsp_factor*)at;
}

/* How a channel is requantized. word: the first of its params, with s in the low byte. offset: (2 *
 * zero_point + 1) << s. In _float32 functions word is the bias and offset the zero point. */
struct tvm_tiny_dsp_scale {
  uint32_t word;
  uint32_t multiplier;
  int32_t offset;
};
/* Assembler loads and stores neighbouring members as two words. */
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_scale, word, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_scale, multiplier, 4);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_scale, offset, 8);

/* Prepares the requantization of a channel from its params. */
TVM_TINY_INLINE struct tvm_tiny_dsp_scale tvm_tiny_dsp_scale(const int32_t* params, int float32,
                                                             int32_t zero_point) {
  struct tvm_tiny_dsp_scale scale;
  scale.word = (uint32_t)params[0];
  scale.multiplier = (uint32_t)params[1];
  scale.offset = zero_point;
  if (!float32) {
    scale.offset = (int32_t)tvm_tiny_dsp_shift_left((uint32_t)(2 * zero_point + 1), scale.word);
  }
  return scale;
}

/*
 * Requantizes one sum, adding the sign of the sum, 0 or -1, in place of that of t.
 *
 * The signs differ only where t = 0. There the first shift gives 2 * zero_point + 1 without the
 * sign and 2 * zero_point with it, and the second shift makes zero_point of both.
 */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_rescale(int32_t sum, struct tvm_tiny_dsp_scale scale,
                                            int32_t low, int32_t high) {
  const int32_t t =
      tvm_tiny_dsp_smmlar((uint32_t)sum * 2u, scale.multiplier, scale.offset + (sum >> 31));
  return tvm_tiny_dsp_limit_half((int32_t)tvm_tiny_dsp_shift_right((uint32_t)t, scale.word), low,
                                 high);
}

/* ---- Tiles of up to two pixels and four channels --------------------------------------------- */

/* Requantizes one channel of up to two pixels: out[p * pitch] from acc[p * filters]. */
TVM_TINY_INLINE void tvm_tiny_dsp_rescale_channel(const int32_t* acc, int32_t filters,
                                                  struct tvm_tiny_dsp_scale scale, int8_t* out,
                                                  int32_t pixels, int32_t pitch, int32_t low,
                                                  int32_t high) {
  if (pixels > 0) {
    out[0] = tvm_tiny_dsp_rescale(acc[0], scale, low, high);
  }
  if (pixels > 1) {
    out[pitch] = tvm_tiny_dsp_rescale(acc[filters], scale, low, high);
  }
}

/* Requantizes two neighbouring channels, whose params are loaded by one instruction. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize_two(const int32_t* acc, int32_t filters,
                                                 const int32_t* params, int8_t* out, int32_t pixels,
                                                 int32_t pitch, int32_t zero_point, int32_t low,
                                                 int32_t high) {
  register uint32_t word0 __asm__("r8");
  register uint32_t multiplier0 __asm__("r9");
  register uint32_t word1 __asm__("r10");
  register uint32_t multiplier1 __asm__("r11");
  struct tvm_tiny_dsp_scale scale;
  __asm__ volatile("ldmia %[params], {%[a], %[b], %[c], %[d]}"
                   : [a] "=r"(word0), [b] "=r"(multiplier0), [c] "=r"(word1), [d] "=r"(multiplier1)
                   : [params] "r"(params), "m"(*(const int32_t (*)[4])(const void*)params));
  scale.word = word0;
  scale.multiplier = multiplier0;
  scale.offset = (int32_t)tvm_tiny_dsp_shift_left((uint32_t)(2 * zero_point + 1), word0);
  tvm_tiny_dsp_rescale_channel(acc, filters, scale, out, pixels, pitch, low, high);
  scale.word = word1;
  scale.multiplier = multiplier1;
  scale.offset = (int32_t)tvm_tiny_dsp_shift_left((uint32_t)(2 * zero_point + 1), word1);
  tvm_tiny_dsp_rescale_channel(acc + 1, filters, scale, out + 1, pixels, pitch, low, high);
}

/* Requantizes a tile: out[p * pitch + f] from acc[p * filters + f], p < pixels <= 2, f < channels
 * <= 4. params + 2 * f are those of channel f. There is no loop, so acc stays in registers. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize(const int32_t* acc, int32_t filters,
                                             const int32_t* params, int8_t* out, int32_t pixels,
                                             int32_t channels, int32_t pitch, int32_t zero_point,
                                             int32_t low, int32_t high) {
#define TVM_TINY_DSP_CHANNELS(f)                                                                 \
  if (channels > (f) + 1) {                                                                      \
    tvm_tiny_dsp_requantize_two(acc + (f), filters, params + 2 * (f), out + (f), pixels, pitch,  \
                                zero_point, low, high);                                          \
  } else if (channels > (f)) {                                                                   \
    tvm_tiny_dsp_rescale_channel(acc + (f), filters,                                             \
                                 tvm_tiny_dsp_scale(params + 2 * (f), 0, zero_point), out + (f), \
                                 pixels, pitch, low, high);                                      \
  }
  TVM_TINY_DSP_CHANNELS(0)
  TVM_TINY_DSP_CHANNELS(2)
#undef TVM_TINY_DSP_CHANNELS
}

/* Requantizes one pixel of one or two channels with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize_pixel(const int32_t* acc, tvm_tiny_dsp_factor first,
                                                   tvm_tiny_dsp_factor second, int8_t* out,
                                                   int32_t channels, int32_t zero_point,
                                                   int32_t low, int32_t high) {
  int32_t a = acc[0];
  if (channels > 1) {
    int32_t b = acc[1];
    tvm_tiny_dsp_rounded_two(&a, first, &b, second);
    out[0] = tvm_tiny_dsp_limit_sum(a, zero_point, low, high);
    out[1] = tvm_tiny_dsp_limit_sum(b, zero_point, low, high);
  } else {
    a = tvm_tiny_dsp_rounded(a, first);
    out[0] = tvm_tiny_dsp_limit_sum(a, zero_point, low, high);
  }
}

/* Requantizes a tile like tvm_tiny_dsp_requantize, with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize_float32(const int32_t* acc, int32_t filters,
                                                     const int32_t* params, int8_t* out,
                                                     int32_t pixels, int32_t channels,
                                                     int32_t pitch, int32_t zero_point, int32_t low,
                                                     int32_t high) {
  /* Multipliers are read before the stores, since the compiler cannot tell that these leave them
   * alone. */
#define TVM_TINY_DSP_CHANNELS(f)                                                                 \
  if (channels > (f)) {                                                                          \
    const int32_t some = channels > (f) + 1 ? 2 : 1;                                             \
    const tvm_tiny_dsp_factor first = tvm_tiny_dsp_factor_at(params + 2 * (f) + 1);              \
    const tvm_tiny_dsp_factor second = tvm_tiny_dsp_factor_at(params + 2 * (f) + 2 * some - 1);  \
    tvm_tiny_dsp_requantize_pixel(acc + (f), first, second, out + (f), some, zero_point, low,    \
                                  high);                                                         \
    if (pixels > 1) {                                                                            \
      tvm_tiny_dsp_requantize_pixel(acc + filters + (f), first, second, out + pitch + (f), some, \
                                    zero_point, low, high);                                      \
    }                                                                                            \
  }
  TVM_TINY_DSP_CHANNELS(0)
  TVM_TINY_DSP_CHANNELS(2)
#undef TVM_TINY_DSP_CHANNELS
}

#else

/* ---- Tiles in portable C --------------------------------------------------------------------- */

/* Requantizes a tile of any size: out[p * pitch + f] from acc[p * filters + f], p < pixels, f <
 * channels. params + 2 * f are those of channel f. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize_any(const int32_t* acc, int32_t filters,
                                                 const int32_t* params, int float32, int8_t* out,
                                                 int32_t pixels, int32_t channels, int32_t pitch,
                                                 int32_t zero_point, int32_t low, int32_t high) {
  int32_t p;
  int32_t f;
  for (f = 0; f < channels; f++) {
    for (p = 0; p < pixels; p++) {
      out[p * pitch + f] = tvm_tiny_dsp_rescale_any(acc[p * filters + f], params + 2 * f, float32,
                                                    zero_point, low, high);
    }
  }
}

/* Requantizes a tile with TFLite's rounding. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize(const int32_t* acc, int32_t filters,
                                             const int32_t* params, int8_t* out, int32_t pixels,
                                             int32_t channels, int32_t pitch, int32_t zero_point,
                                             int32_t low, int32_t high) {
  tvm_tiny_dsp_requantize_any(acc, filters, params, 0, out, pixels, channels, pitch, zero_point,
                              low, high);
}

/* Requantizes a tile with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize_float32(const int32_t* acc, int32_t filters,
                                                     const int32_t* params, int8_t* out,
                                                     int32_t pixels, int32_t channels,
                                                     int32_t pitch, int32_t zero_point, int32_t low,
                                                     int32_t high) {
  tvm_tiny_dsp_requantize_any(acc, filters, params, 1, out, pixels, channels, pitch, zero_point,
                              low, high);
}

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_REQUANTIZE_H */
