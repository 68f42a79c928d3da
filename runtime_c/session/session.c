/* The device's side of a session: carries out requests and answers them. docs/session.md lists
 * both. */
#include "tvm_tiny/session.h"

#include <string.h>

#include "requests.h"
#include "tvm_tiny/session_trace.h"

#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "tensors go over the line as they are in memory, and must be little-endian"
#endif
#endif

TVM_TINY_STATIC_ASSERT(TVM_TINY_SESSION_CHUNK >= 32 && TVM_TINY_SESSION_CHUNK <= 1024, chunk);

enum {
  KIND_HELLO = 1,
  KIND_DESCRIBE,
  KIND_BEGIN,
  KIND_WRITE,
  KIND_RUN,
  KIND_READ,
  KIND_TIMES,
  KIND_MARKS,
  KIND_COUNTS,
  KIND_RESET,
  KIND_ANSWER = 0x80
};

enum { HAS_STACK = 1, HAS_RESET = 2 };

/* Bytes of the fields of requests; in WRITE, data follow. */
enum {
  HELLO_BYTES = 2,
  DESCRIBE_BYTES = 5,
  BEGIN_BYTES = 2,
  WRITE_BYTES = 5,
  READ_BYTES = 5,
  TIMES_BYTES = 4
};

/* Carries out one kind of request: fills `result`, adds the bytes filled to `bytes` and returns the
 * status. A prefix keeps the names of handlers apart from those of POSIX. */
typedef int32_t (*handler)(struct tvm_tiny_session* session, const struct request* request,
                           uint8_t* result, uint32_t* bytes);

/* ---- Requests -------------------------------------------------------------------------------- */

/* Appends a little-endian word to the result. */
static void add(uint8_t* result, uint32_t* bytes, uint32_t value) {
  tvm_tiny_session_put(&result[*bytes], value);
  *bytes += 4u;
}

/* Returns how many bytes from `offset` on fit an answer. */
static uint32_t piece(uint32_t total, uint32_t offset) {
  const uint32_t rest = total - offset;
  return rest < TVM_TINY_SESSION_CHUNK ? rest : (uint32_t)TVM_TINY_SESSION_CHUNK;
}

/* Returns a CRC of all descriptions, by which the host sees whether the device still has the models
 * that it had before a reset. */
static uint32_t catalog(const struct tvm_tiny_session* session) {
  uint32_t crc = 0;
  uint32_t index;
  for (index = 0; index < session->count; index++) {
    const struct tvm_tiny_session_model* model = session->models[index];
    crc = tvm_tiny_session_crc(crc, model->description, model->description_bytes);
  }
  return crc;
}

/* Opens the session in the newest version that both sides speak; answers with what the device
 * has. */
static int32_t handle_hello(struct tvm_tiny_session* session, const struct request* request,
                            uint8_t* result, uint32_t* bytes) {
  const struct tvm_tiny_session_port* port = session->port;
  const uint32_t least = request->data[0];
  const uint32_t most = request->data[1];
  if (most < TVM_TINY_SESSION_VERSION_MIN || least > TVM_TINY_SESSION_VERSION_MAX) {
    add(result, bytes, TVM_TINY_SESSION_VERSION_MIN);
    add(result, bytes, TVM_TINY_SESSION_VERSION_MAX);
    session->id = 0;
    return TVM_TINY_SESSION_VERSION;
  }
  session->model = 0;
  session->phase = PHASE_NONE;
  add(result, bytes, most < TVM_TINY_SESSION_VERSION_MAX ? most : TVM_TINY_SESSION_VERSION_MAX);
  add(result, bytes, session->count);
  add(result, bytes, TVM_TINY_SESSION_CHUNK);
  add(result, bytes, port->ticks != 0 ? port->ticks_per_second : 0u);
  add(result, bytes,
      (port->stack_limit != 0 ? HAS_STACK : 0u) | (port->reset != 0 ? HAS_RESET : 0u));
  add(result, bytes, catalog(session));
  return TVM_TINY_ERROR_OK;
}

