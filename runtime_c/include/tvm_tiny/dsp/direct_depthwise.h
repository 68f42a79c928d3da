/* Depthwise convolution of an output row without scratch. */
#ifndef TVM_TINY_DSP_DIRECT_DEPTHWISE_H
#define TVM_TINY_DSP_DIRECT_DEPTHWISE_H

#include "tvm_tiny/dsp/requantize.h"
#include "tvm_tiny/dsp/direct_depthwise_pixel.h"

/* Returns the index of weight (c, ky, kx). Weights are in blocks of four channels, and in those in
 * rows. Two neighbouring taps of a channel are beside each other; the last tap of an odd row has
 * its channels in the order of tvm_tiny_dsp_slot. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_tap_at(int32_t c, int32_t ky, int32_t kx, int32_t kernel_h,
                                            int32_t kernel_w) {
  const int32_t row = ((c >> 2) * kernel_h + ky) * kernel_w * 4;
  const int last = (kernel_w & 1) != 0 && kx == kernel_w - 1;
  return row + 4 * (kx & ~1) + (last ? tvm_tiny_dsp_slot(c & 3) : 2 * (c & 3) + (kx & 1));
}

/* Returns the output of channel c for the window that begins at `column`, in portable C. */
TVM_TINY_INLINE int8_t tvm_tiny_dsp_depthwise_one(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int32_t column, int32_t c, int32_t x_zero_point, int32_t y_zero_point, int32_t low,
    int32_t high, int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w) {
  int32_t sum = tvm_tiny_dsp_bias(params + 2 * c, float32);
  int32_t ky;
  int32_t kx;
  for (ky = 0; ky < kernel_h; ky++) {
    for (kx = 0; kx < kernel_w; kx++) {
      const int32_t at = column + kx;
      if (lines[ky] >= 0 && at >= 0 && at < width) {
        sum += (x[(lines[ky] * width + at) * channels + c] - x_zero_point) *
               (w[tvm_tiny_dsp_tap_at(c, ky, kx, kernel_h, kernel_w)] >> 1);
      }
    }
  }
  return tvm_tiny_dsp_rescale_any(sum, params + 2 * c, float32, y_zero_point, low, high);
}

#if TVM_TINY_DSP

/* Largest kernel_w of the functions of dsp/direct_depthwise_pixel.h, and the largest kernel_h that
 * is worth memory of the stack. */
enum { TVM_TINY_DSP_PIXEL_ACROSS = 9, TVM_TINY_DSP_PIXEL_DOWN = 8 };

/* Operands that the pixels of an output row share. from: the rows that exist, `count` of them.
 * bytes: from the weights of such a row to those of the next, and from the last one's to the first
 * one's. */
struct tvm_tiny_dsp_sweep {
  struct tvm_tiny_dsp_pixel pixel;
  struct tvm_tiny_dsp_tapped rows[TVM_TINY_DSP_PIXEL_DOWN + 1];
  const int8_t* from[TVM_TINY_DSP_PIXEL_DOWN];
  int32_t bytes[TVM_TINY_DSP_PIXEL_DOWN]; /* One for each row. */
  const int16_t* w;
  int32_t count;
};

/* Finds the rows that exist and their weights. */
TVM_TINY_INLINE void tvm_tiny_dsp_sweep_rows(struct tvm_tiny_dsp_sweep* s, const int8_t* x,
                                             const int32_t* lines, const int16_t* w,
                                             int32_t row_bytes, int32_t kernel_h,
                                             int32_t kernel_w) {
  int32_t before = 0;
  int32_t start = 0;
  int32_t ky;
  s->count = 0;
  for (ky = 0; ky < kernel_h; ky++) {
    if (lines[ky] >= 0) {
      if (s->count == 0) {
        start = ky;
      } else {
        s->bytes[s->count - 1] = 8 * kernel_w * (ky - before);
      }
      s->from[s->count++] = x + lines[ky] * row_bytes;
      before = ky;
    }
  }
  if (s->count > 0) {
    s->bytes[s->count - 1] = 8 * kernel_w * (kernel_h - before + start);
  }
  s->w = w + 4 * kernel_w * start;
}

/* Calls a function or its _float32 variant, which exists only with a floating-point unit. */
#if TVM_TINY_DSP_FLOAT
#define TVM_TINY_DSP_ROUNDED(function, float32, pixel) \
  do {                                                 \
    if (float32) {                                     \
      function##_float32(pixel);                       \
    } else {                                           \
      function(pixel);                                 \
    }                                                  \
  } while (0)
#else
#define TVM_TINY_DSP_ROUNDED(function, float32, pixel) \
  do {                                                 \
    (void)(float32);                                   \
    function(pixel);                                   \
  } while (0)
#endif

