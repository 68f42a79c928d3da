/*
 * Micro-kernels for Helium, the integer vectors of Armv8.1-M (Cortex-M55). Elsewhere the same
 * functions in plain C, with the same results.
 *
 * Shapes are constants where these functions are called, and the compiler specialises them. The
 * input's zero point is folded into the biases, so padding is the zero point itself. The output of
 * a channel's sum is
 *
 *     t = (sum * multiplier + 2^30) >> 31                      |sum| < 2^30, 0 <= multiplier < 2^31
 *     clamp((t + (t >> 31) + offset) >> shift, low, high)      0 <= shift <= 31
 *
 * which is TFLite's rounding of a scaled sum with the output's zero point inside `offset`. `params`
 * is in blocks of four channels, int32 [ceil(channels / 4)][4][4]: four biases, multipliers,
 * offsets, and shifts times -1. What is behind the last channel may be anything. All words must be
 * aligned.
 *
 * Functions named _float32 round as onnxruntime does. Their params are int32 [ceil(channels / 4)]
 * [2][4], four biases and the bits of four float32 multipliers in [2^-31, 1/2):
 *
 *     clamp(zero_point + rint(f32(f32(sum) * multiplier)), low, high)
 *
 * with f32() rounding to float32 and rint to integers, both to the nearest and ties to even. Where
 * there are no vectors of float32 integers give the same, within limits: see tvm_tiny_mve_rounded.
 */
#ifndef TVM_TINY_MVE_H
#define TVM_TINY_MVE_H

#include <stdint.h>

#ifndef TVM_TINY_INLINE
#if defined(__GNUC__) || defined(__clang__)
#define TVM_TINY_INLINE static inline __attribute__((always_inline, unused))
#else
#define TVM_TINY_INLINE static inline
#endif
#endif

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__) && defined(__OPTIMIZE__) && \
    !defined(__clang__)
#define TVM_TINY_MVE 1
#include <arm_mve.h>
#else
#define TVM_TINY_MVE 0
#endif
/* Vectors of float32, too. */
#if TVM_TINY_MVE && (__ARM_FEATURE_MVE & 2)
#define TVM_TINY_MVE_FLOAT 1
#else
#define TVM_TINY_MVE_FLOAT 0
#endif

TVM_TINY_INLINE int8_t tvm_tiny_mve_clamp(int32_t value, int32_t low, int32_t high) {
  return (int8_t)(value < low ? low : value > high ? high : value);
}

TVM_TINY_INLINE int32_t tvm_tiny_mve_scale(int32_t a, int32_t multiplier) {
  return (int32_t)(((int64_t)a * multiplier + (1 << 30)) >> 31);
}

/*
 * rint(f32(f32(sum) * multiplier)) by integers: sum * m / 2^31 is rounded, to t, and then t / 2^s.
 * The product's float32 may have been a tie only where t is one. There it is, if the remainder of
 * the first division is not more than half of the last place of a float32 of t's size.
 *
 * |sum| < 2^30, and |t| < 2^23: always, if s <= 15 and only results of eight bits matter.
 */
TVM_TINY_INLINE int32_t tvm_tiny_mve_rounded(int32_t sum, uint32_t bits) {
  const int32_t s = 126 - (int32_t)(bits >> 23);
  const int32_t m = (int32_t)(((bits & 0x7fffffu) | 0x800000u) << 7);
  const int32_t t = tvm_tiny_mve_scale(sum, m);
  const int32_t raised = t + (1 << (s - 1));
  const int32_t y = raised >> s;
  if (y * (1 << s) == raised) {
    const int64_t rest = (int64_t)sum * m - t * ((int64_t)1 << 31);
    int64_t half_place = 1 << 7;
    int32_t size = t < 0 ? -t : t;
    for (; size > 1; size >>= 1) {
      half_place *= 2;
    }
    /* Of an odd y the even neighbour is below: what is a tie goes there. */
    return y - ((y & 1) != 0 ? rest <= half_place : rest < -half_place);
  }
  return y;
}

/* The parameters of channel c, those of its block 4 apart. float32, here and below: whether params
 * are those of such a function, everywhere a constant; y_zero, the zero point, is for those. */
TVM_TINY_INLINE const int32_t* tvm_tiny_mve_channel(const int32_t* params, int32_t c,
                                                    int32_t float32) {
  return params + c / 4 * (float32 ? 8 : 16) + c % 4;
}

/* The output of channel c's sum, its bias included. */
TVM_TINY_INLINE int8_t tvm_tiny_mve_output(int32_t sum, const int32_t* params, int32_t c,
                                           int32_t float32, int32_t y_zero, int32_t low,
                                           int32_t high) {
  const int32_t* p = tvm_tiny_mve_channel(params, c, float32);
  if (float32) {
    return tvm_tiny_mve_clamp(tvm_tiny_mve_rounded(sum, (uint32_t)p[4]) + y_zero, low, high);
  } else {
    const int32_t t = tvm_tiny_mve_scale(sum, p[4]);
    return tvm_tiny_mve_clamp((t + (t >> 31) + p[8]) >> -p[12], low, high);
  }
}

/* `count` bytes. */
TVM_TINY_INLINE void tvm_tiny_mve_copy(int8_t* to, const int8_t* from, int32_t count) {
#if TVM_TINY_MVE
  __asm__ volatile(
      "wlstp.8 lr, %[count], 2f\n"
      "1:\n\t"
      "vldrb.u8 q0, [%[from]], #16\n\t"
      "vstrb.8 q0, [%[to]], #16\n\t"
      "letp lr, 1b\n"
      "2:\n\t"
      : [to] "+r"(to), [from] "+r"(from)
      : [count] "r"(count)
      : "lr", "q0", "cc", "memory");
#else
  int32_t k;
  for (k = 0; k < count; k++) {
    to[k] = from[k];
  }
#endif
}

