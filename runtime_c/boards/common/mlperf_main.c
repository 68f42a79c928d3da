/* The MLPerf Tiny runner's protocol on the board's line, for ever. */
#include "pause.h"
#include "port.h"
#include "tvm_tiny_mlperf.h"

int main(void) {
  static struct tvm_tiny_mlperf mlperf;
  static uint8_t buffer[TVM_TINY_MLPERF_BUFFER];
  tvm_tiny_board_start();
  tvm_tiny_mlperf_init(&mlperf, &tvm_tiny_board_port, &tvm_tiny_mlperf_benchmark, buffer,
                       (uint32_t)sizeof(buffer));
  for (;;) {
    if (!tvm_tiny_mlperf_poll(&mlperf)) {
      tvm_tiny_pause();
    }
  }
}
