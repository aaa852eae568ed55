"""Makes forgeries from genuine stills: the layer that a forger would put over the face, and the mask it is put on with.

- `self-blend`: the face over itself with small mismatches (Shiohara & Yamasaki, CVPR 2022).
- `swap`: another person's face, aligned, coloured to match and drawn at a low resolution, as live swaps do.
- `redrawn`: the same with a face that an autoencoder drew.
- `reenact`: the person's own face with mouth and eyes moved, drawn again where they moved.
- `whole`: everything around the face drawn again, as talking-head generators do.

Pictures are float RGB 0..1 `[n, 3, s, s]`, landmarks pixels `[n, 68, 2]`. Everything is drawn from one generator.
"""

from dataclasses import dataclass
from typing import List, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .generator import FaceAutoencoder, redraw
from .geometry import BROWS, EYES, JAW, MOUTH, NOSE, apply, blur, bumps, half_planes, pixel_grid, sample, similarity, smooth_field, warp

KINDS = ("self-blend", "swap", "redrawn", "reenact", "whole")


@dataclass(frozen=True)
class Forgery:
    """What lies over a genuine picture: `picture * (1 - mask) + layer * mask`."""

    layer: Tensor
    mask: Tensor
    kind: str


class Chance:
    """Random numbers for one forgery after the other."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def log_uniform(self, low: float, high: float) -> float:
        return low * (high / low) ** float(torch.rand((), generator=self.generator))

    def happens(self, probability: float) -> bool:
        return float(torch.rand((), generator=self.generator)) < probability

    def choice(self, options: Sequence[str]) -> str:
        return options[int(torch.randint(len(options), (), generator=self.generator))]


def face_side(landmarks: Tensor) -> float:
    """Longer side of the landmarks' box, pixels, of one face `[68, 2]`."""
    return float((landmarks.amax(0) - landmarks.amin(0)).max())


def face_mask(landmarks: Tensor, size_px: int, chance: Chance, region: str = "any") -> Tensor:
    """Soft mask of one face, `[1, 1, s, s]`: hull of a choice of landmarks, deformed, grown or shrunk, with a soft edge."""
    side = face_side(landmarks)
    region = chance.choice(("face", "face", "inner", "forehead")) if region == "any" else region
    points = landmarks
    if region == "inner":
        points = torch.cat([landmarks[list(part)] for part in (BROWS, EYES, NOSE, MOUTH)])
    elif region == "forehead":
        brows = landmarks[list(BROWS)]
        points = torch.cat((landmarks, brows + (brows.mean(0) - landmarks[list(MOUTH)].mean(0)) * chance.uniform(0.2, 0.5)))
    elif region == "mouth":
        points = torch.cat((landmarks[list(MOUTH)], landmarks[list(JAW)][4:13], landmarks[list(NOSE)][5:6]))
    mask = half_planes(points.unsqueeze(0), (size_px, size_px))
    # Deform, then grow or shrink by blurring and cutting at another height.
    field = smooth_field(1, 2, 6, (size_px, size_px), chance.generator).permute(0, 2, 3, 1) * chance.uniform(0, 0.03) * side
    mask = sample(mask, pixel_grid(size_px, size_px).unsqueeze(0) + field)
    mask = (blur(mask, 0.05 * side) > chance.uniform(0.25, 0.8)).to(torch.float32)
    soft = blur(mask, chance.log_uniform(0.008, 0.08) * side) * (1 if chance.happens(0.7) else chance.uniform(0.7, 1))
    return soft.clamp(0, 1)


def match_colour(layer: Tensor, picture: Tensor, mask: Tensor, strength: float) -> Tensor:
    """Mean and spread of each channel under the mask taken from `picture` (Reinhard et al., 2001)."""
    weight = mask / mask.sum().clamp_min(1e-3)
    mean_l, mean_p = (layer * weight).sum((2, 3), keepdim=True), (picture * weight).sum((2, 3), keepdim=True)
    std_l = (((layer - mean_l) ** 2) * weight).sum((2, 3), keepdim=True).sqrt().clamp_min(1e-3)
    std_p = (((picture - mean_p) ** 2) * weight).sum((2, 3), keepdim=True).sqrt()
    matched = (layer - mean_l) * (std_p / std_l).clamp(0.5, 2) + mean_p
    return (layer + strength * (matched - layer)).clamp(0, 1)


