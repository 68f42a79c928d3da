/*
 * Micro-kernels for Helium, the integer vectors of Armv8.1-M (Cortex-M55).
 *
 * For other cores and compilers the parts define the same functions in portable C, with the same
 * results. Callers pass shapes as constants, and the compiler specialises each call.
 *
 * Requantization. The input's zero point is folded into the biases, so padding is the zero point
 * itself. An int32 sum with |sum| < 2^30 becomes
 *
 *     t = (sum * multiplier + 2^30) >> 31                      0 <= multiplier < 2^31
 *     y = clamp((t + (t >> 31) + offset) >> shift, low, high)  0 <= shift <= 31
 *
 * This is TFLite's rounding, with the output's zero point inside `offset`. params has blocks of
 * four channels, int32 [ceil(channels / 4)][4][4]: four biases, multipliers, offsets, and shifts
 * times -1. Words behind the last channel may have any value.
 *
 * Functions named _float32 round as onnxruntime does. Their params are int32 [ceil(channels / 4)]
 * [2][4]: four biases and the bits of four float32 multipliers in [2^-31, 1/2). A sum becomes
 *
 *     y = clamp(zero_point + rint(f32(f32(sum) * multiplier)), low, high)
 *
 * f32() rounds to float32 and rint() to integers, both to nearest, ties to even. Cores without
 * vectors of float32 compute the same with integers, within the limits that tvm_tiny_mve_rounded
 * states.
 *
 * Alignment. Operands of int32 are aligned to 4 bytes; those of int8 may begin at any address.
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
