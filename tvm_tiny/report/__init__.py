"""Reports on compiled models: the numbers, words and pictures of a memory plan."""

from .collect import collect
from .data import Report

__all__ = ["Report", "collect"]
