/*
 * Convolution without im2col: input is widened as it is read.
 *
 * This takes no scratch, and 17 instructions for 16 products in place of 12.
 */
#ifndef TVM_TINY_DSP_DIRECT_CONVOLUTION_H
#define TVM_TINY_DSP_DIRECT_CONVOLUTION_H

#include "tvm_tiny/dsp/requantize.h"
#include "tvm_tiny/dsp/products.h"

#if TVM_TINY_DSP

/* Instructions for one quad of two pixels, `step` bytes apart, and two paired filters. */
#define TVM_TINY_DSP_QUAD_IN_PLACE_2X2   \
  "ldr r9, [%[x], %[step]]\n\t"          \
  "ldr r8, [%[x]], #4\n\t"               \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"    \
  "sxtab16 r10, %[minus], r8\n\t"        \
  "sxtab16 r11, %[minus], r9\n\t"        \
  "sxtab16 r8, %[minus], r8, ror #8\n\t" \
  "sxtab16 r9, %[minus], r9, ror #8\n\t" \
  "smlad %[s01], %[w0], r10, %[s01]\n\t" \
  "smlad %[s11], %[w0], r11, %[s11]\n\t" \
  "sxtb16 %[w0], %[w0]\n\t"              \
  "smlad %[s00], %[w0], r10, %[s00]\n\t" \
  "smlad %[s10], %[w0], r11, %[s10]\n\t" \
  "smlad %[s01], %[w1], r8, %[s01]\n\t"  \
  "smlad %[s11], %[w1], r9, %[s11]\n\t"  \
  "sxtb16 %[w1], %[w1]\n\t"              \
  "smlad %[s00], %[w1], r8, %[s00]\n\t"  \
  "smlad %[s10], %[w1], r9, %[s10]\n\t"

/* Runs such instructions; s<pixel><filter> are the sums. */
#define TVM_TINY_DSP_RUN_IN_PLACE_2X2(text)                                           \
  __asm__ volatile(text                                                               \
                   : [x] "+r"(from), [w] "+r"(row), [s00] "+r"(s00), [s01] "+r"(s01), \
                     [s10] "+r"(s10), [s11] "+r"(s11), [w0] "=&r"(w0), [w1] "=&r"(w1) \
                   : [minus] "r"(minus), [step] "i"(step)                             \
                   : "r8", "r9", "r10", "r11", "memory")

/* Adds the products of two pixels, `step` bytes apart, and two paired filters to acc[p * 2 + f].
 * kernel_h rows of `quads` words are read from x on, the first pixel's place in a row. w: paired
 * filters, as for dot_2x2p. */
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

/* Instructions for one quad of one pixel and two paired filters. */
#define TVM_TINY_DSP_QUAD_IN_PLACE_1X2   \
  "ldr r8, [%[x]], #4\n\t"               \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"    \
  "sxtab16 r9, %[minus], r8\n\t"         \
  "sxtab16 r8, %[minus], r8, ror #8\n\t" \
  "smlad %[s1], %[w0], r9, %[s1]\n\t"    \
  "sxtb16 %[w0], %[w0]\n\t"              \
  "smlad %[s0], %[w0], r9, %[s0]\n\t"    \
  "smlad %[s1], %[w1], r8, %[s1]\n\t"    \
  "sxtb16 %[w1], %[w1]\n\t"              \
  "smlad %[s0], %[w1], r8, %[s0]\n\t"

/* Runs such instructions; s<filter> are the sums. */
#define TVM_TINY_DSP_RUN_IN_PLACE_1X2(text)                                                       \
  __asm__ volatile(text                                                                           \
                   : [x] "+r"(from), [w] "+r"(row), [s0] "+r"(s0), [s1] "+r"(s1), [w0] "=&r"(w0), \
                     [w1] "=&r"(w1)                                                               \
                   : [minus] "r"(minus)                                                           \
                   : "r8", "r9", "memory")

/* Adds the products of one pixel and two paired filters to acc[f]. Of its window, which begins at
 * x, columns first .. end - 1 are in the input; each has `quads` words. */
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
        TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_IN_PLACE_1X2, TVM_TINY_DSP_QUAD_IN_PLACE_1X2, quads)
      }
    }
  }
  acc[0] = s0;
  acc[1] += tvm_tiny_dsp_second(s1, s0);
}

/* Operands that all pixels of an output row share. */
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

