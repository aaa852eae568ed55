"""Reads the weights of the face networks that ship inside the npm package @vladmandic/face-api (MIT).

They are stored as TensorFlow.js weight groups: a JSON list of tensors and one file of bytes, most of them quantised to
uint8 with a scale and a minimum. The recognition network is dlib's ResNet (King, 2017; Creative Commons Zero).
"""

import json
from pathlib import Path
from typing import Callable, Dict, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from .networks import IMAGENET_STD, FaceResNet

#: Where npm puts the weights, from the repository's root.
FACE_API_WEIGHTS = Path("node_modules/@vladmandic/face-api/model")
RECOGNITION = "face_recognition_model"


def read_weights(folder: Path, network: str) -> Dict[str, Tensor]:
    """Tensors of `<network>.bin` by name, float32, in TensorFlow's layout (filters are HWIO)."""
    (group,) = json.loads((folder / f"{network}-weights_manifest.json").read_text(encoding="utf-8"))
    data = b"".join((folder / path).read_bytes() for path in group["paths"])
    tensors: Dict[str, Tensor] = {}
    at = 0
    for entry in group["weights"]:
        count = int(np.prod(entry["shape"], dtype=np.int64))
        quantization = entry.get("quantization")
        kind = np.dtype(quantization["dtype"] if quantization else entry["dtype"])
        values = np.frombuffer(data, kind, count, at).astype(np.float32)
        at += count * kind.itemsize
        if quantization:
            values = values * quantization["scale"] + quantization["min"]
        tensors[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    if at != len(data):
        raise ValueError(f"{network}: {len(data)} bytes of weights, but its manifest accounts for {at}")
    return tensors


def filters_of(weights: Dict[str, Tensor], layer: str) -> Tensor:
    """A convolution's weights in PyTorch's layout (OIHW)."""
    return weights[f"{layer}/conv/filters"].permute(3, 2, 0, 1).contiguous()


def start_from_face_api(backbone: FaceResNet, folder: Path, crops: Tensor, prepare: Callable[[Tensor], Tensor]) -> None:
    """Gives `backbone` the weights of face-api's recognition network where it has the same layers.

    dlib's network has a scale and a bias where this one has a batch norm, so each norm takes the statistics of `crops`
    (uint8 `[n, size, size, 3]`, genuine faces) and then scales back: at first the features are dlib's own. The filters on
    the high-pass channels stay as they are. `prepare` normalises crops as the model does.
    """
    weights = read_weights(folder, RECOGNITION)
    layers = [("conv32_down", backbone.conv1, backbone.bn1)]
    names = (("conv32_1", backbone.layer1[0]), ("conv64_down", backbone.layer2[0]), ("conv64_1", backbone.layer2[1]))
    names += (("conv128_down", backbone.layer3[0]), ("conv128_1", backbone.layer3[1]), ("conv256_down", backbone.layer4[0]))
    for name, block in names:
        layers += [(f"{name}/conv1", block.conv1, block.bn1), (f"{name}/conv2", block.conv2, block.bn2)]
    hooks = []
    with torch.no_grad():
        for layer, conv, norm in layers:
            filters = filters_of(weights, layer)
            if conv.weight.shape == filters.shape:
                conv.weight.copy_(filters)
            else:
                # dlib's input is a picture over 256 less its mean; ours is divided by ImageNet's deviation.
                conv.weight[:, :3] = filters * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255 / 256
            scale, offset = weights[f"{layer}/scale/weights"], weights[f"{layer}/scale/biases"] + weights[f"{layer}/scale/weights"] * weights[f"{layer}/conv/bias"]
            hooks.append(norm.register_forward_pre_hook(adopt(scale, offset)))
        backbone.eval()
        backbone(prepare(crops))
    for hook in hooks:
        hook.remove()


def adopt(scale: Tensor, offset: Tensor) -> Callable[[nn.Module, Tuple[Tensor, ...]], None]:
    """A hook that makes a batch norm compute `scale * x + offset` with the statistics of what comes in."""

    def hook(norm: nn.Module, inputs: Tuple[Tensor, ...]) -> None:
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), unbiased=False)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(offset + scale * mean)

    return hook
