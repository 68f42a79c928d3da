/*
 * Micro-kernels for Helium, the integer vectors of Armv8.1-M (Cortex-M55). Elsewhere the same
 * functions in plain C, with the same results.
 *
 * Shapes are constants where these functions are called, and the compiler specialises them. The
 * input's zero point is folded into the biases, so padding is the zero point itself. `params` is
 * int32 [channels][4] = {bias, multiplier, offset, shift}; the output of a sum is
 *
 *     t = (sum * multiplier + 2^30) >> 31                      |sum| < 2^30, 0 <= multiplier < 2^31
 *     clamp((t + (t >> 31) + offset) >> shift, low, high)      0 <= shift <= 31
 *
 * which is TFLite's rounding of a scaled sum with the output's zero point inside `offset`.
 */
#ifndef TVM_TINY_MVE_H
#define TVM_TINY_MVE_H

#include <stdint.h>

#ifndef TVM_TINY_INLINE
#if defined(__GNUC__) || defined(__clang__)
#define TVM_TINY_INLINE static inline __attribute__((always_inline, unused))
#else
#define TVM_TINY_INLINE static inline
#endif
#endif

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__) && defined(__OPTIMIZE__)
#define TVM_TINY_MVE 1
#include <arm_mve.h>
#else
#define TVM_TINY_MVE 0
#endif

TVM_TINY_INLINE int8_t tvm_tiny_mve_clamp(int32_t value, int32_t low, int32_t high) {
  return (int8_t)(value < low ? low : value > high ? high : value);
}

TVM_TINY_INLINE int32_t tvm_tiny_mve_scale(int32_t a, int32_t multiplier) {
  return (int32_t)(((int64_t)a * multiplier + (1 << 30)) >> 31);
}

/* The output of one sum of the channel with these parameters. */
TVM_TINY_INLINE int8_t tvm_tiny_mve_output(int32_t sum, const int32_t* params, int32_t low,
                                           int32_t high) {
  const int32_t t = tvm_tiny_mve_scale(sum, params[1]);
  return tvm_tiny_mve_clamp((t + (t >> 31) + params[2]) >> params[3], low, high);
}

/* out[p * pitch + f] of acc[p * filters + f], one by one. */
TVM_TINY_INLINE void tvm_tiny_mve_requantize_each(const int32_t* acc, int32_t filters,
                                                  const int32_t* params, int8_t* out,
                                                  int32_t pixels, int32_t channels, int32_t pitch,
                                                  int32_t low, int32_t high) {
  int32_t p;
  int32_t f;
  for (p = 0; p < pixels; p++) {
    for (f = 0; f < channels; f++) {
      out[p * pitch + f] = tvm_tiny_mve_output(acc[p * filters + f], params + 4 * f, low, high);
    }
  }
}

/* `count` bytes of `value`, or of `from` where there is one. */
TVM_TINY_INLINE void tvm_tiny_mve_copy(int8_t* to, const int8_t* from, int32_t value,
                                       int32_t count) {
#if TVM_TINY_MVE
  int32_t left;
  for (left = count; left > 0; left -= 16) {
    const mve_pred16_t some = vctp8q((uint32_t)left);
    vstrbq_p_s8(to, from != 0 ? vldrbq_z_s8(from, some) : vdupq_n_s8((int8_t)value), some);
    to += 16;
    from = from != 0 ? from + 16 : from;
  }
#else
  int32_t k;
  for (k = 0; k < count; k++) {
    to[k] = from != 0 ? from[k] : (int8_t)value;
  }
#endif
}

/* One row of a window that is not all inside its line. */
TVM_TINY_INLINE void tvm_tiny_mve_gather_edge(const int8_t* row, int8_t* cols, int32_t column,
                                              int32_t zero_point, int32_t width, int32_t channels,
                                              int32_t kernel_w) {
  int32_t kx;
  for (kx = 0; kx < kernel_w; kx++) {
    const int inside = row != 0 && column + kx >= 0 && column + kx < width;
    tvm_tiny_mve_copy(cols + kx * channels, inside ? row + (column + kx) * channels : 0,
                      zero_point, channels);
  }
}

/*
 * The windows of `pixels` outputs side by side, one after the other: cols[p][K],
 * K = kernel_h * kernel_w * channels. Window column 0 of the first is `column`, which may be
 * outside [0, width); lines[ky] is the row of x, negative where there is none.
 */
