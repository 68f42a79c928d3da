/* Depthwise convolution of an output row, over a window of four channels in scratch. */
#ifndef TVM_TINY_DSP_DEPTHWISE_H
#define TVM_TINY_DSP_DEPTHWISE_H

#include <stddef.h>

#include "tvm_tiny/dsp/requantize.h"
#include "tvm_tiny/dsp/depthwise_sums.h"
#include "tvm_tiny/dsp/window.h"

/* ---- Portable C for any kernel --------------------------------------------------------------- */

/* Writes x minus the zero point to scratch[c][ky][column] for channels c < block; 0 outside the
 * input. */
TVM_TINY_INLINE void tvm_tiny_dsp_window_any(const int8_t* x, const int32_t* lines,
                                             int16_t* scratch, int32_t zero_point, int32_t width,
                                             int32_t channels, int32_t block, int32_t kernel_h,
                                             int32_t pad_left, int32_t columns) {
  int32_t c;
  int32_t ky;
  int32_t i;
  for (c = 0; c < block; c++) {
    for (ky = 0; ky < kernel_h; ky++) {
      for (i = 0; i < columns; i++) {
        const int32_t at = i - pad_left;
        const int inside = lines[ky] >= 0 && at >= 0 && at < width;
        *scratch++ = inside ? (int16_t)(x[(lines[ky] * width + at) * channels + c] - zero_point)
                            : (int16_t)0;
      }
    }
  }
}

/* Returns the sum of a channel's taps; `window` begins at the output's first column. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_window_sum(const int16_t* window, const int8_t* w,
                                                int32_t columns, int32_t kernel_h,
                                                int32_t kernel_w) {
  int32_t sum = 0;
  int32_t ky;
  int32_t kx;
  for (ky = 0; ky < kernel_h; ky++) {
    for (kx = 0; kx < kernel_w; kx++) {
      sum += window[ky * columns + kx] * w[ky * kernel_w + kx];
    }
  }
  return sum;
}

/* Computes an output row as tvm_tiny_dsp_depthwise, for any kernel. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_any(const int8_t* x, const int32_t* lines,
                                                const int8_t* w, const int32_t* params, int float32,
                                                int8_t* out, int16_t* scratch, int32_t x_zero_point,
                                                int32_t y_zero_point, int32_t low, int32_t high,
                                                int32_t width, int32_t channels, int32_t kernel_h,
                                                int32_t kernel_w, int32_t stride_w,
                                                int32_t pad_left, int32_t out_width) {
  const int32_t columns = (out_width - 1) * stride_w + kernel_w;
  const int32_t filter = kernel_h * kernel_w;
  int32_t c;
  int32_t ox;
  for (c = 0; c < channels; c++) {
    const int16_t* window = scratch + c % 4 * kernel_h * columns;
    if (c % 4 == 0) {
      tvm_tiny_dsp_window_any(x + c, lines, scratch, x_zero_point, width, channels,
                              channels - c < 4 ? channels - c : 4, kernel_h, pad_left, columns);
    }
    for (ox = 0; ox < out_width; ox++) {
      out[ox * channels + c] = tvm_tiny_dsp_rescale_any(
          tvm_tiny_dsp_bias(params + 2 * c, float32) +
              tvm_tiny_dsp_window_sum(window + ox * stride_w, w + c * filter, columns, kernel_h,
                                      kernel_w),
          params + 2 * c, float32, y_zero_point, low, high);
    }
  }
}

#if TVM_TINY_DSP

/* ---- Outputs of one channel ------------------------------------------------------------------ */

/* Constants of a channel. They are in memory, as the sums need the registers. pitch: bytes between
 * two outputs; pitch3: three times that. */
struct tvm_tiny_dsp_channel {
  int32_t bias;
  struct tvm_tiny_dsp_scale scale;
  int32_t pitch;
  int32_t pitch3;
};
/* Assembler loads and stores neighbouring members as two words. */
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_channel, bias, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_channel, scale, 4);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_channel, pitch, 16);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_channel, pitch3, 20);

