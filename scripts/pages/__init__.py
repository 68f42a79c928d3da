"""Generates documents and pictures from the code, so that they stay current."""