TVM_TINY_INLINE void tvm_tiny_mve_fill(int8_t* to, int32_t value, int32_t count) {
#if TVM_TINY_MVE
  __asm__ volatile(
      "wlstp.8 lr, %[count], 2f\n"
      "1:\n\t"
      "vstrb.8 %q[value], [%[to]], #16\n\t"
      "letp lr, 1b\n"
      "2:\n\t"
      : [to] "+r"(to)
      : [count] "r"(count), [value] "w"(vdupq_n_s8((int8_t)value))
      : "lr", "cc", "memory");
#else
  int32_t k;
  for (k = 0; k < count; k++) {
    to[k] = (int8_t)value;
  }
#endif
}

/* A row of a window that is inside its line: without a loop, but for long ones. */
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

/* One that is not: zero point to the left, what is there, zero point to the right. */
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
 * The windows of `pixels` outputs side by side, one after the other: cols[p][K],
 * K = kernel_h * kernel_w * channels. Window column 0 of the first is `column`, which may be
 * outside [0, width); lines[ky] is the row of x, negative where there is none.
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
        tvm_tiny_mve_gather_edge(cols + p * kernel_h * span, row,
                                 column + p * stride_w, zero_point, width, channels, kernel_w);
      }
    }
    cols += span;
  }
}

#if TVM_TINY_MVE
/* Texts of instructions are longer than what C99 asks compilers to take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"

/*
 * The loops below are assembler: VMLADAVA adds into even registers alone, and eight sums take all
 * of them, which gcc does not find out. One operand comes in, r0: what to load the others from.
 * Shapes are constants of the text, and the assembler leaves out what they make needless.
 */
#define TVM_TINY_MVE_IF(condition, text) ".if " condition "\n\t" text ".endif\n\t"
#define TVM_TINY_MVE_CLOBBERS                                                                     \
  "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "q0", "q1",    \
      "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory"

/* 16 weights at r5 times x; y is the second pixel's. Sums: r0, r2, r4, r6; r8, r10, r12, lr. */
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

