"""The version, in one place; read by pyproject.toml without importing TVM."""

__version__ = "0.1.0"
