/* Standard input and output of a process as a line, and its clock. Ends when the input does. */
#define _POSIX_C_SOURCE 200809L

#include "port.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MICROSECONDS 1000000u
#define WAIT_MS 20

/* Waits a little where there is nothing: the program has nothing else to do. */
static uint32_t read_line(void* context, uint8_t* data, uint32_t bytes) {
  struct pollfd input;
  ssize_t got;
  (void)context;
  input.fd = STDIN_FILENO;
  input.events = POLLIN;
  if (poll(&input, 1, WAIT_MS) <= 0) {
    return 0;
  }
  got = read(STDIN_FILENO, data, bytes);
  if (got <= 0) {
    exit(EXIT_SUCCESS);
  }
  return (uint32_t)got;
}

/* Sends bytes to standard output. */
static void write_line(void* context, const uint8_t* data, uint32_t bytes) {
  (void)context;
  while (bytes > 0u) {
    const ssize_t sent = write(STDOUT_FILENO, data, bytes);
    if (sent <= 0) {
      exit(EXIT_FAILURE);
    }
    data += sent;
    bytes -= (uint32_t)sent;
  }
}

/* Returns microseconds, modulo 2^32. */
static uint32_t ticks(void* context) {
  struct timespec now;
  (void)context;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)now.tv_sec * MICROSECONDS + (uint32_t)(now.tv_nsec / 1000);
}

const struct tvm_tiny_session_port tvm_tiny_board_port = {
    .read = read_line,
    .write = write_line,
    .ticks = ticks,
    .ticks_per_second = MICROSECONDS,
};

void tvm_tiny_board_start(void) {}
