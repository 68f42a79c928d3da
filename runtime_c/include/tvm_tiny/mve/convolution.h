/* Convolution: all channels of one or two pixels from their columns. */
#ifndef TVM_TINY_MVE_CONVOLUTION_H
#define TVM_TINY_MVE_CONVOLUTION_H

#include <stddef.h>

#include "tvm_tiny/mve/requantize.h"

#if TVM_TINY_MVE

/* Texts of instructions are longer than what C99 asks compilers to take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"

/* ---- Instructions for 16 elements of each pixel ---------------------------------------------- */

/* clang-format off */
/* Multiply 16 weights at r5 by x, and by y of the second pixel, for each of four channels. The sums
 * are r0, r2, r4, r6, and r8, r10, r12, lr of the second pixel. */
#define TVM_TINY_MVE_FILTER_1(a, b, x, y) \
  "vldrb.u8 q0, [r5], #16\n\t"            \
  "vmladava.s8 " a ", " x ", q0\n\t"
#define TVM_TINY_MVE_FILTER_2(a, b, x, y) \
  TVM_TINY_MVE_FILTER_1(a, b, x, y)       \
  "vmladava.s8 " b ", " y ", q0\n\t"
#define TVM_TINY_MVE_FILTERS(pixels, x, y)        \
  TVM_TINY_MVE_FILTER_##pixels("r0", "r8", x, y)  \
  TVM_TINY_MVE_FILTER_##pixels("r2", "r10", x, y) \
  TVM_TINY_MVE_FILTER_##pixels("r4", "r12", x, y) \
  TVM_TINY_MVE_FILTER_##pixels("r6", "lr", x, y)

/* Load elements 16 * k .. 16 * k + 15 of each pixel; of the last ones as many as exist. */
#define TVM_TINY_MVE_WHOLE_1(x, y, at) "vldrb.u8 " x ", [r1" at "\n\t"
#define TVM_TINY_MVE_WHOLE_2(x, y, at) \
  TVM_TINY_MVE_WHOLE_1(x, y, at)       \
  "vldrb.u8 " y ", [r3" at "\n\t"
#define TVM_TINY_MVE_SOME_1(x, y, at) \
  "vpst\n\t"                          \
  "vldrbt.u8 " x ", [r1" at "\n\t"
#define TVM_TINY_MVE_SOME_2(x, y, at) \
  "vpstt\n\t"                         \
  "vldrbt.u8 " x ", [r1" at "\n\t"    \
  "vldrbt.u8 " y ", [r3" at "\n\t"
#define TVM_TINY_MVE_LOAD(pixels, x, y, k)                                   \
  TVM_TINY_MVE_IF("%c[K] >= 16 * " k " + 16",                                \
                  TVM_TINY_MVE_WHOLE_##pixels(x, y, ", #16 * " k " - 112]")) \
  TVM_TINY_MVE_IF("%c[K] > 16 * " k " && %c[K] < 16 * " k " + 16",           \
                  TVM_TINY_MVE_SOME_##pixels(x, y, ", #16 * " k " - 112]"))

/* Multiply 16 elements that were loaded before the loop (KEPT), that are loaded at an offset
 * (STEP), or that are loaded from pointers that advance (NEXT, and REST for the last ones). */
#define TVM_TINY_MVE_KEPT(pixels, x, y, k) \
  TVM_TINY_MVE_IF("%c[K] > 16 * " k, TVM_TINY_MVE_FILTERS(pixels, x, y))
#define TVM_TINY_MVE_STEP(pixels, k)       \
  TVM_TINY_MVE_LOAD(pixels, "q4", "q5", k) \
  TVM_TINY_MVE_KEPT(pixels, "q4", "q5", k)
#define TVM_TINY_MVE_NEXT(pixels)                   \
  TVM_TINY_MVE_WHOLE_##pixels("q4", "q5", "], #16") \
  TVM_TINY_MVE_FILTERS(pixels, "q4", "q5")
#define TVM_TINY_MVE_REST(pixels)                             \
  TVM_TINY_MVE_IF("%c[K] & 15",                               \
                  TVM_TINY_MVE_SOME_##pixels("q4", "q5", "]") \
                  TVM_TINY_MVE_FILTERS(pixels, "q4", "q5"))

/* Steps 6 to 14, which the loops over one and over two pixels have in common. */
#define TVM_TINY_MVE_STEPS(pixels)                                                               \
  TVM_TINY_MVE_STEP(pixels, "6") TVM_TINY_MVE_STEP(pixels, "7") TVM_TINY_MVE_STEP(pixels, "8")   \
  TVM_TINY_MVE_STEP(pixels, "9") TVM_TINY_MVE_STEP(pixels, "10") TVM_TINY_MVE_STEP(pixels, "11") \
  TVM_TINY_MVE_STEP(pixels, "12") TVM_TINY_MVE_STEP(pixels, "13") TVM_TINY_MVE_STEP(pixels, "14")

/* Sets the predicate for the last `count` elements. */
#define TVM_TINY_MVE_SOME(count)           \
  TVM_TINY_MVE_IF(count,                   \
                  "mov r2, #" count "\n\t" \
                  "vctp.8 r2\n\t")

/* ---- Loops over blocks of four channels ------------------------------------------------------ */

/* Operands of the loops, which load them into r1, r3, r5, r7, r9 and r11. second: x of the second
 * pixel, or `out` if there is only one. */
struct tvm_tiny_mve_operands {
  uintptr_t x;
  uintptr_t second;
  const int8_t* w;
  const int32_t* params;
  int8_t* out;
  int32_t blocks;
};
/* LDM loads the members. */
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_operands, x, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_operands, second, 4);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_operands, w, 8);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_operands, params, 12);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_operands, out, 16);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_mve_operands, blocks, 20);

