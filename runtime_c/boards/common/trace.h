/* Read before every model source in a firmware that records its steps (-include trace.h). */
#ifndef TVM_TINY_BOARDS_TRACE_H
#define TVM_TINY_BOARDS_TRACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Appends {uint32_t step, uint32_t bytes, data} to trace.bin. */
void tvm_tiny_trace(uint32_t step, const void* data, uint32_t bytes);

#ifdef __cplusplus
}
#endif

/* The step that opens a new sample; it has no data. */
#define TVM_TINY_TRACE_SAMPLE 0xffffffffu

#define TVM_TINY_TRACE(step, pointer, bytes) \
  tvm_tiny_trace((uint32_t)(step), (pointer), (uint32_t)(bytes))

#endif /* TVM_TINY_BOARDS_TRACE_H */
