"""ConvertLayout: NCHW (and NCL) data and OIHW kernels become NHWC and OHWI."""

from .layout import ConvertLayout

__all__ = ["ConvertLayout"]
