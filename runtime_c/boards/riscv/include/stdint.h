/* gcc's own <stdint.h> looks for a C library's; without one this is its stand-alone twin. */
#ifndef TVM_TINY_BOARDS_RISCV_STDINT_H
#define TVM_TINY_BOARDS_RISCV_STDINT_H

#include <stdint-gcc.h>

#endif /* TVM_TINY_BOARDS_RISCV_STDINT_H */
