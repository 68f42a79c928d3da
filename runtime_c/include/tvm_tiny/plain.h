/*
 * Micro-kernels in C99 for cores without SIMD: Cortex-M0, Cortex-M3, RV32 and everything else.
 *
 * Generated row kernels call them with constants for all sizes: inlining makes straight code of
 * that. The input's zero point is folded into the biases, so padding is the zero point itself.
 * `params` is int32 [channels][4] = {bias, multiplier, offset, shift}; the output of a sum is
 *
 *     t = (sum * multiplier + 2^30) >> 31                      |sum| < 2^30, 0 <= multiplier < 2^31
 *     clamp((t + (t >> 31) + offset) >> shift, low, high)      0 <= shift <= 31
 *
 * which is TFLite's rounding of a scaled sum with the output's zero point inside `offset`.
 */
#ifndef TVM_TINY_PLAIN_H
#define TVM_TINY_PLAIN_H

#include <stdint.h>

#ifndef TVM_TINY_INLINE
#if defined(__GNUC__) || defined(__clang__)
#define TVM_TINY_INLINE static inline __attribute__((always_inline))
#else
#define TVM_TINY_INLINE static inline
#endif
#endif

/* At -O2 gcc unrolls no loop that would grow, and without it sums stay in memory. */
#ifndef TVM_TINY_UNROLL
#if defined(__GNUC__) && !defined(__clang__)
#define TVM_TINY_UNROLL _Pragma("GCC unroll 16")
#else
#define TVM_TINY_UNROLL
#endif
#endif

/* (a * multiplier + 2^30) >> 31 for |a| < 2^30 and multipliers that are not negative. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_scale(int32_t a, int32_t multiplier) {
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
  /* No multiplication to 64 bits. With a signed lower half the middle terms fit into 32 bits. */
  const int32_t low = (int16_t)a;
  const int32_t high = (a - low) >> 16;
  const int32_t m_low = multiplier & 0xffff;
  const int32_t m_high = multiplier >> 16;
  const int32_t middle = ((low * m_low) >> 16) + low * m_high + high * m_low;
  return 2 * high * m_high + ((middle + (1 << 14)) >> 15);
#else
  const int64_t product = (int64_t)(a + a) * multiplier;
  return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
}

TVM_TINY_INLINE int8_t tvm_tiny_plain_clamp(int32_t value, int32_t low, int32_t high) {
  const int32_t most = value > high ? high : value;
  return (int8_t)(most < low ? low : most);
}

/* The output of one sum. */
TVM_TINY_INLINE int8_t tvm_tiny_plain_output(int32_t sum, int32_t multiplier, int32_t offset,
                                             int32_t shift, int32_t low, int32_t high) {
  const int32_t t = tvm_tiny_plain_scale(sum, multiplier);
  return tvm_tiny_plain_clamp((t + (t >> 31) + offset) >> shift, low, high);
}

/* out[p * pitch + f] of acc[p * filters + f], for p < pixels and f < channels <= filters. */
TVM_TINY_INLINE void tvm_tiny_plain_requantize(const int32_t* acc, int32_t filters,
                                               const int32_t* params, int8_t* out, int32_t pixels,
                                               int32_t channels, int32_t pitch, int32_t low,
                                               int32_t high) {
  int32_t f;
  int32_t p;
  TVM_TINY_UNROLL
  for (f = 0; f < channels; f++) {
    /* Read before the stores, which might change them for all the compiler knows. */
    const int32_t multiplier = params[4 * f + 1];
    const int32_t offset = params[4 * f + 2];
    const int32_t shift = params[4 * f + 3];
    TVM_TINY_UNROLL
    for (p = 0; p < pixels; p++) {
      out[p * pitch + f] =
          tvm_tiny_plain_output(acc[p * filters + f], multiplier, offset, shift, low, high);
    }
  }
}

/* acc[p * 2 + f] += sum over k of x[p * pitch + k] * w[k * 2 + f]; one or two pixels. */
TVM_TINY_INLINE void tvm_tiny_plain_dot(const int8_t* x, int32_t pitch, const int8_t* w,
                                        int32_t* acc, int32_t pixels, int32_t K) {
  int32_t p;
  int32_t k;
  TVM_TINY_UNROLL
  for (p = 0; p < pixels; p++) {
    int32_t first = acc[p * 2];
    int32_t second = acc[p * 2 + 1];
    for (k = 0; k < K; k++) {
      first += x[p * pitch + k] * w[k * 2];
      second += x[p * pitch + k] * w[k * 2 + 1];
    }
    acc[p * 2] = first;
    acc[p * 2 + 1] = second;
  }
}

