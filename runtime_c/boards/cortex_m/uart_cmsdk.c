/* The UART of Arm's Cortex-M System Design Kit (technical reference manual, 4.3), at
 * TVM_TINY_UART_BASE. It has room for one byte in each direction. */
#include "uart.h"

#define DATA (*(volatile uint32_t*)(uintptr_t)(TVM_TINY_UART_BASE + 0x00u))
#define STATE (*(volatile uint32_t*)(uintptr_t)(TVM_TINY_UART_BASE + 0x04u))
#define CTRL (*(volatile uint32_t*)(uintptr_t)(TVM_TINY_UART_BASE + 0x08u))
#define BAUDDIV (*(volatile uint32_t*)(uintptr_t)(TVM_TINY_UART_BASE + 0x10u))

enum { STATE_TX_FULL = 1, STATE_RX_FULL = 2, CTRL_TX = 1, CTRL_RX = 2 };

void tvm_tiny_uart_init(void) {
  BAUDDIV = TVM_TINY_TICKS_PER_SECOND / 115200u;
  CTRL = CTRL_TX | CTRL_RX;
}

int tvm_tiny_uart_read(void) { return (STATE & STATE_RX_FULL) != 0u ? (int)(DATA & 0xffu) : -1; }

void tvm_tiny_uart_write(uint8_t byte) {
  while ((STATE & STATE_TX_FULL) != 0u) {
  }
  DATA = byte;
}
