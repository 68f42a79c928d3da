/* Parts of session.c that are files of their own. */
#ifndef TVM_TINY_SESSION_REQUESTS_H
#define TVM_TINY_SESSION_REQUESTS_H

#include "frame.h"

/* Phases of an inference. */
enum { PHASE_NONE, PHASE_WRITING, PHASE_WRITTEN, PHASE_DONE };

/* Flags of BEGIN: what to measure. */
enum { MEASURE_ARENA = 1, MEASURE_STACK = 2 };

/* "Cannot be told" in an answer. */
#define TVM_TINY_SESSION_NO_FIGURE 0xffffffffu

/* A request's own fields. */
struct request {
  uint8_t kind;
  const uint8_t* data;
  uint32_t bytes;
};

/* Fill the arenas of the model; bytes up to the highest that is not as it was filled. */
void tvm_tiny_session_fill(const struct tvm_tiny_session_model* model);
uint32_t tvm_tiny_session_filled(const struct tvm_tiny_session_model* model);

/* Calls model->run, or push with a row; adds to the session's time and stack. */
int32_t tvm_tiny_session_call(struct tvm_tiny_session* session, const void* row);

#endif /* TVM_TINY_SESSION_REQUESTS_H */
