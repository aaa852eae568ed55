"""Writes a network as a Truecast model folder: its three ONNX graphs and `manifest.json`."""

import hashlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import torch
from torch import Tensor, nn

from .calibrate import calibrate_batch_norm, synthetic_crops
from .graphs import HorizonStep, PlainSequence, Projection
from .networks import HORIZON_FRAMES, FaceSequenceClassifier, ModelSpec, build_model, macs_of, spec_of

#: Taken by PyTorch 1.13 and later, and by every ONNX Runtime Truecast runs on.
OPSET = 17
WINDOW, HOP = HORIZON_FRAMES, 10
GRAPHS = ("backbone", "projection", "horizon")


@dataclass(frozen=True)
class Training:
    """What a manifest says of weights that were trained."""

    #: Whether the weights tell forged from genuine well enough to raise alerts; never true without `accuracy`.
    trained: bool
    #: How and on what, in a sentence or two.
    training: str
    #: Measured figures by name.
    accuracy: Optional[Dict[str, float]] = None
    temperature: float = 1.0
    bias: float = 0.0
    bands: Optional[Dict[str, float]] = None
    licence: str = "Apache-2.0"
    build: Optional[str] = None

    def __post_init__(self) -> None:
        if self.trained and not self.accuracy:
            raise ValueError("a model that is called trained must say how accurate it was measured to be")


UNTRAINED_BANDS = {"uncertain": 0.35, "suspicious": 0.6, "manipulated": 0.8, "hysteresis": 0.05}


class BackboneGraph(nn.Module):
    """`crops [n, size, size, 3]` uint8 -> `features [n, F]`."""

    def __init__(self, model: FaceSequenceClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, crops: Tensor) -> Tensor:
        return self.model.features(crops)


def untrained_model(name: str) -> FaceSequenceClassifier:
    """Seeded weights with calibrated batch norms: the same network at every call."""
    spec = spec_of(name)
    model = build_model(name)
    calibrate_batch_norm(model, synthetic_crops(spec.calibration_batch, spec.size_px, torch.Generator().manual_seed(1)))
    return model


def export_graph(module: nn.Module, inputs: Tuple[Tensor, ...], path: Path, names: Tuple[Tuple[str, ...], Tuple[str, ...]], axes: Dict[str, Dict[int, str]]) -> None:
    options: Dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False  # The tracing exporter gives the same single-file graph on 1.13 and 2.x.
    with torch.no_grad():
        torch.onnx.export(
            module.eval(),
            inputs,
            str(path),
            opset_version=OPSET,
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamic_axes=axes,
            do_constant_folding=True,
            **options,
        )


def export_graphs(model: FaceSequenceClassifier, spec: ModelSpec, out: Path) -> None:
    feature_size, hidden = spec.backbone.feature_size, spec.hidden_size
    crops = torch.zeros(2, spec.size_px, spec.size_px, 3, dtype=torch.uint8)
    export_graph(BackboneGraph(model), (crops,), out / "backbone.onnx", (("crops",), ("features",)), {"crops": {0: "n"}, "features": {0: "n"}})
    export_graph(Projection(model), (torch.zeros(2, feature_size),), out / "projection.onnx", (("features",), ("gates",)), {"features": {0: "m"}, "gates": {0: "m"}})
    state = torch.zeros(2, WINDOW // HOP, hidden)
    per_state = {0: "n", 1: "states"}
    export_graph(
        HorizonStep(model),
        (torch.zeros(2, 4 * hidden), state, state.clone()),
        out / "horizon.onnx",
        (("gates", "h", "c"), ("h_next", "c_next", "score")),
        {"gates": {0: "n"}, **{name: per_state for name in ("h", "c", "h_next", "c_next", "score")}},
    )


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def manifest_of(model: FaceSequenceClassifier, spec: ModelSpec, out: Path, training: Training) -> Dict[str, Any]:
    manifest = {
        "name": spec.name,
        "kind": "cnn-lstm",
        "description": spec.description,
        "licence": training.licence,
        "trained": training.trained,
        "training": training.training,
        "accuracy": training.accuracy,
        "input": {"sizePx": spec.size_px, "colorOrder": "RGB", "normalization": "in-graph", "cropMargin": spec.crop_margin},
        "sampleRateHz": 10,
        "window": WINDOW,
        "hop": HOP,
        "featureSize": spec.backbone.feature_size,
        "hiddenSize": spec.hidden_size,
        "macsPerCrop": macs_of(model, spec.size_px),
        "classes": ["authentic", "manipulated"],
        "calibration": {"temperature": training.temperature, "bias": training.bias},
        "bands": training.bands or UNTRAINED_BANDS,
        "graphs": {name: {"file": f"{name}.onnx", "sha256": sha256_of(out / f"{name}.onnx")} for name in GRAPHS},
    }
    if training.build is not None:
        manifest["build"] = training.build
    return manifest


def export_model(model: FaceSequenceClassifier, spec: ModelSpec, out: Path, training: Training) -> None:
    """Writes the whole folder; the manifest last, so that a broken export never looks complete."""
    out.mkdir(parents=True, exist_ok=True)
    export_graphs(model, spec, out)
    (out / "manifest.json").write_text(json.dumps(manifest_of(model, spec, out, training), indent=2) + "\n", encoding="utf-8")


def export_folder(name: str, out: Path) -> FaceSequenceClassifier:
    """The network with seeded random weights, untrained."""
    model = untrained_model(name)
    training = Training(
        trained=False,
        training="Not trained: seeded random weights with calibrated batch norms. Its scores mean nothing.",
        temperature=1,
        bias=0,
        build=f"PYTHONPATH=models/training python3 -m truecast_training export --model {name} --out models/{name}",
    )
    export_model(model, spec_of(name), out, training)
    return model


def write_reference(model: FaceSequenceClassifier, spec: ModelSpec, frames: int, out: Path) -> None:
    """What PyTorch itself says of one clip, for parity tests: crops, features, and the score after each frame."""
    crops = synthetic_crops(frames, spec.size_px, torch.Generator().manual_seed(2))
    with torch.no_grad():
        features = model.features(crops)
        hidden, _ = model.lstm(features.unsqueeze(0))
        scores = torch.softmax(model.classifier(hidden[0]), 1)[:, 1]
    for name, tensor in (("crops", crops), ("features", features), ("scores", scores)):
        (out / f"{name}.bin").write_bytes(tensor.contiguous().numpy().tobytes())


def write_plain_sequence(model: FaceSequenceClassifier, spec: ModelSpec, out: Path) -> None:
    """`sequence.onnx`, which no manifest names: the LSTM over a whole window as one graph, for benchmarks."""
    features = torch.zeros(2, WINDOW, spec.backbone.feature_size)
    export_graph(PlainSequence(model), (features,), out / "sequence.onnx", (("features",), ("score",)), {"features": {0: "n"}, "score": {0: "n"}})
