"""Makes the training set: clips in pairs of genuine and forged, through the channel, cut into crops, kept in shards.

A shard is one `.npz`: `crops` uint8 `[clips, frames, size, size, 3]`, `masks` uint8 `[clips, frames, size/4, size/4]`
(255 where a forger's layer covers), `labels` `[clips]` (1 forged), `kinds`, `people` and `faces` `[clips]`. Shards are
drawn one after the other from their own seeds, so that a run that was stopped goes on where it was.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .channel import draw_encoding, through_h264, through_palette
from .faces import Faces, load_faces, split_people
from .forgeries import Chance, face_mask, forge, lose_resolution, nearest_donors, recolour
from .generator import FaceAutoencoder, load_autoencoders, save_autoencoders, train_autoencoders
from .geometry import blur, sample
from .progress import Progress
from .retouch import coloured_light, make_up, retouched, smooth_skin
from .sequences import beautify, draw_motion, face_boxes, film, in_front, out_of_focus, put_on

#: Sides of the filmed square, about twice the face: faces from 80 to 160 px wide, as in live pictures.
FRAME_SIZES = (160, 192, 224, 256, 320)
#: How often each kind is drawn: the hard ones more often than those that a network learns at once.
KIND_MIX = ("self-blend",) * 5 + ("swap",) * 9 + ("redrawn",) * 3 + ("reenact",) * 3 + ("whole",)
#: Share of the faces that come made up or retouched, where looks are asked for in full.
RETOUCHED = 0.5
HELD_OUT_SHARE = 0.15
SPLIT_SEED = 7


@dataclass(frozen=True)
class ClipPlan:
    """How the clips of a shard are made."""

    pairs: int
    #: Frames filmed and encoded.
    frames: int
    #: Of these, kept as crops.
    kept: Tuple[int, ...]

    @property
    def keyframe_interval(self) -> int:
        """Frames; it divides the clip, since the clips of a shard are encoded one after the other."""
        return 25 if self.frames % 25 == 0 else self.frames


#: For frames: many faces, few frames of each. For sequences: whole horizons.
FRAME_PLAN = ClipPlan(pairs=8, frames=12, kept=(1, 3, 5, 7, 9, 11))
SEQUENCE_PLAN = ClipPlan(pairs=2, frames=100, kept=tuple(range(100)))


def crop(frames: Tensor, boxes: Sequence[Tuple[float, float, float]], size_px: int) -> Tensor:
    """Squares (left, top, side) out of `frames [t, c, h, w]`, scaled to `[t, c, size, size]` as the daemon does: area
    average when reducing, bilinear when enlarging, edges repeated beyond the picture."""
    out = []
    for frame, (left, top, side) in zip(frames, boxes):
        taps = max(1, round(side / size_px * 2)) if side > size_px else 1
        steps = (torch.arange(size_px * taps, dtype=torch.float32) + 0.5) * (side / (size_px * taps)) - 0.5
        y, x = torch.meshgrid(top + steps, left + steps, indexing="ij")
        fine = sample(frame.unsqueeze(0), torch.stack((x, y), 2).unsqueeze(0))
        out.append(F.avg_pool2d(fine, taps) if taps > 1 else fine)
    return torch.cat(out)


def picture_of(faces: Faces, index: int) -> Tensor:
    return torch.from_numpy(faces.pixels[index].copy()).permute(2, 0, 1).unsqueeze(0).to(torch.float32) / 255


class ClipMaker:
    """Draws shards from one side of the split."""

    def __init__(self, faces: Faces, indices: np.ndarray, autoencoders: Sequence[FaceAutoencoder], crop_px: int, margin: float, looks: float = 0.0) -> None:
        self.faces, self.indices, self.autoencoders = faces, indices, autoencoders
        self.crop_px, self.margin, self.looks = crop_px, margin, looks
        self.landmarks = torch.from_numpy(faces.landmarks)

    def donor_for(self, index: int, chance: Chance) -> int:
        others = [int(i) for i in chance_sample(self.indices, 40, chance) if self.faces.people[i] != self.faces.people[index]]
        return nearest_donors(self.landmarks, index, others)[int(chance.uniform(0, 4))]

    def pair(self, plan: ClipPlan, frame_px: int, kind: str, chance: Chance) -> Dict[str, object]:
        # Seldom a photograph smaller than its picture: most of what live video shows is not enlarged.
        sharp = self.indices[self.faces.face_px[self.indices] >= 0.4 * frame_px]
        pool = sharp if len(sharp) > 0 and chance.happens(0.8) else self.indices
        index = int(pool[int(chance.uniform(0, len(pool)))])
        donor = self.donor_for(index, chance)
        landmarks, size = self.landmarks[index], self.faces.pixels.shape[1]
        picture, other = picture_of(self.faces, index), picture_of(self.faces, donor)
        box = torch.from_numpy(self.faces.boxes[index])
        if chance.happens(0.5):
            picture, landmarks, box = mirrored(picture, landmarks, box)
        # Actor and donor each by themselves: what is retouched is as often genuine as a forger's layer.
        if chance.happens(RETOUCHED * self.looks):
            picture = retouched(picture, landmarks, chance)
        if chance.happens(RETOUCHED * self.looks):
            other = retouched(other, self.landmarks[donor], chance)
        if chance.happens(0.1 * self.looks):
            picture = (picture * coloured_light(size, chance)).clamp(0, 1)
        if chance.happens(0.6):
            # The camera's noise belongs to the genuine picture; what a forger draws over it has none.
            picture = (picture + chance.log_uniform(0.004, 0.04) * torch.randn(picture.shape, generator=chance.generator)).clamp(0, 1)
        if chance.happens(0.25):
            # A soft genuine picture, so that a forger's layer may also be the sharper of the two.
            picture = lose_resolution(blur(picture, chance.uniform(0, 1.2)), chance.log_uniform(0.4, 0.9), chance)
        picture = recolour(picture, 0.2, chance)
        if chance.happens(0.2):
            picture = out_of_focus(picture, landmarks, chance.log_uniform(1, 6))
        forgery = forge(kind, picture, landmarks, other, self.landmarks[donor], chance, self.autoencoders)
        forged, masks = put_on(picture, forgery, landmarks, plan.frames, chance)
        if chance.happens(0.25):
            # Genuine faces may be softer than what is round them, too: a young skin, an encoder's or a camera's doing.
            picture = softened(picture, landmarks, chance)
        genuine = picture.expand(plan.frames, -1, -1, -1)
        if chance.happens(0.4):
            genuine, forged = filtered(genuine, forged, landmarks, chance, self.looks)
        motion = draw_motion(landmarks, size, frame_px, plan.frames, chance, self.looks)
        films, masks = [film(still, motion, chance.generator) for still in (genuine, forged)], sample(masks, motion.sources)
        if chance.happens(0.15):
            films, free = in_front(films, plan.frames, chance)
            masks = masks * free
        return {
            "films": films,
            "masks": masks,
            "boxes": face_boxes(box, motion, self.margin, chance),
            "index": index,
        }

    def shard(self, plan: ClipPlan, seed: int) -> Dict[str, np.ndarray]:
        chance = Chance(torch.Generator().manual_seed(seed))
        frame_px = FRAME_SIZES[int(chance.uniform(0, len(FRAME_SIZES)))]
        kinds = [chance.choice(KIND_MIX) for _ in range(plan.pairs)]
        pairs = [self.pair(plan, frame_px, kind, chance) for kind in kinds]
        films = np.concatenate([film_.numpy() for pair in pairs for film_ in pair["films"]])
        if chance.happens(0.06):
            films = through_palette(films)
        for _ in range(2 if chance.happens(0.3) else 1):
            films = through_h264(films, draw_encoding(chance, plan.keyframe_interval))
        frames = torch.from_numpy(films.reshape(2 * plan.pairs, plan.frames, frame_px, frame_px, 3).copy())
        kept = list(plan.kept)
        crops, masks = [], []
        for number, pair in enumerate(pairs):
            boxes = [pair["boxes"][i] for i in kept]
            mask = F.avg_pool2d(crop(pair["masks"][kept], boxes, self.crop_px), 4)
            for forged in (0, 1):
                cut = crop(frames[2 * number + forged, kept].permute(0, 3, 1, 2).to(torch.float32), boxes, self.crop_px)
                crops.append((cut + 0.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1))
                masks.append((mask[:, 0] * 255 * forged).to(torch.uint8))
        faces = np.repeat([pair["index"] for pair in pairs], 2)
        return {
            "crops": torch.stack(crops).numpy(),
            "masks": torch.stack(masks).numpy(),
            "labels": np.tile(np.array([0, 1], np.uint8), plan.pairs),
            "kinds": np.repeat(kinds, 2),
            "faces": faces,
            "people": self.faces.people[faces],
        }


def chance_sample(indices: np.ndarray, count: int, chance: Chance) -> np.ndarray:
    return indices[torch.randint(len(indices), (count,), generator=chance.generator).numpy()]


def filtered(genuine: Tensor, forged: Tensor, landmarks: Tensor, chance: Chance, looks: float) -> Tuple[Tensor, Tensor]:
    """What the sender's app puts over the picture, the same for both: a plain beauty filter, or with `looks` a better one or drawn
    make-up. All frames of `genuine` are one still."""
    if chance.happens(0.25 * looks):
        settings = chance.uniform(0.4, 1), chance.log_uniform(0.012, 0.04), chance.log_uniform(0.02, 0.1)
        return smooth_skin(genuine[:1], landmarks, *settings).expand_as(genuine), smooth_skin(forged, landmarks, *settings)
    if chance.happens(0.15 * looks):
        seed = int(torch.randint(1 << 30, (), generator=chance.generator))
        drawn = [make_up(pictures, landmarks, Chance(torch.Generator().manual_seed(seed))) for pictures in (genuine[:1], forged)]
        return drawn[0].expand_as(genuine), drawn[1]
    strength = chance.uniform(0.3, 0.9)
    return beautify(genuine[:1], landmarks, strength).expand_as(genuine), beautify(forged, landmarks, strength)


def softened(picture: Tensor, landmarks: Tensor, chance: Chance) -> Tensor:
    mask = face_mask(landmarks, picture.shape[2], chance)
    soft = blur(picture, chance.uniform(0.4, 1.8)) if chance.happens(0.5) else lose_resolution(picture, chance.log_uniform(0.4, 0.9), chance)
    return picture + mask * (soft - picture)


def mirrored(picture: Tensor, landmarks: Tensor, box: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Left and right exchanged, the landmarks in their own order again."""
    order = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    order += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    last = picture.shape[3] - 1
    flipped = torch.stack((last - landmarks[:, 0], landmarks[:, 1]), 1)
    return picture.flip(3), flipped[order], torch.stack((last - box[0] - box[2], box[1], box[2], box[3]))


