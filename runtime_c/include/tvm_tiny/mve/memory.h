/* Copies of bytes in vectors. */
#ifndef TVM_TINY_MVE_MEMORY_H
#define TVM_TINY_MVE_MEMORY_H

#include "tvm_tiny/mve/common.h"

/* Copies `count` bytes. */
TVM_TINY_INLINE void tvm_tiny_mve_copy(int8_t* to, const int8_t* from, int32_t count) {
#if TVM_TINY_MVE
  __asm__ volatile(
      "wlstp.8 lr, %[count], 2f\n"
      "1:\n\t"
      "vldrb.u8 q0, [%[from]], #16\n\t"
      "vstrb.8 q0, [%[to]], #16\n\t"
      "letp lr, 1b\n"
      "2:\n\t"
      : [to] "+r"(to), [from] "+r"(from)
      : [count] "r"(count)
      : "lr", "q0", "cc", "memory");
#else
  int32_t k;
  for (k = 0; k < count; k++) {
    to[k] = from[k];
  }
#endif
}

/* Sets `count` bytes to `value`. */
TVM_TINY_INLINE void tvm_tiny_mve_fill(int8_t* to, int32_t value, int32_t count) {
#if TVM_TINY_MVE
  __asm__ volatile(
      "wlstp.8 lr, %[count], 2f\n"
      "1:\n\t"
      "vstrb.8 %q[value], [%[to]], #16\n\t"
      "letp lr, 1b\n"
      "2:\n\t"
      : [to] "+r"(to)
      : [count] "r"(count), [value] "w"(vdupq_n_s8((int8_t)value))
      : "lr", "cc", "memory");
#else
  int32_t k;
  for (k = 0; k < count; k++) {
    to[k] = (int8_t)value;
  }
#endif
}

/* Moves 32 * blocks bytes from to + by, by >= 0, down to `to`; this shifts a line buffer. */
TVM_TINY_INLINE void tvm_tiny_mve_slide(void* to, int32_t by, int32_t blocks) {
  int8_t* y = (int8_t*)to;
  const int8_t* x = y + by;
#if TVM_TINY_MVE
  int32_t vectors = 2 * blocks;
  for (; vectors > 0; vectors--) {
    vstrbq_s8(y, vldrbq_s8(x));
    x += 16;
    y += 16;
  }
#else
  int32_t k;
  for (k = 0; k < 32 * blocks; k++) {
    y[k] = x[k];
  }
#endif
}

#endif /* TVM_TINY_MVE_MEMORY_H */
