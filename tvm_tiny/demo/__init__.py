"""The demo: a small network from training to an emulated board."""
