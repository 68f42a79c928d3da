#ifndef STUB_TASK_H
#define STUB_TASK_H

#include "FreeRTOS.h"

typedef void (*TaskFunction_t)(void*);

typedef struct stub_task {
  pthread_t thread;
  TaskFunction_t function;
  void* argument;
  struct stub_counter notified;
} StaticTask_t;

typedef StaticTask_t* TaskHandle_t;

TaskHandle_t xTaskCreateStatic(TaskFunction_t function, const char* name, uint32_t stack_words,
                               void* argument, UBaseType_t priority, StackType_t* stack,
                               StaticTask_t* memory);
TaskHandle_t xTaskGetCurrentTaskHandle(void);
BaseType_t xTaskNotifyGive(TaskHandle_t task);
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks);
void vTaskDelete(TaskHandle_t task);
void vTaskStartScheduler(void);

#endif /* STUB_TASK_H */
