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

#include "tvm_tiny/mve/common.h"
#include "tvm_tiny/mve/memory.h"
#include "tvm_tiny/mve/requantize.h"
#include "tvm_tiny/mve/gather.h"
#include "tvm_tiny/mve/convolution.h"
#include "tvm_tiny/mve/depthwise.h"
#include "tvm_tiny/mve/direct_depthwise.h"
#include "tvm_tiny/mve/add.h"

#endif /* TVM_TINY_MVE_H */
