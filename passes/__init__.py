"""Relax and TIR passes; the public ones are re-exported by tvm_tiny.transform."""
