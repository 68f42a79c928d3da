/* Depthwise convolution of an output row, with the columns of the window in scratch. */
#ifndef TVM_TINY_MVE_DEPTHWISE_H
#define TVM_TINY_MVE_DEPTHWISE_H

#include <stddef.h>

#include "tvm_tiny/mve/memory.h"
#include "tvm_tiny/mve/requantize.h"

/* ---- Instructions that write columns --------------------------------------------------------- */

/* Returns the columns in scratch for two pixels: up to one vector of four more than the last pixel
 * begins with. */
TVM_TINY_INLINE int32_t tvm_tiny_mve_columns(int32_t kernel_h, int32_t kernel_w, int32_t stride_w) {
  const int32_t count = stride_w + (kernel_w + 3) / 4 * 4;
  return kernel_h > 4 || kernel_w > 4 ? (count + 3) & ~3 : count;
}

#if TVM_TINY_MVE

/* Texts of instructions are longer than what C99 asks compilers to take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"

/* clang-format off */
/* Loads `lanes` channels of row k of four from register `a`, which advances to the next column. */
#define TVM_TINY_MVE_ROW(k, a)                                                             \
  TVM_TINY_MVE_IF("%c[lanes] < 16 && %c[C] < 128",                                         \
                  "vpst\n\tvldrbt.u8 q" k ", [" a "], #%c[C]\n\t")                         \
  TVM_TINY_MVE_IF("%c[lanes] < 16 && %c[C] >= 128",                                        \
                  "vpst\n\tvldrbt.u8 q" k ", [" a "]\n\tadd " a ", " a ", r12\n\t")        \
  TVM_TINY_MVE_IF("%c[lanes] > 15 && %c[C] < 128", "vldrb.u8 q" k ", [" a "], #%c[C]\n\t") \
  TVM_TINY_MVE_IF("%c[lanes] > 15 && %c[C] >= 128",                                        \
                  "vldrb.u8 q" k ", [" a "]\n\tadd " a ", " a ", r12\n\t")

/* Instructions for each of n rows, up to four. */
#define TVM_TINY_MVE_ROWS(n, each)           \
  TVM_TINY_MVE_IF(n " > 0", each("0", "r0")) \
  TVM_TINY_MVE_IF(n " > 1", each("1", "r2")) \
  TVM_TINY_MVE_IF(n " > 2", each("2", "r4")) \
  TVM_TINY_MVE_IF(n " > 3", each("3", "r6"))

/* Moves the pointer of a row to the first column. */
#define TVM_TINY_MVE_FROM(k, a) "add " a ", " a ", r1\n\t"

/* Sets a row to the zero point, and moves its pointer to the first column if the row exists. */
#define TVM_TINY_MVE_MAYBE_FROM(k, a) \
  "vdup.8 q" k ", r10\n\tcbz " a ", 9f\n\tadd " a ", " a ", r1\n\t9:\n\t"

/* Loads a row if it exists. */
#define TVM_TINY_MVE_MAYBE_ROW(k, a) "cbz " a ", 9f\n\t" TVM_TINY_MVE_ROW(k, a) "9:\n\t"

/* Stores a column: a word of four rows for each channel. */
#define TVM_TINY_MVE_COLUMN            \
  "vst40.8 {q0, q1, q2, q3}, [r8]\n\t" \
  "vst41.8 {q0, q1, q2, q3}, [r8]\n\t" \
  "vst42.8 {q0, q1, q2, q3}, [r8]\n\t" \
  "vst43.8 {q0, q1, q2, q3}, [r8]!\n\t"

/* Writes all columns of n rows. The first loop is for rows that all exist. */
#define TVM_TINY_MVE_COLUMNS(n)                 \
  "cmp r10, #256\n\t"                           \
  "blo 3f\n\t"                                  \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_FROM)       \
  "wls lr, lr, 5f\n\t"                          \
  "2:\n\t"                                      \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_ROW)        \
  TVM_TINY_MVE_COLUMN                           \
  "le lr, 2b\n\t"                               \
  "b 5f\n\t"                                    \
  "3:\n\t"                                      \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_MAYBE_FROM) \
  "wls lr, lr, 5f\n\t"                          \
  "4:\n\t"                                      \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_MAYBE_ROW)  \
  TVM_TINY_MVE_COLUMN                           \
  "le lr, 4b\n\t"                               \
  "5:\n\t"

