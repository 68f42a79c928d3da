"""Remedies that error messages propose for unsupported operators, one clause a kind."""

from __future__ import annotations

_STATE = (
    "give the model its state as an input and an output, and export the step from one to the "
    "other in supported operators"
)
_STEPS = (
    "export it as a fixed number of steps of matrix products, sigmoid and tanh, its state as an "
    "input and an output"
)
_BRANCHES = "export one branch, or a fixed number of repetitions, without it"
_SHAPE = (
    "the shape of its result depends on the input's values; end the model before it and compute "
    "it in the program"
)
_RANDOM = "its result is random; make that an input of the model"
_SPECTRUM = "compute the spectrum in the program, in front of the model"
_OTHERWISE = (
    "replace it by supported operators (see `tvm-tiny supported-ops`), or compute it in the "
    "program before or behind the model"
)

_REMEDIES: dict[str, str] = {
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _STEPS),
    **dict.fromkeys(("BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN"), _STEPS),
    **dict.fromkeys(("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"), _STEPS),
    **dict.fromkeys(("SVDF", "CALL_ONCE", "ASSIGN_VARIABLE", "READ_VARIABLE"), _STATE),
    **dict.fromkeys(("IF", "WHILE", "If", "Loop", "Scan", "SequenceMap"), _BRANCHES),
    **dict.fromkeys(("Compress", "NonMaxSuppression", "NonZero", "Unique"), _SHAPE),
    **dict.fromkeys(("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"), _SHAPE),
    **dict.fromkeys(("UNIQUE", "WHERE"), _SHAPE),
    **dict.fromkeys(("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"), _RANDOM),
    **dict.fromkeys(("RandomUniform", "RandomUniformLike"), _RANDOM),
    **dict.fromkeys(("MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM"), _RANDOM),
    **dict.fromkeys(("DFT", "STFT", "RFFT2D"), _SPECTRUM),
}
# ONNX operators that TVM's frontend converts to calls from which no C can be generated.
_WITHOUT_C = frozenset({"CumSum", "ScatterElements", "ScatterND", "TopK"})


def refused(operator: str) -> bool:
    """Whether an ONNX operator without a converter is refused before TVM's frontend tries it."""
    return operator in _WITHOUT_C or operator in _REMEDIES


def remedy(operator: str) -> str:
    """The remedy for `operator`, named as in ONNX or TFLite."""
    return _REMEDIES.get(operator, _OTHERWISE)