/* Answers with a piece of a model's description. */
static int32_t handle_describe(struct tvm_tiny_session* session, const struct request* request,
                               uint8_t* result, uint32_t* bytes) {
  const uint32_t index = request->data[0];
  const uint32_t offset = tvm_tiny_session_get(&request->data[1], 4);
  const struct tvm_tiny_session_model* model;
  if (index >= session->count || offset > session->models[index]->description_bytes) {
    return TVM_TINY_SESSION_ARGUMENT;
  }
  model = session->models[index];
  *bytes = piece(model->description_bytes, offset);
  memcpy(result, &model->description[offset], *bytes);
  return TVM_TINY_ERROR_OK;
}

/* Begins an inference of a model. */
static int32_t handle_begin(struct tvm_tiny_session* session, const struct request* request,
                            uint8_t* result, uint32_t* bytes) {
  const uint32_t index = request->data[0];
  const struct tvm_tiny_session_model* model;
  (void)result;
  (void)bytes;
  session->phase = PHASE_NONE;
  if (index >= session->count) {
    return TVM_TINY_SESSION_ARGUMENT;
  }
  model = session->models[index];
  session->model = model;
  session->flags = request->data[1];
  session->input = 0;
  session->offset = 0;
  session->row = 0;
  session->ticks = 0;
  session->stack = 0;
  if ((session->flags & MEASURE_ARENA) != 0u) {
    tvm_tiny_session_fill(model);
  }
  tvm_tiny_session_trace_start(session->port, model->step_ticks, model->steps);
  if (model->begin != 0) {
    const int32_t status = model->begin();
    if (status != TVM_TINY_ERROR_OK) {
      return status;
    }
  }
  session->phase = model->inputs > 0u ? PHASE_WRITING : PHASE_WRITTEN;
  return TVM_TINY_ERROR_OK;
}

/* Takes note of a complete input, or hands over a complete row of a streamed one. */
static int32_t complete(struct tvm_tiny_session* session, const void* memory) {
  const struct tvm_tiny_session_model* model = session->model;
  int32_t status = TVM_TINY_ERROR_OK;
  session->offset = 0;
  if (model->push != 0) {
    status = tvm_tiny_session_call(session, memory);
    session->row++;
  }
  if (session->row >= model->rows) {
    session->input++;
  }
  if (session->input == model->inputs) {
    session->phase = PHASE_WRITTEN;
  }
  return status;
}

/* Returns whether the fields name the next byte of the inputs: bytes come in order, each once. */
static int expected(const struct tvm_tiny_session* session, const uint8_t* fields) {
  const uint32_t offset = tvm_tiny_session_get(&fields[1], 4);
  uint32_t next = session->offset;
  if (session->row > 0u) {
    next += session->row * session->model->input(0).bytes;
  }
  return fields[0] == session->input && offset == next;
}

/* Copies data to the inputs; may complete several rows. */
static int32_t handle_write(struct tvm_tiny_session* session, const struct request* request,
                            uint8_t* result, uint32_t* bytes) {
  const uint8_t* data = &request->data[WRITE_BYTES];
  uint32_t left = request->bytes - WRITE_BYTES;
  int32_t status = TVM_TINY_ERROR_OK;
  (void)result;
  (void)bytes;
  if (session->phase != PHASE_WRITING) {
    return TVM_TINY_SESSION_PHASE;
  }
  if (!expected(session, request->data)) {
    return TVM_TINY_SESSION_ARGUMENT;
  }
  while (left > 0u && status == TVM_TINY_ERROR_OK) {
    const struct tvm_tiny_session_memory memory = session->model->input(session->input);
    uint32_t some = memory.bytes - session->offset;
    some = some < left ? some : left;
    memcpy((uint8_t*)memory.data + session->offset, data, some);
    data += some;
    left -= some;
    session->offset += some;
    if (session->offset == memory.bytes) {
      status = complete(session, memory.data);
    }
    if (left > 0u && session->phase != PHASE_WRITING) {
      status = TVM_TINY_SESSION_ARGUMENT;
    }
  }
  if (status != TVM_TINY_ERROR_OK) {
    session->phase = PHASE_NONE;
  }
  return status;
}

/* Runs the inference, unless the last row of a streamed input has done so. */
static int32_t handle_run(struct tvm_tiny_session* session, const struct request* request,
                          uint8_t* result, uint32_t* bytes) {
  int32_t status = TVM_TINY_ERROR_OK;
  (void)request;
  (void)result;
  (void)bytes;
  if (session->phase != PHASE_WRITTEN) {
    return TVM_TINY_SESSION_PHASE;
  }
  if (session->model->run != 0) {
    status = tvm_tiny_session_call(session, 0);
  }
  session->phase = status == TVM_TINY_ERROR_OK ? PHASE_DONE : PHASE_NONE;
  return status;
}

