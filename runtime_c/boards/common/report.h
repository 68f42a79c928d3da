/* report.txt and fault.txt: lines of `word key=0xhex key=0xhex`, read by the host. */
#ifndef TVM_TINY_BOARDS_REPORT_H
#define TVM_TINY_BOARDS_REPORT_H

#include "files.h"

/* One line being written; long enough for seven fields. */
struct tvm_tiny_line {
  char text[256];
  uint32_t length;
};

void tvm_tiny_line_start(struct tvm_tiny_line* line, const char* word);
void tvm_tiny_line_field(struct tvm_tiny_line* line, const char* key, uint64_t value);
void tvm_tiny_line_end(struct tvm_tiny_line* line, tvm_tiny_file file);

/* Exit statuses of the firmware; an emulator's own failures are 1. */
enum tvm_tiny_exit_status {
  TVM_TINY_EXIT_OK = 0,
  TVM_TINY_EXIT_FAILED = 64, /* the last line of report.txt says why */
  TVM_TINY_EXIT_FAULT = 65   /* fault.txt says where */
};

#endif /* TVM_TINY_BOARDS_REPORT_H */