/* Requantizes n sums of one channel with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_dsp_outputs_float32(int32_t* acc,
                                                  const struct tvm_tiny_dsp_channel* channel,
                                                  int8_t* out, int32_t pitch, int32_t low,
                                                  int32_t high, int32_t n) {
  const tvm_tiny_dsp_factor factor = tvm_tiny_dsp_factor_at(&channel->scale.multiplier);
  const int32_t zero_point = channel->scale.offset;
  int32_t j;
  TVM_TINY_DSP_UNROLL
  for (j = 0; j + 1 < n; j += 2) {
    tvm_tiny_dsp_rounded_two(acc + j, factor, acc + j + 1, factor);
  }
  if ((n & 1) != 0) {
    acc[n - 1] = tvm_tiny_dsp_rounded(acc[n - 1], factor);
  }
  TVM_TINY_DSP_UNROLL
  for (j = 0; j < n; j++) {
    out[j * pitch] = tvm_tiny_dsp_limit_sum(acc[j], zero_point, low, high);
  }
}

/* Computes n neighbouring outputs of one channel. */
TVM_TINY_INLINE void tvm_tiny_dsp_outputs(const tvm_tiny_dsp_word* window,
                                          const tvm_tiny_dsp_word* row, const uint32_t* taps,
                                          const struct tvm_tiny_dsp_channel* channel, int float32,
                                          int8_t* out, int32_t low, int32_t high, int32_t kernel_h,
                                          int32_t kernel_w, int32_t stride, int32_t n) {
  struct tvm_tiny_dsp_scale scale;
  int32_t acc[4];
  int32_t pitch;
  int32_t j;
  __asm__ volatile("" ::: "memory");
  tvm_tiny_dsp_sums(window, row, (const tvm_tiny_dsp_word*)taps, kernel_h, kernel_w, stride, n,
                    channel->bias, acc);
  __asm__ volatile("" ::: "memory");
  pitch = channel->pitch;
  if (float32) {
    tvm_tiny_dsp_outputs_float32(acc, channel, out, pitch, low, high, n);
    return;
  }
  scale = channel->scale;
  TVM_TINY_DSP_UNROLL
  for (j = 0; j < n; j++) {
    out[j * pitch] = tvm_tiny_dsp_rescale(acc[j], scale, low, high);
  }
}

/* Computes 4 * count outputs of a 3x3 kernel of stride 1. The results are those of
 * tvm_tiny_dsp_outputs; this order of instructions needs the fewest registers. Loads advance the
 * pointers. */
