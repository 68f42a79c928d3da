/* Sums to int8. */
#ifndef TVM_TINY_PLAIN_REQUANTIZE_H
#define TVM_TINY_PLAIN_REQUANTIZE_H

#include "tvm_tiny/plain/common.h"

/*
 * 1 if the float32 product of a sum was rounded down, where t is half way to the next integer. The
 * product was a tie if the remainder, in 2^-31 of t, is not more than half of the last place of a
 * float32 of t's size. Of t below 2^23 that is less than the half that t may be wrong by.
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
  /* Of an odd number of steps from the zero point the even neighbour is below. */
  return ((y - (offset >> shift)) & 1) != 0 ? rest <= half_place : rest < -half_place;
}

/* The output of one sum. float32: whether its function is one of those; everywhere a constant. */
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

/* The outputs of one filter. */
TVM_TINY_INLINE void tvm_tiny_plain_filter(const int32_t* acc, int32_t filters,
                                           const int32_t* params, int float32, int8_t* out,
                                           int32_t pixels, int32_t pitch, int32_t low,
                                           int32_t high) {
  /* Read before the stores, which might change them for all the compiler knows. */
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

/* tvm_tiny_plain_requantize and _requantize_float32. */
TVM_TINY_INLINE void tvm_tiny_plain_requantize_any(const int32_t* acc, int32_t filters,
                                                   const int32_t* params, int float32, int8_t* out,
                                                   int32_t pixels, int32_t channels, int32_t pitch,
                                                   int32_t low, int32_t high) {
  int32_t f;
  /* The first ones by constant indices: what a loop reads stays in memory. */
  tvm_tiny_plain_filter(acc, filters, params, float32, out, pixels, pitch, low, high);
  if (channels > 1) {
    tvm_tiny_plain_filter(acc + 1, filters, params + 4, float32, out + 1, pixels, pitch, low, high);
  }
  for (f = 2; f < channels; f++) {
    tvm_tiny_plain_filter(acc + f, filters, params + 4 * f, float32, out + f, pixels, pitch, low,
                          high);
  }
}

/* out[p * pitch + f] of acc[p * filters + f], for p < pixels and f < channels <= filters. */
TVM_TINY_INLINE void tvm_tiny_plain_requantize(const int32_t* acc, int32_t filters,
                                               const int32_t* params, int8_t* out, int32_t pixels,
                                               int32_t channels, int32_t pitch, int32_t low,
                                               int32_t high) {
  tvm_tiny_plain_requantize_any(acc, filters, params, 0, out, pixels, channels, pitch, low, high);
}

TVM_TINY_INLINE void tvm_tiny_plain_requantize_float32(const int32_t* acc, int32_t filters,
                                                       const int32_t* params, int8_t* out,
                                                       int32_t pixels, int32_t channels,
                                                       int32_t pitch, int32_t low, int32_t high) {
  tvm_tiny_plain_requantize_any(acc, filters, params, 1, out, pixels, channels, pitch, low, high);
}

#endif /* TVM_TINY_PLAIN_REQUANTIZE_H */
