/*
 * Dot products of the columns that dsp/gather.h writes and filters, for tiles of a convolution.
 *
 * cols is int16 [quads][pixels][4] in the element order of dsp.h, w is int8 [quads][filters][4] in
 * natural order. dot_AxB is for A pixels and B filters. The suffix w stands for filters that are
 * widened to int16, p for paired filters.
 */
#ifndef TVM_TINY_DSP_PRODUCTS_H
#define TVM_TINY_DSP_PRODUCTS_H

#include "tvm_tiny/dsp/common.h"

#if TVM_TINY_DSP

/* ---- Two pixels, two filters ----------------------------------------------------------------- */

/* Instructions for one quad of two pixels (x) and two filters (w). */
#define TVM_TINY_DSP_QUAD_2X2            \
  "ldmia %[x]!, {r8, r9, r10, r11}\n\t"  \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"    \
  "sxtb16 %[t], %[w0]\n\t"               \
  "sxtb16 %[w0], %[w0], ror #8\n\t"      \
  "smlad %[s00], %[t], r8, %[s00]\n\t"   \
  "smlad %[s10], %[t], r10, %[s10]\n\t"  \
  "sxtb16 %[t], %[w1]\n\t"               \
  "sxtb16 %[w1], %[w1], ror #8\n\t"      \
  "smlad %[s00], %[w0], r9, %[s00]\n\t"  \
  "smlad %[s10], %[w0], r11, %[s10]\n\t" \
  "smlad %[s01], %[t], r8, %[s01]\n\t"   \
  "smlad %[s11], %[t], r10, %[s11]\n\t"  \
  "smlad %[s01], %[w1], r9, %[s01]\n\t"  \
  "smlad %[s11], %[w1], r11, %[s11]\n\t"

/* Runs such instructions; s<pixel><filter> are the sums. */
#define TVM_TINY_DSP_RUN_2X2(text)                                                                \
  __asm__ volatile(text                                                                           \
                   : [x] "+r"(x), [w] "+r"(w), [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), \
                     [s11] "+r"(s11), [w0] "=&r"(w0), [w1] "=&r"(w1), [t] "=&r"(t)                \
                   :                                                                              \
                   : "r8", "r9", "r10", "r11", "memory")

/* Returns how many quads to unroll so that few are left over, a constant. little: whether the
 * instructions of a quad are few, and unrolling three is enough. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_at_once(int32_t quads, int little) {
  return quads % 3 == 0 && little ? 3 : quads % 6 == 0 ? 6 : quads % 5 == 0 ? 5 : 4;
}

/* Runs `text` for each of `quads` quads, `at_once` of them in each iteration. */
#define TVM_TINY_DSP_EACH(run, text, quads, at_once) \
  for (n = (quads) / (at_once); n > 0; n--) {        \
    if ((at_once) == 6) {                            \
      run(text text text text text text);            \
    } else if ((at_once) == 5) {                     \
      run(text text text text text);                 \
    } else if ((at_once) == 4) {                     \
      run(text text text text);                      \
    } else {                                         \
      run(text text text);                           \
    }                                                \
  }                                                  \
  if ((at_once) == 4 && ((quads) & 2) != 0) {        \
    run(text text);                                  \
  }                                                  \
  if ((at_once) == 4 && ((quads) & 1) != 0) {        \
    run(text);                                       \
  }

/* Runs `text` for each of `quads` quads. */
#define TVM_TINY_DSP_EACH_QUAD(run, text, quads) \
  TVM_TINY_DSP_EACH(run, text, quads, tvm_tiny_dsp_at_once(quads, 0))

/* Adds to acc[p * 2 + f] the sum of cols [quads][p][4] times w [quads][f][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s00 = acc[0];
  int32_t s01 = acc[1];
  int32_t s10 = acc[2];
  int32_t s11 = acc[3];
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_2X2, TVM_TINY_DSP_QUAD_2X2, quads)
  acc[0] = s00;
  acc[1] = s01;
  acc[2] = s10;
  acc[3] = s11;
}

/* ---- Two pixels, two widened filters --------------------------------------------------------- */