/* Computes two pixels, K <= 240. x points to element 112, so that offsets reach all elements. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_2(const struct tvm_tiny_mve_operands* from, int32_t K,
                                         int32_t pitch, int32_t float32, int32_t y_zero,
                                         int32_t low, int32_t high) {
  register const struct tvm_tiny_mve_operands* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(
      TVM_TINY_MVE_OFFSETS_2
      TVM_TINY_MVE_SOME("%c[K] & 15")
      TVM_TINY_MVE_LOAD(2, "q1", "q2", "0")
      TVM_TINY_MVE_LOAD(2, "q3", "q6", "1")
      "1:\n\t"
      TVM_TINY_MVE_BIAS_2
      TVM_TINY_MVE_KEPT(2, "q1", "q2", "0")
      TVM_TINY_MVE_KEPT(2, "q3", "q6", "1")
      TVM_TINY_MVE_STEP(2, "2")
      TVM_TINY_MVE_STEP(2, "3")
      TVM_TINY_MVE_STEP(2, "4")
      TVM_TINY_MVE_STEP(2, "5")
      TVM_TINY_MVE_STEPS(2)
      TVM_TINY_MVE_RESCALE_2
      "vstrb.16 q4, [r9, q7]\n\t"
      "add r9, r9, #4\n\t"
      TVM_TINY_MVE_AGAIN,
      [K] "i"(K), [P] "i"(pitch), TVM_TINY_MVE_RESULT);
}

/* Computes one pixel, K <= 240. x points to element 112, so that offsets reach all elements. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_1(const struct tvm_tiny_mve_operands* from, int32_t K,
                                         int32_t float32, int32_t y_zero, int32_t low,
                                         int32_t high) {
  register const struct tvm_tiny_mve_operands* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(
      TVM_TINY_MVE_SOME("%c[K] & 15")
      TVM_TINY_MVE_LOAD(1, "q1", "", "0")
      TVM_TINY_MVE_LOAD(1, "q2", "", "1")
      TVM_TINY_MVE_LOAD(1, "q3", "", "2")
      TVM_TINY_MVE_LOAD(1, "q5", "", "3")
      TVM_TINY_MVE_LOAD(1, "q6", "", "4")
      TVM_TINY_MVE_LOAD(1, "q7", "", "5")
      "dls lr, r11\n\t"
      "1:\n\t"
      TVM_TINY_MVE_BIAS_1
      TVM_TINY_MVE_KEPT(1, "q1", "", "0")
      TVM_TINY_MVE_KEPT(1, "q2", "", "1")
      TVM_TINY_MVE_KEPT(1, "q3", "", "2")
      TVM_TINY_MVE_KEPT(1, "q5", "", "3")
      TVM_TINY_MVE_KEPT(1, "q6", "", "4")
      TVM_TINY_MVE_KEPT(1, "q7", "", "5")
      TVM_TINY_MVE_STEPS(1)
      TVM_TINY_MVE_RESCALE_1
      "vstrb.32 q4, [r3], #4\n\t"
      "le lr, 1b\n\t",
      [K] "i"(K), TVM_TINY_MVE_RESULT);
}

/* Computes two pixels, K > 240, with a loop over four steps. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_2_long(const struct tvm_tiny_mve_operands* from, int32_t K,
                                              int32_t pitch, int32_t float32, int32_t y_zero,
                                              int32_t low, int32_t high) {
  register const struct tvm_tiny_mve_operands* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(
      TVM_TINY_MVE_OFFSETS_2
      TVM_TINY_MVE_SOME("%c[K] & 15")
      "1:\n\t"
      TVM_TINY_MVE_BIAS_2
      TVM_TINY_MVE_IF("%c[K] & 16", TVM_TINY_MVE_NEXT(2))
      TVM_TINY_MVE_IF("%c[K] & 32", TVM_TINY_MVE_NEXT(2) TVM_TINY_MVE_NEXT(2))
      "vmov s4, r11\n\t"
      "movw r11, #%c[K] / 64\n"
      "2:\n\t"
      TVM_TINY_MVE_NEXT(2)
      TVM_TINY_MVE_NEXT(2)
      TVM_TINY_MVE_NEXT(2)
      TVM_TINY_MVE_NEXT(2)
      "subs r11, r11, #1\n\t"
      "bne 2b\n\t"
      "vmov r11, s4\n\t"
      TVM_TINY_MVE_REST(2)
      TVM_TINY_MVE_RESCALE_2
      "vstrb.16 q4, [r9, q7]\n\t"
      "add r9, r9, #4\n\t"
      "movw r0, #%c[K] & 0xfff0\n\t"
      TVM_TINY_MVE_IF("%c[K] >> 16", "movt r0, #%c[K] >> 16\n\t")
      "sub r1, r1, r0\n\t"
      "sub r3, r3, r0\n\t"
      TVM_TINY_MVE_AGAIN,
      [K] "i"(K), [P] "i"(pitch), TVM_TINY_MVE_RESULT);
}

/* Computes one pixel, K > 240, with a loop over four steps. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_1_long(const struct tvm_tiny_mve_operands* from, int32_t K,
                                              int32_t float32, int32_t y_zero, int32_t low,
                                              int32_t high) {
  register const struct tvm_tiny_mve_operands* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(
      TVM_TINY_MVE_SOME("%c[K] & 15")
      "movw r8, #%c[K] / 64\n\t"
      "movw r10, #%c[K] & 0xfff0\n\t"
      TVM_TINY_MVE_IF("%c[K] >> 16", "movt r10, #%c[K] >> 16\n\t")
      "1:\n\t"
      TVM_TINY_MVE_BIAS_1
      TVM_TINY_MVE_IF("%c[K] & 16", TVM_TINY_MVE_NEXT(1))
      TVM_TINY_MVE_IF("%c[K] & 32", TVM_TINY_MVE_NEXT(1) TVM_TINY_MVE_NEXT(1))
      "dls lr, r8\n"
      "2:\n\t"
      TVM_TINY_MVE_NEXT(1)
      TVM_TINY_MVE_NEXT(1)
      TVM_TINY_MVE_NEXT(1)
      TVM_TINY_MVE_NEXT(1)
      "le lr, 2b\n\t"
      TVM_TINY_MVE_REST(1)
      TVM_TINY_MVE_RESCALE_1
      "vstrb.32 q4, [r3], #4\n\t"
      "sub r1, r1, r10\n\t"
      TVM_TINY_MVE_AGAIN,
      [K] "i"(K), TVM_TINY_MVE_RESULT);
}
/* clang-format on */