/* Computes one pixel, of whose window at `column` columns first .. end - 1 are in the input, or up
 * to `run` pixels if all are. Returns the number of pixels. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_sweep_pixels(struct tvm_tiny_dsp_sweep* s, int32_t column,
                                                  int32_t first, int32_t end, int32_t kernel_h,
                                                  int32_t kernel_w, int32_t run, int float32) {
  const int32_t half = first & (first < end);
  const int32_t rest = end - first - half;
  const int32_t single = (rest & 1) & (end == kernel_w);
  const int32_t taken = 16 * (half + ((rest + 1) >> 1)) - 8 * single;
  const int three = kernel_w == 3 && kernel_h == 3 && s->count == 3 && end - first > 1;
  const int32_t at = (column + (three ? first : first & ~1)) * s->pixel.channels;
  int32_t k;
  for (k = 0; k < s->count; k++) {
    s->rows[k].x = s->from[k] + at;
    s->rows[k].skip = s->bytes[k] - taken;
  }
  s->pixel.w = s->w;
  s->pixel.more = 0;
  if (three) {
    if (first > 0) {
      TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel_3_left, float32, &s->pixel);
    } else if (end < 3) {
      TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel_3_right, float32, &s->pixel);
    } else {
      s->pixel.more = run - 1;
      TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel_3_whole, float32, &s->pixel);
    }
    return s->pixel.more + 1;
  }
  s->rows[k].x = 0;
  s->pixel.w += 8 * (first >> 1);
  s->pixel.begin = half != 0 ? 5 : rest >> 1;
  s->pixel.pairs = rest >> 1;
  s->pixel.last = (rest & 1) == 0 ? 6 : single != 0 ? 7 : 8;
  TVM_TINY_DSP_ROUNDED(tvm_tiny_dsp_pixel, float32, &s->pixel);
  return 1;
}

/* Computes an output row; see tvm_tiny_dsp_depthwise_in_place below. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_in_place_of(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  const int fits = kernel_h <= TVM_TINY_DSP_PIXEL_DOWN && kernel_w <= TVM_TINY_DSP_PIXEL_ACROSS &&
                   (TVM_TINY_DSP_FLOAT || !float32);
  const int32_t blocks = fits ? channels & ~3 : 0;
  struct tvm_tiny_dsp_sweep sweep;
  int32_t ox = 0;
  int32_t c;
  if (fits) {
    tvm_tiny_dsp_sweep_rows(&sweep, x, lines, w, width * channels, kernel_h, kernel_w);
  }
  sweep.pixel.offset = float32 ? y_zero_point : 2 * y_zero_point + 1;
  sweep.pixel.channels = channels;
  sweep.pixel.minus = (uint32_t)(-x_zero_point & 0xffff) * 0x10001u;
  sweep.pixel.rows = sweep.rows;
  sweep.pixel.step = (stride_w - 1) * channels;
  while (ox < out_width) {
    const int32_t column = ox * stride_w - pad_left;
    const int32_t first = column < 0 ? (-column < kernel_w ? -column : kernel_w) : 0;
    const int32_t end = width - column < kernel_w ? width - column : kernel_w;
    int32_t run = 1;
    if (blocks > 0) {
      if (blocks == channels && end == kernel_w) {
        run = (width - column - kernel_w) / stride_w + 1;
        run = run < out_width - ox ? run : out_width - ox;
      }
      sweep.pixel.params = params;
      sweep.pixel.out = out;
      sweep.pixel.end = out + blocks;
      run = tvm_tiny_dsp_sweep_pixels(&sweep, column, first, end > first ? end : first, kernel_h,
                                      kernel_w, run, float32);
    }
    for (; run > 0; run--) {
      if (low > -128 || high < 127) {
        for (c = 0; c < blocks; c++) {
          out[c] = tvm_tiny_dsp_clamp(out[c], low, high);
        }
      }
      for (c = blocks; c < channels; c++) {
        out[c] = tvm_tiny_dsp_depthwise_one(x, lines, w, params, float32, ox * stride_w - pad_left,
                                            c, x_zero_point, y_zero_point, low, high, width,
                                            channels, kernel_h, kernel_w);
      }
      out += channels;
      ox++;
    }
  }
}

#define TVM_TINY_DSP_FUNCTION TVM_TINY_DSP_ONCE

#else

/* Computes an output row in portable C; see tvm_tiny_dsp_depthwise_in_place below. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_in_place_of(
    const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  int32_t ox;
  int32_t c;
  for (ox = 0; ox < out_width; ox++) {
    for (c = 0; c < channels; c++) {
      out[ox * channels + c] = tvm_tiny_dsp_depthwise_one(
          x, lines, w, params, float32, ox * stride_w - pad_left, c, x_zero_point, y_zero_point,
          low, high, width, channels, kernel_h, kernel_w);
    }
  }
}

#define TVM_TINY_DSP_FUNCTION TVM_TINY_INLINE

#endif /*
 * Defines tvm_tiny_dsp_depthwise_in_place and tvm_tiny_dsp_depthwise_in_place_float32, which
 * compute one output row of a depthwise convolution: out[ox * channels + c].
 *
 * Pixels are computed in order, and in each of them blocks of four channels in order. w has twice
 * the weights, where tvm_tiny_dsp_tap_at says; the last block is whole. lines[kernel_h] are the
 * input rows, NHWC, negative where there is none.
 */

#define TVM_TINY_DSP_DEPTHWISE_IN_PLACE(suffix, float32)                                           \
  TVM_TINY_DSP_FUNCTION void tvm_tiny_dsp_depthwise_in_place##suffix(                              \
      const int8_t* x, const int32_t* lines, const int16_t* w, const int32_t* params, int8_t* out, \
      int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high, int32_t width,        \
      int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,    \
      int32_t out_width) {                                                                         \
    tvm_tiny_dsp_depthwise_in_place_of(x, lines, w, params, float32, out, x_zero_point,            \
                                       y_zero_point, low, high, width, channels, kernel_h,         \
                                       kernel_w, stride_w, pad_left, out_width);                   \
  }
TVM_TINY_DSP_DEPTHWISE_IN_PLACE(, 0)
TVM_TINY_DSP_DEPTHWISE_IN_PLACE(_float32, 1)
#undef TVM_TINY_DSP_DEPTHWISE_IN_PLACE
#undef TVM_TINY_DSP_FUNCTION

#endif /* TVM_TINY_DSP_DIRECT_DEPTHWISE_H */
