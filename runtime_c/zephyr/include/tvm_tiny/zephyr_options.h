/*
 * tvm_tiny/options.h as Kconfig has it. The module makes this TVM_TINY_OPTIONS_FILE of all sources.
 */
#ifndef TVM_TINY_ZEPHYR_OPTIONS_H
#define TVM_TINY_ZEPHYR_OPTIONS_H

#define TVM_TINY_SECTION_BSS __attribute__((section(CONFIG_TVM_TINY_ARENA_SECTION)))
#define TVM_TINY_SECTION_RODATA __attribute__((section(CONFIG_TVM_TINY_WEIGHTS_SECTION)))

/* Sessions have a trace of their own. */
#if defined(CONFIG_TVM_TINY_PROFILE) && !defined(CONFIG_TVM_TINY_SESSION)
#include "tvm_tiny/zephyr_profile.h"
#define TVM_TINY_TRACE(step, pointer, bytes) tvm_tiny_profile_step(step)
#endif

#endif /* TVM_TINY_ZEPHYR_OPTIONS_H */
