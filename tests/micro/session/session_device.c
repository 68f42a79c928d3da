/* A device for the tests, as a library: a session with two models that are sums of all their
 * inputs, and that share an arena and spoil it, as real ones do. */
#include <string.h>

#include "tvm_tiny/session.h"

#define SENT 65536u
#define FIRST 700u
#define SECOND 64u
#define OUTPUT 300u
#define ROW 40u
#define ROWS 10u

static uint8_t arena[FIRST + SECOND];
static uint8_t sent[SENT];
static uint32_t sent_bytes;
static uint32_t sum;
static uint32_t rows;
static uint32_t now;
static struct tvm_tiny_session session;

static struct tvm_tiny_session_memory memory_at(uint8_t* data, uint32_t bytes) {
  struct tvm_tiny_session_memory memory;
  memory.data = data;
  memory.bytes = bytes;
  return memory;
}

/* FNV-1a. */
static void add(const uint8_t* bytes, uint32_t count) {
  while (count-- > 0u) {
    sum = (sum ^ *bytes++) * 16777619u;
  }
}

static void expand(uint8_t* output, uint32_t bytes) {
  uint32_t i;
  for (i = 0; i < bytes; i++) {
    sum = sum * 1664525u + 1013904223u;
    output[i] = (uint8_t)(sum >> 24);
  }
}

static struct tvm_tiny_session_memory whole(uint32_t index) {
  (void)index;
  return memory_at(arena, sizeof(arena));
}

static struct tvm_tiny_session_memory sums_input(uint32_t index) {
  return index == 0u ? memory_at(arena, FIRST) : memory_at(&arena[FIRST], SECOND);
}

static struct tvm_tiny_session_memory sums_output(uint32_t index) {
  (void)index;
  return memory_at(&arena[100], OUTPUT);
}

static int32_t sums_run(void) {
  sum = 2166136261u;
  add(arena, sizeof(arena));
  memset(arena, 0xee, sizeof(arena));
  expand(&arena[100], OUTPUT);
  now += 1000u;
  return 0;
}

static struct tvm_tiny_session_memory rows_input(uint32_t index) {
  (void)index;
  return memory_at(&arena[rows % 2u * ROW], ROW);
}

static struct tvm_tiny_session_memory rows_output(uint32_t index) {
  (void)index;
  return memory_at(arena, 8);
}

static int32_t rows_begin(void) {
  sum = 2166136261u;
  rows = 0;
  return 0;
}

static int32_t rows_push(const void* row) {
  add((const uint8_t*)row, ROW);
  rows++;
  now += 10u;
  if (rows == ROWS) {
    expand(arena, 8);
  }
  return rows > ROWS ? TVM_TINY_ERROR_INPUT_COMPLETE : TVM_TINY_ERROR_OK;
}

static int32_t fails_run(void) { return TVM_TINY_ERROR_KERNEL; }

#ifndef MLF
#define MLF "7"
#endif

#define DESCRIBE(name, inputs, outputs)                                                     \
  "{\"mlf\":" MLF ",\"abi\":1,\"name\":\"" name "\",\"target\":\"host\",\"arena\":764,"        \
  "\"inputs\":[" inputs "],\"outputs\":[" outputs "]}"

static const char sums_text[] = DESCRIBE(
    "sums",
    "{\"name\":\"a\",\"dtype\":\"uint8\",\"shape\":[7,100]},"
    "{\"name\":\"b\",\"dtype\":\"int32\",\"shape\":[16]}",
    "{\"name\":\"y\",\"dtype\":\"uint8\",\"shape\":[300]}");
static const char rows_text[] =
    DESCRIBE("rows", "{\"name\":\"x\",\"dtype\":\"int8\",\"shape\":[1,10,40]}",
             "{\"name\":\"y\",\"dtype\":\"int8\",\"shape\":[8]}");
static const char fails_text[] =
    DESCRIBE("fails", "{\"name\":\"a\",\"dtype\":\"uint8\",\"shape\":[700]},"
             "{\"name\":\"b\",\"dtype\":\"uint8\",\"shape\":[64]}", "");

static const struct tvm_tiny_session_model sums_model = {
    sums_text, sizeof(sums_text) - 1u, 1, 2, 1, 0, 0, whole, sums_input, sums_output,
    0,         0,                      0, sums_run};
static const struct tvm_tiny_session_model rows_model = {
    rows_text,  sizeof(rows_text) - 1u, 1,    1, 1, 0, 0, whole, rows_input, rows_output,
    rows_begin, rows_push,              ROWS, 0};
static const struct tvm_tiny_session_model fails_model = {
    fails_text, sizeof(fails_text) - 1u, 1, 2, 0, 0, 0, whole, sums_input, 0,
    0,          0,                       0, fails_run};
static const struct tvm_tiny_session_model* const models[] = {&sums_model, &rows_model,
                                                              &fails_model};

static void send(void* context, const uint8_t* data, uint32_t bytes) {
  (void)context;
  if (bytes <= SENT - sent_bytes) {
    memcpy(&sent[sent_bytes], data, bytes);
    sent_bytes += bytes;
  }
}

static uint32_t ticks(void* context) {
  (void)context;
  return now;
}

void device_reset(void);
void device_feed(const uint8_t* data, uint32_t bytes);
uint32_t device_take(uint8_t* data);

static void reset(void* context) {
  (void)context;
  device_reset();
}

static const struct tvm_tiny_session_port port = {0, 0, send, ticks, 1000, reset, 0};

/* Memory is as after power came back: anything. */
void device_reset(void) {
  memset(arena, 0x55, sizeof(arena));
  memset(&session, 0xaa, sizeof(session));
  sum = 0;
  rows = 99;
  tvm_tiny_session_init(&session, &port, models, 3);
}

void device_feed(const uint8_t* data, uint32_t bytes) {
  tvm_tiny_session_feed(&session, data, bytes);
}

/* What has been sent since the last call; at most 65536 bytes. */
uint32_t device_take(uint8_t* data) {
  const uint32_t bytes = sent_bytes;
  memcpy(data, sent, bytes);
  sent_bytes = 0;
  return bytes;
}
