/* Files through stdio; a tvm_tiny_file is a FILE*. */
#include "files.h"

#include <stdio.h>
#include <stdlib.h>

tvm_tiny_file tvm_tiny_file_open(const char* name, enum tvm_tiny_file_mode mode) {
  FILE* file = fopen(name, mode == TVM_TINY_FILE_READ ? "rb" : "wb");
  return file == NULL ? (tvm_tiny_file)-1 : (tvm_tiny_file)file;
}

uint32_t tvm_tiny_file_read(tvm_tiny_file file, void* data, uint32_t bytes) {
  return (uint32_t)fread(data, 1, bytes, (FILE*)file);
}

uint32_t tvm_tiny_file_write(tvm_tiny_file file, const void* data, uint32_t bytes) {
  return (uint32_t)fwrite(data, 1, bytes, (FILE*)file);
}

void tvm_tiny_file_close(tvm_tiny_file file) {
  if (file > 0) {
    (void)fclose((FILE*)file);
  }
}

void tvm_tiny_exit(int status) { exit(status); }
