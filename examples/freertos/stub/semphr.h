#ifndef STUB_SEMPHR_H
#define STUB_SEMPHR_H

#include "queue.h"

typedef struct stub_mutex {
  pthread_mutex_t mutex;
} StaticSemaphore_t;

typedef StaticSemaphore_t* SemaphoreHandle_t;

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t* memory);
BaseType_t xSemaphoreTake(SemaphoreHandle_t mutex, TickType_t ticks);
BaseType_t xSemaphoreGive(SemaphoreHandle_t mutex);

#endif /* STUB_SEMPHR_H */
