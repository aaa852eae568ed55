"""Small stand-ins for cut stills: drawn heads with the 68 landmarks where they belong."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def landmarks_in(box: "tuple[float, float, float, float]") -> np.ndarray:
    """The 68 points of a plain frontal face that fills `box` (left, top, width, height), `[68, 2]`."""
    left, top, width, height = box
    jaw = [(0.5 - 0.5 * np.cos(np.pi * i / 16), 0.35 + 0.65 * np.sin(np.pi * i / 16)) for i in range(17)]
    brows = [(0.14 + 0.07 * i, 0.2) for i in range(5)] + [(0.58 + 0.07 * i, 0.2) for i in range(5)]
    nose = [(0.5, 0.3 + 0.09 * i) for i in range(4)] + [(0.4 + 0.05 * i, 0.62) for i in range(5)]
    eyes = [(x + 0.08 * np.cos(a), 0.33 + 0.03 * np.sin(a)) for x in (0.28, 0.72) for a in np.pi * np.array([1, 1.33, 1.66, 0, 0.33, 0.66])]
    mouth = [(0.5 - 0.16 * np.cos(a), 0.8 - 0.06 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 13)[:12]] + [(0.5 - 0.11 * np.cos(a), 0.8 - 0.02 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 9)[:8]]
    return np.array([*jaw, *brows, *nose, *eyes, *mouth]) * [width, height] + [left, top]


def draw_head(seed: int, size: int) -> Image.Image:
    random = np.random.default_rng(seed)
    noise = Image.fromarray(random.integers(40, 200, (size // 8, size // 8, 3), dtype=np.uint8)).resize((size, size), Image.BICUBIC)
    draw = ImageDraw.Draw(noise)
    skin = tuple(int(v) for v in random.integers(90, 220, 3))
    points = landmarks_in(box_of(size))
    draw.ellipse([points[0][0], points[19][1] - 0.15 * size, points[16][0], points[8][1]], fill=skin)
    for part in (slice(36, 42), slice(42, 48), slice(48, 60)):
        draw.polygon([tuple(p) for p in points[part]], fill=tuple(int(v) for v in random.integers(0, 120, 3)))
    picture = np.asarray(noise.filter(ImageFilter.GaussianBlur(0.6)), np.float32) + random.normal(0, 5, (size, size, 3))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def box_of(size: int) -> "tuple[float, float, float, float]":
    return (0.25 * size, 0.25 * size, 0.5 * size, 0.5 * size)


def write_stills(folder: Path, count: int, size: int = 128, people: int = 0) -> None:
    """A folder as `cut-stills.ts` writes it; face k is person k modulo `people` (all different without)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "faces.u8").open("wb") as pixels, (folder / "faces.jsonl").open("w", encoding="utf-8") as lines:
        for k in range(count):
            person = k % people if people else k
            descriptor = np.random.default_rng(1000 + person).normal(0, 1, 128)
            descriptor = descriptor / np.linalg.norm(descriptor) + np.random.default_rng(k).normal(0, 0.005, 128)
            pixels.write(np.asarray(draw_head(k, size)).tobytes())
            line = {"source": f"drawn/{k}.png", "facePx": size / 2, "box": box_of(size), "landmarks": landmarks_in(box_of(size)).tolist(), "descriptor": descriptor.tolist()}
            lines.write(json.dumps(line) + "\n")
