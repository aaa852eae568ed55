"""Makes face swaps of real moving faces to judge with, never to train on: each genuine clip of a manifest and its swapped
twin, by a method that the training's forger does not know (`still_swap.py`), through the same encoder.

Writes `NAME-genuine.mp4`, `NAME-swap.mp4`, a picture of both (`NAME.jpg`), how it was made (`NAME.json`), and `manifest.csv`
for `truecast evaluate` and `truecast extract`. A clip that is there is not made again.
"""

import csv
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple
from zlib import crc32

import numpy as np
import torch
from PIL import Image

from .channel import ffmpeg
from .donors import Donors, complexion
from .faces import load_faces, split_people
from .prepare import HELD_OUT_SHARE, SPLIT_SEED, picture_of
from .progress import Progress
from .still_swap import Look, StillSwap, draw_look, smooth_over_time

FOLLOWER = Path(__file__).resolve().parents[3] / "pipelines" / "extract" / "follow-landmarks.ts"
#: Half of the swaps are drawn small, as the common live swapper draws, and half of each are coloured in one way.
LOOKS = ((128, "lab"), (256, "seamless"), (128, "seamless"), (256, "lab"))
MIN_SECONDS = 1.0
#: Clips that show a face in fewer of their frames are left out.
MIN_SHARE_WITH_FACE = 0.6


class ManifestInvalid(ValueError):
    """A manifest that cannot be read; the message says what and where."""


@dataclass(frozen=True)
class Source:
    file: str
    path: Path
    type: str
    group: str
    #: `real` or `fake`.
    label: str = "real"

    @property
    def name(self) -> str:
        return Path(self.file).with_suffix("").as_posix().replace("/", "_")


@dataclass(frozen=True)
class Followed:
    """Landmarks `[68, 2]` in pixels of each frame, None where no face was found; descriptors `[n, 128]` of some."""

    landmarks: List[Optional[np.ndarray]]
    descriptors: np.ndarray


@dataclass(frozen=True)
class Settings:
    kbps: int = 800
    #: Genuine clips are made smaller to this height before anything is done to them, and all are encoded at it.
    height_px: int = 480
    max_seconds: float = 8.0
    seed: int = 1


def read_sources(manifest: Path, labels: Sequence[str] = ("real", "fake")) -> List[Source]:
    """The clips of a manifest that carry one of the labels, in its order."""
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in ("file", "label", "type", "group") if column not in (reader.fieldnames or [])]
            if missing:
                raise ManifestInvalid(f"{manifest}: column {missing[0]} is missing")
            sources = []
            for row in reader:
                if row["label"] not in ("real", "fake"):
                    raise ManifestInvalid(f'{manifest}:{reader.line_num}: column label is "{row["label"]}" but must be real or fake')
                if row["label"] in labels:
                    sources.append(Source(row["file"], manifest.parent / row["file"], row["type"], row["group"], row["label"]))
    except OSError as error:
        raise ManifestInvalid(f"{manifest}: {error.strerror}") from error
    names: Set[str] = set()
    for source in sources:
        if source.name in names:
            raise ManifestInvalid(f"{manifest}: two clips would be written as {source.name}")
        names.add(source.name)
    return sources


def read_genuine(manifest: Path) -> List[Source]:
    return read_sources(manifest, ("real",))


