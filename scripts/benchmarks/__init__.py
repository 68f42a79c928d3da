"""Counts instructions of real models, and compares with earlier counts and other engines.

scripts/bench runs it; docs/benchmarks.md describes the conditions.
"""
