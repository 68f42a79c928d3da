"""Which elements a row kernel reads and writes, and in which order."""
