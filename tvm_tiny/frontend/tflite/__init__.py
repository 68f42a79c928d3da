"""TFLite models are imported into the QDQ Relax form by `from_tflite`."""

from .convert import from_tflite

__all__ = ["from_tflite"]
