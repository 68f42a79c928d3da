"""Serves microTVM's Project API for the folder this file is in; Python needs tvm-tiny."""

import sys

try:
    from tvm_tiny.micro.project_api import main
except ImportError as error:
    sys.exit(f"error: {sys.executable} cannot import tvm_tiny ({error}): pip install tvm-tiny")

if __name__ == "__main__":
    sys.exit(main(__file__))
