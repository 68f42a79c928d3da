/* Dot products of one, two or four pixels and two filters. */
#ifndef TVM_TINY_PLAIN_PRODUCTS_H
#define TVM_TINY_PLAIN_PRODUCTS_H

#include "tvm_tiny/plain/common.h"

#if defined(__thumb__) && !defined(__thumb2__) && defined(__GNUC__) && !defined(__clang__) && \
    defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__) && !defined(TVM_TINY_PLAIN_NO_ASM)

/* Instructions that add one term of two filters over two pixels. */
#define TVM_TINY_PLAIN_TERM_2        \
  "ldrsb %[s], [%[x], %[zero]]\n\t"  \
  "ldrsb %[t], [%[w], %[zero]]\n\t"  \
  "movs %[u], %[s]\n\t"              \
  "muls %[u], %[t]\n\t"              \
  "add %[a], %[u]\n\t"               \
  "ldrsb %[u], [%[w], r7]\n\t"       \
  "muls %[s], %[u]\n\t"              \
  "add %[b], %[s]\n\t"               \
  "ldrsb %[s], [%[x], %[pitch]]\n\t" \
  "muls %[t], %[s]\n\t"              \
  "add %[c], %[t]\n\t"               \
  "muls %[u], %[s]\n\t"              \
  "add %[d], %[u]\n\t"               \
  "adds %[x], #1\n\t"                \
  "adds %[w], #2\n\t"

/* Instructions that add one term of two filters over one pixel. */
#define TVM_TINY_PLAIN_TERM_1       \
  "ldrsb %[s], [%[x], %[zero]]\n\t" \
  "ldrsb %[t], [%[w], %[zero]]\n\t" \
  "muls %[t], %[s]\n\t"             \
  "add %[a], %[t]\n\t"              \
  "ldrsb %[t], [%[w], %[one]]\n\t"  \
  "muls %[t], %[s]\n\t"             \
  "add %[b], %[t]\n\t"              \
  "adds %[x], #1\n\t"               \
  "adds %[w], #2\n\t"

/* Repeats a term, and a loop over terms. */
#define TVM_TINY_PLAIN_8(term) term term term term term term term term
#define TVM_TINY_PLAIN_LOOP(terms) "1:\n\t" terms "cmp %[x], %[end]\n\tbne 1b\n\t"

/* Runs such a loop over two pixels. */
#define TVM_TINY_PLAIN_DOT_2(terms)                                                            \
  __asm__ volatile(                                                                            \
      ".syntax unified\n\tmov lr, r7\n\tmovs r7, #1\n" TVM_TINY_PLAIN_LOOP(terms) "mov r7, lr" \
      : [x] "+l"(xs), [w] "+l"(ws), [a] "+h"(a), [b] "+h"(b), [c] "+h"(c), [d] "+h"(d),        \
        [s] "=&l"(s), [t] "=&l"(t), [u] "=&l"(u)                                               \
      : [zero] "l"(zero), [pitch] "l"(step), [end] "h"(end)                                    \
      : "lr", "cc", "memory")

/* Runs such a loop over one pixel. */
#define TVM_TINY_PLAIN_DOT_1(terms)                                                    \
  __asm__ volatile(                                                                    \
      ".syntax unified\n" TVM_TINY_PLAIN_LOOP(terms)                                   \
      : [x] "+l"(x), [w] "+l"(w), [a] "+h"(a), [b] "+h"(b), [s] "=&l"(s), [t] "=&l"(t) \
      : [zero] "l"(0), [one] "l"(1), [end] "h"(end)                                    \
      : "cc", "memory")

/* Adds times * count terms, count 8 or 1 to 7, of two filters over two pixels. */
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

/* Adds times * count terms of two filters over one pixel. */
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

/* Adds times * count terms of two filters over four pixels. */
TVM_TINY_INLINE void tvm_tiny_plain_dot_4(const int8_t* x, int32_t pitch, const int8_t* w,
                                          int32_t* acc, int32_t times, int32_t count) {
  tvm_tiny_plain_dot_2(x, pitch, w, acc, times, count);
  tvm_tiny_plain_dot_2(x + 2 * pitch, pitch, w, acc + 4, times, count);
}

/* Terms of one iteration. */
#define TVM_TINY_PLAIN_COUNT(K) 8
#else
/* Terms of one iteration: all of a few, else a number that leaves no rest. */
#define TVM_TINY_PLAIN_COUNT(K) \
  ((K) <= 16 ? (K) : (K) % 16 == 0 ? 16 : (K) % 12 == 0 ? 12 : (K) % 9 == 0 ? 9 : 8)

/* Adds times * count terms of two filters over four pixels. */
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

/* Adds times * count terms of two filters over two pixels. Sums are scalars, as gcc would leave an
 * array in memory. */
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

/* Adds times * count terms of two filters over one pixel. */
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

/* Adds times * count terms of two filters over 1, 2 or 4 pixels. */
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

/* Adds to acc[p * 2 + f] the sum over k < K of x[p * pitch + k] * w[k * 2 + f], for 1, 2 or 4
 * pixels. */
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

#endif /* TVM_TINY_PLAIN_PRODUCTS_H */
