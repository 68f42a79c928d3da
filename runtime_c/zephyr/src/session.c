/* A session over a UART. */
#include <errno.h>
#include <stddef.h>

#include "tvm_tiny/zephyr_session.h"

int tvm_tiny_zephyr_session(const struct tvm_tiny_session_model* const* models, uint32_t count) {
  static struct tvm_tiny_session session;
  const struct tvm_tiny_session_port* port = tvm_tiny_zephyr_port();
  if (port == NULL) {
    return -ENODEV;
  }
  tvm_tiny_session_init(&session, port, models, count);
  for (;;) {
    if (!tvm_tiny_session_poll(&session)) {
      tvm_tiny_zephyr_wait();
    }
  }
}