/* Computes out[p * filters + f], p < pixels <= 2, f < count <= 2. Windows begin at `column` and
 * are `step` bytes apart. step and float32 are constants of the instructions, and so no members of
 * row. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_tile(const struct tvm_tiny_dsp_row* row, int32_t column,
                                                const int16_t* w, const int32_t* params,
                                                int8_t* out, int32_t pixels, int32_t count,
                                                int32_t step, int float32) {
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

/* Computes all filters of one or two pixels. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_pixels(const struct tvm_tiny_dsp_row* row,
                                                  int32_t column, const int16_t* w,
                                                  const int32_t* params, int8_t* out,
                                                  int32_t pixels, int32_t step, int float32) {
  const int32_t block = row->kernel_h * row->kernel_w * row->channels;
  int32_t f;
  TVM_TINY_DSP_LOOP
  for (f = 0; f + 1 < row->filters; f += 2) {
    tvm_tiny_dsp_in_place_tile(row, column, w, params + 2 * f, out + f, pixels, 2, step, float32);
    w += block;
  }
  if ((row->filters & 1) != 0) {
    tvm_tiny_dsp_in_place_tile(row, column, w, params + 2 * f, out + f, pixels, 1, step, float32);
  }
}

/* Computes an output row; see tvm_tiny_dsp_in_place below. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_of(const int8_t* x, const int32_t* lines,
                                              const int16_t* w, const int32_t* params, int float32,
                                              int8_t* out, int32_t x_zero_point,
                                              int32_t y_zero_point, int32_t low, int32_t high,
                                              int32_t width, int32_t channels, int32_t kernel_h,
                                              int32_t kernel_w, int32_t stride_w, int32_t pad_left,
                                              int32_t out_width, int32_t filters, int32_t pixels) {
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

#else

/* Adds the products of one pixel, whose window begins at `column`, and two paired filters to
 * sums[f]. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_sums(const int8_t* x, const int32_t* lines,
                                                const int16_t* w, int32_t* sums, int32_t column,
                                                int32_t zero_point, int32_t width, int32_t channels,
                                                int32_t kernel_h, int32_t kernel_w) {
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

/* Computes an output row in portable C; see tvm_tiny_dsp_in_place below. */
TVM_TINY_INLINE void tvm_tiny_dsp_in_place_of(const int8_t* x, const int32_t* lines,
                                              const int16_t* w, const int32_t* params, int float32,
                                              int8_t* out, int32_t x_zero_point,
                                              int32_t y_zero_point, int32_t low, int32_t high,
                                              int32_t width, int32_t channels, int32_t kernel_h,
                                              int32_t kernel_w, int32_t stride_w, int32_t pad_left,
                                              int32_t out_width, int32_t filters, int32_t pixels) {
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
                                   acc + 2 * p, (ox + p) * stride_w - pad_left, x_zero_point, width,
                                   channels, kernel_h, kernel_w);
      }
      tvm_tiny_dsp_requantize_any(acc, 2, params + 2 * f, float32, out + ox * filters + f, there,
                                  count, filters, y_zero_point, low, high);
    }
  }
}

#endif /* TVM_TINY_DSP */

/*
 * Defines tvm_tiny_dsp_in_place and tvm_tiny_dsp_in_place_float32, which compute one output row of
 * a convolution, out[out_width][filters], `pixels` (1 or 2) at a time.
 *
 * w has paired filters as for dot_2x2p, [ceil(filters / 2)][kernel_h * kernel_w * channels].
 * channels is a multiple of 4, and two pixels are less than 4096 bytes apart. lines[kernel_h] are
 * the input rows, negative where there is none.
 */
#define TVM_TINY_DSP_IN_PLACE(suffix, float32)                                                     \
  TVM_TINY_INLINE void tvm_tiny_dsp_in_place##suffix(                                              \
      const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int8_t* out, \
      int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high, int32_t width,        \
      int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,    \
      int32_t out_width, int32_t filters, int32_t pixels) {                                        \
    tvm_tiny_dsp_in_place_of(x, lines, w, params, float32, out, x_zero_point, y_zero_point, low,   \
                             high, width, channels, kernel_h, kernel_w, stride_w, pad_left,        \
                             out_width, filters, pixels);                                          \
  }
TVM_TINY_DSP_IN_PLACE(, 0)
TVM_TINY_DSP_IN_PLACE(_float32, 1)
#undef TVM_TINY_DSP_IN_PLACE

#endif /* TVM_TINY_DSP_DIRECT_CONVOLUTION_H */
