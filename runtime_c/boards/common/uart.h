/* A UART that is polled: 8 bits, no parity, no flow control, without interrupts. */
#ifndef TVM_TINY_BOARDS_UART_H
#define TVM_TINY_BOARDS_UART_H

#include <stdint.h>

void tvm_tiny_uart_init(void);

/* A byte that has arrived, or -1 at once if there is none. */
int tvm_tiny_uart_read(void);

/* Waits until the UART takes the byte. */
void tvm_tiny_uart_write(uint8_t byte);

#endif /* TVM_TINY_BOARDS_UART_H */
