/*
 * Kernels' inner loops for cores with SIMD within a register: Armv7E-M and Armv8-M with the DSP
 * extension (Cortex-M4, M7, M33). Elsewhere the same functions in plain C, with the same results.
 *
 * Shapes are constants where these functions are called, and the compiler specialises them.
 *
 * Four elements k = 4q .. 4q + 3 stand in the order (0, 2, 1, 3) as int16 in two words: what
 * SXTAB16 and SXTAB16 with a rotation by 8 make of the word of four bytes. quads = ceil(K / 4).
 *
 * params, int32 [channels][2]: bias * 256 + s and multiplier, the bias of 24 bits, s in [0, 30] and
 * the multiplier in [0, 2^31). An int32 sum, |sum| < 2^30, becomes
 *
 *     t = (sum * multiplier + 2^30) >> 31
 *     y = clamp((((t + (t < 0 ? -1 : 0) + ((2 * zero_point + 1) << s)) >> s) >> 1), low, high)
 *
 * TFLite's rounding of both steps, of which the second shifts by s + 1. Nothing on the way leaves
 * int32.
 *
 * Functions named _float32 round as onnxruntime does. Their params are the bias, of 32 bits, and
 * the bits of a float32 multiplier in [2^-31, 1/2):
 *
 *     y = clamp(zero_point + rint(f32(f32(sum) * multiplier)), low, high)
 *
 * with f32() rounding to float32 and rint to integers, both to the nearest and ties to even: what a
 * floating-point unit does in the mode that cores start in. Without one integers give the same,
 * within limits: see tvm_tiny_dsp_rounded_any.
 *
 * Words of x may stand at any byte. cols, scratch, int16 w and the w of dot products: 4-byte
 * aligned. Not a byte more than what is given is read or written.
 */
#ifndef TVM_TINY_DSP_H
#define TVM_TINY_DSP_H

#include <stdint.h>

#ifndef TVM_TINY_INLINE
#if defined(__GNUC__) || defined(__clang__)
#define TVM_TINY_INLINE static inline __attribute__((always_inline, unused))
#else
#define TVM_TINY_INLINE static inline
#endif
#endif

/* Where element i of four stands. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_slot(int32_t i) { return ((i & 1) << 1) | (i >> 1); }

TVM_TINY_INLINE int8_t tvm_tiny_dsp_clamp(int32_t value, int32_t low, int32_t high) {
  return (int8_t)(value < low ? low : value > high ? high : value);
}

/* One output pixel of any shape, element by element; its quads are `step` int16 apart. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather_any(const int8_t* x, const int32_t* lines, int16_t* cols,
                                             int32_t step, int32_t column, int32_t zero_point,
                                             int32_t width, int32_t channels, int32_t kernel_h,
                                             int32_t kernel_w, int32_t row_bytes) {
  int32_t k = 0;
  int32_t ky;
  int32_t at;
  int32_t c;
  for (ky = 0; ky < kernel_h; ky++) {
    for (at = column; at < column + kernel_w; at++) {
      const int inside = lines[ky] >= 0 && at >= 0 && at < width;
      const int8_t* from = inside ? x + lines[ky] * row_bytes + at * channels : x;
      for (c = 0; c < channels; c++, k++) {
        cols[(k >> 2) * step + tvm_tiny_dsp_slot(k & 3)] =
            inside ? (int16_t)(from[c] - zero_point) : (int16_t)0;
      }
    }
  }
  for (; (k & 3) != 0; k++) {
    cols[(k >> 2) * step + tvm_tiny_dsp_slot(k & 3)] = 0;
  }
}

/* float32: whether params are those of such a function; everywhere a constant. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_bias(const int32_t* params, int float32) {
  return float32 ? params[0] : params[0] >> 8;
}

/*
 * rint(f32(f32(sum) * multiplier)) by integers: sum * m / 2^31 is rounded, to t, and then t / 2^s.
 * The product's float32 may have been a tie only where t is one. There it is, if the remainder of
 * the first division is not more than half of the last place of a float32 of t's size.
 *
 * |sum| < 2^30, and |t| < 2^23: always, if s <= 15 and only results of eight bits matter.
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
    /* Of an odd y the even neighbour is below: what is a tie goes there. */
    return y - ((y & 1) != 0 ? rest <= half_place : rest < -half_place);
  }
  return y;
}

/* params: those of the channel. */
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

/* x less its zero point as scratch[c][ky][column] for channels c < block, 0 where there is no x. */
TVM_TINY_INLINE void tvm_tiny_dsp_window_any(const int8_t* x, const int32_t* lines,
                                             int16_t* scratch, int32_t zero_point, int32_t width,
                                             int32_t channels, int32_t block, int32_t kernel_h,
                                             int32_t pad_left, int32_t columns) {
  int32_t c;
  int32_t ky;
  int32_t i;
  for (c = 0; c < block; c++) {
    for (ky = 0; ky < kernel_h; ky++) {
      for (i = 0; i < columns; i++) {
        const int32_t at = i - pad_left;
        const int inside = lines[ky] >= 0 && at >= 0 && at < width;
        *scratch++ = inside ? (int16_t)(x[(lines[ky] * width + at) * channels + c] - zero_point)
                            : (int16_t)0;
      }
    }
  }
}

/* Output pixel at `column` of the window of one channel. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_window_sum(const int16_t* window, const int8_t* w,
                                                int32_t columns, int32_t kernel_h,
                                                int32_t kernel_w) {
  int32_t sum = 0;
  int32_t ky;
  int32_t kx;
  for (ky = 0; ky < kernel_h; ky++) {
    for (kx = 0; kx < kernel_w; kx++) {
      sum += window[ky * columns + kx] * w[ky * kernel_w + kx];
    }
  }
  return sum;
}

/* tvm_tiny_dsp_depthwise for any kernel. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_any(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int float32,
    int8_t* out, int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t low,
    int32_t high, int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w,
    int32_t stride_w, int32_t pad_left, int32_t out_width) {
  const int32_t columns = (out_width - 1) * stride_w + kernel_w;
  const int32_t filter = kernel_h * kernel_w;
  int32_t c;
  int32_t ox;
  for (c = 0; c < channels; c++) {
    const int16_t* window = scratch + c % 4 * kernel_h * columns;
    if (c % 4 == 0) {
      tvm_tiny_dsp_window_any(x + c, lines, scratch, x_zero_point, width, channels,
                          channels - c < 4 ? channels - c : 4, kernel_h, pad_left, columns);
    }
    for (ox = 0; ox < out_width; ox++) {
      out[ox * channels + c] = tvm_tiny_dsp_rescale_any(
          tvm_tiny_dsp_bias(params + 2 * c, float32) +
              tvm_tiny_dsp_window_sum(window + ox * stride_w, w + c * filter, columns, kernel_h,
                                      kernel_w),
          params + 2 * c, float32, y_zero_point, low, high);
    }
  }
}

/* Where weight (c, ky, kx) of a depthwise convolution in place lies: blocks of four channels, rows
 * of each, two taps of a channel beside each other; of an odd row's last tap the channels. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_tap_at(int32_t c, int32_t ky, int32_t kx, int32_t kernel_h,
                                            int32_t kernel_w) {
  const int32_t row = ((c >> 2) * kernel_h + ky) * kernel_w * 4;
  const int last = (kernel_w & 1) != 0 && kx == kernel_w - 1;
  return row + 4 * (kx & ~1) + (last ? tvm_tiny_dsp_slot(c & 3) : 2 * (c & 3) + (kx & 1));
}

/* One element of tvm_tiny_dsp_depthwise_in_place, of channel c of the window at `column`. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_depthwise_one(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int32_t column, int32_t c, int32_t x_zero_point, int32_t y_zero_point, int32_t low,
    int32_t high, int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w) {
  int32_t sum = tvm_tiny_dsp_bias(params + 2 * c, float32);
  int32_t ky;
  int32_t kx;
  for (ky = 0; ky < kernel_h; ky++) {
    for (kx = 0; kx < kernel_w; kx++) {
      const int32_t at = column + kx;
      if (lines[ky] >= 0 && at >= 0 && at < width) {
        sum += (x[(lines[ky] * width + at) * channels + c] - x_zero_point) *
               (w[tvm_tiny_dsp_tap_at(c, ky, kx, kernel_h, kernel_w)] >> 1);
      }
    }
  }
  return tvm_tiny_dsp_rescale_any(sum, params + 2 * c, float32, y_zero_point, low, high);
}

/* value * multiplier / 2^31 / 2^shift, both steps rounded half away from zero as TFLite does. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_scaled(int32_t value, int32_t multiplier, int32_t shift) {
  const int32_t t = (int32_t)(((int64_t)value * multiplier + (1 << 30)) >> 31);
  const int32_t half = shift > 0 ? (int32_t)(1u << (shift - 1)) : 0;
  return (int32_t)(((int64_t)t + (shift > 0 ? t >> 31 : 0) + half) >> shift);
}

/* tvm_tiny_dsp_add for any q. */
TVM_TINY_INLINE void tvm_tiny_dsp_add_any(const int8_t* a, const int8_t* b, int8_t* out,
                                          int32_t count, const int32_t* q) {
  int32_t i;
  for (i = 0; i < count; i++) {
    const int32_t left = tvm_tiny_dsp_scaled((a[i] - q[0]) * (1 << 20), q[5], -q[8]);
    const int32_t right = tvm_tiny_dsp_scaled((b[i] - q[1]) * (1 << 20), q[6], -q[9]);
    const int32_t y = tvm_tiny_dsp_scaled(left + right, q[7], -q[10]) + q[2];
    out[i] = tvm_tiny_dsp_clamp(y, q[3], q[4]);
  }
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

/* An int8 within limits. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_limit_byte(int32_t y, int32_t low, int32_t high) {
  if (!__builtin_constant_p(low) || low > -128) {
    y = y < low ? low : y;
  }
  if (!__builtin_constant_p(high) || high < 127) {
    y = y > high ? high : y;
  }
  return (int8_t)y;
}

/* Half of the value, rounded down, within limits. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_limit_half(int32_t value, int32_t low, int32_t high) {
  int32_t y;
  __asm__("ssat %0, #8, %1, asr #1" : "=r"(y) : "r"(value));
  return tvm_tiny_dsp_limit_byte(y, low, high);
}

/* The sum of both within limits. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_limit_sum(int32_t value, int32_t zero_point, int32_t low,
                                              int32_t high) {
  int32_t y = value;
  if (!__builtin_constant_p(zero_point) || zero_point != 0) {
    y = (int32_t)tvm_tiny_dsp_add_saturated((uint32_t)value, (uint32_t)zero_point);
  }
  __asm__("ssat %0, #8, %0" : "+r"(y));
  return tvm_tiny_dsp_limit_byte(y, low, high);
}

/* Whether there is a unit for float32. */
#if defined(__ARM_FP) && (__ARM_FP & 4) != 0 && !defined(__SOFTFP__)
#define TVM_TINY_DSP_FLOAT 1
#else
#define TVM_TINY_DSP_FLOAT 0
#endif

#if TVM_TINY_DSP_FLOAT
/* A float32 multiplier: read as what it is, or as bits. */
typedef float __attribute__((may_alias)) tvm_tiny_dsp_factor;

/* rint(f32(f32(sum) * factor)). */
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

/* The same of two sums, in place. */
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
typedef uint32_t __attribute__((may_alias)) tvm_tiny_dsp_factor;

TVM_TINY_DSP_ONCE int32_t tvm_tiny_dsp_rounded(int32_t sum, tvm_tiny_dsp_factor factor) {
  return tvm_tiny_dsp_rounded_any(sum, factor);
}

TVM_TINY_INLINE void tvm_tiny_dsp_rounded_two(int32_t* a, tvm_tiny_dsp_factor a_factor, int32_t* b,
                                              tvm_tiny_dsp_factor b_factor) {
  *a = tvm_tiny_dsp_rounded(*a, a_factor);
  *b = tvm_tiny_dsp_rounded(*b, b_factor);
}
#endif

/* at: the second of a channel's parameters. */
TVM_TINY_INLINE tvm_tiny_dsp_factor tvm_tiny_dsp_factor_at(const void* at) {
  return *(const tvm_tiny_dsp_factor*)at;
}

/* What all sums of a channel are rescaled by; word: the first of its parameters. float32: word is
 * the bias, offset the zero point. */
struct tvm_tiny_dsp_scale {
  uint32_t word;
  uint32_t multiplier;
  int32_t offset;
};

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

/* The sign goes to the offset first: it and t's differ only where t = 0, and there the offset, an
 * odd multiple of 2^s, less one comes to the same. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_rescale(int32_t sum, struct tvm_tiny_dsp_scale scale,
                                            int32_t low, int32_t high) {
  const int32_t t =
      tvm_tiny_dsp_smmlar((uint32_t)sum * 2u, scale.multiplier, scale.offset + (sum >> 31));
  return tvm_tiny_dsp_limit_half((int32_t)tvm_tiny_dsp_shift_right((uint32_t)t, scale.word), low,
                                 high);
}

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

/* Two channels, whose parameters come by one load. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize_two(const int32_t* acc, int32_t filters,
                                                 const int32_t* params, int8_t* out,
                                                 int32_t pixels, int32_t pitch,
                                                 int32_t zero_point, int32_t low, int32_t high) {
  register uint32_t word0 __asm__("r8");
  register uint32_t multiplier0 __asm__("r9");
  register uint32_t word1 __asm__("r10");
  register uint32_t multiplier1 __asm__("r11");
  struct tvm_tiny_dsp_scale scale;
  __asm__ volatile("ldmia %[params], {%[a], %[b], %[c], %[d]}"
                   : [a] "=r"(word0), [b] "=r"(multiplier0), [c] "=r"(word1), [d] "=r"(multiplier1)
                   : [params] "r"(params), "m"(*(const int32_t(*)[4])(const void*)params));
  scale.word = word0;
  scale.multiplier = multiplier0;
  scale.offset = (int32_t)tvm_tiny_dsp_shift_left((uint32_t)(2 * zero_point + 1), word0);
  tvm_tiny_dsp_rescale_channel(acc, filters, scale, out, pixels, pitch, low, high);
  scale.word = word1;
  scale.multiplier = multiplier1;
  scale.offset = (int32_t)tvm_tiny_dsp_shift_left((uint32_t)(2 * zero_point + 1), word1);
  tvm_tiny_dsp_rescale_channel(acc + 1, filters, scale, out + 1, pixels, pitch, low, high);
}

/* acc[p * filters + f] -> out[p * pitch + f], p < pixels <= 2, f < channels <= 4; channel f has
 * params + 2 f. Written out, so that acc stays in registers. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize(const int32_t* acc, int32_t filters,
                                             const int32_t* params, int8_t* out, int32_t pixels,
                                             int32_t channels, int32_t pitch, int32_t zero_point,
                                             int32_t low, int32_t high) {
#define TVM_TINY_DSP_CHANNELS(f)                                                              \
  if (channels > (f) + 1) {                                                                   \
    tvm_tiny_dsp_requantize_two(acc + (f), filters, params + 2 * (f), out + (f), pixels, pitch, \
                                zero_point, low, high);                                       \
  } else if (channels > (f)) {                                                                \
    tvm_tiny_dsp_rescale_channel(acc + (f), filters,                                          \
                                 tvm_tiny_dsp_scale(params + 2 * (f), 0, zero_point), out + (f), \
                                 pixels, pitch, low, high);                                   \
  }
  TVM_TINY_DSP_CHANNELS(0)
  TVM_TINY_DSP_CHANNELS(2)
#undef TVM_TINY_DSP_CHANNELS
}

/* One pixel of one or two channels. */
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

TVM_TINY_INLINE void tvm_tiny_dsp_requantize_float32(const int32_t* acc, int32_t filters,
                                                     const int32_t* params, int8_t* out,
                                                     int32_t pixels, int32_t channels,
                                                     int32_t pitch, int32_t zero_point,
                                                     int32_t low, int32_t high) {
  /* Read before the stores, which might change them for all the compiler knows. */
#define TVM_TINY_DSP_CHANNELS(f)                                                                \
  if (channels > (f)) {                                                                         \
    const int32_t some = channels > (f) + 1 ? 2 : 1;                                            \
    const tvm_tiny_dsp_factor first = tvm_tiny_dsp_factor_at(params + 2 * (f) + 1);             \
    const tvm_tiny_dsp_factor second = tvm_tiny_dsp_factor_at(params + 2 * (f) + 2 * some - 1); \
    tvm_tiny_dsp_requantize_pixel(acc + (f), first, second, out + (f), some, zero_point, low,   \
                                  high);                                                        \
    if (pixels > 1) {                                                                           \
      tvm_tiny_dsp_requantize_pixel(acc + filters + (f), first, second, out + pitch + (f), some, \
                                    zero_point, low, high);                                     \
    }                                                                                           \
  }
  TVM_TINY_DSP_CHANNELS(0)
  TVM_TINY_DSP_CHANNELS(2)
#undef TVM_TINY_DSP_CHANNELS
}

/* One quad of two pixels (x) and two filters (w). */
#define TVM_TINY_DSP_QUAD_2X2                 \
  "ldmia %[x]!, {r8, r9, r10, r11}\n\t"         \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"         \
  "sxtb16 %[t], %[w0]\n\t"                    \
  "sxtb16 %[w0], %[w0], ror #8\n\t"           \
  "smlad %[s00], %[t], r8, %[s00]\n\t"        \
  "smlad %[s10], %[t], r10, %[s10]\n\t"        \
  "sxtb16 %[t], %[w1]\n\t"                    \
  "sxtb16 %[w1], %[w1], ror #8\n\t"           \
  "smlad %[s00], %[w0], r9, %[s00]\n\t"       \
  "smlad %[s10], %[w0], r11, %[s10]\n\t"       \
  "smlad %[s01], %[t], r8, %[s01]\n\t"        \
  "smlad %[s11], %[t], r10, %[s11]\n\t"        \
  "smlad %[s01], %[w1], r9, %[s01]\n\t"       \
  "smlad %[s11], %[w1], r11, %[s11]\n\t"
#define TVM_TINY_DSP_RUN_2X2(text)                                                              \
  __asm__ volatile(text                                                                         \
                   : [x] "+r"(x), [w] "+r"(w), [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), \
                     [s11] "+r"(s11), [w0] "=&r"(w0), [w1] "=&r"(w1), [t] "=&r"(t)              \
                   :                                                                            \
                   : "r8", "r9", "r10", "r11", "memory")

/* So many quads at once that few are left over, fewer where `little` is done. A constant. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_at_once(int32_t quads, int little) {
  return quads % 3 == 0 && little ? 3 : quads % 6 == 0 ? 6 : quads % 5 == 0 ? 5 : 4;
}

/* The text for each quad. */
#define TVM_TINY_DSP_EACH(run, text, quads, at_once) \
  for (n = (quads) / (at_once); n > 0; n--) {        \
    if ((at_once) == 6) {                            \
      run(text text text text text text);            \
    } else if ((at_once) == 5) {                     \
      run(text text text text text);                 \
    } else if ((at_once) == 4) {                     \
      run(text text text text);                      \
    } else {                                         \
      run(text text text);                           \
    }                                                \
  }                                                  \
  if ((at_once) == 4 && ((quads) & 2) != 0) {        \
    run(text text);                                  \
  }                                                  \
  if ((at_once) == 4 && ((quads) & 1) != 0) {        \
    run(text);                                       \
  }
#define TVM_TINY_DSP_EACH_QUAD(run, text, quads) \
  TVM_TINY_DSP_EACH(run, text, quads, tvm_tiny_dsp_at_once(quads, 0))

/* acc[p * 2 + f] += sum of cols [quads][p][4] times w [quads][f][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s00 = acc[0];
  int32_t s01 = acc[1];
  int32_t s10 = acc[2];
  int32_t s11 = acc[3];
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_2X2, TVM_TINY_DSP_QUAD_2X2, quads)
  acc[0] = s00;
  acc[1] = s01;
  acc[2] = s10;
  acc[3] = s11;
}

#define TVM_TINY_DSP_WIDEN                  \
  "ldrd r9, r11, [%[w]], #8\n\t"            \
  "sxtb16 r8, r9\n\t"                       \
  "sxtb16 r9, r9, ror #8\n\t"               \
  "sxtb16 r10, r11\n\t"                     \
  "sxtb16 r11, r11, ror #8\n\t"             \
  "stmia %[wide]!, {r8, r9, r10, r11}\n\t"
#define TVM_TINY_DSP_RUN_WIDEN(text)                 \
  __asm__ volatile(text                              \
                   : [w] "+r"(w), [wide] "+r"(wide)  \
                   :                                 \
                   : "r8", "r9", "r10", "r11", "memory")

/* Filters as they are for dot_2x2 -> int16 [quads][f][4] in the order of cols. */
TVM_TINY_INLINE void tvm_tiny_dsp_widen(const int8_t* w, int16_t* wide, int32_t quads) {
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_WIDEN, TVM_TINY_DSP_WIDEN, quads)
}