/* Instructions that widen one quad of two filters. */
#define TVM_TINY_DSP_WIDEN       \
  "ldrd r9, r11, [%[w]], #8\n\t" \
  "sxtb16 r8, r9\n\t"            \
  "sxtb16 r9, r9, ror #8\n\t"    \
  "sxtb16 r10, r11\n\t"          \
  "sxtb16 r11, r11, ror #8\n\t"  \
  "stmia %[wide]!, {r8, r9, r10, r11}\n\t"

/* Runs such instructions from w to wide. */
#define TVM_TINY_DSP_RUN_WIDEN(text) \
  __asm__ volatile(text : [w] "+r"(w), [wide] "+r"(wide) : : "r8", "r9", "r10", "r11", "memory")

/* Widens filters of dot_2x2 to int16 [quads][2][4] in the element order of cols. */
TVM_TINY_INLINE void tvm_tiny_dsp_widen(const int8_t* w, int16_t* wide, int32_t quads) {
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_WIDEN, TVM_TINY_DSP_WIDEN, quads)
}

/* Instructions for one quad of two pixels and two widened filters. */
#define TVM_TINY_DSP_QUAD_2X2W           \
  "ldmia %[x]!, {r8, r9, r10, r11}\n\t"  \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"    \
  "smlad %[s00], %[w0], r8, %[s00]\n\t"  \
  "smlad %[s10], %[w0], r10, %[s10]\n\t" \
  "smlad %[s00], %[w1], r9, %[s00]\n\t"  \
  "smlad %[s10], %[w1], r11, %[s10]\n\t" \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"    \
  "smlad %[s01], %[w0], r8, %[s01]\n\t"  \
  "smlad %[s11], %[w0], r10, %[s11]\n\t" \
  "smlad %[s01], %[w1], r9, %[s01]\n\t"  \
  "smlad %[s11], %[w1], r11, %[s11]\n\t"

/* Runs such instructions; s<pixel><filter> are the sums. */
#define TVM_TINY_DSP_RUN_2X2W(text)                                                               \
  __asm__ volatile(text                                                                           \
                   : [x] "+r"(x), [w] "+r"(w), [s00] "+r"(s00), [s01] "+r"(s01), [s10] "+r"(s10), \
                     [s11] "+r"(s11), [w0] "=&r"(w0), [w1] "=&r"(w1)                              \
                   :                                                                              \
                   : "r8", "r9", "r10", "r11", "memory")

/* Adds the products of tvm_tiny_dsp_dot_2x2 with filters that tvm_tiny_dsp_widen has widened. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2w(const int16_t* x, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t s00 = acc[0];
  int32_t s01 = acc[1];
  int32_t s10 = acc[2];
  int32_t s11 = acc[3];
  uint32_t w0;
  uint32_t w1;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_2X2W, TVM_TINY_DSP_QUAD_2X2W, quads)
  acc[0] = s00;
  acc[1] = s01;
  acc[2] = s10;
  acc[3] = s11;
}

/* ---- Two pixels, two paired filters ---------------------------------------------------------- */

/* Instructions for one quad of two pixels and two paired filters. */
#define TVM_TINY_DSP_QUAD_2X2P           \
  "ldmia %[x]!, {r8, r9, r10, r11}\n\t"  \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"    \
  "sxtb16 %[t], %[w0]\n\t"               \
  "smlad %[s01], %[w0], r8, %[s01]\n\t"  \
  "smlad %[s11], %[w0], r10, %[s11]\n\t" \
  "smlad %[s00], %[t], r8, %[s00]\n\t"   \
  "smlad %[s10], %[t], r10, %[s10]\n\t"  \
  "sxtb16 %[t], %[w1]\n\t"               \
  "smlad %[s01], %[w1], r9, %[s01]\n\t"  \
  "smlad %[s11], %[w1], r11, %[s11]\n\t" \
  "smlad %[s00], %[t], r9, %[s00]\n\t"   \
  "smlad %[s10], %[t], r11, %[s10]\n\t"

/* Returns the second sum of paired filters: (both - first) / 256. `both` may have wrapped around,
 * which the subtraction undoes. */
TVM_TINY_INLINE int32_t tvm_tiny_dsp_second(int32_t both, int32_t first) {
  return (int32_t)((uint32_t)both - (uint32_t)first) >> 8;
}

