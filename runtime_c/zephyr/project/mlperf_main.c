/* The MLPerf Tiny runner's protocol on a UART, for ever. */
#include <errno.h>

#include <zephyr/kernel.h>

#include "tvm_tiny/zephyr_session.h"
#include "tvm_tiny_mlperf.h"

int main(void) {
  static struct tvm_tiny_mlperf mlperf;
  static uint8_t buffer[TVM_TINY_MLPERF_BUFFER] __aligned(4);
  const struct tvm_tiny_session_port* port = tvm_tiny_zephyr_port();
  if (port == NULL) {
    printk("tvm_tiny: the UART is not ready\n");
    return -ENODEV;
  }
  tvm_tiny_mlperf_init(&mlperf, port, &tvm_tiny_mlperf_benchmark, buffer, sizeof(buffer));
  for (;;) {
    if (!tvm_tiny_mlperf_poll(&mlperf)) {
      tvm_tiny_zephyr_wait();
    }
  }
}
