"""CIELAB (D65) and back: colours as people tell them apart. Pictures are float sRGB 0..1 `[n, 3, h, w]`."""

from typing import Tuple

import torch
from torch import Tensor

RGB_TO_XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = torch.tensor([0.9505, 1.0, 1.0891]).view(1, 3, 1, 1)


def to_lab(rgb: Tensor) -> Tensor:
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp_min(0) + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,njhw->nihw", RGB_TO_XYZ, linear) / WHITE
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack((116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])), 1)


def to_rgb(lab: Tensor) -> Tensor:
    y = (lab[:, 0] + 16) / 116
    f = torch.stack((y + lab[:, 1] / 500, y, y - lab[:, 2] / 200), 1)
    xyz = torch.where(f > 0.2069, f**3, (f - 16 / 116) / 7.787) * WHITE
    linear = torch.einsum("ij,njhw->nihw", torch.linalg.inv(RGB_TO_XYZ), xyz).clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-6) ** (1 / 2.4) - 0.055).clamp(0, 1)


def moments_of(lab: Tensor, solid: Tensor) -> Tuple[Tensor, Tensor]:
    weight = solid / solid.sum().clamp_min(1)
    mean = (lab * weight).sum((0, 2, 3))
    return mean, (((lab - mean.view(1, 3, 1, 1)) ** 2) * weight).sum((0, 2, 3)).sqrt().clamp_min(1)
