/*
 * Takes the time of each step of a model. Compile the model's sources with
 * `-include tvm_tiny/session_trace.h`, or name this header with -DTVM_TINY_OPTIONS_FILE.
 */
#ifndef TVM_TINY_SESSION_TRACE_H
#define TVM_TINY_SESSION_TRACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tvm_tiny_session_port;

/* A model calls this after each step, or after each row of one. The time since the last call, or
 * since the model was entered, is that of `step`. */
void tvm_tiny_session_trace(uint32_t step);

/* From now on the time is taken with the port's counter and added to ticks[0..count-1]. */
void tvm_tiny_session_trace_start(const struct tvm_tiny_session_port* port, uint32_t* ticks,
                                  uint32_t count);

/* A model is entered at time `now`. */
void tvm_tiny_session_trace_resume(uint32_t now);

#ifndef TVM_TINY_TRACE
#define TVM_TINY_TRACE(step, pointer, bytes) tvm_tiny_session_trace(step)
#endif

#ifdef __cplusplus
}
#endif

#endif /* TVM_TINY_SESSION_TRACE_H */