/* 16 elements of every pixel; of the last ones as many as there are. */
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
#define TVM_TINY_MVE_LOAD(pixels, x, y, k)                                     \
  TVM_TINY_MVE_IF("%c[K] >= 16 * " k " + 16",                                  \
                  TVM_TINY_MVE_WHOLE_##pixels(x, y, ", #16 * " k " - 112]"))   \
  TVM_TINY_MVE_IF("%c[K] > 16 * " k " && %c[K] < 16 * " k " + 16",             \
                  TVM_TINY_MVE_SOME_##pixels(x, y, ", #16 * " k " - 112]"))

/* Steps of 16 elements: loaded before the loop, loaded at an offset, loaded from a pointer. */
#define TVM_TINY_MVE_KEPT(pixels, x, y, k) \
  TVM_TINY_MVE_IF("%c[K] > 16 * " k, TVM_TINY_MVE_FILTERS(pixels, x, y))
#define TVM_TINY_MVE_STEP(pixels, k)        \
  TVM_TINY_MVE_LOAD(pixels, "q4", "q5", k)  \
  TVM_TINY_MVE_KEPT(pixels, "q4", "q5", k)
#define TVM_TINY_MVE_NEXT(pixels)                     \
  TVM_TINY_MVE_WHOLE_##pixels("q4", "q5", "], #16")   \
  TVM_TINY_MVE_FILTERS(pixels, "q4", "q5")
#define TVM_TINY_MVE_REST(pixels)                             \
  TVM_TINY_MVE_IF("%c[K] & 15",                               \
                  TVM_TINY_MVE_SOME_##pixels("q4", "q5", "]") \
                  TVM_TINY_MVE_FILTERS(pixels, "q4", "q5"))
#define TVM_TINY_MVE_STEPS(pixels)                                                          \
  TVM_TINY_MVE_STEP(pixels, "6") TVM_TINY_MVE_STEP(pixels, "7") TVM_TINY_MVE_STEP(pixels, "8")    \
  TVM_TINY_MVE_STEP(pixels, "9") TVM_TINY_MVE_STEP(pixels, "10") TVM_TINY_MVE_STEP(pixels, "11")  \
  TVM_TINY_MVE_STEP(pixels, "12") TVM_TINY_MVE_STEP(pixels, "13") TVM_TINY_MVE_STEP(pixels, "14")
#define TVM_TINY_MVE_SOME(count)       \
  TVM_TINY_MVE_IF(count,               \
                  "mov r2, #" count "\n\t" \
                  "vctp.8 r2\n\t")

/* Sums start as biases, at r7. */
#define TVM_TINY_MVE_BIAS_1 "ldm r7!, {r0, r2, r4, r6}\n\t"
#define TVM_TINY_MVE_BIAS_2         \
  "ldm r7, {r0, r2, r4, r6}\n\t"    \
  "ldm r7!, {r8, r10, r12, lr}\n\t"

/* Sums to outputs: in the low bytes of words, of two pixels in those of halfwords in turns.
 * VQDMLAH by 1 adds t >> 31. */
#define TVM_TINY_MVE_RESCALE_1                                    \
  "vmov q4[2], q4[0], r0, r4\n\t"                                 \
  "vmov q4[3], q4[1], r2, r6\n\t"                                 \
  "vldrw.u32 q0, [r7], #16\n\t"                                   \
  TVM_TINY_MVE_IF("%c[float32]",                                  \
                  "vcvt.f32.s32 q4, q4\n\t"                       \
                  "vmul.f32 q4, q4, q0\n\t"                       \
                  "vcvtn.s32.f32 q4, q4\n\t"                      \
                  TVM_TINY_MVE_IF("%c[zero]",                     \
                                  "mov r0, #%c[zero]\n\t"         \
                                  "vqadd.s32 q4, q4, r0\n\t"))    \
  TVM_TINY_MVE_IF("!%c[float32]",                                 \
                  "mov r0, #1\n\t"                                \
                  "vqrdmulh.s32 q4, q4, q0\n\t"                   \
                  "vldrw.u32 q0, [r7], #16\n\t"                   \
                  "vqdmlah.s32 q4, q4, r0\n\t"                    \
                  "vadd.i32 q4, q4, q0\n\t"                       \
                  "vldrw.u32 q0, [r7], #16\n\t"                   \
                  "vshl.s32 q4, q4, q0\n\t")                      \
  "vqmovnb.s32 q4, q4\n\t"                                        \
  TVM_TINY_MVE_LIMITS
#define TVM_TINY_MVE_RESCALE_2                                    \
  "vmov q4[2], q4[0], r0, r4\n\t"                                 \
  "vmov q4[3], q4[1], r2, r6\n\t"                                 \
  "vmov q5[2], q5[0], r8, r12\n\t"                                \
  "vmov q5[3], q5[1], r10, lr\n\t"                                \
  "vldrw.u32 q0, [r7], #16\n\t"                                   \
  TVM_TINY_MVE_IF("%c[float32]",                                  \
                  "vcvt.f32.s32 q4, q4\n\t"                       \
                  "vcvt.f32.s32 q5, q5\n\t"                       \
                  "vmul.f32 q4, q4, q0\n\t"                       \
                  "vmul.f32 q5, q5, q0\n\t"                       \
                  "vcvtn.s32.f32 q4, q4\n\t"                      \
                  "vcvtn.s32.f32 q5, q5\n\t"                      \
                  TVM_TINY_MVE_IF("%c[zero]",                     \
                                  "mov r0, #%c[zero]\n\t"         \
                                  "vqadd.s32 q4, q4, r0\n\t"      \
                                  "vqadd.s32 q5, q5, r0\n\t"))    \
  TVM_TINY_MVE_IF("!%c[float32]",                                 \
                  "mov r0, #1\n\t"                                \
                  "vqrdmulh.s32 q4, q4, q0\n\t"                   \
                  "vqrdmulh.s32 q5, q5, q0\n\t"                   \
                  "vldrw.u32 q0, [r7], #16\n\t"                   \
                  "vqdmlah.s32 q4, q4, r0\n\t"                    \
                  "vqdmlah.s32 q5, q5, r0\n\t"                    \
                  "vadd.i32 q4, q4, q0\n\t"                       \
                  "vadd.i32 q5, q5, q0\n\t"                       \
                  "vldrw.u32 q0, [r7], #16\n\t"                   \
                  "vshl.s32 q4, q4, q0\n\t"                       \
                  "vshl.s32 q5, q5, q0\n\t")                      \
  "vqmovnb.s32 q4, q4\n\t"                                        \
  "vqmovnt.s32 q4, q5\n\t"                                        \
  TVM_TINY_MVE_LIMITS
/* Operands of that. */
#define TVM_TINY_MVE_RESULT                                       \
  [float32] "i"(float32), [zero] "i"(y_zero), [low] "i"(low), [high] "i"(high)
#define TVM_TINY_MVE_LIMITS                              \
  TVM_TINY_MVE_IF("%c[low] > -128",                      \
                  "movw r0, #%c[low] & 0xffff\n\t"       \
                  "vdup.16 q0, r0\n\t"                   \
                  "vmax.s16 q4, q4, q0\n\t")             \
  TVM_TINY_MVE_IF("%c[high] < 127",                      \
                  "movw r0, #%c[high] & 0xffff\n\t"      \
                  "vdup.16 q0, r0\n\t"                   \
                  "vmin.s16 q4, q4, q0\n\t")             \
  "vqmovnb.s16 q4, q4\n\t"

/* Outputs of two pixels go to byte offsets of r9, those of one to r3 (a low register). */
#define TVM_TINY_MVE_OFFSETS_2  \
  "adr r2, 7f\n\t"              \
  "vldrw.u32 q7, [r2]\n\t"      \
  "b 8f\n\t"                    \
  ".balign 4\n"                 \
  "7:\n\t"                      \
  ".short 0, %c[P], 1, 1 + %c[P], 2, 2 + %c[P], 3, 3 + %c[P]\n" \
  "8:\n\t"
#define TVM_TINY_MVE_AGAIN     \
  "subs r11, r11, #1\n\t"      \
  "bne 1b\n\t"

/* What the loops load r1, r3, r5, r7, r9, r11 with. `second`: x of the second pixel, or `out` if
 * there is only one. */
struct tvm_tiny_mve_operands {
  uintptr_t x;
  uintptr_t second;
  const int8_t* w;
  const int32_t* params;
  int8_t* out;
  int32_t blocks;
};

/* r7 may be the frame pointer, which gcc does not give away; `some` tells it of the predicates. */
#define TVM_TINY_MVE_ASM(text, ...)                                \
  __asm__ volatile("push {r7}\n\t"                                 \
                   "ldm r0, {r1, r3, r5, r7, r9, r11}\n\t" text    \
                   "pop {r7}\n\t"                                  \
                   : "+r"(all), "=Up"(some)                        \
                   : __VA_ARGS__                                   \
                   : TVM_TINY_MVE_CLOBBERS)

/* K <= 240: offsets reach all of x, from 112 on. */
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

/* K > 240: a loop over four steps. */
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

TVM_TINY_INLINE void tvm_tiny_mve_conv_blocks(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                              const int32_t* params, int8_t* out,
                                              int32_t out_pitch, int32_t pixels, int32_t K,
                                              int32_t blocks, int32_t float32, int32_t y_zero,
                                              int32_t low, int32_t high) {
  /* Not a pointer: it may be outside of what x points into. */
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
#endif

/* tvm_tiny_mve_conv and _conv_float32. */
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
  /* Four channels of all pixels before any of them is written, as by vectors: the results may lie
     over pixels that are still to be read. */
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

/*
 * All channels of one or two pixels: out[p * out_pitch + c] of the sum over k of
 * x[p * x_pitch + k] * w[c / 4][k / 16][c % 4][k % 16]. The last blocks of w and params are whole.
 */
TVM_TINY_INLINE void tvm_tiny_mve_conv(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                       const int32_t* params, int8_t* out, int32_t out_pitch,
                                       int32_t pixels, int32_t K, int32_t channels, int32_t low,
                                       int32_t high) {
  tvm_tiny_mve_conv_any(x, x_pitch, w, params, out, out_pitch, pixels, K, channels, 0, 0, low,
                        high);
}

TVM_TINY_INLINE void tvm_tiny_mve_conv_float32(const int8_t* x, int32_t x_pitch, const int8_t* w,
                                               const int32_t* params, int8_t* out,
                                               int32_t out_pitch, int32_t pixels, int32_t K,
                                               int32_t channels, int32_t y_zero, int32_t low,
                                               int32_t high) {
  tvm_tiny_mve_conv_any(x, x_pitch, w, params, out, out_pitch, pixels, K, channels, 1, y_zero, low,
                        high);
}

/* Columns of scratch for two pixels: one vector of four more than the last pixel begins with. */
TVM_TINY_INLINE int32_t tvm_tiny_mve_columns(int32_t kernel_h, int32_t kernel_w, int32_t stride_w) {
  const int32_t count = stride_w + (kernel_w + 3) / 4 * 4;
  return kernel_h > 4 || kernel_w > 4 ? (count + 3) & ~3 : count;
}

#if TVM_TINY_MVE
/* Row k of four: of `lanes` channels, then to the next column. */
#define TVM_TINY_MVE_ROW(k, a)                                                                 \
  TVM_TINY_MVE_IF("%c[lanes] < 16 && %c[C] < 128",                                             \
                  "vpst\n\tvldrbt.u8 q" k ", [" a "], #%c[C]\n\t")                             \
  TVM_TINY_MVE_IF("%c[lanes] < 16 && %c[C] >= 128",                                            \
                  "vpst\n\tvldrbt.u8 q" k ", [" a "]\n\tadd " a ", " a ", r12\n\t")            \
  TVM_TINY_MVE_IF("%c[lanes] > 15 && %c[C] < 128", "vldrb.u8 q" k ", [" a "], #%c[C]\n\t")     \
  TVM_TINY_MVE_IF("%c[lanes] > 15 && %c[C] >= 128",                                            \
                  "vldrb.u8 q" k ", [" a "]\n\tadd " a ", " a ", r12\n\t")
#define TVM_TINY_MVE_ROWS(n, each)          \
  TVM_TINY_MVE_IF(n " > 0", each("0", "r0")) \
  TVM_TINY_MVE_IF(n " > 1", each("1", "r2")) \
  TVM_TINY_MVE_IF(n " > 2", each("2", "r4")) \
  TVM_TINY_MVE_IF(n " > 3", each("3", "r6"))
#define TVM_TINY_MVE_FROM(k, a) "add " a ", " a ", r1\n\t"
#define TVM_TINY_MVE_MAYBE_FROM(k, a) \
  "vdup.8 q" k ", r10\n\tcbz " a ", 9f\n\tadd " a ", " a ", r1\n\t9:\n\t"
#define TVM_TINY_MVE_MAYBE_ROW(k, a) "cbz " a ", 9f\n\t" TVM_TINY_MVE_ROW(k, a) "9:\n\t"
#define TVM_TINY_MVE_COLUMN                    \
  "vst40.8 {q0, q1, q2, q3}, [r8]\n\t"         \
  "vst41.8 {q0, q1, q2, q3}, [r8]\n\t"         \
  "vst42.8 {q0, q1, q2, q3}, [r8]\n\t"         \
  "vst43.8 {q0, q1, q2, q3}, [r8]!\n\t"
/* Columns of n rows as words of the channels; the first way if all the rows are there. */
#define TVM_TINY_MVE_COLUMNS(n)                                                      \
  "cmp r10, #256\n\t"                                                                \
  "blo 3f\n\t"                                                                       \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_FROM)                                            \
  "wls lr, lr, 5f\n\t"                                                               \
  "2:\n\t"                                                                           \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_ROW)                                             \
  TVM_TINY_MVE_COLUMN                                                                \
  "le lr, 2b\n\t"                                                                    \
  "b 5f\n\t"                                                                         \
  "3:\n\t"                                                                           \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_MAYBE_FROM)                                      \
  "wls lr, lr, 5f\n\t"                                                               \
  "4:\n\t"                                                                           \
  TVM_TINY_MVE_ROWS(n, TVM_TINY_MVE_MAYBE_ROW)                                       \
  TVM_TINY_MVE_COLUMN                                                                \
  "le lr, 4b\n\t"                                                                    \
  "5:\n\t"