def load_or_train_autoencoders(faces: Faces, indices: np.ndarray, path: Path, steps: int) -> List[FaceAutoencoder]:
    """Trained on the training side only; kept beside the shards."""
    if path.exists():
        return load_autoencoders(path)
    size = faces.pixels.shape[1]
    inner = slice(size // 5, size - size // 5)
    pictures = torch.from_numpy(np.stack([faces.pixels[i][inner, inner] for i in indices])).permute(0, 3, 1, 2)
    pictures = torch.cat([F.interpolate(part.to(torch.float32), size=(112, 112), mode="bilinear", align_corners=False, antialias=True) for part in pictures.split(64)]).to(torch.uint8)
    trained = train_autoencoders(pictures, steps, seed=3)
    save_autoencoders(trained, path)
    return trained


def prepare(stills: Path, out: Path, plan: ClipPlan, part: str, shards: int, crop_px: int, margin: float, autoencoder_steps: int = 400, first_seed: int = 0, looks: float = 0.0) -> int:
    """Draws what is missing of `shards` shards of `part` (training or held-out); gives the number drawn."""
    if part not in ("training", "held-out"):
        raise ValueError(f"a part is training or held-out, not {part!r}")
    folder = out / part
    folder.mkdir(parents=True, exist_ok=True)
    faces = load_faces(stills)
    training, held_out = split_people(faces.people, HELD_OUT_SHARE, SPLIT_SEED)
    autoencoders = load_or_train_autoencoders(faces, training, out / "autoencoders.pt", autoencoder_steps)
    maker = ClipMaker(faces, training if part == "training" else held_out, autoencoders, crop_px, margin, looks)
    progress = Progress(f"{part} shards", shards)
    drawn = 0
    for number in range(shards):
        path = folder / f"{number:05d}.npz"
        if not path.exists():
            shard = maker.shard(plan, seed=first_seed + number + (1_000_000 if part == "held-out" else 0))
            np.savez(path.with_suffix(".part.npz"), **shard)
            path.with_suffix(".part.npz").rename(path)
            drawn += 1
        progress.show(number + 1)
    progress.end()
    return drawn