/* Answers with a piece of an output. */
static int32_t handle_read(struct tvm_tiny_session* session, const struct request* request,
                           uint8_t* result, uint32_t* bytes) {
  const uint32_t index = request->data[0];
  const uint32_t offset = tvm_tiny_session_get(&request->data[1], 4);
  struct tvm_tiny_session_memory memory;
  if (session->phase != PHASE_DONE) {
    return TVM_TINY_SESSION_PHASE;
  }
  if (index >= session->model->outputs) {
    return TVM_TINY_SESSION_ARGUMENT;
  }
  memory = session->model->output(index);
  if (offset > memory.bytes) {
    return TVM_TINY_SESSION_ARGUMENT;
  }
  *bytes = piece(memory.bytes, offset);
  memcpy(result, (const uint8_t*)memory.data + offset, *bytes);
  return TVM_TINY_ERROR_OK;
}

/* Answers with the times of the steps, from the one that is asked for. */
static int32_t handle_times(struct tvm_tiny_session* session, const struct request* request,
                            uint8_t* result, uint32_t* bytes) {
  const struct tvm_tiny_session_model* model = session->model;
  uint32_t step = tvm_tiny_session_get(request->data, 4);
  if (session->phase != PHASE_DONE) {
    return TVM_TINY_SESSION_PHASE;
  }
  while (step < model->steps && *bytes + 4u <= TVM_TINY_SESSION_CHUNK) {
    add(result, bytes, model->step_ticks[step++]);
  }
  return TVM_TINY_ERROR_OK;
}

/* Answers with the time, the stack and the arena that the inference has taken. */
static int32_t handle_marks(struct tvm_tiny_session* session, const struct request* request,
                            uint8_t* result, uint32_t* bytes) {
  (void)request;
  if (session->phase != PHASE_DONE) {
    return TVM_TINY_SESSION_PHASE;
  }
  add(result, bytes, session->port->ticks != 0 ? session->ticks : TVM_TINY_SESSION_NO_FIGURE);
  add(result, bytes, session->stack > 0u ? session->stack : TVM_TINY_SESSION_NO_FIGURE);
  add(result, bytes,
      (session->flags & MEASURE_ARENA) != 0u ? tvm_tiny_session_filled(session->model)
                                             : TVM_TINY_SESSION_NO_FIGURE);
  return TVM_TINY_ERROR_OK;
}

/* Answers with the counters of the session. */
static int32_t handle_counts(struct tvm_tiny_session* session, const struct request* request,
                             uint8_t* result, uint32_t* bytes) {
  (void)request;
  add(result, bytes, session->counts.frames);
  add(result, bytes, session->counts.damaged);
  add(result, bytes, session->counts.repeated);
  return TVM_TINY_ERROR_OK;
}

