/*
 * Kernels' inner loops for cores with SIMD within a register: Armv7E-M and Armv8-M with the DSP
 * extension (Cortex-M4, M7, M33). Elsewhere the same functions in plain C, with the same results.
 *
 * Shapes are constants where these functions are called, and the compiler specialises them.
 *
 * Four elements k = 4q .. 4q + 3 stand in the order (0, 2, 1, 3) as int16 in two words: what SXTAB16
 * and SXTAB16 with a rotation by 8 make of the word of four bytes. quads = ceil(K / 4).
 *
 * params, int32 [channels][4]: bias, multiplier in [0, 2^31), offset, shift in [0, 31]. An int32 sum,
 * |sum| < 2^30, becomes
 *
 *     t = (sum * multiplier + 2^30) >> 31
 *     y = clamp((t + (sum < 0 ? -1 : 0) + offset) >> shift, low, high)
 *
 * With shift > 0 and offset = (zero_point << shift) + (1 << (shift - 1)) that is TFLite's rounding
 * of both steps. It has no form of this kind for shift = 0.
 *
 * Words of x may stand at any byte. cols, w of the dot products, and scratch: 4-byte aligned.
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

/* Element k of the column of output pixel p, see tvm_tiny_dsp_gather. */
TVM_TINY_INLINE int16_t tvm_tiny_dsp_element(const int8_t* x, const int32_t* lines, int32_t column,
                                             int32_t zero_point, int32_t width, int32_t channels,
                                             int32_t kernel_w, int32_t row_bytes, int32_t k) {
  const int32_t tap = k / channels;
  const int32_t line = lines[tap / kernel_w];
  const int32_t at = column + tap % kernel_w;
  if (line < 0 || at < 0 || at >= width) {
    return 0;
  }
  return (int16_t)(x[line * row_bytes + at * channels + k % channels] - zero_point);
}

/* Any shape, element by element. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather_any(const int8_t* x, const int32_t* lines, int16_t* cols,
                                             int32_t column, int32_t zero_point, int32_t pixels,
                                             int32_t width, int32_t channels, int32_t kernel_h,
                                             int32_t kernel_w, int32_t stride_w,
                                             int32_t row_bytes) {
  const int32_t size = kernel_h * kernel_w * channels;
  int32_t p;
  int32_t k;
  for (p = 0; p < pixels; p++) {
    for (k = 0; k < ((size + 3) & ~3); k++) {
      cols[(k / 4 * pixels + p) * 4 + tvm_tiny_dsp_slot(k % 4)] =
          k < size ? tvm_tiny_dsp_element(x, lines, column + p * stride_w, zero_point, width,
                                          channels, kernel_w, row_bytes, k)
                   : (int16_t)0;
    }
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
#else
#define TVM_TINY_DSP_UNROLL _Pragma("GCC unroll 16")
#endif

/* Largest kernel_h and kernel_w of a depthwise convolution. */
#define TVM_TINY_DSP_KERNEL 16

