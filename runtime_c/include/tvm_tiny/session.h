/*
 * A session: a host sets inputs, runs models and reads outputs over any line that carries bytes.
 *
 *     static struct tvm_tiny_session session;
 *     tvm_tiny_session_init(&session, &port, tvm_tiny_models, TVM_TINY_MODELS);
 *     for (;;) {
 *       tvm_tiny_session_poll(&session);
 *     }
 *
 * The sources are those of runtime_c/session; `tvm_tiny_models` is generated (tvm_tiny_models.h and
 * .c). All memory is in the structures below, nothing is allocated: several sessions may run at
 * once as long as no two of them use the same model. docs/session.md describes the bytes on the
 * line.
 */
#ifndef TVM_TINY_SESSION_H
#define TVM_TINY_SESSION_H

#include <stdint.h>

#include "tvm_tiny/errors.h"
#include "tvm_tiny/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Versions of the protocol that this device speaks. */
#define TVM_TINY_SESSION_VERSION_MIN 1
#define TVM_TINY_SESSION_VERSION_MAX 1

/* Most bytes of a tensor in one frame: 32 to 1024. The host is told. */
#ifndef TVM_TINY_SESSION_CHUNK
#define TVM_TINY_SESSION_CHUNK 512
#endif

/* Bytes of a frame around a chunk: session, sequence, kind, fields of the kind, checksum. */
#define TVM_TINY_SESSION_OVERHEAD 20
#define TVM_TINY_SESSION_FRAME (TVM_TINY_SESSION_CHUNK + TVM_TINY_SESSION_OVERHEAD)

/* Statuses of answers beside the codes of tvm_tiny/errors.h. */
enum tvm_tiny_session_status {
  TVM_TINY_SESSION_UNKNOWN = 0x0601,  /* the device has no such session (any more) */
  TVM_TINY_SESSION_SEQUENCE = 0x0602, /* neither the next request nor the last one again */
  TVM_TINY_SESSION_VERSION = 0x0603,  /* no version of the protocol in common */
  TVM_TINY_SESSION_KIND = 0x0604,     /* a request this device does not know */
  TVM_TINY_SESSION_ARGUMENT = 0x0605, /* no such model, tensor or offset */
  TVM_TINY_SESSION_PHASE = 0x0606     /* out of turn: inputs, run, outputs */
};

/* The line and what else the hardware has. Constant; functions get `context`. */
struct tvm_tiny_session_port {
  void* context;
  /* Takes up to `bytes` bytes that have arrived; returns how many, 0 at once if there are none. */
  uint32_t (*read)(void* context, uint8_t* data, uint32_t bytes);
  /* Sends all bytes; may wait until the line has taken them. */
  void (*write)(void* context, const uint8_t* data, uint32_t bytes);
  /* A counter that runs freely modulo 2^32, and how often it counts in a second. Null, 0: none. */
  uint32_t (*ticks)(void* context);
  uint32_t ticks_per_second;
  /* Resets the hardware, when the host asks for it; may return. Null: the session starts anew. */
  void (*reset)(void* context);
  /* Lowest address of the stack that tvm_tiny_session_poll runs on. Null: it is not measured. */
  void* stack_limit;
};

/* An arena, or an input or output where it lies now. */
struct tvm_tiny_session_memory {
  void* data;
  uint32_t bytes;
};

/* A model, as generated code describes it. Functions return 0 or an error of tvm_tiny/errors.h. */
struct tvm_tiny_session_model {
  /* JSON: name, inputs, outputs, versions. */
  const char* description;
  uint32_t description_bytes;
  uint8_t arenas;
  uint8_t inputs;
  uint8_t outputs;
  uint16_t steps;       /* of which the time is taken, 0 if the model was compiled without */
  uint32_t* step_ticks; /* time of each step */
  struct tvm_tiny_session_memory (*arena)(uint32_t index);
  struct tvm_tiny_session_memory (*input)(uint32_t index);
  struct tvm_tiny_session_memory (*output)(uint32_t index);
  /* Before the inputs of each inference: copies weights, starts a streamed inference. Or null. */
  int32_t (*begin)(void);
  /* A streamed input: input(0) is the next row, and this is called when it has been written. */
  int32_t (*push)(const void* row);
  uint32_t rows; /* of the streamed input, else 0 */
  /* Null where the input is streamed: the last push completes the inference. */
  int32_t (*run)(void);
};

/* Counters of one session; the host reads them. */
struct tvm_tiny_session_counts {
  uint32_t frames;   /* whole and for this session */
  uint32_t damaged;  /* too long, too short or with a wrong checksum */
  uint32_t repeated; /* answered again */
};

/* A frame that is being received: COBS is undone byte by byte. */
struct tvm_tiny_session_receiver {
  uint16_t length; /* bytes of it so far */
  uint8_t block;   /* bytes left of the block */
  uint8_t zero;    /* whether a zero follows the block */
  uint8_t broken;  /* whether it cannot be right */
  uint8_t frame[TVM_TINY_SESSION_FRAME];
};

/* Everything a session remembers; fields are its own. */
struct tvm_tiny_session {
  const struct tvm_tiny_session_port* port;
  const struct tvm_tiny_session_model* const* models;
  const struct tvm_tiny_session_model* model; /* begun, or null */
  struct tvm_tiny_session_counts counts;
  uint32_t id;       /* chosen by the host; 0: none */
  uint32_t sequence; /* of the last request that was carried out */
  int32_t status;    /* its result */
  uint32_t offset;   /* of the next byte of the input, or row of it, that is being written */
  uint32_t row;      /* of a streamed input */
  uint32_t ticks;    /* time of the inference */
  uint32_t stack;    /* bytes used by the inference */
  uint8_t count;     /* of models */
  uint8_t last;      /* kind of the last request */
  uint8_t phase;     /* of the inference */
  uint8_t input;     /* that is being written */
  uint8_t flags;     /* of the inference: what to measure */
  struct tvm_tiny_session_receiver receiver;
};

/* Starts to listen. `port`, `models` and what they point to must outlive the session. */
void tvm_tiny_session_init(struct tvm_tiny_session* session,
                           const struct tvm_tiny_session_port* port,
                           const struct tvm_tiny_session_model* const* models, uint32_t count);

/* Takes what has arrived and answers; waits for nothing but the line, and for an inference that
 * was asked for. Returns whether anything had arrived: where not, the caller may sleep. */
int tvm_tiny_session_poll(struct tvm_tiny_session* session);

/* Takes bytes that an interrupt or driver has collected, and answers like tvm_tiny_session_poll. */
void tvm_tiny_session_feed(struct tvm_tiny_session* session, const uint8_t* data, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* TVM_TINY_SESSION_H */
