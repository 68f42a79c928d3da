/* Depthwise convolution of an output row without scratch: a vector is four channels of a tap. */
#ifndef TVM_TINY_MVE_DIRECT_DEPTHWISE_H
#define TVM_TINY_MVE_DIRECT_DEPTHWISE_H

#include "tvm_tiny/mve/requantize.h"

/* Largest kernel_h for vectors. */
#define TVM_TINY_MVE_ROWS_IN_PLACE 16

#if TVM_TINY_MVE

/* Adds `taps` neighbouring taps of up to four channels to `sum`. whole: whether they are four; else
 * `some` is their predicate. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_taps(int32x4_t sum, const int8_t* x, const int8_t* w,
                                            int32_t taps, int32_t channels, int32_t whole,
                                            mve_pred16_t some) {
  for (; taps > 0; taps--) {
    const int32x4_t weights = whole ? vldrbq_s32(w) : vldrbq_z_s32(w, some);
    const int32x4_t values = whole ? vldrbq_s32(x) : vldrbq_z_s32(x, some);
    sum = vaddq_s32(sum, vmulq_s32(values, weights));
    x += channels;
    w += channels;
  }
  return sum;
}

/* Adds taps outside the input to `sum`, where the input is its zero point. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_missing(int32x4_t sum, const int8_t* w, int32_t taps,
                                               int32_t zero_point, int32_t channels, int32_t whole,
                                               mve_pred16_t some) {
  for (; taps > 0; taps--) {
    const int32x4_t weights = whole ? vldrbq_s32(w) : vldrbq_z_s32(w, some);
    sum = vaddq_s32(sum, vmulq_n_s32(weights, zero_point));
    w += channels;
  }
  return sum;
}

/* Adds all taps of up to four channels to `sum`. Of each existing row, from window column 0 at `at`
 * on, columns first .. end - 1 are in the input. edge: whether some column or row is not. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_window(const int8_t* const* rows, int32_t at,
                                              const int8_t* w, int32x4_t sum, int32_t zero_point,
                                              int32_t channels, int32_t kernel_h, int32_t kernel_w,
                                              int32_t first, int32_t end, int32_t edge,
                                              int32_t whole, mve_pred16_t some) {
  int32_t ky;
  for (ky = 0; ky < kernel_h; ky++) {
    if (!edge) {
      sum = tvm_tiny_mve_taps(sum, rows[ky] + at, w, kernel_w, channels, whole, some);
    } else if (rows[ky] == 0 || first >= end) {
      sum = tvm_tiny_mve_missing(sum, w, kernel_w, zero_point, channels, whole, some);
    } else {
      sum = tvm_tiny_mve_missing(sum, w, first, zero_point, channels, whole, some);
      sum = tvm_tiny_mve_taps(sum, rows[ky] + (at + first * channels), w + first * channels,
                              end - first, channels, whole, some);
      sum = tvm_tiny_mve_missing(sum, w + end * channels, kernel_w - end, zero_point, channels,
                                 whole, some);
    }
    w += kernel_w * channels;
  }
  return sum;
}

/* Computes all channels of the pixel whose window begins at `column`. */
TVM_TINY_INLINE void tvm_tiny_mve_in_place_pixel(const int8_t* const* rows, const int8_t* w,
                                                 const int32_t* params, int8_t* out,
                                                 int32_t zero_point, int32_t float32,
                                                 int32_t y_zero, int32_t low, int32_t high,
                                                 int32_t width, int32_t channels, int32_t kernel_h,
                                                 int32_t kernel_w, int32_t column, int32_t edge) {
  const int32_t first = column < 0 ? -column : 0;
  const int32_t end = width - column < kernel_w ? width - column : kernel_w;
  const int32_t at = column * channels;
  int32_t c = 0;
  int32x4_t sum;
  for (; c + 4 <= channels; c += 4) {
    sum = tvm_tiny_mve_window(rows, at + c, w + c, vldrwq_s32(params), zero_point, channels,
                              kernel_h, kernel_w, first, end, edge, 1, 0);
    vstrbq_s32(out + c, tvm_tiny_mve_outputs(sum, params, float32, y_zero, low, high));
    params += float32 ? 8 : 16;
  }
  if (c < channels) {
    const mve_pred16_t some = vctp32q((uint32_t)(channels - c));
    sum = tvm_tiny_mve_window(rows, at + c, w + c, vldrwq_s32(params), zero_point, channels,
                              kernel_h, kernel_w, first, end, edge, 0, some);
    vstrbq_p_s32(out + c, tvm_tiny_mve_outputs(sum, params, float32, y_zero, low, high), some);
  }
}

