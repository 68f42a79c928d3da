#include "port.h"

#include "clock.h"
#include "uart.h"

/* Takes bytes that have arrived. */
static uint32_t read_line(void* context, uint8_t* data, uint32_t bytes) {
  uint32_t count = 0;
  (void)context;
  while (count < bytes) {
    const int byte = tvm_tiny_uart_read();
    if (byte < 0) {
      break;
    }
    data[count++] = (uint8_t)byte;
  }
  return count;
}

/* Sends bytes. */
static void write_line(void* context, const uint8_t* data, uint32_t bytes) {
  uint32_t i;
  (void)context;
  for (i = 0; i < bytes; i++) {
    tvm_tiny_uart_write(data[i]);
  }
}

/* Returns the clock's counter. */
static uint32_t ticks(void* context) {
  (void)context;
  return tvm_tiny_clock();
}

/* Resets the processor. */
static void reset(void* context) {
  (void)context;
  tvm_tiny_system_reset();
}

const struct tvm_tiny_session_port tvm_tiny_board_port = {
    .read = read_line,
    .write = write_line,
    .ticks = ticks,
    .ticks_per_second = TVM_TINY_TICKS_PER_SECOND,
    .reset = reset,
    .stack_limit = __stack_limit,
};

/* Starts the clock and the UART. */
void tvm_tiny_board_start(void) {
  tvm_tiny_clock_start();
  tvm_tiny_uart_init();
}
