"""TFLite models to the QDQ Relax form: `from_tflite`."""

from .convert import from_tflite

__all__ = ["from_tflite"]
