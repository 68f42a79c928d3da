/* The device's side of MLPerf Tiny's runner. Commands end with %, answers are lines, and the last
 * line of each answer is m-ready. */
#include "mlperf.h"

#include <string.h>

#include "text.h"

#define END "\r\n"

/* ---- Answers --------------------------------------------------------------------------------- */

/* Sends a text. */
static void print(const struct tvm_tiny_mlperf* mlperf, const char* text) {
  tvm_tiny_mlperf_print(mlperf->port, text);
}

/* Sends a number in decimal. */
static void print_number(const struct tvm_tiny_mlperf* mlperf, uint64_t number) {
  tvm_tiny_mlperf_print_number(mlperf->port, number);
}

/* Sends three texts. */
static void print_three(const struct tvm_tiny_mlperf* mlperf, const char* before, const char* text,
                        const char* after) {
  print(mlperf, before);
  print(mlperf, text);
  print(mlperf, after);
}

/* Sends a number between two texts. */
static void print_counted(const struct tvm_tiny_mlperf* mlperf, const char* before, uint64_t number,
                          const char* after) {
  print(mlperf, before);
  print_number(mlperf, number);
  print(mlperf, after);
}

/* Answers with an error. */
static void failed(const struct tvm_tiny_mlperf* mlperf, const char* text) {
  print_three(mlperf, "e-[", text, "]" END);
}

/* ---- Time ------------------------------------------------------------------------------------ */

/* Adds the time since the last call. The counter has 32 bits, so this must be called at least once
 * in each of its turns. */
static void keep_time(struct tvm_tiny_mlperf* mlperf) {
  const uint32_t now = mlperf->port->ticks(mlperf->port->context);
  mlperf->elapsed += (uint32_t)(now - mlperf->last);
  mlperf->last = now;
}

/* Answers with the time in microseconds. */
static void timestamp(struct tvm_tiny_mlperf* mlperf) {
  keep_time(mlperf);
  print_counted(mlperf, "m-lap-us-", mlperf->elapsed * 1000000u / mlperf->port->ticks_per_second,
                END);
}

/* ---- Inferences ------------------------------------------------------------------------------ */

/* Returns the bytes of an input as the runner sends it. */
static uint32_t input_bytes(const struct tvm_tiny_mlperf_benchmark* benchmark) {
  return benchmark->input == TVM_TINY_MLPERF_FLOATS ? 4u * benchmark->elements
                                                    : benchmark->elements;
}

/* Returns element `index` of an input of float32. */
static float real_input(const struct tvm_tiny_mlperf* mlperf, uint32_t index) {
  float value;
  memcpy(&value, &mlperf->buffer[4u * index], sizeof(value));
  return value;
}

/* Quantizes a value: half away from zero, within int8. NaN becomes the zero point. */
static int8_t quantized(float value, float scale, int32_t zero_point) {
  const float scaled = value / scale;
  int32_t level = zero_point;
  if (scaled > 1000.0f) {
    level += 1000;
  } else if (scaled < -1000.0f) {
    level -= 1000;
  } else if (scaled >= 0.0f) {
    level += (int32_t)(scaled + 0.5f);
  } else if (scaled < 0.0f) {
    level -= (int32_t)(0.5f - scaled);
  }
  level = level > 127 ? 127 : level;
  return (int8_t)(level < -128 ? -128 : level);
}

/* Converts elements from `first` on to the model's input. */
static void convert(const struct tvm_tiny_mlperf* mlperf, uint32_t first,
                    struct tvm_tiny_session_memory memory) {
  const struct tvm_tiny_mlperf_benchmark* benchmark = mlperf->benchmark;
  uint8_t* to = (uint8_t*)memory.data;
  uint32_t i;
  for (i = 0; i < memory.bytes; i++) {
    switch (benchmark->input) {
      case TVM_TINY_MLPERF_FLOATS:
        to[i] = (uint8_t)quantized(real_input(mlperf, first + i), benchmark->input_scale,
                                   benchmark->input_zero_point);
        break;
      case TVM_TINY_MLPERF_PIXELS:
        to[i] = mlperf->buffer[first + i] ^ 0x80u;
        break;
      default:
        to[i] = mlperf->buffer[first + i];
        break;
    }
  }
}

/* Runs one inference. It overwrites its input, which is therefore converted anew each time. */
static int32_t infer_once(const struct tvm_tiny_mlperf* mlperf) {
  const struct tvm_tiny_session_model* model = *mlperf->benchmark->entry;
  int32_t status = model->begin != 0 ? model->begin() : TVM_TINY_ERROR_OK;
  uint32_t row;
  uint32_t first = 0;
  if (status == TVM_TINY_ERROR_OK && model->push == 0) {
    convert(mlperf, 0, model->input(0));
    status = model->run();
  }
  for (row = 0; row < model->rows && status == TVM_TINY_ERROR_OK; row++) {
    const struct tvm_tiny_session_memory memory = model->input(0);
    convert(mlperf, first, memory);
    first += memory.bytes;
    status = model->push(memory.data);
  }
  return status;
}

