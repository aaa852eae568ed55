"""Makes clips long enough for an alert, to count false alarms and alerts with: the clips of a manifest played to and fro, so
that there is no cut, and photographs filmed by a camera that a hand holds.

A clip of ten seconds can raise no alert, whatever the model says. Played to and fro a face stays a face that really moves;
but it is the same face again and again, so hours of it are not hours of people: count the clips that raise an alert too.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, List, Tuple

import numpy as np
import torch
from PIL import Image

from .forge_clips import Settings, decode, read_sources, write_manifest
from .forgeries import Chance
from .geometry import similarity_of, warp
from .progress import Progress
from .sequences import drift

PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".webp"}
FILMED_FPS = 25


def to_and_fro(count: int, wanted: int) -> List[int]:
    """Indices of `wanted` frames out of `count`: forward, backward and so on; the turning frames come once."""
    lap = list(range(count)) + list(range(count - 2, 0, -1))
    return [lap[i % len(lap)] for i in range(wanted)]


def film_photograph(path: Path, settings: Settings, seconds: float) -> Iterator[np.ndarray]:
    """Frames uint8 RGB `[h, w, 3]` of a photograph before a camera that drifts, turns and breathes a little."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    height = min(settings.height_px, picture.height) // 2 * 2
    width = round(picture.width * height / picture.height / 2) * 2
    still = torch.from_numpy(np.asarray(picture.resize((width, height), Image.LANCZOS)).copy()).permute(2, 0, 1).unsqueeze(0).to(torch.float32)
    frames = round(seconds * FILMED_FPS)
    chance = Chance(torch.Generator().manual_seed(settings.seed))
    slow = 10 * FILMED_FPS
    scale, angle = 1.06 + drift(frames, 0.03, chance, slow), drift(frames, 0.012, chance, slow)
    shift = height * torch.stack((drift(frames, 0.02, chance, slow), drift(frames, 0.015, chance, slow)), 1)
    transforms = similarity_of(scale, angle, shift, torch.tensor([[width / 2, height / 2]]).expand(frames, 2))
    for transform in transforms:
        yield (warp(still, transform.unsqueeze(0), (height, width))[0].permute(1, 2, 0) + 0.5).clamp(0, 255).to(torch.uint8).numpy()


def encode_stream(frames: Iterable[np.ndarray], size: Tuple[int, int], rate: str, settings: Settings, path: Path) -> None:
    """As `forge_clips.encode`, for clips that would not fit into memory at once; `size` is height and width."""
    top, below = (int(part) for part in rate.split("/"))
    kbps, part = f"{settings.kbps}k", path.with_suffix(".part.mp4")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[1]}x{size[0]}", "-r", rate, "-i", "pipe:0"]
    command += ["-vf", f"scale=w=-2:h={settings.height_px}:flags=bicubic,setsar=1,format=yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1"]
    command += ["-b:v", kbps, "-maxrate", kbps, "-bufsize", kbps, "-g", str(round(2 * top / below)), "-y", str(part)]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said) as encoder:
            assert encoder.stdin is not None
            try:
                for frame in frames:
                    encoder.stdin.write(np.ascontiguousarray(frame).tobytes())
                encoder.stdin.close()
            except BrokenPipeError:
                pass  # Its exit status says why.
        if encoder.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"ffmpeg ended with {encoder.returncode}: {said.read().decode(errors='replace').strip()[:500]}")
    part.replace(path)


def long_clips(manifest: Path, out: Path, settings: Settings, seconds: float) -> Tuple[int, List[str]]:
    """The clips of the manifest, genuine and fake, to and fro for `seconds`; gives their number, and of those left out the reason."""
    sources = read_sources(manifest)
    out.mkdir(parents=True, exist_ok=True)
    progress = Progress("long clips", len(sources))
    rows: List[Tuple[str, str, str, str]] = []
    left_out: List[str] = []
    for number, source in enumerate(sources):
        path = out / f"{source.name}.mp4"
        if not path.exists():
            try:
                frames, rate = decode(source.path, settings)
            except RuntimeError as error:
                left_out.append(str(error))
                continue
            top, below = (int(part) for part in rate.split("/"))
            wanted = round(seconds * top / below)
            encode_stream((frames[i] for i in to_and_fro(len(frames), wanted)), (frames.shape[1], frames.shape[2]), rate, settings, path)
        rows.append((path.name, source.label, source.type, source.group))
        write_manifest(out / "manifest.csv", rows)
        progress.show(number + 1, source.name)
    progress.end()
    return len(rows), left_out


def filmed_photographs(folder: Path, out: Path, settings: Settings, seconds: float) -> int:
    """Every photograph of a folder, filmed for `seconds`; gives their number."""
    photographs = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTOGRAPHS)
    out.mkdir(parents=True, exist_ok=True)
    progress = Progress("photographs", len(photographs))
    rows = []
    for number, photograph in enumerate(photographs):
        path = out / f"{photograph.stem}.mp4"
        if not path.exists():
            frames = film_photograph(photograph, settings, seconds)
            first = next(frames)
            encode_stream((frame for part in ((first,), frames) for frame in part), first.shape[:2], f"{FILMED_FPS}/1", settings, path)
        rows.append((path.name, "real", "real (photograph)", photograph.stem))
        write_manifest(out / "manifest.csv", rows)
        progress.show(number + 1, photograph.stem)
    progress.end()
    return len(rows)
