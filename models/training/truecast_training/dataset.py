"""Reads shards as batches: crops of frames for the backbone, whole clips for the LSTM."""

import math
from pathlib import Path
from typing import Iterator, List, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .forgeries import Chance
from .geometry import pixel_grid, sample
from .retouch import coloured_light, draw_grade


class Shards:
    """The shards of one folder that are there now, kept in memory once read (a crop is 37 kB at 112 pixels)."""

    def __init__(self, folder: Path, limit: int = 0) -> None:
        self.folder, self.limit = folder, limit
        self.read: List[Path] = []
        self.crops: List[np.ndarray] = []
        self.masks: List[np.ndarray] = []
        self.labels: List[np.ndarray] = []
        self.kinds: List[np.ndarray] = []

    def refresh(self) -> int:
        """Reads shards that came since the last call: preparation may go on while training runs. Gives the number of clips."""
        paths = sorted(path for path in self.folder.glob("[0-9]*.npz") if not path.name.endswith(".part.npz"))
        for path in paths[: self.limit or None]:
            if path in self.read:
                continue
            with np.load(str(path)) as shard:
                self.crops += list(shard["crops"])
                self.masks += list(shard["masks"])
                self.labels += list(shard["labels"])
                self.kinds += list(shard["kinds"])
            self.read.append(path)
        return len(self.crops)

    def __len__(self) -> int:
        return len(self.crops)


