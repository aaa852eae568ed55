"""Takes someone else's PyTorch checkpoint of the paper's architecture into a model folder.

Known shapes of name: torchvision's (`layer1.0.conv1.weight`), behind any prefix (`model.`, `backbone.`, `module.`), or
wrapped in `nn.Sequential` as public code of the paper's line does (`model.0.weight` for `conv1`, `model.4` for `layer1`).
"""

import re
from pathlib import Path
from typing import Dict, List, Tuple

import torch
from torch import Tensor, nn

from .networks import FaceSequenceClassifier, ResNeXt, ResNeXt50, ResNeXt101

#: `nn.Sequential(*list(resnext.children())[:-2])` numbers the layers.
SEQUENTIAL = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


class CheckpointMismatch(ValueError):
    """The checkpoint is not of this architecture; the message says where it differs."""


def load_checkpoint(path: Path) -> Dict[str, Tensor]:
    """The state dict of a file, wherever in it (`state_dict`, `model`, `model_state_dict`). Only tensors are unpickled where PyTorch can promise that."""
    try:
        loaded = torch.load(str(path), map_location="cpu", weights_only=True)
    except TypeError:  # PyTorch before 1.13
        loaded = torch.load(str(path), map_location="cpu")
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise CheckpointMismatch(f"{path} holds no state dict: expected a dictionary of tensors by name")
    return loaded


def normalised_names(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Names as `FaceSequenceClassifier` has them: `backbone.*`, `lstm.*`, `classifier.*`."""
    out: Dict[str, Tensor] = {}
    for name, value in state.items():
        short = re.sub(r"^(?:module\.)+", "", name)
        found = re.search(r"(?:^|\.)(lstm\.(?:weight|bias)_[ih]h_l\d+(?:_reverse)?)$", short)
        if found:
            out[found.group(1)] = value
            continue
        found = re.search(r"(?:^|\.)((?:conv1|bn1|layer[1-4])\..+)$", short)
        sequential = re.search(r"(?:^|\.)(?:model|backbone|cnn|features|encoder)\.([014567])\.(.+)$", short)
        if sequential:
            out[f"backbone.{SEQUENTIAL[sequential.group(1)]}.{sequential.group(2)}"] = value
        elif found and not short.startswith("fc."):
            out[f"backbone.{found.group(1)}"] = value
        else:
            found = re.search(r"(?:^|\.)(?:classifier|linear1?|fc|head)(?:\.\d+)?\.(weight|bias)$", short)
            if found:
                out[f"classifier.{found.group(1)}"] = value
    return out


def import_model(path: Path) -> Tuple[FaceSequenceClassifier, str]:
    """The model with the checkpoint's weights, and which backbone it has.

    @raises CheckpointMismatch naming every missing or misshapen tensor (the first ten)
    """
    state = normalised_names(load_checkpoint(path))
    if "backbone.conv1.weight" not in state:
        raise CheckpointMismatch(f"{path}: no backbone found; expected the names of torchvision's resnext101_32x8d or resnext50_32x4d")
    if "lstm.weight_hh_l0" not in state:
        raise CheckpointMismatch(f"{path}: no LSTM found; expected lstm.weight_ih_l0, lstm.weight_hh_l0 and their biases")
    if any(name.endswith("_reverse") for name in state) or "lstm.weight_hh_l1" in state:
        raise CheckpointMismatch(f"{path}: the LSTM must have one layer and one direction")
    deep = "backbone.layer3.22.conv1.weight" in state
    backbone: ResNeXt = ResNeXt101() if deep else ResNeXt50()
    hidden = state["lstm.weight_hh_l0"].shape[1]
    model = FaceSequenceClassifier(backbone, backbone.feature_size, hidden)
    for bias in ("bias_ih_l0", "bias_hh_l0"):
        # An LSTM without biases is one with biases of zero.
        state.setdefault(f"lstm.{bias}", torch.zeros(4 * hidden))
    check_shapes(path, model, state)
    model.load_state_dict(state, strict=False)
    return model.eval(), "resnext101_32x8d" if deep else "resnext50_32x4d"


def check_shapes(path: Path, model: nn.Module, state: Dict[str, Tensor]) -> None:
    wrong: List[str] = []
    for name, mine in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        theirs = state.get(name)
        if theirs is None:
            wrong.append(f"{name} is missing")
        elif theirs.shape != mine.shape:
            wrong.append(f"{name} is {list(theirs.shape)}, not {list(mine.shape)}")
    if wrong:
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise CheckpointMismatch(f"{path} does not fit the architecture: {'; '.join(wrong[:10])}{more}")