TVM_TINY_INLINE void tvm_tiny_dsp_fours_3x3(const tvm_tiny_dsp_word** windows,
                                            const tvm_tiny_dsp_word** rows, const uint32_t* taps,
                                            const struct tvm_tiny_dsp_channel* channel, int float32,
                                            int8_t** outs, int32_t low, int32_t high,
                                            int32_t count) {
  const tvm_tiny_dsp_word* window = *windows;
  const tvm_tiny_dsp_word* row = *rows;
  const tvm_tiny_dsp_word* const end = window + 24 * count;
  int8_t* out = *outs;
  while (window != end) {
    int32_t s0;
    int32_t s1;
    int32_t s2;
    int32_t s3;
    uint32_t x0;
    uint32_t x1;
    int32_t t;
    __asm__ volatile(
        "ldr %[t], %[bias]\n\t"
        "ldrd r8, r9, %[w01]\n\t"
        "ldr r10, %[w2]\n\t"
        "ldrd %[x0], %[x1], [%[window]], #48\n\t"
        "smlad %[s0], %[x0], r8, %[t]\n\t"
        "smlad %[s0], %[x1], r9, %[s0]\n\t"
        "smlad %[s1], %[x1], r8, %[t]\n\t"
        "ldrd %[x0], %[x1], [%[window]], #48\n\t"
        "smlad %[s0], %[x0], r10, %[s0]\n\t"
        "smlad %[s1], %[x0], r9, %[s1]\n\t"
        "smlad %[s2], %[x0], r8, %[t]\n\t"
        "smlad %[s1], %[x1], r10, %[s1]\n\t"
        "smlad %[s2], %[x1], r9, %[s2]\n\t"
        "smlad %[s3], %[x1], r8, %[t]\n\t"
        "ldrd %[x0], %[x1], [%[window]]\n\t"
        "smlad %[s2], %[x0], r10, %[s2]\n\t"
        "smlad %[s3], %[x0], r9, %[s3]\n\t"
        "smlad %[s3], %[x1], r10, %[s3]\n\t"
        "ldrd r8, r9, %[row01]\n\t"
        "ldr %[x0], [%[row]], #48\n\t"
        "ldr %[x1], [%[row]], #48\n\t"
        "ldr r10, [%[row]]\n\t"
        "smlad %[s0], %[x0], r8, %[s0]\n\t"
        "smlatb %[s1], %[x0], r8, %[s1]\n\t"
        "smlabt %[s0], %[x1], r9, %[s0]\n\t"
        "smlad %[s1], %[x1], r9, %[s1]\n\t"
        "smlad %[s2], %[x1], r8, %[s2]\n\t"
        "smlatb %[s3], %[x1], r8, %[s3]\n\t"
        "smlabt %[s2], r10, r9, %[s2]\n\t"
        "smlad %[s3], r10, r9, %[s3]"
        : [window] "+r"(window), [row] "+r"(row), [s0] "=&r"(s0), [s1] "=&r"(s1), [s2] "=&r"(s2),
          [s3] "=&r"(s3), [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
        : [bias] "m"(channel->bias), [w01] "m"(*(const tvm_tiny_dsp_words*)taps), [w2] "m"(taps[2]),
          [row01] "m"(*(const tvm_tiny_dsp_words*)(taps + 3))
        : "r8", "r9", "r10", "memory");
    if (float32) {
      int32_t acc[4];
      acc[0] = s0;
      acc[1] = s1;
      acc[2] = s2;
      acc[3] = s3;
      tvm_tiny_dsp_outputs_float32(acc, channel, out, channel->pitch, low, high, 4);
      out += 4 * channel->pitch;
    } else if (low <= -128 && high >= 127) {
      /* clang-format off */
#define TVM_TINY_DSP_RESCALE(sum, place)   \
  "lsl %[t], " sum ", #1\n\t"              \
  "add " sum ", r10, " sum ", asr #31\n\t" \
  "smmlar %[t], %[t], r9, " sum "\n\t"     \
  "asr %[t], %[t], r8\n\t"                 \
  "ssat %[t], #8, %[t], asr #1\n\t"        \
  "strb %[t], [%[out]" place "]\n\t"
      __asm__ volatile(
          "ldrd r8, r9, %[scale]\n\t"
          "ldr r10, %[offset]\n\t"
          "ldrd %[x0], %[x1], %[pitch]\n\t"
          TVM_TINY_DSP_RESCALE("%[s0]", "")
          TVM_TINY_DSP_RESCALE("%[s1]", ", %[x0]")
          TVM_TINY_DSP_RESCALE("%[s2]", ", %[x0], lsl #1")
          TVM_TINY_DSP_RESCALE("%[s3]", ", %[x1]")
          "add %[out], %[out], %[x0], lsl #2"
          : [out] "+r"(out), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3),
            [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)
          : [scale] "m"(*(const tvm_tiny_dsp_words*)(const void*)&channel->scale),
            [offset] "m"(channel->scale.offset),
            [pitch] "m"(*(const tvm_tiny_dsp_words*)(const void*)&channel->pitch)
          : "r8", "r9", "r10", "memory");
/* clang-format on */
#undef TVM_TINY_DSP_RESCALE
    } else {
      const struct tvm_tiny_dsp_scale scale = channel->scale;
      const int32_t pitch = channel->pitch;
      out[0] = tvm_tiny_dsp_rescale(s0, scale, low, high);
      out[pitch] = tvm_tiny_dsp_rescale(s1, scale, low, high);
      out[2 * pitch] = tvm_tiny_dsp_rescale(s2, scale, low, high);
      out[3 * pitch] = tvm_tiny_dsp_rescale(s3, scale, low, high);
      out += 4 * pitch;
    }
  }
  *windows = window;
  *rows = row;
  *outs = out;
}

/* ---- Output rows ----------------------------------------------------------------------------- */

