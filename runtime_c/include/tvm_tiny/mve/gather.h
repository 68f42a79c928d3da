/* Columns of a convolution (im2col): the windows of output pixels, as int8. */
#ifndef TVM_TINY_MVE_GATHER_H
#define TVM_TINY_MVE_GATHER_H

#include "tvm_tiny/mve/memory.h"

/* Copies a row of a window that lies inside the input. Up to 256 bytes take no loop. */
TVM_TINY_INLINE void tvm_tiny_mve_gather_inside(int8_t* to, const int8_t* from, int32_t count) {
#if TVM_TINY_MVE
  if (count <= 256) {
    int32_t k;
#pragma GCC unroll 16
    for (k = 0; k + 16 <= count; k += 16) {
      vstrbq_s8(to + k, vldrbq_s8(from + k));
    }
    if (k < count) {
      mve_pred16_t some;
      __asm__ volatile(
          "vctp.8 %[count]\n\t"
          "vpstt\n\t"
          "vldrbt.u8 q0, [%[from]]\n\t"
          "vstrbt.8 q0, [%[to]]\n\t"
          : "=Up"(some)
          : [from] "r"(from + k), [to] "r"(to + k), [count] "r"(count - k)
          : "q0", "memory");
    }
    return;
  }
#endif
  tvm_tiny_mve_copy(to, from, count);
}

/* Copies a row of a window that lies partly outside the input, or of a missing row: the zero point
 * to the left and to the right of what exists. */
TVM_TINY_INLINE void tvm_tiny_mve_gather_edge(int8_t* to, const int8_t* row, int32_t column,
                                              int32_t zero_point, int32_t width, int32_t channels,
                                              int32_t kernel_w) {
  const int32_t before = row == 0 ? kernel_w : column < 0 ? -column : 0;
  const int32_t left = before < kernel_w ? before : kernel_w;
  const int32_t after = width - column < kernel_w ? width - column : kernel_w;
  const int32_t right = after > left ? after : left;
  tvm_tiny_mve_fill(to, zero_point, left * channels);
  if (right > left) {
    tvm_tiny_mve_copy(to + left * channels, row + (column + left) * channels,
                      (right - left) * channels);
  }
  tvm_tiny_mve_fill(to + right * channels, zero_point, (kernel_w - right) * channels);
}

/*
 * Writes the windows of `pixels` neighbouring outputs to cols [pixels][kernel_h * kernel_w *
 * channels].
 *
 * The first window begins at input column `column`, which may be outside [0, width).
 * lines[kernel_h] are the input rows, negative where there is none.
 */
TVM_TINY_INLINE void tvm_tiny_mve_gather(const int8_t* x, const int32_t* lines, int8_t* cols,
                                         int32_t column, int32_t zero_point, int32_t pixels,
                                         int32_t width, int32_t channels, int32_t kernel_h,
                                         int32_t kernel_w, int32_t stride_w, int32_t row_bytes) {
  const int32_t span = kernel_w * channels;
  const int32_t last = column + (pixels - 1) * stride_w + kernel_w;
  const int inside = column >= 0 && last <= width;
  int32_t p;
  int32_t ky;
  for (ky = 0; ky < kernel_h; ky++) {
    const int8_t* row = lines[ky] < 0 ? 0 : x + lines[ky] * row_bytes;
    if (inside && lines[ky] >= 0) {
      tvm_tiny_mve_gather_inside(cols, row + column * channels, span);
      for (p = 1; p < pixels; p++) {
        tvm_tiny_mve_gather_inside(cols + p * kernel_h * span,
                                   row + (column + p * stride_w) * channels, span);
      }
    } else {
      for (p = 0; p < pixels; p++) {
        tvm_tiny_mve_gather_edge(cols + p * kernel_h * span, row, column + p * stride_w, zero_point,
                                 width, channels, kernel_w);
      }
    }
    cols += span;
  }
}

#endif /* TVM_TINY_MVE_GATHER_H */
