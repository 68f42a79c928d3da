/*
 * The smallest firmware around a model: one arena, one input, one inference.
 *
 * It is written against the macros of the generated header, so it compiles for any model that
 * has one input and one output: name the model "default" (the default of `tvm-tiny compile`).
 */
#include <stdio.h>
#include <string.h>

#include "tvmgen_default.h"

/* All memory the model needs. Generated code keeps no state of its own. */
TVM_TINY_SECTION_BSS TVM_TINY_ALIGN(16) static uint8_t arena[TVMGEN_DEFAULT_WORKSPACE_SIZE];

/* Stands for a camera, a microphone or a radio. */
static void read_sensor(void* destination, size_t bytes) {
  memset(destination, 0, bytes);
}

int main(void) {
  struct tvmgen_default_workspace_pools pools = {arena};
  struct tvmgen_default_inputs inputs = tvmgen_default_map_inputs(&pools);
  struct tvmgen_default_outputs outputs = tvmgen_default_map_outputs(&pools);
  const int8_t* scores = (const int8_t*)outputs.TVMGEN_DEFAULT_OUTPUT_0_MEMBER;
  int32_t status;
  int best = 0;
  int k;

  read_sensor(inputs.TVMGEN_DEFAULT_INPUT_0_MEMBER, TVMGEN_DEFAULT_INPUT_0_SIZE);
  status = tvmgen_default_run(&pools);
  if (status != TVM_TINY_ERROR_OK) {
    printf("inference failed: 0x%04x\n", (unsigned)status);
    return 1;
  }
  for (k = 1; k < TVMGEN_DEFAULT_OUTPUT_0_ELEMENTS; ++k) {
    if (scores[k] > scores[best]) {
      best = k;
    }
  }
  printf("class %d, score %f\n", best,
      (double)(TVMGEN_DEFAULT_OUTPUT_0_SCALE *
               (float)(scores[best] - TVMGEN_DEFAULT_OUTPUT_0_ZERO_POINT)));
  return 0;
}
