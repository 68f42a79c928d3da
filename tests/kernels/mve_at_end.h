/* Included before the cases: at_end(x, bytes) is a copy of x behind which there is no memory on the
 * board, so that reading on is a fault; on the host, where sanitizers see that, x itself. */
#ifndef MVE_AT_END_H
#define MVE_AT_END_H

#include "tvm_tiny/mve.h"

#ifdef __ARM_ARCH
/* Of the SRAM that MPS3 with AN547 has code in; volatile, so that gcc does not know it. */
static int8_t* volatile const memory_end = (int8_t*)0x11200000u;

TVM_TINY_INLINE const int8_t* at_end(const int8_t* x, int32_t bytes) {
  int8_t* const to = memory_end - bytes;
  int32_t k;
  for (k = 0; k < bytes; k++) {
    to[k] = x[k];
  }
  return to;
}
#else
TVM_TINY_INLINE const int8_t* at_end(const int8_t* x, int32_t bytes) {
  (void)bytes;
  return x;
}
#endif

#endif /* MVE_AT_END_H */