#define TVM_TINY_DSP_QUAD_2X2W                \
  "ldmia %[x]!, {r8, r9, r10, r11}\n\t"       \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"         \
  "smlad %[s00], %[w0], r8, %[s00]\n\t"       \
  "smlad %[s10], %[w0], r10, %[s10]\n\t"      \
  "smlad %[s00], %[w1], r9, %[s00]\n\t"       \
  "smlad %[s10], %[w1], r11, %[s10]\n\t"      \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"         \
  "smlad %[s01], %[w0], r8, %[s01]\n\t"       \
  "smlad %[s11], %[w0], r10, %[s11]\n\t"      \
  "smlad %[s01], %[w1], r9, %[s01]\n\t"       \
  "smlad %[s11], %[w1], r11, %[s11]\n\t"
#define TVM_TINY_DSP_RUN_2X2W(text)                                                             \
  __asm__ volatile(text                                                                         \
                   : [x] "+r"(x), [w] "+r"(w), [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), \
                     [s11] "+r"(s11), [w0] "=&r"(w0), [w1] "=&r"(w1)                            \
                   :                                                                            \
                   : "r8", "r9", "r10", "r11", "memory")

/* tvm_tiny_dsp_dot_2x2 of widened filters. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2w(const int16_t* x, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t s00 = acc[0];
  int32_t s01 = acc[1];
  int32_t s10 = acc[2];
  int32_t s11 = acc[3];
  uint32_t w0;
  uint32_t w1;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_2X2W, TVM_TINY_DSP_QUAD_2X2W, quads)
  acc[0] = s00;
  acc[1] = s01;
  acc[2] = s10;
  acc[3] = s11;
}

#define TVM_TINY_DSP_QUAD_2X2P                \
  "ldmia %[x]!, {r8, r9, r10, r11}\n\t"       \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"         \
  "sxtb16 %[t], %[w0]\n\t"                    \
  "smlad %[s01], %[w0], r8, %[s01]\n\t"       \
  "smlad %[s11], %[w0], r10, %[s11]\n\t"      \
  "smlad %[s00], %[t], r8, %[s00]\n\t"        \
  "smlad %[s10], %[t], r10, %[s10]\n\t"       \
  "sxtb16 %[t], %[w1]\n\t"                    \
  "smlad %[s01], %[w1], r9, %[s01]\n\t"       \
  "smlad %[s11], %[w1], r11, %[s11]\n\t"      \
  "smlad %[s00], %[t], r9, %[s00]\n\t"        \
  "smlad %[s10], %[t], r11, %[s10]\n\t"

/* Of paired filters: the second one's sum, from that of both. Sums of both wrap around; the
 * difference comes out right. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_second(int32_t both, int32_t first) {
  return (int32_t)((uint32_t)both - (uint32_t)first) >> 8;
}

/* Paired filters: w int16 [quads][4] = filter 0 + 256 * filter 1, in the order of cols. Filter 1's
 * sum is what is left of both less that of filter 0: half the extensions. Both must fit: not -128
 * in filter 1 beside a negative weight in filter 0. And so must filter 1's sum 24 bits: 255 times
 * its weights' absolute values come to less than 2^23. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2p(const int16_t* x, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t s00 = acc[0];
  int32_t s10 = acc[2];
  int32_t s01 = s00;
  int32_t s11 = s10;
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_2X2, TVM_TINY_DSP_QUAD_2X2P, quads)
  acc[0] = s00;
  acc[1] += tvm_tiny_dsp_second(s01, s00);
  acc[2] = s10;
  acc[3] += tvm_tiny_dsp_second(s11, s10);
}

/* Two words of x, r8 and r9, and the four weights of one filter in `w`. */
#define TVM_TINY_DSP_FILTER(w, s)     \
  "sxtb16 %[t], " w "\n\t"            \
  "sxtb16 " w ", " w ", ror #8\n\t"   \
  "smlad " s ", %[t], r8, " s "\n\t"  \
  "smlad " s ", " w ", r9, " s "\n\t"

#define TVM_TINY_DSP_QUAD_1X2           \
  "ldrd r8, r9, [%[x]], #8\n\t"         \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"   \
  TVM_TINY_DSP_FILTER("%[w0]", "%[s0]") \
  TVM_TINY_DSP_FILTER("%[w1]", "%[s1]")
#define TVM_TINY_DSP_RUN_1X2(text)                                                    \
  __asm__ volatile(text                                                               \
                   : [x] "+r"(x), [w] "+r"(w), [s0] "+r"(s0), [s1] "+r"(s1),          \
                     [w0] "=&r"(w0), [w1] "=&r"(w1), [t] "=&r"(t)                     \
                   :                                                                  \
                   : "r8", "r9", "memory")

/* The same for one pixel: cols [quads][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = acc[1];
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH(TVM_TINY_DSP_RUN_1X2, TVM_TINY_DSP_QUAD_1X2, quads,
                    tvm_tiny_dsp_at_once(quads, 1))
  acc[0] = s0;
  acc[1] = s1;
}

#define TVM_TINY_DSP_QUAD_1X2P          \
  "ldrd r8, r9, [%[x]], #8\n\t"         \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"   \
  "sxtb16 %[t], %[w0]\n\t"              \
  "smlad %[s1], %[w0], r8, %[s1]\n\t"   \
  "smlad %[s0], %[t], r8, %[s0]\n\t"    \
  "sxtb16 %[t], %[w1]\n\t"              \
  "smlad %[s1], %[w1], r9, %[s1]\n\t"   \
  "smlad %[s0], %[t], r9, %[s0]\n\t"

/* tvm_tiny_dsp_dot_2x2p for one pixel: cols [quads][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2p(const int16_t* x, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = s0;
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH(TVM_TINY_DSP_RUN_1X2, TVM_TINY_DSP_QUAD_1X2P, quads,
                    tvm_tiny_dsp_at_once(quads, 1))
  acc[0] = s0;
  acc[1] += tvm_tiny_dsp_second(s1, s0);
}

#define TVM_TINY_DSP_QUAD_1X4             \
  "ldrd r8, r9, [%[x]], #8\n\t"           \
  "ldmia %[w]!, {r10, r11, r12, lr}\n\t"     \
  TVM_TINY_DSP_FILTER("r10", "%[s0]")      \
  TVM_TINY_DSP_FILTER("r11", "%[s1]")      \
  TVM_TINY_DSP_FILTER("r12", "%[s2]")      \
  TVM_TINY_DSP_FILTER("lr", "%[s3]")
#define TVM_TINY_DSP_RUN_1X4(text)                                                              \
  __asm__ volatile(text                                                                         \
                   : [x] "+r"(x), [w] "+r"(w), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2),     \
                     [s3] "+r"(s3), [t] "=&r"(t)                                                \
                   :                                                                            \
                   : "r8", "r9", "r10", "r11", "r12", "lr", "memory")

/* One pixel, four filters: acc[f] += sum of cols [quads][4] times w [quads][f][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x4(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = acc[1];
  int32_t s2 = acc[2];
  int32_t s3 = acc[3];
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_1X4, TVM_TINY_DSP_QUAD_1X4, quads)
  acc[0] = s0;
  acc[1] = s1;
  acc[2] = s2;
  acc[3] = s3;
}

/*
 * The window of a whole output row, of four channels. In scratch it has for each two columns
 *
 *     for each two rows   [4 channels][2 columns] words of a column's two elements
 *     for a last odd row  [4 channels] words of the row's two elements
 *
 * so that SMLAD takes two taps at once and a channel reads its words at constant distances. Columns
 * beside x are 0 from the start; two of which one is in x are at an edge.
 */
struct tvm_tiny_dsp_edge {
  int32_t x;
  tvm_tiny_dsp_word* to;
  tvm_tiny_dsp_half* last;
};

struct tvm_tiny_dsp_window {
  int32_t rows[TVM_TINY_DSP_KERNEL];
  /* Of the columns in the middle: the first's place in row 0, distances of rows 1 and 2 from there,
   * the latter two columns on; their words. */
  int32_t middle;
  int32_t row1;
  int32_t row2;
  int32_t channels;
  uint32_t minus;
  tvm_tiny_dsp_word* to;
  tvm_tiny_dsp_word* to_end;
  int32_t words;
  struct tvm_tiny_dsp_edge edges[2];
  struct tvm_tiny_dsp_edge* end;
};

/* One column; `to` is the place of its first word, `half` that of its first half in the last odd
 * row's words. */
TVM_TINY_INLINE void tvm_tiny_dsp_column(const int8_t* x, const int32_t* rows,
                                         tvm_tiny_dsp_word* to, tvm_tiny_dsp_half* half,
                                         uint32_t minus, int32_t kernel_h) {
  int32_t r;
  TVM_TINY_DSP_LOOP
  for (r = 0; r + 1 < kernel_h; r += 2) {
    const uint32_t a = tvm_tiny_dsp_load(x + rows[r]);
    const uint32_t b = tvm_tiny_dsp_load(x + rows[r + 1]);
    const uint32_t low = tvm_tiny_dsp_lower(a, b);
    const uint32_t high = tvm_tiny_dsp_upper(a, b);
    to[0] = tvm_tiny_dsp_add_even(minus, low);
    to[2] = tvm_tiny_dsp_add_odd(minus, low);
    to[4] = tvm_tiny_dsp_add_even(minus, high);
    to[6] = tvm_tiny_dsp_add_odd(minus, high);
    to += 8;
  }
  if ((kernel_h & 1) != 0) {
    const uint32_t a = tvm_tiny_dsp_load(x + rows[r]);
    const uint32_t even = tvm_tiny_dsp_add_even(minus, a);
    const uint32_t uneven = tvm_tiny_dsp_add_odd(minus, a);
    half[0] = (uint16_t)even;
    half[2] = (uint16_t)uneven;
    half[4] = (uint16_t)(even >> 16);
    half[6] = (uint16_t)(uneven >> 16);
  }
}

/* Two columns of two rows, d bytes apart; x moves on by both. */
#define TVM_TINY_DSP_TWO_ROWS               \
  "ldr r12, [%[x], %[d]]\n\t"               \
  "ldr r8, [%[x]]\n\t"                      \
  "add %[x], %[x], %[c]\n\t"                \
  "ldr lr, [%[x], %[d]]\n\t"                \
  "ldr r9, [%[x]]\n\t"                      \
  "add %[x], %[x], %[c]\n\t"                \
  "pkhbt r10, r8, r12, lsl #16\n\t"         \
  "pkhbt r11, r9, lr, lsl #16\n\t"          \
  "pkhtb r12, r12, r8, asr #16\n\t"         \
  "pkhtb lr, lr, r9, asr #16\n\t"           \
  "sxtab16 r8, %[minus], r10\n\t"           \
  "sxtab16 r9, %[minus], r11\n\t"           \
  "sxtab16 r10, %[minus], r10, ror #8\n\t"  \
  "sxtab16 r11, %[minus], r11, ror #8\n\t"  \
  "stmia %[to]!, {r8, r9, r10, r11}\n\t"    \
  "sxtab16 r10, %[minus], r12\n\t"          \
  "sxtab16 r11, %[minus], lr\n\t"           \
  "sxtab16 r12, %[minus], r12, ror #8\n\t"  \
  "sxtab16 lr, %[minus], lr, ror #8\n\t"    \
  "stmia %[to]!, {r10, r11, r12, lr}\n\t"
