/*
 * A QEMU plugin: how often each block of code runs, apart for each call that the model's driver
 * makes. Arguments: plan=FILE (read), out=FILE (written).
 *
 * The plan, one word and its hexadecimal numbers a line:
 *   start ADDRESS          the function that runs and measures one inference
 *   sample NUMBER          which inference counts, from 1
 *   driver FIRST END       code of the model's driver
 *   caller FIRST END       code that measures, and calls the driver
 *   interrupt FIRST END    code that may run at any time
 *   entry ADDRESS          of a kernel that the driver calls
 *
 * A block belongs to a context: the driver's own, that of a call (address of the call instruction
 * and of the kernel) until the driver goes on, or that of the caller between two of its calls.
 * What neither is nor calls any of these keeps the context of what ran before it: a kernel's or
 * the driver's library functions.
 *
 * The output: "context NUMBER CALL ENTRY"; "block FIRST LAST" (addresses of instructions) and for
 * each of its contexts "runs NUMBER COUNT JUMPS", of which JUMPS went on elsewhere than behind the
 * block; "done".
 */
#include "plugin_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum region { OTHER, DRIVER, CALLER, INTERRUPT };

/* Contexts. What runs before the first and after the last call of the driver stays UNDECIDED. */
enum { UNDECIDED, IN_CALLER, IN_DRIVER, IN_INTERRUPT, FIRST_CALL };

/* A range of addresses. */
struct range {
  uint64_t first;
  uint64_t end;
  enum region region;
};

/* The context of a call: the addresses of the call instruction and of the kernel. */
struct call {
  uint64_t call;
  uint64_t entry;
};

/* How often a block has run in a context, and how often code elsewhere followed. */
struct count {
  uint64_t runs;
  uint64_t jumps;
};

/* A block of code that QEMU has translated. end: the address behind it; counts: by context. */
struct block {
  uint64_t first;
  uint64_t last;
  uint64_t end;
  enum region region;
  int is_entry;
  size_t contexts;
  struct count* counts;
  struct block* next;
};

TVM_TINY_PLUGIN_EXPORT int qemu_plugin_version = TVM_TINY_PLUGIN_API;

static struct {
  uint64_t start;
  uint64_t sample;
  struct range* ranges;
  size_t range_count;
  uint64_t* entries;
  size_t entry_count;
} plan;

static FILE* out;
static struct block* blocks;
static struct call* calls;
static size_t call_count;

static uint64_t samples;
static int counting;
static int driver_ran;
static size_t context;
static struct block* previous;
static size_t previous_context;

/* ---- Contexts of blocks ---------------------------------------------------------------------- */

/* Makes room for one more element at the end of an array; exits if no memory is left. */
static void* grow(void* array, size_t count, size_t size) {
  void* larger = realloc(array, (count + 1) * size);
  if (larger == NULL) {
    fprintf(stderr, "tvm-tiny profile: out of memory\n");
    exit(EXIT_FAILURE);
  }
  return larger;
}

/* Returns the counts of a block in a context. */
static struct count* count_of(struct block* block, size_t number) {
  while (block->contexts <= number) {
    block->counts = grow(block->counts, block->contexts, sizeof(*block->counts));
    memset(&block->counts[block->contexts++], 0, sizeof(*block->counts));
  }
  return &block->counts[number];
}

/* Gives undecided counts to the caller if it has run between two calls of the driver; else drops
 * them. */
static void decide(int count) {
  struct block* block;
  for (block = blocks; block != NULL; block = block->next) {
    struct count* undecided = count_of(block, UNDECIDED);
    if (count && undecided->runs != 0) {
      struct count* decided = count_of(block, IN_CALLER);
      undecided = count_of(block, UNDECIDED);
      decided->runs += undecided->runs;
      decided->jumps += undecided->jumps;
    }
    undecided->runs = 0;
    undecided->jumps = 0;
  }
}

/* Returns the number of a call's context. */
static size_t context_of_call(uint64_t call, uint64_t entry) {
  size_t k;
  for (k = 0; k < call_count; k++) {
    if (calls[k].call == call && calls[k].entry == entry) {
      return FIRST_CALL + k;
    }
  }
  calls = grow(calls, call_count, sizeof(*calls));
  calls[call_count].call = call;
  calls[call_count].entry = entry;
  return FIRST_CALL + call_count++;
}

/* Returns the context of a block that runs now. */
static size_t next_context(const struct block* block) {
  if (block->region == CALLER) {
    return UNDECIDED;
  }
  if (block->region == DRIVER) {
    if (context == UNDECIDED) {
      decide(driver_ran);
      driver_ran = 1;
    }
    return IN_DRIVER;
  }
  if (context == IN_DRIVER && block->is_entry) {
    return context_of_call(previous->last, block->first);
  }
  return context;
}

/* Begins an inference. */
static void start_sample(void) {
  counting = ++samples == plan.sample;
  driver_ran = 0;
  context = UNDECIDED;
  previous = NULL;
}

/* Returns whether a block follows another one in memory. QEMU 7.2 counts to an instruction at the
 * end of a page the bytes that it has read of the next page, so a block may begin before the end of
 * the one before it. */
static int is_behind(const struct block* block, const struct block* before) {
  return block->first > before->last && block->first <= before->end;
}

