/* Vector table, start-up and fault reporting of every Cortex-M board. */
#include "files.h"
#include "platform.h"
#include "report.h"

#define CPACR (*(volatile uint32_t*)(uintptr_t)0xe000ed88u)
#define CFSR (*(volatile uint32_t*)(uintptr_t)0xe000ed28u)
#define CPACR_CP10_CP11_FULL (0xfu << 20)

/* Words of the frame an exception pushes: r0-r3, r12, lr, pc, xpsr. */
enum { FRAME_LR = 5, FRAME_PC = 6, FRAME_BYTES = 32 };

extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_load[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];

volatile uint32_t tvm_tiny_systick_wraps;

int main(void);
void tvm_tiny_reset(void);
void tvm_tiny_fault(const uint32_t* frame);
void tvm_tiny_fault_entry(void);
void tvm_tiny_systick_handler(void);

void tvm_tiny_systick_handler(void) { tvm_tiny_systick_wraps++; }

static TVM_TINY_NOINLINE void start(void) {
  const uint32_t* from = __data_load;
  uint32_t* to;
  for (to = __data_start; to < __data_end; to++) {
    *to = *from++;
  }
  for (to = __bss_start; to < __bss_end; to++) {
    *to = 0;
  }
  tvm_tiny_exit(main());
}

/* `start` is a function of its own, so that not even its prologue uses vector registers before
 * they are enabled. */
void tvm_tiny_reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  CPACR |= CPACR_CP10_CP11_FULL;
  __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
  start();
}

/* Writes fault.txt. A frame outside RAM means that the stack itself was lost. */
void tvm_tiny_fault(const uint32_t* frame) {
  struct tvm_tiny_line line;
  const tvm_tiny_file file = tvm_tiny_file_open("fault.txt", TVM_TINY_FILE_WRITE);
  tvm_tiny_line_start(&line, "fault");
  if ((uintptr_t)frame >= (uintptr_t)__ram_start &&
      (uintptr_t)frame <= (uintptr_t)__stack_top - FRAME_BYTES) {
    tvm_tiny_line_field(&line, "pc", frame[FRAME_PC]);
    tvm_tiny_line_field(&line, "lr", frame[FRAME_LR]);
  }
#if __ARM_ARCH >= 7
  tvm_tiny_line_field(&line, "cause", CFSR);
#endif
  tvm_tiny_line_end(&line, file);
  tvm_tiny_file_close(file);
  tvm_tiny_exit(TVM_TINY_EXIT_FAULT);
}

/* Passes on the stack pointer of the code that failed, and takes a fresh stack. */
__attribute__((naked)) void tvm_tiny_fault_entry(void) {
  __asm__ volatile(
      ".syntax unified\n\t"
      "mov r0, sp\n\t"
      "ldr r1, 1f\n\t"
      "mov sp, r1\n\t"
      "ldr r1, 2f\n\t"
      "bx r1\n\t"
      ".balign 4\n"
      "1: .word __stack_top\n"
      "2: .word tvm_tiny_fault\n");
}

struct vectors {
  const void* stack;
  void (*handlers[15])(void);
};

extern const struct vectors tvm_tiny_vectors;

/* Handlers 1..15 of the architecture; a reserved entry is never taken. Interrupts stay off. */
__attribute__((section(".vectors"), used)) const struct vectors tvm_tiny_vectors = {
    __stack_top,
    {tvm_tiny_reset, tvm_tiny_fault_entry, tvm_tiny_fault_entry, tvm_tiny_fault_entry,
     tvm_tiny_fault_entry, tvm_tiny_fault_entry, tvm_tiny_fault_entry, tvm_tiny_fault_entry,
     tvm_tiny_fault_entry, tvm_tiny_fault_entry, tvm_tiny_fault_entry, tvm_tiny_fault_entry,
     tvm_tiny_fault_entry, tvm_tiny_fault_entry, tvm_tiny_systick_handler}};