/* Two columns of one row, from r8 and r9. */
#define TVM_TINY_DSP_ONE_ROW                \
  "pkhbt r10, r8, r9, lsl #16\n\t"          \
  "pkhtb r11, r9, r8, asr #16\n\t"          \
  "sxtab16 r8, %[minus], r10\n\t"           \
  "sxtab16 r9, %[minus], r10, ror #8\n\t"   \
  "sxtab16 r10, %[minus], r11\n\t"          \
  "sxtab16 r11, %[minus], r11, ror #8\n\t"  \
  "stmia %[to]!, {r8, r9, r10, r11}\n\t"
#define TVM_TINY_DSP_COLUMNS(text, ...)                                                     \
  __asm__ volatile("1:\n\t" text                                                            \
                   "cmp %[to], %[end]\n\t"                                                  \
                   "bne 1b"                                                                 \
                   : [x] "+r"(x), [to] "+r"(to)                                             \
                   : [minus] "r"(minus), [end] "r"(end), [c] "r"(channels), __VA_ARGS__     \
                   : "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory")

/* The columns in the middle, two by two, where all is there. */
TVM_TINY_INLINE void tvm_tiny_dsp_middle(const struct tvm_tiny_dsp_window* window,
                                         const int8_t* x, int32_t kernel_h) {
  const int32_t channels = window->channels;
  const uint32_t minus = window->minus;
  const int32_t* rows = window->rows;
  const int8_t* const all = x + window->middle - rows[0];
  tvm_tiny_dsp_word* to = window->to;
  const tvm_tiny_dsp_word* end = window->to_end;
  int32_t r;
  x += window->middle;
  if (kernel_h == 3) {
    TVM_TINY_DSP_COLUMNS(TVM_TINY_DSP_TWO_ROWS
                         "add r9, %[x], %[e]\n\tldr r8, [r9]\n\tldr r9, [r9, %[c]]\n\t"
                         TVM_TINY_DSP_ONE_ROW,
                         [d] "r"(window->row1), [e] "r"(window->row2));
    return;
  }
  TVM_TINY_DSP_LOOP
  for (r = 0; r + 1 < kernel_h; r += 2) {
    x = all + rows[r];
    to = window->to + 4 * r;
    end = to + window->words;
    TVM_TINY_DSP_COLUMNS(TVM_TINY_DSP_TWO_ROWS "add %[to], %[to], %[skip]\n\t",
                         [d] "r"(rows[r + 1] - rows[r]), [skip] "i"(16 * kernel_h - 32));
  }
  if ((kernel_h & 1) != 0) {
    x = all + rows[r];
    to = window->to + 4 * r;
    end = to + window->words;
    TVM_TINY_DSP_COLUMNS("ldr r8, [%[x]]\n\tldr r9, [%[x], %[c]]\n\t"
                         "add %[x], %[x], %[c], lsl #1\n\t"
                         TVM_TINY_DSP_ONE_ROW "add %[to], %[to], %[skip]\n\t",
                         [skip] "i"(16 * kernel_h - 16));
  }
}

/* Prepares the window of a row, and what does not change from channels to channels. */
TVM_TINY_INLINE void tvm_tiny_dsp_open(struct tvm_tiny_dsp_window* window, const int32_t* lines,
                                       tvm_tiny_dsp_word* to, int32_t zero_point, int32_t width,
                                       int32_t channels, int32_t kernel_h, int32_t pad_left,
                                       int32_t columns) {
  const int32_t end = columns < width + pad_left ? columns : width + pad_left;
  const int32_t first = (pad_left + 1) & ~1;
  const int32_t pairs = end > first ? (end - first) >> 1 : 0;
  const int32_t after = first + 2 * pairs;
  struct tvm_tiny_dsp_edge* edge = window->edges;
  int32_t some = -1;
  int32_t i;
  TVM_TINY_DSP_LOOP
  for (i = 0; i < kernel_h; i++) {
    some = lines[i] < 0 ? some : lines[i];
  }
  TVM_TINY_DSP_LOOP
  for (i = 0; i < kernel_h; i++) {
    /* A missing row is any row that is there: its weights are 0. Row 0 need not be in memory. */
    window->rows[i] = (lines[i] < 0 ? some : lines[i]) * width * channels;
  }
  for (i = 0; i < 2 * kernel_h * first; i++) {
    to[i] = 0;
  }
  for (i = 2 * kernel_h * after; i < 2 * kernel_h * ((columns + 1) & ~1); i++) {
    to[i] = 0;
  }
  window->minus = (uint32_t)(-zero_point & 0xffff) * 0x10001u;
  window->channels = channels;
  window->middle = window->rows[0] + (first - pad_left) * channels;
  window->row1 = kernel_h > 1 ? window->rows[1] - window->rows[0] : 0;
  window->row2 = kernel_h > 2 ? window->rows[2] - window->rows[0] - 2 * channels : 0;
  window->to = to + 2 * kernel_h * first;
  window->words = 4 * kernel_h * pairs;
  window->to_end = window->to + window->words;
  if ((pad_left & 1) != 0 && pad_left < end) {
    edge->x = 0;
    edge->to = to + 2 * kernel_h * (first - 2) + 1;
    edge->last = (tvm_tiny_dsp_half*)(void*)(to + 2 * kernel_h * first - 4) + 1;
    edge++;
  }
  if (after < end) {
    edge->x = (after - pad_left) * channels;
    edge->to = to + 2 * kernel_h * after;
    edge->last = (tvm_tiny_dsp_half*)(void*)(edge->to + 4 * (kernel_h - 1));
    edge++;
  }
  window->end = edge;
  if (some < 0) {
    /* Nothing to read: all weights are 0. */
    window->words = 0;
    window->end = window->edges;
  }
}

/* The window of the four channels from x on. */
TVM_TINY_INLINE void tvm_tiny_dsp_fill(const struct tvm_tiny_dsp_window* window, const int8_t* x,
                                       int32_t kernel_h) {
  const struct tvm_tiny_dsp_edge* edge;
  if (window->words > 0) {
    tvm_tiny_dsp_middle(window, x, kernel_h);
  }
  for (edge = window->edges; edge != window->end; edge++) {
    tvm_tiny_dsp_column(x + edge->x, window->rows, edge->to, edge->last, window->minus, kernel_h);
  }
}

/* Words of weights of one channel: for each two rows, of a column's two; for a last odd row, of
 * elements k and k + 1, as far as both exist: what is loaded behind a row goes unused. there[r] is
 * all ones, or 0 where there is no row r. */
TVM_TINY_INLINE void tvm_tiny_dsp_read_taps(uint32_t* taps, const int8_t* w, const uint32_t* there,
                                            int32_t kernel_h, int32_t kernel_w) {
  uint32_t last = 0;
  int32_t r;
  int32_t k;
  TVM_TINY_DSP_UNROLL
  for (r = 0; r + 1 < kernel_h; r += 2) {
    TVM_TINY_DSP_UNROLL
    for (k = 0; k < kernel_w; k += 4) {
      const uint32_t a = tvm_tiny_dsp_load(w + r * kernel_w + k) & there[r];
      const uint32_t b = tvm_tiny_dsp_load(w + (r + 1) * kernel_w + k) & there[r + 1];
      const uint32_t low = tvm_tiny_dsp_lower(a, b);
      const uint32_t high = tvm_tiny_dsp_upper(a, b);
      taps[r / 2 * kernel_w + k] = tvm_tiny_dsp_even(low);
      if (k + 1 < kernel_w) {
        taps[r / 2 * kernel_w + k + 1] = tvm_tiny_dsp_odd(low);
      }
      if (k + 2 < kernel_w) {
        taps[r / 2 * kernel_w + k + 2] = tvm_tiny_dsp_even(high);
      }
      if (k + 3 < kernel_w) {
        taps[r / 2 * kernel_w + k + 3] = tvm_tiny_dsp_odd(high);
      }
    }
  }
  if ((kernel_h & 1) == 0) {
    return;
  }
  taps += kernel_h / 2 * kernel_w;
  TVM_TINY_DSP_UNROLL
  for (k = 0; k < kernel_w; k += 4) {
    const uint32_t a = tvm_tiny_dsp_load(w + r * kernel_w + k) & there[r];
    const uint32_t even = tvm_tiny_dsp_even(a);
    const uint32_t odd = tvm_tiny_dsp_odd(a);
    if (k > 0) {
      taps[k - 1] = tvm_tiny_dsp_upper(last, even << 16);
    }
    if (k + 1 < kernel_w || kernel_w == 1) {
      taps[k] = tvm_tiny_dsp_lower(even, odd);
    }
    if (k + 2 < kernel_w) {
      taps[k + 1] = tvm_tiny_dsp_upper(odd << 16, even);
    }
    if (k + 3 < kernel_w) {
      taps[k + 2] = tvm_tiny_dsp_upper(even, odd);
    }
    last = odd;
  }
}

/* acc[j] += taps `first` to `last` of two rows, of the outputs at columns j * stride, j < n. */
TVM_TINY_INLINE void tvm_tiny_dsp_two_rows(const tvm_tiny_dsp_word* window, int32_t pitch,
                                           const tvm_tiny_dsp_word* taps, int32_t first,
                                           int32_t last, int32_t stride, int32_t n, int32_t* acc) {
  uint32_t w[TVM_TINY_DSP_KERNEL + 1];
  uint32_t x[2];
  int32_t i;
  int32_t j;
  TVM_TINY_DSP_UNROLL
  for (i = first; i < last; i += 2) {
    if (i + 1 < last) {
      tvm_tiny_dsp_load_two(taps + i, w + i);
    } else {
      w[i] = taps[i];
    }
  }
  TVM_TINY_DSP_UNROLL_MORE
  for (i = first & ~1; i < (n - 1) * stride + last; i++) {
    if ((i & 1) == 0) {
      tvm_tiny_dsp_load_two(window + i / 2 * pitch, x);
    }
    TVM_TINY_DSP_UNROLL
    for (j = 0; j < n; j++) {
      const int32_t k = i - j * stride;
      if (k >= first && k < last) {
        acc[j] = pitch > 20 ? tvm_tiny_dsp_smlad_in_place(x[i & 1], w[k], acc[j])
                            : tvm_tiny_dsp_smlad(x[i & 1], w[k], acc[j]);
      }
    }
  }
}

/* acc[j] += the taps of the last odd row; `row` has elements 2i and 2i + 1 at i * pitch. */
TVM_TINY_INLINE void tvm_tiny_dsp_one_row(const tvm_tiny_dsp_word* row, int32_t pitch,
                                          const tvm_tiny_dsp_word* taps, int32_t kernel_w,
                                          int32_t stride, int32_t n, int32_t* acc) {
  const int32_t words = kernel_w > 1 ? kernel_w - 1 : 1;
  uint32_t w[TVM_TINY_DSP_KERNEL + 1];
  int32_t i;
  int32_t j;
  TVM_TINY_DSP_UNROLL
  for (i = 0; i < words; i += 2) {
    if (i + 1 < words) {
      tvm_tiny_dsp_load_two(taps + i, w + i);
    } else {
      w[i] = taps[i];
    }
  }
  TVM_TINY_DSP_UNROLL_MORE
  for (i = 0; i < (n - 1) * stride + kernel_w; i += 2) {
    const uint32_t x = row[i / 2 * pitch];
    TVM_TINY_DSP_UNROLL
    for (j = 0; j < n; j++) {
      const int32_t k = i - j * stride;
      if (k == -1) {
        acc[j] = tvm_tiny_dsp_smlatb(x, w[0], acc[j]);
      } else if (k >= 0 && k + 1 < kernel_w) {
        acc[j] = tvm_tiny_dsp_smlad(x, w[k], acc[j]);
      } else if (k >= 0 && k < kernel_w) {
        acc[j] = k == 0 ? tvm_tiny_dsp_smlabb(x, w[0], acc[j])
                        : tvm_tiny_dsp_smlabt(x, w[k - 1], acc[j]);
      }
    }
  }
}

/* acc[j] = bias + all taps of output j of n, which starts at column j * stride of the window. */
TVM_TINY_INLINE void tvm_tiny_dsp_sums(const tvm_tiny_dsp_word* window,
                                       const tvm_tiny_dsp_word* row, const tvm_tiny_dsp_word* taps,
                                       int32_t kernel_h, int32_t kernel_w, int32_t stride,
                                       int32_t n, int32_t bias, int32_t* acc) {
  /* So many weights fit the registers beside four sums. */
  const int32_t at_once = kernel_w <= 5 ? 5 : 4;
  int32_t r;
  int32_t k;
  TVM_TINY_DSP_UNROLL
  for (r = 0; r < n; r++) {
    acc[r] = bias;
  }
#define TVM_TINY_DSP_TWO(unroll)                                                                \
  unroll for (r = 0; r + 1 < kernel_h; r += 2) {                                                \
    TVM_TINY_DSP_UNROLL                                                                         \
    for (k = 0; k < kernel_w; k += at_once) {                                                   \
      tvm_tiny_dsp_two_rows(window, 4 * kernel_h, taps, k,                                      \
                            k + at_once < kernel_w ? k + at_once : kernel_w, stride, n, acc);   \
    }                                                                                           \
    window += 8;                                                                                \
    taps += kernel_w;                                                                           \
  }
  if (n == 1) {
    TVM_TINY_DSP_TWO(TVM_TINY_DSP_UNROLL)
  } else {
    TVM_TINY_DSP_TWO(TVM_TINY_DSP_LOOP)
  }
#undef TVM_TINY_DSP_TWO
  if ((kernel_h & 1) != 0) {
    tvm_tiny_dsp_one_row(row, 4 * kernel_h, taps, kernel_w, stride, n, acc);
  }
}

/* A channel of a depthwise convolution, in memory: registers are for the sums. */
struct tvm_tiny_dsp_channel {
  int32_t bias;
  struct tvm_tiny_dsp_scale scale;
  int32_t pitch;
  int32_t pitch3;
};

/* n sums of one channel. */
TVM_TINY_INLINE void tvm_tiny_dsp_outputs_float32(int32_t* acc,
                                                  const struct tvm_tiny_dsp_channel* channel,
                                                  int8_t* out, int32_t pitch, int32_t low,
                                                  int32_t high, int32_t n) {
  const tvm_tiny_dsp_factor factor = tvm_tiny_dsp_factor_at(&channel->scale.multiplier);
  const int32_t zero_point = channel->scale.offset;
  int32_t j;
  TVM_TINY_DSP_UNROLL
  for (j = 0; j + 1 < n; j += 2) {
    tvm_tiny_dsp_rounded_two(acc + j, factor, acc + j + 1, factor);
  }
  if ((n & 1) != 0) {
    acc[n - 1] = tvm_tiny_dsp_rounded(acc[n - 1], factor);
  }
  TVM_TINY_DSP_UNROLL
  for (j = 0; j < n; j++) {
    out[j * pitch] = tvm_tiny_dsp_limit_sum(acc[j], zero_point, low, high);
  }
}

