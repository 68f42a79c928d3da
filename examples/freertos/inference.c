#include "inference.h"

#include <string.h>

#include "semphr.h"

static int32_t run_first(struct tvmgen_first_workspace_pools* pools, const void* input,
                         void* output) {
  struct tvmgen_first_inputs inputs = tvmgen_first_map_inputs(pools);
  struct tvmgen_first_outputs outputs = tvmgen_first_map_outputs(pools);
  int32_t status;
  memcpy(inputs.TVMGEN_FIRST_INPUT_0_MEMBER, input, TVMGEN_FIRST_INPUT_0_SIZE);
  status = tvmgen_first_run(pools);
  memcpy(output, outputs.TVMGEN_FIRST_OUTPUT_0_MEMBER, TVMGEN_FIRST_OUTPUT_0_SIZE);
  return status;
}

static int32_t run_second(struct tvmgen_second_workspace_pools* pools, const void* input,
                          void* output) {
  struct tvmgen_second_inputs inputs = tvmgen_second_map_inputs(pools);
  struct tvmgen_second_outputs outputs = tvmgen_second_map_outputs(pools);
  int32_t status;
  memcpy(inputs.TVMGEN_SECOND_INPUT_0_MEMBER, input, TVMGEN_SECOND_INPUT_0_SIZE);
  status = tvmgen_second_run(pools);
  memcpy(output, outputs.TVMGEN_SECOND_OUTPUT_0_MEMBER, TVMGEN_SECOND_OUTPUT_0_SIZE);
  return status;
}

static void work(void* argument) {
  struct inference_worker* worker = (struct inference_worker*)argument;
  struct inference_request* request;
  for (;;) {
    if (xQueueReceive(worker->queue, &request, portMAX_DELAY) == pdTRUE) {
      request->status = run_first(&worker->pools, request->input, request->output);
      xTaskNotifyGive(request->caller);
    }
  }
}

void inference_worker_start(struct inference_worker* worker, const char* name,
                            UBaseType_t priority) {
  const UBaseType_t length = sizeof(worker->queued) / sizeof(worker->queued[0]);
  worker->pools.workspace = worker->arena;
  worker->queue = xQueueCreateStatic(length, sizeof(worker->queued[0]), (uint8_t*)worker->queued,
                                     &worker->queue_memory);
  (void)xTaskCreateStatic(work, name, sizeof(worker->stack) / sizeof(worker->stack[0]), worker,
                          priority, worker->stack, &worker->task_memory);
}

int32_t inference_ask(struct inference_worker* worker, struct inference_request* request) {
  request->caller = xTaskGetCurrentTaskHandle();
  (void)xQueueSend(worker->queue, &request, portMAX_DELAY);
  (void)ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
  return request->status;
}

#if TVMGEN_FIRST_WORKSPACE_SIZE > TVMGEN_SECOND_WORKSPACE_SIZE
#define PAIR_SIZE TVMGEN_FIRST_WORKSPACE_SIZE
#else
#define PAIR_SIZE TVMGEN_SECOND_WORKSPACE_SIZE
#endif

TVM_TINY_SECTION_BSS TVM_TINY_ALIGN(TVM_TINY_ARENA_ALIGNMENT) static uint8_t pair_arena[PAIR_SIZE];
static StaticSemaphore_t pair_memory;
static SemaphoreHandle_t pair_mutex;

void inference_pair_start(void) { pair_mutex = xSemaphoreCreateMutexStatic(&pair_memory); }

int32_t inference_pair_first(const void* input, void* output) {
  struct tvmgen_first_workspace_pools pools = {pair_arena};
  int32_t status;
  (void)xSemaphoreTake(pair_mutex, portMAX_DELAY);
  status = run_first(&pools, input, output);
  (void)xSemaphoreGive(pair_mutex);
  return status;
}

int32_t inference_pair_second(const void* input, void* output) {
  struct tvmgen_second_workspace_pools pools = {pair_arena};
  int32_t status;
  (void)xSemaphoreTake(pair_mutex, portMAX_DELAY);
  status = run_second(&pools, input, output);
  (void)xSemaphoreGive(pair_mutex);
  return status;
}
