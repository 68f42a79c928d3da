#include "text.h"

#define MOST_REAL 4.0e6f

void tvm_tiny_mlperf_print(const struct tvm_tiny_session_port* port, const char* text) {
  uint32_t length = 0;
  while (text[length] != '\0') {
    length++;
  }
  port->write(port->context, (const uint8_t*)text, length);
}

void tvm_tiny_mlperf_print_number(const struct tvm_tiny_session_port* port, uint64_t number) {
  char digits[21];
  uint32_t at = 20;
  digits[at] = '\0';
  do {
    digits[--at] = (char)('0' + (int)(number % 10u));
    number /= 10u;
  } while (number != 0u);
  tvm_tiny_mlperf_print(port, &digits[at]);
}

void tvm_tiny_mlperf_print_hex(const struct tvm_tiny_session_port* port, uint8_t byte) {
  char digits[3];
  digits[0] = "0123456789abcdef"[byte >> 4];
  digits[1] = "0123456789abcdef"[byte & 15u];
  digits[2] = '\0';
  tvm_tiny_mlperf_print(port, digits);
}

void tvm_tiny_mlperf_print_real(const struct tvm_tiny_session_port* port, float value) {
  uint32_t thousandths;
  uint32_t place;
  if (value < 0.0f) {
    tvm_tiny_mlperf_print(port, "-");
    value = -value;
  }
  value = value < MOST_REAL ? value : MOST_REAL;
  thousandths = (uint32_t)(value * 1000.0f + 0.5f);
  tvm_tiny_mlperf_print_number(port, thousandths / 1000u);
  tvm_tiny_mlperf_print(port, ".");
  for (place = 100u; place > 0u; place /= 10u) {
    tvm_tiny_mlperf_print_number(port, thousandths / place % 10u);
  }
}

char* tvm_tiny_mlperf_word(char** rest) {
  char* start = *rest;
  char* end;
  while (*start == ' ') {
    start++;
  }
  end = start;
  while (*end != '\0' && *end != ' ') {
    end++;
  }
  *rest = end;
  if (*end == ' ') {
    *end = '\0';
    *rest = end + 1;
  }
  return start;
}

int tvm_tiny_mlperf_equal(const char* a, const char* b) {
  while (*a == *b && *a != '\0') {
    a++;
    b++;
  }
  return *a == *b;
}

int32_t tvm_tiny_mlperf_decimal(const char* text) {
  int32_t value = 0;
  uint32_t digits;
  for (digits = 0; text[digits] != '\0'; digits++) {
    if (text[digits] < '0' || text[digits] > '9' || digits == 9u) {
      return -1;
    }
    value = value * 10 + (text[digits] - '0');
  }
  return digits == 0u ? -1 : value;
}

int tvm_tiny_mlperf_digit(char letter) {
  if (letter >= '0' && letter <= '9') {
    return letter - '0';
  }
  if (letter >= 'a' && letter <= 'f') {
    return letter - 'a' + 10;
  }
  if (letter >= 'A' && letter <= 'F') {
    return letter - 'A' + 10;
  }
  return -1;
}