/* Four words of a channel's columns for every pixel, by the vector of addresses `at`. */
#define TVM_TINY_MVE_WORDS_1(at, a, b, offset) \
  "vldrw.u32 q1, [" at ", #4 * (" offset ")]\n\t"    \
  "vmladava.s8 " a ", q1, q0\n\t"
#define TVM_TINY_MVE_WORDS_2(at, a, b, offset)              \
  TVM_TINY_MVE_WORDS_1(at, a, b, offset)                    \
  "vldrw.u32 q2, [" at ", #4 * (" offset ") + 64 * %c[SW]]\n\t"   \
  "vmladava.s8 " b ", q2, q0\n\t"
#define TVM_TINY_MVE_CHANNEL(pixels, at, a, b, offset) \
  "vldrb.u8 q0, [r5], #16\n\t" TVM_TINY_MVE_WORDS_##pixels(at, a, b, offset)
#define TVM_TINY_MVE_CHANNELS(pixels, at, offset)                 \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r0", "r8", offset)            \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r2", "r10", offset " + 1")    \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r4", "r12", offset " + 2")    \
  TVM_TINY_MVE_CHANNEL(pixels, at, "r6", "lr", offset " + 3")
/* Vector k of a channel: other columns or other rows. */
#define TVM_TINY_MVE_VECTOR(pixels, k, offset)                                          \
  TVM_TINY_MVE_IF("%c[V] > " k,                                                         \
                  "vmov.i32 q3, #64 * (" k " / %c[KV] * %c[N] + " k " %% %c[KV] * 4)\n\t" \
                  "vadd.i32 q3, q3, q6\n\t"                                       \
                  TVM_TINY_MVE_CHANNELS(pixels, "q3", offset))
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
#define TVM_TINY_MVE_STORE_1 "vstrb.32 q4, [r3], #4\n\t"
#define TVM_TINY_MVE_STORE_2 "vstrb.16 q4, [r3, q7]\n\tadd r3, r3, #4\n\t"
#define TVM_TINY_MVE_TABLE(k) \
  "add r0, r9, #32 * " k "\n\tldm r0, {r0, r2, r4, r6, r8, r10, lr}\n\t"
