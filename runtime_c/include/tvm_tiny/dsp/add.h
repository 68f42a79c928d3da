/* Addition of quantized tensors as TFLite rounds it. */
#ifndef TVM_TINY_DSP_ADD_H
#define TVM_TINY_DSP_ADD_H

#include "tvm_tiny/dsp/requantize.h"

/* Returns value * multiplier / 2^31 / 2^shift; TFLite's rounding is applied in both steps. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_scaled(int32_t value, int32_t multiplier, int32_t shift) {
  const int32_t t = (int32_t)(((int64_t)value * multiplier + (1 << 30)) >> 31);
  const int32_t half = shift > 0 ? (int32_t)(1u << (shift - 1)) : 0;
  return (int32_t)(((int64_t)t + (shift > 0 ? t >> 31 : 0) + half) >> shift);
}

/* Adds quantized tensors like tvm_tiny_dsp_add, for any q. */
TVM_TINY_INLINE void tvm_tiny_dsp_add_any(const int8_t* a, const int8_t* b, int8_t* out,
                                          int32_t count, const int32_t* q) {
  int32_t i;
  for (i = 0; i < count; i++) {
    const int32_t left = tvm_tiny_dsp_scaled((a[i] - q[0]) * (1 << 20), q[5], -q[8]);
    const int32_t right = tvm_tiny_dsp_scaled((b[i] - q[1]) * (1 << 20), q[6], -q[9]);
    const int32_t y = tvm_tiny_dsp_scaled(left + right, q[7], -q[10]) + q[2];
    out[i] = tvm_tiny_dsp_clamp(y, q[3], q[4]);
  }
}

#if TVM_TINY_DSP

/* Constants of an addition, derived from q. x is the operand of the larger scale, whose part of the
 * sum is exactly (x - zero point) * 2^19; y is the other operand. */
struct tvm_tiny_dsp_scales {
  int32_t x_zero;
  int32_t y_zero;
  int32_t y_multiplier;
  int32_t y_shift;
  int32_t y_half;
  int32_t multiplier;
  int32_t shift;
  int32_t offset;
};

/* Returns the sum of two elements as a fixed-point number with one fractional bit. equal: whether
 * the operands have the same scale. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_add_one(int32_t x, int32_t y,
                                             const struct tvm_tiny_dsp_scales* s, int equal) {
  int32_t sum = y * (1 << 20) - s->y_zero;
  if (!equal) {
    const int32_t t = y * (1 << 21) - s->y_zero;
    sum = tvm_tiny_dsp_smmlar((uint32_t)t, (uint32_t)s->y_multiplier, s->y_half + (t >> 31));
    sum = (sum >> s->y_shift) * 2 - s->x_zero;
  }
  sum += x * (1 << 20);
  return tvm_tiny_dsp_smmlar((uint32_t)sum, (uint32_t)s->multiplier, s->offset + (sum >> 31)) >>
         s->shift;
}

/* Adds `count` elements. whole: whether the limits are those of int8. equal: whether the operands
 * have the same scale. */
TVM_TINY_INLINE void tvm_tiny_dsp_add_all(const int8_t* x, const int8_t* y, int8_t* out,
                                          int32_t count, const struct tvm_tiny_dsp_scales* s,
                                          const int32_t* q, int whole, int equal) {
  const int32_t low = whole ? -128 : q[3];
  const int32_t high = whole ? 127 : q[4];
  int32_t i;
  for (i = whole ? count >> 2 : 0; i > 0; i--) {
    out[0] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[0], y[0], s, equal), low, high);
    out[1] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[1], y[1], s, equal), low, high);
    out[2] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[2], y[2], s, equal), low, high);
    out[3] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[3], y[3], s, equal), low, high);
    x += 4;
    y += 4;
    out += 4;
  }
  for (i = 0; i < (whole ? count & 3 : count); i++) {
    out[i] = tvm_tiny_dsp_limit_half(tvm_tiny_dsp_add_one(x[i], y[i], s, equal), low, high);
  }
}

/* Adds quantized tensors: out[i] from a[i] and b[i], i < count. q: zero points of a, b and y,
 * limits low and high, multipliers of a, b and y, shifts of a, b and y; no shift is positive. The
 * operand of the larger scale, or both, should have multiplier 2^30 and shift 0: the others are
 * slow. */
TVM_TINY_DSP_ONCE void tvm_tiny_dsp_add(const int8_t* a, const int8_t* b, int8_t* out,
                                        int32_t count, const int32_t* q) {
  const int a_exact = q[8] == 0 && q[5] == 1 << 30;
  const int b_exact = q[9] == 0 && q[6] == 1 << 30;
  const int32_t other = a_exact ? 1 : 0;
  const int equal = a_exact && b_exact;
  struct tvm_tiny_dsp_scales s;
  if (!(a_exact || b_exact) || q[10] >= 0 || q[10] < -22 || (!equal && q[8 + other] == 0)) {
    tvm_tiny_dsp_add_any(a, b, out, count, q);
    return;
  }
  s.x_zero = q[1 - other] * (1 << 20);
  s.y_zero = q[other] * (1 << 21);
  s.y_multiplier = q[5 + other];
  s.y_shift = -q[8 + other];
  s.y_half = equal ? 0 : (int32_t)(1u << (s.y_shift - 1));
  s.multiplier = q[7];
  s.shift = -q[10] - 1;
  s.offset = (2 * q[2] + 1) * (1 << s.shift);
  if (equal) {
    s.y_zero = (q[0] + q[1]) * (1 << 20);
    if (q[3] == -128 && q[4] == 127) {
      tvm_tiny_dsp_add_all(a, b, out, count, &s, q, 1, 1);
    } else {
      tvm_tiny_dsp_add_all(a, b, out, count, &s, q, 0, 1);
    }
  } else if (q[3] == -128 && q[4] == 127) {
    tvm_tiny_dsp_add_all(a_exact ? a : b, a_exact ? b : a, out, count, &s, q, 1, 0);
  } else {
    tvm_tiny_dsp_add_all(a_exact ? a : b, a_exact ? b : a, out, count, &s, q, 0, 0);
  }
}

#else

/* Adds quantized tensors: out[i] from a[i] and b[i], i < count. q: zero points of a, b and y,
 * limits low and high, multipliers of a, b and y, shifts of a, b and y; no shift is positive. */
TVM_TINY_INLINE void tvm_tiny_dsp_add(const int8_t* a, const int8_t* b, int8_t* out, int32_t count,
                                      const int32_t* q) {
  tvm_tiny_dsp_add_any(a, b, out, count, q);
}

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_ADD_H */
