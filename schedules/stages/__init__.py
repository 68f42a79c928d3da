"""Stages: operators that run row by row, and the order of their events."""