/*
 * Adds the products of two pixels and two paired filters to acc[p * 2 + f].
 *
 * w is int16 [quads][4] in the element order of cols: filter 0 + 256 * filter 1. Products with w
 * add up to sum 0 + 256 * sum 1, and those with its sign-extended low bytes to sum 0. This takes
 * half of the sign extensions of dot_2x2.
 *
 * The pair must fit int16, which excludes -128 in filter 1 beside a negative weight in filter 0.
 * Sum 1 must fit 24 bits: the absolute weights of filter 1, added up, times 255 are less than 2^23.
 */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2p(const int16_t* x, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t s00 = acc[0];
  int32_t s10 = acc[2];
  int32_t s01 = s00;
  int32_t s11 = s10;
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_2X2, TVM_TINY_DSP_QUAD_2X2P, quads)
  acc[0] = s00;
  acc[1] += tvm_tiny_dsp_second(s01, s00);
  acc[2] = s10;
  acc[3] += tvm_tiny_dsp_second(s11, s10);
}

/* ---- One pixel ------------------------------------------------------------------------------- */

/* Instructions for one quad of one pixel, in r8 and r9, and one filter in register `w`. */
/* clang-format off */
#define TVM_TINY_DSP_FILTER(w, s)    \
  "sxtb16 %[t], " w "\n\t"           \
  "sxtb16 " w ", " w ", ror #8\n\t"  \
  "smlad " s ", %[t], r8, " s "\n\t" \
  "smlad " s ", " w ", r9, " s "\n\t"

/* Instructions for one quad of one pixel and two filters. */
#define TVM_TINY_DSP_QUAD_1X2           \
  "ldrd r8, r9, [%[x]], #8\n\t"         \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t"   \
  TVM_TINY_DSP_FILTER("%[w0]", "%[s0]") \
  TVM_TINY_DSP_FILTER("%[w1]", "%[s1]")
/* clang-format on */

/* Runs such instructions; s<filter> are the sums. */
#define TVM_TINY_DSP_RUN_1X2(text)                                                           \
  __asm__ volatile(text                                                                      \
                   : [x] "+r"(x), [w] "+r"(w), [s0] "+r"(s0), [s1] "+r"(s1), [w0] "=&r"(w0), \
                     [w1] "=&r"(w1), [t] "=&r"(t)                                            \
                   :                                                                         \
                   : "r8", "r9", "memory")

/* Adds to acc[f] the sum of cols [quads][4] times w [quads][f][4], f < 2. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = acc[1];
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH(TVM_TINY_DSP_RUN_1X2, TVM_TINY_DSP_QUAD_1X2, quads,
                    tvm_tiny_dsp_at_once(quads, 1))
  acc[0] = s0;
  acc[1] = s1;
}

/* Instructions for one quad of one pixel and two paired filters. */
#define TVM_TINY_DSP_QUAD_1X2P        \
  "ldrd r8, r9, [%[x]], #8\n\t"       \
  "ldrd %[w0], %[w1], [%[w]], #8\n\t" \
  "sxtb16 %[t], %[w0]\n\t"            \
  "smlad %[s1], %[w0], r8, %[s1]\n\t" \
  "smlad %[s0], %[t], r8, %[s0]\n\t"  \
  "sxtb16 %[t], %[w1]\n\t"            \
  "smlad %[s1], %[w1], r9, %[s1]\n\t" \
  "smlad %[s0], %[t], r9, %[s0]\n\t"

/* Adds the products of one pixel, cols [quads][4], and two paired filters, as in dot_2x2p. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2p(const int16_t* x, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = s0;
  uint32_t w0;
  uint32_t w1;
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH(TVM_TINY_DSP_RUN_1X2, TVM_TINY_DSP_QUAD_1X2P, quads,
                    tvm_tiny_dsp_at_once(quads, 1))
  acc[0] = s0;
  acc[1] += tvm_tiny_dsp_second(s1, s0);
}

/* Instructions for one quad of one pixel and four filters. */
/* clang-format off */
#define TVM_TINY_DSP_QUAD_1X4            \
  "ldrd r8, r9, [%[x]], #8\n\t"          \
  "ldmia %[w]!, {r10, r11, r12, lr}\n\t" \
  TVM_TINY_DSP_FILTER("r10", "%[s0]")    \
  TVM_TINY_DSP_FILTER("r11", "%[s1]")    \
  TVM_TINY_DSP_FILTER("r12", "%[s2]")    \
  TVM_TINY_DSP_FILTER("lr", "%[s3]")
