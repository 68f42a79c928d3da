/* Time, stack and arena of an inference. */
#include "requests.h"
#include "tvm_tiny/session_trace.h"

#define PAINT 0xa5u

/* Bytes of the stack below a local variable that are taken for used: at the least what the
 * function that paints has there itself. */
#define MARGIN 128u

/* Fills the arenas. */
void tvm_tiny_session_fill(const struct tvm_tiny_session_model* model) {
  uint32_t index;
  for (index = 0; index < model->arenas; index++) {
    const struct tvm_tiny_session_memory arena = model->arena(index);
    uint8_t* bytes = (uint8_t*)arena.data;
    uint32_t i;
    for (i = 0; i < arena.bytes; i++) {
      bytes[i] = PAINT;
    }
  }
}

/* Returns the bytes of the arenas up to the highest one that has changed. */
uint32_t tvm_tiny_session_filled(const struct tvm_tiny_session_model* model) {
  uint32_t total = 0;
  uint32_t index;
  for (index = 0; index < model->arenas; index++) {
    const struct tvm_tiny_session_memory arena = model->arena(index);
    const uint8_t* bytes = (const uint8_t*)arena.data;
    uint32_t end = arena.bytes;
    while (end > 0u && bytes[end - 1u] == PAINT) {
      end--;
    }
    total += end;
  }
  return total;
}

/* Runs the model, or hands over a row, and adds the time. */
static int32_t timed(struct tvm_tiny_session* session, const void* row) {
  const struct tvm_tiny_session_port* port = session->port;
  const struct tvm_tiny_session_model* model = session->model;
  uint32_t start = 0;
  int32_t status;
  if (port->ticks != 0) {
    start = port->ticks(port->context);
    tvm_tiny_session_trace_resume(start);
  }
  status = row != 0 ? model->push(row) : model->run();
  if (port->ticks != 0) {
    session->ticks += port->ticks(port->context) - start;
  }
  return status;
}

/* Measures the stack, which grows downwards: fills it below this function, runs the model, and
 * finds the lowest byte that has changed. */
static int32_t painted(struct tvm_tiny_session* session, const void* row) {
  volatile uint8_t here = PAINT;
  volatile uint8_t* const bottom = (volatile uint8_t*)session->port->stack_limit;
  const uintptr_t top = (uintptr_t)&here;
  uint32_t used = MARGIN;
  uintptr_t at;
  int32_t status;
  for (at = (uintptr_t)bottom; at < top - MARGIN; at++) {
    *(volatile uint8_t*)at = here;
  }
  status = timed(session, row);
  at = (uintptr_t)bottom;
  while (at < top - MARGIN && *(volatile uint8_t*)at == PAINT) {
    at++;
  }
  if (at == (uintptr_t)bottom) {
    return TVM_TINY_ERROR_STACK_OVERFLOW;
  }
  used = (uint32_t)(top - at);
  if (used > session->stack) {
    session->stack = used;
  }
  return status;
}

/* Runs the model, or hands over a row, with the measurements that were asked for. */
int32_t tvm_tiny_session_call(struct tvm_tiny_session* session, const void* row) {
  if ((session->flags & MEASURE_STACK) != 0u && session->port->stack_limit != 0) {
    return painted(session, row);
  }
  return timed(session, row);
}