/* Computes whole blocks of four channels. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_blocks(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                              const int32_t* params, int8_t* out, int32_t out_pitch,
                                              int32_t pixels, int32_t K, int32_t blocks,
                                              int32_t float32, int32_t y_zero, int32_t low,
                                              int32_t high) {
  /* An integer, since the address may be outside of what x points into. */
  const uintptr_t middle = (uintptr_t)x + (K > 240 ? 0 : 112);
  struct tvm_tiny_mve_operands all;
  all.x = middle;
  all.second = pixels == 2 ? middle + (uintptr_t)x_pitch : (uintptr_t)out;
  all.w = w;
  all.params = params;
  all.out = out;
  all.blocks = blocks;
  if (pixels == 2 && K > 240) {
    tvm_tiny_mve_conv_2_long(&all, K, out_pitch, float32, y_zero, low, high);
  } else if (pixels == 2) {
    tvm_tiny_mve_conv_2(&all, K, out_pitch, float32, y_zero, low, high);
  } else if (K > 240) {
    tvm_tiny_mve_conv_1_long(&all, K, float32, y_zero, low, high);
  } else {
    tvm_tiny_mve_conv_1(&all, K, float32, y_zero, low, high);
  }
}

/* Computes all channels; the last ones, if fewer than four, by way of a buffer. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_vectors(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                               const int32_t* params, int8_t* out,
                                               int32_t out_pitch, int32_t pixels, int32_t K,
                                               int32_t channels, int32_t float32, int32_t y_zero,
                                               int32_t low, int32_t high) {
  const int32_t whole = channels / 4;
  int32_t p;
  int32_t c;
  if (whole > 0) {
    tvm_tiny_mve_conv_blocks(x, x_pitch, w, params, out, out_pitch, pixels, K, whole, float32,
                             y_zero, low, high);
  }
  if (channels % 4 > 0) {
    int8_t last[8];
    tvm_tiny_mve_conv_blocks(x, x_pitch, w + whole * ((K + 15) / 16 * 64),
                             tvm_tiny_mve_channel(params, 4 * whole, float32), last, 4, pixels, K,
                             1, float32, y_zero, low, high);
    for (p = 0; p < pixels; p++) {
      for (c = 0; c < channels % 4; c++) {
        out[p * out_pitch + 4 * whole + c] = last[4 * p + c];
      }
    }
  }
}

#pragma GCC diagnostic pop

#endif /* TVM_TINY_MVE */

