/*
 * Runs a model over samples: inputs.bin -> outputs.bin, report.txt.
 *
 * inputs.bin is the number of samples (uint32_t of the board's byte order), then for each sample
 * all inputs in the model's order. outputs.bin is all outputs of each sample. The arena is filled
 * with a pattern before every sample, so that a model that reads what it did not write shows.
 */
/* Before the model's header, which would set TVM_TINY_TRACE to nothing. */
#ifdef TVM_TINY_BOARD_TRACE
#include "trace.h"
#endif
#include "files.h"
#include "glue.h"
#include "measure.h"
#include "report.h"
#include "tvm_tiny/errors.h"

#define ARENA_FILL 0xa5u

/* Files of the host. */
struct run {
  tvm_tiny_file inputs;
  tvm_tiny_file outputs;
  tvm_tiny_file report;
};

/* Does nothing; its time is the overhead of a measurement. */
static TVM_TINY_NOINLINE int32_t nothing(void) {
  TVM_TINY_KEEP_CALL();
  return 0;
}

/* Measures a call of nothing. */
static TVM_TINY_NOINLINE void measure_nothing(struct tvm_tiny_measurement* result) {
  tvm_tiny_measure(result, nothing);
}

/* Measures an inference. */
static TVM_TINY_NOINLINE void measure_model(struct tvm_tiny_measurement* result) {
  tvm_tiny_measure(result, tvm_tiny_model_run);
}

/* Writes a line with a measurement. */
static void report_measurement(const struct run* run, const char* word,
                               const struct tvm_tiny_measurement* result) {
  struct tvm_tiny_line line;
  tvm_tiny_line_start(&line, word);
  tvm_tiny_line_field(&line, "code", (uint64_t)(uint32_t)result->code);
  tvm_tiny_line_field(&line, "ticks", result->ticks);
  tvm_tiny_line_field(&line, "polls", result->polls);
  tvm_tiny_line_field(&line, "wraps", result->wraps);
  tvm_tiny_line_field(&line, "stack", result->stack);
  tvm_tiny_line_end(&line, run->report);
}

/* Opens all files. */
static int32_t open_files(struct run* run) {
  run->report = tvm_tiny_file_open("report.txt", TVM_TINY_FILE_WRITE);
  run->inputs = tvm_tiny_file_open("inputs.bin", TVM_TINY_FILE_READ);
  run->outputs = tvm_tiny_file_open("outputs.bin", TVM_TINY_FILE_WRITE);
  if (run->report < 0 || run->inputs < 0 || run->outputs < 0) {
    return TVM_TINY_ERROR_FILE_OPEN;
  }
  return TVM_TINY_ERROR_OK;
}

/* Reads the inputs of a sample. */
static int32_t read_inputs(const struct run* run, const struct tvm_tiny_tensor* inputs) {
  uint32_t i;
  for (i = 0; i < TVM_TINY_MODEL_INPUTS; i++) {
    if (tvm_tiny_file_read(run->inputs, inputs[i].data, inputs[i].bytes) != inputs[i].bytes) {
      return TVM_TINY_ERROR_FILE_READ;
    }
  }
  return TVM_TINY_ERROR_OK;
}

/* Writes the outputs of a sample. */
static int32_t write_outputs(const struct run* run, const struct tvm_tiny_tensor* outputs) {
  uint32_t i;
  for (i = 0; i < TVM_TINY_MODEL_OUTPUTS; i++) {
    if (tvm_tiny_file_write(run->outputs, outputs[i].data, outputs[i].bytes) != outputs[i].bytes) {
      return TVM_TINY_ERROR_FILE_WRITE;
    }
  }
  return TVM_TINY_ERROR_OK;
}

/* Runs, measures and reports one inference. */
static int32_t run_sample(const struct run* run, const struct tvm_tiny_tensor* inputs,
                          const struct tvm_tiny_tensor* outputs) {
  struct tvm_tiny_measurement result;
  int32_t code;
  tvm_tiny_model_fill(ARENA_FILL);
  code = tvm_tiny_model_init();
  if (code == TVM_TINY_ERROR_OK) {
    code = read_inputs(run, inputs);
  }
  if (code != TVM_TINY_ERROR_OK) {
    return code;
  }
#ifdef TVM_TINY_BOARD_TRACE
  tvm_tiny_trace(TVM_TINY_TRACE_SAMPLE, "", 0);
#endif
  measure_model(&result);
  if (result.code == TVM_TINY_ERROR_OK && result.stack_available != 0u &&
      result.stack == result.stack_available) {
    result.code = TVM_TINY_ERROR_STACK_OVERFLOW;
  }
  report_measurement(run, "sample", &result);
  if (result.code != TVM_TINY_ERROR_OK) {
    return result.code;
  }
  return write_outputs(run, outputs);
}

/* Runs all samples; their number comes first in the inputs. */
static int32_t run_samples(const struct run* run) {
  struct tvm_tiny_tensor inputs[TVM_TINY_MODEL_INPUTS];
  struct tvm_tiny_tensor outputs[TVM_TINY_MODEL_OUTPUTS];
  struct tvm_tiny_measurement empty;
  uint32_t samples = 0;
  uint32_t i;
  if (tvm_tiny_file_read(run->inputs, &samples, sizeof(samples)) != sizeof(samples)) {
    return TVM_TINY_ERROR_FILE_READ;
  }
  measure_nothing(&empty);
  report_measurement(run, "empty", &empty);
  tvm_tiny_model_bind(inputs, outputs);
  for (i = 0; i < samples; i++) {
    const int32_t code = run_sample(run, inputs, outputs);
    if (code != TVM_TINY_ERROR_OK) {
      return code;
    }
  }
  return TVM_TINY_ERROR_OK;
}

/* Runs all samples and reports the status. */
int main(void) {
  struct run run;
  struct tvm_tiny_line line;
  int32_t code = open_files(&run);
  if (code == TVM_TINY_ERROR_OK) {
    code = run_samples(&run);
  }
  if (run.report >= 0) {
    tvm_tiny_line_start(&line, "end");
    tvm_tiny_line_field(&line, "code", (uint64_t)(uint32_t)code);
    tvm_tiny_line_end(&line, run.report);
  }
  tvm_tiny_file_close(run.outputs);
  tvm_tiny_file_close(run.report);
  tvm_tiny_exit(code == TVM_TINY_ERROR_OK ? TVM_TINY_EXIT_OK : TVM_TINY_EXIT_FAILED);
  return 0;
}
