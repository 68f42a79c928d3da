/* A session on the board's UART, for ever. */
#include "port.h"
#include "tvm_tiny_models.h"

/* An emulator that does nothing but read an empty UART has no time to receive bytes; a pause is far
 * shorter than a byte takes at 115200 baud. */
static void pause(void) {
  volatile uint32_t turns;
  for (turns = 0; turns < 150u; turns++) {
  }
}

int main(void) {
  static struct tvm_tiny_session session;
  tvm_tiny_board_start();
  tvm_tiny_session_init(&session, &tvm_tiny_board_port, tvm_tiny_models, TVM_TINY_MODELS);
  for (;;) {
    if (!tvm_tiny_session_poll(&session)) {
      pause();
    }
  }
}
