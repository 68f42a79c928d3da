/* Cycles of each step of a model. */
#include "tvm_tiny/zephyr_profile.h"

#include <string.h>

#include <zephyr/kernel.h>

static uint32_t cycles[CONFIG_TVM_TINY_PROFILE_STEPS];
static uint32_t last;

void tvm_tiny_profile_begin(void) {
  memset(cycles, 0, sizeof(cycles));
  last = k_cycle_get_32();
}

void tvm_tiny_profile_step(uint32_t step) {
  uint32_t now = k_cycle_get_32();
  if (step < CONFIG_TVM_TINY_PROFILE_STEPS) {
    cycles[step] += now - last;
  }
  last = k_cycle_get_32();
}

uint32_t tvm_tiny_profile_cycles(uint32_t step) {
  return step < CONFIG_TVM_TINY_PROFILE_STEPS ? cycles[step] : 0;
}
