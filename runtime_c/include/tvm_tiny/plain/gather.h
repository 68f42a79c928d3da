/* Columns of a convolution (im2col): the windows of output pixels, as int8. */
#ifndef TVM_TINY_PLAIN_GATHER_H
#define TVM_TINY_PLAIN_GATHER_H

#include "tvm_tiny/plain/common.h"

/* Copies a constant number of bytes, in words where the core can do that and it is faster. */
TVM_TINY_INLINE void tvm_tiny_plain_copy(const int8_t* from, int8_t* to, int32_t bytes) {
  int32_t k = 0;
#if defined(__GNUC__)
#if defined(__ARM_FEATURE_UNALIGNED)
  const int words = 1;
#else
  const int words = bytes >= 8 && (((uintptr_t)from | (uintptr_t)to) & 3u) == 0u;
#endif
  if (words) {
    TVM_TINY_PLAIN_UNROLL
    for (; k + 4 <= bytes; k += 4) {
#if defined(__ARM_FEATURE_UNALIGNED)
      __builtin_memcpy(to + k, from + k, 4);
#else
      __builtin_memcpy(__builtin_assume_aligned(to + k, 4), __builtin_assume_aligned(from + k, 4),
                       4);
#endif
    }
  }
#endif
  TVM_TINY_PLAIN_UNROLL
  for (; k < bytes; k++) {
    to[k] = from[k];
  }
}

/*
 * Writes the windows of `pixels` neighbouring outputs to cols [pixels][kernel_h * kernel_w *
 * channels].
 *
 * The first window begins at input column `column`, which may be outside [0, width).
 * lines[kernel_h] are the input rows, negative where there is none.
 */
TVM_TINY_INLINE void tvm_tiny_plain_gather(const int8_t* x, const int32_t* lines, int8_t* cols,
                                           int32_t column, int32_t zero_point, int32_t pixels,
                                           int32_t width, int32_t channels, int32_t kernel_h,
                                           int32_t kernel_w, int32_t stride_w, int32_t row_bytes) {
  int32_t p;
  int32_t ky;
  for (p = 0; p < pixels; p++) {
    const int inside = column >= 0 && column + kernel_w <= width;
    for (ky = 0; ky < kernel_h; ky++) {
      const int8_t* const row = lines[ky] < 0 ? 0 : x + lines[ky] * row_bytes;
      if (row != 0 && inside) {
        tvm_tiny_plain_copy(row + column * channels, cols, kernel_w * channels);
        cols += kernel_w * channels;
      } else {
        int32_t kx;
        for (kx = column; kx < column + kernel_w; kx++) {
          if (row != 0 && kx >= 0 && kx < width) {
            tvm_tiny_plain_copy(row + kx * channels, cols, channels);
            cols += channels;
          } else {
            int8_t* const end = cols + channels;
            while (cols != end) {
              *cols++ = (int8_t)zero_point;
            }
          }
        }
      }
    }
    column += stride_w;
  }
}

#endif /* TVM_TINY_PLAIN_GATHER_H */
