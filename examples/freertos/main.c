/*
 * Two clients at once: each asks a worker of its own, then uses the pair of models that share an
 * arena, and checks that every result is what it was the first time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference.h"

#define CLIENTS 2
#define ROUNDS 50

struct client {
  const char* name;
  uint8_t seed;
  uint8_t input[TVMGEN_FIRST_INPUT_0_SIZE];
  uint8_t second_input[TVMGEN_SECOND_INPUT_0_SIZE];
  uint8_t wanted[TVMGEN_FIRST_OUTPUT_0_SIZE];
  uint8_t found[TVMGEN_FIRST_OUTPUT_0_SIZE];
  uint8_t second_wanted[TVMGEN_SECOND_OUTPUT_0_SIZE];
  uint8_t second_found[TVMGEN_SECOND_OUTPUT_0_SIZE];
  struct inference_worker worker;
  StaticTask_t task_memory;
  StackType_t stack[1024];
};

static struct client clients[CLIENTS];
static QueueHandle_t done;
static StaticQueue_t done_memory;
static int done_storage[CLIENTS];

static void fill(uint8_t* data, size_t bytes, uint8_t seed) {
  size_t k;
  for (k = 0; k < bytes; ++k) {
    data[k] = (uint8_t)(k * 13u + seed);
  }
}

static int one_round(struct client* client, uint8_t* first, uint8_t* second) {
  struct inference_request request;
  uint8_t again[TVMGEN_FIRST_OUTPUT_0_SIZE];
  memset(&request, 0, sizeof(request));
  request.input = client->input;
  request.output = first;
  if (inference_ask(&client->worker, &request) != TVM_TINY_ERROR_OK ||
      inference_pair_second(client->second_input, second) != TVM_TINY_ERROR_OK ||
      inference_pair_first(client->input, again) != TVM_TINY_ERROR_OK) {
    return 0;
  }
  return memcmp(first, again, sizeof(again)) == 0;
}

static void run_client(void* argument) {
  struct client* client = (struct client*)argument;
  int equal = one_round(client, client->wanted, client->second_wanted);
  int round;
  for (round = 0; round < ROUNDS; ++round) {
    equal = equal && one_round(client, client->found, client->second_found) &&
            memcmp(client->found, client->wanted, sizeof(client->wanted)) == 0 &&
            memcmp(client->second_found, client->second_wanted, sizeof(client->second_wanted)) == 0;
  }
  (void)xQueueSend(done, &equal, portMAX_DELAY);
  vTaskDelete(NULL);
}

static void start_client(struct client* client, const char* name, uint8_t seed) {
  client->name = name;
  client->seed = seed;
  fill(client->input, sizeof(client->input), seed);
  fill(client->second_input, sizeof(client->second_input), seed);
  inference_worker_start(&client->worker, name, 1);
  (void)xTaskCreateStatic(run_client, name, sizeof(client->stack) / sizeof(client->stack[0]), client,
                          2, client->stack, &client->task_memory);
}

static void run_supervisor(void* argument) {
  int all = 1;
  int equal;
  int k;
  (void)argument;
  for (k = 0; k < CLIENTS; ++k) {
    (void)xQueueReceive(done, &equal, portMAX_DELAY);
    all = all && equal;
  }
  printf("%d clients, %d inferences each: %s\n", CLIENTS, 3 * (ROUNDS + 1),
         all ? "equal" : "different");
  exit(all ? EXIT_SUCCESS : EXIT_FAILURE);
}

int main(void) {
  static StaticTask_t memory;
  static StackType_t stack[512];
  inference_pair_start();
  done = xQueueCreateStatic(CLIENTS, sizeof(done_storage[0]), (uint8_t*)done_storage, &done_memory);
  start_client(&clients[0], "a", 1);
  start_client(&clients[1], "b", 101);
  (void)xTaskCreateStatic(run_supervisor, "supervisor", 512, NULL, 1, stack, &memory);
  vTaskStartScheduler();
  return 0;
}