/* Words of memory that other code sees as bytes or int16. */
typedef uint32_t __attribute__((may_alias)) tvm_tiny_dsp_word;
typedef uint32_t __attribute__((may_alias, aligned(1))) tvm_tiny_dsp_unaligned;

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
    __asm__(#name " %0, %1, %2, %3" : "=r"(z) : "r"(x), "r"(w), "r"(sum));              \
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
TVM_TINY_DSP_SUM(smlad)
TVM_TINY_DSP_SUM(smlabb)
TVM_TINY_DSP_SUM(smlabt)
TVM_TINY_DSP_SUM(smlatb)
TVM_TINY_DSP_SUM(smmlar)

TVM_TINY_INLINE uint32_t tvm_tiny_dsp_load(const int8_t* x) {
  return *(const tvm_tiny_dsp_unaligned*)(const void*)x;
}

TVM_TINY_INLINE int8_t tvm_tiny_dsp_limit(int32_t value, int32_t low, int32_t high) {
  int32_t y;
  __asm__("ssat %0, #8, %1" : "=r"(y) : "r"(value));
  y = low > -128 && y < low ? low : y;
  return (int8_t)(high < 127 && y > high ? high : y);
}

/* The sign goes to the offset first: it and t's differ only where t = 0, and there
 * (offset - 1) >> shift is offset >> shift. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_rescale(int32_t sum, int32_t multiplier, int32_t offset,
                                            int32_t shift, int32_t low, int32_t high) {
  const int32_t t = tvm_tiny_dsp_smmlar((uint32_t)sum * 2u, (uint32_t)multiplier,
                                        offset + (sum >> 31));
  return tvm_tiny_dsp_limit(t >> shift, low, high);
}

TVM_TINY_INLINE void tvm_tiny_dsp_requantize_channel(const int32_t* acc, int32_t filters,
                                                     const int32_t* params, int8_t* out,
                                                     int32_t pixels, int32_t pitch, int32_t low,
                                                     int32_t high) {
  const int32_t multiplier = params[1];
  const int32_t offset = params[2];
  const int32_t shift = params[3];
  if (pixels > 0) {
    out[0] = tvm_tiny_dsp_rescale(acc[0], multiplier, offset, shift, low, high);
  }
  if (pixels > 1) {
    out[pitch] = tvm_tiny_dsp_rescale(acc[filters], multiplier, offset, shift, low, high);
  }
}

/* acc[p * filters + f] -> out[p * pitch + f], p < pixels <= 2, f < channels <= 4; channel f has
 * params + 4 f. Written out, so that acc stays in registers. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize(const int32_t* acc, int32_t filters,
                                             const int32_t* params, int8_t* out, int32_t pixels,
                                             int32_t channels, int32_t pitch, int32_t low,
                                             int32_t high) {
#define TVM_TINY_DSP_CHANNEL(f)                                                                   \
  if (channels > (f)) {                                                                           \
    tvm_tiny_dsp_requantize_channel(acc + (f), filters, params + 4 * (f), out + (f), pixels, pitch, \
                                    low, high);                                                   \
  }
  TVM_TINY_DSP_CHANNEL(0)
  TVM_TINY_DSP_CHANNEL(1)
  TVM_TINY_DSP_CHANNEL(2)
  TVM_TINY_DSP_CHANNEL(3)
#undef TVM_TINY_DSP_CHANNEL
}

/* One quad of two pixels (x) and two filters (w). */
#define TVM_TINY_DSP_QUAD_2X2                 \
  "ldmia %[x]!, {r2, r3, r4, r5}\n\t"         \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"         \
  "sxtb16 %[t], %[w0]\n\t"                    \
  "sxtb16 %[w0], %[w0], ror #8\n\t"           \
  "smlad %[s00], %[t], r2, %[s00]\n\t"        \
  "smlad %[s10], %[t], r4, %[s10]\n\t"        \
  "sxtb16 %[t], %[w1]\n\t"                    \
  "sxtb16 %[w1], %[w1], ror #8\n\t"           \
  "smlad %[s00], %[w0], r3, %[s00]\n\t"       \
  "smlad %[s10], %[w0], r5, %[s10]\n\t"       \
  "smlad %[s01], %[t], r2, %[s01]\n\t"        \
  "smlad %[s11], %[t], r4, %[s11]\n\t"        \
  "smlad %[s01], %[w1], r3, %[s01]\n\t"       \
  "smlad %[s11], %[w1], r5, %[s11]\n\t"
#define TVM_TINY_DSP_RUN_2X2(text)                                                              \
  __asm__ volatile(text                                                                         \
                   : [x] "+r"(x), [w] "+r"(w), [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), \
                     [s11] "+r"(s11), [w0] "=&r"(w0), [w1] "=&r"(w1), [t] "=&r"(t)              \
                   :                                                                            \
                   : "r2", "r3", "r4", "r5", "memory")

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
  for (n = quads >> 3; n > 0; n--) {
    TVM_TINY_DSP_RUN_2X2(
        TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2
            TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2);
  }
  if ((quads & 4) != 0) {
    TVM_TINY_DSP_RUN_2X2(
        TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2);
  }
  if ((quads & 2) != 0) {
    TVM_TINY_DSP_RUN_2X2(TVM_TINY_DSP_QUAD_2X2 TVM_TINY_DSP_QUAD_2X2);
  }
  if ((quads & 1) != 0) {
    TVM_TINY_DSP_RUN_2X2(TVM_TINY_DSP_QUAD_2X2);
  }
  acc[0] = s00;
  acc[1] = s01;
  acc[2] = s10;
  acc[3] = s11;
}