#define TVM_TINY_MVE_DEPTHWISE(pixels)                                                     \
  "vldrw.u32 q6, [r9, #96]\n\t"                                                            \
  "vldrw.u32 q7, [r9, #112]\n\t"                                                           \
  "1:\n\t"                                                                                 \
  TVM_TINY_MVE_IF("%c[lanes] < 16", "mov r0, #%c[lanes]\n\tvctp.8 r0\n\t")                 \
  TVM_TINY_MVE_IF("%c[C] >= 128", "movw r12, #%c[C]\n\t")                                  \
  "ldm r9, {r0, r2, r4, r6, r8, r10, lr}\n\t"                                        \
  TVM_TINY_MVE_COLUMNS("%c[KH]")                                                           \
  TVM_TINY_MVE_IF("%c[KH] > 4", TVM_TINY_MVE_TABLE("1") TVM_TINY_MVE_COLUMNS("%c[KH] - 4")) \
  TVM_TINY_MVE_IF("%c[KH] > 8", TVM_TINY_MVE_TABLE("2") TVM_TINY_MVE_COLUMNS("%c[KH] - 8")) \
  TVM_TINY_MVE_GROUP(pixels, "0")                                                          \
  TVM_TINY_MVE_GROUP(pixels, "4")                                                          \
  TVM_TINY_MVE_GROUP(pixels, "8")                                                          \
  TVM_TINY_MVE_GROUP(pixels, "12")                                                         \
  "add r1, r1, #16\n\t"                                                              \
  TVM_TINY_MVE_AGAIN

/* Rows ky .. ky + 3 under the window, null where there is none; where their columns go; the zero
 * point as a byte, or 256 if all the rows are there; how many columns are there. */
struct tvm_tiny_mve_rows {
  const int8_t* rows[4];
  int32_t* to;
  uint32_t none;
  int32_t columns;
  int32_t unused;
};

/* `words`: addresses of the first columns of channel 0; `offsets`: of outputs of two pixels. */
struct tvm_tiny_mve_table {
  struct tvm_tiny_mve_rows rows[3];
  uint32x4_t words;
  uint16x8_t offsets;
};

/* What the loop loads r1, r3, r5, r7, r9, r11 with. `at`: byte of rows where columns begin. */
struct tvm_tiny_mve_blocks {
  int32_t at;
  int8_t* out;
  const int8_t* w;
  const int32_t* params;
  const struct tvm_tiny_mve_table* table;
  int32_t blocks;
};

/* N: columns there is room for, of V vectors a channel, KV of them for the same four rows. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_2(const struct tvm_tiny_mve_blocks* from,
                                              int32_t lanes, int32_t float32, int32_t y_zero,
                                              int32_t low, int32_t high, int32_t C, int32_t KH,
                                              int32_t KV, int32_t V, int32_t N, int32_t SW) {
  register const struct tvm_tiny_mve_blocks* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(TVM_TINY_MVE_DEPTHWISE(2), [lanes] "i"(lanes), TVM_TINY_MVE_RESULT,
                   [C] "i"(C), [KH] "i"(KH), [KV] "i"(KV), [V] "i"(V), [N] "i"(N), [SW] "i"(SW));
}

TVM_TINY_INLINE void tvm_tiny_mve_depthwise_1(const struct tvm_tiny_mve_blocks* from,
                                              int32_t lanes, int32_t float32, int32_t y_zero,
                                              int32_t low, int32_t high, int32_t C, int32_t KH,
                                              int32_t KV, int32_t V, int32_t N) {
  register const struct tvm_tiny_mve_blocks* all __asm__("r0") = from;
  mve_pred16_t some;
  TVM_TINY_MVE_ASM(TVM_TINY_MVE_DEPTHWISE(1), [lanes] "i"(lanes), TVM_TINY_MVE_RESULT,
                   [C] "i"(C), [KH] "i"(KH), [KV] "i"(KV), [V] "i"(V), [N] "i"(N));
}

/* Columns that are not there. */
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

TVM_TINY_INLINE void tvm_tiny_mve_depthwise_blocks(struct tvm_tiny_mve_blocks* all, int32_t pixels,
                                                   int32_t lanes, int32_t float32, int32_t y_zero,
                                                   int32_t low, int32_t high, int32_t C,
                                                   int32_t KH, int32_t KV, int32_t V, int32_t N,
                                                   int32_t SW) {
  if (pixels == 2) {
    tvm_tiny_mve_depthwise_2(all, lanes, float32, y_zero, low, high, C, KH, KV, V, N, SW);
  } else {
    tvm_tiny_mve_depthwise_1(all, lanes, float32, y_zero, low, high, C, KH, KV, V, N);
  }
}

