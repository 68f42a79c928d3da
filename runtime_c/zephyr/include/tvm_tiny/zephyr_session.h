/*
 * A session over a UART (CONFIG_TVM_TINY_SESSION); tvm_tiny/session.h is what it is made of.
 *
 *     int main(void) { return tvm_tiny_zephyr_session(tvm_tiny_models, TVM_TINY_MODELS); }
 *
 * The UART is the devicetree's chosen tvm-tiny,session-uart. Without one it is the first of uart1,
 * uart2 and uart0 that is enabled and is not the console.
 */
#ifndef TVM_TINY_ZEPHYR_SESSION_H
#define TVM_TINY_ZEPHYR_SESSION_H

#include "tvm_tiny/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Serves sessions in the calling thread, for ever. Returns -ENODEV if the UART is not ready. */
int tvm_tiny_zephyr_session(const struct tvm_tiny_session_model* const* models, uint32_t count);

/* Starts the UART, for a loop of one's own in the calling thread: the port of a session, or NULL if
 * the UART is not ready. */
const struct tvm_tiny_session_port* tvm_tiny_zephyr_port(void);

/* Sleeps until something has arrived since the last call, or does not sleep if the UART is polled;
 * call it when tvm_tiny_session_poll returns 0. */
void tvm_tiny_zephyr_wait(void);

#ifdef __cplusplus
}
#endif

#endif /* TVM_TINY_ZEPHYR_SESSION_H */
