/*
 * Micro-kernels for cores with the DSP extension of Armv7E-M and Armv8-M (Cortex-M4, M7, M33).
 *
 * For other cores and compilers the parts define the same functions in portable C, with the same
 * results. Callers pass shapes as constants, and the compiler specialises each call.
 *
 * Layout. Four consecutive elements k = 4q .. 4q + 3 are a quad. As int16 they take two words, in
 * the order (0, 2, 1, 3): the results of SXTAB16, and of SXTAB16 with a rotation by 8, for a word
 * of four bytes. There are quads = ceil(K / 4) of them.
 *
 * Requantization. params is int32 [channels][2], {bias * 256 + s, multiplier}, with a bias of 24
 * bits, 0 <= s <= 30 and 0 <= multiplier < 2^31. An int32 sum with |sum| < 2^30 becomes
 *
 *     t = (sum * multiplier + 2^30) >> 31
 *     y = clamp((((t + (t < 0 ? -1 : 0) + ((2 * zero_point + 1) << s)) >> s) >> 1), low, high)
 *
 * This is TFLite's rounding in two steps, which divide by 2^31 and by 2^(s + 1). No intermediate
 * value of the second step exceeds int32.
 *
 * Functions named _float32 round as onnxruntime does. Their params are {bias, multiplier}: a bias
 * of 32 bits and the bits of a float32 in [2^-31, 1/2). A sum becomes
 *
 *     y = clamp(zero_point + rint(f32(f32(sum) * multiplier)), low, high)
 *
 * f32() rounds to float32 and rint() to integers. Both round to nearest, ties to even, which is the
 * mode in which floating-point units start. Cores without such a unit compute the same with
 * integers, within the limits that tvm_tiny_dsp_rounded_any states.
 *
 * Alignment. Input of int8 may begin at any address. cols, scratch, int16 weights and the weights
 * of dot products must be aligned to 4 bytes. No function accesses memory outside its operands.
 */
#ifndef TVM_TINY_DSP_H
#define TVM_TINY_DSP_H

#include "tvm_tiny/dsp/common.h"
#include "tvm_tiny/dsp/requantize.h"
#include "tvm_tiny/dsp/products.h"
#include "tvm_tiny/dsp/depthwise.h"
#include "tvm_tiny/dsp/gather.h"
#include "tvm_tiny/dsp/add.h"
#include "tvm_tiny/dsp/direct_convolution.h"
#include "tvm_tiny/dsp/direct_depthwise.h"

#endif /* TVM_TINY_DSP_H */
