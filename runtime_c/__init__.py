"""The C that ships with a model; data, not code: read with importlib.resources."""
