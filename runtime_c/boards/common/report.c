#include "report.h"

/* Appends text, as far as the line has room. */
static void append(struct tvm_tiny_line* line, const char* text) {
  while (*text != '\0' && line->length + 1u < (uint32_t)sizeof(line->text)) {
    line->text[line->length++] = *text++;
  }
}

/* Starts a line with a word. */
void tvm_tiny_line_start(struct tvm_tiny_line* line, const char* word) {
  line->length = 0;
  append(line, word);
}

/* Appends a field in hexadecimal: decimal would pull a 64-bit division into the firmware. */
void tvm_tiny_line_field(struct tvm_tiny_line* line, const char* key, uint64_t value) {
  char digits[17];
  uint32_t at = 16;
  digits[at] = '\0';
  do {
    digits[--at] = "0123456789abcdef"[value & 15u];
    value >>= 4;
  } while (value != 0u);
  append(line, " ");
  append(line, key);
  append(line, "=0x");
  append(line, &digits[at]);
}

/* Writes the line to a file. */
void tvm_tiny_line_end(struct tvm_tiny_line* line, tvm_tiny_file file) {
  line->text[line->length++] = '\n';
  (void)tvm_tiny_file_write(file, line->text, line->length);
}
