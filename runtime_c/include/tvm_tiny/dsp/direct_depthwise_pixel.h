/*
 * One pixel of a depthwise convolution without scratch, four channels after four.
 *
 * Two neighbouring taps a and b are two words of x, whose halves make pairs (a, b) of each channel.
 * Weights and biases, and with them sums, are doubled, as SMMLAR needs it.
 *
 * These functions are written whole, as they need all registers:
 *
 *     r0 r2 r4 r6  sums            r9   weights         r12  x, of three rows the first one's
 *     r1 r3 r5 r7 r8               r10  channels        lr   the next row, of three the second's x
 *                                  r11  the negated zero point in both halfwords
 *
 * The stack holds the first members of struct tvm_tiny_dsp_pixel.
 */
#ifndef TVM_TINY_DSP_DIRECT_DEPTHWISE_PIXEL_H
#define TVM_TINY_DSP_DIRECT_DEPTHWISE_PIXEL_H

#include <stddef.h>

#include "tvm_tiny/dsp/requantize.h"

#if TVM_TINY_DSP

/* A row of the input that exists. */
struct tvm_tiny_dsp_tapped {
  const int8_t* x;
  int32_t skip; /* bytes from the end of this row's weights to the next row's */
};
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_tapped, x, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_tapped, skip, 4);
TVM_TINY_STATIC_ASSERT(sizeof(struct tvm_tiny_dsp_tapped) == 8, tvm_tiny_dsp_tapped_size);

/* Operands of a pixel, in the order in which the instructions load them. */
struct tvm_tiny_dsp_pixel {
  int32_t offset; /* 2 * zero point + 1 of the output; in _float32 functions its zero point */
  const int32_t* params;
  int8_t* out;
  const int8_t* end;
  int32_t channels;
  uint32_t minus;
  int32_t begin; /* index of the label at which a row begins */
  int32_t pairs; /* index of the label that follows a first single tap */
  int32_t last;  /* index of the label that follows the pairs */
  const int16_t* w;
  struct tvm_tiny_dsp_tapped* rows; /* those that exist; x of the one behind them is 0 */
  int32_t more;                     /* pixels that follow, with three whole rows and whole blocks */
  int32_t step;                     /* bytes of input between this pixel's and the next one's */
};
/* LDM loads the members. */
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, offset, 0);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, params, 4);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, out, 8);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, end, 12);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, channels, 16);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, minus, 20);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, begin, 24);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, pairs, 28);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, last, 32);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, w, 36);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, rows, 40);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, more, 44);
TVM_TINY_ASSERT_OFFSET(tvm_tiny_dsp_pixel, step, 48);

/* Declares a function written in assembler. gcc sees no use of its operand, and noipa keeps it from
 * conclusions. */
#ifdef __clang__
#define TVM_TINY_DSP_NAKED static __attribute__((naked, noinline, unused))
#else
#define TVM_TINY_DSP_NAKED static __attribute__((naked, noipa, unused))
#endif
#define TVM_TINY_DSP_NAKED_CLOBBERS "r0", "r1", "r2", "r3", "r12", "lr", "cc", "memory"

/* ---- Taps ------------------------------------------------------------------------------------ */

/* clang-format off */
/* Instructions for two taps in r1 and r3. next: bytes from their last two weights to the next
 * ones. */
#define TVM_TINY_DSP_PIXEL_TAPS(next) \
  "pkhbt r5, r1, r3, lsl #16\n\t"     \
  "pkhtb r3, r3, r1, asr #16\n\t"     \
  "ldrd r1, r7, [r9], #8\n\t"         \
  "sxtab16 r8, r11, r5\n\t"           \
  "smlad r0, r8, r1, r0\n\t"          \
  "sxtab16 r8, r11, r5, ror #8\n\t"   \
  "smlad r2, r8, r7, r2\n\t"          \
  "ldrd r1, r7, [r9], #" next "\n\t"  \
  "sxtab16 r8, r11, r3\n\t"           \
  "smlad r4, r8, r1, r4\n\t"          \
  "sxtab16 r8, r11, r3, ror #8\n\t"   \
  "smlad r6, r8, r7, r6\n\t"

/* Instructions for the last tap of an odd row, in r1; its weights are in the order of the
 * channels. */
#define TVM_TINY_DSP_PIXEL_TAP(weights) \
  "ldrd r3, r5, [r9" weights "\n\t"     \
  "sxtab16 r7, r11, r1\n\t"             \
  "sxtab16 r1, r11, r1, ror #8\n\t"     \
  "smlabb r0, r7, r3, r0\n\t"           \
  "smlatt r4, r7, r3, r4\n\t"           \
  "smlabb r2, r1, r5, r2\n\t"           \
  "smlatt r6, r1, r5, r6\n\t"