/* Two words of x, r2 and r3, and the four weights of one filter in `w`. */
#define TVM_TINY_DSP_FILTER(w, s)     \
  "sxtb16 %[t], " w "\n\t"            \
  "sxtb16 " w ", " w ", ror #8\n\t"   \
  "smlad " s ", %[t], r2, " s "\n\t"  \
  "smlad " s ", " w ", r3, " s "\n\t"

#define TVM_TINY_DSP_QUAD_1X2           \
  "ldrd r2, r3, [%[x]], #8\n\t"         \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"   \
  TVM_TINY_DSP_FILTER("%[w0]", "%[s0]") \
  TVM_TINY_DSP_FILTER("%[w1]", "%[s1]")
#define TVM_TINY_DSP_RUN_1X2(text)                                                    \
  __asm__ volatile(text                                                               \
                   : [x] "+r"(x), [w] "+r"(w), [s0] "+r"(s0), [s1] "+r"(s1),          \
                     [w0] "=&r"(w0), [w1] "=&r"(w1), [t] "=&r"(t)                     \
                   :                                                                  \
                   : "r2", "r3", "memory")

/* The same for one pixel: cols [quads][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = acc[1];
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  for (n = quads >> 2; n > 0; n--) {
    TVM_TINY_DSP_RUN_1X2(
        TVM_TINY_DSP_QUAD_1X2 TVM_TINY_DSP_QUAD_1X2 TVM_TINY_DSP_QUAD_1X2 TVM_TINY_DSP_QUAD_1X2);
  }
  for (n = quads & 3; n > 0; n--) {
    TVM_TINY_DSP_RUN_1X2(TVM_TINY_DSP_QUAD_1X2);
  }
  acc[0] = s0;
  acc[1] = s1;
}

#define TVM_TINY_DSP_QUAD_1X4             \
  "ldrd r2, r3, [%[x]], #8\n\t"           \
  "ldmia %[w]!, {r4, r5, r6, r8}\n\t"     \
  TVM_TINY_DSP_FILTER("r4", "%[s0]")      \
  TVM_TINY_DSP_FILTER("r5", "%[s1]")      \
  TVM_TINY_DSP_FILTER("r6", "%[s2]")      \
  TVM_TINY_DSP_FILTER("r8", "%[s3]")
#define TVM_TINY_DSP_RUN_1X4(text)                                                              \
  __asm__ volatile(text                                                                         \
                   : [x] "+r"(x), [w] "+r"(w), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2),     \
                     [s3] "+r"(s3), [t] "=&r"(t)                                                \
                   :                                                                            \
                   : "r2", "r3", "r4", "r5", "r6", "r8", "memory")

/* One pixel, four filters: acc[f] += sum of cols [quads][4] times w [quads][f][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x4(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = acc[1];
  int32_t s2 = acc[2];
  int32_t s3 = acc[3];
  uint32_t t;
  int32_t n;
  for (n = quads >> 2; n > 0; n--) {
    TVM_TINY_DSP_RUN_1X4(
        TVM_TINY_DSP_QUAD_1X4 TVM_TINY_DSP_QUAD_1X4 TVM_TINY_DSP_QUAD_1X4 TVM_TINY_DSP_QUAD_1X4);
  }
  for (n = quads & 3; n > 0; n--) {
    TVM_TINY_DSP_RUN_1X4(TVM_TINY_DSP_QUAD_1X4);
  }
  acc[0] = s0;
  acc[1] = s1;
  acc[2] = s2;
  acc[3] = s3;
}

/* A word of four channels, of which `block` exist. */
TVM_TINY_INLINE uint32_t tvm_tiny_dsp_channels(const int8_t* x, int32_t block) {
  uint32_t word;
  if (block >= 4) {
    return tvm_tiny_dsp_load(x);
  }
  word = (uint8_t)x[0];
  word |= block > 1 ? (uint32_t)(uint8_t)x[1] << 8 : 0u;
  return block > 2 ? word | (uint32_t)(uint8_t)x[2] << 16 : word;
}

