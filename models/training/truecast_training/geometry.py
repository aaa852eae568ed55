"""Geometry of faces on batches of pictures: landmarks, masks, warps. Pictures are float `[n, c, h, w]`, points pixels `[n, k, 2]` as (x, y)."""

from typing import Tuple

import torch
from torch import Tensor
from torch.nn import functional as F

#: Points of the iBUG 300-W markup.
JAW, BROWS, NOSE, EYES, MOUTH = range(0, 17), range(17, 27), range(27, 36), range(36, 48), range(48, 68)


def pixel_grid(height: int, width: int, device: torch.device = torch.device("cpu")) -> Tensor:
    """Centre of every pixel, `[h, w, 2]`."""
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack((x, y), 2).to(torch.float32)


def sample(pictures: Tensor, at: Tensor, padding: str = "border") -> Tensor:
    """Bilinear samples of `pictures` at pixel positions `at [n, h, w, 2]`."""
    height, width = pictures.shape[2:]
    scale = torch.tensor([2 / max(1, width - 1), 2 / max(1, height - 1)], device=at.device)
    return F.grid_sample(pictures, at * scale - 1, mode="bilinear", padding_mode=padding, align_corners=True)


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """Least-squares similarity that takes points `source` to `target`, `[n, k, 2]` each -> `[n, 2, 3]` (Umeyama, 1991, without mirroring)."""
    source_mean, target_mean = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
    p, q = source - source_mean, target - target_mean
    norm = (p**2).sum((1, 2)).clamp_min(1e-6)
    a = (p * q).sum((1, 2)) / norm
    b = (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]).sum(1) / norm
    linear = torch.stack((torch.stack((a, -b), 1), torch.stack((b, a), 1)), 1)
    return torch.cat((linear, target_mean.transpose(1, 2) - linear @ source_mean.transpose(1, 2)), 2)


def similarity_of(scale: Tensor, angle: Tensor, shift: Tensor, centre: Tensor) -> Tensor:
    """Scaling and turning about `centre [n, 2]`, then `shift [n, 2]` -> `[n, 2, 3]`."""
    a, b = scale * torch.cos(angle), scale * torch.sin(angle)
    linear = torch.stack((torch.stack((a, -b), 1), torch.stack((b, a), 1)), 1)
    return torch.cat((linear, (centre + shift).unsqueeze(2) - linear @ centre.unsqueeze(2)), 2)


def invert(transform: Tensor) -> Tensor:
    """Inverse of `[n, 2, 3]`."""
    linear = torch.linalg.inv(transform[:, :, :2])
    return torch.cat((linear, -linear @ transform[:, :, 2:]), 2)


def apply(transform: Tensor, points: Tensor) -> Tensor:
    """`[n, 2, 3]` on points `[n, ..., 2]`."""
    flat = points.flatten(1, -2) if points.dim() > 2 else points.unsqueeze(1)
    moved = flat @ transform[:, :, :2].transpose(1, 2) + transform[:, :, 2].unsqueeze(1)
    return moved.view(points.shape)


def warp(pictures: Tensor, transform: Tensor, size: Tuple[int, int]) -> Tensor:
    """Pictures moved by `transform` (from picture to output), `[n, c, *size]`."""
    grid = pixel_grid(*size, device=pictures.device).expand(len(pictures), *size, 2)
    return sample(pictures, apply(invert(transform), grid))


def half_planes(points: Tensor, size: Tuple[int, int], directions: int = 24) -> Tensor:
    """Convex hull of `points [n, k, 2]` as a mask of 0 and 1, `[n, 1, *size]`: the meet of supporting half planes."""
    angle = torch.arange(directions, device=points.device) * (2 * torch.pi / directions)
    normal = torch.stack((torch.cos(angle), torch.sin(angle)), 1)
    reach = (points @ normal.T).amax(1)
    inside = pixel_grid(*size, device=points.device) @ normal.T <= reach[:, None, None]
    return inside.all(3).to(torch.float32).unsqueeze(1)


def blur(pictures: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, edges repeated."""
    if sigma < 0.2:
        return pictures
    radius = max(1, int(3 * sigma + 0.5))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=pictures.device) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    # Shifted sums: several times faster on a CPU than a convolution of one channel each.
    weights = kernel.tolist()
    for axis, size in ((2, pictures.shape[2]), (3, pictures.shape[3])):
        padded = F.pad(pictures, (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0), mode="replicate")
        pictures = padded.narrow(axis, 0, size) * weights[0]
        for k in range(1, 2 * radius + 1):
            pictures.add_(padded.narrow(axis, k, size), alpha=weights[k])
    return pictures


def smooth_field(count: int, channels: int, cells: int, size: Tuple[int, int], generator: torch.Generator) -> Tensor:
    """Random numbers of unit variance on a coarse lattice, made smooth, `[count, channels, *size]`."""
    lattice = torch.randn(count, channels, cells, cells, generator=generator)
    return F.interpolate(lattice, size=size, mode="bicubic", align_corners=True)


def bumps(centres: Tensor, moves: Tensor, radius: Tensor, size: Tuple[int, int]) -> Tensor:
    """Sum of Gaussian bumps of displacement: at `centres [n, k, 2]` by `moves [n, k, 2]`, `radius [n]` pixels wide -> `[n, h, w, 2]`."""
    grid = pixel_grid(*size, device=centres.device)
    field = torch.zeros(len(centres), *size, 2, device=centres.device)
    for k in range(centres.shape[1]):
        distance = ((grid - centres[:, k, None, None]) ** 2).sum(3)
        field += torch.exp(-0.5 * distance / radius.view(-1, 1, 1) ** 2).unsqueeze(3) * moves[:, k, None, None]
    return field
