/* A counter that runs freely at the processor's clock, and the system reset. */
#ifndef TVM_TINY_BOARDS_CLOCK_H
#define TVM_TINY_BOARDS_CLOCK_H

#include "platform.h"

/* Armv7-M Architecture Reference Manual, B3.2.6: the key, and SYSRESETREQ. */
#define TVM_TINY_AIRCR (*(volatile uint32_t*)(uintptr_t)0xe000ed0cu)
#define TVM_TINY_AIRCR_RESET 0x05fa0004u

TVM_TINY_FORCE_INLINE void tvm_tiny_clock_start(void) {
  TVM_TINY_SYST_RVR = (1u << TVM_TINY_SYSTICK_BITS) - 1u;
  TVM_TINY_SYST_CVR = 0;
  TVM_TINY_SYST_CSR = TVM_TINY_SYST_ENABLE;
}

/* SysTick counts down; its interrupt, which counts the turns, comes with the step from 1 to 0, and
 * the reload a tick later: at 0 the turn that is counted already has not begun yet. An emulator may
 * also be late with the interrupt; then time would seem to go back by less than a turn. */
TVM_TINY_FORCE_INLINE uint32_t tvm_tiny_clock(void) {
  static uint32_t last;
  const uint32_t period = 1u << TVM_TINY_SYSTICK_BITS;
  uint32_t turns;
  uint32_t left;
  uint32_t now;
  do {
    turns = tvm_tiny_systick_wraps;
    left = TVM_TINY_SYST_CVR;
  } while (turns != tvm_tiny_systick_wraps);
  now = turns * period + (left == 0u ? 0u : period - left);
  if (last - now - 1u < period) {
    now += period;
  }
  last = now;
  return now;
}

TVM_TINY_FORCE_INLINE void tvm_tiny_system_reset(void) {
  __asm__ volatile("dsb" ::: "memory");
  TVM_TINY_AIRCR = TVM_TINY_AIRCR_RESET;
  for (;;) {
  }
}

#endif /* TVM_TINY_BOARDS_CLOCK_H */
