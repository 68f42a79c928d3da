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

#include <stdint.h>

#ifndef TVM_TINY_INLINE
#if defined(__GNUC__) || defined(__clang__)
#define TVM_TINY_INLINE static inline __attribute__((always_inline, unused))
#else
#define TVM_TINY_INLINE static inline
#endif
#endif

/* At -O2 gcc unrolls no loop that would grow. */
#if defined(__GNUC__) && !defined(__clang__)
#define TVM_TINY_PLAIN_UNROLL _Pragma("GCC unroll 16")
#else
#define TVM_TINY_PLAIN_UNROLL
#endif

/* Of much code, which is rarely used; what is rare. */
#if defined(__GNUC__)
#define TVM_TINY_PLAIN_ONCE static __attribute__((noinline, unused))
#define TVM_TINY_PLAIN_RARE(condition) __builtin_expect(condition, 0)
#else
#define TVM_TINY_PLAIN_ONCE static
#define TVM_TINY_PLAIN_RARE(condition) (condition)
#endif

/* Rows of the highest window of tvm_tiny_plain_depthwise. */
#define TVM_TINY_PLAIN_ROWS 32

/* Cores of 16-bit instructions multiply to 32 bits only. */
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
#define TVM_TINY_PLAIN_NO_LONG
#endif

/* Keeps gcc from moving loads through this pointer ahead, where they would fill all registers. */
#if defined(__GNUC__) && !defined(__clang__)
#define TVM_TINY_PLAIN_HIDE(pointer) __asm__ volatile("" : "+r"(pointer))
#else
#define TVM_TINY_PLAIN_HIDE(pointer) ((void)0)
#endif

/* (a * multiplier + 2^30) >> 31 for |a| < 2^30 and multipliers that are not negative. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_scale(int32_t a, int32_t multiplier) {
#ifdef TVM_TINY_PLAIN_NO_LONG
  /* No multiplication to 64 bits. With a signed lower half the middle terms fit into 32 bits. */
  const int32_t low = (int16_t)a;
  const int32_t high = (a - low) >> 16;
  const int32_t m_low = (uint16_t)multiplier;
  const int32_t m_high = multiplier >> 16;
  const int32_t middle = ((low * m_low) >> 16) + low * m_high + high * m_low;
  return 2 * high * m_high + (((middle >> 14) + 1) >> 1);
#else
  const int64_t product = (int64_t)(a + a) * multiplier;
  return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
}

TVM_TINY_INLINE int8_t tvm_tiny_plain_clamp(int32_t value, int32_t low, int32_t high) {
#if defined(__ARM_FEATURE_SAT) && defined(__GNUC__)
  if (low == -128 && high == 127) {
    __asm__("ssat %0, #8, %0" : "+r"(value));
    return (int8_t)value;
  }
#endif
  if (low == -128 && high == 127) {
    return (int8_t)(value == (int8_t)value ? value : (value >> 31) ^ 127);
  }
  return (int8_t)(value < low ? low : value > high ? high : value);
}

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

#if defined(__thumb__) && !defined(__thumb2__) && defined(__GNUC__) && !defined(__clang__) && \
    defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__) && !defined(TVM_TINY_PLAIN_NO_ASM)
/*
 * Armv6-M loads bytes with their sign by a register's offset alone and multiplies in the lower
 * eight registers alone: gcc spills, while the sums can stay in the upper ones. r7 may be gcc's
 * frame pointer, so it is lent and given back; with -Os gcc has no upper registers. The terms are
 * repeated as text because gcc counts lines to know how far branches reach.
 */
