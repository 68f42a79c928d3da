/*
 * A session server as a process of this machine: what comes on standard input is the host's side,
 * answers go to standard output. It ends when the input does.
 */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tvm_tiny/session.h"
#include "tvm_tiny_models.h"

#define MICROSECONDS 1000000u

static int input_is_ready(int timeout_ms) {
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, timeout_ms) > 0;
}

static uint32_t read_line(void* context, uint8_t* data, uint32_t bytes) {
  ssize_t got;
  (void)context;
  if (!input_is_ready(0)) {
    return 0;
  }
  got = read(STDIN_FILENO, data, bytes);
  if (got <= 0) {
    exit(EXIT_SUCCESS);
  }
  return (uint32_t)got;
}

static void write_line(void* context, const uint8_t* data, uint32_t bytes) {
  (void)context;
  while (bytes != 0u) {
    const ssize_t sent = write(STDOUT_FILENO, data, bytes);
    if (sent <= 0) {
      exit(EXIT_FAILURE);
    }
    data += sent;
    bytes -= (uint32_t)sent;
  }
}

static uint32_t microseconds(void* context) {
  struct timespec now;
  (void)context;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)now.tv_sec * MICROSECONDS + (uint32_t)(now.tv_nsec / 1000);
}

static const struct tvm_tiny_session_port port = {
    NULL, read_line, write_line, microseconds, MICROSECONDS, NULL, NULL,
};

int main(void) {
  static struct tvm_tiny_session session;
  tvm_tiny_session_init(&session, &port, tvm_tiny_models, TVM_TINY_MODELS);
  for (;;) {
    if (!tvm_tiny_session_poll(&session)) {
      (void)input_is_ready(-1);
    }
  }
}
