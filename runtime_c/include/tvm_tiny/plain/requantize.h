/* Requantization of int32 sums to int8, as plain.h defines it. */
#ifndef TVM_TINY_PLAIN_REQUANTIZE_H
#define TVM_TINY_PLAIN_REQUANTIZE_H

#include "tvm_tiny/plain/common.h"

/*
 * Returns 1 if the float32 product of a sum rounds to y - 1, where t is half way between y - 1 and
 * y.
 *
 * The product is a tie if the remainder of t, in units of 2^-31, is at most half a unit in the last
 * place of a float32 of t's size. For t below 2^23 this is less than the half by which t may be
 * wrong.
 */
TVM_TINY_PLAIN_ONCE int32_t tvm_tiny_plain_tie(int32_t sum, int32_t multiplier, int32_t offset,
                                               int32_t shift, int32_t y) {
  const uint32_t t = ((uint32_t)y << shift) - (uint32_t)offset;
  const int32_t rest = (int32_t)((uint32_t)sum * (uint32_t)multiplier - (t << 31));
  uint32_t size = (int32_t)t < 0 ? 0u - t : t;
  int32_t half_place = 1 << 7;
  for (; size > 1; size >>= 1) {
    half_place *= 2;
  }
  /* A tie belongs to the neighbour at an even distance from the zero point. */
  return ((y - (offset >> shift)) & 1) != 0 ? rest <= half_place : rest < -half_place;
}

/* Requantizes one sum. float32, a constant in every call: whether params are those of a _float32
 * function. */
TVM_TINY_INLINE int8_t tvm_tiny_plain_output(int32_t sum, int32_t multiplier, int32_t offset,
                                             int32_t shift, int float32, int32_t low,
                                             int32_t high) {
  const int32_t t = tvm_tiny_plain_scale(sum, multiplier);
  if (float32) {
    int32_t y = (t + offset) >> shift;
    if (TVM_TINY_PLAIN_RARE((int32_t)((uint32_t)y << shift) == t + offset)) {
      y -= tvm_tiny_plain_tie(sum, multiplier, offset, shift, y);
    }
    return tvm_tiny_plain_clamp(y, low, high);
  }
  return tvm_tiny_plain_clamp((t + (t >> 31) + offset) >> shift, low, high);
}

/* Requantizes the sums of one filter: out[p * pitch] from acc[p * filters]. */
TVM_TINY_INLINE void tvm_tiny_plain_filter(const int32_t* acc, int32_t filters,
                                           const int32_t* params, int float32, int8_t* out,
                                           int32_t pixels, int32_t pitch, int32_t low,
                                           int32_t high) {
  /* Parameters are read before the stores, since the compiler cannot tell that these leave them
   * alone. */
  const int32_t m = params[1];
  const int32_t offset = params[2];
  const int32_t shift = params[3];
  int32_t p;
  out[0] = tvm_tiny_plain_output(acc[0], m, offset, shift, float32, low, high);
  if (pixels > 1) {
    out[pitch] = tvm_tiny_plain_output(acc[filters], m, offset, shift, float32, low, high);
  }
  if (pixels > 2) {
    out[2 * pitch] = tvm_tiny_plain_output(acc[2 * filters], m, offset, shift, float32, low, high);
  }
  if (pixels > 3) {
    out[3 * pitch] = tvm_tiny_plain_output(acc[3 * filters], m, offset, shift, float32, low, high);
  }
  for (p = 4; p < pixels; p++) {
    out[p * pitch] = tvm_tiny_plain_output(acc[p * filters], m, offset, shift, float32, low, high);
  }
}

/* Computes tvm_tiny_plain_requantize and tvm_tiny_plain_requantize_float32. */
TVM_TINY_INLINE void tvm_tiny_plain_requantize_any(const int32_t* acc, int32_t filters,
                                                   const int32_t* params, int float32, int8_t* out,
                                                   int32_t pixels, int32_t channels, int32_t pitch,
                                                   int32_t low, int32_t high) {
  int32_t f;
  /* Constant indices keep the first sums in registers; what a loop reads stays in memory. */
  tvm_tiny_plain_filter(acc, filters, params, float32, out, pixels, pitch, low, high);
  if (channels > 1) {
    tvm_tiny_plain_filter(acc + 1, filters, params + 4, float32, out + 1, pixels, pitch, low, high);
  }
  for (f = 2; f < channels; f++) {
    tvm_tiny_plain_filter(acc + f, filters, params + 4 * f, float32, out + f, pixels, pitch, low,
                          high);
  }
}

/* Requantizes a tile with TFLite's rounding: out[p * pitch + f] from acc[p * filters + f], p <
 * pixels, f < channels <= filters. */
TVM_TINY_INLINE void tvm_tiny_plain_requantize(const int32_t* acc, int32_t filters,
                                               const int32_t* params, int8_t* out, int32_t pixels,
                                               int32_t channels, int32_t pitch, int32_t low,
                                               int32_t high) {
  tvm_tiny_plain_requantize_any(acc, filters, params, 0, out, pixels, channels, pitch, low, high);
}

/* Requantizes a tile with onnxruntime's rounding. */
TVM_TINY_INLINE void tvm_tiny_plain_requantize_float32(const int32_t* acc, int32_t filters,
                                                       const int32_t* params, int8_t* out,
                                                       int32_t pixels, int32_t channels,
                                                       int32_t pitch, int32_t low, int32_t high) {
  tvm_tiny_plain_requantize_any(acc, filters, params, 1, out, pixels, channels, pitch, low, high);
}

#endif /* TVM_TINY_PLAIN_REQUANTIZE_H */
