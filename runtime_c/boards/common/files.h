/* Files on the machine that runs the board: semihosting in an emulator, stdio on the host. */
#ifndef TVM_TINY_BOARDS_FILES_H
#define TVM_TINY_BOARDS_FILES_H

#include <stdint.h>

enum tvm_tiny_file_mode { TVM_TINY_FILE_READ, TVM_TINY_FILE_WRITE };

/* An open file; at most one is open for reading and three for writing. */
typedef intptr_t tvm_tiny_file;

/* Opens `name` in the working directory of the emulator; -1 if that fails. */
tvm_tiny_file tvm_tiny_file_open(const char* name, enum tvm_tiny_file_mode mode);

/* Return the number of bytes that were read or written. */
uint32_t tvm_tiny_file_read(tvm_tiny_file file, void* data, uint32_t bytes);
uint32_t tvm_tiny_file_write(tvm_tiny_file file, const void* data, uint32_t bytes);

void tvm_tiny_file_close(tvm_tiny_file file);

/* Ends the emulator or process with exit status `status` (0..255); does not return. */
void tvm_tiny_exit(int status);

#endif /* TVM_TINY_BOARDS_FILES_H */
