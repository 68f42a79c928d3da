/* Time of each step, for models that call TVM_TINY_TRACE. One model runs at a time. */
#include "tvm_tiny/session.h"
#include "tvm_tiny/session_trace.h"

static struct {
  const struct tvm_tiny_session_port* port;
  uint32_t* ticks;
  uint32_t count;
  uint32_t last;
} profile;

/* Starts to take times. */
void tvm_tiny_session_trace_start(const struct tvm_tiny_session_port* port, uint32_t* ticks,
                                  uint32_t count) {
  uint32_t step;
  for (step = 0; step < count; step++) {
    ticks[step] = 0;
  }
  profile.port = port->ticks != 0 ? port : 0;
  profile.ticks = ticks;
  profile.count = count;
}

/* Takes note of the time at which a model is entered. */
void tvm_tiny_session_trace_resume(uint32_t now) { profile.last = now; }

/* Adds the time since the last call to that of `step`. */
void tvm_tiny_session_trace(uint32_t step) {
  if (profile.port != 0 && step < profile.count) {
    const uint32_t now = profile.port->ticks(profile.port->context);
    profile.ticks[step] += now - profile.last;
    profile.last = profile.port->ticks(profile.port->context);
  }
}