/* Computes an output row with vectors. */
TVM_TINY_INLINE void tvm_tiny_mve_in_place_fast(const int8_t* x, const int32_t* lines,
                                                const int8_t* w, const int32_t* params, int8_t* out,
                                                int32_t zero_point, int32_t float32, int32_t y_zero,
                                                int32_t low, int32_t high, int32_t width,
                                                int32_t channels, int32_t kernel_h,
                                                int32_t kernel_w, int32_t stride_w,
                                                int32_t pad_left, int32_t out_width) {
  const int8_t* rows[TVM_TINY_MVE_ROWS_IN_PLACE];
  int32_t missing = 0;
  int32_t column = -pad_left;
  int32_t k;
  for (k = 0; k < kernel_h; k++) {
    rows[k] = lines[k] < 0 ? 0 : x + lines[k] * width * channels;
    missing |= lines[k];
  }
  for (k = 0; k < out_width; k++) {
    if (missing < 0 || column < 0 || column + kernel_w > width) {
      tvm_tiny_mve_in_place_pixel(rows, w, params, out, zero_point, float32, y_zero, low, high,
                                  width, channels, kernel_h, kernel_w, column, 1);
    } else {
      tvm_tiny_mve_in_place_pixel(rows, w, params, out, zero_point, float32, y_zero, low, high,
                                  width, channels, kernel_h, kernel_w, column, 0);
    }
    column += stride_w;
    out += channels;
  }
}

#endif /* TVM_TINY_MVE */

/* Computes tvm_tiny_mve_depthwise_in_place and tvm_tiny_mve_depthwise_in_place_float32. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_in_place_any(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t float32, int32_t y_zero, int32_t low, int32_t high, int32_t width,
    int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,
    int32_t out_width) {
  int32_t ox;
  int32_t c;
  int32_t k;
#if TVM_TINY_MVE
  if ((!float32 || TVM_TINY_MVE_FLOAT) && kernel_h <= TVM_TINY_MVE_ROWS_IN_PLACE) {
    tvm_tiny_mve_in_place_fast(x, lines, w, params, out, zero_point, float32, y_zero, low, high,
                               width, channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
    return;
  }
#endif
  for (ox = 0; ox < out_width; ox++) {
    for (c = 0; c < channels; c++) {
      int32_t sum = *tvm_tiny_mve_channel(params, c, float32);
      for (k = 0; k < kernel_h * kernel_w; k++) {
        const int32_t line = lines[k / kernel_w];
        const int32_t from = ox * stride_w + k % kernel_w - pad_left;
        const int inside = line >= 0 && from >= 0 && from < width;
        sum +=
            w[k * channels + c] * (inside ? x[(line * width + from) * channels + c] : zero_point);
      }
      out[ox * channels + c] = tvm_tiny_mve_output(sum, params, c, float32, y_zero, low, high);
    }
  }
}

/* Computes an output row like tvm_tiny_mve_depthwise, without scratch, in two to three times the
 * instructions. w is int8 [kernel_h * kernel_w][channels]. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_in_place(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  tvm_tiny_mve_depthwise_in_place_any(x, lines, w, params, out, zero_point, 0, 0, low, high, width,
                                      channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
}

/* Computes an output row without scratch with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_in_place_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t y_zero, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  tvm_tiny_mve_depthwise_in_place_any(x, lines, w, params, out, zero_point, 1, y_zero, low, high,
                                      width, channels, kernel_h, kernel_w, stride_w, pad_left,
                                      out_width);
}

#endif /* TVM_TINY_MVE_DIRECT_DEPTHWISE_H */