/* n neighbouring outputs of one channel. */
TVM_TINY_INLINE void tvm_tiny_dsp_outputs(const tvm_tiny_dsp_word* window,
                                          const tvm_tiny_dsp_word* row, const uint32_t* taps,
                                          const struct tvm_tiny_dsp_channel* channel, int float32,
                                          int8_t* out, int32_t low, int32_t high, int32_t kernel_h,
                                          int32_t kernel_w, int32_t stride, int32_t n) {
  struct tvm_tiny_dsp_scale scale;
  int32_t acc[4];
  int32_t pitch;
  int32_t j;
  __asm__ volatile("" ::: "memory");
  tvm_tiny_dsp_sums(window, row, (const tvm_tiny_dsp_word*)taps, kernel_h, kernel_w, stride, n,
                    channel->bias, acc);
  __asm__ volatile("" ::: "memory");
  pitch = channel->pitch;
  if (float32) {
    tvm_tiny_dsp_outputs_float32(acc, channel, out, pitch, low, high, n);
    return;
  }
  scale = channel->scale;
  TVM_TINY_DSP_UNROLL
  for (j = 0; j < n; j++) {
    out[j * pitch] = tvm_tiny_dsp_rescale(acc[j], scale, low, high);
  }
}

/* tvm_tiny_dsp_outputs for 3x3 and stride 1, four outputs `count` times: the same in the order that
 * needs the fewest registers, pointers moved on by the loads. */
TVM_TINY_INLINE void tvm_tiny_dsp_fours_3x3(const tvm_tiny_dsp_word** windows,
                                            const tvm_tiny_dsp_word** rows, const uint32_t* taps,
                                            const struct tvm_tiny_dsp_channel* channel,
                                            int float32, int8_t** outs, int32_t low, int32_t high,
                                            int32_t count) {
  const tvm_tiny_dsp_word* window = *windows;
  const tvm_tiny_dsp_word* row = *rows;
  const tvm_tiny_dsp_word* const end = window + 24 * count;
  int8_t* out = *outs;
  while (window != end) {
    int32_t s0;
    int32_t s1;
    int32_t s2;
    int32_t s3;
    uint32_t x0;
    uint32_t x1;
    int32_t t;
    __asm__ volatile(
        "ldr %[t], %[bias]\n\t"
        "ldrd r8, r9, %[w01]\n\t"
        "ldr r10, %[w2]\n\t"
        "ldrd %[x0], %[x1], [%[window]], #48\n\t"
        "smlad %[s0], %[x0], r8, %[t]\n\t"
        "smlad %[s0], %[x1], r9, %[s0]\n\t"
        "smlad %[s1], %[x1], r8, %[t]\n\t"
        "ldrd %[x0], %[x1], [%[window]], #48\n\t"
        "smlad %[s0], %[x0], r10, %[s0]\n\t"
        "smlad %[s1], %[x0], r9, %[s1]\n\t"
        "smlad %[s2], %[x0], r8, %[t]\n\t"
        "smlad %[s1], %[x1], r10, %[s1]\n\t"
        "smlad %[s2], %[x1], r9, %[s2]\n\t"
        "smlad %[s3], %[x1], r8, %[t]\n\t"
        "ldrd %[x0], %[x1], [%[window]]\n\t"
        "smlad %[s2], %[x0], r10, %[s2]\n\t"
        "smlad %[s3], %[x0], r9, %[s3]\n\t"
        "smlad %[s3], %[x1], r10, %[s3]\n\t"
        "ldrd r8, r9, %[row01]\n\t"
        "ldr %[x0], [%[row]], #48\n\t"
        "ldr %[x1], [%[row]], #48\n\t"
        "ldr r10, [%[row]]\n\t"
        "smlad %[s0], %[x0], r8, %[s0]\n\t"
        "smlatb %[s1], %[x0], r8, %[s1]\n\t"
        "smlabt %[s0], %[x1], r9, %[s0]\n\t"
        "smlad %[s1], %[x1], r9, %[s1]\n\t"
        "smlad %[s2], %[x1], r8, %[s2]\n\t"
        "smlatb %[s3], %[x1], r8, %[s3]\n\t"
        "smlabt %[s2], r10, r9, %[s2]\n\t"
        "smlad %[s3], r10, r9, %[s3]"
        : [window] "+r"(window), [row] "+r"(row), [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2),
          [s3] "=&r"(s3), [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
        : [bias] "m"(channel->bias), [w01] "m"(*(const tvm_tiny_dsp_words*)taps),
          [w2] "m"(taps[2]), [row01] "m"(*(const tvm_tiny_dsp_words*)(taps + 3))
        : "r8", "r9", "r10", "memory");
    if (float32) {
      int32_t acc[4];
      acc[0] = s0;
      acc[1] = s1;
      acc[2] = s2;
      acc[3] = s3;
      tvm_tiny_dsp_outputs_float32(acc, channel, out, channel->pitch, low, high, 4);
      out += 4 * channel->pitch;
    } else if (low <= -128 && high >= 127) {
#define TVM_TINY_DSP_RESCALE(sum, place)   \
  "lsl %[t], " sum ", #1\n\t"              \
  "add " sum ", r10, " sum ", asr #31\n\t" \
  "smmlar %[t], %[t], r9, " sum "\n\t"     \
  "asr %[t], %[t], r8\n\t"                 \
  "ssat %[t], #8, %[t], asr #1\n\t"        \
  "strb %[t], [%[out]" place "]\n\t"
      __asm__ volatile(
          "ldrd r8, r9, %[scale]\n\t"
          "ldr r10, %[offset]\n\t"
          "ldrd %[x0], %[x1], %[pitch]\n\t"
          TVM_TINY_DSP_RESCALE("%[s0]", "")
          TVM_TINY_DSP_RESCALE("%[s1]", ", %[x0]")
          TVM_TINY_DSP_RESCALE("%[s2]", ", %[x0], lsl #1")
          TVM_TINY_DSP_RESCALE("%[s3]", ", %[x1]")
          "add %[out], %[out], %[x0], lsl #2"
          : [out] "+r"(out), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3),
            [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
          : [scale] "m"(*(const tvm_tiny_dsp_words*)(const void*)&channel->scale),
            [offset] "m"(channel->scale.offset),
            [pitch] "m"(*(const tvm_tiny_dsp_words*)(const void*)&channel->pitch)
          : "r8", "r9", "r10", "memory");
#undef TVM_TINY_DSP_RESCALE
    } else {
      const struct tvm_tiny_dsp_scale scale = channel->scale;
      const int32_t pitch = channel->pitch;
      out[0] = tvm_tiny_dsp_rescale(s0, scale, low, high);
      out[pitch] = tvm_tiny_dsp_rescale(s1, scale, low, high);
      out[2 * pitch] = tvm_tiny_dsp_rescale(s2, scale, low, high);
      out[3 * pitch] = tvm_tiny_dsp_rescale(s3, scale, low, high);
      out += 4 * pitch;
    }
  }
  *windows = window;
  *rows = row;
  *outs = out;
}

/* Weights and parameters of one channel, for its whole row. */
TVM_TINY_INLINE void tvm_tiny_dsp_prepare(const int8_t* w, const int32_t* params, int float32,
                                          const uint32_t* there, uint32_t* taps,
                                          struct tvm_tiny_dsp_channel* channel,
                                          int32_t zero_point, int32_t kernel_h, int32_t kernel_w) {
  if (kernel_h == 3 && kernel_w == 3) {
    uint32_t x0;
    uint32_t x1;
    /* As below, in the order that needs the fewest registers. */
#define TVM_TINY_DSP_PREPARE(parameters, given)                                                  \
    __asm__ volatile(                                                                            \
        "ldr r8, [%[w]]\n\t"                                                                     \
        "ldr r9, [%[w], #3]\n\t"                                                                 \
        "ldr r10, [%[w], #6]\n\t"                                                                \
        "ldrd %[x0], %[x1], %[there01]\n\t"                                                      \
        "and r8, r8, %[x0]\n\t"                                                                  \
        "ldr %[x0], %[there2]\n\t"                                                               \
        "and r9, r9, %[x1]\n\t"                                                                  \
        "and r10, r10, %[x0]\n\t"                                                                \
        "pkhbt %[x0], r8, r9, lsl #16\n\t"                                                       \
        "pkhtb %[x1], r9, r8, asr #16\n\t"                                                       \
        "sxtb16 r8, %[x0]\n\t"                                                                   \
        "sxtb16 r9, %[x0], ror #8\n\t"                                                           \
        "sxtb16 %[x1], %[x1]\n\t"                                                                \
        "strd r8, r9, %[taps01]\n\t"                                                             \
        "str %[x1], %[taps2]\n\t"                                                                \
        "sxtb16 r8, r10\n\t"                                                                     \
        "sxtb16 r9, r10, ror #8\n\t"                                                             \
        "pkhbt %[x0], r8, r9, lsl #16\n\t"                                                       \
        "lsl r9, r9, #16\n\t"                                                                    \
        "pkhtb %[x1], r8, r9, asr #16\n\t"                                                       \
        "strd %[x0], %[x1], %[taps34]\n\t"                                                       \
        "ldrd r8, r9, [%[params]]\n\t" parameters                                                \
        : [x0] "=&r"(x0), [x1] "=&r"(x1), [taps01] "=m"(*(tvm_tiny_dsp_words*)taps),             \
          [taps2] "=m"(taps[2]), [taps34] "=m"(*(tvm_tiny_dsp_words*)(taps + 3)),                \
          [bias] "=m"(*(tvm_tiny_dsp_words*)(void*)&channel->bias),                              \
          [multiplier] "=m"(*(tvm_tiny_dsp_words*)(void*)&channel->scale.multiplier)             \
        : [w] "r"(w), [params] "r"(params), [number] "r"(given),                                 \
          [there01] "m"(*(const tvm_tiny_dsp_words*)there), [there2] "m"(there[2])               \
        : "r8", "r9", "r10", "memory")
    if (float32) {
      TVM_TINY_DSP_PREPARE("strd r9, %[number], %[multiplier]\n\t"
                           "str r8, %[bias]", zero_point);
    } else {
      TVM_TINY_DSP_PREPARE("lsl r10, %[number], r8\n\t"
                           "asr %[x0], r8, #8\n\t"
                           "strd r9, r10, %[multiplier]\n\t"
                           "strd %[x0], r8, %[bias]", 2 * zero_point + 1);
    }
#undef TVM_TINY_DSP_PREPARE
  } else {
    const struct tvm_tiny_dsp_scale scale = tvm_tiny_dsp_scale(params, float32, zero_point);
    tvm_tiny_dsp_read_taps(taps, w, there, kernel_h, kernel_w);
    channel->bias = float32 ? (int32_t)scale.word : (int32_t)scale.word >> 8;
    channel->scale = scale;
    __asm__ volatile("" ::"r"(taps), "r"(channel) : "memory");
  }
}

/* One output row of one channel; `channel` and `taps` are work memory. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_channel(
    const tvm_tiny_dsp_word* window, const tvm_tiny_dsp_word* row, const int8_t* w,
    const int32_t* params, int float32, int8_t* out, const uint32_t* there, uint32_t* taps,
    struct tvm_tiny_dsp_channel* channel, int32_t zero_point, int32_t low, int32_t high,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t out_width) {
  int32_t n = out_width >> 2;
  tvm_tiny_dsp_prepare(w, params, float32, there, taps, channel, zero_point, kernel_h, kernel_w);
  if (kernel_h == 3 && kernel_w == 3 && stride_w == 1) {
    tvm_tiny_dsp_fours_3x3(&window, &row, taps, channel, float32, &out, low, high, n);
    n = 0;
  }
#define TVM_TINY_DSP_OUTPUTS(n)                                                                 \
  tvm_tiny_dsp_outputs(window, row, taps, channel, float32, out, low, high, kernel_h, kernel_w, \
                       stride_w, n)
  for (; n > 0; n--) {
    TVM_TINY_DSP_OUTPUTS(4);
    window += 8 * stride_w * kernel_h;
    row += 8 * stride_w * kernel_h;
    out += 4 * channel->pitch;
  }
  if ((out_width & 2) != 0) {
    if ((out_width & 1) != 0) {
      TVM_TINY_DSP_OUTPUTS(3);
    } else {
      TVM_TINY_DSP_OUTPUTS(2);
    }
  } else if ((out_width & 1) != 0) {
    TVM_TINY_DSP_OUTPUTS(1);
  }
#undef TVM_TINY_DSP_OUTPUTS
}

/* tvm_tiny_dsp_depthwise of at least 4 channels; `there` and `taps` are work memory: a word a row
 * and a word of taps. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_of(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int float32,
    int8_t* out, int16_t* scratch, uint32_t* there, uint32_t* taps, int32_t x_zero_point,
    int32_t y_zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  const int32_t columns = (out_width - 1) * stride_w + kernel_w;
  tvm_tiny_dsp_word* const all = (tvm_tiny_dsp_word*)(void*)scratch;
  struct tvm_tiny_dsp_window window;
  struct tvm_tiny_dsp_channel channel;
  int32_t k;
  int32_t c;
  channel.pitch = channels;
  channel.pitch3 = 3 * channels;
  TVM_TINY_DSP_LOOP
  for (k = 0; k < kernel_h; k++) {
    there[k] = lines[k] < 0 ? 0u : ~(uint32_t)0;
  }
  tvm_tiny_dsp_open(&window, lines, all, x_zero_point, width, channels, kernel_h, pad_left,
                    columns);
  for (c = 0; c < channels; c += 4) {
    /* The last four overlap those before where channels are not in fours. */
    k = channels - c < 4 ? 4 - (channels - c) : 0;
    tvm_tiny_dsp_fill(&window, x + c - k, kernel_h);
    for (; k < 4; k++) {
      tvm_tiny_dsp_depthwise_channel(all + 2 * k, all + 4 * (kernel_h - 1) + k, w, params, float32,
                                     out++, there, taps, &channel, y_zero_point, low, high,
                                     kernel_h, kernel_w, stride_w, out_width);
      w += kernel_h * kernel_w;
      params += 2;
    }
  }
}

/* Functions of one kernel and stride for layers of all sizes; _clamped: limits unlike int8's. */
#define TVM_TINY_DSP_DEPTHWISE(name, float32, kernel, taps_words, stride_w, low, high)            \
  TVM_TINY_DSP_ONCE void tvm_tiny_dsp_depthwise_##name(                                           \
      const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out, \
      int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t limits,               \
      int32_t width, int32_t channels, int32_t pad_left, int32_t out_width) {                     \
    uint32_t there[kernel];                                                                       \
    uint32_t taps[taps_words];                                                                    \
    (void)limits;                                                                                 \
    tvm_tiny_dsp_depthwise_of(x, lines, w, params, float32, out, scratch, there, taps,            \
                              x_zero_point, y_zero_point, low, high, width, channels, kernel,     \
                              kernel, stride_w, pad_left, out_width);                             \
  }
#define TVM_TINY_DSP_DEPTHWISES(name, kernel, taps_words, stride_w)                               \
  TVM_TINY_DSP_DEPTHWISE(name, 0, kernel, taps_words, stride_w, -128, 127)                        \
  TVM_TINY_DSP_DEPTHWISE(name##_clamped, 0, kernel, taps_words, stride_w, (int8_t)(limits & 255), \
                         limits >> 8)                                                             \
  TVM_TINY_DSP_DEPTHWISE(name##_float32, 1, kernel, taps_words, stride_w, -128, 127)              \
  TVM_TINY_DSP_DEPTHWISE(name##_float32_clamped, 1, kernel, taps_words, stride_w,                 \
                         (int8_t)(limits & 255), limits >> 8)
TVM_TINY_DSP_DEPTHWISES(3x3_1, 3, 6, 1)
TVM_TINY_DSP_DEPTHWISES(3x3_2, 3, 6, 2)
TVM_TINY_DSP_DEPTHWISES(5x5_1, 5, 15, 1)
TVM_TINY_DSP_DEPTHWISES(5x5_2, 5, 15, 2)
TVM_TINY_DSP_DEPTHWISES(7x7_1, 7, 28, 1)
TVM_TINY_DSP_DEPTHWISES(7x7_2, 7, 28, 2)

#define TVM_TINY_DSP_SHARED(name, kernel, stride)                                                \
  if (channels >= 4 && kernel_h == (kernel) && kernel_w == (kernel) && stride_w == (stride)) {   \
    if (low <= -128 && high >= 127) {                                                            \
      tvm_tiny_dsp_depthwise_##name(x, lines, w, params, out, scratch, x_zero_point,             \
                                    y_zero_point, 0, width, channels, pad_left, out_width);      \
    } else {                                                                                     \
      tvm_tiny_dsp_depthwise_##name##_clamped(x, lines, w, params, out, scratch, x_zero_point,   \
                                              y_zero_point, limits, width, channels, pad_left,   \
                                              out_width);                                        \
    }                                                                                            \
    return;                                                                                      \
  }

