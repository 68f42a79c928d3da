/*
 * Micro-kernels in C99 for cores without SIMD: Cortex-M0, Cortex-M3, RV32 and everything else.
 *
 * Generated row kernels call them with constants for all sizes: inlining makes straight code of
 * that. The input's zero point is folded into the biases, so padding is the zero point itself.
 * `params` is int32 [channels][4] = {bias, multiplier, offset, shift}; the output of a sum is
 *
 *     t = (sum * multiplier + 2^30) >> 31                      |sum| < 2^30, 0 <= multiplier < 2^31
 *     clamp((t + (t >> 31) + offset) >> shift, low, high)      0 <= shift <= 31
 *
 * which is TFLite's rounding of a scaled sum with the output's zero point inside `offset`.
 *
 * Functions named _float32 round as onnxruntime does: a sum is multiplied in float32, and the float32
 * that this gives rounded to an integer, ties to even. The factor is multiplier / 2^(31 + shift) with
 * 1 <= shift <= 30: the multiplier has 24 bits in [2^30, 2^31), or is 0. offset is half of 2^shift
 * and 2^shift times the output's zero point. Where t + offset is no multiple of 2^shift the output is
 *
 *     clamp((t + offset) >> shift, low, high)                  shift <= 15, or |t| < 2^23
 *
 * and else this or one less, as tvm_tiny_plain_tie says.
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
