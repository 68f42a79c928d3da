/*
 * Kernels' inner loops for cores with SIMD within a register: Armv7E-M and Armv8-M with the DSP
 * extension (Cortex-M4, M7, M33). Elsewhere the same functions in plain C, with the same results.
 *
 * Shapes are constants where these functions are called, and the compiler specialises them.
 *
 * Four elements k = 4q .. 4q + 3 stand in the order (0, 2, 1, 3) as int16 in two words: what
 * SXTAB16 and SXTAB16 with a rotation by 8 make of the word of four bytes. quads = ceil(K / 4).
 *
 * params, int32 [channels][2]: bias * 256 + s and multiplier, the bias of 24 bits, s in [0, 30] and
 * the multiplier in [0, 2^31). An int32 sum, |sum| < 2^30, becomes
 *
 *     t = (sum * multiplier + 2^30) >> 31
 *     y = clamp((((t + (t < 0 ? -1 : 0) + ((2 * zero_point + 1) << s)) >> s) >> 1), low, high)
 *
 * TFLite's rounding of both steps, of which the second shifts by s + 1. Nothing on the way leaves
 * int32.
 *
 * Functions named _float32 round as onnxruntime does. Their params are the bias, of 32 bits, and
 * the bits of a float32 multiplier in [2^-31, 1/2):
 *
 *     y = clamp(zero_point + rint(f32(f32(sum) * multiplier)), low, high)
 *
 * with f32() rounding to float32 and rint to integers, both to the nearest and ties to even: what a
 * floating-point unit does in the mode that cores start in. Without one integers give the same,
 * within limits: see tvm_tiny_dsp_rounded_any.
 *
 * Words of x may stand at any byte. cols, scratch, int16 w and the w of dot products: 4-byte
 * aligned. Not a byte more than what is given is read or written.
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