/* One or two pixels from window column `first` on. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_pixels(
    struct tvm_tiny_mve_table* table, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t* scratch, int32_t first, int32_t zero_point, int32_t float32, int32_t y_zero,
    int32_t low, int32_t high, int32_t width, int32_t C, int32_t KH, int32_t KW, int32_t SW,
    int32_t pixels) {
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

TVM_TINY_INLINE void tvm_tiny_mve_depthwise_fast(const int8_t* x, const int32_t* lines,
                                                 const int8_t* w, const int32_t* params,
                                                 int8_t* out, int32_t* scratch, int32_t zero_point,
                                                 int32_t float32, int32_t y_zero, int32_t low,
                                                 int32_t high, int32_t width, int32_t C,
                                                 int32_t KH, int32_t KW, int32_t SW, int32_t first,
                                                 int32_t out_width) {
  struct tvm_tiny_mve_table table;
  int32_t ox;
  int32_t ky;
  table.words = vmlaq_n_u32(vdupq_n_u32((uint32_t)(uintptr_t)scratch), vidupq_n_u32(0, 1), 64);
  table.offsets = vreinterpretq_u16_u32(vmlaq_n_u32(vdupq_n_u32((uint32_t)((C + 3) & ~3) << 16),
                                                    vidupq_n_u32(0, 1), 0x10001u));
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
#endif

/* tvm_tiny_mve_depthwise and _depthwise_float32. */
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
 * One output row [out_width][channels] of a depthwise convolution; lines as for gather. No output
 * is written before its own window and those of all outputs before it have been read, so that
 * outputs may take the place of inputs that are done.
 *
 * w[c / 4][ky / 4][kx / 4][c % 4][kx % 4][ky % 4], zeros where there is no tap or channel.
 *
 * scratch: 16 * ceil(kernel_h / 4) * tvm_tiny_mve_columns() words, and behind them 2 bytes for each
 * channel, channels rounded up to a multiple of 4.
 */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t* scratch, int32_t zero_point, int32_t low, int32_t high, int32_t width,
    int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,
    int32_t out_width) {
  tvm_tiny_mve_depthwise_any(x, lines, w, params, out, scratch, zero_point, 0, 0, low, high, width,
                             channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
}

TVM_TINY_INLINE void tvm_tiny_mve_depthwise_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t* scratch, int32_t zero_point, int32_t y_zero, int32_t low, int32_t high,
    int32_t width, int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w,
    int32_t pad_left, int32_t out_width) {
  tvm_tiny_mve_depthwise_any(x, lines, w, params, out, scratch, zero_point, 1, y_zero, low, high,
                             width, channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
}

/* Rows of the highest window of depthwise_in_place with vectors. */
#define TVM_TINY_MVE_ROWS_IN_PLACE 16

#if TVM_TINY_MVE
/* The outputs of four channels' sums; params: of their block. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_outputs(int32x4_t sum, const int32_t* params,
                                               int32_t float32, int32_t y_zero, int32_t low,
                                               int32_t high) {
  const int32x4_t multiplier = vldrwq_s32(params + 4);
  int32x4_t y;
#if TVM_TINY_MVE_FLOAT
  if (float32) {
    const float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(sum), vreinterpretq_f32_s32(multiplier));
    y = vaddq_n_s32(vcvtnq_s32_f32(scaled), y_zero);
    return vmaxq_s32(vminq_s32(y, vdupq_n_s32(high)), vdupq_n_s32(low));
  }
#endif
  y = vqrdmulhq_s32(sum, multiplier);
  y = vaddq_s32(vaddq_s32(y, vshrq_n_s32(y, 31)), vldrwq_s32(params + 8));
  y = vshlq_s32(y, vldrwq_s32(params + 12));
  return vmaxq_s32(vminq_s32(y, vdupq_n_s32(high)), vdupq_n_s32(low));
}

/* Some of a row's taps of up to four channels. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_taps(int32x4_t sum, const int8_t* x, const int8_t* w,
                                            int32_t taps, int32_t channels, int32_t whole,
                                            mve_pred16_t some) {
  for (; taps > 0; taps--) {
    const int32x4_t weights = whole ? vldrbq_s32(w) : vldrbq_z_s32(w, some);
    const int32x4_t values = whole ? vldrbq_s32(x) : vldrbq_z_s32(x, some);
    sum = vaddq_s32(sum, vmulq_s32(values, weights));
    x += channels;
    w += channels;
  }
  return sum;
}

/* The same where the input's zero point is taken. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_missing(int32x4_t sum, const int8_t* w, int32_t taps,
                                               int32_t zero_point, int32_t channels,
                                               int32_t whole, mve_pred16_t some) {
  for (; taps > 0; taps--) {
    const int32x4_t weights = whole ? vldrbq_s32(w) : vldrbq_z_s32(w, some);
    sum = vaddq_s32(sum, vmulq_n_s32(weights, zero_point));
    w += channels;
  }
  return sum;
}

/* Up to four channels of a pixel, `whole`: four. Of each row that is there, from the window's
 * column 0 on, columns first .. end - 1 are; edge: whether not all of all rows are. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_window(const int8_t* const* rows, int32_t at,
                                              const int8_t* w, int32x4_t sum, int32_t zero_point,
                                              int32_t channels, int32_t kernel_h, int32_t kernel_w,
                                              int32_t first, int32_t end, int32_t edge,
                                              int32_t whole, mve_pred16_t some) {
  int32_t ky;
  for (ky = 0; ky < kernel_h; ky++) {
    if (!edge) {
      sum = tvm_tiny_mve_taps(sum, rows[ky] + at, w, kernel_w, channels, whole, some);
    } else if (rows[ky] == 0 || first >= end) {
      sum = tvm_tiny_mve_missing(sum, w, kernel_w, zero_point, channels, whole, some);
    } else {
      sum = tvm_tiny_mve_missing(sum, w, first, zero_point, channels, whole, some);
      sum = tvm_tiny_mve_taps(sum, rows[ky] + (at + first * channels), w + first * channels,
                              end - first, channels, whole, some);
      sum = tvm_tiny_mve_missing(sum, w + end * channels, kernel_w - end, zero_point, channels,
                                 whole, some);
    }
    w += kernel_w * channels;
  }
  return sum;
}

/* All channels of the pixel of the window at `column`. */
TVM_TINY_INLINE void tvm_tiny_mve_in_place_pixel(const int8_t* const* rows, const int8_t* w,
                                                 const int32_t* params, int8_t* out,
                                                 int32_t zero_point, int32_t float32,
                                                 int32_t y_zero, int32_t low, int32_t high,
                                                 int32_t width, int32_t channels,
                                                 int32_t kernel_h, int32_t kernel_w,
                                                 int32_t column, int32_t edge) {
  const int32_t first = column < 0 ? -column : 0;
  const int32_t end = width - column < kernel_w ? width - column : kernel_w;
  const int32_t at = column * channels;
  int32_t c = 0;
  int32x4_t sum;
  for (; c + 4 <= channels; c += 4) {
    sum = tvm_tiny_mve_window(rows, at + c, w + c, vldrwq_s32(params), zero_point, channels,
                              kernel_h, kernel_w, first, end, edge, 1, 0);
    vstrbq_s32(out + c, tvm_tiny_mve_outputs(sum, params, float32, y_zero, low, high));
    params += float32 ? 8 : 16;
  }
  if (c < channels) {
    const mve_pred16_t some = vctp32q((uint32_t)(channels - c));
    sum = tvm_tiny_mve_window(rows, at + c, w + c, vldrwq_s32(params), zero_point, channels,
                              kernel_h, kernel_w, first, end, edge, 0, some);
    vstrbq_p_s32(out + c, tvm_tiny_mve_outputs(sum, params, float32, y_zero, low, high), some);
  }
}

TVM_TINY_INLINE void tvm_tiny_mve_in_place_fast(const int8_t* x, const int32_t* lines,
                                                const int8_t* w, const int32_t* params,
                                                int8_t* out, int32_t zero_point, int32_t float32,
                                                int32_t y_zero, int32_t low, int32_t high,
                                                int32_t width, int32_t channels, int32_t kernel_h,
                                                int32_t kernel_w, int32_t stride_w,
                                                int32_t pad_left, int32_t out_width) {
  const int8_t* rows[TVM_TINY_MVE_ROWS_IN_PLACE];
  int32_t missing = 0;
  int32_t column = -pad_left;
  int32_t k;
  for (k = 0; k < kernel_h; k++) {
    rows[k] = lines[k] < 0 ? 0 : x + lines[k] * width * channels;
    missing |= lines[k];
  }
  for (k = 0; k < out_width; k++) {
    if (missing < 0 || column < 0 || column + kernel_w > width) {
      tvm_tiny_mve_in_place_pixel(rows, w, params, out, zero_point, float32, y_zero, low, high,
                                  width, channels, kernel_h, kernel_w, column, 1);
    } else {
      tvm_tiny_mve_in_place_pixel(rows, w, params, out, zero_point, float32, y_zero, low, high,
                                  width, channels, kernel_h, kernel_w, column, 0);
    }
    column += stride_w;
    out += channels;
  }
}
#endif

/* tvm_tiny_mve_depthwise_in_place and _in_place_float32. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_in_place_any(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t float32, int32_t y_zero, int32_t low, int32_t high, int32_t width,
    int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,
    int32_t out_width) {
  int32_t ox;
  int32_t c;
  int32_t k;
#if TVM_TINY_MVE
  if ((!float32 || TVM_TINY_MVE_FLOAT) && kernel_h <= TVM_TINY_MVE_ROWS_IN_PLACE) {
    tvm_tiny_mve_in_place_fast(x, lines, w, params, out, zero_point, float32, y_zero, low, high,
                               width, channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
    return;
  }
#endif
  for (ox = 0; ox < out_width; ox++) {
    for (c = 0; c < channels; c++) {
      int32_t sum = *tvm_tiny_mve_channel(params, c, float32);
      for (k = 0; k < kernel_h * kernel_w; k++) {
        const int32_t line = lines[k / kernel_w];
        const int32_t from = ox * stride_w + k % kernel_w - pad_left;
        const int inside = line >= 0 && from >= 0 && from < width;
        sum += w[k * channels + c] *
               (inside ? x[(line * width + from) * channels + c] : zero_point);
      }
      out[ox * channels + c] = tvm_tiny_mve_output(sum, params, c, float32, y_zero, low, high);
    }
  }
}

/* The same as tvm_tiny_mve_depthwise without scratch, for two to three times the instructions: four
 * channels of a tap are a vector. w is [kernel_h * kernel_w][channels]. */
TVM_TINY_INLINE void tvm_tiny_mve_depthwise_in_place(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  tvm_tiny_mve_depthwise_in_place_any(x, lines, w, params, out, zero_point, 0, 0, low, high, width,
                                      channels, kernel_h, kernel_w, stride_w, pad_left, out_width);
}

TVM_TINY_INLINE void tvm_tiny_mve_depthwise_in_place_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t y_zero, int32_t low, int32_t high, int32_t width,
    int32_t channels, int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left,
    int32_t out_width) {
  tvm_tiny_mve_depthwise_in_place_any(x, lines, w, params, out, zero_point, 1, y_zero, low, high,
                                      width, channels, kernel_h, kernel_w, stride_w, pad_left,
                                      out_width);
}

