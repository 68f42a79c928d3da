/* The UART of the nRF51 (reference manual, chapter 29) on the pins of the micro:bit. */
#include "uart.h"

#define REGISTER(offset) (*(volatile uint32_t*)(uintptr_t)(TVM_TINY_UART_BASE + (offset)))
#define STARTRX REGISTER(0x000u)
#define STARTTX REGISTER(0x008u)
#define RXDRDY REGISTER(0x108u)
#define TXDRDY REGISTER(0x11cu)
#define ENABLE REGISTER(0x500u)
#define PSELTXD REGISTER(0x50cu)
#define PSELRXD REGISTER(0x514u)
#define RXD REGISTER(0x518u)
#define TXD REGISTER(0x51cu)
#define BAUDRATE REGISTER(0x524u)

enum { PIN_TX = 24, PIN_RX = 25, ENABLED = 4 };

void tvm_tiny_uart_init(void) {
  PSELTXD = PIN_TX;
  PSELRXD = PIN_RX;
  BAUDRATE = 0x01d7e000u; /* 115200 */
  ENABLE = ENABLED;
  STARTRX = 1;
  STARTTX = 1;
}

int tvm_tiny_uart_read(void) {
  if (RXDRDY == 0u) {
    return -1;
  }
  RXDRDY = 0;
  return (int)(RXD & 0xffu);
}

void tvm_tiny_uart_write(uint8_t byte) {
  TXDRDY = 0;
  TXD = byte;
  while (TXDRDY == 0u) {
  }
}
