"""Versions that a compiled model's archive states, and that its readers expect."""

# The Model Library Format's, as TVM counts it.
FORMAT_VERSION = 7
# The generated C interface's; equals TVM_TINY_ABI_VERSION of runtime_c.
ABI_VERSION = 1
