/* A counter that runs freely, and the reset of QEMU's virt board. */
#ifndef TVM_TINY_BOARDS_CLOCK_H
#define TVM_TINY_BOARDS_CLOCK_H

#include "platform.h"

/* SiFive's test finisher: its register, and what resets the machine. */
#define TVM_TINY_FINISHER (*(volatile uint32_t*)(uintptr_t)0x00100000u)
#define TVM_TINY_FINISHER_RESET 0x7777u

TVM_TINY_FORCE_INLINE void tvm_tiny_clock_start(void) {}

/* Eight instructions a tick: 32 bits of minstret itself would last for four seconds. */
TVM_TINY_FORCE_INLINE uint32_t tvm_tiny_clock(void) { return (uint32_t)(tvm_tiny_instret() >> 3); }

TVM_TINY_FORCE_INLINE void tvm_tiny_system_reset(void) {
  TVM_TINY_FINISHER = TVM_TINY_FINISHER_RESET;
  for (;;) {
  }
}

#endif /* TVM_TINY_BOARDS_CLOCK_H */
