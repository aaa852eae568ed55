"""Batch-norm statistics for untrained weights, so that activations neither vanish nor blow up through a deep stack."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .networks import FaceSequenceClassifier


def synthetic_crops(count: int, size_px: int, generator: torch.Generator) -> Tensor:
    """Pictures with structure at every scale, uint8 `[count, size, size, 3]`: no data set is needed to export a model."""
    pictures = torch.zeros(count, 3, size_px, size_px)
    for cells in (2, 4, 8, 16, 32, 64):
        noise = torch.randn(count, 3, cells, cells, generator=generator)
        pictures += F.interpolate(noise, size=(size_px, size_px), mode="bilinear", align_corners=False) / cells**0.5
    pixels = (128 + 48 * pictures).clamp(0, 255)
    return pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def calibrate_batch_norm(model: FaceSequenceClassifier, crops: Tensor) -> None:
    """Sets every running mean and variance to those of `crops`, in one pass."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        model.features(crops)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    model.eval()