#define TVM_TINY_PLAIN_TERM_2         \
  "ldrsb %[s], [%[x], %[zero]]\n\t"   \
  "ldrsb %[t], [%[w], %[zero]]\n\t"   \
  "movs %[u], %[s]\n\t"               \
  "muls %[u], %[t]\n\t"               \
  "add %[a], %[u]\n\t"                \
  "ldrsb %[u], [%[w], r7]\n\t"        \
  "muls %[s], %[u]\n\t"               \
  "add %[b], %[s]\n\t"                \
  "ldrsb %[s], [%[x], %[pitch]]\n\t"  \
  "muls %[t], %[s]\n\t"               \
  "add %[c], %[t]\n\t"                \
  "muls %[u], %[s]\n\t"               \
  "add %[d], %[u]\n\t"                \
  "adds %[x], #1\n\t"                 \
  "adds %[w], #2\n\t"

#define TVM_TINY_PLAIN_TERM_1        \
  "ldrsb %[s], [%[x], %[zero]]\n\t"  \
  "ldrsb %[t], [%[w], %[zero]]\n\t"  \
  "muls %[t], %[s]\n\t"              \
  "add %[a], %[t]\n\t"               \
  "ldrsb %[t], [%[w], %[one]]\n\t"   \
  "muls %[t], %[s]\n\t"              \
  "add %[b], %[t]\n\t"               \
  "adds %[x], #1\n\t"                \
  "adds %[w], #2\n\t"

#define TVM_TINY_PLAIN_8(term) term term term term term term term term
#define TVM_TINY_PLAIN_LOOP(terms) "1:\n\t" terms "cmp %[x], %[end]\n\tbne 1b\n\t"

#define TVM_TINY_PLAIN_DOT_2(terms)                                                         \
  __asm__ volatile(".syntax unified\n\tmov lr, r7\n\tmovs r7, #1\n" TVM_TINY_PLAIN_LOOP(  \
                       terms) "mov r7, lr"                                                  \
                   : [x] "+l"(xs), [w] "+l"(ws), [a] "+h"(a), [b] "+h"(b), [c] "+h"(c),     \
                     [d] "+h"(d), [s] "=&l"(s), [t] "=&l"(t), [u] "=&l"(u)                  \
                   : [zero] "l"(zero), [pitch] "l"(step), [end] "h"(end)                    \
                   : "lr", "cc", "memory")

#define TVM_TINY_PLAIN_DOT_1(terms)                                                   \
  __asm__ volatile(".syntax unified\n" TVM_TINY_PLAIN_LOOP(terms)                     \
                   : [x] "+l"(x), [w] "+l"(w), [a] "+h"(a), [b] "+h"(b), [s] "=&l"(s), \
                     [t] "=&l"(t)                                                     \
                   : [zero] "l"(0), [one] "l"(1), [end] "h"(end)                      \
                   : "cc", "memory")

/* Adds `times` times `count` (8, or 1 to 7) terms of two filters over two pixels. */
TVM_TINY_INLINE void tvm_tiny_plain_dot_2(const int8_t* x, int32_t pitch, const int8_t* w,
                                          int32_t* acc, int32_t times, int32_t count) {
  const int8_t* const end = x + times * count;
  int32_t a = acc[0];
  int32_t b = acc[1];
  int32_t c = acc[2];
  int32_t d = acc[3];
  register const int8_t* xs __asm__("r0") = x;
  register const int8_t* ws __asm__("r1") = w;
  register int32_t step __asm__("r2") = pitch;
  register int32_t zero __asm__("r3") = 0;
  register int32_t s __asm__("r4");
  register int32_t t __asm__("r5");
  register int32_t u __asm__("r6");
  if (count == 8) {
    TVM_TINY_PLAIN_DOT_2(TVM_TINY_PLAIN_8(TVM_TINY_PLAIN_TERM_2));
  } else {
    TVM_TINY_PLAIN_DOT_2(TVM_TINY_PLAIN_TERM_2);
  }
  acc[0] = a;
  acc[1] = b;
  acc[2] = c;
  acc[3] = d;
}