/* ---- Functions for callers ------------------------------------------------------------------- */

/* Computes tvm_tiny_mve_conv and tvm_tiny_mve_conv_float32. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_any(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                           const int32_t* params, int8_t* out, int32_t out_pitch,
                                           int32_t pixels, int32_t K, int32_t channels,
                                           int32_t float32, int32_t y_zero, int32_t low,
                                           int32_t high) {
  int32_t p;
  int32_t c;
#if TVM_TINY_MVE
  if (!float32 || TVM_TINY_MVE_FLOAT) {
    tvm_tiny_mve_conv_vectors(x, x_pitch, w, params, out, out_pitch, pixels, K, channels, float32,
                              y_zero, low, high);
    return;
  }
#endif
  /* Like the loops with vectors, this reads four channels' input of all pixels before it writes:
   * outputs may lie over pixels that are still to be read. */
  for (c = 0; c < channels; c += 4) {
    const int8_t* block = w + c / 4 * ((K + 15) / 16 * 64);
    const int32_t lanes = channels - c < 4 ? channels - c : 4;
    int32_t sums[8];
    int32_t n;
    for (p = 0; p < pixels; p++) {
      for (n = 0; n < lanes; n++) {
        const int8_t* from = block + n * 16;
        int32_t sum = *tvm_tiny_mve_channel(params, c + n, float32);
        int32_t k;
        for (k = 0; k < K; k++) {
          sum += x[p * x_pitch + k] * from[k / 16 * 64 + k % 16];
        }
        sums[4 * p + n] = sum;
      }
    }
    for (p = 0; p < pixels; p++) {
      for (n = 0; n < lanes; n++) {
        out[p * out_pitch + c + n] =
            tvm_tiny_mve_output(sums[4 * p + n], params, c + n, float32, y_zero, low, high);
      }
    }
  }
}

/* Computes all channels of one or two pixels with TFLite's rounding: out[p * out_pitch + c] from
 * the sum over k of x[p * x_pitch + k] * w[c / 4][k / 16][c % 4][k % 16]. The last blocks of w and
 * params are whole. */
TVM_TINY_INLINE void tvm_tiny_mve_conv(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                       const int32_t* params, int8_t* out, int32_t out_pitch,
                                       int32_t pixels, int32_t K, int32_t channels, int32_t low,
                                       int32_t high) {
  tvm_tiny_mve_conv_any(x, x_pitch, w, params, out, out_pitch, pixels, K, channels, 0, 0, low,
                        high);
}

/* Computes all channels of one or two pixels with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_mve_conv_float32(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                               const int32_t* params, int8_t* out,
                                               int32_t out_pitch, int32_t pixels, int32_t K,
                                               int32_t channels, int32_t y_zero, int32_t low,
                                               int32_t high) {
  tvm_tiny_mve_conv_any(x, x_pitch, w, params, out, out_pitch, pixels, K, channels, 1, y_zero, low,
                        high);
}

#endif /* TVM_TINY_MVE_CONVOLUTION_H */
