/* A session on the board's UART, for ever. */
#include "pause.h"
#include "port.h"
#include "tvm_tiny_models.h"

int main(void) {
  static struct tvm_tiny_session session;
  tvm_tiny_board_start();
  tvm_tiny_session_init(&session, &tvm_tiny_board_port, tvm_tiny_models, TVM_TINY_MODELS);
  for (;;) {
    if (!tvm_tiny_session_poll(&session)) {
      tvm_tiny_pause();
    }
  }
}
