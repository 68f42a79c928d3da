/* Included before the cases: where memory ends on the board, so that reading on is a fault; on the
 * host, where sanitizers see that, what was there before. */
#ifndef MVE_AT_END_H
#define MVE_AT_END_H

#include "tvm_tiny/mve.h"

#ifdef __ARM_ARCH
/* Two memories of MPS3 with AN547; volatile, so that gcc does not know the addresses. */
static int8_t* volatile const first_end = (int8_t*)0x11200000u;
static int32_t* volatile const second_end = (int32_t*)0x31400000u;

/* A copy of x. */
TVM_TINY_INLINE const int8_t* at_end(const int8_t* x, int32_t bytes) {
  int8_t* const to = first_end - bytes;
  int32_t k;
  for (k = 0; k < bytes; k++) {
    to[k] = x[k];
  }
  return to;
}

/* Scratch memory, not zero. */
TVM_TINY_INLINE int32_t* last_words(int32_t* room, int32_t words) {
  int32_t* const to = second_end - words;
  int32_t k;
  for (k = 0; k < words; k++) {
    to[k] = room[k] + 0x12345678;
  }
  return to;
}
#else
TVM_TINY_INLINE const int8_t* at_end(const int8_t* x, int32_t bytes) {
  (void)bytes;
  return x;
}

TVM_TINY_INLINE int32_t* last_words(int32_t* room, int32_t words) {
  (void)words;
  return room;
}
#endif

#endif /* MVE_AT_END_H */
