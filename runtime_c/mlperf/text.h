/* Text without a C library. */
#ifndef TVM_TINY_MLPERF_TEXT_H
#define TVM_TINY_MLPERF_TEXT_H

#include "tvm_tiny/session.h"

void tvm_tiny_mlperf_print(const struct tvm_tiny_session_port* port, const char* text);
void tvm_tiny_mlperf_print_number(const struct tvm_tiny_session_port* port, uint64_t number);
void tvm_tiny_mlperf_print_hex(const struct tvm_tiny_session_port* port, uint8_t byte);

/* With three digits behind the point, rounded; limited to +-4e6. */
void tvm_tiny_mlperf_print_real(const struct tvm_tiny_session_port* port, float value);

/* Cuts the next word off a text; empty at its end. */
char* tvm_tiny_mlperf_word(char** rest);

int tvm_tiny_mlperf_equal(const char* a, const char* b);

/* A decimal number below 10^9; -1 if `text` is none. */
int32_t tvm_tiny_mlperf_decimal(const char* text);

/* Value of a hexadecimal digit, or -1. */
int tvm_tiny_mlperf_digit(char letter);

#endif /* TVM_TINY_MLPERF_TEXT_H */