/* The same over one pixel. */
TVM_TINY_INLINE void tvm_tiny_plain_dot_1(const int8_t* x, const int8_t* w, int32_t* acc,
                                          int32_t times, int32_t count) {
  const int8_t* const end = x + times * count;
  int32_t a = acc[0];
  int32_t b = acc[1];
  int32_t s;
  int32_t t;
  if (count == 8) {
    TVM_TINY_PLAIN_DOT_1(TVM_TINY_PLAIN_8(TVM_TINY_PLAIN_TERM_1));
  } else {
    TVM_TINY_PLAIN_DOT_1(TVM_TINY_PLAIN_TERM_1);
  }
  acc[0] = a;
  acc[1] = b;
}

TVM_TINY_INLINE void tvm_tiny_plain_dot_4(const int8_t* x, int32_t pitch, const int8_t* w,
                                          int32_t* acc, int32_t times, int32_t count) {
  tvm_tiny_plain_dot_2(x, pitch, w, acc, times, count);
  tvm_tiny_plain_dot_2(x + 2 * pitch, pitch, w, acc + 4, times, count);
}

#define TVM_TINY_PLAIN_COUNT(K) 8
#else
/* Terms in a row before a loop goes round: all of a few, else what leaves no rest. */
#define TVM_TINY_PLAIN_COUNT(K) \
  ((K) <= 16 ? (K) : (K) % 16 == 0 ? 16 : (K) % 12 == 0 ? 12 : (K) % 9 == 0 ? 9 : 8)

TVM_TINY_INLINE void tvm_tiny_plain_dot_4(const int8_t* x, int32_t pitch, const int8_t* w,
                                          int32_t* acc, int32_t times, int32_t count) {
  int32_t a = acc[0];
  int32_t b = acc[1];
  int32_t c = acc[2];
  int32_t d = acc[3];
  int32_t e = acc[4];
  int32_t f = acc[5];
  int32_t g = acc[6];
  int32_t h = acc[7];
  int32_t k;
  for (; times > 0; times--) {
    TVM_TINY_PLAIN_UNROLL
    for (k = 0; k < count; k++) {
      const int32_t first = w[k * 2];
      const int32_t second = w[k * 2 + 1];
      TVM_TINY_PLAIN_HIDE(x);
      a += x[k] * first;
      b += x[k] * second;
      c += x[pitch + k] * first;
      d += x[pitch + k] * second;
      e += x[2 * pitch + k] * first;
      f += x[2 * pitch + k] * second;
      g += x[3 * pitch + k] * first;
      h += x[3 * pitch + k] * second;
      TVM_TINY_PLAIN_HIDE(w);
    }
    x += count;
    w += count * 2;
  }
  acc[0] = a;
  acc[1] = b;
  acc[2] = c;
  acc[3] = d;
  acc[4] = e;
  acc[5] = f;
  acc[6] = g;
  acc[7] = h;
}

/* Sums of two filters over two pixels in scalars: gcc would leave an array in memory. */
TVM_TINY_INLINE void tvm_tiny_plain_dot_2(const int8_t* x, int32_t pitch, const int8_t* w,
                                          int32_t* acc, int32_t times, int32_t count) {
  int32_t a = acc[0];
  int32_t b = acc[1];
  int32_t c = acc[2];
  int32_t d = acc[3];
  int32_t k;
  for (; times > 0; times--) {
    TVM_TINY_PLAIN_UNROLL
    for (k = 0; k < count; k++) {
      const int32_t first = w[k * 2];
      const int32_t second = w[k * 2 + 1];
      TVM_TINY_PLAIN_HIDE(x);
      a += x[k] * first;
      b += x[k] * second;
      c += x[pitch + k] * first;
      d += x[pitch + k] * second;
      TVM_TINY_PLAIN_HIDE(w);
    }
    x += count;
    w += count * 2;
  }
  acc[0] = a;
  acc[1] = b;
  acc[2] = c;
  acc[3] = d;
}

