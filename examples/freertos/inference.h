/* Inference in FreeRTOS tasks: workers with an arena each, and a pair of models that share one. */
#ifndef INFERENCE_H
#define INFERENCE_H

#include "FreeRTOS.h"
#include "queue.h"
#include "task.h"
#include "tvmgen_first.h"
#include "tvmgen_second.h"

/* One inference that a task asks a worker for. It must stay valid until the worker has given a
 * notification to `caller`. */
struct inference_request {
  const void* input; /* TVMGEN_FIRST_INPUT_0_SIZE bytes */
  void* output;      /* TVMGEN_FIRST_OUTPUT_0_SIZE bytes */
  TaskHandle_t caller;
  int32_t status; /* of tvm_tiny/errors.h */
};

/* A task that runs the first model for others. All memory is in here: two workers are two
 * instances of the model, and may be preempted by each other at any point. */
struct inference_worker {
  TVM_TINY_ALIGN(TVM_TINY_ARENA_ALIGNMENT) uint8_t arena[TVMGEN_FIRST_WORKSPACE_SIZE];
  struct tvmgen_first_workspace_pools pools;
  struct inference_request* queued[4];
  StaticQueue_t queue_memory;
  QueueHandle_t queue;
  StaticTask_t task_memory;
  /* Generated code needs the bytes that `tvm-tiny compile` reports as stack; the rest is for the
   * interrupts and the task itself. */
  StackType_t stack[512];
};

void inference_worker_start(struct inference_worker* worker, const char* name,
                            UBaseType_t priority);

/* Waits until the worker has done it; the request's status. */
int32_t inference_ask(struct inference_worker* worker, struct inference_request* request);

/* The two models of this pair share one arena: a mutex makes tasks wait for each other. Result and
 * input as above, of the model that the name says. */
void inference_pair_start(void);
int32_t inference_pair_first(const void* input, void* output);
int32_t inference_pair_second(const void* input, void* output);

#endif /* INFERENCE_H */
