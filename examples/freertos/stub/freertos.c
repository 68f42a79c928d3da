/* Every task is a thread; time-outs are endless, which is all that the example asks for. */
#include <string.h>

#include "FreeRTOS.h"
#include "queue.h"
#include "semphr.h"
#include "task.h"

static pthread_key_t current;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Tasks start when the scheduler does. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static int running;

static void make_key(void) { (void)pthread_key_create(&current, NULL); }

static void* enter(void* argument) {
  StaticTask_t* task = (StaticTask_t*)argument;
  (void)pthread_setspecific(current, task);
  (void)pthread_mutex_lock(&gate);
  while (!running) {
    (void)pthread_cond_wait(&opened, &gate);
  }
  (void)pthread_mutex_unlock(&gate);
  task->function(task->argument);
  return NULL;
}

TaskHandle_t xTaskCreateStatic(TaskFunction_t function, const char* name, uint32_t stack_words,
                               void* argument, UBaseType_t priority, StackType_t* stack,
                               StaticTask_t* memory) {
  (void)name;
  (void)stack_words;
  (void)priority;
  (void)stack;
  (void)pthread_once(&once, make_key);
  memory->function = function;
  memory->argument = argument;
  memory->notified.count = 0;
  (void)pthread_mutex_init(&memory->notified.mutex, NULL);
  (void)pthread_cond_init(&memory->notified.changed, NULL);
  (void)pthread_create(&memory->thread, NULL, enter, memory);
  return memory;
}

TaskHandle_t xTaskGetCurrentTaskHandle(void) { return (TaskHandle_t)pthread_getspecific(current); }

BaseType_t xTaskNotifyGive(TaskHandle_t task) {
  (void)pthread_mutex_lock(&task->notified.mutex);
  task->notified.count++;
  (void)pthread_cond_signal(&task->notified.changed);
  (void)pthread_mutex_unlock(&task->notified.mutex);
  return pdTRUE;
}

uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks) {
  struct stub_counter* notified = &xTaskGetCurrentTaskHandle()->notified;
  uint32_t count;
  (void)ticks;
  (void)pthread_mutex_lock(&notified->mutex);
  while (notified->count == 0) {
    (void)pthread_cond_wait(&notified->changed, &notified->mutex);
  }
  count = notified->count;
  notified->count = clear ? 0 : count - 1;
  (void)pthread_mutex_unlock(&notified->mutex);
  return count;
}

void vTaskDelete(TaskHandle_t task) {
  if (task == NULL) {
    (void)pthread_detach(pthread_self());
    pthread_exit(NULL);
  }
}

void vTaskStartScheduler(void) {
  (void)pthread_mutex_lock(&gate);
  running = 1;
  (void)pthread_cond_broadcast(&opened);
  (void)pthread_mutex_unlock(&gate);
  pthread_exit(NULL);
}

QueueHandle_t xQueueCreateStatic(UBaseType_t length, UBaseType_t item, uint8_t* storage,
                                 StaticQueue_t* memory) {
  (void)pthread_mutex_init(&memory->mutex, NULL);
  (void)pthread_cond_init(&memory->changed, NULL);
  memory->storage = storage;
  memory->length = length;
  memory->item = item;
  memory->first = 0;
  memory->count = 0;
  return memory;
}

BaseType_t xQueueSend(QueueHandle_t queue, const void* item, TickType_t ticks) {
  UBaseType_t last;
  (void)ticks;
  (void)pthread_mutex_lock(&queue->mutex);
  while (queue->count == queue->length) {
    (void)pthread_cond_wait(&queue->changed, &queue->mutex);
  }
  last = (queue->first + queue->count) % queue->length;
  memcpy(queue->storage + last * queue->item, item, queue->item);
  queue->count++;
  (void)pthread_cond_broadcast(&queue->changed);
  (void)pthread_mutex_unlock(&queue->mutex);
  return pdTRUE;
}

BaseType_t xQueueReceive(QueueHandle_t queue, void* item, TickType_t ticks) {
  (void)ticks;
  (void)pthread_mutex_lock(&queue->mutex);
  while (queue->count == 0) {
    (void)pthread_cond_wait(&queue->changed, &queue->mutex);
  }
  memcpy(item, queue->storage + queue->first * queue->item, queue->item);
  queue->first = (queue->first + 1) % queue->length;
  queue->count--;
  (void)pthread_cond_broadcast(&queue->changed);
  (void)pthread_mutex_unlock(&queue->mutex);
  return pdTRUE;
}

SemaphoreHandle_t xSemaphoreCreateMutexStatic(StaticSemaphore_t* memory) {
  (void)pthread_mutex_init(&memory->mutex, NULL);
  return memory;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t mutex, TickType_t ticks) {
  (void)ticks;
  return pthread_mutex_lock(&mutex->mutex) == 0 ? pdTRUE : pdFALSE;
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t mutex) {
  return pthread_mutex_unlock(&mutex->mutex) == 0 ? pdTRUE : pdFALSE;
}
