/*
 * Return codes of generated code and of the board support.
 *
 * A code is category << 8 | number and fits a positive int32_t; 0 is success. The list is one
 * X-macro, so that the enumeration, a table of strings or a switch can be made from it without
 * any code of this header ending up in a firmware that does not ask for it:
 *
 *     static const struct tvm_tiny_error_info errors[] = {TVM_TINY_ERROR_LIST(TVM_TINY_ERROR_ROW)};
 */
#ifndef TVM_TINY_ERRORS_H
#define TVM_TINY_ERRORS_H

#include <stdint.h>

/* X(NAME, code, text) */
#define TVM_TINY_ERROR_LIST(X)                                                               \
  X(OK, 0x0000, "success")                                                                   \
  /* 1: arguments of the call */                                                             \
  X(NULL_POOLS, 0x0101, "the pointer to the workspace pools is null")                        \
  X(NULL_INPUTS, 0x0102, "the pointer to the inputs, or one input, is null")                 \
  X(NULL_OUTPUTS, 0x0103, "the pointer to the outputs, or one output, is null")              \
  X(NULL_ROW, 0x0104, "the pointer to the row is null")                                      \
  X(NOT_BEGUN, 0x0105, "rows are pushed before tvmgen_<name>_begin")                         \
  X(INPUT_COMPLETE, 0x0106, "all rows of the input have been pushed already")                \
  X(NOT_INITIALIZED, 0x0107, "tvmgen_<name>_init has not copied the weights to these pools") \
  /* 2: memory */                                                                            \
  X(NULL_ARENA, 0x0201, "the arena's pointer is null")                                       \
  X(ARENA_ALIGNMENT, 0x0202, "the arena is not aligned to 16 bytes")                         \
  X(ARENA_SIZE, 0x0203, "the arena is smaller than TVMGEN_<NAME>_WORKSPACE_SIZE")            \
  X(STACK_OVERFLOW, 0x0204, "the stack grew beyond the memory left for it")                  \
  /* 3: versions */                                                                          \
  X(ABI_VERSION, 0x0301, "headers and generated code are of different ABI versions")         \
  /* 4: kernels */                                                                           \
  X(KERNEL, 0x0401, "a kernel reported a failure")                                           \
  /* 5: board support */                                                                     \
  X(FILE_OPEN, 0x0501, "a file cannot be opened")                                            \
  X(FILE_READ, 0x0502, "a file ends too early")                                              \
  X(FILE_WRITE, 0x0503, "a file cannot be written")                                          \
  X(FAULT, 0x0504, "the processor took a fault exception")

#define TVM_TINY_ERROR_ENUMERATOR(name, code, text) TVM_TINY_ERROR_##name = (code),

enum tvm_tiny_error {
  TVM_TINY_ERROR_LIST(TVM_TINY_ERROR_ENUMERATOR)
  /* Ends the list without a trailing comma; no function returns it. */
  TVM_TINY_ERROR_LIMIT = 0x7fff
};

/* One row of a table of errors. */
struct tvm_tiny_error_info {
  int32_t code;
  const char* name;
  const char* text;
};

#define TVM_TINY_ERROR_ROW(name, code, text) {(int32_t)(code), #name, text},

/* The category of a code: 1 arguments, 2 memory, 3 versions, 4 kernels, 5 board support. */
#define TVM_TINY_ERROR_CATEGORY(code) (((code) >> 8) & 0x7f)

#endif /* TVM_TINY_ERRORS_H */
