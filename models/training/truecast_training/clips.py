"""Reads what `truecast extract` wrote: the crops of real clips, cut by the daemon's own pipeline."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np


@dataclass(frozen=True)
class Clip:
    """The face that a clip shows longest."""

    file: str
    label: int
    type: str
    group: str
    channel: str
    #: uint8 RGB `[n, size, size, 3]`.
    crops: np.ndarray
    #: Index of each crop on the media clock, `[n]`, ten a second.
    slots: np.ndarray
    sharpness: float
    face_px: float


def read_clips(folder: Path, channel: str = "") -> List[Clip]:
    """One entry a clip and channel; `channel` keeps one of them, by its name or the beginning of it."""
    longest: Dict[Tuple[str, str], Dict[str, object]] = {}
    for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines():
        track = json.loads(line)
        if channel and not track["channel"].startswith(channel):
            continue
        key = (track["file"], track["channel"])
        if key not in longest or track["count"] > longest[key]["count"]:
            longest[key] = track
    return [clip_of(track, folder) for track in longest.values()]


def clip_of(track: Dict[str, object], folder: Path) -> Clip:
    boxes = np.array(track["boxes"], np.float64)
    return Clip(
        file=str(track["file"]),
        label=1 if track["label"] == "fake" else 0,
        type=str(track["type"]),
        group=str(track["group"]),
        channel=str(track["channel"]),
        crops=np.load(str(folder / str(track["crops"])), mmap_mode="r"),
        slots=np.array(track["slots"]),
        sharpness=float(np.mean(track["sharpness"])),
        face_px=float(np.median(boxes[:, 2:].max(1))),
    )