TVM_TINY_INLINE void tvm_tiny_plain_dot_1(const int8_t* x, const int8_t* w, int32_t* acc,
                                          int32_t times, int32_t count) {
  int32_t a = acc[0];
  int32_t b = acc[1];
  int32_t k;
  for (; times > 0; times--) {
    TVM_TINY_PLAIN_UNROLL
    for (k = 0; k < count; k++) {
      TVM_TINY_PLAIN_HIDE(x);
      a += x[k] * w[k * 2];
      b += x[k] * w[k * 2 + 1];
      TVM_TINY_PLAIN_HIDE(w);
    }
    x += count;
    w += count * 2;
  }
  acc[0] = a;
  acc[1] = b;
}
#endif

TVM_TINY_INLINE void tvm_tiny_plain_dot_n(const int8_t* x, int32_t pitch, const int8_t* w,
                                          int32_t* acc, int32_t pixels, int32_t times,
                                          int32_t count) {
  if (pixels == 1) {
    tvm_tiny_plain_dot_1(x, w, acc, times, count);
  } else if (pixels == 2) {
    tvm_tiny_plain_dot_2(x, pitch, w, acc, times, count);
  } else {
    tvm_tiny_plain_dot_4(x, pitch, w, acc, times, count);
  }
}

/* acc[p * 2 + f] += sum over k of x[p * pitch + k] * w[k * 2 + f]; 1, 2 or 4 pixels. */
TVM_TINY_INLINE void tvm_tiny_plain_dot(const int8_t* x, int32_t pitch, const int8_t* w,
                                        int32_t* acc, int32_t pixels, int32_t K) {
  const int32_t count = TVM_TINY_PLAIN_COUNT(K);
  const int32_t done = K / count * count;
  if (done > 0) {
    tvm_tiny_plain_dot_n(x, pitch, w, acc, pixels, K / count, count);
  }
  if (done < K) {
    tvm_tiny_plain_dot_n(x + done, pitch, w + done * 2, acc, pixels, 1, K - done);
  }
}

/* Copies a constant number of bytes, by words where the core can and it pays. */
TVM_TINY_INLINE void tvm_tiny_plain_copy(const int8_t* from, int8_t* to, int32_t bytes) {
  int32_t k = 0;
#if defined(__GNUC__)
#if defined(__ARM_FEATURE_UNALIGNED)
  const int words = 1;
#else
  const int words = bytes >= 8 && (((uintptr_t)from | (uintptr_t)to) & 3u) == 0u;
#endif
  if (words) {
    TVM_TINY_PLAIN_UNROLL
    for (; k + 4 <= bytes; k += 4) {
#if defined(__ARM_FEATURE_UNALIGNED)
      __builtin_memcpy(to + k, from + k, 4);
#else
      __builtin_memcpy(__builtin_assume_aligned(to + k, 4),
                       __builtin_assume_aligned(from + k, 4), 4);
#endif
    }
  }
#endif
  TVM_TINY_PLAIN_UNROLL
  for (; k < bytes; k++) {
    to[k] = from[k];
  }
}

/*
 * The windows of `pixels` outputs side by side, one after the other: cols[p][K],
 * K = kernel_h * kernel_w * channels. Window column 0 of the first is `column`, which may be
 * outside [0, width); lines[ky] is the row of x, negative where there is none.
 */
TVM_TINY_INLINE void tvm_tiny_plain_gather(const int8_t* x, const int32_t* lines, int8_t* cols,
                                           int32_t column, int32_t zero_point, int32_t pixels,
                                           int32_t width, int32_t channels, int32_t kernel_h,
                                           int32_t kernel_w, int32_t stride_w,
                                           int32_t row_bytes) {
  int32_t p;
  int32_t ky;
  for (p = 0; p < pixels; p++) {
    const int inside = column >= 0 && column + kernel_w <= width;
    for (ky = 0; ky < kernel_h; ky++) {
      const int8_t* const row = lines[ky] < 0 ? 0 : x + lines[ky] * row_bytes;
      if (row != 0 && inside) {
        tvm_tiny_plain_copy(row + column * channels, cols, kernel_w * channels);
        cols += kernel_w * channels;
      } else {
        int32_t kx;
        for (kx = column; kx < column + kernel_w; kx++) {
          if (row != 0 && kx >= 0 && kx < width) {
            tvm_tiny_plain_copy(row + kx * channels, cols, channels);
            cols += channels;
          } else {
            int8_t* const end = cols + channels;
            while (cols != end) {
              *cols++ = (int8_t)zero_point;
            }
          }
        }
      }
    }
    column += stride_w;
  }
}

