"""Versions that a compiled model's archive states, and that its readers expect."""

# Version of the Model Library Format, as TVM counts it.
FORMAT_VERSION = 7
# Version of the generated C interface; equals TVM_TINY_ABI_VERSION of runtime_c.
ABI_VERSION = 1
