/*
 * RISC-V, 32 bits, machine mode: semihosting, stack, and instructions counted with minstret, which
 * is exact under `qemu -icount shift=0`.
 */
#ifndef TVM_TINY_BOARDS_PLATFORM_H
#define TVM_TINY_BOARDS_PLATFORM_H

#include <stdint.h>

#include "compiler.h"

#define TVM_TINY_HAS_STACK_PAINT 1

/* The compiler's -march leaves out Zicsr, with which Debian's gcc links the 64-bit libgcc. */
#define TVM_TINY_READ_CSR(name, value)                                                        \
  __asm__ volatile(".option push\n\t.option arch, +zicsr\n\tcsrr %0, " name "\n\t.option pop" \
                   : "=r"(value)                                                              \
                   :                                                                          \
                   : "memory")

struct tvm_tiny_counter {
  uint64_t ticks;
  uint32_t polls;
  uint32_t wraps;
};

/* Defined by sections.ld. */
extern uint32_t __stack_limit[];

/* The three instructions must be uncompressed and in one page ("RISC-V Semihosting", 1.1). */
TVM_TINY_FORCE_INLINE uintptr_t tvm_tiny_semihosting(uintptr_t operation, const void* block) {
  register uintptr_t a0 __asm__("a0") = operation;
  register const void* a1 __asm__("a1") = block;
  __asm__ volatile(
      ".option push\n\t"
      ".option norvc\n\t"
      ".balign 16\n\t"
      "slli x0, x0, 0x1f\n\t"
      "ebreak\n\t"
      "srai x0, x0, 7\n\t"
      ".option pop"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
}

TVM_TINY_FORCE_INLINE uintptr_t tvm_tiny_stack_pointer(void) {
  uintptr_t value;
  __asm__ volatile("mv %0, sp" : "=r"(value) : : "memory");
  return value;
}

TVM_TINY_FORCE_INLINE uintptr_t tvm_tiny_stack_limit(void) { return (uintptr_t)__stack_limit; }

/* Both halves of the counter, read again when the lower one wrapped in between. */
TVM_TINY_FORCE_INLINE uint64_t tvm_tiny_instret(void) {
  uint32_t high;
  uint32_t low;
  uint32_t again;
  do {
    TVM_TINY_READ_CSR("minstreth", high);
    TVM_TINY_READ_CSR("minstret", low);
    TVM_TINY_READ_CSR("minstreth", again);
  } while (high != again);
  return ((uint64_t)high << 32) | low;
}

TVM_TINY_FORCE_INLINE void tvm_tiny_counter_start(struct tvm_tiny_counter* counter) {
  counter->polls = 0;
  counter->wraps = 0;
  counter->ticks = tvm_tiny_instret();
}

TVM_TINY_FORCE_INLINE void tvm_tiny_counter_stop(struct tvm_tiny_counter* counter) {
  counter->ticks = tvm_tiny_instret() - counter->ticks;
}

#endif /* TVM_TINY_BOARDS_PLATFORM_H */