/* Ends the session; `answer` resets the device after its reply. */
static int32_t handle_reset(struct tvm_tiny_session* session, const struct request* request,
                            uint8_t* result, uint32_t* bytes) {
  (void)request;
  (void)result;
  (void)bytes;
  session->id = 0;
  session->phase = PHASE_NONE;
  return TVM_TINY_ERROR_OK;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

/* Carries out a request, once. A repeated one that only reads reads again; of one that changes the
 * inference, the status is repeated. */
static int32_t carry_out(struct tvm_tiny_session* session, const struct request* request, int again,
                         uint8_t* result, uint32_t* bytes) {
  static const struct {
    handler function;
    uint8_t bytes;   /* of the request, at least */
    uint8_t changes; /* whether it changes the inference */
  } kinds[] = {
      [KIND_HELLO] = {.function = handle_hello, .bytes = HELLO_BYTES},
      [KIND_DESCRIBE] = {.function = handle_describe, .bytes = DESCRIBE_BYTES},
      [KIND_BEGIN] = {.function = handle_begin, .bytes = BEGIN_BYTES, .changes = 1},
      [KIND_WRITE] = {.function = handle_write, .bytes = WRITE_BYTES, .changes = 1},
      [KIND_RUN] = {.function = handle_run, .changes = 1},
      [KIND_READ] = {.function = handle_read, .bytes = READ_BYTES},
      [KIND_TIMES] = {.function = handle_times, .bytes = TIMES_BYTES},
      [KIND_MARKS] = {.function = handle_marks},
      [KIND_COUNTS] = {.function = handle_counts},
      [KIND_RESET] = {.function = handle_reset},
  };
  const uint8_t kind = request->kind;
  if (kind >= sizeof(kinds) / sizeof(kinds[0]) || kinds[kind].function == 0) {
    return TVM_TINY_SESSION_KIND;
  }
  if (request->bytes < kinds[kind].bytes) {
    return TVM_TINY_SESSION_ARGUMENT;
  }
  if (again && kinds[kind].changes != 0u) {
    return session->status;
  }
  session->status = kinds[kind].function(session, request, result, bytes);
  return session->status;
}

/* Checks the place of a request in its session. HELLO begins one and ends the one before. again:
 * whether the last request has come once more. */
static int32_t place(struct tvm_tiny_session* session, uint32_t id, uint32_t sequence, uint8_t kind,
                     int* again) {
  const int opens = kind == KIND_HELLO && sequence == 0u && id != 0u && id != session->id;
  *again = 0;
  if (!opens && (id == 0u || id != session->id)) {
    return TVM_TINY_SESSION_UNKNOWN;
  }
  if (!opens && sequence == session->sequence && kind == session->last) {
    session->counts.repeated++;
    *again = 1;
    return TVM_TINY_ERROR_OK;
  }
  if (!opens && (sequence != session->sequence + 1u || kind == KIND_HELLO)) {
    return TVM_TINY_SESSION_SEQUENCE;
  }
  session->id = id;
  session->sequence = sequence;
  session->last = kind;
  return TVM_TINY_ERROR_OK;
}

/* Answers the request in the receiver's frame, which the answer overwrites. */
static void answer(struct tvm_tiny_session* session, uint32_t length) {
  uint8_t* frame = session->receiver.frame;
  uint8_t* result = &frame[FRAME_RESULT];
  struct request request;
  uint32_t bytes = 0;
  int32_t status;
  int again;
  request.kind = frame[FRAME_KIND];
  request.data = &frame[FRAME_DATA];
  request.bytes = length - FRAME_DATA;
  if ((request.kind & KIND_ANSWER) != 0u) {
    return; /* our own answer, from a line that echoes */
  }
  session->counts.frames++;
  status = place(session, tvm_tiny_session_get(&frame[FRAME_SESSION], 4),
                 tvm_tiny_session_get(&frame[FRAME_SEQUENCE], 4), request.kind, &again);
  if (status == TVM_TINY_ERROR_OK) {
    status = carry_out(session, &request, again, result, &bytes);
  }
  frame[FRAME_KIND] = request.kind | KIND_ANSWER;
  tvm_tiny_session_put(&frame[FRAME_STATUS], (uint32_t)status);
  tvm_tiny_session_send(session->port, frame, FRAME_RESULT + bytes);
  if (request.kind == KIND_RESET && status == TVM_TINY_ERROR_OK && session->port->reset != 0) {
    session->port->reset(session->port->context);
  }
}

/* Starts to listen; see tvm_tiny/session.h. */
void tvm_tiny_session_init(struct tvm_tiny_session* session,
                           const struct tvm_tiny_session_port* port,
                           const struct tvm_tiny_session_model* const* models, uint32_t count) {
  memset(session, 0, sizeof(*session));
  session->port = port;
  session->models = models;
  session->count = (uint8_t)count;
}

/* Takes bytes of the line and answers whole requests. */
void tvm_tiny_session_feed(struct tvm_tiny_session* session, const uint8_t* data, uint32_t bytes) {
  uint32_t i;
  for (i = 0; i < bytes; i++) {
    if (tvm_tiny_session_take(&session->receiver, data[i])) {
      const uint32_t length = tvm_tiny_session_check(&session->receiver, &session->counts.damaged);
      if (length > 0u) {
        answer(session, length);
      }
    }
  }
}

/* Takes what has arrived on the line. */
int tvm_tiny_session_poll(struct tvm_tiny_session* session) {
  uint8_t data[32];
  const uint32_t bytes = session->port->read(session->port->context, data, (uint32_t)sizeof(data));
  tvm_tiny_session_feed(session, data, bytes);
  return bytes > 0u;
}
