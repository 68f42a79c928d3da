/* The machine the compiler runs on: no instruction counter, no painted stack. */
#ifndef TVM_TINY_BOARDS_PLATFORM_H
#define TVM_TINY_BOARDS_PLATFORM_H

#include <stdint.h>

#include "compiler.h"

#define TVM_TINY_HAS_STACK_PAINT 0

struct tvm_tiny_counter {
  uint64_t ticks;
  uint32_t polls;
  uint32_t wraps;
};

TVM_TINY_FORCE_INLINE void tvm_tiny_counter_start(struct tvm_tiny_counter* counter) {
  counter->ticks = 0;
  counter->polls = 0;
  counter->wraps = 0;
}

TVM_TINY_FORCE_INLINE void tvm_tiny_counter_stop(struct tvm_tiny_counter* counter) {
  (void)counter;
}

#endif /* TVM_TINY_BOARDS_PLATFORM_H */
