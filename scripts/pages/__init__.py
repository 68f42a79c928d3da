"""Documents and pictures that are made from the code, so that they cannot go stale."""
