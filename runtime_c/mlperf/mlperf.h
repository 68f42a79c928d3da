/*
 * The text protocol of the MLPerf Tiny benchmark's runner, around a compiled model.
 *
 *     static struct tvm_tiny_mlperf mlperf;
 *     tvm_tiny_mlperf_init(&mlperf, &port, &benchmark, buffer, sizeof(buffer));
 *     for (;;) {
 *       (void)tvm_tiny_mlperf_poll(&mlperf);
 *     }
 *
 * The port is that of a session (tvm_tiny/session.h) and must have a counter; docs/mlperf.md lists
 * the commands.
 */
#ifndef TVM_TINY_MLPERF_H
#define TVM_TINY_MLPERF_H

#include "tvm_tiny/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Characters of a command, the closing % aside. */
#define TVM_TINY_MLPERF_COMMAND 80

/* How the runner sends an input. */
enum tvm_tiny_mlperf_input {
  TVM_TINY_MLPERF_BYTES,  /* the int8 tensor */
  TVM_TINY_MLPERF_PIXELS, /* bytes from 0 to 255, which are 128 above the int8 tensor's */
  TVM_TINY_MLPERF_FLOATS  /* float32, little-endian, which are quantized here */
};

/* Results that the runner asks for. */
enum tvm_tiny_mlperf_result {
  TVM_TINY_MLPERF_VECTOR, /* the output's elements, dequantized */
  TVM_TINY_MLPERF_ERROR   /* the mean of (output - input)^2, of an auto-encoder */
};

/* A model and how the benchmark uses it: one input and one output, both int8. */
struct tvm_tiny_mlperf_benchmark {
  const char* vendor;
  const char* name;                                  /* of the benchmark, such as "kws01" */
  const struct tvm_tiny_session_model* const* entry; /* the model's, in tvm_tiny_models */
  enum tvm_tiny_mlperf_input input;
  enum tvm_tiny_mlperf_result result;
  uint32_t elements; /* of the input */
  float input_scale;
  int32_t input_zero_point;
  float output_scale;
  int32_t output_zero_point;
};

/* All state; fields are its own. */
struct tvm_tiny_mlperf {
  const struct tvm_tiny_session_port* port;
  const struct tvm_tiny_mlperf_benchmark* benchmark;
  uint8_t* buffer;
  uint32_t room;     /* bytes of the buffer */
  uint32_t expected; /* bytes that have been announced */
  uint32_t loaded;   /* bytes that have come */
  uint64_t elapsed;  /* ticks since the start */
  uint32_t last;     /* the counter when they were added up */
  uint8_t length;    /* of the command so far */
  uint8_t lost;      /* whether the command is too long */
  uint8_t done;      /* whether there are results */
  char command[TVM_TINY_MLPERF_COMMAND + 1];
};

/* Says that it is ready. The buffer takes an input as the runner sends it: four bytes an element
 * for TVM_TINY_MLPERF_FLOATS, else one. */
void tvm_tiny_mlperf_init(struct tvm_tiny_mlperf* mlperf, const struct tvm_tiny_session_port* port,
                          const struct tvm_tiny_mlperf_benchmark* benchmark, uint8_t* buffer,
                          uint32_t bytes);

/* Carries out what has arrived. Returns whether anything had. */
int tvm_tiny_mlperf_poll(struct tvm_tiny_mlperf* mlperf);

#ifdef __cplusplus
}
#endif

#endif /* TVM_TINY_MLPERF_H */
