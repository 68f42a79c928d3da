"""Instructions of each operator, counted by the emulator or by a timer."""
