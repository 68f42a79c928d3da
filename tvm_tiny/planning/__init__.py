"""Where tensors lie and in what order operators run."""
