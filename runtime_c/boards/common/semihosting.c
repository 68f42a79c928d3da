/* Files through Arm's semihosting calls, which RISC-V shares ("Semihosting for AArch32 and
 * AArch64", chapter 6; "RISC-V Semihosting", chapter 2). */
#include "files.h"
#include "platform.h"

enum {
  SYS_OPEN = 0x01,
  SYS_CLOSE = 0x02,
  SYS_WRITE = 0x05,
  SYS_READ = 0x06,
  SYS_EXIT_EXTENDED = 0x20,
  OPEN_MODE_RB = 1,
  OPEN_MODE_WB = 5,
  STOPPED_APPLICATION_EXIT = 0x20026
};

/* Makes a semihosting call of three operands. */
static uintptr_t call(uintptr_t operation, uintptr_t first, uintptr_t second, uintptr_t third) {
  uintptr_t block[3];
  block[0] = first;
  block[1] = second;
  block[2] = third;
  return tvm_tiny_semihosting(operation, block);
}

tvm_tiny_file tvm_tiny_file_open(const char* name, enum tvm_tiny_file_mode mode) {
  uintptr_t length = 0;
  while (name[length] != '\0') {
    length++;
  }
  return (tvm_tiny_file)call(SYS_OPEN, (uintptr_t)name,
                             mode == TVM_TINY_FILE_READ ? OPEN_MODE_RB : OPEN_MODE_WB, length);
}

/* Returns the bytes done. SYS_READ and SYS_WRITE answer how many they left over; on an error that
 * may be more than was asked for. */
static uint32_t done(uintptr_t left, uint32_t bytes) {
  return left > bytes ? 0u : bytes - (uint32_t)left;
}

uint32_t tvm_tiny_file_read(tvm_tiny_file file, void* data, uint32_t bytes) {
  return done(call(SYS_READ, (uintptr_t)file, (uintptr_t)data, bytes), bytes);
}

uint32_t tvm_tiny_file_write(tvm_tiny_file file, const void* data, uint32_t bytes) {
  return done(call(SYS_WRITE, (uintptr_t)file, (uintptr_t)data, bytes), bytes);
}

void tvm_tiny_file_close(tvm_tiny_file file) { (void)call(SYS_CLOSE, (uintptr_t)file, 0, 0); }

void tvm_tiny_exit(int status) {
  (void)call(SYS_EXIT_EXTENDED, STOPPED_APPLICATION_EXIT, (uintptr_t)status, 0);
  for (;;) {
    /* A debugger that refuses the call must not make the board run on. */
  }
}
