"""The demonstration: from training to an emulated microcontroller."""