/* ---- Instructions that multiply -------------------------------------------------------------- */

/* Multiply 16 weights in q0 by four columns of each pixel, at the vector of addresses `at`. */
#define TVM_TINY_MVE_WORDS_1(at, a, b, offset)    \
  "vldrw.u32 q1, [" at ", #4 * (" offset ")]\n\t" \
  "vmladava.s8 " a ", q1, q0\n\t"
#define TVM_TINY_MVE_WORDS_2(at, a, b, offset)                  \
  TVM_TINY_MVE_WORDS_1(at, a, b, offset)                        \
  "vldrw.u32 q2, [" at ", #4 * (" offset ") + 64 * %c[SW]]\n\t" \
  "vmladava.s8 " b ", q2, q0\n\t"

/* Multiplies the weights of one channel. */
#define TVM_TINY_MVE_CHANNEL(pixels, at, a, b, offset) \
  "vldrb.u8 q0, [r5], #16\n\t" TVM_TINY_MVE_WORDS_##pixels(at, a, b, offset)

/* Multiplies the weights of four channels. */
#define TVM_TINY_MVE_CHANNELS(pixels, at, offset)              \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r0", "r8", offset)         \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r2", "r10", offset " + 1") \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r4", "r12", offset " + 2") \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r6", "lr", offset " + 3")

/* Multiplies vector k of the weights, which is for other columns or other rows. */
#define TVM_TINY_MVE_VECTOR(pixels, k, offset)                                            \
  TVM_TINY_MVE_IF("%c[V] > " k,                                                           \
                  "vmov.i32 q3, #64 * (" k " / %c[KV] * %c[N] + " k " %% %c[KV] * 4)\n\t" \
                  "vadd.i32 q3, q3, q6\n\t"                                               \
                  TVM_TINY_MVE_CHANNELS(pixels, "q3", offset))

/* Computes four channels, from `offset` of the block's 16 on. */
#define TVM_TINY_MVE_GROUP(pixels, offset)                    \
  TVM_TINY_MVE_IF("%c[lanes] > " offset,                      \
                  TVM_TINY_MVE_BIAS_##pixels                  \
                  TVM_TINY_MVE_CHANNELS(pixels, "q6", offset) \
                  TVM_TINY_MVE_VECTOR(pixels, "1", offset)    \
                  TVM_TINY_MVE_VECTOR(pixels, "2", offset)    \
                  TVM_TINY_MVE_VECTOR(pixels, "3", offset)    \
                  TVM_TINY_MVE_VECTOR(pixels, "4", offset)    \
                  TVM_TINY_MVE_VECTOR(pixels, "5", offset)    \
                  TVM_TINY_MVE_RESCALE_##pixels               \
                  TVM_TINY_MVE_STORE_##pixels)

/* Store the outputs of four channels. */
#define TVM_TINY_MVE_STORE_1 "vstrb.32 q4, [r3], #4\n\t"
#define TVM_TINY_MVE_STORE_2 "vstrb.16 q4, [r3, q7]\n\tadd r3, r3, #4\n\t"

/* Loads the k-th struct tvm_tiny_mve_rows of the table. */
#define TVM_TINY_MVE_TABLE(k) \
  "add r0, r9, #32 * " k "\n\tldm r0, {r0, r2, r4, r6, r8, r10, lr}\n\t"

/* Computes one or two pixels, in blocks of 16 channels. */
#define TVM_TINY_MVE_DEPTHWISE(pixels)                                                      \
  "vldrw.u32 q6, [r9, #96]\n\t"                                                             \
  "vldrw.u32 q7, [r9, #112]\n\t"                                                            \
  "1:\n\t"                                                                                  \
  TVM_TINY_MVE_IF("%c[lanes] < 16", "mov r0, #%c[lanes]\n\tvctp.8 r0\n\t")                  \
  TVM_TINY_MVE_IF("%c[C] >= 128", "movw r12, #%c[C]\n\t")                                   \
  "ldm r9, {r0, r2, r4, r6, r8, r10, lr}\n\t"                                               \
  TVM_TINY_MVE_COLUMNS("%c[KH]")                                                            \
  TVM_TINY_MVE_IF("%c[KH] > 4", TVM_TINY_MVE_TABLE("1") TVM_TINY_MVE_COLUMNS("%c[KH] - 4")) \
  TVM_TINY_MVE_IF("%c[KH] > 8", TVM_TINY_MVE_TABLE("2") TVM_TINY_MVE_COLUMNS("%c[KH] - 8")) \
  TVM_TINY_MVE_GROUP(pixels, "0")                                                           \
  TVM_TINY_MVE_GROUP(pixels, "4")                                                           \
  TVM_TINY_MVE_GROUP(pixels, "8")                                                           \
  TVM_TINY_MVE_GROUP(pixels, "12")                                                          \
  "add r1, r1, #16\n\t"                                                                     \
  TVM_TINY_MVE_AGAIN
/* clang-format on */

/* ---- Loops over blocks of channels ----------------------------------------------------------- */

/* Four rows of the window: null for a missing row. to: where their columns go. none: the zero point
 * as a byte, or 256 if all rows exist. columns: how many exist. */
struct tvm_tiny_mve_rows {
  const int8_t* rows[4];
  int32_t* to;
  uint32_t none;
  int32_t columns;
  int32_t unused;
};
/* LDM loads the members. */
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_rows, rows, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_rows, to, 16);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_rows, none, 20);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_rows, columns, 24);
TVM_TINY_STATIC_ASSERT(sizeof(struct tvm_tiny_mve_rows) == 32, tvm_tiny_mve_rows_size);

