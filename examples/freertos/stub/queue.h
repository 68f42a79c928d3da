#ifndef STUB_QUEUE_H
#define STUB_QUEUE_H

#include "FreeRTOS.h"

typedef struct stub_queue {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uint8_t* storage;
  UBaseType_t length;
  UBaseType_t item;
  UBaseType_t first;
  UBaseType_t count;
} StaticQueue_t;

typedef StaticQueue_t* QueueHandle_t;

QueueHandle_t xQueueCreateStatic(UBaseType_t length, UBaseType_t item, uint8_t* storage,
                                 StaticQueue_t* memory);
BaseType_t xQueueSend(QueueHandle_t queue, const void* item, TickType_t ticks);
BaseType_t xQueueReceive(QueueHandle_t queue, void* item, TickType_t ticks);

#endif /* STUB_QUEUE_H */