def lose_resolution(picture: Tensor, share: float, chance: Chance) -> Tensor:
    """Scaled to `share` of its resolution and back."""
    size = picture.shape[2:]
    small = F.interpolate(picture, scale_factor=share, mode="bilinear", align_corners=False, antialias=True, recompute_scale_factor=True)
    mode = chance.choice(("bilinear", "bicubic", "bicubic"))
    return F.interpolate(small, size=size, mode=mode, align_corners=False).clamp(0, 1)


def sharpen(picture: Tensor, amount: float, sigma: float) -> Tensor:
    return (picture + amount * (picture - blur(picture, sigma))).clamp(0, 1)


def recolour(picture: Tensor, reach: float, chance: Chance) -> Tensor:
    """Brightness, contrast and tint off by up to `reach`."""
    gain = 1 + chance.uniform(-reach, reach)
    tint = torch.tensor([chance.uniform(-reach, reach) / 2 for _ in range(3)]).view(1, 3, 1, 1)
    return ((picture - 0.5) * gain + 0.5 + tint + chance.uniform(-reach, reach) / 2).clamp(0, 1)


def nudge(picture: Tensor, landmarks: Tensor, reach: float, chance: Chance) -> Tensor:
    """Moved, turned and scaled a little about the face: `reach` is a share of its side."""
    side = face_side(landmarks)
    corners = landmarks.unsqueeze(0)
    moved = (corners - corners.mean(1, keepdim=True)) * torch.tensor([1 + chance.uniform(-reach, reach), 1 + chance.uniform(-reach, reach)])
    moved = moved + corners.mean(1, keepdim=True) + side * torch.tensor([chance.uniform(-reach, reach), chance.uniform(-reach, reach)])
    return warp(picture, similarity(corners, moved), tuple(picture.shape[2:]))


def spoil(layer: Tensor, landmarks: Tensor, chance: Chance) -> Tensor:
    """What a generator does to fine structure: low resolution, then perhaps an "enhancer" that sharpens too much."""
    side = face_side(landmarks)
    if chance.happens(0.85):
        layer = lose_resolution(layer, min(1.0, chance.log_uniform(40, 120) / side), chance)
    else:
        layer = blur(layer, chance.log_uniform(0.5, 2))
    return sharpen(layer, chance.uniform(0.3, 1.5), chance.uniform(0.7, 2)) if chance.happens(0.3) else layer


def self_blend(picture: Tensor, landmarks: Tensor, chance: Chance) -> Forgery:
    layer = nudge(recolour(picture, 0.12, chance), landmarks, 0.03, chance)
    if chance.happens(0.75):
        layer = spoil(layer, landmarks, chance) if chance.happens(0.6) else sharpen(layer, chance.uniform(0.5, 2), chance.uniform(0.7, 1.5))
    return Forgery(layer, face_mask(landmarks, picture.shape[2], chance), "self-blend")


def swap(picture: Tensor, landmarks: Tensor, donor: Tensor, donor_landmarks: Tensor, chance: Chance, autoencoders: Sequence[FaceAutoencoder] = ()) -> Forgery:
    """The donor's face where the picture's is; drawn by one of the autoencoders where there are some."""
    layer = warp(donor, similarity(donor_landmarks.unsqueeze(0), landmarks.unsqueeze(0)), tuple(picture.shape[2:]))
    moves = landmarks.unsqueeze(0) - apply(similarity(donor_landmarks.unsqueeze(0), landmarks.unsqueeze(0)), donor_landmarks.unsqueeze(0))
    some = torch.tensor([0, 4, 8, 12, 16, 19, 24, 30, 36, 45, 48, 54, 57])
    side = face_side(landmarks)
    field = bumps(landmarks[some].unsqueeze(0), moves[:, some] * chance.uniform(0.4, 1), torch.tensor([0.16 * side]), tuple(picture.shape[2:]))
    layer = sample(layer, pixel_grid(*picture.shape[2:]).unsqueeze(0) - field)
    if chance.happens(0.4):
        # Swappers keep pose, light and part of the shape: what they draw lies between the two people.
        layer = layer + chance.uniform(0, 0.6) * (picture - layer)
    if autoencoders:
        layer = draw(layer, chance, autoencoders)
    mask = face_mask(landmarks, picture.shape[2], chance)
    layer = match_colour(layer, picture, mask, chance.uniform(0.6, 1))
    layer = recolour(layer, 0.04, chance)
    # Good swappers draw as sharply as the camera: then only what does not belong together tells.
    layer = spoil(layer, landmarks, chance) if chance.happens(0.55) else layer
    return Forgery(layer, mask, "redrawn" if autoencoders else "swap")


