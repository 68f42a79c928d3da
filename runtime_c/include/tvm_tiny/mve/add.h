/* Addition of quantized tensors as TFLite rounds it. */
#ifndef TVM_TINY_MVE_ADD_H
#define TVM_TINY_MVE_ADD_H

#include "tvm_tiny/mve/common.h"

/* Returns value / 2^shift, halves away from zero, 0 <= shift <= 31. */
TVM_TINY_INLINE int32_t tvm_tiny_mve_shift(int32_t value, int32_t shift) {
  const int32_t half = (int32_t)((1u << shift) >> 1);
  const int32_t sign = shift > 0 ? value >> 31 : 0;
  return (value + sign + half) >> shift;
}

#if TVM_TINY_MVE
/* Scales and shifts four values; shift <= 0. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_scaled(int32x4_t value, int32_t multiplier, int32_t shift) {
  const int32x4_t t = vqrdmulhq_n_s32(value, multiplier);
  return vrshlq_n_s32(vqdmlahq_n_s32(t, t, shift < 0), shift);
}

/* Returns (a - zero point) * 2^20 of the even elements of eight, and of the odd ones. */
TVM_TINY_INLINE int32x4x2_t tvm_tiny_mve_centred(const int8_t* a, int32_t zero_point) {
  const int16x8_t part = vmlasq_n_s16(vldrbq_s16(a), vdupq_n_s16(16), (int16_t)(-16 * zero_point));
  int32x4x2_t both;
  both.val[0] = vshllbq_n_s16(part, 16);
  both.val[1] = vshlltq_n_s16(part, 16);
  return both;
}

/* Adds four pairs of elements, scaled. */
TVM_TINY_INLINE int32x4_t tvm_tiny_mve_sum(int32x4_t a, int32x4_t b, const int32_t* q) {
  const int32x4_t sum =
      vaddq_s32(tvm_tiny_mve_scaled(a, q[5], q[8]), tvm_tiny_mve_scaled(b, q[6], q[9]));
  return tvm_tiny_mve_scaled(sum, q[7], q[10]);
}

/* Adds eight pairs of elements. */
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

/* Adds quantized tensors in order: out[i] from a[i] and b[i], i < count. q: zero points of a, b and
 * y, limits low and high, multipliers of a, b and y, shifts of a, b and y; no shift is positive. */
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

#endif /* TVM_TINY_MVE_ADD_H */
