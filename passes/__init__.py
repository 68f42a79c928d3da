"""Relax and TIR passes; `tvm_tiny.transform` exports the public ones."""
