"""The access analysis: the elements a row kernel reads and writes, and their order."""