/* Operands that all blocks share. words: addresses of the first columns of channel 0. offsets: of
 * the outputs of two pixels. */
struct tvm_tiny_mve_table {
  struct tvm_tiny_mve_rows rows[3];
  uint32x4_t words;
  uint16x8_t offsets;
};
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_table, rows, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_table, words, 96);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_table, offsets, 112);

/* Operands of the loops, which load them into r1, r3, r5, r7, r9 and r11. at: offset in a row, in
 * bytes, of the first column. */
struct tvm_tiny_mve_blocks {
  int32_t at;
  int8_t* out;
  const int8_t* w;
  const int32_t* params;
  const struct tvm_tiny_mve_table* table;
  int32_t blocks;
};
/* LDM loads the members. */
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_blocks, at, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_blocks, out, 4);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_blocks, w, 8);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_blocks, params, 12);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_blocks, table, 16);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_blocks, blocks, 20);

/* Computes two pixels. Scratch has N columns; a channel has V vectors of weights, KV of them for
 * the same four rows. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_2(const struct tvm_tiny_mve_blocks* from, int32_t lanes,
                                              int32_t float32, int32_t y_zero, int32_t low,
                                              int32_t high, int32_t C, int32_t KH, int32_t KV,
                                              int32_t V, int32_t N, int32_t SW) {
  register const struct tvm_tiny_mve_blocks* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(TVM_TINY_MVE_DEPTHWISE(2), [lanes] "i"(lanes), TVM_TINY_MVE_RESULT, [C] "i"(C),
                   [KH] "i"(KH), [KV] "i"(KV), [V] "i"(V), [N] "i"(N), [SW] "i"(SW));
}

/* Computes one pixel. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_1(const struct tvm_tiny_mve_blocks* from, int32_t lanes,
                                              int32_t float32, int32_t y_zero, int32_t low,
                                              int32_t high, int32_t C, int32_t KH, int32_t KV,
                                              int32_t V, int32_t N) {
  register const struct tvm_tiny_mve_blocks* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(
      TVM_TINY_MVE_DEPTHWISE(1), [lanes] "i"(lanes),
      TVM_TINY_MVE_RESULT, [C] "i"(C), [KH] "i"(KH), [KV] "i"(KV), [V] "i"(V), [N] "i"(N));
}

/* Writes `count` columns outside the input. */
TVM_TINY_INLINE void tvm_tiny_mve_no_columns(int32_t* to, int32_t count, int32_t zero_point) {
  const int8x16_t value = vdupq_n_s8((int8_t)zero_point);
  int8_t* bytes = (int8_t*)to;
  for (; count > 0; count--) {
    vstrbq_s8(bytes, value);
    vstrbq_s8(bytes + 16, value);
    vstrbq_s8(bytes + 32, value);
    vstrbq_s8(bytes + 48, value);
    bytes += 64;
  }
}