/* Words of four bytes a, b -> of each byte the two, less the zero point, as one word. */
TVM_TINY_INLINE void tvm_tiny_dsp_spread(tvm_tiny_dsp_word* to, int32_t step, uint32_t a,
                                         uint32_t b, uint32_t minus) {
  const uint32_t low = tvm_tiny_dsp_lower(a, b);
  const uint32_t high = tvm_tiny_dsp_upper(a, b);
  to[0] = tvm_tiny_dsp_add_even(minus, low);
  to[step] = tvm_tiny_dsp_add_odd(minus, low);
  to[2 * step] = tvm_tiny_dsp_add_even(minus, high);
  to[3 * step] = tvm_tiny_dsp_add_odd(minus, high);
}

/*
 * The window of four channels in scratch, for each two columns
 *
 *     for each two rows   [4 channels][2 columns] words of a column's two elements
 *     for a last odd row  [4 channels] words of the row's two elements
 *
 * so that SMLAD takes two taps at once and a channel reads its words at constant distances.
 */
TVM_TINY_INLINE void tvm_tiny_dsp_two_columns(const int8_t* const* rows, tvm_tiny_dsp_word* to,
                                              int32_t zero_point, int32_t channels, int32_t block,
                                              int32_t kernel_h, int left, int right) {
  const uint32_t zeros = (uint32_t)(zero_point & 255) * 0x01010101u;
  const uint32_t minus = (uint32_t)(-zero_point & 0xffff) * 0x10001u;
  uint32_t a;
  uint32_t b;
  int32_t r;
  TVM_TINY_DSP_UNROLL
  for (r = 0; r + 1 < kernel_h; r += 2) {
    a = left ? tvm_tiny_dsp_channels(rows[r], block) : zeros;
    b = left ? tvm_tiny_dsp_channels(rows[r + 1], block) : zeros;
    tvm_tiny_dsp_spread(to + 4 * r, 2, a, b, minus);
    a = right ? tvm_tiny_dsp_channels(rows[r] + channels, block) : zeros;
    b = right ? tvm_tiny_dsp_channels(rows[r + 1] + channels, block) : zeros;
    tvm_tiny_dsp_spread(to + 4 * r + 1, 2, a, b, minus);
  }
  if ((kernel_h & 1) != 0) {
    a = left ? tvm_tiny_dsp_channels(rows[kernel_h - 1], block) : zeros;
    b = right ? tvm_tiny_dsp_channels(rows[kernel_h - 1] + channels, block) : zeros;
    tvm_tiny_dsp_spread(to + 4 * (kernel_h - 1), 1, a, b, minus);
  }
}

TVM_TINY_INLINE void tvm_tiny_dsp_window(const int8_t* x, const int32_t* lines,
                                         tvm_tiny_dsp_word* to, int32_t zero_point, int32_t width,
                                         int32_t channels, int32_t block, int32_t kernel_h,
                                         int32_t pad_left, int32_t columns) {
  const int32_t first = (pad_left + 1) & ~1;
  const int8_t* rows[TVM_TINY_DSP_KERNEL];
  int32_t i;
  int32_t r;
  TVM_TINY_DSP_UNROLL
  for (r = 0; r < kernel_h; r++) {
    /* A missing row is any row: its weights are 0. */
    rows[r] = x + ((lines[r] < 0 ? 0 : lines[r]) * width - pad_left) * channels;
  }
#define TVM_TINY_DSP_STEP(left, right)                                                         \
  tvm_tiny_dsp_two_columns(rows, to, zero_point, channels, block, kernel_h, left, right);       \
  to += 4 * kernel_h;                                                                          \
  TVM_TINY_DSP_UNROLL                                                                          \
  for (r = 0; r < kernel_h; r++) {                                                             \
    rows[r] += 2 * channels;                                                                   \
  }
  TVM_TINY_DSP_UNROLL
  for (i = 0; i < first; i += 2) {
    TVM_TINY_DSP_STEP(i >= pad_left && i - pad_left < width,
                      i + 1 >= pad_left && i + 1 - pad_left < width)
  }
  for (; i + 1 < columns && i + 1 - pad_left < width; i += 2) {
    TVM_TINY_DSP_STEP(1, 1)
  }
  TVM_TINY_DSP_UNROLL
  for (; i < columns; i += 2) {
    TVM_TINY_DSP_STEP(i - pad_left < width, i + 1 - pad_left < width)
  }
#undef TVM_TINY_DSP_STEP
}

