"""Random models, random inputs and damaged files for tests; the same seed gives the same bytes.

`random_tflite` and `random_onnx` each offer `OPERATORS`, `random_model(seed)`,
`single_op_model(operator, seed)`, `random_inputs(model, seed, n)` and hypothesis strategies.
`mutate` damages files. Everything is drawn from `draw.Draw`.
"""