/* Adds the terms of one channel and one row of a window that lies inside the input. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_taps(int32_t sum, const int8_t* x, const int8_t* w,
                                            int32_t kernel_w, int32_t channels) {
  int32_t kx;
  TVM_TINY_PLAIN_UNROLL
  for (kx = 0; kx < kernel_w; kx++) {
    sum += x[kx * channels] * w[kx * channels];
  }
  return sum;
}

/*
 * The same from window column 0 at `column`, when columns may be missing. Windows begin between
 * columns `first` and `last`: constants that save most questions.
 */
TVM_TINY_INLINE int32_t tvm_tiny_plain_edge_taps(int32_t sum, const int8_t* row, const int8_t* w,
                                                 int32_t zero_point, int32_t column, int32_t first,
                                                 int32_t last, int32_t width, int32_t kernel_w,
                                                 int32_t channels) {
  int32_t kx;
  TVM_TINY_PLAIN_UNROLL
  for (kx = 0; kx < kernel_w; kx++) {
    const int possible = last + kx >= 0 && first + kx < width;
    const int not_left = first + kx >= 0 || column + kx >= 0;
    const int not_right = last + kx < width || column + kx < width;
    int32_t value = zero_point;
    if (possible && not_left && not_right) {
      value = row[(column + kx) * channels];
    }
    sum += value * w[kx * channels];
  }
  return sum;
}

/* The same when the whole row is missing. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_missing_taps(int32_t sum, const int8_t* w,
                                                    int32_t zero_point, int32_t kernel_w,
                                                    int32_t channels) {
  int32_t weights = 0;
  int32_t kx;
  TVM_TINY_PLAIN_UNROLL
  for (kx = 0; kx < kernel_w; kx++) {
    weights += w[kx * channels];
  }
  return sum + zero_point * weights;
}

/* All channels of the output pixel whose window begins at `column`; `edge` is a constant. */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise_pixel(
    const int8_t* const* rows, const int8_t* w, const int32_t* params, int float32, int8_t* out,
    int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t edge, int32_t column, int32_t first,
    int32_t last) {
  int32_t c;
  for (c = 0; c < channels; c++) {
    const int32_t* const p = params + 4 * c;
    const int8_t* weights = w + c;
    int32_t sum = p[0];
    int32_t ky;
    TVM_TINY_PLAIN_UNROLL
    for (ky = 0; ky < kernel_h; ky++) {
      if (!edge) {
        sum = tvm_tiny_plain_taps(sum, rows[ky] + column * channels + c, weights, kernel_w,
                                  channels);
      } else if (rows[ky] != 0) {
        sum = tvm_tiny_plain_edge_taps(sum, rows[ky] + c, weights, zero_point, column, first, last,
                                       width, kernel_w, channels);
      } else {
        sum = tvm_tiny_plain_missing_taps(sum, weights, zero_point, kernel_w, channels);
      }
      weights += kernel_w * channels;
#ifdef __riscv
      /* Or gcc loads whole windows before it multiplies; Arm's compilers do not. */
      TVM_TINY_PLAIN_HIDE(weights);
#endif
    }
    out[c] = tvm_tiny_plain_output(sum, p[1], p[2], p[3], float32, low, high);
  }
}

