"""Row kernels of operators as TIR, the analysis of their accesses, and stages."""