/* Instructions for one tap of two, in r1; its weights are in half h (b or t) of theirs. */
#define TVM_TINY_DSP_PIXEL_TAP_OF(h, next) \
  "ldrd r3, r5, [r9], #8\n\t"              \
  "sxtab16 r7, r11, r1\n\t"                \
  "sxtab16 r1, r11, r1, ror #8\n\t"        \
  "smlab" h " r0, r7, r3, r0\n\t"          \
  "smlab" h " r2, r1, r5, r2\n\t"          \
  "ldrd r3, r5, [r9], #" next "\n\t"       \
  "smlat" h " r4, r7, r3, r4\n\t"          \
  "smlat" h " r6, r1, r5, r6\n\t"

/* ---- Biases and requantization --------------------------------------------------------------- */

/* Instructions that load doubled biases. shift: makes one of the first word of a channel's
 * params. */
#define TVM_TINY_DSP_BIASES_OF(shift)            \
  "ldr r8, [sp, #4]\n\t"                         \
  "ldm r8, {r0, r1, r2, r3, r4, r5, r6, r7}\n\t" \
  shift("r0") shift("r2") shift("r4") shift("r6")
#define TVM_TINY_DSP_BIAS(sum) "asr " sum ", " sum ", #7\n\t"
#define TVM_TINY_DSP_BIASES TVM_TINY_DSP_BIASES_OF(TVM_TINY_DSP_BIAS)

/* Instructions that requantize one sum. */
#define TVM_TINY_DSP_SETTLE(sum, word, multiplier)   \
  "lsl r11, r1, " word "\n\t"                        \
  "add r11, r11, " sum ", asr #31\n\t"               \
  "smmlar " sum ", " sum ", " multiplier ", r11\n\t" \
  "asr " sum ", " sum ", " word "\n\t"               \
  "ssat " sum ", #8, " sum ", asr #1\n\t"

/* Instructions that requantize two sums. */
#define TVM_TINY_DSP_SETTLE_TWO(a, b) \
  TVM_TINY_DSP_SETTLE(a, "r5", "r7")  \
  TVM_TINY_DSP_SETTLE(b, "r8", "r10")

/* Instructions that requantize and store four sums, and compare the place of the next with the
 * end. */
#define TVM_TINY_DSP_RESULTS_OF(settle_two) \
  "ldrd r1, r3, [sp]\n\t"                   \
  "ldm r3!, {r5, r7, r8, r10}\n\t"          \
  settle_two("r0", "r2")                    \
  "ldm r3!, {r5, r7, r8, r10}\n\t"          \
  settle_two("r4", "r6")                    \
  "ldrd r5, r7, [sp, #8]\n\t"               \
  "strb r2, [r5, #1]\n\t"                   \
  "strb r4, [r5, #2]\n\t"                   \
  "strb r6, [r5, #3]\n\t"                   \
  "strb r0, [r5], #4\n\t"                   \
  "strd r3, r5, [sp, #4]\n\t"               \
  "ldrd r10, r11, [sp, #16]\n\t"            \
  "cmp r5, r7\n\t"
#define TVM_TINY_DSP_RESULTS TVM_TINY_DSP_RESULTS_OF(TVM_TINY_DSP_SETTLE_TWO)

/* Biases and requantization of _float32 functions, with a floating-point unit. VCVT takes a doubled
 * sum as a fixed-point number with one fractional bit. */
#if TVM_TINY_DSP_FLOAT
#define TVM_TINY_DSP_BIAS_FLOAT32(sum) "lsl " sum ", " sum ", #1\n\t"
#define TVM_TINY_DSP_BIASES_FLOAT32 TVM_TINY_DSP_BIASES_OF(TVM_TINY_DSP_BIAS_FLOAT32)
#define TVM_TINY_DSP_SETTLE_TWO_FLOAT32(a, b) \
  "vmov s0, s1, " a ", " b "\n\t"             \
  "vmov s2, s3, r7, r10\n\t"                  \
  "vcvt.f32.s32 s0, s0, #1\n\t"               \
  "vcvt.f32.s32 s1, s1, #1\n\t"               \
  "vmul.f32 s0, s0, s2\n\t"                   \
  "vmul.f32 s1, s1, s3\n\t"                   \
  "vcvtr.s32.f32 s0, s0\n\t"                  \
  "vcvtr.s32.f32 s1, s1\n\t"                  \
  "vmov " a ", " b ", s0, s1\n\t"             \
  "add " a ", " a ", r1\n\t"                  \
  "add " b ", " b ", r1\n\t"                  \
  "ssat " a ", #8, " a "\n\t"                 \
  "ssat " b ", #8, " b "\n\t"
