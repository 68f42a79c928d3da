/*
 * Read before every source of a firmware that records when its layers end (-include timer.h), in
 * place of their results.
 */
#ifndef TVM_TINY_QEMU_TIMER_H
#define TVM_TINY_QEMU_TIMER_H

#include "platform.h"
#include "trace.h"

/* Ticks since the start of the measurement: the sign of the registers differs between boards. */
TVM_TINY_FORCE_INLINE uint64_t tvm_tiny_timer_now(void) {
#if defined(__riscv)
  return tvm_tiny_instret();
#else
  const uint32_t period = 1u << TVM_TINY_SYSTICK_BITS;
  return (uint64_t)tvm_tiny_systick_wraps * period + (period - 1u - TVM_TINY_SYST_CVR);
#endif
}

/* {before this record, behind the last one}. */
static __attribute__((noinline, unused)) void tvm_tiny_timer_record(uint32_t step) {
  static uint64_t resumed;
  uint64_t times[2];
  times[0] = tvm_tiny_timer_now();
  times[1] = resumed;
  tvm_tiny_trace(step, times, (uint32_t)sizeof(times));
  resumed = tvm_tiny_timer_now();
}

#undef TVM_TINY_TRACE
#define TVM_TINY_TRACE(step, pointer, bytes) tvm_tiny_timer_record((uint32_t)(step))

#endif /* TVM_TINY_QEMU_TIMER_H */