/* One output row of a depthwise convolution, NHWC: input rows lines[kernel_h] (< 0: no row), w
 * [channels][kernel_h][kernel_w] and 3 bytes more. scratch is 4 * kernel_h * 4 *
 * ceil(((out_width - 1) * stride_w + kernel_w) / 4) int16. Four channels are read before they are
 * written. */
#define TVM_TINY_DSP_ROW(suffix, float32)                                                          \
  TVM_TINY_INLINE void tvm_tiny_dsp_depthwise##suffix(                                             \
      const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,  \
      int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,     \
      int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,       \
      int32_t pad_left, int32_t out_width) {                                                       \
    const int32_t limits = high * 256 + (low & 255);                                               \
    TVM_TINY_DSP_SHARED(3x3_1##suffix, 3, 1)                                                       \
    TVM_TINY_DSP_SHARED(3x3_2##suffix, 3, 2)                                                       \
    TVM_TINY_DSP_SHARED(5x5_1##suffix, 5, 1)                                                       \
    TVM_TINY_DSP_SHARED(5x5_2##suffix, 5, 2)                                                       \
    TVM_TINY_DSP_SHARED(7x7_1##suffix, 7, 1)                                                       \
    TVM_TINY_DSP_SHARED(7x7_2##suffix, 7, 2)                                                       \
    if (channels >= 4 && kernel_h <= TVM_TINY_DSP_KERNEL && kernel_w <= TVM_TINY_DSP_KERNEL) {     \
      uint32_t there[TVM_TINY_DSP_KERNEL];                                                         \
      uint32_t taps[TVM_TINY_DSP_KERNEL * TVM_TINY_DSP_KERNEL / 2];                                \
      tvm_tiny_dsp_depthwise_of(x, lines, w, params, float32, out, scratch, there, taps,           \
                                x_zero_point, y_zero_point, low, high, width, channels, kernel_h,  \
                                kernel_w, stride_w, pad_left, out_width);                          \
    } else {                                                                                       \
      tvm_tiny_dsp_depthwise_any(x, lines, w, params, float32, out, scratch, x_zero_point,         \
                                 y_zero_point, low, high, width, channels, kernel_h, kernel_w,     \
                                 stride_w, pad_left, out_width);                                   \
    }                                                                                              \
  }
TVM_TINY_DSP_ROW(, 0)
TVM_TINY_DSP_ROW(_float32, 1)
#undef TVM_TINY_DSP_ROW
#undef TVM_TINY_DSP_SHARED

/* n quads of one pixel; its quads are `step` words apart. */
TVM_TINY_INLINE void tvm_tiny_dsp_expand(const int8_t* x, tvm_tiny_dsp_word* to, uint32_t minus,
                                         int32_t n, int32_t step) {
  for (; n > 0; n--) {
    const uint32_t word = tvm_tiny_dsp_load(x);
    to[0] = tvm_tiny_dsp_add_even(minus, word);
    to[1] = tvm_tiny_dsp_add_odd(minus, word);
    to += step;
    x += 4;
  }
}

/* Two words from r9 and r11. */
#define TVM_TINY_DSP_EXPAND               \
  "sxtab16 r8, %[minus], r9\n\t"          \
  "sxtab16 r9, %[minus], r9, ror #8\n\t"  \
  "sxtab16 r10, %[minus], r11\n\t"        \
  "sxtab16 r11, %[minus], r11, ror #8\n\t" \
  "stmia %[to]!, {r8, r9, r10, r11}\n\t"
#define TVM_TINY_DSP_ACROSS "ldr r11, [%[x], %[d]]\n\tldr r9, [%[x]], #4\n\t" TVM_TINY_DSP_EXPAND
#define TVM_TINY_DSP_ALONG "ldr r9, [%[x]], #4\n\tldr r11, [%[x]], #4\n\t" TVM_TINY_DSP_EXPAND
#define TVM_TINY_DSP_RUN(text)                                         \
  __asm__ volatile(text                                                \
                   : [x] "+r"(x), [to] "+r"(to)                        \
                   : [minus] "r"(minus), [d] "r"(d)                    \
                   : "r8", "r9", "r10", "r11", "memory")
/* n quads of each of two pixels, d bytes apart. */
TVM_TINY_DSP_ONCE tvm_tiny_dsp_word* tvm_tiny_dsp_expand_two(const int8_t* x,
                                                             tvm_tiny_dsp_word* to, uint32_t minus,
                                                             int32_t n, int32_t d) {
  int32_t i;
  for (i = n >> 2; i > 0; i--) {
    TVM_TINY_DSP_RUN(
        TVM_TINY_DSP_ACROSS TVM_TINY_DSP_ACROSS TVM_TINY_DSP_ACROSS TVM_TINY_DSP_ACROSS);
  }
  for (i = n & 3; i > 0; i--) {
    TVM_TINY_DSP_RUN(TVM_TINY_DSP_ACROSS);
  }
  return to;
}

/* n quads of one pixel. */
TVM_TINY_DSP_ONCE tvm_tiny_dsp_word* tvm_tiny_dsp_expand_one(const int8_t* x,
                                                             tvm_tiny_dsp_word* to, uint32_t minus,
                                                             int32_t n) {
  const int32_t d = 0;
  int32_t i;
  for (i = n >> 2; i > 0; i--) {
    TVM_TINY_DSP_RUN(TVM_TINY_DSP_ALONG TVM_TINY_DSP_ALONG);
  }
  tvm_tiny_dsp_expand(x, to, minus, n & 3, 2);
  return to + 2 * (n & 3);
}

/* Four elements from k on of a row of a window that is partly outside; zeros is the zero point. */
TVM_TINY_INLINE uint32_t tvm_tiny_dsp_edge(const int8_t* x, uint32_t zeros, int32_t column,
                                           int32_t width, int32_t channels, int32_t k) {
  uint32_t word = 0;
  int32_t i;
  TVM_TINY_DSP_UNROLL
  for (i = 0; i < 4; i++) {
    const int32_t at = column + (k + i) / channels;
    const uint32_t byte = at >= 0 && at < width ? (uint8_t)x[k + i] : zeros & 255u;
    word |= byte << (8 * i);
  }
  return word;
}

/* A row of the window of one pixel that is partly outside; its columns are whole quads. */
TVM_TINY_DSP_ONCE void tvm_tiny_dsp_expand_columns(const int8_t* x, tvm_tiny_dsp_word* to,
                                                   uint32_t minus, int32_t column, int32_t width,
                                                   int32_t quads, int32_t kernel_w, int32_t step) {
  int32_t at;
  int32_t i;
  for (at = column; at < column + kernel_w; at++) {
    if (at >= 0 && at < width) {
      tvm_tiny_dsp_expand(x, to, minus, quads, step);
      to += quads * step;
    } else {
      for (i = 0; i < quads; i++) {
        to[0] = 0;
        to[1] = 0;
        to += step;
      }
    }
    x += 4 * quads;
  }
}

/* The same of columns that are not. */
TVM_TINY_INLINE void tvm_tiny_dsp_expand_edge(const int8_t* x, tvm_tiny_dsp_word* to,
                                              uint32_t minus, uint32_t zeros, int32_t column,
                                              int32_t width, int32_t channels, int32_t kernel_w,
                                              int32_t step) {
  int32_t k;
  for (k = 0; k < kernel_w * channels; k += 4) {
    const uint32_t word = tvm_tiny_dsp_edge(x, zeros, column, width, channels, k);
    to[k / 4 * step] = tvm_tiny_dsp_add_even(minus, word);
    to[k / 4 * step + 1] = tvm_tiny_dsp_add_odd(minus, word);
  }
}

/* n quads of 0. */
TVM_TINY_DSP_ONCE tvm_tiny_dsp_word* tvm_tiny_dsp_blank(tvm_tiny_dsp_word* to, int32_t n) {
  for (; n > 0; n--) {
    *to++ = 0;
    *to++ = 0;
  }
  return to;
}

/* Rows of the window are whole quads. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather_rows(const int8_t* x, const int32_t* lines,
                                              tvm_tiny_dsp_word* to, int32_t column,
                                              int32_t zero_point, int32_t pixels, int32_t width,
                                              int32_t channels, int32_t kernel_h, int32_t kernel_w,
                                              int32_t stride_w, int32_t row_bytes) {
  const uint32_t zeros = (uint32_t)(zero_point & 255);
  const uint32_t minus = (uint32_t)(-zero_point & 0xffff) * 0x10001u;
  const int32_t n = kernel_w * channels / 4;
  const int inside = column >= 0 && column + (pixels - 1) * stride_w + kernel_w <= width;
  int32_t ky;
  int32_t p;
  x += column * channels;
  for (ky = 0; ky < kernel_h; ky++) {
    const int8_t* from = x + lines[ky] * row_bytes;
    if (lines[ky] < 0) {
      to = tvm_tiny_dsp_blank(to, pixels * n);
    } else if (inside) {
      to = pixels == 2 ? tvm_tiny_dsp_expand_two(from, to, minus, n, stride_w * channels)
                       : tvm_tiny_dsp_expand_one(from, to, minus, n);
    } else {
      for (p = 0; p < pixels; p++) {
        if (channels % 4 == 0) {
          tvm_tiny_dsp_expand_columns(from, to + 2 * p, minus, column + p * stride_w, width,
                                      channels / 4, kernel_w, 2 * pixels);
        } else {
          tvm_tiny_dsp_expand_edge(from, to + 2 * p, minus, zeros, column + p * stride_w, width,
                                   channels, kernel_w, 2 * pixels);
        }
        from += stride_w * channels;
      }
      to += 2 * pixels * n;
    }
  }
}

/* Bytes k .. k + 3 of rows of `run` bytes, the zero point behind `size` of them: constants but x,
 * so that nothing is left but loads and shifts. */
TVM_TINY_INLINE uint32_t tvm_tiny_dsp_bytes(const int8_t* const* rows, uint32_t zeros, int32_t run,
                                            int32_t size, int32_t k) {
  const int8_t* from = rows[k / run] + k % run;
  const int32_t left = run - k % run;
  uint32_t word;
  int32_t i;
  if (left >= 4) {
    return tvm_tiny_dsp_load(from);
  }
  if (run < 4) {
    word = 0;
    TVM_TINY_DSP_UNROLL
    for (i = 0; i < 4; i++) {
      const int32_t at = k + i < size ? k + i : 0;
      word |= (k + i < size ? (uint8_t)rows[at / run][at % run] : zeros & 255u) << (8 * i);
    }
    return word;
  }
  word = left == 1   ? (uint8_t)from[0]
         : left == 2 ? (uint8_t)from[0] | (uint32_t)(uint8_t)from[1] << 8
                     : tvm_tiny_dsp_load(from - 1) >> 8;
  return word | (k + left < size ? tvm_tiny_dsp_load(rows[k / run + 1]) : zeros) << (8 * left);
}

/* What is unrolled, and the longest row of a window of that kind. */
enum { TVM_TINY_DSP_QUADS = 40, TVM_TINY_DSP_BLANK = 32 };

/* Rows of the window are not whole quads; all its columns are there, and it is small. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather_small(const int8_t* x, const int32_t* lines,
                                               tvm_tiny_dsp_word* to, int32_t zero_point,
                                               int32_t channels, int32_t kernel_h,
                                               int32_t kernel_w, int32_t row_bytes, int32_t step) {
  const uint32_t zeros = (uint32_t)(zero_point & 255) * 0x01010101u;
  const uint32_t minus = (uint32_t)(-zero_point & 0xffff) * 0x10001u;
  const int32_t size = kernel_h * kernel_w * channels;
  const int8_t* rows[TVM_TINY_DSP_KERNEL + 1];
  tvm_tiny_dsp_word blank[TVM_TINY_DSP_BLANK / 4];
  int32_t k;
  TVM_TINY_DSP_UNROLL
  for (k = 0; k < kernel_w * channels; k += 4) {
    blank[k / 4] = zeros;
  }
  TVM_TINY_DSP_UNROLL
  for (k = 0; k < kernel_h; k++) {
    rows[k] = lines[k] < 0 ? (const int8_t*)(void*)blank : x + lines[k] * row_bytes;
  }
  TVM_TINY_DSP_UNROLL_MORE
  for (k = 0; k < size; k += 4) {
    const uint32_t word = tvm_tiny_dsp_bytes(rows, zeros, kernel_w * channels, size, k);
    to[k / 4 * step] = tvm_tiny_dsp_add_even(minus, word);
    to[k / 4 * step + 1] = tvm_tiny_dsp_add_odd(minus, word);
  }
}

/* One output pixel that is partly outside, of any shape; its quads are `step` words apart. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather_edge(const int8_t* x, const int32_t* lines,
                                              tvm_tiny_dsp_word* to, int32_t step, int32_t column,
                                              int32_t zero_point, int32_t width, int32_t channels,
                                              int32_t kernel_h, int32_t kernel_w,
                                              int32_t row_bytes) {
  const uint32_t minus = (uint32_t)(-zero_point & 0xffff) * 0x10001u;
  const int32_t quads = (kernel_h * kernel_w * channels + 3) / 4;
  const int8_t blank = (int8_t)zero_point;
  uint32_t word = 0;
  int32_t n = 0;
  int32_t ky;
  int32_t at;
  int32_t c;
  for (ky = 0; ky <= kernel_h; ky++) {
    for (at = column; at < column + kernel_w; at++) {
      /* One row more, of nothing, fills the last quad. */
      const int inside = ky < kernel_h && lines[ky] >= 0 && at >= 0 && at < width;
      const int8_t* from = inside ? x + lines[ky] * row_bytes + at * channels : &blank;
      for (c = 0; c < channels; c++, from += inside) {
        word = word >> 8 | (uint32_t)*from << 24;
        n++;
        if ((n & 3) == 0) {
          to[0] = tvm_tiny_dsp_add_even(minus, word);
          to[1] = tvm_tiny_dsp_add_odd(minus, word);
          to += step;
          if (n == 4 * quads) {
            return;
          }
        }
      }
    }
  }
}

/* Columns of a convolution (im2col): `pixels` neighbouring output pixels, the first one's window
 * at `column`, of input rows lines[kernel_h] (< 0: no row). Element k = (ky * kernel_w + kx) *
 * channels + c of pixel p goes to cols[quad][p][4], less the zero point, 0 where there is no input
 * and behind the last. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather(const int8_t* x, const int32_t* lines, int16_t* cols,
                                         int32_t column, int32_t zero_point, int32_t pixels,
                                         int32_t width, int32_t channels, int32_t kernel_h,
                                         int32_t kernel_w, int32_t stride_w, int32_t row_bytes) {
  const int small = kernel_h * kernel_w * channels <= 4 * TVM_TINY_DSP_QUADS &&
                    kernel_h <= TVM_TINY_DSP_KERNEL && kernel_w * channels <= TVM_TINY_DSP_BLANK;
  int32_t i;
  if (kernel_w * channels % 4 == 0) {
    tvm_tiny_dsp_gather_rows(x, lines, (tvm_tiny_dsp_word*)(void*)cols, column, zero_point, pixels,
                             width, channels, kernel_h, kernel_w, stride_w, row_bytes);
    return;
  }
  for (i = 0; i < pixels; i++) {
    const int32_t at = column + i * stride_w;
    if (small && at >= 0 && at + kernel_w <= width) {
      tvm_tiny_dsp_gather_small(x + at * channels, lines,
                                (tvm_tiny_dsp_word*)(void*)(cols + 4 * i), zero_point, channels,
                                kernel_h, kernel_w, row_bytes, 2 * pixels);
    } else {
      tvm_tiny_dsp_gather_edge(x, lines, (tvm_tiny_dsp_word*)(void*)(cols + 4 * i), 2 * pixels, at,
                               zero_point, width, channels, kernel_h, kernel_w, row_bytes);
    }
  }
}

/* What tvm_tiny_dsp_add needs of q: x is the operand of the larger scale, whose part of the sum is
 * (x - zero point) * 2^19 exactly; y the other. */
struct tvm_tiny_dsp_scales {
  int32_t x_zero;
  int32_t y_zero;
  int32_t y_multiplier;
  int32_t y_shift;
  int32_t y_half;
  int32_t multiplier;
  int32_t shift;
  int32_t offset;
};

/* Twice the sum of two elements, with a fraction of one bit. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_add_one(int32_t x, int32_t y,
                                             const struct tvm_tiny_dsp_scales* s, int equal) {
  int32_t sum = y * (1 << 20) - s->y_zero;
  if (!equal) {
    const int32_t t = y * (1 << 21) - s->y_zero;
    sum = tvm_tiny_dsp_smmlar((uint32_t)t, (uint32_t)s->y_multiplier, s->y_half + (t >> 31));
    sum = (sum >> s->y_shift) * 2 - s->x_zero;
  }
  sum += x * (1 << 20);
  return tvm_tiny_dsp_smmlar((uint32_t)sum, (uint32_t)s->multiplier, s->offset + (sum >> 31)) >>
         s->shift;
}

/* `whole`: the limits are those of int8; `equal`: so are the scales. */
TVM_TINY_INLINE void tvm_tiny_dsp_add_all(const int8_t* x, const int8_t* y, int8_t* out,
                                          int32_t count, const struct tvm_tiny_dsp_scales* s,
                                          const int32_t* q, int whole, int equal) {
  const int32_t low = whole ? -128 : q[3];
  const int32_t high = whole ? 127 : q[4];
  int32_t i;
  for (i = whole ? count >> 2 : 0; i > 0; i--) {
    out[0] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[0], y[0], s, equal), low, high);
    out[1] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[1], y[1], s, equal), low, high);
    out[2] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[2], y[2], s, equal), low, high);
    out[3] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[3], y[3], s, equal), low, high);
    x += 4;
    y += 4;
    out += 4;
  }
  for (i = 0; i < (whole ? count & 3 : count); i++) {
    out[i] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[i], y[i], s, equal), low, high);
  }
}

