/*
 * Micro-kernels in C99 for cores without SIMD: Cortex-M0, Cortex-M3, RV32 and all others.
 *
 * Callers pass all sizes as constants, and inlining makes straight code of them.
 *
 * Requantization. The input's zero point is folded into the biases, so padding is the zero point
 * itself. params is int32 [channels][4], {bias, multiplier, offset, shift}. An int32 sum with |sum|
 * < 2^30 becomes
 *
 *     t = (sum * multiplier + 2^30) >> 31                      0 <= multiplier < 2^31
 *     y = clamp((t + (t >> 31) + offset) >> shift, low, high)  0 <= shift <= 31
 *
 * This is TFLite's rounding, with the output's zero point inside `offset`.
 *
 * Functions named _float32 round as onnxruntime does: a sum is multiplied in float32, and the
 * product rounded to an integer, ties to even. The factor is multiplier / 2^(31 + shift), 1 <=
 * shift <= 30; the multiplier has 24 significant bits in [2^30, 2^31), or is 0. offset is half of
 * 2^shift plus 2^shift times the output's zero point. Where t + offset is no multiple of 2^shift, a
 * sum becomes
 *
 *     y = clamp((t + offset) >> shift, low, high)              shift <= 15, or |t| < 2^23
 *
 * and elsewhere this or one less, as tvm_tiny_plain_tie decides.
 */
#ifndef TVM_TINY_PLAIN_H
#define TVM_TINY_PLAIN_H

#include "tvm_tiny/plain/common.h"
#include "tvm_tiny/plain/requantize.h"
#include "tvm_tiny/plain/products.h"
#include "tvm_tiny/plain/gather.h"
#include "tvm_tiny/plain/depthwise.h"
#include "tvm_tiny/plain/add.h"

#endif /* TVM_TINY_PLAIN_H */
