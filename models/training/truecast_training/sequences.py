"""Makes stills move: a genuine clip and its forged twin with the same motion, light and camera, so that only the forgery
tells them apart. Pictures are float RGB 0..1; a clip is `[t, 3, h, w]`."""

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .forgeries import Chance, Forgery, face_side, sharpen
from .geometry import MOUTH, apply, blur, bumps, half_planes, invert, pixel_grid, sample, similarity_of, smooth_field
from .retouch import Grade, coloured_light, draw_grade, sensor_noise


def drift(frames: int, reach: float, chance: Chance, slowest: float = 60) -> Tensor:
    """A smooth path about zero that stays within `reach`, `[t]`: three sine waves of random periods, in frames."""
    t = torch.arange(frames, dtype=torch.float32)
    waves = [chance.uniform(0, 1) * torch.sin(2 * torch.pi * (t / chance.log_uniform(12, slowest) + chance.uniform(0, 1))) for _ in range(3)]
    return reach * torch.stack(waves).sum(0) / 3


def shake(frames: int, reach: float, chance: Chance) -> Tensor:
    """Independent from frame to frame, `[t]`."""
    return reach * torch.randn(frames, generator=chance.generator)


@dataclass(frozen=True)
class Motion:
    """Everything that the genuine and the forged clip share."""

    #: From the still to each frame, `[t, 2, 3]`.
    transforms: Tensor
    #: Where each pixel of a frame comes from in the still, `[t, h, w, 2]`.
    sources: Tensor
    gains: Tensor
    frame_px: int
    blur_px: float
    noise: float
    sharpening: float
    #: Share of the frame's resolution that the camera's picture really has.
    resolution: float
    #: Width of the noise's grains in pixels, and where it is strongest: see `sensor_noise`.
    grain_px: float = 0.0
    noise_in_texture: float = 0.0
    #: Gains of coloured light over the frame `[1, 3, h, w]`, and the look of the whole clip.
    light: Optional[Tensor] = None
    grade: Optional[Grade] = None


def draw_motion(landmarks: Tensor, still_px: int, frame_px: int, frames: int, chance: Chance, looks: float = 0.0) -> Motion:
    """A head that moves, speaks and blinks before a camera, the face about half as wide as the frame. `looks` is how often light,
    grading and noise are out of the ordinary, 0..1."""
    side = face_side(landmarks)
    centre = landmarks.mean(0).expand(frames, 2)
    liveliness = chance.log_uniform(0.15, 1)
    scale = 1 + drift(frames, 0.12 * liveliness, chance)
    angle = drift(frames, 0.15 * liveliness, chance)
    shift = side * torch.stack((drift(frames, 0.15 * liveliness, chance), drift(frames, 0.1 * liveliness, chance)), 1)
    to_frame = frame_px / still_px
    within = similarity_of(scale, angle, shift, centre)
    transforms = within * to_frame
    grid = pixel_grid(frame_px, frame_px).expand(frames, frame_px, frame_px, 2)
    sources = apply(invert(transforms), grid)
    # Expression: the jaw goes up and down, the lids too; and the head turns, which shears what is off its axis.
    mouth = landmarks[list(MOUTH)].mean(0) + torch.tensor([0.0, 0.05 * side])
    points = torch.stack((mouth, landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30]))
    lids = 0.015 * side * (torch.rand(frames, generator=chance.generator) < 0.04).to(torch.float32)
    speech = side * drift(frames, 0.04 * liveliness, chance, slowest=20)
    turn = side * drift(frames, 0.12 * liveliness, chance)
    nod = side * drift(frames, 0.06 * liveliness, chance)
    zero = torch.zeros(frames)
    moves = torch.stack((torch.stack((zero, speech), 1), torch.stack((zero, lids), 1), torch.stack((zero, lids), 1), torch.stack((turn, nod), 1)), 1)
    field = torch.zeros(frames, frame_px, frame_px, 2)
    for index, radius in enumerate((0.11, 0.06, 0.06, 0.22)):
        at = apply(transforms, points[index].expand(frames, 1, 2))
        field += bumps(at, moves[:, index : index + 1], torch.full((frames,), radius * side * to_frame), (frame_px, frame_px))
    light = 1 + drift(frames, 0.1, chance) + shake(frames, 0.004, chance)
    return Motion(
        transforms=transforms,
        sources=sources - field,
        gains=light,
        frame_px=frame_px,
        blur_px=chance.log_uniform(0.3, 1.6) if chance.happens(0.5) else 0.0,
        noise=chance.log_uniform(0.002, 0.025) if chance.happens(0.7) else 0.0,
        sharpening=chance.uniform(0.2, 1.2) if chance.happens(0.25) else 0.0,
        resolution=chance.log_uniform(0.4, 0.9) if chance.happens(0.3) else 1.0,
        grain_px=chance.uniform(0.2, 1) if chance.happens(0.4 * looks) else 0.0,
        noise_in_texture=chance.uniform(-1, 1) if chance.happens(0.5 * looks) else 0.0,
        light=coloured_light(frame_px, chance) if chance.happens(0.2 * looks) else None,
        grade=draw_grade(chance) if chance.happens(0.35 * looks) else None,
    )


