/* The part of <string.h> that generated code uses; the compiler for RISC-V comes without a C
 * library. */
#ifndef TVM_TINY_BOARDS_RISCV_STRING_H
#define TVM_TINY_BOARDS_RISCV_STRING_H

#include <stddef.h>

void* memcpy(void* restrict to, const void* restrict from, size_t bytes);
void* memmove(void* to, const void* from, size_t bytes);
void* memset(void* to, int value, size_t bytes);
int memcmp(const void* left, const void* right, size_t bytes);

#endif /* TVM_TINY_BOARDS_RISCV_STRING_H */