/* tvm_tiny_plain_depthwise and _depthwise_float32. */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise_any(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int float32,
    int8_t* out, int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  const int32_t first = -pad_left;
  const int32_t last = (out_width - 1) * stride_w - pad_left;
  const int8_t* rows[TVM_TINY_PLAIN_ROWS];
  int32_t column = first;
  int32_t missing = 0;
  int32_t ky;
  TVM_TINY_PLAIN_UNROLL
  for (ky = 0; ky < kernel_h; ky++) {
    rows[ky] = lines[ky] < 0 ? 0 : x + lines[ky] * (width * channels);
    missing |= lines[ky];
  }
  for (; column <= last; column += stride_w) {
    if (missing < 0 || column < 0 || column + kernel_w > width) {
      tvm_tiny_plain_depthwise_pixel(rows, w, params, float32, out, zero_point, low, high, width,
                                     channels, kernel_h, kernel_w, 1, column, first, last);
    } else {
      tvm_tiny_plain_depthwise_pixel(rows, w, params, float32, out, zero_point, low, high, width,
                                     channels, kernel_h, kernel_w, 0, column, first, last);
    }
    out += channels;
  }
}

/*
 * One output row [out_width][channels] of a depthwise convolution; w is [kernel_h * kernel_w]
 * [channels], lines as above, at most TVM_TINY_PLAIN_ROWS of them. An output is written when its
 * own window has been read, pixel by pixel and channel by channel, so that the output may take the
 * place of inputs that are done.
 */
TVM_TINY_INLINE void tvm_tiny_plain_depthwise(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  tvm_tiny_plain_depthwise_any(x, lines, w, params, 0, out, zero_point, low, high, width, channels,
                               kernel_h, kernel_w, stride_w, pad_left, out_width);
}

TVM_TINY_INLINE void tvm_tiny_plain_depthwise_float32(
    const int8_t* x, const int32_t* lines, const int8_t* w, const int32_t* params, int8_t* out,
    int32_t zero_point, int32_t low, int32_t high, int32_t width, int32_t channels,
    int32_t kernel_h, int32_t kernel_w, int32_t stride_w, int32_t pad_left, int32_t out_width) {
  tvm_tiny_plain_depthwise_any(x, lines, w, params, 1, out, zero_point, low, high, width, channels,
                               kernel_h, kernel_w, stride_w, pad_left, out_width);
}

/* (value * 2^20 * multiplier + 2^30) >> 31 for |value| < 256. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_scale_byte(int32_t value, int32_t multiplier) {
#ifdef TVM_TINY_PLAIN_NO_LONG
  const int32_t low = (value * (uint16_t)multiplier + (1 << 10)) >> 11;
  return value * (multiplier >> 16) * (1 << 5) + low;
#else
  return tvm_tiny_plain_scale(value * (1 << 20), multiplier);
#endif
}

/* value / 2^shift, halves away from zero: less one half and a bit where `sign` meets a negative. */
TVM_TINY_INLINE int32_t tvm_tiny_plain_halve(int32_t value, int32_t shift, int32_t half,
                                             int32_t sign) {
  return (value + ((value >> 31) & sign) + half) >> shift;
}

/*
 * The addition below when the scale of x is the larger one: its multiplier is 1/2 and exact, which
 * leaves x * 2^19. `y_half` holds the output's zero point too, as 1 <= y_shift <= 22 allows.
 */
TVM_TINY_INLINE void tvm_tiny_plain_add_half(const int8_t* x, const int8_t* v, int8_t* out,
                                             int32_t count, int32_t x_zp, int32_t v_zp,
                                             int32_t v_multiplier, int32_t v_shift,
                                             int32_t y_multiplier, int32_t y_shift,
                                             int32_t y_half, int32_t low, int32_t high) {
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

/*
 * TFLite's addition of `count` elements, in order; q = {a_zp, b_zp, y_zp, act_min, act_max,
 * a_multiplier, b_multiplier, y_multiplier, a_shift, b_shift, y_shift}, no shift positive.
 */
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

#endif /* TVM_TINY_PLAIN_H */
