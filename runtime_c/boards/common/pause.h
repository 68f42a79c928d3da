/* Waits while nothing arrives, in the way of the board. */
#ifndef TVM_TINY_BOARDS_PAUSE_H
#define TVM_TINY_BOARDS_PAUSE_H

#include <stdint.h>

#include "compiler.h"

/* An emulator that does nothing but read an empty UART has no time to receive bytes; a pause is far
 * shorter than a byte takes at 115200 baud. */
TVM_TINY_FORCE_INLINE void tvm_tiny_pause(void) {
  volatile uint32_t turns;
  for (turns = 0; turns < 150u; turns++) {
  }
}

#endif /* TVM_TINY_BOARDS_PAUSE_H */