def draw(picture: Tensor, chance: Chance, autoencoders: Sequence[FaceAutoencoder]) -> Tensor:
    which = int(torch.randint(len(autoencoders), (), generator=chance.generator))
    drawn = redraw(autoencoders[which], picture, 8 * int(chance.uniform(16, 32)))
    # Good generators are not soft; these small ones are. Some of what they lose comes back.
    detail = chance.uniform(0.2, 1) if chance.happens(0.6) else 0.0
    return (drawn + detail * (picture - blur(picture, chance.uniform(0.8, 3)))).clamp(0, 1)


def reenact(picture: Tensor, landmarks: Tensor, chance: Chance, autoencoders: Sequence[FaceAutoencoder]) -> Forgery:
    """Mouth opened or closed and pulled, eyes narrowed, and what moved drawn again."""
    side = face_side(landmarks)
    mouth, left, right = landmarks[list(MOUTH)].mean(0), landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    centres = torch.stack((mouth + torch.tensor([0.0, 0.06 * side]), mouth - torch.tensor([0.0, 0.04 * side]), landmarks[48], landmarks[54], left, right))
    moves = side * torch.tensor([[chance.uniform(-0.01, 0.01), chance.uniform(-0.03, 0.08)], [0, chance.uniform(-0.02, 0.02)]] + [[chance.uniform(-0.04, 0.04), chance.uniform(-0.04, 0.04)] for _ in range(2)] + [[0, chance.uniform(-0.02, 0.02)] for _ in range(2)])
    field = bumps(centres.unsqueeze(0), moves.unsqueeze(0), torch.tensor([0.09 * side]), tuple(picture.shape[2:]))
    layer = sample(picture, pixel_grid(*picture.shape[2:]).unsqueeze(0) - field)
    layer = draw(layer, chance, autoencoders) if autoencoders and chance.happens(0.6) else spoil(layer, landmarks, chance)
    layer = recolour(layer, 0.04, chance)
    mask = face_mask(landmarks, picture.shape[2], chance, chance.choice(("mouth", "inner", "face")))
    return Forgery(layer, mask, "reenact")


def whole(picture: Tensor, landmarks: Tensor, chance: Chance, autoencoders: Sequence[FaceAutoencoder]) -> Forgery:
    # Always drawn anew where it can be: a picture that only lost resolution is a genuine one that came over a bad line.
    layer = draw(picture, chance, autoencoders) if autoencoders else spoil(picture, landmarks, chance)
    if chance.happens(0.5):
        layer = sharpen(layer, chance.uniform(0.2, 1.2), chance.uniform(0.7, 2))
    return Forgery(layer, torch.ones_like(picture[:, :1]), "whole")


def forge(kind: str, picture: Tensor, landmarks: Tensor, donor: Tensor, donor_landmarks: Tensor, chance: Chance, autoencoders: Sequence[FaceAutoencoder]) -> Forgery:
    """One forgery of one picture `[1, 3, s, s]`, landmarks `[68, 2]`; the donor is another person."""
    if kind == "self-blend":
        return self_blend(picture, landmarks, chance)
    if kind == "swap":
        return swap(picture, landmarks, donor, donor_landmarks, chance)
    if kind == "redrawn":
        return swap(picture, landmarks, donor, donor_landmarks, chance, autoencoders)
    if kind == "reenact":
        return reenact(picture, landmarks, chance, autoencoders)
    if kind == "whole":
        return whole(picture, landmarks, chance, autoencoders)
    raise ValueError(f"no forgery of kind {kind!r}; known: {', '.join(KINDS)}")


def nearest_donors(landmarks: Tensor, of: int, candidates: Sequence[int]) -> List[int]:
    """Candidates by how well their landmarks fit those of face `of` after alignment, best first: a swapper picks its own pose too."""
    chosen = torch.tensor(list(candidates))
    target = landmarks[of].expand(len(chosen), 68, 2)
    moved = apply(similarity(landmarks[chosen], target), landmarks[chosen])
    distance = ((moved - target) ** 2).sum((1, 2))
    return [int(chosen[i]) for i in distance.argsort()]