/* Counts a block; QEMU calls this before the block runs. */
static void block_runs(unsigned int vcpu, void* data) {
  struct block* block = data;
  (void)vcpu;
  if (block->region == INTERRUPT) {
    count_of(block, IN_INTERRUPT)->runs += (uint64_t)counting;
    return;
  }
  if (block->first == plan.start) {
    start_sample();
  }
  if (!counting) {
    return;
  }
  context = next_context(block);
  if (previous != NULL && !is_behind(block, previous)) {
    count_of(previous, previous_context)->jumps++;
  }
  count_of(block, context)->runs++;
  previous = block;
  previous_context = context;
}

/* ---- Translated code ------------------------------------------------------------------------- */

/* Returns the region of an address. */
static enum region region_of(uint64_t address) {
  size_t k;
  for (k = 0; k < plan.range_count; k++) {
    if (address >= plan.ranges[k].first && address < plan.ranges[k].end) {
      return plan.ranges[k].region;
    }
  }
  return OTHER;
}

/* Returns whether an address is the entry of a kernel. */
static int is_entry(uint64_t address) {
  size_t k;
  for (k = 0; k < plan.entry_count && plan.entries[k] != address; k++) {
  }
  return k < plan.entry_count;
}

/* Takes note of a block. QEMU may translate code more than once; the reader adds the counts. */
static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb* tb) {
  const size_t count = qemu_plugin_tb_n_insns(tb);
  const struct qemu_plugin_insn* last = qemu_plugin_tb_get_insn(tb, count - 1);
  struct block* block = grow(NULL, 0, sizeof(*block));
  (void)id;
  memset(block, 0, sizeof(*block));
  block->first = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
  block->last = qemu_plugin_insn_vaddr(last);
  block->end = block->last + qemu_plugin_insn_size(last);
  block->region = region_of(block->first);
  block->is_entry = is_entry(block->first);
  block->next = blocks;
  blocks = block;
  qemu_plugin_register_vcpu_tb_exec_cb(tb, block_runs, QEMU_PLUGIN_CB_NO_REGS, block);
}

/* ---- Output ---------------------------------------------------------------------------------- */

/* Writes the counts of a block. */
static void write_block(const struct block* block) {
  size_t k;
  fprintf(out, "block %" PRIx64 " %" PRIx64 "\n", block->first, block->last);
  for (k = IN_CALLER; k < block->contexts; k++) {
    if (block->counts[k].runs != 0) {
      fprintf(out, "runs %zx %" PRIx64 " %" PRIx64 "\n", k, block->counts[k].runs,
              block->counts[k].jumps);
    }
  }
}

/* Writes all contexts and counts. */
static void at_exit(qemu_plugin_id_t id, void* data) {
  const struct block* block;
  size_t k;
  (void)id;
  (void)data;
  for (k = 0; k < call_count; k++) {
    fprintf(out, "context %zx %" PRIx64 " %" PRIx64 "\n", FIRST_CALL + k, calls[k].call,
            calls[k].entry);
  }
  for (block = blocks; block != NULL; block = block->next) {
    write_block(block);
  }
  fprintf(out, "done\n");
  fclose(out);
}

/* ---- The plan -------------------------------------------------------------------------------- */

/* Adds a range of addresses to the plan. */
static void add_range(uint64_t first, uint64_t end, enum region region) {
  plan.ranges = grow(plan.ranges, plan.range_count, sizeof(*plan.ranges));
  plan.ranges[plan.range_count].first = first;
  plan.ranges[plan.range_count].end = end;
  plan.ranges[plan.range_count++].region = region;
}

/* Takes one line of the plan. */
static void read_line(const char* word, uint64_t first, uint64_t end) {
  if (strcmp(word, "start") == 0) {
    plan.start = first;
  } else if (strcmp(word, "sample") == 0) {
    plan.sample = first;
  } else if (strcmp(word, "entry") == 0) {
    plan.entries = grow(plan.entries, plan.entry_count, sizeof(*plan.entries));
    plan.entries[plan.entry_count++] = first;
  } else if (strcmp(word, "driver") == 0) {
    add_range(first, end, DRIVER);
  } else if (strcmp(word, "caller") == 0) {
    add_range(first, end, CALLER);
  } else if (strcmp(word, "interrupt") == 0) {
    add_range(first, end, INTERRUPT);
  }
}

/* Reads the plan; returns 0 if there is no such file. */
static int read_plan(const char* path) {
  char line[128];
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    return 0;
  }
  while (fgets(line, sizeof(line), file) != NULL) {
    char word[16];
    uint64_t first = 0;
    uint64_t end = 0;
    if (sscanf(line, "%15s %" SCNx64 " %" SCNx64, word, &first, &end) >= 2) {
      read_line(word, first, end);
    }
  }
  fclose(file);
  return 1;
}

/* Starts the plugin, see plugin_api.h; returns -1 without a plan or an output. */
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t* info, int argc,
                        char** argv) {
  int has_plan = 0;
  int k;
  (void)info;
  for (k = 0; k < argc; k++) {
    if (strncmp(argv[k], "plan=", 5) == 0) {
      has_plan = read_plan(argv[k] + 5);
    } else if (strncmp(argv[k], "out=", 4) == 0) {
      out = fopen(argv[k] + 4, "w");
    }
  }
  if (!has_plan || out == NULL) {
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
  qemu_plugin_register_atexit_cb(id, at_exit, NULL);
  return 0;
}