/* Weights of one channel: down, of two rows; row, of a last odd row from its element 0 or 1. */
struct tvm_tiny_dsp_taps {
  uint32_t down[TVM_TINY_DSP_KERNEL / 2][TVM_TINY_DSP_KERNEL + 1];
  uint32_t row[TVM_TINY_DSP_KERNEL];
};

TVM_TINY_INLINE void tvm_tiny_dsp_read_taps(struct tvm_tiny_dsp_taps* taps, const int8_t* w,
                                            const int32_t* lines, int32_t kernel_h,
                                            int32_t kernel_w) {
  const int32_t pitch = (kernel_w + 3) & ~3;
  int32_t r;
  int32_t k;
  TVM_TINY_DSP_UNROLL
  for (r = 0; r + 1 < kernel_h; r += 2) {
    TVM_TINY_DSP_UNROLL
    for (k = 0; k < kernel_w; k += 4) {
      const uint32_t a = lines[r] < 0 ? 0u : tvm_tiny_dsp_load(w + r * pitch + k);
      const uint32_t b = lines[r + 1] < 0 ? 0u : tvm_tiny_dsp_load(w + (r + 1) * pitch + k);
      tvm_tiny_dsp_spread(&taps->down[r / 2][k], 1, a, b, 0);
    }
  }
  if ((kernel_h & 1) != 0) {
    uint32_t last = 0;
    TVM_TINY_DSP_UNROLL
    for (k = 0; k < kernel_w; k += 4) {
      const uint32_t a = lines[r] < 0 ? 0u : tvm_tiny_dsp_load(w + r * pitch + k);
      const uint32_t even = tvm_tiny_dsp_even(a);
      const uint32_t odd = tvm_tiny_dsp_odd(a);
      taps->row[k] = tvm_tiny_dsp_lower(even, odd);
      taps->row[k + 2] = tvm_tiny_dsp_upper(even, odd);
      taps->row[k + 1] = (odd & 0xffffu) | (even & 0xffff0000u);
      if (k > 0) {
        taps->row[k - 1] = (last >> 16) | (even << 16);
      }
      last = odd;
    }
  }
}

/* acc[j] += the taps of output j of n, which starts at column j * stride of the window. */
TVM_TINY_INLINE void tvm_tiny_dsp_sums(const tvm_tiny_dsp_word* window,
                                       const tvm_tiny_dsp_word* row,
                                       const struct tvm_tiny_dsp_taps* taps, int32_t kernel_h,
                                       int32_t kernel_w, int32_t stride, int32_t n, int32_t* acc) {
  const int32_t columns = (n - 1) * stride + kernel_w;
  int32_t r;
  int32_t i;
  int32_t j;
  TVM_TINY_DSP_UNROLL
  for (r = 0; r + 1 < kernel_h; r += 2) {
    TVM_TINY_DSP_UNROLL
    for (i = 0; i < columns; i++) {
      const uint32_t x = window[i / 2 * 4 * kernel_h + 4 * r + i % 2];
      TVM_TINY_DSP_UNROLL
      for (j = 0; j < n; j++) {
        const int32_t k = i - j * stride;
        if (k >= 0 && k < kernel_w) {
          acc[j] = tvm_tiny_dsp_smlad(x, taps->down[r / 2][k], acc[j]);
        }
      }
    }
  }
  if ((kernel_h & 1) != 0) {
    TVM_TINY_DSP_UNROLL
    for (i = 0; i < columns; i += 2) {
      const uint32_t x = row[i / 2 * 4 * kernel_h];
      TVM_TINY_DSP_UNROLL
      for (j = 0; j < n; j++) {
        const int32_t k = i - j * stride;
        if (k == -1) {
          acc[j] = tvm_tiny_dsp_smlatb(x, taps->row[0], acc[j]);
        } else if (k >= 0 && k + 1 < kernel_w) {
          acc[j] = tvm_tiny_dsp_smlad(x, taps->row[k], acc[j]);
        } else if (k >= 0 && k < kernel_w) {
          acc[j] = k == 0 ? tvm_tiny_dsp_smlabb(x, taps->row[0], acc[j])
                          : tvm_tiny_dsp_smlabt(x, taps->row[k - 1], acc[j]);
        }
      }
    }
  }
}

