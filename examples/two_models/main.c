/*
 * Two models in one arena, one after the other: a small one that runs always, and a larger one that
 * runs when the small one has seen something.
 *
 * Generated code keeps no state outside the arena it is given, so sharing takes no more than a
 * union's worth of memory. What a model has left in the arena is lost when the other one runs: copy
 * outputs before.
 */
#include <stdio.h>
#include <string.h>

#include "tvmgen_first.h"
#include "tvmgen_second.h"

#if TVMGEN_FIRST_WORKSPACE_SIZE > TVMGEN_SECOND_WORKSPACE_SIZE
#define ARENA_SIZE TVMGEN_FIRST_WORKSPACE_SIZE
#else
#define ARENA_SIZE TVMGEN_SECOND_WORKSPACE_SIZE
#endif

TVM_TINY_SECTION_BSS TVM_TINY_ALIGN(TVM_TINY_ARENA_ALIGNMENT) static uint8_t arena[ARENA_SIZE];

/* Stands for sensors: a pattern that differs from call to call. */
static void read_sensor(void* destination, size_t bytes, uint8_t seed) {
  uint8_t* out = (uint8_t*)destination;
  size_t k;
  for (k = 0; k < bytes; ++k) {
    out[k] = (uint8_t)(k * 7u + seed);
  }
}

static int32_t run_first(uint8_t seed, uint8_t* result) {
  struct tvmgen_first_workspace_pools pools = {arena};
  struct tvmgen_first_inputs inputs = tvmgen_first_map_inputs(&pools);
  struct tvmgen_first_outputs outputs = tvmgen_first_map_outputs(&pools);
  int32_t status;
  read_sensor(inputs.TVMGEN_FIRST_INPUT_0_MEMBER, TVMGEN_FIRST_INPUT_0_SIZE, seed);
  status = tvmgen_first_run(&pools);
  memcpy(result, outputs.TVMGEN_FIRST_OUTPUT_0_MEMBER, TVMGEN_FIRST_OUTPUT_0_SIZE);
  return status;
}

static int32_t run_second(uint8_t seed, uint8_t* result) {
  struct tvmgen_second_workspace_pools pools = {arena};
  struct tvmgen_second_inputs inputs = tvmgen_second_map_inputs(&pools);
  struct tvmgen_second_outputs outputs = tvmgen_second_map_outputs(&pools);
  int32_t status;
  read_sensor(inputs.TVMGEN_SECOND_INPUT_0_MEMBER, TVMGEN_SECOND_INPUT_0_SIZE, seed);
  status = tvmgen_second_run(&pools);
  memcpy(result, outputs.TVMGEN_SECOND_OUTPUT_0_MEMBER, TVMGEN_SECOND_OUTPUT_0_SIZE);
  return status;
}

static void print_result(const char* name, const uint8_t* result, size_t bytes) {
  size_t k;
  printf("%s:", name);
  for (k = 0; k < bytes; ++k) {
    printf(" %d", (int8_t)result[k]);
  }
  printf("\n");
}

int main(void) {
  uint8_t first[TVMGEN_FIRST_OUTPUT_0_SIZE];
  uint8_t second[TVMGEN_SECOND_OUTPUT_0_SIZE];
  uint8_t seed;
  printf("one arena of %d bytes\n", ARENA_SIZE);
  for (seed = 0; seed < 3; ++seed) {
    if (run_first(seed, first) != TVM_TINY_ERROR_OK || run_second(seed, second) != TVM_TINY_ERROR_OK) {
      return 1;
    }
    print_result("first", first, sizeof(first));
    print_result("second", second, sizeof(second));
  }
  return 0;
}
