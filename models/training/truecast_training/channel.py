"""What a live stream does to pictures: H.264 by the real ffmpeg at live bit rates, once or twice."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import List

import numpy as np

from .forgeries import Chance


@dataclass(frozen=True)
class Encoding:
    """One pass through an encoder."""

    #: Bits for each pixel and frame: 800 kbit/s at 854x480 and 25 frames a second is 0.078, 4000 at 720p30 is 0.145. A face
    #: gets a multiple of that: it moves and is detailed, and what is round it stands still. These pictures are half face.
    bits_per_pixel: float
    preset: str
    zero_latency: bool
    #: Frames from keyframe to keyframe; a clip begins with one.
    keyframe_interval: int

    def arguments(self, size_px: int, fps: int) -> List[str]:
        kbps = max(8, round(self.bits_per_pixel * size_px * size_px * fps / 1000))
        tune = ["-tune", "zerolatency"] if self.zero_latency else []
        rate = ["-b:v", f"{kbps}k", "-maxrate", f"{round(1.5 * kbps)}k", "-bufsize", f"{2 * kbps}k"]
        return ["-c:v", "libx264", "-preset", self.preset, *tune, *rate, "-g", str(self.keyframe_interval), "-pix_fmt", "yuv420p", "-threads", "1"]


def draw_encoding(chance: Chance, keyframe_interval: int) -> Encoding:
    return Encoding(chance.log_uniform(0.06, 1.0), chance.choice(("ultrafast", "superfast", "veryfast", "medium")), chance.happens(0.5), keyframe_interval)


def ffmpeg(arguments: List[str], data: bytes = b"") -> bytes:
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE) if data else subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[:500]}")
    return done.stdout


def through_h264(frames: np.ndarray, encoding: Encoding, fps: int = 10) -> np.ndarray:
    """uint8 RGB `[t, s, s, 3]` (s even) encoded and decoded again, the same shape. Clips of one length may follow each other."""
    count, size = frames.shape[0], frames.shape[1]
    with tempfile.TemporaryDirectory(prefix="truecast-channel-") as folder:
        path = str(Path(folder) / "clip.mkv")
        ffmpeg(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size}x{size}", "-r", str(fps), "-i", "pipe:0", *encoding.arguments(size, fps), path], frames.tobytes())
        raw = ffmpeg(["-threads", "1", "-i", path, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
    decoded = np.frombuffer(raw, np.uint8)
    if decoded.size != frames.size:
        raise RuntimeError(f"ffmpeg gave {decoded.size // (size * size * 3)} frames back of {count}")
    return decoded.reshape(frames.shape)


def through_palette(frames: np.ndarray, fps: int = 10) -> np.ndarray:
    """uint8 RGB `[t, s, s, 3]` in 256 colours, as clips are that were once a GIF; the same shape."""
    size = frames.shape[1]
    filters = "split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=bayer:bayer_scale=3"
    raw = ffmpeg(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size}x{size}", "-r", str(fps), "-i", "pipe:0", "-filter_complex", filters, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], frames.tobytes())
    return np.frombuffer(raw, np.uint8).reshape(frames.shape)