def film(stills: Tensor, motion: Motion, generator: torch.Generator) -> Tensor:
    """The camera's picture of `stills [t, c, s, s]`, uint8 `[t, frame, frame, c]`."""
    reduction = stills.shape[2] / motion.frame_px
    softened = blur(stills, 0.45 * max(0.0, reduction - 1))
    frames = sample(softened, motion.sources)
    frames = blur(frames, motion.blur_px)
    if motion.sharpening > 0:
        frames = sharpen(frames, motion.sharpening, 1.0)
    if motion.resolution < 1:
        small = F.interpolate(frames, scale_factor=motion.resolution, mode="bilinear", align_corners=False, antialias=True, recompute_scale_factor=True)
        frames = F.interpolate(small, size=frames.shape[2:], mode="bicubic", align_corners=False)
    frames = frames * motion.gains.view(-1, 1, 1, 1)
    if motion.light is not None:
        frames = frames * motion.light
    if motion.grade is not None:
        frames = motion.grade.on(frames)
    if motion.noise > 0:
        plain = motion.grain_px == 0 and motion.noise_in_texture == 0
        frames = frames + (motion.noise * torch.randn(frames.shape, generator=generator) if plain else sensor_noise(frames.clamp(0, 1), motion.noise, motion.grain_px, motion.noise_in_texture, generator))
    return (frames.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def in_front(films: Sequence[Tensor], frames: int, chance: Chance) -> Tuple[List[Tensor], Tensor]:
    """Something in front of the camera's pictures (uint8 `[t, s, s, 3]`): a caption, a microphone, a hand's worth of colour.
    The same for all films; also how much of each pixel stays free, `[t, 1, s, s]`."""
    size = films[0].shape[1]
    centre = torch.tensor([chance.uniform(0.2, 0.8), chance.uniform(0.3, 0.95)]) * size
    corners = centre + size * torch.randn(5, 2, generator=chance.generator) * torch.tensor([chance.log_uniform(0.04, 0.25), chance.log_uniform(0.03, 0.12)])
    path = size * torch.stack([drift(frames, 0.08 if chance.happens(0.5) else 0.0, chance) for _ in range(2)], 1)
    cover = chance.uniform(0.6, 1) * blur(half_planes(corners + path.unsqueeze(1), (size, size)), chance.log_uniform(0.3, 2))
    colour = torch.rand(1, 3, 1, 1, generator=chance.generator)
    fine = F.interpolate(torch.rand(1, 1, size // 3, size // 2, generator=chance.generator), size=(size, size), mode="nearest")
    layer = (colour + chance.uniform(0, 0.8) * ((fine > 0.5).to(torch.float32) - 0.5)).clamp(0, 1) * 255
    covered = [((film_.permute(0, 3, 1, 2) * (1 - cover) + layer * cover) + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous() for film_ in films]
    return covered, 1 - cover


def out_of_focus(picture: Tensor, landmarks: Tensor, sigma: float) -> Tensor:
    """A shallow depth of field: what lies away from the face is soft."""
    size = picture.shape[2]
    far = ((pixel_grid(size, size) - landmarks.mean(0)).norm(dim=2) / face_side(landmarks) - 0.6).mul(3).clamp(0, 1)
    return picture + far * (blur(picture, sigma) - picture)


def beautify(picture: Tensor, landmarks: Tensor, strength: float) -> Tensor:
    """A beauty filter: skin smoothed where it is nearly smooth already. Genuine faces wear it too."""
    smooth = blur(picture, 0.02 * face_side(landmarks))
    edge = ((picture - smooth).abs().mean(1, keepdim=True) / 0.06).clamp(0, 1)
    return picture + strength * (1 - edge) * (smooth - picture)


def put_on(picture: Tensor, forgery: Forgery, landmarks: Tensor, frames: int, chance: Chance) -> Tuple[Tensor, Tensor]:
    """The forged still of every frame and its mask, `[t, 3, s, s]` and `[t, 1, s, s]`: layer and mask slip, flicker and fail as those of swaps do."""
    side = face_side(landmarks)
    size = picture.shape[2]
    unrest = chance.log_uniform(0.1, 1)
    slip = side * torch.stack([drift(frames, 0.03 * unrest, chance, slowest=20) + shake(frames, 0.006 * unrest, chance) for _ in range(2)], 1)
    edge_slip = slip + side * torch.stack([shake(frames, 0.008 * unrest, chance) for _ in range(2)], 1)
    colour = 1 + drift(frames, 0.06 * unrest, chance, slowest=20) + shake(frames, 0.012 * unrest, chance)
    grid = pixel_grid(size, size).unsqueeze(0)
    whole = forgery.kind == "whole"
    layers = sample(forgery.layer.expand(frames, -1, -1, -1), grid - slip.view(-1, 1, 1, 2) * (0.3 if whole else 1)) * colour.view(-1, 1, 1, 1)
    masks = forgery.mask.expand(frames, -1, -1, -1) if whole else sample(forgery.mask.expand(frames, -1, -1, -1), grid - edge_slip.view(-1, 1, 1, 2))
    if whole:
        # A talking-head generator's texture swims over what moves below it.
        swim = smooth_field(3, 2, 8, (size, size), chance.generator).permute(0, 2, 3, 1) * 0.008 * side
        weights = torch.stack([drift(frames, unrest, chance, slowest=30) for _ in range(3)], 1)
        layers = sample(layers, grid + torch.einsum("tk,khwc->thwc", weights, swim))
    elif chance.happens(0.15):
        # The swapper loses the face for a moment.
        lost = (torch.rand(frames, generator=chance.generator) < 0.08).to(torch.float32).view(-1, 1, 1, 1)
        masks = masks * (1 - 0.8 * lost)
    stills = picture * (1 - masks) + layers.clamp(0, 1) * masks
    return stills, masks


def face_boxes(box: Tensor, motion: Motion, margin: float, chance: Chance) -> List[Tuple[float, float, float]]:
    """Square to crop from each frame: left, top, side. The box follows the face as loosely as a detector's does."""
    frames = len(motion.transforms)
    corners = torch.stack((box[:2], box[:2] + box[2:])).expand(frames, 2, 2)
    moved = apply(motion.transforms, corners)
    centre = moved.mean(1)
    side = float(box[2:].max()) * motion.transforms[:, :, 0].norm(dim=1) * chance.log_uniform(0.92, 1.08)
    centre = centre + side.unsqueeze(1) * (torch.tensor([chance.uniform(-0.04, 0.04), chance.uniform(-0.04, 0.04)]) + torch.stack([drift(frames, 0.02, chance, slowest=20) for _ in range(2)], 1))
    side = side * margin * (1 + drift(frames, 0.03, chance, slowest=20))
    return [(float(c[0] - s / 2), float(c[1] - s / 2), float(s)) for c, s in zip(centre, side)]
