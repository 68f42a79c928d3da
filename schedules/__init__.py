"""TIR row kernels and schedules, one operator family a file."""
