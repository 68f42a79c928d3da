/* Serves sessions (tvm_tiny.micro.Session) over a UART; prints its models on the console. */
#include <zephyr/kernel.h>

#include "tvm_tiny/zephyr_session.h"
#include "tvm_tiny_models.h"

int main(void) {
  printk("tvm_tiny: a session with %d models\n", TVM_TINY_MODELS);
  int error = tvm_tiny_zephyr_session(tvm_tiny_models, TVM_TINY_MODELS);
  printk("tvm_tiny: the UART of the session is not ready (%d)\n", error);
  return error;
}