/* TFLite's quantized sum; q: zero points a b y, limits, multipliers a b y, shifts a b y (<= 0). The
 * operand of the larger scale, or both, have multiplier 2^30 and shift 0. */
TVM_TINY_DSP_ONCE void tvm_tiny_dsp_add(const int8_t* a, const int8_t* b, int8_t* out,
                                        int32_t count, const int32_t* q) {
  const int a_exact = q[8] == 0 && q[5] == 1 << 30;
  const int b_exact = q[9] == 0 && q[6] == 1 << 30;
  const int32_t other = a_exact ? 1 : 0;
  const int equal = a_exact && b_exact;
  struct tvm_tiny_dsp_scales s;
  if (!(a_exact || b_exact) || q[10] >= 0 || q[10] < -22 || (!equal && q[8 + other] == 0)) {
    tvm_tiny_dsp_add_any(a, b, out, count, q);
    return;
  }
  s.x_zero = q[1 - other] * (1 << 20);
  s.y_zero = q[other] * (1 << 21);
  s.y_multiplier = q[5 + other];
  s.y_shift = -q[8 + other];
  s.y_half = equal ? 0 : (int32_t)(1u << (s.y_shift - 1));
  s.multiplier = q[7];
  s.shift = -q[10] - 1;
  s.offset = (2 * q[2] + 1) * (1 << s.shift);
  if (equal) {
    s.y_zero = (q[0] + q[1]) * (1 << 20);
    if (q[3] == -128 && q[4] == 127) {
      tvm_tiny_dsp_add_all(a, b, out, count, &s, q, 1, 1);
    } else {
      tvm_tiny_dsp_add_all(a, b, out, count, &s, q, 0, 1);
    }
  } else if (q[3] == -128 && q[4] == 127) {
    tvm_tiny_dsp_add_all(a_exact ? a : b, a_exact ? b : a, out, count, &s, q, 1, 0);
  } else {
    tvm_tiny_dsp_add_all(a_exact ? a : b, a_exact ? b : a, out, count, &s, q, 0, 0);
  }
}

/*
 * A convolution of input that is read where it is: 17 instructions for 16 products in place of 12,
 * and no scratch.
 */
#define TVM_TINY_DSP_QUAD_IN_PLACE_2X2        \
  "ldr r9, [%[x], %[step]]\n\t"               \
  "ldr r8, [%[x]], #4\n\t"                    \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"         \
  "sxtab16 r10, %[minus], r8\n\t"             \
  "sxtab16 r11, %[minus], r9\n\t"             \
  "sxtab16 r8, %[minus], r8, ror #8\n\t"      \
  "sxtab16 r9, %[minus], r9, ror #8\n\t"      \
  "smlad %[s01], %[w0], r10, %[s01]\n\t"      \
  "smlad %[s11], %[w0], r11, %[s11]\n\t"      \
  "sxtb16 %[w0], %[w0]\n\t"                   \
  "smlad %[s00], %[w0], r10, %[s00]\n\t"      \
  "smlad %[s10], %[w0], r11, %[s10]\n\t"      \
  "smlad %[s01], %[w1], r8, %[s01]\n\t"       \
  "smlad %[s11], %[w1], r9, %[s11]\n\t"       \
  "sxtb16 %[w1], %[w1]\n\t"                   \
  "smlad %[s00], %[w1], r8, %[s00]\n\t"       \
  "smlad %[s10], %[w1], r9, %[s10]\n\t"
#define TVM_TINY_DSP_RUN_IN_PLACE_2X2(text)                                                     \
  __asm__ volatile(text                                                                         \
                   : [x] "+r"(from), [w] "+r"(row), [s00] "+r"(s00), [s01] "+r"(s01),           \
                     [s10] "+r"(s10), [s11] "+r"(s11), [w0] "=&r"(w0), [w1] "=&r"(w1)           \
                   : [minus] "r"(minus), [step] "i"(step)                                       \
                   : "r8", "r9", "r10", "r11", "memory")

/* acc[p * 2 + f] += two filters' products with two pixels, `step` bytes apart, of kernel_h rows of
 * `quads` words; x: the first pixel's place in a row. w: paired filters, as for dot_2x2p. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_2x2(const int8_t* x, const int32_t* lines,
                                               const int16_t* w, int32_t* acc, uint32_t minus,
                                               int32_t row_bytes, int32_t kernel_h, int32_t quads,
                                               int32_t step) {
  int32_t s00 = acc[0];
  int32_t s10 = acc[2];
  int32_t s01 = s00;
  int32_t s11 = s10;
  uint32_t w0;
  uint32_t w1;
  int32_t ky;
  int32_t n;
  TVM_TINY_DSP_LOOP
  for (ky = 0; ky < kernel_h; ky++) {
    if (lines[ky] >= 0) {
      const int8_t* from = x + lines[ky] * row_bytes;
      const int16_t* row = w + ky * quads * 4;
      TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_IN_PLACE_2X2, TVM_TINY_DSP_QUAD_IN_PLACE_2X2, quads)
    }
  }
  acc[0] = s00;
  acc[1] += tvm_tiny_dsp_second(s01, s00);
  acc[2] = s10;
  acc[3] += tvm_tiny_dsp_second(s11, s10);
}

#define TVM_TINY_DSP_QUAD_IN_PLACE_1X2        \
  "ldr r8, [%[x]], #4\n\t"                    \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"         \
  "sxtab16 r9, %[minus], r8\n\t"              \
  "sxtab16 r8, %[minus], r8, ror #8\n\t"      \
  "smlad %[s1], %[w0], r9, %[s1]\n\t"         \
  "sxtb16 %[w0], %[w0]\n\t"                   \
  "smlad %[s0], %[w0], r9, %[s0]\n\t"         \
  "smlad %[s1], %[w1], r8, %[s1]\n\t"         \
  "sxtb16 %[w1], %[w1]\n\t"                   \
  "smlad %[s0], %[w1], r8, %[s0]\n\t"
#define TVM_TINY_DSP_RUN_IN_PLACE_1X2(text)                                                     \
  __asm__ volatile(text                                                                         \
                   : [x] "+r"(from), [w] "+r"(row), [s0] "+r"(s0), [s1] "+r"(s1),               \
                     [w0] "=&r"(w0), [w1] "=&r"(w1)                                             \
                   : [minus] "r"(minus)                                                         \
                   : "r8", "r9", "memory")

/* The same for one pixel, of whose window the columns `first` to `end` are in x; `quads` words are
 * one column's. x: the place of the window's first column. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_1x2(const int8_t* x, const int32_t* lines,
                                               const int16_t* w, int32_t* acc, uint32_t minus,
                                               int32_t row_bytes, int32_t kernel_h,
                                               int32_t kernel_w, int32_t quads, int32_t first,
                                               int32_t end) {
  int32_t s0 = acc[0];
  int32_t s1 = s0;
  uint32_t w0;
  uint32_t w1;
  int32_t ky;
  int32_t kx;
  int32_t n;
  TVM_TINY_DSP_LOOP
  for (ky = 0; ky < kernel_h; ky++) {
    if (lines[ky] >= 0) {
      const int8_t* from = x + lines[ky] * row_bytes + 4 * first * quads;
      const int16_t* row = w + (ky * kernel_w + first) * quads * 4;
      TVM_TINY_DSP_LOOP
      for (kx = first; kx < end; kx++) {
        TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_IN_PLACE_1X2, TVM_TINY_DSP_QUAD_IN_PLACE_1X2,
                               quads)
      }
    }
  }
  acc[0] = s0;
  acc[1] += tvm_tiny_dsp_second(s1, s0);
}

/* What the pixels of a row have in common. */
struct tvm_tiny_dsp_row {
  const int8_t* x;
  const int32_t* lines;
  uint32_t minus;
  int32_t width;
  int32_t channels;
  int32_t kernel_h;
  int32_t kernel_w;
  int32_t stride_w;
  int32_t filters;
  int32_t zero_point;
  int32_t low;
  int32_t high;
};

/* out[p][f] for p < pixels <= 2, f < count <= 2, of windows from `column` on, `step` bytes apart.
 * step, float32: constants of the code, so no members of the row. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_tile(const struct tvm_tiny_dsp_row* row,
                                                int32_t column, const int16_t* w,
                                                const int32_t* params, int8_t* out,
                                                int32_t pixels, int32_t count, int32_t step,
                                                int float32) {
  const int32_t row_bytes = row->width * row->channels;
  const int32_t quads = row->channels / 4;
  const int8_t* const x = row->x + column * row->channels;
  int32_t acc[4];
  int32_t p;
  acc[0] = acc[2] = tvm_tiny_dsp_bias(params, float32);
  acc[1] = acc[3] = count > 1 ? tvm_tiny_dsp_bias(params + 2, float32) : 0;
  if (pixels == 2 && column >= 0 && column + row->stride_w + row->kernel_w <= row->width) {
    tvm_tiny_dsp_in_place_2x2(x, row->lines, w, acc, row->minus, row_bytes, row->kernel_h,
                              row->kernel_w * quads, step);
  } else {
    TVM_TINY_DSP_UNROLL
    for (p = 0; p < pixels; p++) {
      const int32_t at = column + p * row->stride_w;
      tvm_tiny_dsp_in_place_1x2(x + p * step, row->lines, w, acc + 2 * p, row->minus, row_bytes,
                                row->kernel_h, row->kernel_w, quads, at < 0 ? -at : 0,
                                row->width - at < row->kernel_w ? row->width - at : row->kernel_w);
    }
  }
  if (float32) {
    tvm_tiny_dsp_requantize_float32(acc, 2, params, out, pixels, count, row->filters,
                                    row->zero_point, row->low, row->high);
  } else {
    tvm_tiny_dsp_requantize(acc, 2, params, out, pixels, count, row->filters, row->zero_point,
                            row->low, row->high);
  }
}

/* All filters of some pixels. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_pixels(const struct tvm_tiny_dsp_row* row,
                                                  int32_t column, const int16_t* w,
                                                  const int32_t* params, int8_t* out,
                                                  int32_t pixels, int32_t step, int float32) {
  const int32_t block = row->kernel_h * row->kernel_w * row->channels;
  int32_t f;
  TVM_TINY_DSP_LOOP
  for (f = 0; f + 1 < row->filters; f += 2) {
    tvm_tiny_dsp_in_place_tile(row, column, w, params + 2 * f, out + f, pixels, 2, step,
                               float32);
    w += block;
  }
  if ((row->filters & 1) != 0) {
    tvm_tiny_dsp_in_place_tile(row, column, w, params + 2 * f, out + f, pixels, 1, step,
                               float32);
  }
}

TVM_TINY_INLINE void tvm_tiny_dsp_in_place_of(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width, int32_t filters, int32_t pixels) {
  struct tvm_tiny_dsp_row row;
  int32_t ox;
  row.x = x;
  row.lines = lines;
  row.minus = (uint32_t)(-x_zero_point & 0xffff) * 0x10001u;
  row.width = width;
  row.channels = channels;
  row.kernel_h = kernel_h;
  row.kernel_w = kernel_w;
  row.stride_w = stride_w;
  row.filters = filters;
  row.zero_point = y_zero_point;
  row.low = low;
  row.high = high;
  TVM_TINY_DSP_LOOP
  for (ox = 0; ox + pixels <= out_width; ox += pixels) {
    tvm_tiny_dsp_in_place_pixels(&row, ox * stride_w - pad_left, w, params, out + ox * filters,
                                 pixels, stride_w * channels, float32);
  }
  if (ox < out_width) {
    tvm_tiny_dsp_in_place_pixels(&row, ox * stride_w - pad_left, w, params, out + ox * filters, 1,
                                 stride_w * channels, float32);
  }
}

/* A depthwise convolution without scratch: one pixel, four channels after the other. Two taps a and
 * b beside each other are two words of x, of which halves make pairs (a, b) of each channel. Sums
 * are doubled, as weights and biases are: what SMMLAR wants.
 *
 * These are whole functions, as they need all registers:
 *   r0 r2 r4 r6  sums            r9   weights         r12  x, of three rows the first one's
 *   r1 r3 r5 r7 r8               r10  channels        lr   the next row, of three the second's x
 *                                r11  what takes the zero point off
 * and what is on the stack is first in struct tvm_tiny_dsp_pixel. */
struct tvm_tiny_dsp_tapped {
  const int8_t* x;
  int32_t skip; /* Bytes of weights from the end of this row's to the next one's. */
};
struct tvm_tiny_dsp_pixel {
  int32_t offset; /* Twice the output's zero point and one; in float32 just that. */
  const int32_t* params;
  int8_t* out;
  const int8_t* end;
  int32_t channels;
  uint32_t minus;
  int32_t begin; /* Where in the code a row begins, */
  int32_t pairs; /* what follows a first single tap, */
  int32_t last;  /* and what the pairs. */
  const int16_t* w;
  struct tvm_tiny_dsp_tapped* rows; /* Those that are there; behind them x is 0. */
  int32_t more; /* Pixels after this one, of three whole rows of whole blocks, */
  int32_t step; /* and bytes from behind the blocks of one to the next. */
};
/* What gcc sees of them does not use the pixel: noipa keeps it from concluding anything. */
#ifdef __clang__
#define TVM_TINY_DSP_NAKED static __attribute__((naked, noinline, unused))
#else
#define TVM_TINY_DSP_NAKED static __attribute__((naked, noipa, unused))
#endif
#define TVM_TINY_DSP_NAKED_CLOBBERS "r0", "r1", "r2", "r3", "r12", "lr", "cc", "memory"