/* Prepares the weights and constants of one channel for its row. */
TVM_TINY_INLINE void tvm_tiny_dsp_prepare(const int8_t* w, const int32_t* params, int float32,
                                          const uint32_t* there, uint32_t* taps,
                                          struct tvm_tiny_dsp_channel* channel, int32_t zero_point,
                                          int32_t kernel_h, int32_t kernel_w) {
  if (kernel_h == 3 && kernel_w == 3) {
    uint32_t x0;
    uint32_t x1;
    /* The results of the general case below, in the order that needs the fewest registers. */
    /* clang-format off */
#define TVM_TINY_DSP_PREPARE(parameters, given)                                      \
    __asm__ volatile(                                                                \
        "ldr r8, [%[w]]\n\t"                                                         \
        "ldr r9, [%[w], #3]\n\t"                                                     \
        "ldr r10, [%[w], #6]\n\t"                                                    \
        "ldrd %[x0], %[x1], %[there01]\n\t"                                          \
        "and r8, r8, %[x0]\n\t"                                                      \
        "ldr %[x0], %[there2]\n\t"                                                   \
        "and r9, r9, %[x1]\n\t"                                                      \
        "and r10, r10, %[x0]\n\t"                                                    \
        "pkhbt %[x0], r8, r9, lsl #16\n\t"                                           \
        "pkhtb %[x1], r9, r8, asr #16\n\t"                                           \
        "sxtb16 r8, %[x0]\n\t"                                                       \
        "sxtb16 r9, %[x0], ror #8\n\t"                                               \
        "sxtb16 %[x1], %[x1]\n\t"                                                    \
        "strd r8, r9, %[taps01]\n\t"                                                 \
        "str %[x1], %[taps2]\n\t"                                                    \
        "sxtb16 r8, r10\n\t"                                                         \
        "sxtb16 r9, r10, ror #8\n\t"                                                 \
        "pkhbt %[x0], r8, r9, lsl #16\n\t"                                           \
        "lsl r9, r9, #16\n\t"                                                        \
        "pkhtb %[x1], r8, r9, asr #16\n\t"                                           \
        "strd %[x0], %[x1], %[taps34]\n\t"                                           \
        "ldrd r8, r9, [%[params]]\n\t" parameters                                    \
        : [x0] "=&r"(x0), [x1] "=&r"(x1), [taps01] "=m"(*(tvm_tiny_dsp_words*)taps), \
          [taps2] "=m"(taps[2]), [taps34] "=m"(*(tvm_tiny_dsp_words*)(taps + 3)),    \
          [bias] "=m"(*(tvm_tiny_dsp_words*)(void*)&channel->bias),                  \
          [multiplier] "=m"(*(tvm_tiny_dsp_words*)(void*)&channel->scale.multiplier) \
        : [w] "r"(w), [params] "r"(params), [number] "r"(given),                     \
          [there01] "m"(*(const tvm_tiny_dsp_words*)there), [there2] "m"(there[2])   \
        : "r8", "r9", "r10", "memory")
    if (float32) {
      TVM_TINY_DSP_PREPARE("strd r9, %[number], %[multiplier]\n\t"
                           "str r8, %[bias]", zero_point);
    } else {
      TVM_TINY_DSP_PREPARE("lsl r10, %[number], r8\n\t"
                           "asr %[x0], r8, #8\n\t"
                           "strd r9, r10, %[multiplier]\n\t"
                           "strd %[x0], r8, %[bias]", 2 * zero_point + 1);
    }
/* clang-format on */
#undef TVM_TINY_DSP_PREPARE
  } else {
    const struct tvm_tiny_dsp_scale scale = tvm_tiny_dsp_scale(params, float32, zero_point);
    tvm_tiny_dsp_read_taps(taps, w, there, kernel_h, kernel_w);
    channel->bias = float32 ? (int32_t)scale.word : (int32_t)scale.word >> 8;
    channel->scale = scale;
    __asm__ volatile("" ::"r"(taps), "r"(channel) : "memory");
  }
}