/* clang-format on */

/* Runs such instructions; s<filter> are the sums. */
#define TVM_TINY_DSP_RUN_1X4(text)                                                          \
  __asm__ volatile(text                                                                     \
                   : [x] "+r"(x), [w] "+r"(w), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), \
                     [s3] "+r"(s3), [t] "=&r"(t)                                            \
                   :                                                                        \
                   : "r8", "r9", "r10", "r11", "r12", "lr", "memory")

/* Adds to acc[f] the sum of cols [quads][4] times w [quads][f][4], f < 4. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x4(const int16_t* x, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  int32_t s0 = acc[0];
  int32_t s1 = acc[1];
  int32_t s2 = acc[2];
  int32_t s3 = acc[3];
  uint32_t t;
  int32_t n;
  TVM_TINY_DSP_EACH_QUAD(TVM_TINY_DSP_RUN_1X4, TVM_TINY_DSP_QUAD_1X4, quads)
  acc[0] = s0;
  acc[1] = s1;
  acc[2] = s2;
  acc[3] = s3;
}

#else

/* ---- Portable C ------------------------------------------------------------------------------ */

/* Adds to acc[p * filters + f] the sum of cols [quads][p][4] times w [quads][f][4]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot(const int16_t* cols, const int8_t* w, int32_t* acc,
                                      int32_t quads, int32_t pixels, int32_t filters) {
  int32_t q;
  int32_t p;
  int32_t f;
  int32_t i;
  for (q = 0; q < quads; q++) {
    for (p = 0; p < pixels; p++) {
      for (f = 0; f < filters; f++) {
        for (i = 0; i < 4; i++) {
          acc[p * filters + f] +=
              cols[(q * pixels + p) * 4 + tvm_tiny_dsp_slot(i)] * w[(q * filters + f) * 4 + i];
        }
      }
    }
  }
}

/* Adds products of two pixels and two filters. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 2, 2);
}

/* Widens filters of dot_2x2 to int16 [quads][2][4] in the element order of cols. */
TVM_TINY_INLINE void tvm_tiny_dsp_widen(const int8_t* w, int16_t* wide, int32_t quads) {
  int32_t i;
  for (i = 0; i < 8 * quads; i++) {
    wide[(i & ~3) + tvm_tiny_dsp_slot(i & 3)] = w[i];
  }
}

/* Adds the products of tvm_tiny_dsp_dot_2x2 with filters that tvm_tiny_dsp_widen has widened. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2w(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  int32_t i;
  int32_t s;
  for (i = 0; i < 4 * quads; i++) {
    for (s = 0; s < 4; s++) {
      acc[s] +=
          cols[((i >> 2) * 2 + (s >> 1)) * 4 + (i & 3)] * w[((i >> 2) * 2 + (s & 1)) * 4 + (i & 3)];
    }
  }
}

/* Adds the products of `pixels` pixels and two paired filters to acc[p * 2 + f]. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_pair(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads, int32_t pixels) {
  int32_t i;
  int32_t p;
  for (i = 0; i < 4 * quads; i++) {
    const int32_t high = (w[i] + 128) >> 8;
    for (p = 0; p < pixels; p++) {
      const int32_t x = cols[((i >> 2) * pixels + p) * 4 + (i & 3)];
      acc[2 * p] += x * (w[i] - 256 * high);
      acc[2 * p + 1] += x * high;
    }
  }
}

/* Adds the products of two pixels and two paired filters. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_2x2p(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  tvm_tiny_dsp_dot_pair(cols, w, acc, quads, 2);
}

/* Adds the products of one pixel and two paired filters. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2p(const int16_t* cols, const int16_t* w, int32_t* acc,
                                           int32_t quads) {
  tvm_tiny_dsp_dot_pair(cols, w, acc, quads, 1);
}

/* Adds products of one pixel and two filters. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x2(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 1, 2);
}

/* Adds products of one pixel and four filters. */
TVM_TINY_INLINE void tvm_tiny_dsp_dot_1x4(const int16_t* cols, const int8_t* w, int32_t* acc,
                                          int32_t quads) {
  tvm_tiny_dsp_dot(cols, w, acc, quads, 1, 4);
}

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_PRODUCTS_H */