/* Taps in r1 and r3; next: from its last two weights to what comes. */
#define TVM_TINY_DSP_PIXEL_TAPS(next)            \
  "pkhbt r5, r1, r3, lsl #16\n\t"          \
  "pkhtb r3, r3, r1, asr #16\n\t"          \
  "ldrd r1, r7, [r9], #8\n\t"              \
  "sxtab16 r8, r11, r5\n\t"                \
  "smlad r0, r8, r1, r0\n\t"               \
  "sxtab16 r8, r11, r5, ror #8\n\t"        \
  "smlad r2, r8, r7, r2\n\t"               \
  "ldrd r1, r7, [r9], #" next "\n\t"       \
  "sxtab16 r8, r11, r3\n\t"                \
  "smlad r4, r8, r1, r4\n\t"               \
  "sxtab16 r8, r11, r3, ror #8\n\t"        \
  "smlad r6, r8, r7, r6\n\t"
/* The last of an odd row in r1, whose weights lie in the order of its channels. */
#define TVM_TINY_DSP_PIXEL_TAP(weights)          \
  "ldrd r3, r5, [r9" weights "\n\t"        \
  "sxtab16 r7, r11, r1\n\t"                \
  "sxtab16 r1, r11, r1, ror #8\n\t"        \
  "smlabb r0, r7, r3, r0\n\t"              \
  "smlatt r4, r7, r3, r4\n\t"              \
  "smlabb r2, r1, r5, r2\n\t"              \
  "smlatt r6, r1, r5, r6\n\t"
/* One tap of two in r1, whose weights are in half h. */
#define TVM_TINY_DSP_PIXEL_TAP_OF(h, next)       \
  "ldrd r3, r5, [r9], #8\n\t"              \
  "sxtab16 r7, r11, r1\n\t"                \
  "sxtab16 r1, r11, r1, ror #8\n\t"        \
  "smlab" h " r0, r7, r3, r0\n\t"          \
  "smlab" h " r2, r1, r5, r2\n\t"          \
  "ldrd r3, r5, [r9], #" next "\n\t"       \
  "smlat" h " r4, r7, r3, r4\n\t"          \
  "smlat" h " r6, r1, r5, r6\n\t"
/* Doubled biases; shift: a channel's first word to that. */
#define TVM_TINY_DSP_BIASES_OF(shift)      \
  "ldr r8, [sp, #4]\n\t"                   \
  "ldm r8, {r0, r1, r2, r3, r4, r5, r6, r7}\n\t" \
  shift("r0") shift("r2") shift("r4") shift("r6")
#define TVM_TINY_DSP_BIAS(sum) "asr " sum ", " sum ", #7\n\t"
#define TVM_TINY_DSP_BIASES TVM_TINY_DSP_BIASES_OF(TVM_TINY_DSP_BIAS)
#define TVM_TINY_DSP_SETTLE(sum, word, multiplier) \
  "lsl r11, r1, " word "\n\t"                      \
  "add r11, r11, " sum ", asr #31\n\t"             \
  "smmlar " sum ", " sum ", " multiplier ", r11\n\t" \
  "asr " sum ", " sum ", " word "\n\t"             \
  "ssat " sum ", #8, " sum ", asr #1\n\t"
#define TVM_TINY_DSP_SETTLE_TWO(a, b)      \
  TVM_TINY_DSP_SETTLE(a, "r5", "r7")       \
  TVM_TINY_DSP_SETTLE(b, "r8", "r10")
#define TVM_TINY_DSP_RESULTS_OF(settle_two) \
  "ldrd r1, r3, [sp]\n\t"                  \
  "ldm r3!, {r5, r7, r8, r10}\n\t"         \
  settle_two("r0", "r2")                   \
  "ldm r3!, {r5, r7, r8, r10}\n\t"         \
  settle_two("r4", "r6")                   \
  "ldrd r5, r7, [sp, #8]\n\t"              \
  "strb r2, [r5, #1]\n\t"                  \
  "strb r4, [r5, #2]\n\t"                  \
  "strb r6, [r5, #3]\n\t"                  \
  "strb r0, [r5], #4\n\t"                  \
  "strd r3, r5, [sp, #4]\n\t"              \
  "ldrd r10, r11, [sp, #16]\n\t"           \
  "cmp r5, r7\n\t"
#define TVM_TINY_DSP_RESULTS TVM_TINY_DSP_RESULTS_OF(TVM_TINY_DSP_SETTLE_TWO)

/* The same of sums that are rounded as onnxruntime does, where there is a unit for it: half of a
 * doubled sum is a fixed-point number of one binary place. */
#if TVM_TINY_DSP_FLOAT
#define TVM_TINY_DSP_BIAS_FLOAT32(sum) "lsl " sum ", " sum ", #1\n\t"
#define TVM_TINY_DSP_BIASES_FLOAT32 TVM_TINY_DSP_BIASES_OF(TVM_TINY_DSP_BIAS_FLOAT32)
#define TVM_TINY_DSP_SETTLE_TWO_FLOAT32(a, b) \
  "vmov s0, s1, " a ", " b "\n\t"             \
  "vmov s2, s3, r7, r10\n\t"                  \
  "vcvt.f32.s32 s0, s0, #1\n\t"               \
  "vcvt.f32.s32 s1, s1, #1\n\t"               \
  "vmul.f32 s0, s0, s2\n\t"                   \
  "vmul.f32 s1, s1, s3\n\t"                   \
  "vcvtr.s32.f32 s0, s0\n\t"                  \
  "vcvtr.s32.f32 s1, s1\n\t"                  \
  "vmov " a ", " b ", s0, s1\n\t"             \
  "add " a ", " a ", r1\n\t"                  \
  "add " b ", " b ", r1\n\t"                  \
  "ssat " a ", #8, " a "\n\t"                 \
  "ssat " b ", #8, " b "\n\t"
#define TVM_TINY_DSP_RESULTS_FLOAT32 TVM_TINY_DSP_RESULTS_OF(TVM_TINY_DSP_SETTLE_TWO_FLOAT32)
#endif

/* All blocks of a pixel: of any rows, each of them a tap (label 5), up to four pairs (4 to 1) and a
 * tap (7, 8), or some of that. */
#define TVM_TINY_DSP_PIXEL_PAIR                          \
  "ldr r1, [r12]\n\t"                              \
  "ldr r3, [r12, r10]\n\t"                         \
  "add r12, r12, r10, lsl #1\n\t" TVM_TINY_DSP_PIXEL_TAPS("8")
