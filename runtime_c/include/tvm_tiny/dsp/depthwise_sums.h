/* Sums of a depthwise convolution over the window of dsp/window.h, one channel at a time. */
#ifndef TVM_TINY_DSP_DEPTHWISE_SUMS_H
#define TVM_TINY_DSP_DEPTHWISE_SUMS_H

#include "tvm_tiny/dsp/common.h"

#if TVM_TINY_DSP

/*
 * Reads the weights w [kernel_h][kernel_w] of one channel as words of two taps.
 *
 * For each two rows these are the two weights of each column. For a last odd row they are elements
 * k and k + 1, as far as both exist. Up to 3 bytes behind a row are loaded and not used. there[r]
 * is all ones, or 0 for a missing row r.
 */
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

/* Adds taps first .. last - 1 of two rows to acc[j], the output at column j * stride, j < n. */
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

/* Adds the taps of a last odd row to acc[j], j < n; row[i * pitch] has its elements 2i and 2i +
 * 1. */
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

/* Computes acc[j] = bias + all taps of the output at column j * stride of the window, j < n. */
TVM_TINY_INLINE void tvm_tiny_dsp_sums(const tvm_tiny_dsp_word* window,
                                       const tvm_tiny_dsp_word* row, const tvm_tiny_dsp_word* taps,
                                       int32_t kernel_h, int32_t kernel_w, int32_t stride,
                                       int32_t n, int32_t bias, int32_t* acc) {
  /* This many weights fit the registers beside four sums. */
  const int32_t at_once = kernel_w <= 5 ? 5 : 4;
  int32_t r;
  int32_t k;
  TVM_TINY_DSP_UNROLL
  for (r = 0; r < n; r++) {
    acc[r] = bias;
  }
#define TVM_TINY_DSP_TWO(unroll)                                                              \
  unroll for (r = 0; r + 1 < kernel_h; r += 2) {                                              \
    TVM_TINY_DSP_UNROLL                                                                       \
    for (k = 0; k < kernel_w; k += at_once) {                                                 \
      tvm_tiny_dsp_two_rows(window, 4 * kernel_h, taps, k,                                    \
                            k + at_once < kernel_w ? k + at_once : kernel_w, stride, n, acc); \
    }                                                                                         \
    window += 8;                                                                              \
    taps += kernel_w;                                                                         \
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

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_DEPTHWISE_SUMS_H */
