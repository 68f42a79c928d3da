/* Requantization of int32 sums to int8 as mve.h defines it, and what loops in assembler share. */
#ifndef TVM_TINY_MVE_REQUANTIZE_H
#define TVM_TINY_MVE_REQUANTIZE_H

#include "tvm_tiny/mve/common.h"

/*
 * Computes rint(f32(f32(sum) * multiplier)) with integers; `bits` are those of the multiplier.
 *
 * With multiplier = m / 2^(31 + s), t is sum * m / 2^31 and y is t / 2^s, both rounded to nearest.
 * The float32 product can be a tie between two integers only where t is one. There it is a tie if
 * the remainder of the first division is at most half a unit in the last place of a float32 of t's
 * size.
 *
 * Valid for |sum| < 2^30 and |t| < 2^23. The latter is no limit where s <= 15 and only results
 * within int8 matter.
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
    /* y has been rounded up. A tie belongs to the even neighbour: below an odd y. */
    return y - ((y & 1) != 0 ? rest <= half_place : rest < -half_place);
  }
  return y;
}

/* Returns the params of channel c, which lie 4 words apart.
 *
 * Here and below, float32 says whether params belong to a _float32 function. It is a constant in
 * every call, so that the compiler drops the other branch. y_zero is the output's zero point, which
 * only _float32 functions use. */
TVM_TINY_INLINE const int32_t* tvm_tiny_mve_channel(const int32_t* params, int32_t c,
                                                    int32_t float32) {
  return params + c / 4 * (float32 ? 8 : 16) + c % 4;
}

/* Requantizes the sum of channel c, its bias included, in portable C. */
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

#if TVM_TINY_MVE

/*
 * Loops over sums are written in assembler. VMLADAVA accumulates only in even registers, and eight
 * sums take all of them; gcc does not find such an allocation.
 *
 * The one operand is r0, the address of a struct of the others. Shapes are constants in the text,
 * and the assembler leaves out instructions that are not needed for them.
 */

/* clang-format off */
/* Instructions for which a condition on constants must hold. */
#define TVM_TINY_MVE_IF(condition, text) ".if " condition "\n\t" text ".endif\n\t"

/* Registers that the loops change. */
#define TVM_TINY_MVE_CLOBBERS                                                            \
  "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "q0", "q1", \
      "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory"

/* Load the biases at r7 as sums of one or two pixels: r0, r2, r4, r6 and r8, r10, r12, lr. */
#define TVM_TINY_MVE_BIAS_1 "ldm r7!, {r0, r2, r4, r6}\n\t"
#define TVM_TINY_MVE_BIAS_2      \
  "ldm r7, {r0, r2, r4, r6}\n\t" \
  "ldm r7!, {r8, r10, r12, lr}\n\t"

/* Requantize the sums of four channels. Outputs of one pixel are in the low bytes of the words of
 * q4, those of two pixels in turns in the low bytes of its halfwords. VQDMLAH by 1 adds t >> 31. */
#define TVM_TINY_MVE_RESCALE_1                                 \
  "vmov q4[2], q4[0], r0, r4\n\t"                              \
  "vmov q4[3], q4[1], r2, r6\n\t"                              \
  "vldrw.u32 q0, [r7], #16\n\t"                                \
  TVM_TINY_MVE_IF("%c[float32]",                               \
                  "vcvt.f32.s32 q4, q4\n\t"                    \
                  "vmul.f32 q4, q4, q0\n\t"                    \
                  "vcvtn.s32.f32 q4, q4\n\t"                   \
                  TVM_TINY_MVE_IF("%c[zero]",                  \
                                  "mov r0, #%c[zero]\n\t"      \
                                  "vqadd.s32 q4, q4, r0\n\t")) \
  TVM_TINY_MVE_IF("!%c[float32]",                              \
                  "mov r0, #1\n\t"                             \
                  "vqrdmulh.s32 q4, q4, q0\n\t"                \
                  "vldrw.u32 q0, [r7], #16\n\t"                \
                  "vqdmlah.s32 q4, q4, r0\n\t"                 \
                  "vadd.i32 q4, q4, q0\n\t"                    \
                  "vldrw.u32 q0, [r7], #16\n\t"                \
                  "vshl.s32 q4, q4, q0\n\t")                   \
  "vqmovnb.s32 q4, q4\n\t"                                     \
  TVM_TINY_MVE_LIMITS
