/* Measures one call: instructions by the platform's counter, stack by painting. */
#ifndef TVM_TINY_BOARDS_MEASURE_H
#define TVM_TINY_BOARDS_MEASURE_H

#include "platform.h"

#define TVM_TINY_STACK_PAINT 0x5ac3a53cu

struct tvm_tiny_measurement {
  int32_t code;             /* what the call returned */
  uint64_t ticks;           /* counter ticks between the two edges around it */
  uint32_t polls;           /* polls from the end of the call to the later edge */
  uint32_t wraps;           /* counter interrupts taken meanwhile */
  uint32_t stack;           /* bytes below the caller's stack pointer that were written */
  uint32_t stack_available; /* bytes there were */
};

/* Inlined whole, so that between painting and looking nothing but the call itself uses the stack
 * below the stack pointer. */
TVM_TINY_FORCE_INLINE void tvm_tiny_measure(struct tvm_tiny_measurement* result,
                                            int32_t (*function)(void)) {
  struct tvm_tiny_counter counter;
#if TVM_TINY_HAS_STACK_PAINT
  const uintptr_t top = tvm_tiny_stack_pointer();
  const uintptr_t bottom = tvm_tiny_stack_limit();
  volatile uint32_t* word;
  for (word = (volatile uint32_t*)bottom; (uintptr_t)word < top; word++) {
    *word = TVM_TINY_STACK_PAINT;
  }
#endif
  tvm_tiny_counter_start(&counter);
  result->code = function();
  tvm_tiny_counter_stop(&counter);
  result->ticks = counter.ticks;
  result->polls = counter.polls;
  result->wraps = counter.wraps;
#if TVM_TINY_HAS_STACK_PAINT
  for (word = (volatile uint32_t*)bottom; (uintptr_t)word < top; word++) {
    if (*word != TVM_TINY_STACK_PAINT) {
      break;
    }
  }
  result->stack = (uint32_t)(top - (uintptr_t)word);
  result->stack_available = (uint32_t)(top - bottom);
#else
  result->stack = 0;
  result->stack_available = 0;
#endif
}

#endif /* TVM_TINY_BOARDS_MEASURE_H */
