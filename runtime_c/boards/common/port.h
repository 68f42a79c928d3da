/* The session's line on a board: its polled UART, its counter, its stack and its reset. */
#ifndef TVM_TINY_BOARDS_PORT_H
#define TVM_TINY_BOARDS_PORT_H

#include "tvm_tiny/session.h"

/* Starts counter and UART. */
void tvm_tiny_board_start(void);

extern const struct tvm_tiny_session_port tvm_tiny_board_port;

#endif /* TVM_TINY_BOARDS_PORT_H */
