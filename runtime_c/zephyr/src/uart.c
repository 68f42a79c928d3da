/* The line of a session, a UART: by interrupts where its driver has them, else by polling. */
#include "tvm_tiny/zephyr_session.h"

#include <stdbool.h>

#include <zephyr/device.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/reboot.h>
#include <zephyr/sys/ring_buffer.h>

#include "session_uart.h"

/* Hosts that run this in an emulator read here which of its UARTs it is. */
const char tvm_tiny_session_uart[] = DT_NODE_PATH(SESSION_UART);

static const struct device* const uart = DEVICE_DT_GET(SESSION_UART);

#ifdef CONFIG_UART_INTERRUPT_DRIVEN

RING_BUF_DECLARE(received, CONFIG_TVM_TINY_SESSION_BUFFER);
static K_SEM_DEFINE(arrived, 0, 1);

/* Whether the UART's interrupt is off because the buffer is full; the line has to wait. */
static volatile bool paused;

/* Moves what the UART has to the buffer, as far as it takes it. */
static void take_received(void) {
  uint8_t* space;
  uint32_t bytes;
  do {
    uint32_t free = ring_buf_put_claim(&received, &space, CONFIG_TVM_TINY_SESSION_BUFFER);
    int taken = free > 0 ? uart_fifo_read(uart, space, (int)free) : 0;
    bytes = taken > 0 ? (uint32_t)taken : 0;
    ring_buf_put_finish(&received, bytes);
  } while (bytes > 0);
  paused = ring_buf_space_get(&received) == 0;
  if (paused) {
    uart_irq_rx_disable(uart);
  }
}

/* Takes what has arrived and wakes the session. */
static void on_interrupt(const struct device* device, void* context) {
  ARG_UNUSED(context);
  uart_irq_update(device);
  take_received();
  k_sem_give(&arrived);
}

/* Turns the interrupt on and fetches what has come meanwhile, as some UARTs raise none for that. */
static void resume(void) {
  unsigned int key = irq_lock();
  uart_irq_rx_enable(uart);
  take_received();
  irq_unlock(key);
}

/* Takes bytes from the buffer. */
static uint32_t read_uart(void* context, uint8_t* data, uint32_t bytes) {
  ARG_UNUSED(context);
  uint32_t count = ring_buf_get(&received, data, bytes);
  if (paused) {
    resume();
  }
  return count;
}

/* Starts to receive by interrupts. */
static void start_uart(void) {
  uart_irq_callback_user_data_set(uart, on_interrupt, NULL);
  resume();
}

void tvm_tiny_zephyr_wait(void) { k_sem_take(&arrived, K_FOREVER); }

#else

/* Takes bytes from the UART. */
static uint32_t read_uart(void* context, uint8_t* data, uint32_t bytes) {
  uint32_t count = 0;
  ARG_UNUSED(context);
  while (count < bytes && uart_poll_in(uart, &data[count]) == 0) {
    count++;
  }
  return count;
}

/* Does nothing: the UART is polled. */
static void start_uart(void) {}

void tvm_tiny_zephyr_wait(void) { k_yield(); }

#endif

/* Sends bytes. */
static void write_uart(void* context, const uint8_t* data, uint32_t bytes) {
  ARG_UNUSED(context);
  for (uint32_t i = 0; i < bytes; i++) {
    uart_poll_out(uart, data[i]);
  }
}

/* Returns Zephyr's cycle counter. */
static uint32_t read_cycles(void* context) {
  ARG_UNUSED(context);
  return k_cycle_get_32();
}

#ifdef CONFIG_REBOOT
/* Reboots. */
static void reset_device(void* context) {
  ARG_UNUSED(context);
  sys_reboot(SYS_REBOOT_COLD);
}
#else
#define reset_device NULL
#endif

/* Zephyr's sentinel is the lowest word of a stack, and must stay as it is. */
#define SENTINEL_BYTES (IS_ENABLED(CONFIG_STACK_SENTINEL) ? sizeof(uint32_t) : 0)

/* Returns the lowest usable address of this thread's stack, if Zephyr knows it. */
static void* stack_limit(void) {
#ifdef CONFIG_THREAD_STACK_INFO
  return (void*)(k_current_get()->stack_info.start + SENTINEL_BYTES);
#else
  return NULL;
#endif
}

const struct tvm_tiny_session_port* tvm_tiny_zephyr_port(void) {
  static struct tvm_tiny_session_port port = {
      .read = read_uart,
      .write = write_uart,
      .ticks = read_cycles,
      .reset = reset_device,
  };
  if (!device_is_ready(uart)) {
    return NULL;
  }
  port.ticks_per_second = sys_clock_hw_cycles_per_sec();
  port.stack_limit = stack_limit();
  start_uart();
  return &port;
}