TVM_TINY_INLINE void tvm_tiny_mve_gather(const int8_t* x, const int32_t* lines, int8_t* cols,
                                         int32_t column, int32_t zero_point, int32_t pixels,
                                         int32_t width, int32_t channels, int32_t kernel_h,
                                         int32_t kernel_w, int32_t stride_w, int32_t row_bytes) {
  const int32_t span = kernel_w * channels;
  int32_t p;
  int32_t ky;
  for (p = 0; p < pixels; p++) {
    const int32_t first = column + p * stride_w;
    const int inside = first >= 0 && first + kernel_w <= width;
    for (ky = 0; ky < kernel_h; ky++) {
      const int8_t* row = lines[ky] >= 0 ? x + lines[ky] * row_bytes : 0;
      if (inside && row != 0) {
        tvm_tiny_mve_copy(cols, row + first * channels, zero_point, span);
      } else {
        tvm_tiny_mve_gather_edge(row, cols, first, zero_point, width, channels, kernel_w);
      }
      cols += span;
    }
  }
}

/* acc[p * 4 + f] += sum over k of x[p * pitch + k] * w[k / 16][f][k % 16], for pixels <= 2. */
TVM_TINY_INLINE void tvm_tiny_mve_dot(const int8_t* x, int32_t pitch, const int8_t* w,
                                      int32_t* acc, int32_t pixels, int32_t K) {
  int32_t p;
  int32_t f;
  int32_t k;
#if TVM_TINY_MVE
  for (k = 0; k < K; k += 16) {
    const mve_pred16_t some = vctp8q((uint32_t)(K - k));
    for (p = 0; p < pixels; p++) {
      const int8x16_t a = vldrbq_z_s8(x + p * pitch + k, some);
      for (f = 0; f < 4; f++) {
        acc[p * 4 + f] = vmladavaq_s8(acc[p * 4 + f], a, vldrbq_s8(w + 4 * k + 16 * f));
      }
    }
  }
#else
  for (p = 0; p < pixels; p++) {
    for (f = 0; f < 4; f++) {
      for (k = 0; k < K; k++) {
        acc[p * 4 + f] += x[p * pitch + k] * w[(k / 16 * 4 + f) * 16 + k % 16];
      }
    }
  }
#endif
}

#if TVM_TINY_MVE
/* Four channels: sums without bias to values that are not clamped yet. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_rescale(int32x4_t sums, int32x4x4_t params) {
  int32x4_t t = vqrdmulhq_s32(sums, params.val[1]);
  t = vqdmlahq_n_s32(t, t, 1);
  return vshlq_s32(vaddq_s32(t, params.val[2]), vnegq_s32(params.val[3]));
}
#endif

/* out[p * pitch + f] of acc[p * filters + f], for p < pixels and f < channels <= filters. */
TVM_TINY_INLINE void tvm_tiny_mve_requantize(const int32_t* acc, int32_t filters,
                                             const int32_t* params, int8_t* out, int32_t pixels,
                                             int32_t channels, int32_t pitch, int32_t low,
                                             int32_t high) {
#if TVM_TINY_MVE
  if (filters == 4 && channels == 4) {
    const int32x4x4_t q = vld4q_s32(params);
    int32_t p;
    for (p = 0; p < pixels; p++) {
      const int32x4_t y = tvm_tiny_mve_rescale(vldrwq_s32(acc + 4 * p), q);
      vstrbq_s32(out + p * pitch, vmaxq_s32(vminq_s32(y, vdupq_n_s32(high)), vdupq_n_s32(low)));
    }
    return;
  }
#endif
  tvm_tiny_mve_requantize_each(acc, filters, params, out, pixels, channels, pitch, low, high);
}

