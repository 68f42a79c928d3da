/*
 * The program to start from: runs each model once, prints the first elements of its outputs, and
 * ends. Inputs are zeros here; write what your sensor measures instead. The headers of the models
 * say what the integers mean (..._SCALE, ..._ZERO_POINT).
 */
#include <string.h>

#include "files.h"
#include "tvm_tiny/errors.h"
#include "tvm_tiny_models.h"

/* Name of the console in semihosting: what the emulator or debugger prints. */
#ifndef TVM_TINY_CONSOLE
#define TVM_TINY_CONSOLE ":tt"
#endif

#define SHOWN 8u

static tvm_tiny_file console;

/* Prints a text. */
static void print(const char* text) {
  uint32_t length = 0;
  while (text[length] != '\0') {
    length++;
  }
  (void)tvm_tiny_file_write(console, text, length);
}

/* Prints a number in decimal. */
static void print_number(int32_t value) {
  char text[12];
  uint32_t at = sizeof(text) - 1u;
  uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
  text[at] = '\0';
  do {
    text[--at] = (char)('0' + rest % 10u);
    rest /= 10u;
  } while (rest != 0u);
  if (value < 0) {
    text[--at] = '-';
  }
  print(text + at);
}

/* Prints the first elements of an output. */
static void print_output(struct tvm_tiny_session_memory output) {
  const int8_t* values = (const int8_t*)output.data;
  uint32_t i;
  print(", output");
  for (i = 0; i < output.bytes && i < SHOWN; i++) {
    print(" ");
    print_number(values[i]);
  }
}

/* Fills an input. Replace this. */
static void read_sensor(struct tvm_tiny_session_memory input) {
  memset(input.data, 0, input.bytes);
}

static int32_t infer(const struct tvm_tiny_session_model* model) {
  int32_t status = model->begin == 0 ? TVM_TINY_ERROR_OK : model->begin();
  uint32_t i;
  for (i = 0; i < model->rows && status == TVM_TINY_ERROR_OK; i++) {
    const struct tvm_tiny_session_memory row = model->input(0);
    read_sensor(row);
    status = model->push(row.data);
  }
  if (model->rows != 0u || status != TVM_TINY_ERROR_OK) {
    return status;
  }
  for (i = 0; i < model->inputs; i++) {
    read_sensor(model->input(i));
  }
  return model->run();
}

int main(void) {
  int failed = 0;
  uint32_t m;
  uint32_t i;
  console = tvm_tiny_file_open(TVM_TINY_CONSOLE, TVM_TINY_FILE_WRITE);
  for (m = 0; m < TVM_TINY_MODELS; m++) {
    const int32_t status = infer(tvm_tiny_models[m]);
    print("model ");
    print_number((int32_t)m);
    print(": status ");
    print_number(status);
    for (i = 0; i < tvm_tiny_models[m]->outputs && status == TVM_TINY_ERROR_OK; i++) {
      print_output(tvm_tiny_models[m]->output(i));
    }
    print("\n");
    failed |= status != TVM_TINY_ERROR_OK;
  }
  tvm_tiny_exit(failed);
  return failed;
}
