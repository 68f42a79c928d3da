/*
 * Runs the cases of dsp_cases.h: inputs.bin -> outputs.bin.
 *
 * For each case inputs.bin has the number of buffers, then of each its bytes and contents; outputs.bin
 * has damaged guards, counter ticks and polls, then the contents of all buffers after the call.
 * Buffers are of exact size: an address sanitizer sees what is read or written beyond them. On the
 * board the first two end at a fence (a fault), the others have guards.
 */
#include "dsp_cases.h"
#include "files.h"
#include "platform.h"

enum { BUFFERS = 8, GUARD = 16, PATTERN = 0xa5 };

int main(void);

struct buffers {
  uint8_t* at[BUFFERS];
  uint32_t bytes[BUFFERS];
  uint32_t count;
};

#ifdef __ARM_ARCH
/* Armv7-M Architecture Reference Manual, B3.5: the memory protection unit. */
#define MPU_CTRL (*(volatile uint32_t*)(uintptr_t)0xe000ed94u)
#define MPU_RBAR (*(volatile uint32_t*)(uintptr_t)0xe000ed9cu)
#define MPU_RASR (*(volatile uint32_t*)(uintptr_t)0xe000eda0u)
#define MPU_RBAR_VALID 0x10u
#define MPU_RASR_NO_ACCESS_32_BYTES 0x9u
#define MPU_CTRL_ENABLE_WITH_DEFAULT_MAP 0x5u

enum { ROOM = 1 << 15, FENCE = 32 };

static uint8_t fenced[2][ROOM + FENCE] __attribute__((aligned(FENCE)));
static uint8_t pool[1u << 18] __attribute__((aligned(16)));

static void fence(void) {
  uint32_t k;
  for (k = 0; k < 2; k++) {
    MPU_RBAR = (uint32_t)(uintptr_t)&fenced[k][ROOM] | MPU_RBAR_VALID | k;
    MPU_RASR = MPU_RASR_NO_ACCESS_32_BYTES;
  }
  MPU_CTRL = MPU_CTRL_ENABLE_WITH_DEFAULT_MAP;
  __asm__ volatile("dsb\n\tisb" ::: "memory");
}

static uint32_t span(uint32_t bytes) { return (bytes + GUARD + 7u) & ~7u; }

static void place(struct buffers* b) {
  uint32_t used = 0;
  uint32_t k;
  uint32_t i;
  for (i = 0; i < sizeof(pool); i++) {
    pool[i] = PATTERN;
  }
  for (k = 0; k < b->count; k++) {
    b->at[k] = k < 2 ? &fenced[k][ROOM - b->bytes[k]] : &pool[GUARD + used];
    used += k < 2 ? 0 : span(b->bytes[k]);
  }
}

static uint32_t damaged(const struct buffers* b) {
  const uint8_t* guard = pool;
  uint32_t bad = 0;
  uint32_t k;
  for (k = 2; k <= b->count; k++) {
    const uint8_t* end = k < b->count ? b->at[k] : &pool[sizeof(pool)];
    while (guard < end) {
      bad += *guard++ != PATTERN;
    }
    guard = k < b->count ? end + b->bytes[k] : guard;
  }
  return bad;
}
static void drop(struct buffers* b) { (void)b; }
#else
#include <stdlib.h>

static void fence(void) {}

static void place(struct buffers* b) {
  uint32_t k;
  for (k = 0; k < b->count; k++) {
    b->at[k] = malloc(b->bytes[k]);
  }
}

static uint32_t damaged(const struct buffers* b) {
  (void)b;
  return 0;
}

static void drop(struct buffers* b) {
  uint32_t k;
  for (k = 0; k < b->count; k++) {
    free(b->at[k]);
  }
}
#endif

static TVM_TINY_NOINLINE void measure(struct tvm_tiny_counter* counter, uint32_t index,
                                      uint8_t* const* at) {
  void (*const run)(uint8_t* const*) = dsp_cases[index];
  tvm_tiny_counter_start(counter);
  run(at);
  tvm_tiny_counter_stop(counter);
}

static void run_case(uint32_t index, tvm_tiny_file from, tvm_tiny_file to) {
  struct tvm_tiny_counter counter;
  struct buffers b;
  uint32_t head[3];
  uint32_t k;
  (void)tvm_tiny_file_read(from, &b.count, sizeof(b.count));
  (void)tvm_tiny_file_read(from, b.bytes, b.count * (uint32_t)sizeof(b.bytes[0]));
  place(&b);
  for (k = 0; k < b.count; k++) {
    (void)tvm_tiny_file_read(from, b.at[k], b.bytes[k]);
  }
  measure(&counter, index, b.at);
  head[0] = damaged(&b);
  head[1] = (uint32_t)counter.ticks;
  head[2] = counter.polls;
  (void)tvm_tiny_file_write(to, head, sizeof(head));
  for (k = 0; k < b.count; k++) {
    (void)tvm_tiny_file_write(to, b.at[k], b.bytes[k]);
  }
  drop(&b);
}

int main(void) {
  const tvm_tiny_file from = tvm_tiny_file_open("inputs.bin", TVM_TINY_FILE_READ);
  const tvm_tiny_file to = tvm_tiny_file_open("outputs.bin", TVM_TINY_FILE_WRITE);
  uint32_t i;
  if (from < 0 || to < 0) {
    return 1;
  }
  fence();
  for (i = 0; i < (uint32_t)(sizeof(dsp_cases) / sizeof(dsp_cases[0])); i++) {
    run_case(i, from, to);
  }
  tvm_tiny_file_close(from);
  tvm_tiny_file_close(to);
  return 0;
}
