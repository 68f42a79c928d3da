/* Addition of quantized tensors as TFLite rounds it. */
#ifndef TVM_TINY_PLAIN_ADD_H
#define TVM_TINY_PLAIN_ADD_H

#include "tvm_tiny/plain/common.h"

/* Returns (value * 2^20 * multiplier + 2^30) >> 31 for |value| < 256. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_scale_byte(int32_t value, int32_t multiplier) {
#ifdef TVM_TINY_PLAIN_NO_LONG
  const int32_t low = (value * (uint16_t)multiplier + (1 << 10)) >> 11;
  return value * (multiplier >> 16) * (1 << 5) + low;
#else
  return tvm_tiny_plain_scale(value * (1 << 20), multiplier);
#endif
}

/* Returns value / 2^shift, halves away from zero if sign is -1; half is half of 2^shift. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_halve(int32_t value, int32_t shift, int32_t half,
                                             int32_t sign) {
  return (value + ((value >> 31) & sign) + half) >> shift;
}

/* Adds tensors of which x has the larger scale: its multiplier of 1/2 is exact and leaves x * 2^19.
 * y_half also contains the output's zero point, as 1 <= y_shift <= 22 allows. */
TVM_TINY_INLINE void tvm_tiny_plain_add_half(const int8_t* x, const int8_t* v, int8_t* out,
                                             int32_t count, int32_t x_zp, int32_t v_zp,
                                             int32_t v_multiplier, int32_t v_shift,
                                             int32_t y_multiplier, int32_t y_shift, int32_t y_half,
                                             int32_t low, int32_t high) {
  const int32_t v_half = (int32_t)((1u << v_shift) >> 1);
  const int8_t* const end = x + count;
  while (x != end) {
    const int32_t second = tvm_tiny_plain_scale_byte(*v++ - v_zp, v_multiplier);
    const int32_t sum =
        (*x++ - x_zp) * (1 << 19) + tvm_tiny_plain_halve(second, v_shift, v_half, -1);
    const int32_t y = tvm_tiny_plain_scale(sum, y_multiplier);
    *out++ = tvm_tiny_plain_clamp(tvm_tiny_plain_halve(y, y_shift, y_half, -1), low, high);
  }
}

/* Adds quantized tensors in order: out[i] from a[i] and b[i], i < count. q: zero points of a, b and
 * y, limits low and high, multipliers of a, b and y, shifts of a, b and y; no shift is positive. */
TVM_TINY_INLINE void tvm_tiny_plain_add(const int8_t* a, const int8_t* b, int8_t* out,
                                        int32_t count, const int32_t* q) {
  const int a_is_half = q[5] == 1 << 30 && q[8] == 0 && q[9] < 0;
  const int b_is_half = q[6] == 1 << 30 && q[9] == 0 && q[8] < 0;
  const int32_t y_shift = -q[10];
  const int32_t y_half = (int32_t)((1u << y_shift) >> 1);
  if ((a_is_half || b_is_half) && y_shift >= 1 && y_shift <= 22) {
    const int32_t half = y_half + q[2] * (1 << y_shift);
    const int8_t* const x = a_is_half ? a : b;
    const int8_t* const v = a_is_half ? b : a;
    tvm_tiny_plain_add_half(x, v, out, count, q[b_is_half], q[a_is_half], q[5 + a_is_half],
                            -q[8 + a_is_half], q[7], y_shift, half, q[3], q[4]);
  } else {
    const int32_t a_half = (int32_t)((1u << -q[8]) >> 1);
    const int32_t b_half = (int32_t)((1u << -q[9]) >> 1);
    int32_t i;
    for (i = 0; i < count; i++) {
      const int32_t first = tvm_tiny_plain_scale_byte(a[i] - q[0], q[5]);
      const int32_t second = tvm_tiny_plain_scale_byte(b[i] - q[1], q[6]);
      const int32_t sum = tvm_tiny_plain_halve(first, -q[8], a_half, -(int32_t)(q[8] < 0)) +
                          tvm_tiny_plain_halve(second, -q[9], b_half, -(int32_t)(q[9] < 0));
      const int32_t y = tvm_tiny_plain_scale(sum, q[7]);
      out[i] = tvm_tiny_plain_clamp(
          tvm_tiny_plain_halve(y, y_shift, y_half, -(int32_t)(y_shift > 0)) + q[2], q[3], q[4]);
    }
  }
}

#endif /* TVM_TINY_PLAIN_ADD_H */
