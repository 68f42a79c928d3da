"""A small convolutional network, trained in NumPy; all tensors are NCHW and float32.

Two convolutions 3x3 with ReLU and 2x2 max pooling, then one fully connected layer; cross-entropy
loss, Adam (Kingma and Ba, 2015, algorithm 1). The same seed gives the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CHANNELS = (1, 8, 16)
CLASSES = 10
SIZE = 8
EPOCHS = 30
BATCH = 32
LEARNING_RATE = 5e-3
# The opset and IR version that every supported onnxruntime reads.
OPSET, IR_VERSION = 13, 8

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class Network:
    """A network with weights w1 [8,1,3,3], w2 [16,8,3,3], w3 [10,64] and biases b1, b2, b3."""

    parameters: Parameters

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Logits [n, 10] of images [n, 1, 8, 8]."""
        return _forward(self.parameters, images)[0]

    def to_onnx(self) -> Any:
        """The network as an `onnx.ModelProto`, input "image", output "scores"."""
        pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
        nodes = []
        source = "image"
        for layer in "12":
            names = [f"{kind}{layer}" for kind in ("conv", "relu", "pool")]
            weights = [f"w{layer}", f"b{layer}"]
            nodes += [
                helper.make_node("Conv", [source, *weights], names[:1], pads=[1, 1, 1, 1]),
                helper.make_node("Relu", names[:1], names[1:2]),
                helper.make_node("MaxPool", names[1:2], names[2:], **pool),
            ]
            source = names[2]
        nodes.append(helper.make_node("Flatten", [source], ["flat"]))
        nodes.append(helper.make_node("Gemm", ["flat", "w3", "b3"], ["scores"], transB=1))
        shape = (1, CHANNELS[0], SIZE, SIZE)
        graph = helper.make_graph(
            nodes,
            "digits",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, CLASSES))],
            [numpy_helper.from_array(value, name) for name, value in self.parameters.items()],
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)


def train(images: np.ndarray, labels: np.ndarray, seed: int) -> Network:
    """Trains a network on images [n, 1, 8, 8] and labels [n]."""
    random = np.random.default_rng(seed)
    parameters = _initial(random)
    moments = {name: (np.zeros_like(v), np.zeros_like(v)) for name, v in parameters.items()}
    step = 0
    for _ in range(EPOCHS):
        for batch in _batches(len(images), random):
            step += 1
            gradients = _gradients(parameters, images[batch], labels[batch])
            for name, gradient in gradients.items():
                _adam(parameters[name], gradient, moments[name], step)
    return Network(parameters)


def _initial(random: np.random.Generator) -> Parameters:
    """Initial parameters after He: variance 2 / fan-in."""
    pixels = CHANNELS[2] * (SIZE // 4) ** 2
    shapes = {
        "w1": (CHANNELS[1], CHANNELS[0], 3, 3),
        "w2": (CHANNELS[2], CHANNELS[1], 3, 3),
        "w3": (CLASSES, pixels),
    }
    parameters = {}
    for name, shape in shapes.items():
        spread = np.sqrt(2 / np.prod(shape[1:]))
        parameters[name] = (random.standard_normal(shape) * spread).astype(np.float32)
        parameters[f"b{name[1:]}"] = np.zeros(shape[0], np.float32)
    return parameters


def _batches(count: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    order = random.permutation(count)
    for start in range(0, count, BATCH):
        yield order[start : start + BATCH]


def _adam(
    value: np.ndarray, gradient: np.ndarray, moments: tuple[np.ndarray, np.ndarray], step: int
) -> None:
    """One update in place.

    The constants are those of the paper: beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8.
    """
    first, second = moments
    first += 0.1 * (gradient - first)
    second += 0.001 * (gradient * gradient - second)
    unbiased = first / (1 - 0.9**step), second / (1 - 0.999**step)
    value -= LEARNING_RATE * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)


def _forward(p: Parameters, images: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Logits, and intermediate results for the backward pass."""
    kept = []
    x = images
    for layer in "12":
        columns = _columns(x)
        y = columns @ p[f"w{layer}"].reshape(len(p[f"w{layer}"]), -1).T + p[f"b{layer}"]
        y = np.maximum(y, 0).transpose(0, 3, 1, 2)
        pooled = _blocks(y).max(axis=(3, 5))
        kept += [columns, y, pooled]
        x = pooled
    scores: np.ndarray = x.reshape(len(x), -1) @ p["w3"].T + p["b3"]
    return scores, kept


def _columns(x: np.ndarray) -> np.ndarray:
    """The 3x3 neighbourhood of every pixel, [N,C,H,W] -> [N,H,W,C*9], zeros outside."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    n, c, h, w = x.shape
    columns: np.ndarray = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, h, w, c * 9)
    return columns


def _blocks(x: np.ndarray) -> np.ndarray:
    """Blocks of 2x2 pixels: [N,C,H,W] -> [N,C,H/2,2,W/2,2]."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2)


def _gradients(p: Parameters, images: np.ndarray, labels: np.ndarray) -> Parameters:
    """Gradients of the mean cross-entropy."""
    scores, (columns1, y1, pooled1, columns2, y2, pooled2) = _forward(p, images)
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    d = exponents / exponents.sum(axis=1, keepdims=True)
    d[np.arange(len(labels)), labels] -= 1
    d /= len(labels)
    gradients = {"w3": d.T @ pooled2.reshape(len(labels), -1), "b3": d.sum(axis=0)}
    d2 = _unpool((d @ p["w3"]).reshape(pooled2.shape), y2, pooled2)
    gradients["w2"], gradients["b2"] = _weight_gradients(d2, columns2, p["w2"])
    d1 = _unpool(_input_gradient(d2, p["w2"]), y1, pooled1)
    gradients["w1"], gradients["b1"] = _weight_gradients(d1, columns1, p["w1"])
    return gradients


def _unpool(d: np.ndarray, y: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """The gradient before max pooling and ReLU; equal maxima share it."""
    largest = _blocks(y) == pooled[:, :, :, None, :, None]
    share = largest / largest.sum(axis=(3, 5), keepdims=True)
    spread = (share * d[:, :, :, None, :, None]).reshape(y.shape)
    return np.asarray(spread * (y > 0), np.float32)


def _weight_gradients(
    d: np.ndarray, columns: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    rows = d.transpose(0, 2, 3, 1).reshape(-1, d.shape[1])
    gradient: np.ndarray = rows.T @ columns.reshape(len(rows), -1)
    return gradient.reshape(weights.shape), rows.sum(axis=0)


def _input_gradient(d: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The gradient of a convolution's input.

    It is a convolution with mirrored kernels, whose inputs and outputs are exchanged.
    """
    mirrored = weights[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    back = _columns(d) @ mirrored.reshape(len(mirrored), -1).T
    return np.asarray(back.transpose(0, 3, 1, 2), np.float32)
