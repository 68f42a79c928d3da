/* A UART like National Semiconductor's NS16550A, registers a byte apart. */
#include "uart.h"

#define REGISTER(offset) (*(volatile uint8_t*)(uintptr_t)(TVM_TINY_UART_BASE + (offset)))
#define DATA REGISTER(0u)
#define FIFO_CONTROL REGISTER(2u)
#define LINE_CONTROL REGISTER(3u)
#define LINE_STATUS REGISTER(5u)

enum { FIFO_ON = 1, EIGHT_BITS = 3, STATUS_RX_READY = 1, STATUS_TX_EMPTY = 0x20 };

void tvm_tiny_uart_init(void) {
  LINE_CONTROL = EIGHT_BITS;
  FIFO_CONTROL = FIFO_ON;
  /* That has emptied the FIFO. QEMU forgets to ask for more bytes until one has been read. */
  (void)DATA;
}

int tvm_tiny_uart_read(void) { return (LINE_STATUS & STATUS_RX_READY) != 0 ? (int)DATA : -1; }

void tvm_tiny_uart_write(uint8_t byte) {
  while ((LINE_STATUS & STATUS_TX_EMPTY) == 0) {
  }
  DATA = byte;
}
