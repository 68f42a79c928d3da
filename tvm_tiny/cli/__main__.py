"""`python -m tvm_tiny.cli`: the command line where the console script is not on PATH."""

import sys

from .app import main

sys.exit(main())