def decode(path: Path, settings: Settings) -> Tuple[np.ndarray, str]:
    """Frames uint8 RGB `[t, h, w, 3]` at the clip's own rate, and that rate as ffmpeg writes it ("30000/1001")."""
    asked = ["ffprobe", "-v", "error", "-select_streams", "V:0", "-show_entries", "stream=width,height,avg_frame_rate,r_frame_rate", "-of", "json", str(path)]
    done = subprocess.run(asked, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    streams = json.loads(done.stdout or b"{}").get("streams", [])
    if done.returncode != 0 or not streams:
        raise RuntimeError(f"{path}: {done.stderr.decode(errors='replace').strip()[:300] or 'no video'}")
    stream = streams[0]
    rate = stream["avg_frame_rate"] if not stream["avg_frame_rate"].startswith("0/") else stream["r_frame_rate"]
    height = min(settings.height_px, stream["height"]) // 2 * 2
    width = round(stream["width"] * height / stream["height"] / 2) * 2
    raw = ffmpeg(["-threads", "1", "-noautorotate", "-i", str(path), "-map", "0:V:0", "-t", str(settings.max_seconds), "-vf", f"fps={rate},scale={width}:{height}:flags=area,setsar=1", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"])
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3), rate


def encode(frames: np.ndarray, rate: str, settings: Settings, path: Path) -> None:
    """As the channel of `truecast evaluate`: constant rate, one second of buffer, a keyframe every two seconds."""
    height, width = frames.shape[1:3]
    top, below = (int(part) for part in rate.split("/"))
    kbps, part = f"{settings.kbps}k", path.with_suffix(".part.mp4")
    size = f"scale=w=-2:h={settings.height_px}:flags=bicubic,setsar=1,format=yuv420p"
    rates = ["-b:v", kbps, "-maxrate", kbps, "-bufsize", kbps, "-g", str(round(2 * top / below))]
    ffmpeg(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "pipe:0", "-vf", size, "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", *rates, "-y", str(part)], frames.tobytes())
    part.replace(path)


def follow(frames: np.ndarray) -> Followed:
    """Landmarks by the daemon's own detector and face-api's landmark network, in Node."""
    height, width = frames.shape[1:3]
    try:
        done = subprocess.run(["node", str(FOLLOWER), "--width", str(width), "--height", str(height)], input=frames.tobytes(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        raise RuntimeError("forge-clips needs Node 26 on the PATH: export PATH=$PWD/node_modules/.bin:$PATH") from error
    if done.returncode != 0:
        raise RuntimeError(f"{FOLLOWER.name} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    landmarks = [None if line is None else np.array(line["landmarks"], np.float32) for line in lines]
    return Followed(landmarks, np.array([line["descriptor"] for line in lines if line is not None and "descriptor" in line], np.float32).reshape(-1, 128))


def tensor_of(frame: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frame.copy()).permute(2, 0, 1).unsqueeze(0).to(torch.float32) / 255


def swapped(frames: np.ndarray, followed: Followed, donors: Donors, donor: int, shape: torch.Tensor, look: Look) -> np.ndarray:
    swap = StillSwap(picture_of(donors.faces, donor), donors.landmarks(donor), shape, donors.template, look)
    out = frames.copy()
    with torch.no_grad():
        for i, landmarks in enumerate(smooth_over_time(followed.landmarks, look.steadiness)):
            if landmarks is not None:
                drawn = swap.frame(tensor_of(frames[i]), torch.from_numpy(landmarks).to(torch.float32))
                out[i] = (drawn[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return out


def sheet(rows: Sequence[np.ndarray], columns: int = 5, height_px: int = 240) -> Image.Image:
    """Some moments of clips of one length, a row each."""
    at = np.linspace(0, len(rows[0]) - 1, columns + 2).astype(int)[1:-1]
    pictures = [[Image.fromarray(row[i]) for i in at] for row in rows]
    width = round(pictures[0][0].width * height_px / pictures[0][0].height)
    out = Image.new("RGB", (width * columns, height_px * len(rows)))
    for y, row in enumerate(pictures):
        for x, picture in enumerate(row):
            out.paste(picture.resize((width, height_px), Image.BICUBIC), (x * width, y * height_px))
    return out


def forge_one(source: Source, donors: Donors, number: int, settings: Settings, out: Path, follow_face: Callable[[np.ndarray], Followed]) -> Dict[str, object]:
    """Writes the pair and gives its record; a record with `leftOut` where the clip cannot be used."""
    side, colour = LOOKS[number % len(LOOKS)]
    random = np.random.default_rng([settings.seed, crc32(source.file.encode())])
    try:
        frames, rate = decode(source.path, settings)
    except RuntimeError as error:
        return {"leftOut": str(error)}
    top, below = (int(part) for part in rate.split("/"))
    if len(frames) < MIN_SECONDS * top / below:
        return {"leftOut": f"{len(frames)} frames are under {MIN_SECONDS:g} s"}
    followed = follow_face(frames)
    found = [i for i, landmarks in enumerate(followed.landmarks) if landmarks is not None]
    if len(found) < MIN_SHARE_WITH_FACE * len(frames):
        return {"leftOut": f"a face in {len(found)} of {len(frames)} frames"}
    points = [torch.from_numpy(followed.landmarks[i]).to(torch.float32) for i in found]
    shape = torch.stack([donors.shape_of(p) for p in points]).median(0).values
    some = range(0, len(found), max(1, len(found) // 10))
    skin = torch.stack([complexion(tensor_of(frames[found[k]]), points[k]) for k in some]).mean(0)
    donor, misfit = donors.choose(shape, skin, followed.descriptors, random)
    look = draw_look(side, colour, random)
    swap = swapped(frames, followed, donors, donor, shape, look)
    sheet((frames, swap)).save(out / f"{source.name}.jpg", quality=90)
    for kind, pictures in (("genuine", frames), ("swap", swap)):
        encode(pictures, rate, settings, out / f"{source.name}-{kind}.mp4")
    return {"donor": donors.faces.sources[donor], "person": int(donors.faces.people[donor]), "misfit": round(misfit, 4), "frames": len(frames), "withFace": len(found), "rate": rate, "look": asdict(look)}


def forge_clips(manifest: Path, stills: Path, out: Path, settings: Settings, follow_face: Callable[[np.ndarray], Followed] = follow) -> Tuple[int, int]:
    """How many pairs there are, and how many clips were left out."""
    sources = read_genuine(manifest)
    faces = load_faces(stills)
    donors = Donors(faces, split_people(faces.people, HELD_OUT_SHARE, SPLIT_SEED)[1])
    out.mkdir(parents=True, exist_ok=True)
    progress = Progress("swaps", len(sources))
    rows: List[Tuple[str, str, str, str]] = []
    left_out = 0
    for number, source in enumerate(sources):
        wanted = {"file": source.file, **asdict(settings)}
        kept = out / f"{source.name}.json"
        record = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        if record.get("asked") != wanted:
            record = {"asked": wanted, **forge_one(source, donors, number, settings, out, follow_face)}
            kept.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if "leftOut" in record:
            left_out += 1
        else:
            donors.taken.add(record["person"])
            look = record["look"]
            rows.append((f"{source.name}-genuine.mp4", "real", source.type, source.group))
            rows.append((f"{source.name}-swap.mp4", "fake", f"face_swap: still, {look['side_px']} px, {look['colour']}", source.group))
        # After every clip: what there is can be looked at while the rest is made.
        write_manifest(out / "manifest.csv", rows)
        progress.show(number + 1, source.name)
    progress.end()
    return len(rows) // 2, left_out


def write_manifest(path: Path, rows: Sequence[Tuple[str, str, str, str]]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "label", "type", "group"))
        writer.writerows(rows)
    part.replace(path)
