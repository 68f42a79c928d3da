"""The Model Library Format: what an archive holds, and reading it."""
