"""TIR row kernels and schedules, one folder an instruction set, one file an operator family."""