/* Computes one or two pixels of some blocks. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_blocks(struct tvm_tiny_mve_blocks* all, int32_t pixels,
                                                   int32_t lanes, int32_t float32, int32_t y_zero,
                                                   int32_t low, int32_t high, int32_t C, int32_t KH,
                                                   int32_t KV, int32_t V, int32_t N, int32_t SW) {
  if (pixels == 2) {
    tvm_tiny_mve_depthwise_2(all, lanes, float32, y_zero, low, high, C, KH, KV, V, N, SW);
  } else {
    tvm_tiny_mve_depthwise_1(all, lanes, float32, y_zero, low, high, C, KH, KV, V, N);
  }
}

/* ---- Pixels and rows ------------------------------------------------------------------------- */

/* Computes all channels of one or two pixels; the window begins at input column `first`. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_pixels(struct tvm_tiny_mve_table* table,
                                                   const int8_t* w, const int32_t* params,
                                                   int8_t* out, int32_t* scratch, int32_t first,
                                                   int32_t zero_point, int32_t float32,
                                                   int32_t y_zero, int32_t low, int32_t high,
                                                   int32_t width, int32_t C, int32_t KH, int32_t KW,
                                                   int32_t SW, int32_t pixels) {
  const int32_t used = (pixels - 1) * SW + KW;
  const int32_t KV = (KW + 3) / 4;
  const int32_t R = (KH + 3) / 4;
  const int32_t N = tvm_tiny_mve_columns(KH, KW, SW);
  const int32_t pitch = (C + 3) & ~3;
  const int32_t direct = C <= 16 && C == pitch;
  const int32_t whole = C & ~15;
  const int32_t before = first < 0 ? -first : 0;
  const int32_t left = before < used ? before : used;
  const int32_t after = width - first < used ? width - first : used;
  const int32_t right = after > left ? after : left;
  int8_t* const y = direct ? out : (int8_t*)(scratch + 16 * R * N);
  struct tvm_tiny_mve_blocks all;
  int32_t r;
  for (r = 0; r < R; r++) {
    int32_t* const to = scratch + 16 * r * N;
    tvm_tiny_mve_no_columns(to, left, zero_point);
    tvm_tiny_mve_no_columns(to + 16 * right, used - right, zero_point);
    table->rows[r].to = to + 16 * left;
    table->rows[r].columns = right - left;
  }
  all.at = (first + left) * C;
  all.out = y;
  all.w = w;
  all.params = params;
  all.table = table;
  all.blocks = C / 16;
  if (whole > 0) {
    tvm_tiny_mve_depthwise_blocks(&all, pixels, 16, float32, y_zero, low, high, C, KH, KV, R * KV,
                                  N, SW);
  }
  if (C > whole) {
    all.at = (first + left) * C + whole;
    all.out = y + whole;
    all.w = w + whole * R * KV * 16;
    all.params = tvm_tiny_mve_channel(params, whole, float32);
    all.blocks = 1;
    tvm_tiny_mve_depthwise_blocks(&all, pixels, C % 16, float32, y_zero, low, high, C, KH, KV,
                                  R * KV, N, SW);
  }
  if (!direct && C == pitch) {
    tvm_tiny_mve_copy(out, y, pixels * C);
  } else if (!direct) {
    tvm_tiny_mve_copy(out, y, C);
    if (pixels > 1) {
      tvm_tiny_mve_copy(out + C, y + pitch, C);
    }
  }
}

/* Computes an output row with vectors; `first` is the first window's column. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_fast(const int8_t* x, const int32_t* lines,
                                                 const int8_t* w, const int32_t* params,
                                                 int8_t* out, int32_t* scratch, int32_t zero_point,
                                                 int32_t float32, int32_t y_zero, int32_t low,
                                                 int32_t high, int32_t width, int32_t C, int32_t KH,
                                                 int32_t KW, int32_t SW, int32_t first,
                                                 int32_t out_width) {
  struct tvm_tiny_mve_table table;
  int32_t ox;
  int32_t ky;
  table.words = vmlaq_n_u32(vdupq_n_u32((uint32_t)(uintptr_t)scratch), vidupq_n_u32(0, 1), 64);
  table.offsets = vreinterpretq_u16_u32(
      vmlaq_n_u32(vdupq_n_u32((uint32_t)((C + 3) & ~3) << 16), vidupq_n_u32(0, 1), 0x10001u));
  for (ky = 0; ky < KH; ky += 4) {
    table.rows[ky / 4].none = 256;
  }
  for (ky = 0; ky < KH; ky++) {
    struct tvm_tiny_mve_rows* const rows = &table.rows[ky / 4];
    rows->rows[ky % 4] = lines[ky] < 0 ? 0 : x + lines[ky] * width * C;
    rows->none = lines[ky] < 0 ? (uint8_t)zero_point : rows->none;
  }
  for (ox = 0; ox + 2 <= out_width; ox += 2) {
    tvm_tiny_mve_depthwise_pixels(&table, w, params, out + ox * C, scratch, first, zero_point,
                                  float32, y_zero, low, high, width, C, KH, KW, SW, 2);
    first += 2 * SW;
  }
  if (out_width % 2 > 0) {
    tvm_tiny_mve_depthwise_pixels(&table, w, params, out + ox * C, scratch, first, zero_point,
                                  float32, y_zero, low, high, width, C, KH, KW, SW, 1);
  }
}

#pragma GCC diagnostic pop

#endif /* TVM_TINY_MVE */

