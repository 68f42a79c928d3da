/* Start-up and fault reporting of RISC-V boards in machine mode. */
#include "files.h"
#include "platform.h"
#include "report.h"

extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_load[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];

int main(void);
void tvm_tiny_reset(void);
void tvm_tiny_start(void);
void tvm_tiny_fault(void);
void tvm_tiny_fault_entry(void);

void tvm_tiny_start(void) {
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

/* Writes fault.txt from mepc and mcause. */
void tvm_tiny_fault(void) {
  struct tvm_tiny_line line;
  uint32_t pc;
  uint32_t cause;
  const tvm_tiny_file file = tvm_tiny_file_open("fault.txt", TVM_TINY_FILE_WRITE);
  TVM_TINY_READ_CSR("mepc", pc);
  TVM_TINY_READ_CSR("mcause", cause);
  tvm_tiny_line_start(&line, "fault");
  tvm_tiny_line_field(&line, "pc", pc);
  tvm_tiny_line_field(&line, "cause", cause);
  tvm_tiny_line_end(&line, file);
  tvm_tiny_file_close(file);
  tvm_tiny_exit(TVM_TINY_EXIT_FAULT);
}

/* mtvec wants an address of which the two lowest bits are 0. */
__attribute__((naked, aligned(4))) void tvm_tiny_fault_entry(void) {
  __asm__ volatile(
      "la sp, __stack_top\n\t"
      "tail tvm_tiny_fault");
}

/* The reset address of QEMU's virt board is the start of its memory: section .vectors. */
__attribute__((naked, used, section(".vectors"))) void tvm_tiny_reset(void) {
  __asm__ volatile(
      ".option push\n\t"
      ".option norelax\n\t"
      ".option arch, +zicsr\n\t"
      "la gp, __global_pointer$\n\t"
      "la sp, __stack_top\n\t"
      "la t0, tvm_tiny_fault_entry\n\t"
      "csrw mtvec, t0\n\t"
      "tail tvm_tiny_start\n\t"
      ".option pop");
}
