/* Sums to int8. */
#ifndef TVM_TINY_MVE_REQUANTIZE_H
#define TVM_TINY_MVE_REQUANTIZE_H

#include "tvm_tiny/mve/common.h"

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

#if TVM_TINY_MVE

/*
 * The loops below are assembler: VMLADAVA adds into even registers alone, and eight sums take all
 * of them, which gcc does not find out. One operand comes in, r0: what to load the others from.
 * Shapes are constants of the text, and the assembler leaves out what they make needless.
 */
#define TVM_TINY_MVE_IF(condition, text) ".if " condition "\n\t" text ".endif\n\t"
#define TVM_TINY_MVE_CLOBBERS                                                                     \
  "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "q0", "q1",    \
      "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory"

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

/* r7 may be the frame pointer, which gcc does not give away; `some` tells it of the predicates. */
#define TVM_TINY_MVE_ASM(text, ...)                                \
  __asm__ volatile("push {r7}\n\t"                                 \
                   "ldm r0, {r1, r3, r5, r7, r9, r11}\n\t" text    \
                   "pop {r7}\n\t"                                  \
                   : "+r"(all), "=Up"(some)                        \
                   : __VA_ARGS__                                   \
                   : TVM_TINY_MVE_CLOBBERS)

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

#endif /* TVM_TINY_MVE */

#endif /* TVM_TINY_MVE_REQUANTIZE_H */
