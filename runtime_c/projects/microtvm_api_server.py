"""Serves microTVM's Project API for the folder this file is in; Python needs tvm-tiny."""

import sys

from tvm_tiny.micro.project_api import main

if __name__ == "__main__":
    sys.exit(main(__file__))