def frame_batches(shards: Shards, batch: int, generator: torch.Generator) -> Iterator[Tuple[Tensor, Tensor, Tensor]]:
    """One pass, one frame of every clip: crops `[n, s, s, 3]` uint8, masks `[n, s/4, s/4]` 0..1, labels `[n]`.

    A genuine clip and its forged twin lie next to each other in a batch, so that nothing but the forgery tells them apart."""
    pairs = torch.randperm(len(shards) // 2, generator=generator).tolist()
    for at in range(0, len(pairs) - batch // 2 + 1, batch // 2):
        clips = [clip for pair in pairs[at : at + batch // 2] for clip in (2 * pair, 2 * pair + 1)]
        frame = torch.randint(shards.crops[0].shape[0], (len(clips) // 2,), generator=generator).repeat_interleave(2).tolist()
        crops = torch.from_numpy(np.stack([shards.crops[c][f] for c, f in zip(clips, frame)]))
        masks = torch.from_numpy(np.stack([shards.masks[c][f] for c, f in zip(clips, frame)])).to(torch.float32) / 255
        labels = torch.tensor([int(shards.labels[c]) for c in clips])
        yield crops, masks, labels


def augment(crops: Tensor, masks: Tensor, generator: torch.Generator, tilt: float = 0.0, relit: float = 0.0) -> Tuple[Tensor, Tensor]:
    """The same for both of a pair: a cut edge, mirror, a head held aslant, brightness, contrast, saturation, sometimes a strong look or coloured light, sometimes a little less quality."""
    pairs = len(crops) // 2

    def draw(low: float, high: float) -> Tensor:
        values = low + (high - low) * torch.rand(pairs, generator=generator)
        return values.repeat_interleave(2).view(-1, 1, 1, 1).to(crops.device)

    crops, masks = repeat_edges(crops, masks, generator)
    for pair in torch.nonzero(torch.rand(pairs, generator=generator) < 0.5).flatten().tolist():
        of = slice(2 * pair, 2 * pair + 2)
        crops[of], masks[of] = crops[of].flip(2), masks[of].flip(2)
    x, masks = tilted(crops.to(torch.float32), masks, generator, tilt)
    # About the grey of each pixel, then about middle grey.
    grey, saturation, contrast = x.mean(3, keepdim=True), draw(0.5, 1.3), draw(0.8, 1.2)
    x = x.mul_(saturation * contrast).add_(grey * ((1 - saturation) * contrast)).add_(128 * (1 - contrast) + draw(-25, 25))
    return degrade(relight(x, generator, relit), generator), masks


def tilted(x: Tensor, masks: Tensor, generator: torch.Generator, probability: float, reach: float = 0.7) -> Tuple[Tensor, Tensor]:
    """Some pairs hold their heads aslant, up to `reach` radians, and bowed or turned, which narrows them. Portraits to train on
    are upright; people before a camera are not. Float `[n, s, s, 3]` and masks `[n, s/k, s/k]`."""
    size, scale = x.shape[1], x.shape[1] // masks.shape[1]
    for pair in torch.nonzero(torch.rand(len(x) // 2, generator=generator) < probability).flatten().tolist():
        of = slice(2 * pair, 2 * pair + 2)
        angle, width, height = (torch.rand(3, generator=generator) * torch.tensor([2 * reach, 0.25, 0.25]) + torch.tensor([-reach, 0.85, 0.85])).tolist()
        cos, sin = math.cos(angle), math.sin(angle)
        linear = torch.tensor([[cos / width, sin / height], [-sin / width, cos / height]], device=x.device)
        for tensor, middle in ((x, (size - 1) / 2), (masks, (size / scale - 1) / 2)):
            grid = (pixel_grid(tensor.shape[1], tensor.shape[1], x.device) - middle) @ linear.T + middle
            pictures = x[of].permute(0, 3, 1, 2) if tensor is x else masks[of].unsqueeze(1)
            moved = sample(pictures, grid.expand(2, -1, -1, -1), "border" if tensor is x else "zeros")
            tensor[of] = moved.permute(0, 2, 3, 1) if tensor is x else moved[:, 0]
    return x, masks


def relight(x: Tensor, generator: torch.Generator, probability: float) -> Tensor:
    """Some pairs get a strong look or coloured light: shards are few, looks are many. Float 0..255 `[n, s, s, 3]`."""
    chance = Chance(generator)
    for pair in range(len(x) // 2):
        looks = chance.happens(probability), chance.happens(probability)
        if any(looks):
            part = x[2 * pair : 2 * pair + 2]
            pictures = part.permute(0, 3, 1, 2).div(255).clamp(0, 1)
            if looks[0]:
                pictures = pictures * coloured_light(x.shape[1], chance).to(x.device)
            if looks[1]:
                pictures = draw_grade(chance).on(pictures)
            part.copy_(pictures.permute(0, 2, 3, 1) * 255)
    return x


def degrade(x: Tensor, generator: torch.Generator) -> Tensor:
    """What a player, a capture or one more encoder takes away: some pairs lose resolution, some gain noise. Float 0..255
    `[n, s, s, 3]` -> uint8."""
    pairs, size = len(x) // 2, x.shape[1]
    for pair in torch.nonzero(torch.rand(pairs, generator=generator) < 0.2).flatten().tolist():
        of = slice(2 * pair, 2 * pair + 2)
        side = int(size * (0.5 + 0.4 * float(torch.rand((), generator=generator))))
        small = F.interpolate(x[of].permute(0, 3, 1, 2), size=(side, side), mode="bilinear", align_corners=False, antialias=True)
        x[of] = F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    noise = (6 * (torch.rand(pairs, generator=generator) - 0.6).clamp_min(0) / 0.4).repeat_interleave(2).view(-1, 1, 1, 1)
    x = x.add_(noise.to(x.device) * torch.randn(1, size, size, 1, generator=generator).to(x.device))
    return x.add_(0.5).clamp_(0, 255).to(torch.uint8)


def repeat_edges(crops: Tensor, masks: Tensor, generator: torch.Generator, probability: float = 0.3) -> Tuple[Tensor, Tensor]:
    """Some pairs end before their crop does, below or at a side: the daemon repeats the picture's last row or column there."""
    crops, masks = crops.clone(), masks.clone()
    size, scale = crops.shape[1], crops.shape[1] // masks.shape[1]
    for pair in range(len(crops) // 2):
        of = slice(2 * pair, 2 * pair + 2)
        for axis, chance in ((1, probability), (2, probability / 2)):
            end = int(size * (0.72 + 0.26 * float(torch.rand((), generator=generator))))
            if float(torch.rand((), generator=generator)) < chance:
                crops[of].narrow(axis, end, size - end).copy_(crops[of].narrow(axis, end - 1, 1))
                kept = (end + scale - 1) // scale
                masks[of].narrow(axis, kept, masks.shape[1] - kept).zero_()
    return crops, masks
