/* The session's line: a board's polled UART, counter, stack and reset, or a process's pipes. */
#ifndef TVM_TINY_BOARDS_PORT_H
#define TVM_TINY_BOARDS_PORT_H

#include "tvm_tiny/session.h"

/* Starts counter and UART. */
void tvm_tiny_board_start(void);

extern const struct tvm_tiny_session_port tvm_tiny_board_port;

#endif /* TVM_TINY_BOARDS_PORT_H */
