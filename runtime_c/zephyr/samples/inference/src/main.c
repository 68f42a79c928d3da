/* Runs a model once on an input of zeros, and prints its output and the cycles of each step. */
#include <string.h>

#include <zephyr/kernel.h>

#include "tvm_tiny/zephyr_profile.h"
#include "tvmgen_default.h"

/* clang-format off */
TVM_TINY_SECTION_BSS TVM_TINY_ALIGN(TVM_TINY_ARENA_ALIGNMENT)
static uint8_t arena[TVMGEN_DEFAULT_WORKSPACE_SIZE];
/* clang-format on */

static void print_cycles(void) {
  for (uint32_t step = 0; step < CONFIG_TVM_TINY_PROFILE_STEPS; step++) {
    uint32_t cycles = tvm_tiny_profile_cycles(step);
    if (cycles > 0) {
      printk("step %u: %u cycles\n", step, cycles);
    }
  }
}

int main(void) {
  struct tvmgen_default_workspace_pools pools = {arena};
  struct tvmgen_default_inputs inputs = tvmgen_default_map_inputs(&pools);
  memset(inputs.TVMGEN_DEFAULT_INPUT_0_MEMBER, 0, TVMGEN_DEFAULT_INPUT_0_SIZE);
  tvm_tiny_profile_begin();
  int32_t status = tvmgen_default_run(&pools);
  struct tvmgen_default_outputs outputs = tvmgen_default_map_outputs(&pools);
  const uint8_t* output = outputs.TVMGEN_DEFAULT_OUTPUT_0_MEMBER;
  printk("status %d\noutput", status);
  for (uint32_t i = 0; i < TVMGEN_DEFAULT_OUTPUT_0_SIZE; i++) {
    printk(" %02x", output[i]);
  }
  printk("\n");
  print_cycles();
  printk("done\n");
  return 0;
}
