"""From operators to TIR, and from TIR to C text."""