#define TVM_TINY_MVE_RESCALE_2                                 \
  "vmov q4[2], q4[0], r0, r4\n\t"                              \
  "vmov q4[3], q4[1], r2, r6\n\t"                              \
  "vmov q5[2], q5[0], r8, r12\n\t"                             \
  "vmov q5[3], q5[1], r10, lr\n\t"                             \
  "vldrw.u32 q0, [r7], #16\n\t"                                \
  TVM_TINY_MVE_IF("%c[float32]",                               \
                  "vcvt.f32.s32 q4, q4\n\t"                    \
                  "vcvt.f32.s32 q5, q5\n\t"                    \
                  "vmul.f32 q4, q4, q0\n\t"                    \
                  "vmul.f32 q5, q5, q0\n\t"                    \
                  "vcvtn.s32.f32 q4, q4\n\t"                   \
                  "vcvtn.s32.f32 q5, q5\n\t"                   \
                  TVM_TINY_MVE_IF("%c[zero]",                  \
                                  "mov r0, #%c[zero]\n\t"      \
                                  "vqadd.s32 q4, q4, r0\n\t"   \
                                  "vqadd.s32 q5, q5, r0\n\t")) \
  TVM_TINY_MVE_IF("!%c[float32]",                              \
                  "mov r0, #1\n\t"                             \
                  "vqrdmulh.s32 q4, q4, q0\n\t"                \
                  "vqrdmulh.s32 q5, q5, q0\n\t"                \
                  "vldrw.u32 q0, [r7], #16\n\t"                \
                  "vqdmlah.s32 q4, q4, r0\n\t"                 \
                  "vqdmlah.s32 q5, q5, r0\n\t"                 \
                  "vadd.i32 q4, q4, q0\n\t"                    \
                  "vadd.i32 q5, q5, q0\n\t"                    \
                  "vldrw.u32 q0, [r7], #16\n\t"                \
                  "vshl.s32 q4, q4, q0\n\t"                    \
                  "vshl.s32 q5, q5, q0\n\t")                   \
  "vqmovnb.s32 q4, q4\n\t"                                     \
  "vqmovnt.s32 q4, q5\n\t"                                     \
  TVM_TINY_MVE_LIMITS

/* Operands of the requantization. */
#define TVM_TINY_MVE_RESULT \
  [float32] "i"(float32), [zero] "i"(y_zero), [low] "i"(low), [high] "i"(high)

/* Limits the outputs to [low, high] and narrows them to bytes. */
#define TVM_TINY_MVE_LIMITS                         \
  TVM_TINY_MVE_IF("%c[low] > -128",                 \
                  "movw r0, #%c[low] & 0xffff\n\t"  \
                  "vdup.16 q0, r0\n\t"              \
                  "vmax.s16 q4, q4, q0\n\t")        \
  TVM_TINY_MVE_IF("%c[high] < 127",                 \
                  "movw r0, #%c[high] & 0xffff\n\t" \
                  "vdup.16 q0, r0\n\t"              \
                  "vmin.s16 q4, q4, q0\n\t")        \
  "vqmovnb.s16 q4, q4\n\t"

/* Loads q7 with the offsets from r9 at which the outputs of two pixels, P bytes apart, are
 * stored. */
#define TVM_TINY_MVE_OFFSETS_2                                  \
  "adr r2, 7f\n\t"                                              \
  "vldrw.u32 q7, [r2]\n\t"                                      \
  "b 8f\n\t"                                                    \
  ".balign 4\n"                                                 \
  "7:\n\t"                                                      \
  ".short 0, %c[P], 1, 1 + %c[P], 2, 2 + %c[P], 3, 3 + %c[P]\n" \
  "8:\n\t"

/* Goes back to label 1 for the next of r11 blocks. */
#define TVM_TINY_MVE_AGAIN \
  "subs r11, r11, #1\n\t"  \
  "bne 1b\n\t"

/* Runs a text with the members of *all in r1, r3, r5, r7, r9 and r11. r7 may be gcc's frame
 * pointer, which cannot be declared as changed, so it is saved here. The operand `some` tells gcc
 * that the predicates change. */
#define TVM_TINY_MVE_ASM(text, ...)                             \
  __asm__ volatile("push {r7}\n\t"                              \
                   "ldm r0, {r1, r3, r5, r7, r9, r11}\n\t" text \
                   "pop {r7}\n\t"                               \
                   : "+r"(all), "=Up"(some)                     \
                   : __VA_ARGS__                                \
                   : TVM_TINY_MVE_CLOBBERS)
/* clang-format on */

/* Requantizes the sums of four channels; params are those of their block. */
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

#endif /* TVM_TINY_MVE */

#endif /* TVM_TINY_MVE_REQUANTIZE_H */
