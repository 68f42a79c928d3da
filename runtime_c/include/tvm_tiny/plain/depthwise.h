/* Depthwise convolution of an output row, without scratch. */
#ifndef TVM_TINY_PLAIN_DEPTHWISE_H
#define TVM_TINY_PLAIN_DEPTHWISE_H

#include "tvm_tiny/plain/requantize.h"

/* Largest kernel_h of tvm_tiny_plain_depthwise. */
#define TVM_TINY_PLAIN_ROWS 32

/* Adds the taps of one channel and one row of a window that lies inside the input. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_taps(int32_t sum, const int8_t* x, const int8_t* w,
                                            int32_t kernel_w, int32_t channels) {
  int32_t kx;
  TVM_TINY_PLAIN_UNROLL
  for (kx = 0; kx < kernel_w; kx++) {
    sum += x[kx * channels] * w[kx * channels];
  }
  return sum;
}

/* Adds the taps of one channel and one row of a window at `column` that may lie partly outside. All
 * windows begin in columns first .. last, constants that decide most conditions. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_edge_taps(int32_t sum, const int8_t* row, const int8_t* w,
                                                 int32_t zero_point, int32_t column, int32_t first,
                                                 int32_t last, int32_t width, int32_t kernel_w,
                                                 int32_t channels) {
  int32_t kx;
  TVM_TINY_PLAIN_UNROLL
  for (kx = 0; kx < kernel_w; kx++) {
    const int possible = last + kx >= 0 && first + kx < width;
    const int not_left = first + kx >= 0 || column + kx >= 0;
    const int not_right = last + kx < width || column + kx < width;
    int32_t value = zero_point;
    if (possible && not_left && not_right) {
      value = row[(column + kx) * channels];
    }
    sum += value * w[kx * channels];
  }
  return sum;
}

/* Adds the taps of one channel and a missing row. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_missing_taps(int32_t sum, const int8_t* w,
                                                    int32_t zero_point, int32_t kernel_w,
                                                    int32_t channels) {
  int32_t weights = 0;
  int32_t kx;
  TVM_TINY_PLAIN_UNROLL
  for (kx = 0; kx < kernel_w; kx++) {
    weights += w[kx * channels];
  }
  return sum + zero_point * weights;
}

/* Computes all channels of the output whose window begins at `column`. edge, a constant: whether
 * the window may lie partly outside the input. */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise_pixel(
    const int8_t* const* rows, const int8_t* w, const int32_t* params, int float32, int8_t* out,
    int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t edge, int32_t column, int32_t first, int32_t last) {
  int32_t c;
  for (c = 0; c < channels; c++) {
    const int32_t* const p = params + 4 * c;
    const int8_t* weights = w + c;
    int32_t sum = p[0];
    int32_t ky;
    TVM_TINY_PLAIN_UNROLL
    for (ky = 0; ky < kernel_h; ky++) {
      if (!edge) {
        sum =
            tvm_tiny_plain_taps(sum, rows[ky] + column * channels + c, weights, kernel_w, channels);
      } else if (rows[ky] != 0) {
        sum = tvm_tiny_plain_edge_taps(sum, rows[ky] + c, weights, zero_point, column, first, last,
                                       width, kernel_w, channels);
      } else {
        sum = tvm_tiny_plain_missing_taps(sum, weights, zero_point, kernel_w, channels);
      }
      weights += kernel_w * channels;
#ifdef __riscv
      /* Without this, gcc for RISC-V loads whole windows before it multiplies. */
      TVM_TINY_PLAIN_HIDE(weights);
#endif
    }
    out[c] = tvm_tiny_plain_output(sum, p[1], p[2], p[3], float32, low, high);
  }
}

/* Computes tvm_tiny_plain_depthwise and tvm_tiny_plain_depthwise_float32. */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise_any(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  const int32_t first = -pad_left;
  const int32_t last = (out_width - 1) * stride_w - pad_left;
  const int8_t* rows[TVM_TINY_PLAIN_ROWS];
  int32_t column = first;
  int32_t missing = 0;
  int32_t ky;
  TVM_TINY_PLAIN_UNROLL
  for (ky = 0; ky < kernel_h; ky++) {
    rows[ky] = lines[ky] < 0 ? 0 : x + lines[ky] * (width * channels);
    missing |= lines[ky];
  }
  for (; column <= last; column += stride_w) {
    if (missing < 0 || column < 0 || column + kernel_w > width) {
      tvm_tiny_plain_depthwise_pixel(rows, w, params, float32, out, zero_point, low, high, width,
                                     channels, kernel_h, kernel_w, 1, column, first, last);
    } else {
      tvm_tiny_plain_depthwise_pixel(rows, w, params, float32, out, zero_point, low, high, width,
                                     channels, kernel_h, kernel_w, 0, column, first, last);
    }
    out += channels;
  }
}

/*
 * Computes one output row of a depthwise convolution, out[out_width][channels], with TFLite's
 * rounding.
 *
 * w is int8 [kernel_h * kernel_w][channels], kernel_h <= TVM_TINY_PLAIN_ROWS. lines[kernel_h] are
 * the input rows, NHWC, negative where there is none. Outputs are written pixel by pixel and
 * channel by channel, each after its own window has been read, so outputs may replace input that is
 * no longer needed.
 */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise(const int8_t* x, const int32_t* lines,
                                              const int8_t* w, const int32_t* params, int8_t* out,
                                              int32_t zero_point, int32_t low, int32_t high,
                                              int32_t width, int32_t channels, int32_t kernel_h,
                                              int32_t kernel_w, int32_t stride_w, int32_t pad_left,
                                              int32_t out_width) {
  tvm_tiny_plain_depthwise_any(x, lines, w, params, 0, out, zero_point, low, high, width, channels,
                               kernel_h, kernel_w, stride_w, pad_left, out_width);
}

/* Computes one output row of a depthwise convolution with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  tvm_tiny_plain_depthwise_any(x, lines, w, params, 1, out, zero_point, low, high, width, channels,
                               kernel_h, kernel_w, stride_w, pad_left, out_width);
}

#endif /* TVM_TINY_PLAIN_DEPTHWISE_H */
