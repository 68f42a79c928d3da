/*
 * Cortex-M: semihosting, stack, and instructions counted with SysTick.
 *
 * Under `qemu -icount shift=0` one instruction takes one nanosecond, so a SysTick that runs at the
 * processor clock ticks every 10^9 / Hz instructions: 40 at 25 MHz. To do better than a tick the
 * measurement starts just after a tick and, at its end, polls for the next one in a loop of
 * TVM_TINY_COUNTER_POLL instructions. The same measurement of an empty function takes the constant
 * part away; what is left is exact to within one poll at each end.
 */
#ifndef TVM_TINY_BOARDS_PLATFORM_H
#define TVM_TINY_BOARDS_PLATFORM_H

#include <stdint.h>

#include "compiler.h"

#define TVM_TINY_HAS_STACK_PAINT 1

/* Instructions of one turn of tvm_tiny_systick_edge; the host's table of boards knows it too. */
#define TVM_TINY_COUNTER_POLL 4

/* Armv7-M Architecture Reference Manual, B3.3 and B3.2.4. */
#define TVM_TINY_SYST_CSR (*(volatile uint32_t*)(uintptr_t)0xe000e010u)
#define TVM_TINY_SYST_RVR (*(volatile uint32_t*)(uintptr_t)0xe000e014u)
#define TVM_TINY_SYST_CVR (*(volatile uint32_t*)(uintptr_t)0xe000e018u)
#define TVM_TINY_SYST_ENABLE 7u /* processor clock, interrupt, count */

/* Fewer bits make a test of the wrap quick. */
#ifndef TVM_TINY_SYSTICK_BITS
#define TVM_TINY_SYSTICK_BITS 24
#endif

struct tvm_tiny_counter {
  uint64_t ticks;
  uint32_t polls;
  uint32_t wraps;
  uint32_t start;
};

/* Counter interrupts since the counter started; see startup.c. */
extern volatile uint32_t tvm_tiny_systick_wraps;

/* Defined by sections.ld. */
extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];
extern uint32_t __ram_start[];

TVM_TINY_FORCE_INLINE uintptr_t tvm_tiny_semihosting(uintptr_t operation, const void* block) {
  register uintptr_t r0 __asm__("r0") = operation;
  register const void* r1 __asm__("r1") = block;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

TVM_TINY_FORCE_INLINE uintptr_t tvm_tiny_stack_pointer(void) {
  uintptr_t value;
  __asm__ volatile("mov %0, sp" : "=r"(value) : : "memory");
  return value;
}

TVM_TINY_FORCE_INLINE uintptr_t tvm_tiny_stack_limit(void) { return (uintptr_t)__stack_limit; }

/* Polls the counter until it changes; its new value, and the number of polls. */
TVM_TINY_FORCE_INLINE uint32_t tvm_tiny_systick_edge(uint32_t* polls) {
  uint32_t count = 0;
  uint32_t before;
  uint32_t after;
  __asm__ volatile(
      ".syntax unified\n\t"
      "ldr %[before], [%[counter]]\n"
      "1:\n\t"
      "adds %[count], %[count], #1\n\t"
      "ldr %[after], [%[counter]]\n\t"
      "cmp %[after], %[before]\n\t"
      "beq 1b\n\t"
      : [count] "+l"(count), [before] "=&l"(before), [after] "=&l"(after)
      : [counter] "l"(&TVM_TINY_SYST_CVR)
      : "cc", "memory");
  *polls = count;
  return after;
}

TVM_TINY_FORCE_INLINE void tvm_tiny_counter_start(struct tvm_tiny_counter* counter) {
  TVM_TINY_SYST_RVR = (1u << TVM_TINY_SYSTICK_BITS) - 1u;
  TVM_TINY_SYST_CVR = 0;
  TVM_TINY_SYST_CSR = TVM_TINY_SYST_ENABLE;
  /* The first edge is the reload; the interrupt it may raise does not count. */
  (void)tvm_tiny_systick_edge(&counter->polls);
  tvm_tiny_systick_wraps = 0;
  counter->start = tvm_tiny_systick_edge(&counter->polls);
}

/* The interrupt comes with the step from 1 to 0, the reload one tick later: at 0 the wrap has been
 * counted, but the turn of the counter is still the old one. */
TVM_TINY_FORCE_INLINE void tvm_tiny_counter_stop(struct tvm_tiny_counter* counter) {
  const uint32_t period = 1u << TVM_TINY_SYSTICK_BITS;
  const uint32_t end = tvm_tiny_systick_edge(&counter->polls);
  uint32_t turns = tvm_tiny_systick_wraps;
  TVM_TINY_SYST_CSR = 0;
  counter->wraps = turns;
  if (end == 0u && turns != 0u) {
    turns--;
  }
  counter->ticks = (uint64_t)turns * period + counter->start - end;
}

#endif /* TVM_TINY_BOARDS_PLATFORM_H */