#if TVM_TINY_MVE
#pragma GCC diagnostic pop
#endif

/* value / 2^shift, halves away from zero; 0 <= shift <= 31. */
TVM_TINY_INLINE int32_t tvm_tiny_mve_shift(int32_t value, int32_t shift) {
  const int32_t half = (int32_t)((1u << shift) >> 1);
  const int32_t sign = shift > 0 ? value >> 31 : 0;
  return (value + sign + half) >> shift;
}

#if TVM_TINY_MVE
/* The same of four values, scaled first; `shift` is not positive. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_scaled(int32x4_t value, int32_t multiplier, int32_t shift) {
  const int32x4_t t = vqrdmulhq_n_s32(value, multiplier);
  return vrshlq_n_s32(vqdmlahq_n_s32(t, t, shift < 0), shift);
}

/* (a - zero point) * 2^20 of the even ones of eight, and of the odd ones. */
TVM_TINY_INLINE int32x4x2_t tvm_tiny_mve_centred(const int8_t* a, int32_t zero_point) {
  const int16x8_t part = vmlasq_n_s16(vldrbq_s16(a), vdupq_n_s16(16), (int16_t)(-16 * zero_point));
  int32x4x2_t both;
  both.val[0] = vshllbq_n_s16(part, 16);
  both.val[1] = vshlltq_n_s16(part, 16);
  return both;
}