/*
 * The windows of `pixels` outputs side by side, one after the other: cols[p][K],
 * K = kernel_h * kernel_w * channels. Window column 0 of the first is `column`, which may be
 * outside [0, width); lines[ky] is the row of x, negative where there is none.
 */
TVM_TINY_INLINE void tvm_tiny_plain_gather(const int8_t* x, const int32_t* lines, int8_t* cols,
                                           int32_t column, int32_t zero_point, int32_t pixels,
                                           int32_t width, int32_t channels, int32_t kernel_h,
                                           int32_t kernel_w, int32_t stride_w,
                                           int32_t row_bytes) {
  int32_t p;
  int32_t ky;
  int32_t kx;
  int32_t c;
  for (p = 0; p < pixels; p++) {
    for (ky = 0; ky < kernel_h; ky++) {
      for (kx = 0; kx < kernel_w; kx++) {
        const int32_t from = column + p * stride_w + kx;
        const int inside = lines[ky] >= 0 && from >= 0 && from < width;
        for (c = 0; c < channels; c++) {
          *cols++ = inside ? x[lines[ky] * row_bytes + from * channels + c] : (int8_t)zero_point;
        }
      }
    }
  }
}

/*
 * One output row [out_width][channels] of a depthwise convolution; w is [kernel_h * kernel_w]
 * [channels], lines as above. An output is written when its own window has been read, pixel by
 * pixel and channel by channel, so that the output may take the place of inputs that are done.
 */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise(const int8_t* x, const int32_t* lines,
                                              const int8_t* w, const int32_t* params, int8_t* out,
                                              int32_t zero_point, int32_t low, int32_t high,
                                              int32_t width, int32_t channels, int32_t kernel_h,
                                              int32_t kernel_w, int32_t stride_w, int32_t pad_left,
                                              int32_t out_width) {
  int32_t ox;
  int32_t c;
  int32_t ky;
  int32_t kx;
  for (ox = 0; ox < out_width; ox++) {
    for (c = 0; c < channels; c++) {
      const int32_t* p = params + 4 * c;
      int32_t sum = p[0];
      for (ky = 0; ky < kernel_h; ky++) {
        for (kx = 0; kx < kernel_w; kx++) {
          const int32_t from = ox * stride_w + kx - pad_left;
          const int inside = lines[ky] >= 0 && from >= 0 && from < width;
          sum += w[(ky * kernel_w + kx) * channels + c] *
                 (inside ? x[(lines[ky] * width + from) * channels + c] : zero_point);
        }
      }
      out[ox * channels + c] = tvm_tiny_plain_output(sum, p[1], p[2], p[3], low, high);
    }
  }
}

/* value / 2^shift, halves away from zero; 0 <= shift <= 31. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_shift(int32_t value, int32_t shift) {
  const int32_t half = (int32_t)((1u << shift) >> 1);
  const int32_t sign = shift > 0 ? value >> 31 : 0;
  return (value + sign + half) >> shift;
}

/*
 * TFLite's addition of `count` elements, in order; q = {a_zp, b_zp, y_zp, act_min, act_max,
 * a_multiplier, b_multiplier, y_multiplier, a_shift, b_shift, y_shift}, no shift positive.
 */
TVM_TINY_INLINE void tvm_tiny_plain_add(const int8_t* a, const int8_t* b, int8_t* out,
                                        int32_t count, const int32_t* q) {
  int32_t i;
  for (i = 0; i < count; i++) {
    const int32_t first = tvm_tiny_plain_scale((a[i] - q[0]) * (1 << 20), q[5]);
    const int32_t second = tvm_tiny_plain_scale((b[i] - q[1]) * (1 << 20), q[6]);
    const int32_t sum = tvm_tiny_plain_shift(first, -q[8]) + tvm_tiny_plain_shift(second, -q[9]);
    const int32_t y = tvm_tiny_plain_shift(tvm_tiny_plain_scale(sum, q[7]), -q[10]);
    out[i] = tvm_tiny_plain_clamp(y + q[2], q[3], q[4]);
  }
}

#endif /* TVM_TINY_PLAIN_H */
