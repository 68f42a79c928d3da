"""Counts instructions of the real models, and compares them with earlier ones and other engines.

Run by scripts/bench; docs/benchmarks.md says under which conditions.
"""