/* Computes tvm_tiny_mve_depthwise and tvm_tiny_mve_depthwise_float32. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_any(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t* scratch, int32_t zero_point, int32_t float32, int32_t y_zero, int32_t low,
    int32_t high, int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w,
    int32_t stride_w, int32_t pad_left, int32_t out_width) {
  const int32_t groups = (kernel_w + 3) / 4;
  const int32_t vectors = (kernel_h + 3) / 4 * groups;
  int32_t ox;
  int32_t c;
#if TVM_TINY_MVE
  if ((!float32 || TVM_TINY_MVE_FLOAT) && kernel_h <= 12 && vectors <= 6 && stride_w <= 6 &&
      channels < 65536) {
    tvm_tiny_mve_depthwise_fast(x, lines, w, params, out, scratch, zero_point, float32, y_zero, low,
                                high, width, channels, kernel_h, kernel_w, stride_w, -pad_left,
                                out_width);
    return;
  }
#endif
  (void)scratch;
  for (ox = 0; ox < out_width; ox++) {
    for (c = 0; c < channels; c++) {
      int32_t sum = *tvm_tiny_mve_channel(params, c, float32);
      int32_t k;
      for (k = 0; k < kernel_h * kernel_w; k++) {
        const int32_t ky = k / kernel_w;
        const int32_t kx = k % kernel_w;
        const int32_t from = ox * stride_w + kx - pad_left;
        const int inside = lines[ky] >= 0 && from >= 0 && from < width;
        const int32_t vector = c / 4 * vectors + ky / 4 * groups + kx / 4;
        sum += w[vector * 64 + c % 4 * 16 + kx % 4 * 4 + ky % 4] *
               (inside ? x[(lines[ky] * width + from) * channels + c] : zero_point);
      }
      out[ox * channels + c] = tvm_tiny_mve_output(sum, params, c, float32, y_zero, low, high);
    }
  }
}

/*
 * Computes one output row of a depthwise convolution, out[out_width][channels], with TFLite's
 * rounding.
 *
 * lines[kernel_h] are the input rows, NHWC, negative where there is none. An output is written only
 * after its own window and those of all outputs before it have been read, so outputs may replace
 * input that is no longer needed. w is int8 [c / 4][ky / 4][kx / 4][c % 4][kx % 4][ky % 4], 0 where
 * there is no tap or channel. scratch has 16 * ceil(kernel_h / 4) * tvm_tiny_mve_columns() words
 * and 2 bytes for each channel, channels rounded up to a multiple of 4.
 */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise(const int8_t* x, const int32_t* lines, const int8_t* w,
                                            const int32_t* params, int8_t* out, int32_t* scratch,
                                            int32_t zero_point, int32_t low, int32_t high,
                                            int32_t width, int32_t channels, int32_t kernel_h,
                                            int32_t kernel_w, int32_t stride_w, int32_t pad_left,
                                            int32_t out_width) {
  tvm_tiny_mve_depthwise_any(x, lines, w, params, out, scratch, zero_point, 0, 0, low, high, width,
                             channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
}

/* Computes one output row of a depthwise convolution with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t* scratch, int32_t zero_point, int32_t y_zero, int32_t low, int32_t high, int32_t width,
    int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,
    int32_t out_width) {
  tvm_tiny_mve_depthwise_any(x, lines, w, params, out, scratch, zero_point, 1, y_zero, low, high,
                             width, channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
}

#endif /* TVM_TINY_MVE_DEPTHWISE_H */
