/* Compiled with -fno-tree-loop-distribute-patterns (gcc) or -fno-builtin (clang): else a compiler
 * sees that these loops are memcpy and memset, and calls them. */
#include "include/string.h"

#include <stdint.h>

#define WORD sizeof(uint32_t)
#define WORD_ALIGNED(pointer) (((uintptr_t)(pointer) & (WORD - 1u)) == 0u)

/* A word may alias any object. */
typedef uint32_t __attribute__((may_alias)) word;

void* memcpy(void* restrict to, const void* restrict from, size_t bytes) {
  unsigned char* out = (unsigned char*)to;
  const unsigned char* in = (const unsigned char*)from;
  if (WORD_ALIGNED(out) && WORD_ALIGNED(in)) {
    for (; bytes >= WORD; bytes -= WORD, out += WORD, in += WORD) {
      *(word*)(void*)out = *(const word*)(const void*)in;
    }
  }
  while (bytes-- != 0u) {
    *out++ = *in++;
  }
  return to;
}

void* memmove(void* to, const void* from, size_t bytes) {
  unsigned char* out = (unsigned char*)to;
  const unsigned char* in = (const unsigned char*)from;
  if ((uintptr_t)out - (uintptr_t)in >= bytes) {
    while (bytes-- != 0u) {
      *out++ = *in++;
    }
  } else {
    while (bytes-- != 0u) {
      out[bytes] = in[bytes];
    }
  }
  return to;
}

void* memset(void* to, int value, size_t bytes) {
  unsigned char* out = (unsigned char*)to;
  const unsigned char byte = (unsigned char)value;
  const uint32_t filled = byte * 0x01010101u;
  if (WORD_ALIGNED(out)) {
    for (; bytes >= WORD; bytes -= WORD, out += WORD) {
      *(word*)(void*)out = filled;
    }
  }
  while (bytes-- != 0u) {
    *out++ = byte;
  }
  return to;
}

int memcmp(const void* left, const void* right, size_t bytes) {
  const unsigned char* a = (const unsigned char*)left;
  const unsigned char* b = (const unsigned char*)right;
  for (; bytes != 0u; bytes--, a++, b++) {
    if (*a != *b) {
      return *a < *b ? -1 : 1;
    }
  }
  return 0;
}