/* Computes one output row of one channel. `channel` and `taps` are working memory. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_channel(
    const tvm_tiny_dsp_word* window, const tvm_tiny_dsp_word* row, const int8_t* w,
    const int32_t* params, int float32, int8_t* out, const uint32_t* there, uint32_t* taps,
    struct tvm_tiny_dsp_channel* channel, int32_t zero_point, int32_t low, int32_t high,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t out_width) {
  int32_t n = out_width >> 2;
  tvm_tiny_dsp_prepare(w, params, float32, there, taps, channel, zero_point, kernel_h, kernel_w);
  if (kernel_h == 3 && kernel_w == 3 && stride_w == 1) {
    tvm_tiny_dsp_fours_3x3(&window, &row, taps, channel, float32, &out, low, high, n);
    n = 0;
  }
#define TVM_TINY_DSP_OUTPUTS(n)                                                                 \
  tvm_tiny_dsp_outputs(window, row, taps, channel, float32, out, low, high, kernel_h, kernel_w, \
                       stride_w, n)
  for (; n > 0; n--) {
    TVM_TINY_DSP_OUTPUTS(4);
    window += 8 * stride_w * kernel_h;
    row += 8 * stride_w * kernel_h;
    out += 4 * channel->pitch;
  }
  if ((out_width & 2) != 0) {
    if ((out_width & 1) != 0) {
      TVM_TINY_DSP_OUTPUTS(3);
    } else {
      TVM_TINY_DSP_OUTPUTS(2);
    }
  } else if ((out_width & 1) != 0) {
    TVM_TINY_DSP_OUTPUTS(1);
  }
#undef TVM_TINY_DSP_OUTPUTS
}

/* Computes an output row of at least 4 channels. Working memory: there, a word for each row, and
 * taps, a word for each word of dsp/depthwise_sums.h. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_of(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int float32,
    int8_t* out, int16_t* scratch, uint32_t* there, uint32_t* taps, int32_t x_zero_point,
    int32_t y_zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  const int32_t columns = (out_width - 1) * stride_w + kernel_w;
  tvm_tiny_dsp_word* const all = (tvm_tiny_dsp_word*)(void*)scratch;
  struct tvm_tiny_dsp_window window;
  struct tvm_tiny_dsp_channel channel;
  int32_t k;
  int32_t c;
  channel.pitch = channels;
  channel.pitch3 = 3 * channels;
  TVM_TINY_DSP_LOOP
  for (k = 0; k < kernel_h; k++) {
    there[k] = lines[k] < 0 ? 0u : ~(uint32_t)0;
  }
  tvm_tiny_dsp_open(&window, lines, all, x_zero_point, width, channels, kernel_h, pad_left,
                    columns);
  for (c = 0; c < channels; c += 4) {
    /* If channels is no multiple of 4, the last four overlap those before. */
    k = channels - c < 4 ? 4 - (channels - c) : 0;
    tvm_tiny_dsp_fill(&window, x + c - k, kernel_h);
    for (; k < 4; k++) {
      tvm_tiny_dsp_depthwise_channel(all + 2 * k, all + 4 * (kernel_h - 1) + k, w, params, float32,
                                     out++, there, taps, &channel, y_zero_point, low, high,
                                     kernel_h, kernel_w, stride_w, out_width);
      w += kernel_h * kernel_w;
      params += 2;
    }
  }
}

/* ---- Functions for common kernels, and the general ones -------------------------------------- */

/* Defines a function for one kernel and stride that layers of all sizes share. limits: high * 256 +
 * (low & 255), used by functions named _clamped; the others have the limits of int8. */
#define TVM_TINY_DSP_DEPTHWISE(name, float32, kernel, taps_words, stride_w, low, high)             \
  TVM_TINY_DSP_ONCE void tvm_tiny_dsp_depthwise_##name(                                            \
      const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,  \
      int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t limits, int32_t width, \
      int32_t channels, int32_t pad_left, int32_t out_width) {                                     \
    uint32_t there[kernel];                                                                        \
    uint32_t taps[taps_words];                                                                     \
    (void)limits;                                                                                  \
    tvm_tiny_dsp_depthwise_of(x, lines, w, params, float32, out, scratch, there, taps,             \
                              x_zero_point, y_zero_point, low, high, width, channels, kernel,      \
                              kernel, stride_w, pad_left, out_width);                              \
  }

/* Defines the functions of one kernel and stride: both roundings, with and without limits. */
#define TVM_TINY_DSP_DEPTHWISES(name, kernel, taps_words, stride_w)                               \
  TVM_TINY_DSP_DEPTHWISE(name, 0, kernel, taps_words, stride_w, -128, 127)                        \
  TVM_TINY_DSP_DEPTHWISE(name##_clamped, 0, kernel, taps_words, stride_w, (int8_t)(limits & 255), \
                         limits >> 8)                                                             \
  TVM_TINY_DSP_DEPTHWISE(name##_float32, 1, kernel, taps_words, stride_w, -128, 127)              \
  TVM_TINY_DSP_DEPTHWISE(name##_float32_clamped, 1, kernel, taps_words, stride_w,                 \
                         (int8_t)(limits & 255), limits >> 8)
TVM_TINY_DSP_DEPTHWISES(3x3_1, 3, 6, 1)
TVM_TINY_DSP_DEPTHWISES(3x3_2, 3, 6, 2)
TVM_TINY_DSP_DEPTHWISES(5x5_1, 5, 15, 1)
TVM_TINY_DSP_DEPTHWISES(5x5_2, 5, 15, 2)
TVM_TINY_DSP_DEPTHWISES(7x7_1, 7, 28, 1)
TVM_TINY_DSP_DEPTHWISES(7x7_2, 7, 28, 2)

/* Calls a shared function if the layer has its kernel and stride. */
#define TVM_TINY_DSP_SHARED(name, kernel, stride)                                                  \
  if (channels >= 4 && kernel_h == (kernel) && kernel_w == (kernel) && stride_w == (stride)) {     \
    if (low <= -128 && high >= 127) {                                                              \
      tvm_tiny_dsp_depthwise_##name(x, lines, w, params, out, scratch, x_zero_point, y_zero_point, \
                                    0, width, channels, pad_left, out_width);                      \
    } else {                                                                                       \
      tvm_tiny_dsp_depthwise_##name##_clamped(x, lines, w, params, out, scratch, x_zero_point,     \
                                              y_zero_point, limits, width, channels, pad_left,     \
                                              out_width);                                          \
    }                                                                                              \
    return;                                                                                        \
  }

