/*
 * As much of FreeRTOS's interface as the example uses, over POSIX threads, so that it compiles and
 * runs on a PC. A firmware takes the real headers instead of this folder.
 */
#ifndef STUB_FREERTOS_H
#define STUB_FREERTOS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef long BaseType_t;
typedef unsigned long UBaseType_t;
typedef uint32_t TickType_t;
typedef uint32_t StackType_t;

#define pdFALSE ((BaseType_t)0)
#define pdTRUE ((BaseType_t)1)
#define portMAX_DELAY ((TickType_t)0xffffffffu)

/* A counter that threads wait for. */
struct stub_counter {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uint32_t count;
};

#endif /* STUB_FREERTOS_H */
