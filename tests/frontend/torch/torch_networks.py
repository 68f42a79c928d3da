"""Fifteen small PyTorch networks of everyday kinds, and the shape of their samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from torch_attention import Encoder, PatchEmbedding, mlp_layer_norm
from torch_convolutions import (
    TCN,
    YOLO,
    UNet,
    autoencoder,
    cnn_1d,
    densenet,
    mobilenet_v3,
    plain_cnn,
    resnet_preactivation,
    shufflenet,
)


@dataclass(frozen=True)
class Network:
    """A network, how to build it, and the shape of one of its samples."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]


IMAGE = (3, 24, 24)
NETWORKS = {
    network.name: network
    for network in (
        Network("plain_cnn", plain_cnn, IMAGE),
        Network("cnn_1d", cnn_1d, (4, 64)),
        Network("tcn", TCN, (4, 40)),
        Network("resnet_preactivation", resnet_preactivation, IMAGE),
        Network("mobilenet_v3", mobilenet_v3, IMAGE),
        Network("shufflenet", shufflenet, IMAGE),
        Network("densenet", densenet, IMAGE),
        Network("unet_nearest", lambda: UNet("nearest"), IMAGE),
        Network("unet_bilinear", lambda: UNet("bilinear"), IMAGE),
        Network("unet_transposed", lambda: UNet("transposed"), IMAGE),
        Network("autoencoder", autoencoder, IMAGE),
        Network("yolo", YOLO, IMAGE),
        Network("patch_embedding", PatchEmbedding, IMAGE),
        Network("transformer_encoder", Encoder, (16, 6)),
        Network("mlp_layer_norm", mlp_layer_norm, (20,)),
    )
}