#define TVM_TINY_DSP_PIXEL(name, biases, results)                                                  \
  TVM_TINY_DSP_NAKED void name(                                                                    \
      struct tvm_tiny_dsp_pixel* pixel __attribute__((unused))) {                                  \
    __asm__ volatile(                                                                              \
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"                                          \
        "ldm r0!, {r1, r2, r3, r4, r5, r6, r7, r8, r9}\n\t"                                        \
        "ldm r0, {r10, r11}\n\t"                                                                   \
        "adr.w r12, 9f\n\t"                                                                        \
        "ldr r7, [r12, r7, lsl #2]\n\t"                                                            \
        "ldr r8, [r12, r8, lsl #2]\n\t"                                                            \
        "ldr r9, [r12, r9, lsl #2]\n\t"                                                            \
        "add r7, r7, r12\n\t"                                                                      \
        "add r8, r8, r12\n\t"                                                                      \
        "add r9, r9, r12\n\t"                                                                      \
        "push {r1, r2, r3, r4, r5, r6, r7, r8, r9, r11}\n\t"                                       \
        "mov r9, r10\n\t"                                                                          \
        "ldrd r10, r11, [sp, #16]\n"                                                               \
        "10:\n\t" biases                                                                           \
        "ldr lr, [sp, #36]\n\t"                                                                    \
        "ldr r12, [lr]\n\t"                                                                        \
        "b 12f\n"                                                                                  \
        "11:\n\t"                                                                                  \
        "add r1, r12, #4\n\t"                                                                      \
        "str r1, [lr], #4\n\t"                                                                     \
        "ldr pc, [sp, #24]\n"                                                                      \
        "5:\n\t"                                                                                   \
        "ldr r1, [r12, r10]\n\t"                                                                   \
        "add r12, r12, r10, lsl #1\n\t" TVM_TINY_DSP_PIXEL_TAP_OF("t", "8")                        \
        "ldr pc, [sp, #28]\n"                                                                      \
        "4:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                                           \
        "3:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                                           \
        "2:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                                           \
        "1:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                                           \
        "13:\n\t"                                                                                  \
        "ldr pc, [sp, #32]\n"                                                                      \
        "8:\n\t"                                                                                   \
        "ldr r1, [r12]\n\t" TVM_TINY_DSP_PIXEL_TAP_OF("b", "8")                                    \
        "b 6f\n"                                                                                   \
        "7:\n\t"                                                                                   \
        "ldr r1, [r12]\n\t" TVM_TINY_DSP_PIXEL_TAP("], #8")                                        \
        "6:\n\t"                                                                                   \
        "ldrd r1, r12, [lr], #4\n\t"                                                               \
        "add r9, r9, r1\n"                                                                         \
        "12:\n\t"                                                                                  \
        "cmp r12, #0\n\t"                                                                          \
        "bne 11b\n\t" results                                                                      \
        "bne 10b\n\t"                                                                              \
        "add sp, sp, #40\n\t"                                                                      \
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n\t"                                           \
        ".p2align 2\n"                                                                             \
        "9:\n\t"                                                                                   \
        ".word 13b - 9b + 1, 1b - 9b + 1, 2b - 9b + 1, 3b - 9b + 1, 4b - 9b + 1\n\t"               \
        ".word 5b - 9b + 1, 6b - 9b + 1, 7b - 9b + 1, 8b - 9b + 1\n\t" ::                          \
            : TVM_TINY_DSP_NAKED_CLOBBERS);                                                        \
  }
TVM_TINY_DSP_PIXEL(tvm_tiny_dsp_pixel, TVM_TINY_DSP_BIASES, TVM_TINY_DSP_RESULTS)
#if TVM_TINY_DSP_FLOAT
TVM_TINY_DSP_PIXEL(tvm_tiny_dsp_pixel_float32, TVM_TINY_DSP_BIASES_FLOAT32,
                   TVM_TINY_DSP_RESULTS_FLOAT32)
#endif

/* The same of a window of three by three, of which all columns are there, or the first or the last
 * is not; the first one's x is that of its second column. Rows of 24 bytes of weights. */
#define TVM_TINY_DSP_ROW_WHOLE(x, keep)            \
  "ldr r1, [" x ", r10, lsl #1]\n\t"               \
  TVM_TINY_DSP_PIXEL_TAP(", #16]")                       \
  "ldr r3, [" x ", r10]\n\t"                       \
  "ldr r1, [" x "], #4\n\t" keep TVM_TINY_DSP_PIXEL_TAPS("16")
#define TVM_TINY_DSP_ROW_LEFT(x, keep)             \
  "ldr r1, [" x ", r10]\n\t"                       \
  TVM_TINY_DSP_PIXEL_TAP(", #16]")                       \
  "ldr r1, [" x "], #4\n\t" keep TVM_TINY_DSP_PIXEL_TAP_OF("t", "16")
#define TVM_TINY_DSP_ROW_RIGHT(x, keep)            \
  "ldr r3, [" x ", r10]\n\t"                       \
  "ldr r1, [" x "], #4\n\t" keep TVM_TINY_DSP_PIXEL_TAPS("16")
#define TVM_TINY_DSP_PIXEL_3(name, row, biases, results)                             \
  TVM_TINY_DSP_NAKED void tvm_tiny_dsp_pixel_3_##name(                               \
      struct tvm_tiny_dsp_pixel* pixel __attribute__((unused))) {                    \
    __asm__ volatile(                                                                \
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"                            \
        "ldm r0!, {r1, r2, r3, r4, r5, r6, r7, r8, r9}\n\t"                          \
        "ldm r0, {r7, r8, r10, r11}\n\t"                                             \
        "ldr r12, [r8]\n\t"                                                          \
        "ldr lr, [r8, #8]\n\t"                                                       \
        "ldr r9, [r8, #16]\n\t"                                                      \
        "push {r1, r2, r3, r4, r5, r6, r7, r9, r10, r11}\n\t"                        \
        "mov r9, r7\n\t"                                                             \
        "ldrd r10, r11, [sp, #16]\n"                                                 \
        "1:\n\t" biases row("r12", "") row("lr", "")                                 \
        "ldr r8, [sp, #28]\n\t" row("r8", "str r8, [sp, #28]\n\t")                   \
        results                                                                      \
        "bne 1b\n\t"                                                                 \
        "ldrd r1, r3, [sp, #32]\n\t"                                                 \
        "subs r1, r1, #1\n\t"                                                        \
        "bmi 2f\n\t"                                                                 \
        "str r1, [sp, #32]\n\t"                                                      \
        "add r12, r12, r3\n\t"                                                       \
        "add lr, lr, r3\n\t"                                                         \
        "ldrd r9, r5, [sp, #24]\n\t"                                                 \
        "add r5, r5, r3\n\t"                                                         \
        "str r5, [sp, #28]\n\t"                                                      \
        "ldr r5, [sp, #4]\n\t"                                                       \
        "sub r5, r5, r10, lsl #3\n\t"                                                \
        "str r5, [sp, #4]\n\t"                                                       \
        "add r7, r7, r10\n\t"                                                        \
        "str r7, [sp, #12]\n\t"                                                      \
        "b 1b\n"                                                                     \
        "2:\n\t"                                                                     \
        "add sp, sp, #40\n\t"                                                        \
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n\t" ::                          \
            : TVM_TINY_DSP_NAKED_CLOBBERS);                                          \
  }
#define TVM_TINY_DSP_PIXELS_3(suffix, biases, results)                               \
  TVM_TINY_DSP_PIXEL_3(whole##suffix, TVM_TINY_DSP_ROW_WHOLE, biases, results)       \
  TVM_TINY_DSP_PIXEL_3(left##suffix, TVM_TINY_DSP_ROW_LEFT, biases, results)         \
  TVM_TINY_DSP_PIXEL_3(right##suffix, TVM_TINY_DSP_ROW_RIGHT, biases, results)
TVM_TINY_DSP_PIXELS_3(, TVM_TINY_DSP_BIASES, TVM_TINY_DSP_RESULTS)
#if TVM_TINY_DSP_FLOAT
TVM_TINY_DSP_PIXELS_3(_float32, TVM_TINY_DSP_BIASES_FLOAT32, TVM_TINY_DSP_RESULTS_FLOAT32)
#endif

/* What these can do, and is worth memory of the stack. */
enum { TVM_TINY_DSP_PIXEL_ACROSS = 9, TVM_TINY_DSP_PIXEL_DOWN = 8 };

/* All blocks of the pixels of a row, as tvm_tiny_dsp_depthwise_in_place. */
struct tvm_tiny_dsp_sweep {
  struct tvm_tiny_dsp_pixel pixel;
  struct tvm_tiny_dsp_tapped rows[TVM_TINY_DSP_PIXEL_DOWN + 1];
  const int8_t* from[TVM_TINY_DSP_PIXEL_DOWN];
  int32_t bytes[TVM_TINY_DSP_PIXEL_DOWN]; /* Of weights from the row's to those of the next. */
  const int16_t* w;
  int32_t count;
};

/* Finds the rows that are there. */
TVM_TINY_INLINE void tvm_tiny_dsp_sweep_rows(struct tvm_tiny_dsp_sweep* s, const int8_t* x,
                                             const int32_t* lines, const int16_t* w,
                                             int32_t row_bytes, int32_t kernel_h,
                                             int32_t kernel_w) {
  int32_t before = 0;
  int32_t start = 0;
  int32_t ky;
  s->count = 0;
  for (ky = 0; ky < kernel_h; ky++) {
    if (lines[ky] >= 0) {
      if (s->count == 0) {
        start = ky;
      } else {
        s->bytes[s->count - 1] = 8 * kernel_w * (ky - before);
      }
      s->from[s->count++] = x + lines[ky] * row_bytes;
      before = ky;
    }
  }
  if (s->count > 0) {
    s->bytes[s->count - 1] = 8 * kernel_w * (kernel_h - before + start);
  }
  s->w = w + 4 * kernel_w * start;
}

/* One of two functions; without a unit for float32 nobody wants the second one. */
#if TVM_TINY_DSP_FLOAT
#define TVM_TINY_DSP_ROUNDED(function, float32, pixel) \
  do {                                                 \
    if (float32) {                                     \
      function##_float32(pixel);                       \
    } else {                                           \
      function(pixel);                                 \
    }                                                  \
  } while (0)
#else
#define TVM_TINY_DSP_ROUNDED(function, float32, pixel) \
  do {                                                 \
    (void)(float32);                                   \
    function(pixel);                                   \
  } while (0)
#endif

/* One pixel, of whose window at `column` the columns first .. end - 1 are there; or some, of `run`
 * that have all of them. Returns how many. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_sweep_pixels(struct tvm_tiny_dsp_sweep* s, int32_t column,
                                                  int32_t first, int32_t end, int32_t kernel_h,
                                                  int32_t kernel_w, int32_t run, int float32) {
  const int32_t half = first & (first < end);
  const int32_t rest = end - first - half;
  const int32_t single = (rest & 1) & (end == kernel_w);
  const int32_t taken = 16 * (half + ((rest + 1) >> 1)) - 8 * single;
  const int three = kernel_w == 3 && kernel_h == 3 && s->count == 3 && end - first > 1;
  const int32_t at = (column + (three ? first : first & ~1)) * s->pixel.channels;
  int32_t k;
  for (k = 0; k < s->count; k++) {
    s->rows[k].x = s->from[k] + at;
    s->rows[k].skip = s->bytes[k] - taken;
  }
  s->pixel.w = s->w;
  s->pixel.more = 0;
  if (three) {
    if (first > 0) {
      TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel_3_left, float32, &s->pixel);
    } else if (end < 3) {
      TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel_3_right, float32, &s->pixel);
    } else {
      s->pixel.more = run - 1;
      TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel_3_whole, float32, &s->pixel);
    }
    return s->pixel.more + 1;
  }
  s->rows[k].x = 0;
  s->pixel.w += 8 * (first >> 1);
  s->pixel.begin = half != 0 ? 5 : rest >> 1;
  s->pixel.pairs = rest >> 1;
  s->pixel.last = (rest & 1) == 0 ? 6 : single != 0 ? 7 : 8;
  TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel, float32, &s->pixel);
  return 1;
}

/* One output row of a depthwise convolution, NHWC, without scratch: pixels in order, in each blocks
 * of four channels in order. w: twice the weights, see tvm_tiny_dsp_tap_at; those of the last block
 * are whole. lines: as for depthwise. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_in_place_of(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  const int fits = kernel_h <= TVM_TINY_DSP_PIXEL_DOWN && kernel_w <= TVM_TINY_DSP_PIXEL_ACROSS &&
                   (TVM_TINY_DSP_FLOAT || !float32);
  const int32_t blocks = fits ? channels & ~3 : 0;
  struct tvm_tiny_dsp_sweep sweep;
  int32_t ox = 0;
  int32_t c;
  if (fits) {
    tvm_tiny_dsp_sweep_rows(&sweep, x, lines, w, width * channels, kernel_h, kernel_w);
  }
  sweep.pixel.offset = float32 ? y_zero_point : 2 * y_zero_point + 1;
  sweep.pixel.channels = channels;
  sweep.pixel.minus = (uint32_t)(-x_zero_point & 0xffff) * 0x10001u;
  sweep.pixel.rows = sweep.rows;
  sweep.pixel.step = (stride_w - 1) * channels;
  while (ox < out_width) {
    const int32_t column = ox * stride_w - pad_left;
    const int32_t first = column < 0 ? (-column < kernel_w ? -column : kernel_w) : 0;
    const int32_t end = width - column < kernel_w ? width - column : kernel_w;
    int32_t run = 1;
    if (blocks > 0) {
      if (blocks == channels && end == kernel_w) {
        run = (width - column - kernel_w) / stride_w + 1;
        run = run < out_width - ox ? run : out_width - ox;
      }
      sweep.pixel.params = params;
      sweep.pixel.out = out;
      sweep.pixel.end = out + blocks;
      run = tvm_tiny_dsp_sweep_pixels(&sweep, column, first, end > first ? end : first, kernel_h,
                                      kernel_w, run, float32);
    }
    for (; run > 0; run--) {
      if (low > -128 || high < 127) {
        for (c = 0; c < blocks; c++) {
          out[c] = tvm_tiny_dsp_clamp(out[c], low, high);
        }
      }
      for (c = blocks; c < channels; c++) {
        out[c] = tvm_tiny_dsp_depthwise_one(x, lines, w, params, float32,
                                            ox * stride_w - pad_left, c, x_zero_point, y_zero_point,
                                            low, high, width, channels, kernel_h, kernel_w);
      }
      out += channels;
      ox++;
    }
  }
}

#define TVM_TINY_DSP_FUNCTION TVM_TINY_DSP_ONCE

#else

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

/* acc[p * filters + f] -> out[p * pitch + f], p < pixels, f < channels; channel f has params + 2 f.
 */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize(const int32_t* acc, int32_t filters,
                                             const int32_t* params, int8_t* out, int32_t pixels,
                                             int32_t channels, int32_t pitch, int32_t zero_point,
                                             int32_t low, int32_t high) {
  tvm_tiny_dsp_requantize_any(acc, filters, params, 0, out, pixels, channels, pitch, zero_point,
                              low, high);
}

TVM_TINY_INLINE void tvm_tiny_dsp_requantize_float32(const int32_t* acc, int32_t filters,
                                                     const int32_t* params, int8_t* out,
                                                     int32_t pixels, int32_t channels,
                                                     int32_t pitch, int32_t zero_point,
                                                     int32_t low, int32_t high) {
  tvm_tiny_dsp_requantize_any(acc, filters, params, 1, out, pixels, channels, pitch, zero_point,
                              low, high);
}

/* acc[p * filters + f] += sum of cols[quad][p][4] times w[quad][f][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot(const int16_t* cols, const int8_t* w, int32_t* acc,
                                      int32_t quads, int32_t pixels, int32_t filters) {
  int32_t q;
  int32_t p;
  int32_t f;
  int32_t i;
  for (q = 0; q < quads; q++) {
    for (p = 0; p < pixels; p++) {
      for (f = 0; f < filters; f++) {
        for (i = 0; i < 4; i++) {
          acc[p * filters + f] += cols[(q * pixels + p) * 4 + tvm_tiny_dsp_slot(i)] *
                                  w[(q * filters + f) * 4 + i];
        }
      }
    }
  }
}

TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 2, 2);
}

/* Filters as they are for dot_2x2 -> int16 [quads][f][4] in the order of cols. */
TVM_TINY_INLINE void tvm_tiny_dsp_widen(const int8_t* w, int16_t* wide, int32_t quads) {
  int32_t i;
  for (i = 0; i < 8 * quads; i++) {
    wide[(i & ~3) + tvm_tiny_dsp_slot(i & 3)] = w[i];
  }
}

/* tvm_tiny_dsp_dot_2x2 of widened filters. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2w(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t i;
  int32_t s;
  for (i = 0; i < 4 * quads; i++) {
    for (s = 0; s < 4; s++) {
      acc[s] += cols[((i >> 2) * 2 + (s >> 1)) * 4 + (i & 3)] *
                w[((i >> 2) * 2 + (s & 1)) * 4 + (i & 3)];
    }
  }
}

TVM_TINY_INLINE void tvm_tiny_dsp_dot_pair(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads, int32_t pixels) {
  int32_t i;
  int32_t p;
  for (i = 0; i < 4 * quads; i++) {
    const int32_t high = (w[i] + 128) >> 8;
    for (p = 0; p < pixels; p++) {
      const int32_t x = cols[((i >> 2) * pixels + p) * 4 + (i & 3)];
      acc[2 * p] += x * (w[i] - 256 * high);
      acc[2 * p + 1] += x * high;
    }
  }
}

/* Paired filters: w int16 [quads][4] = filter 0 + 256 * filter 1, in the order of cols. Both must
 * fit: not -128 in filter 1 beside a negative weight in filter 0. And so must filter 1's sum 24
 * bits: 255 times its weights' absolute values come to less than 2^23. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2p(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  tvm_tiny_dsp_dot_pair(cols, w, acc, quads, 2);
}

/* tvm_tiny_dsp_dot_2x2p for one pixel: cols [quads][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2p(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  tvm_tiny_dsp_dot_pair(cols, w, acc, quads, 1);
}

TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 1, 2);
}

TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x4(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 1, 4);
}

/* Columns of a convolution (im2col): `pixels` neighbouring output pixels, the first one's window
 * at `column`, of input rows lines[kernel_h] (< 0: no row). Element k = (ky * kernel_w + kx) *
 * channels + c of pixel p goes to cols[quad][p][4], less the zero point, 0 where there is no input
 * and behind the last. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather(const int8_t* x, const int32_t* lines, int16_t* cols,
                                         int32_t column, int32_t zero_point, int32_t pixels,
                                         int32_t width, int32_t channels, int32_t kernel_h,
                                         int32_t kernel_w, int32_t stride_w, int32_t row_bytes) {
  int32_t p;
  for (p = 0; p < pixels; p++) {
    tvm_tiny_dsp_gather_any(x, lines, cols + 4 * p, 4 * pixels, column + p * stride_w, zero_point,
                            width, channels, kernel_h, kernel_w, row_bytes);
  }
}

/* One output row of a depthwise convolution, NHWC: input rows lines[kernel_h] (< 0: no row), w
 * [channels][kernel_h][kernel_w] and 3 bytes more. scratch is 4 * kernel_h * 4 *
 * ceil(((out_width - 1) * stride_w + kernel_w) / 4) int16. Four channels are read before they are
 * written. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  tvm_tiny_dsp_depthwise_any(x, lines, w, params, 0, out, scratch, x_zero_point, y_zero_point, low,
                             high, width, channels, kernel_h, kernel_w, stride_w, pad_left,
                             out_width);
}

TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  tvm_tiny_dsp_depthwise_any(x, lines, w, params, 1, out, scratch, x_zero_point, y_zero_point, low,
                             high, width, channels, kernel_h, kernel_w, stride_w, pad_left,
                             out_width);
}

/* TFLite's quantized sum; q: zero points a b y, limits, multipliers a b y, shifts a b y (<= 0). */
TVM_TINY_INLINE void tvm_tiny_dsp_add(const int8_t* a, const int8_t* b, int8_t* out, int32_t count,
                                      const int32_t* q) {
  tvm_tiny_dsp_add_any(a, b, out, count, q);
}

/* Filters 2 * pair and 2 * pair + 1 of a pixel whose window is at `column`, added to sums. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_sums(const int8_t* x, const int32_t* lines,
                                                const int16_t* w, int32_t* sums, int32_t column,
                                                int32_t zero_point, int32_t width,
                                                int32_t channels, int32_t kernel_h,
                                                int32_t kernel_w) {
  int32_t k;
  for (k = 0; k < kernel_h * kernel_w * channels; k++) {
    const int32_t line = lines[k / channels / kernel_w];
    const int32_t at = column + k / channels % kernel_w;
    if (line >= 0 && at >= 0 && at < width) {
      const int32_t value = x[(line * width + at) * channels + k % channels] - zero_point;
      const int32_t word = w[(k & ~3) + tvm_tiny_dsp_slot(k & 3)];
      const int32_t high = (word + 128) >> 8;
      sums[0] += value * (word - 256 * high);
      sums[1] += value * high;
    }
  }
}

TVM_TINY_INLINE void tvm_tiny_dsp_in_place_of(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width, int32_t filters, int32_t pixels) {
  int32_t ox;
  int32_t f;
  int32_t p;
  for (ox = 0; ox < out_width; ox += pixels) {
    const int32_t there = out_width - ox < pixels ? out_width - ox : pixels;
    for (f = 0; f < filters; f += 2) {
      const int32_t count = filters - f < 2 ? 1 : 2;
      int32_t acc[4];
      for (p = 0; p < there; p++) {
        acc[2 * p] = tvm_tiny_dsp_bias(params + 2 * f, float32);
        acc[2 * p + 1] = count > 1 ? tvm_tiny_dsp_bias(params + 2 * f + 2, float32) : 0;
        tvm_tiny_dsp_in_place_sums(x, lines, w + f / 2 * kernel_h * kernel_w * channels,
                                   acc + 2 * p, (ox + p) * stride_w - pad_left, x_zero_point,
                                   width, channels, kernel_h, kernel_w);
      }
      tvm_tiny_dsp_requantize_any(acc, 2, params + 2 * f, float32, out + ox * filters + f, there,
                                  count, filters, y_zero_point, low, high);
    }
  }
}

TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_in_place_of(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  int32_t ox;
  int32_t c;
  for (ox = 0; ox < out_width; ox++) {
    for (c = 0; c < channels; c++) {
      out[ox * channels + c] = tvm_tiny_dsp_depthwise_one(
          x, lines, w, params, float32, ox * stride_w - pad_left, c, x_zero_point, y_zero_point,
          low, high, width, channels, kernel_h, kernel_w);
    }
  }
}

#define TVM_TINY_DSP_FUNCTION TVM_TINY_INLINE

#endif /* TVM_TINY_DSP */

#define TVM_TINY_DSP_DEPTHWISE_IN_PLACE(suffix, float32)                                           \
  TVM_TINY_DSP_FUNCTION void tvm_tiny_dsp_depthwise_in_place##suffix(                              \
      const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int8_t* out, \
      int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high, int32_t width,        \
      int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,    \
      int32_t out_width) {                                                                         \
    tvm_tiny_dsp_depthwise_in_place_of(x, lines, w, params, float32, out, x_zero_point,            \
                                       y_zero_point, low, high, width, channels, kernel_h,         \
                                       kernel_w, stride_w, pad_left, out_width);                   \
  }
TVM_TINY_DSP_DEPTHWISE_IN_PLACE(, 0)
TVM_TINY_DSP_DEPTHWISE_IN_PLACE(_float32, 1)
#undef TVM_TINY_DSP_DEPTHWISE_IN_PLACE
#undef TVM_TINY_DSP_FUNCTION

/* One output row of a convolution, `pixels` <= 2 after the other: out[out_width][filters]. w:
 * paired filters [filters / 2][kernel_h * kernel_w * channels] as for dot_2x2p; channels % 4 == 0,
 * and two pixels are less than 4096 bytes apart. lines: as for gather. */
#define TVM_TINY_DSP_IN_PLACE(suffix, float32)                                                    \
  TVM_TINY_INLINE void tvm_tiny_dsp_in_place##suffix(                                             \
      const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params,             \
      int8_t* out, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,         \
      int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,      \
      int32_t pad_left, int32_t out_width, int32_t filters, int32_t pixels) {                     \
    tvm_tiny_dsp_in_place_of(x, lines, w, params, float32, out, x_zero_point, y_zero_point, low,  \
                             high, width, channels, kernel_h, kernel_w, stride_w, pad_left,       \
                             out_width, filters, pixels);                                         \
  }
TVM_TINY_DSP_IN_PLACE(, 0)
TVM_TINY_DSP_IN_PLACE(_float32, 1)
#undef TVM_TINY_DSP_IN_PLACE

#endif /* TVM_TINY_DSP_H */