/*
 * One output row [out_width][channels] of a depthwise convolution; w is [kernel_h * kernel_w]
 * [channels], lines as above. An output is written when its own window has been read, pixel by
 * pixel and channel by channel, so that the output may take the place of inputs that are done.
 */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise(const int8_t* x, const int32_t* lines, const int8_t* w,
                                            const int32_t* params, int8_t* out, int32_t zero_point,
                                            int32_t low, int32_t high, int32_t width,
                                            int32_t channels, int32_t kernel_h, int32_t kernel_w,
                                            int32_t stride_w, int32_t pad_left,
                                            int32_t out_width) {
  int32_t ox;
  int32_t c;
  int32_t ky;
  int32_t kx;
  for (ox = 0; ox < out_width; ox++) {
    c = 0;
#if TVM_TINY_MVE
    for (; c + 4 <= channels; c += 4) {
      const int32x4x4_t q = vld4q_s32(params + 4 * c);
      int32x4_t y = q.val[0];
      for (ky = 0; ky < kernel_h; ky++) {
        for (kx = 0; kx < kernel_w; kx++) {
          const int32_t from = ox * stride_w + kx - pad_left;
          const int32x4_t taps = vldrbq_s32(w + (ky * kernel_w + kx) * channels + c);
          int32x4_t values = vdupq_n_s32(zero_point);
          if (lines[ky] >= 0 && from >= 0 && from < width) {
            values = vldrbq_s32(x + (lines[ky] * width + from) * channels + c);
          }
          y = vaddq_s32(y, vmulq_s32(values, taps));
        }
      }
      y = tvm_tiny_mve_rescale(y, q);
      y = vmaxq_s32(vminq_s32(y, vdupq_n_s32(high)), vdupq_n_s32(low));
      vstrbq_s32(out + ox * channels + c, y);
    }
#endif
    for (; c < channels; c++) {
      int32_t sum = params[4 * c];
      for (ky = 0; ky < kernel_h; ky++) {
        for (kx = 0; kx < kernel_w; kx++) {
          const int32_t from = ox * stride_w + kx - pad_left;
          const int inside = lines[ky] >= 0 && from >= 0 && from < width;
          sum += w[(ky * kernel_w + kx) * channels + c] *
                 (inside ? x[(lines[ky] * width + from) * channels + c] : zero_point);
        }
      }
      out[ox * channels + c] = tvm_tiny_mve_output(sum, params + 4 * c, low, high);
    }
  }
}

/* value / 2^shift, halves away from zero; 0 <= shift <= 31. */
TVM_TINY_INLINE int32_t tvm_tiny_mve_shift(int32_t value, int32_t shift) {
  const int32_t half = (int32_t)((1u << shift) >> 1);
  const int32_t sign = shift > 0 ? value >> 31 : 0;
  return (value + sign + half) >> shift;
}

#if TVM_TINY_MVE
/* The same of four values, scaled first; `shift` is not positive. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_scaled(int32x4_t value, int32_t multiplier, int32_t shift) {
  const int32x4_t t = vqrdmulhq_n_s32(value, multiplier);
  return vrshlq_n_s32(vqdmlahq_n_s32(t, t, shift < 0), shift);
}
#endif

/*
 * TFLite's addition of `count` elements, in order; q = {a_zp, b_zp, y_zp, act_min, act_max,
 * a_multiplier, b_multiplier, y_multiplier, a_shift, b_shift, y_shift}, no shift positive.
 */
TVM_TINY_INLINE void tvm_tiny_mve_add(const int8_t* a, const int8_t* b, int8_t* out, int32_t count,
                                      const int32_t* q) {
  int32_t i = 0;
#if TVM_TINY_MVE
  for (; i < count; i += 4) {
    const mve_pred16_t some = vctp32q((uint32_t)(count - i));
    const int32x4_t first = vsubq_n_s32(vldrbq_z_s32(a + i, some), q[0]);
    const int32x4_t second = vsubq_n_s32(vldrbq_z_s32(b + i, some), q[1]);
    int32x4_t y = vaddq_s32(tvm_tiny_mve_scaled(vshlq_n_s32(first, 20), q[5], q[8]),
                            tvm_tiny_mve_scaled(vshlq_n_s32(second, 20), q[6], q[9]));
    y = vaddq_n_s32(tvm_tiny_mve_scaled(y, q[7], q[10]), q[2]);
    y = vmaxq_s32(vminq_s32(y, vdupq_n_s32(q[4])), vdupq_n_s32(q[3]));
    vstrbq_p_s32(out + i, y, some);
  }
#else
  for (; i < count; i++) {
    const int32_t first = tvm_tiny_mve_scale((a[i] - q[0]) * (1 << 20), q[5]);
    const int32_t second = tvm_tiny_mve_scale((b[i] - q[1]) * (1 << 20), q[6]);
    const int32_t sum = tvm_tiny_mve_shift(first, -q[8]) + tvm_tiny_mve_shift(second, -q[9]);
    const int32_t y = tvm_tiny_mve_shift(tvm_tiny_mve_scale(sum, q[7]), -q[10]);
    out[i] = tvm_tiny_mve_clamp(y + q[2], q[3], q[4]);
  }
#endif
}

#endif /* TVM_TINY_MVE_H */