/*
 * Defines tvm_tiny_dsp_depthwise and tvm_tiny_dsp_depthwise_float32, which compute one output row
 * of a depthwise convolution: out[ox * channels + c].
 *
 * lines[kernel_h] are the input rows, NHWC, negative where there is none. w is int8
 * [channels][kernel_h][kernel_w] and 3 readable bytes more. scratch has 4 * kernel_h * 4 *
 * ceil(((out_width - 1) * stride_w + kernel_w) / 4) int16. All input of four channels is read
 * before any of their output is written.
 */
#define TVM_TINY_DSP_ROW(suffix, float32)                                                         \
  TVM_TINY_INLINE void tvm_tiny_dsp_depthwise##suffix(                                            \
      const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out, \
      int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,    \
      int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,      \
      int32_t pad_left, int32_t out_width) {                                                      \
    const int32_t limits = high * 256 + (low & 255);                                              \
    TVM_TINY_DSP_SHARED(3x3_1##suffix, 3, 1)                                                      \
    TVM_TINY_DSP_SHARED(3x3_2##suffix, 3, 2)                                                      \
    TVM_TINY_DSP_SHARED(5x5_1##suffix, 5, 1)                                                      \
    TVM_TINY_DSP_SHARED(5x5_2##suffix, 5, 2)                                                      \
    TVM_TINY_DSP_SHARED(7x7_1##suffix, 7, 1)                                                      \
    TVM_TINY_DSP_SHARED(7x7_2##suffix, 7, 2)                                                      \
    if (channels >= 4 && kernel_h <= TVM_TINY_DSP_KERNEL && kernel_w <= TVM_TINY_DSP_KERNEL) {    \
      uint32_t there[TVM_TINY_DSP_KERNEL];                                                        \
      uint32_t taps[TVM_TINY_DSP_KERNEL * TVM_TINY_DSP_KERNEL / 2];                               \
      tvm_tiny_dsp_depthwise_of(x, lines, w, params, float32, out, scratch, there, taps,          \
                                x_zero_point, y_zero_point, low, high, width, channels, kernel_h, \
                                kernel_w, stride_w, pad_left, out_width);                         \
    } else {                                                                                      \
      tvm_tiny_dsp_depthwise_any(x, lines, w, params, float32, out, scratch, x_zero_point,        \
                                 y_zero_point, low, high, width, channels, kernel_h, kernel_w,    \
                                 stride_w, pad_left, out_width);                                  \
    }                                                                                             \
  }
TVM_TINY_DSP_ROW(, 0)
TVM_TINY_DSP_ROW(_float32, 1)
#undef TVM_TINY_DSP_ROW
#undef TVM_TINY_DSP_SHARED

#else

/* Computes one output row of a depthwise convolution with TFLite's rounding. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise(const int8_t* x, const int32_t* lines, const int8_t* w,
                                            const int32_t* params, int8_t* out, int16_t* scratch,
                                            int32_t x_zero_point, int32_t y_zero_point, int32_t low,
                                            int32_t high, int32_t width, int32_t channels,
                                            int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
                                            int32_t pad_left, int32_t out_width) {
  tvm_tiny_dsp_depthwise_any(x, lines, w, params, 0, out, scratch, x_zero_point, y_zero_point, low,
                             high, width, channels, kernel_h, kernel_w, stride_w, pad_left,
                             out_width);
}

/* Computes one output row of a depthwise convolution with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_dsp_depthwise_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int16_t* scratch, int32_t x_zero_point, int32_t y_zero_point, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  tvm_tiny_dsp_depthwise_any(x, lines, w, params, 1, out, scratch, x_zero_point, y_zero_point, low,
                             high, width, channels, kernel_h, kernel_w, stride_w, pad_left,
                             out_width);
}

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_DEPTHWISE_H */