/* n neighbouring outputs of one channel. */
TVM_TINY_INLINE void tvm_tiny_dsp_outputs(const tvm_tiny_dsp_word* window,
                                          const tvm_tiny_dsp_word* row,
                                          const struct tvm_tiny_dsp_taps* taps,
                                          const int32_t* params, int8_t* out, int32_t low,
                                          int32_t high, int32_t channels, int32_t kernel_h,
                                          int32_t kernel_w, int32_t stride, int32_t n) {
  int32_t acc[4];
  int32_t j;
  TVM_TINY_DSP_UNROLL
  for (j = 0; j < n; j++) {
    acc[j] = params[0];
  }
  tvm_tiny_dsp_sums(window, row, taps, kernel_h, kernel_w, stride, n, acc);
  TVM_TINY_DSP_UNROLL
  for (j = 0; j < n; j++) {
    out[j * channels] = tvm_tiny_dsp_rescale(acc[j], params[1], params[2], params[3], low, high);
  }
}

/* One output row of a depthwise convolution, NHWC; w [channels][kernel_h][kernel_w up to 4s]. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise(const int8_t* x, const int32_t* lines, const int8_t* w,
                                            const int32_t* params, int8_t* out, int16_t* scratch,
                                            int32_t zero_point, int32_t low, int32_t high,
                                            int32_t width, int32_t channels, int32_t kernel_h,
                                            int32_t kernel_w, int32_t stride_w, int32_t pad_left,
                                            int32_t out_width) {
  const int32_t columns = (out_width - 1) * stride_w + kernel_w;
  const int32_t step = 2 * stride_w * 4 * kernel_h;
  struct tvm_tiny_dsp_taps taps;
  int32_t own[4];
  int32_t c;
  int32_t ox;
  for (c = 0; c < channels; c++) {
    const tvm_tiny_dsp_word* window = (const tvm_tiny_dsp_word*)(void*)scratch + c % 4 * 2;
    const tvm_tiny_dsp_word* row =
        (const tvm_tiny_dsp_word*)(void*)scratch + 4 * (kernel_h - 1) + c % 4;
    int8_t* to = out + c;
    if (c % 4 == 0) {
      if (channels - c >= 4) {
      tvm_tiny_dsp_window(x + c, lines, (tvm_tiny_dsp_word*)(void*)scratch, zero_point, width,
                          channels, 4, kernel_h, pad_left, columns);
      } else {
      tvm_tiny_dsp_window(x + c, lines, (tvm_tiny_dsp_word*)(void*)scratch, zero_point, width,
                          channels, channels % 4, kernel_h, pad_left, columns);
      }
    }
    tvm_tiny_dsp_read_taps(&taps, w, lines, kernel_h, kernel_w);
    own[0] = params[0];
    own[1] = params[1];
    own[2] = params[2];
    own[3] = params[3];
    for (ox = 0; ox + 4 <= out_width; ox += 4) {
      tvm_tiny_dsp_outputs(window, row, &taps, own, to, low, high, channels, kernel_h, kernel_w,
                           stride_w, 4);
      window += step;
      row += step;
      to += 4 * channels;
    }
    if ((out_width & 3) != 0) {
      tvm_tiny_dsp_outputs(window, row, &taps, own, to, low, high, channels, kernel_h, kernel_w,
                           stride_w, out_width & 3);
    }
    w += kernel_h * ((kernel_w + 3) & ~3);
    params += 4;
  }
}

#else

TVM_TINY_INLINE int8_t tvm_tiny_dsp_rescale(int32_t sum, int32_t multiplier, int32_t offset,
                                            int32_t shift, int32_t low, int32_t high) {
  const int32_t t = (int32_t)(((int64_t)sum * multiplier + (1 << 30)) >> 31);
  return tvm_tiny_dsp_clamp((t + (sum >> 31) + offset) >> shift, low, high);
}

/* acc[p * filters + f] -> out[p * pitch + f], p < pixels, f < channels; channel f has params + 4 f. */
TVM_TINY_INLINE void tvm_tiny_dsp_requantize(const int32_t* acc, int32_t filters,
                                             const int32_t* params, int8_t* out, int32_t pixels,
                                             int32_t channels, int32_t pitch, int32_t low,
                                             int32_t high) {
  int32_t p;
  int32_t f;
  for (f = 0; f < channels; f++) {
    for (p = 0; p < pixels; p++) {
      out[p * pitch + f] = tvm_tiny_dsp_rescale(acc[p * filters + f], params[4 * f + 1],
                                                params[4 * f + 2], params[4 * f + 3], low, high);
    }
  }
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

TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 1, 2);
}

TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x4(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 1, 4);
}

/* x less its zero point as scratch[c][ky][column] for channels c < block, 0 where there is no x. */
TVM_TINY_INLINE void tvm_tiny_dsp_window(const int8_t* x, const int32_t* lines, int16_t* scratch,
                                         int32_t zero_point, int32_t width, int32_t channels,
                                         int32_t block, int32_t kernel_h, int32_t pad_left,
                                         int32_t columns) {
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
      sum += window[ky * columns + kx] * w[ky * ((kernel_w + 3) & ~3) + kx];
    }
  }
  return sum;
}

/* One output row of a depthwise convolution, NHWC; w [channels][kernel_h][kernel_w up to 4s]. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise(const int8_t* x, const int32_t* lines, const int8_t* w,
                                            const int32_t* params, int8_t* out, int16_t* scratch,
                                            int32_t zero_point, int32_t low, int32_t high,
                                            int32_t width, int32_t channels, int32_t kernel_h,
                                            int32_t kernel_w, int32_t stride_w, int32_t pad_left,
                                            int32_t out_width) {
  const int32_t columns = (out_width - 1) * stride_w + kernel_w;
  const int32_t filter = kernel_h * ((kernel_w + 3) & ~3);
  int32_t c;
  int32_t ox;
  for (c = 0; c < channels; c++) {
    const int16_t* window = scratch + c % 4 * kernel_h * columns;
    if (c % 4 == 0) {
      tvm_tiny_dsp_window(x + c, lines, scratch, zero_point, width, channels,
                          channels - c < 4 ? channels - c : 4, kernel_h, pad_left, columns);
    }
    for (ox = 0; ox < out_width; ox++) {
      out[ox * channels + c] = tvm_tiny_dsp_rescale(
          params[4 * c] + tvm_tiny_dsp_window_sum(window + ox * stride_w, w + c * filter, columns,
                                                  kernel_h, kernel_w),
          params[4 * c + 1], params[4 * c + 2], params[4 * c + 3], low, high);
    }
  }
}

#endif /* TVM_TINY_DSP */

TVM_TINY_INLINE void tvm_tiny_dsp_gather(const int8_t* x, const int32_t* lines, int16_t* cols,
                                         int32_t column, int32_t zero_point, int32_t pixels,
                                         int32_t width, int32_t channels, int32_t kernel_h,
                                         int32_t kernel_w, int32_t stride_w, int32_t row_bytes) {
  tvm_tiny_dsp_gather_any(x, lines, cols, column, zero_point, pixels, width, channels, kernel_h,
                          kernel_w, stride_w, row_bytes);
}

/* value * multiplier / 2^31 / 2^shift, both steps rounded half away from zero as TFLite does. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_scaled(int32_t value, int32_t multiplier, int32_t shift) {
  const int32_t t = (int32_t)(((int64_t)value * multiplier + (1 << 30)) >> 31);
  const int32_t half = shift > 0 ? (int32_t)(1u << (shift - 1)) : 0;
  return (int32_t)(((int64_t)t + (shift > 0 ? t >> 31 : 0) + half) >> shift);
}

/* TFLite's quantized sum; q: zero points a b y, limits, multipliers a b y, shifts a b y (<= 0). */
TVM_TINY_INLINE void tvm_tiny_dsp_add(const int8_t* a, const int8_t* b, int8_t* out, int32_t count,
                                      const int32_t* q) {
  int32_t i;
  for (i = 0; i < count; i++) {
    const int32_t left = tvm_tiny_dsp_scaled((a[i] - q[0]) * (1 << 20), q[5], -q[8]);
    const int32_t right = tvm_tiny_dsp_scaled((b[i] - q[1]) * (1 << 20), q[6], -q[9]);
    const int32_t y = tvm_tiny_dsp_scaled(left + right, q[7], -q[10]) + q[2];
    out[i] = tvm_tiny_dsp_clamp(y, q[3], q[4]);
  }
}

#endif /* TVM_TINY_DSP_H */