/* Runs inferences until one fails. */
static int32_t infer_often(struct tvm_tiny_mlperf* mlperf, int32_t times) {
  int32_t status = TVM_TINY_ERROR_OK;
  while (times-- > 0 && status == TVM_TINY_ERROR_OK) {
    status = infer_once(mlperf);
    keep_time(mlperf);
  }
  return status;
}

/* Returns element `index` of the output, dequantized. */
static float output_at(const struct tvm_tiny_mlperf* mlperf, uint32_t index) {
  const struct tvm_tiny_mlperf_benchmark* benchmark = mlperf->benchmark;
  const int8_t* output = (const int8_t*)(*benchmark->entry)->output(0).data;
  return benchmark->output_scale * (float)(output[index] - benchmark->output_zero_point);
}

/* Returns the mean of (output - input)^2. */
static float mean_squared_error(const struct tvm_tiny_mlperf* mlperf, uint32_t count) {
  float sum = 0.0f;
  uint32_t i;
  for (i = 0; i < count; i++) {
    const float error = output_at(mlperf, i) - real_input(mlperf, i);
    sum += error * error;
  }
  return sum / (float)count;
}

/* Answers with the results of the last inference. */
static void results(const struct tvm_tiny_mlperf* mlperf) {
  const uint32_t count = (*mlperf->benchmark->entry)->output(0).bytes;
  uint32_t i;
  if (mlperf->done == 0u) {
    failed(mlperf, "No results: nothing has been inferred");
    return;
  }
  print(mlperf, "m-results-[");
  if (mlperf->benchmark->result == TVM_TINY_MLPERF_ERROR) {
    tvm_tiny_mlperf_print_real(mlperf->port, mean_squared_error(mlperf, count));
  } else {
    for (i = 0; i < count; i++) {
      print(mlperf, i == 0u ? "" : ",");
      tvm_tiny_mlperf_print_real(mlperf->port, output_at(mlperf, i));
    }
  }
  print(mlperf, "]" END);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* Runs warm-ups, and then inferences between two timestamps. */
static void infer(struct tvm_tiny_mlperf* mlperf, int32_t times, int32_t warmups) {
  int32_t status;
  mlperf->done = 0;
  print_counted(mlperf, "m-warmup-start-", (uint64_t)warmups, END);
  status = infer_often(mlperf, warmups);
  print(mlperf, "m-warmup-done" END);
  print_counted(mlperf, "m-infer-start-", (uint64_t)times, END);
  timestamp(mlperf);
  if (status == TVM_TINY_ERROR_OK) {
    status = infer_often(mlperf, times);
  }
  timestamp(mlperf);
  if (status != TVM_TINY_ERROR_OK) {
    print_counted(mlperf, "e-[Inference failed with code ", (uint64_t)status, "]" END);
    return;
  }
  print(mlperf, "m-infer-done" END);
  mlperf->done = 1;
  results(mlperf);
}

/* Carries out `infer N [W]`. */
static void infer_command(struct tvm_tiny_mlperf* mlperf, char* rest) {
  const char* words[2];
  int32_t times;
  int32_t warmups;
  words[0] = tvm_tiny_mlperf_word(&rest);
  words[1] = tvm_tiny_mlperf_word(&rest);
  times = words[0][0] == '\0' ? 1 : tvm_tiny_mlperf_decimal(words[0]);
  warmups = words[1][0] == '\0' ? 10 : tvm_tiny_mlperf_decimal(words[1]);
  if (times <= 0 || warmups < 0) {
    failed(mlperf, "infer takes a number above 0, and a number of warm-ups");
  } else if (mlperf->loaded != input_bytes(mlperf->benchmark)) {
    print_counted(mlperf, "e-[The buffer has ", mlperf->loaded, " of ");
    print_number(mlperf, input_bytes(mlperf->benchmark));
    print(mlperf, " bytes of an input]" END);
  } else {
    infer(mlperf, times, warmups);
  }
}

/* Carries out `db load N`. */
static void load(struct tvm_tiny_mlperf* mlperf, const char* word) {
  const int32_t bytes = tvm_tiny_mlperf_decimal(word);
  mlperf->expected = 0;
  mlperf->loaded = 0;
  mlperf->done = 0;
  if (bytes <= 0 || (uint32_t)bytes > mlperf->room) {
    print_counted(mlperf, "e-[db load takes 1 to ", mlperf->room, " bytes]" END);
    return;
  }
  mlperf->expected = (uint32_t)bytes;
  print_counted(mlperf, "m-[Expecting ", mlperf->expected, " bytes]" END);
}

/* Carries out `db print`. */
static void print_buffer(const struct tvm_tiny_mlperf* mlperf) {
  uint32_t i;
  for (i = 0; i < mlperf->loaded; i++) {
    print(mlperf, i % 8u == 0u ? "m-buffer-" : "-");
    tvm_tiny_mlperf_print_hex(mlperf->port, mlperf->buffer[i]);
    if (i % 8u == 7u || i + 1u == mlperf->loaded) {
      print(mlperf, END);
    }
  }
}

/* Carries out `db HEX`, two digits a byte. What follows the last byte that is expected is
 * ignored. */
static void take_bytes(struct tvm_tiny_mlperf* mlperf, const char* digits) {
  while (*digits != '\0' && mlperf->loaded < mlperf->expected) {
    const int high = tvm_tiny_mlperf_digit(digits[0]);
    const int low = high < 0 ? -1 : tvm_tiny_mlperf_digit(digits[1]);
    if (low < 0) {
      failed(mlperf, "db takes pairs of hexadecimal digits");
      return;
    }
    mlperf->buffer[mlperf->loaded++] = (uint8_t)(high * 16 + low);
    digits += 2;
    if (mlperf->loaded == mlperf->expected) {
      print(mlperf, "m-load-done" END);
      return;
    }
  }
  if (*digits != '\0') {
    failed(mlperf, "No more bytes are expected: start with db load");
  }
}

/* Carries out a command that begins with `db`. */
static void buffer_command(struct tvm_tiny_mlperf* mlperf, char* rest) {
  const char* word = tvm_tiny_mlperf_word(&rest);
  if (tvm_tiny_mlperf_equal(word, "load")) {
    load(mlperf, tvm_tiny_mlperf_word(&rest));
  } else if (tvm_tiny_mlperf_equal(word, "print")) {
    print_buffer(mlperf);
  } else if (*word == '\0') {
    failed(mlperf, "db takes load N, print or hexadecimal digits");
  } else {
    take_bytes(mlperf, word);
  }
}

/* Lists the commands. */
static void help(const struct tvm_tiny_mlperf* mlperf) {
  print(mlperf, "name, profile, timestamp, results, help" END
                "db load N: expect N bytes; db HEX: take bytes; db print: show them" END
                "infer N [W]: W warm-ups (10), then N timed inferences" END);
}

/* Answers with the text by which the runner recognizes devices, and the model's name. */
static void profile(const struct tvm_tiny_mlperf* mlperf) {
  print(mlperf, "m-profile-[ULPMark for tinyML Firmware V0.0.1]" END);
  print_three(mlperf, "m-model-[", mlperf->benchmark->name, "]" END);
}

/* Carries out a whole command. */
static void carry_out(struct tvm_tiny_mlperf* mlperf) {
  char* rest = mlperf->command;
  const char* word = tvm_tiny_mlperf_word(&rest);
  if (mlperf->lost != 0u) {
    failed(mlperf, "A command has at most 80 characters");
  } else if (tvm_tiny_mlperf_equal(word, "name")) {
    print_three(mlperf, "m-name-dut-[", mlperf->benchmark->vendor, "]" END);
  } else if (tvm_tiny_mlperf_equal(word, "timestamp")) {
    timestamp(mlperf);
  } else if (tvm_tiny_mlperf_equal(word, "profile")) {
    profile(mlperf);
  } else if (tvm_tiny_mlperf_equal(word, "results")) {
    results(mlperf);
  } else if (tvm_tiny_mlperf_equal(word, "help")) {
    help(mlperf);
  } else if (tvm_tiny_mlperf_equal(word, "db")) {
    buffer_command(mlperf, rest);
  } else if (tvm_tiny_mlperf_equal(word, "infer")) {
    infer_command(mlperf, rest);
  } else {
    print_three(mlperf, "e-[Unknown command: ", word, "]" END);
  }
  print(mlperf, "m-ready" END);
}

/* Takes a character of the line. */
static void take(struct tvm_tiny_mlperf* mlperf, char letter) {
  if (letter == '%') {
    mlperf->command[mlperf->length] = '\0';
    carry_out(mlperf);
    mlperf->length = 0;
    mlperf->lost = 0;
  } else if (letter < ' ' || letter > '~') {
    return; /* ends of lines, and noise */
  } else if (mlperf->length == TVM_TINY_MLPERF_COMMAND) {
    mlperf->lost = 1;
  } else {
    mlperf->command[mlperf->length++] = letter;
  }
}

/* ---- Interface ------------------------------------------------------------------------------- */

/* Starts to listen; see mlperf.h. */
void tvm_tiny_mlperf_init(struct tvm_tiny_mlperf* mlperf, const struct tvm_tiny_session_port* port,
                          const struct tvm_tiny_mlperf_benchmark* benchmark, uint8_t* buffer,
                          uint32_t bytes) {
  memset(mlperf, 0, sizeof(*mlperf));
  mlperf->port = port;
  mlperf->benchmark = benchmark;
  mlperf->buffer = buffer;
  mlperf->room = bytes;
  mlperf->last = port->ticks(port->context);
  print(mlperf, "m-init-done" END "m-ready" END);
}

/* Takes what has arrived on the line. */
int tvm_tiny_mlperf_poll(struct tvm_tiny_mlperf* mlperf) {
  uint8_t data[32];
  const uint32_t bytes = mlperf->port->read(mlperf->port->context, data, (uint32_t)sizeof(data));
  uint32_t i;
  keep_time(mlperf);
  for (i = 0; i < bytes; i++) {
    take(mlperf, (char)data[i]);
  }
  return bytes > 0u;
}