#define TVM_TINY_DSP_RESULTS_FLOAT32 TVM_TINY_DSP_RESULTS_OF(TVM_TINY_DSP_SETTLE_TWO_FLOAT32)
#endif

/* ---- Windows of any size --------------------------------------------------------------------- */

/* Instructions for a pair of taps in the input. */
#define TVM_TINY_DSP_PIXEL_PAIR \
  "ldr r1, [r12]\n\t"           \
  "ldr r3, [r12, r10]\n\t"      \
  "add r12, r12, r10, lsl #1\n\t" TVM_TINY_DSP_PIXEL_TAPS("8")

/* Defines a function for all blocks of one pixel. Its rows have any of these parts: a first single
 * tap (label 5), up to four pairs (labels 4 to 1) and a last tap (labels 7 and 8). */
#define TVM_TINY_DSP_PIXEL(name, biases, results)                                    \
  TVM_TINY_DSP_NAKED void name(                                                      \
      struct tvm_tiny_dsp_pixel* pixel __attribute__((unused))) {                    \
    __asm__ volatile(                                                                \
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"                            \
        "ldm r0!, {r1, r2, r3, r4, r5, r6, r7, r8, r9}\n\t"                          \
        "ldm r0, {r10, r11}\n\t"                                                     \
        "adr.w r12, 9f\n\t"                                                          \
        "ldr r7, [r12, r7, lsl #2]\n\t"                                              \
        "ldr r8, [r12, r8, lsl #2]\n\t"                                              \
        "ldr r9, [r12, r9, lsl #2]\n\t"                                              \
        "add r7, r7, r12\n\t"                                                        \
        "add r8, r8, r12\n\t"                                                        \
        "add r9, r9, r12\n\t"                                                        \
        "push {r1, r2, r3, r4, r5, r6, r7, r8, r9, r11}\n\t"                         \
        "mov r9, r10\n\t"                                                            \
        "ldrd r10, r11, [sp, #16]\n"                                                 \
        "10:\n\t" biases                                                             \
        "ldr lr, [sp, #36]\n\t"                                                      \
        "ldr r12, [lr]\n\t"                                                          \
        "b 12f\n"                                                                    \
        "11:\n\t"                                                                    \
        "add r1, r12, #4\n\t"                                                        \
        "str r1, [lr], #4\n\t"                                                       \
        "ldr pc, [sp, #24]\n"                                                        \
        "5:\n\t"                                                                     \
        "ldr r1, [r12, r10]\n\t"                                                     \
        "add r12, r12, r10, lsl #1\n\t" TVM_TINY_DSP_PIXEL_TAP_OF("t", "8")          \
        "ldr pc, [sp, #28]\n"                                                        \
        "4:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                             \
        "3:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                             \
        "2:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                             \
        "1:\n\t" TVM_TINY_DSP_PIXEL_PAIR                                             \
        "13:\n\t"                                                                    \
        "ldr pc, [sp, #32]\n"                                                        \
        "8:\n\t"                                                                     \
        "ldr r1, [r12]\n\t" TVM_TINY_DSP_PIXEL_TAP_OF("b", "8")                      \
        "b 6f\n"                                                                     \
        "7:\n\t"                                                                     \
        "ldr r1, [r12]\n\t" TVM_TINY_DSP_PIXEL_TAP("], #8")                          \
        "6:\n\t"                                                                     \
        "ldrd r1, r12, [lr], #4\n\t"                                                 \
        "add r9, r9, r1\n"                                                           \
        "12:\n\t"                                                                    \
        "cmp r12, #0\n\t"                                                            \
        "bne 11b\n\t" results                                                        \
        "bne 10b\n\t"                                                                \
        "add sp, sp, #40\n\t"                                                        \
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n\t"                             \
        ".p2align 2\n"                                                               \
        "9:\n\t"                                                                     \
        ".word 13b - 9b + 1, 1b - 9b + 1, 2b - 9b + 1, 3b - 9b + 1, 4b - 9b + 1\n\t" \
        ".word 5b - 9b + 1, 6b - 9b + 1, 7b - 9b + 1, 8b - 9b + 1\n\t" ::            \
            : TVM_TINY_DSP_NAKED_CLOBBERS);                                          \
  }
TVM_TINY_DSP_PIXEL(tvm_tiny_dsp_pixel, TVM_TINY_DSP_BIASES, TVM_TINY_DSP_RESULTS)
#if TVM_TINY_DSP_FLOAT
TVM_TINY_DSP_PIXEL(tvm_tiny_dsp_pixel_float32, TVM_TINY_DSP_BIASES_FLOAT32,
                   TVM_TINY_DSP_RESULTS_FLOAT32)
#endif

/* ---- Windows of three by three --------------------------------------------------------------- */

/* Instructions for a row with all columns in the input, without the first (left) or without the
 * last (right). For the left one x is the place of the second column. A row has 24 bytes of
 * weights. */
#define TVM_TINY_DSP_ROW_WHOLE(x, keep) \
  "ldr r1, [" x ", r10, lsl #1]\n\t"    \
  TVM_TINY_DSP_PIXEL_TAP(", #16]")      \
  "ldr r3, [" x ", r10]\n\t"            \
  "ldr r1, [" x "], #4\n\t" keep TVM_TINY_DSP_PIXEL_TAPS("16")
#define TVM_TINY_DSP_ROW_LEFT(x, keep) \
  "ldr r1, [" x ", r10]\n\t"           \
  TVM_TINY_DSP_PIXEL_TAP(", #16]")     \
  "ldr r1, [" x "], #4\n\t" keep TVM_TINY_DSP_PIXEL_TAP_OF("t", "16")
#define TVM_TINY_DSP_ROW_RIGHT(x, keep) \
  "ldr r3, [" x ", r10]\n\t"            \
  "ldr r1, [" x "], #4\n\t" keep TVM_TINY_DSP_PIXEL_TAPS("16")

/* Defines a function for all blocks of a pixel and, with whole rows, of the pixels that follow. */
#define TVM_TINY_DSP_PIXEL_3(name, row, biases, results)           \
  TVM_TINY_DSP_NAKED void tvm_tiny_dsp_pixel_3_##name(             \
      struct tvm_tiny_dsp_pixel* pixel __attribute__((unused))) {  \
    __asm__ volatile(                                              \
        "push {r4, r5, r6, r7, r8, r9, r10, r11, lr}\n\t"          \
        "ldm r0!, {r1, r2, r3, r4, r5, r6, r7, r8, r9}\n\t"        \
        "ldm r0, {r7, r8, r10, r11}\n\t"                           \
        "ldr r12, [r8]\n\t"                                        \
        "ldr lr, [r8, #8]\n\t"                                     \
        "ldr r9, [r8, #16]\n\t"                                    \
        "push {r1, r2, r3, r4, r5, r6, r7, r9, r10, r11}\n\t"      \
        "mov r9, r7\n\t"                                           \
        "ldrd r10, r11, [sp, #16]\n"                               \
        "1:\n\t" biases row("r12", "") row("lr", "")               \
        "ldr r8, [sp, #28]\n\t" row("r8", "str r8, [sp, #28]\n\t") \
        results                                                    \
        "bne 1b\n\t"                                               \
        "ldrd r1, r3, [sp, #32]\n\t"                               \
        "subs r1, r1, #1\n\t"                                      \
        "bmi 2f\n\t"                                               \
        "str r1, [sp, #32]\n\t"                                    \
        "add r12, r12, r3\n\t"                                     \
        "add lr, lr, r3\n\t"                                       \
        "ldrd r9, r5, [sp, #24]\n\t"                               \
        "add r5, r5, r3\n\t"                                       \
        "str r5, [sp, #28]\n\t"                                    \
        "ldr r5, [sp, #4]\n\t"                                     \
        "sub r5, r5, r10, lsl #3\n\t"                              \
        "str r5, [sp, #4]\n\t"                                     \
        "add r7, r7, r10\n\t"                                      \
        "str r7, [sp, #12]\n\t"                                    \
        "b 1b\n"                                                   \
        "2:\n\t"                                                   \
        "add sp, sp, #40\n\t"                                      \
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}\n\t" ::        \
            : TVM_TINY_DSP_NAKED_CLOBBERS);                        \
  }

/* Defines the functions of one rounding. */
#define TVM_TINY_DSP_PIXELS_3(suffix, biases, results)                         \
  TVM_TINY_DSP_PIXEL_3(whole##suffix, TVM_TINY_DSP_ROW_WHOLE, biases, results) \
  TVM_TINY_DSP_PIXEL_3(left##suffix, TVM_TINY_DSP_ROW_LEFT, biases, results)   \
  TVM_TINY_DSP_PIXEL_3(right##suffix, TVM_TINY_DSP_ROW_RIGHT, biases, results)
TVM_TINY_DSP_PIXELS_3(, TVM_TINY_DSP_BIASES, TVM_TINY_DSP_RESULTS)
#if TVM_TINY_DSP_FLOAT
TVM_TINY_DSP_PIXELS_3(_float32, TVM_TINY_DSP_BIASES_FLOAT32, TVM_TINY_DSP_RESULTS_FLOAT32)
#endif
/* clang-format on */

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_DIRECT_DEPTHWISE_PIXEL_H */