TVM_TINY_INLINE int32x4_t tvm_tiny_mve_sum(int32x4_t a, int32x4_t b, const int32_t* q) {
  const int32x4_t sum =
      vaddq_s32(tvm_tiny_mve_scaled(a, q[5], q[8]), tvm_tiny_mve_scaled(b, q[6], q[9]));
  return tvm_tiny_mve_scaled(sum, q[7], q[10]);
}

TVM_TINY_INLINE void tvm_tiny_mve_add_8(const int8_t* a, const int8_t* b, int8_t* out,
                                        const int32_t* q) {
  const int32x4x2_t first = tvm_tiny_mve_centred(a, q[0]);
  const int32x4x2_t second = tvm_tiny_mve_centred(b, q[1]);
  const int32x4_t even = tvm_tiny_mve_sum(first.val[0], second.val[0], q);
  const int32x4_t odd = tvm_tiny_mve_sum(first.val[1], second.val[1], q);
  int16x8_t y = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
  y = vqaddq_n_s16(y, (int16_t)q[2]);
  y = vmaxq_s16(vminq_s16(y, vdupq_n_s16((int16_t)q[4])), vdupq_n_s16((int16_t)q[3]));
  vstrbq_s16(out, y);
}
#endif

/*
 * TFLite's addition of `count` elements, in order; q = {a_zp, b_zp, y_zp, act_min, act_max,
 * a_multiplier, b_multiplier, y_multiplier, a_shift, b_shift, y_shift}, no shift positive.
 */
TVM_TINY_INLINE void tvm_tiny_mve_add(const int8_t* a, const int8_t* b, int8_t* out, int32_t count,
                                      const int32_t* q) {
  int32_t i = 0;
#if TVM_TINY_MVE
  const int32_t limits[11] = {q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7], q[8], q[9], q[10]};
  for (; i + 8 <= count; i += 8) {
    tvm_tiny_mve_add_8(a + i, b + i, out + i, limits);
  }
  for (; i < count; i += 4) {
    const mve_pred16_t some = vctp32q((uint32_t)(count - i));
    const int32x4_t first = vsubq_n_s32(vldrbq_z_s32(a + i, some), q[0]);
    const int32x4_t second = vsubq_n_s32(vldrbq_z_s32(b + i, some), q[1]);
    int32x4_t y = vaddq_s32(tvm_tiny_mve_scaled(vshlq_n_s32(first, 20), q[5], q[8]),
                            tvm_tiny_mve_scaled(vshlq_n_s32(second, 20), q[6], q[9]));
    y = vaddq_n_s32(tvm_tiny_mve_scaled(y, q[7], q[10]), q[2]);
    y = vmaxq_s32(vminq_s32(y, vdupq_n_s32(q[4])), vdupq_n_s32(q[3]));
    vstrbq_p_s32(out + i, y, some);
  }
#else
  for (; i < count; i++) {
    const int32_t first = tvm_tiny_mve_scale((a[i] - q[0]) * (1 << 20), q[5]);
    const int32_t second = tvm_tiny_mve_scale((b[i] - q[1]) * (1 << 20), q[6]);
    const int32_t sum = tvm_tiny_mve_shift(first, -q[8]) + tvm_tiny_mve_shift(second, -q[9]);
    const int32_t y = tvm_tiny_mve_shift(tvm_tiny_mve_scale(sum, q[7]), -q[10]);
    out[i] = tvm_tiny_mve_clamp(y + q[2], q[3], q[4]);
  }
#endif
}

/* Moves `blocks` times 32 bytes down to `to`, from `by` bytes above, by >= 0. */
TVM_TINY_INLINE void tvm_tiny_mve_slide(void* to, int32_t by, int32_t blocks) {
  int8_t* y = (int8_t*)to;
  const int8_t* x = y + by;
#if TVM_TINY_MVE
  int32_t vectors = 2 * blocks;
  for (; vectors > 0; vectors--) {
    vstrbq_s8(y, vldrbq_s8(x));
    x += 16;
    y += 16;
  }
#else
  int32_t k;
  for (k = 0; k < 32 * blocks; k++) {
    y[k] = x[k];
  }
#endif
}

#endif /* TVM_TINY_MVE_H */
