#include "trace.h"

#include "files.h"
#include "report.h"

/* 0 until the first record: a handle is never 0 where stdio or the console came first. */
static tvm_tiny_file trace_file;

void tvm_tiny_trace(uint32_t step, const void* data, uint32_t bytes) {
  uint32_t head[2];
  if (trace_file == 0) {
    trace_file = tvm_tiny_file_open("trace.bin", TVM_TINY_FILE_WRITE);
  }
  head[0] = step;
  head[1] = bytes;
  if (tvm_tiny_file_write(trace_file, head, sizeof(head)) != sizeof(head) ||
      tvm_tiny_file_write(trace_file, data, bytes) != bytes) {
    tvm_tiny_exit(TVM_TINY_EXIT_FAILED);
  }
}
