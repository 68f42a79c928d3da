/* What the inference sample and profile.c need of Zephyr's kernel, on the host. */
#ifndef ZEPHYR_KERNEL_H
#define ZEPHYR_KERNEL_H

#include <stdint.h>
#include <stdio.h>

#define printk printf

/* A clock of a thousand ticks a look. */
static inline uint32_t k_cycle_get_32(void) {
  static uint32_t cycles;
  return cycles += 1000u;
}

#endif
