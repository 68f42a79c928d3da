/*
 * Columns of a convolution (im2col): the windows of output pixels as int16, minus the zero point.
 *
 * In all functions `minus` is the negated zero point in both halfwords, `step` the distance between
 * the quads of a pixel, and lines[kernel_h] are the input rows, negative where there is none.
 */
#ifndef TVM_TINY_DSP_GATHER_H
#define TVM_TINY_DSP_GATHER_H

#include "tvm_tiny/dsp/common.h"

/* ---- Portable C for one pixel ---------------------------------------------------------------- */

/* Writes the column of one output pixel of any shape, element by element; step counts int16. */
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

#if TVM_TINY_DSP

/* ---- Bytes to quads -------------------------------------------------------------------------- */

/* Writes n quads of one pixel; step counts words. */
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

/* Instructions that write two quads, from the bytes in r9 and r11. */
#define TVM_TINY_DSP_EXPAND                \
  "sxtab16 r8, %[minus], r9\n\t"           \
  "sxtab16 r9, %[minus], r9, ror #8\n\t"   \
  "sxtab16 r10, %[minus], r11\n\t"         \
  "sxtab16 r11, %[minus], r11, ror #8\n\t" \
  "stmia %[to]!, {r8, r9, r10, r11}\n\t"

/* Instructions that write one quad of each of two pixels, d bytes apart. */
#define TVM_TINY_DSP_ACROSS "ldr r11, [%[x], %[d]]\n\tldr r9, [%[x]], #4\n\t" TVM_TINY_DSP_EXPAND

/* Instructions that write two quads of one pixel. */
#define TVM_TINY_DSP_ALONG "ldr r9, [%[x]], #4\n\tldr r11, [%[x]], #4\n\t" TVM_TINY_DSP_EXPAND

/* Runs such instructions from x to `to`. */
#define TVM_TINY_DSP_RUN(text)                      \
  __asm__ volatile(text                             \
                   : [x] "+r"(x), [to] "+r"(to)     \
                   : [minus] "r"(minus), [d] "r"(d) \
                   : "r8", "r9", "r10", "r11", "memory")

/* Writes n quads of each of two pixels, d bytes apart, and returns the end of what it wrote. */
TVM_TINY_DSP_ONCE tvm_tiny_dsp_word* tvm_tiny_dsp_expand_two(const int8_t* x, tvm_tiny_dsp_word* to,
                                                             uint32_t minus, int32_t n, int32_t d) {
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

/* Writes n quads of one pixel, and returns the end of what it wrote. */
TVM_TINY_DSP_ONCE tvm_tiny_dsp_word* tvm_tiny_dsp_expand_one(const int8_t* x, tvm_tiny_dsp_word* to,
                                                             uint32_t minus, int32_t n) {
  const int32_t d = 0;
  int32_t i;
  for (i = n >> 2; i > 0; i--) {
    TVM_TINY_DSP_RUN(TVM_TINY_DSP_ALONG TVM_TINY_DSP_ALONG);
  }
  tvm_tiny_dsp_expand(x, to, minus, n & 3, 2);
  return to + 2 * (n & 3);
}

/* ---- Windows whose rows are whole quads ------------------------------------------------------ */

/* Returns elements k .. k + 3 of a row of a window that is partly outside the input. There elements
 * are the zero point, the low byte of `zeros`. */
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

/* Writes a row of a window that is partly outside the input; its columns are whole quads. */
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

/* Writes a row of a window that is partly outside the input; its columns are not whole quads. */
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

/* Writes n quads of 0, and returns the end of what it wrote. */
TVM_TINY_DSP_ONCE tvm_tiny_dsp_word* tvm_tiny_dsp_blank(tvm_tiny_dsp_word* to, int32_t n) {
  for (; n > 0; n--) {
    *to++ = 0;
    *to++ = 0;
  }
  return to;
}

/* Writes the columns of `pixels` output pixels; rows of the window are whole quads. */
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

/* ---- Other windows --------------------------------------------------------------------------- */

/* Returns bytes k .. k + 3 of rows of `run` bytes one after the other; the zero point from byte
 * `size` on. All but the pointers are constants, so that only loads and shifts are left. */
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

/* Limits of tvm_tiny_dsp_gather_small: quads of a window, and bytes of a row. */
enum { TVM_TINY_DSP_QUADS = 40, TVM_TINY_DSP_BLANK = 32 };

/* Writes the column of one output pixel for a small window with all its columns in the input; rows
 * are not whole quads. */
TVM_TINY_INLINE void tvm_tiny_dsp_gather_small(const int8_t* x, const int32_t* lines,
                                               tvm_tiny_dsp_word* to, int32_t zero_point,
                                               int32_t channels, int32_t kernel_h, int32_t kernel_w,
                                               int32_t row_bytes, int32_t step) {
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

/* Writes the column of one output pixel of any shape that may be partly outside the input; step
 * counts words. */
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
      /* An additional row of the zero point fills the last quad. */
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

/* ---- Windows of any kind --------------------------------------------------------------------- */

/*
 * Writes the columns of `pixels` neighbouring output pixels. The window of the first one begins at
 * input column `column`, which may be outside [0, width).
 *
 * Element k = (ky * kernel_w + kx) * channels + c of pixel p goes to cols[k / 4][p][4] in the
 * element order of dsp.h. It is 0 outside the input and behind the last element.
 */
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
      tvm_tiny_dsp_gather_small(x + at * channels, lines, (tvm_tiny_dsp_word*)(void*)(cols + 4 * i),
                                zero_point, channels, kernel_h, kernel_w, row_bytes, 2 * pixels);
    } else {
      tvm_tiny_dsp_gather_edge(x, lines, (tvm_tiny_dsp_word*)(void*)(cols + 4 * i), 2 * pixels, at,
                               zero_point, width, channels, kernel_h, kernel_w, row_bytes);
    }
  }
}

#else

/* Writes the columns of `pixels` neighbouring output pixels, one after the other. */
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

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_GATHER_H */
