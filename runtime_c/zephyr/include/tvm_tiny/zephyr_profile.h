/*
 * Cycles of each step of a model, for one thread at a time (CONFIG_TVM_TINY_PROFILE):
 *
 *     tvm_tiny_profile_begin();
 *     tvmgen_default_run(&pools);
 *     for (uint32_t step = 0; step < CONFIG_TVM_TINY_PROFILE_STEPS; step++)
 *       printk("%u: %u\n", step, tvm_tiny_profile_cycles(step));
 *
 * Steps are numbered as in the model's metadata.json. Steps that run row by row take turns; each
 * gets the sum of its rows.
 */
#ifndef TVM_TINY_ZEPHYR_PROFILE_H
#define TVM_TINY_ZEPHYR_PROFILE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Clears the table and starts the clock. */
void tvm_tiny_profile_begin(void);

/* Adds the cycles since the last call to a step; called by generated code. */
void tvm_tiny_profile_step(uint32_t step);

/* Cycles of sys_clock_hw_cycles_per_sec() that a step has taken; 0 if it is not in the table. */
uint32_t tvm_tiny_profile_cycles(uint32_t step);

#ifdef __cplusplus
}
#endif

#endif /* TVM_TINY_ZEPHYR_PROFILE_H */
