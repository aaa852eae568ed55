"""Reads shards as batches: crops of frames for the backbone, whole clips for the LSTM."""

from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor


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


def augment(crops: Tensor, masks: Tensor, generator: torch.Generator) -> Tuple[Tensor, Tensor]:
    """What costs nothing and leaves the traces as they are: mirror, brightness, contrast, saturation; the same for both of a pair."""
    count = len(crops)

    def draw(low: float, high: float) -> Tensor:
        values = low + (high - low) * torch.rand(count // 2, generator=generator)
        return values.repeat_interleave(2).view(-1, 1, 1, 1).to(crops.device)

    x = crops.to(torch.float32)
    grey = x.mean(3, keepdim=True)
    x = grey + (x - grey) * draw(0.5, 1.3)
    x = (x - 128) * draw(0.8, 1.2) + 128 + draw(-25, 25)
    x = (x.clamp(0, 255) + 0.5).to(torch.uint8)
    x, masks = repeat_edges(x, masks, generator)
    mirror = draw(0, 1) < 0.5
    return torch.where(mirror, x.flip(2), x), torch.where(mirror[:, :, :, 0], masks.flip(2), masks)


def repeat_edges(crops: Tensor, masks: Tensor, generator: torch.Generator, probability: float = 0.3) -> Tuple[Tensor, Tensor]:
    """Some pairs end before their crop does, below or at a side: the daemon repeats the picture's last row or column there."""
    count, size = len(crops) // 2, crops.shape[1]
    ends = torch.full((2, count), size)
    for axis, chance in ((0, probability), (1, probability / 2)):
        drawn = (size * (0.72 + 0.26 * torch.rand(count, generator=generator))).long()
        ends[axis] = torch.where(torch.rand(count, generator=generator) < chance, drawn, ends[axis])
    row, column = ends.repeat_interleave(2, 1).to(crops.device)
    at = torch.arange(size, device=crops.device).expand(2 * count, size)
    rows = torch.minimum(at, row.unsqueeze(1) - 1).view(-1, size, 1, 1).expand(crops.shape)
    columns = torch.minimum(at, column.unsqueeze(1) - 1).view(-1, 1, size, 1).expand(crops.shape)
    inside = (at < row.unsqueeze(1)).unsqueeze(2) & (at < column.unsqueeze(1)).unsqueeze(1)
    scale = size // masks.shape[1]
    return crops.gather(1, rows).gather(2, columns), masks * inside[:, ::scale, ::scale]


def ordered_frames(shards: Shards, clips: Sequence[int], frame: int) -> Tensor:
    return torch.from_numpy(np.stack([shards.crops[c][frame] for c in clips]))
