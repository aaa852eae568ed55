"""What is done to genuine faces without a forger: make-up, retouched skin, coloured light, grading. A network that never saw
these on genuine faces takes them for a swap, so they lie on genuine faces, actors and donors alike and carry no label.

Pictures are float RGB 0..1 `[n, 3, h, w]`, landmarks pixels `[68, 2]`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .forgeries import Chance, face_side, sharpen
from .geometry import BROWS, EYES, blur, half_planes, pixel_grid, smooth_field

#: Weights of red, green and blue in luma (ITU-R BT.601).
LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
#: Points of the iBUG markup: outer and inner lip, each eye with the brow above it.
OUTER_LIP, INNER_LIP = list(range(48, 60)), list(range(60, 68))
EYES_WITH_BROWS = ((list(range(36, 42)), list(range(17, 22))), (list(range(42, 48)), list(range(22, 27))))


def luma(picture: Tensor) -> Tensor:
    return (picture * LUMA.to(picture.device)).sum(1, keepdim=True)


def area(points: Tensor, size_px: int, soft: float) -> Tensor:
    """The hull of `points` with a soft edge, `[1, 1, s, s]`."""
    return blur(half_planes(points.unsqueeze(0), (size_px, size_px)), soft)


def skin(picture: Tensor, landmarks: Tensor) -> Tensor:
    """Where a retoucher smooths: the face and forehead less eyes, brows, nostrils and mouth, `[1, 1, s, s]`."""
    side, size = face_side(landmarks), picture.shape[2]
    brows = landmarks[list(BROWS)]
    up = brows.mean(0) - landmarks[OUTER_LIP].mean(0)
    mask = area(torch.cat((landmarks, brows + 0.35 * up)), size, 0.03 * side)
    for points in (landmarks[OUTER_LIP], landmarks[31:36], *(torch.cat((landmarks[eye], landmarks[brow])) for eye, brow in EYES_WITH_BROWS)):
        mask = mask * (1 - area(points, size, 0.015 * side))
    return mask


def smooth_skin(picture: Tensor, landmarks: Tensor, strength: float, reach: float, edge: float) -> Tensor:
    """A guided filter over the skin (He et al., 2010): structure weaker than `edge` within `reach` sides of the face goes, edges stay."""
    sigma = reach * face_side(landmarks)
    guide = luma(picture)
    mean = blur(guide, sigma)
    variance = (blur(guide * guide, sigma) - mean * mean).clamp_min(0)
    means = blur(picture, sigma)
    covariance = blur(guide * picture, sigma) - mean * means
    slope = covariance / (variance + edge * edge)
    smooth = blur(slope, sigma) * guide + blur(means - slope * mean, sigma)
    return (picture + strength * skin(picture, landmarks) * (smooth - picture)).clamp(0, 1)


def even_colour(picture: Tensor, landmarks: Tensor, strength: float) -> Tensor:
    """Foundation: blotches of colour and light over the skin drawn towards its mean."""
    side, mask = face_side(landmarks), skin(picture, landmarks)
    coarse = blur(picture, 0.05 * side)
    broad = blur(coarse, 0.12 * side)
    return (picture + strength * mask * (broad - coarse)).clamp(0, 1)


def tinted(picture: Tensor, colour: Tensor, depth: float) -> Tensor:
    """`picture` with the hue of `colour [1, 3, 1, 1]` and darker by `depth`, its own light and structure kept."""
    return (luma(picture) * (colour / luma(colour).clamp_min(0.05)) * (1 - depth)).clamp(0, 1)


def near_line(points: Tensor, size_px: int, width: float) -> Tensor:
    """1 on the line through `points`, falling to 0 over `width` pixels, `[1, 1, s, s]`."""
    grid = pixel_grid(size_px, size_px)
    closest = torch.full((size_px, size_px), 1e9)
    for a, b in zip(points[:-1], points[1:]):
        along = b - a
        share = (((grid - a) @ along) / (along @ along).clamp_min(1e-6)).clamp(0, 1).unsqueeze(2)
        closest = torch.minimum(closest, ((grid - a - share * along) ** 2).sum(2))
    return torch.exp(-0.5 * closest / (width * width)).view(1, 1, size_px, size_px)


def colour_of(low: Tensor, high: Tensor, chance: Chance) -> Tensor:
    return (low + (high - low) * torch.rand(3, generator=chance.generator)).view(1, 3, 1, 1)


def put_over(picture: Tensor, layer: Tensor, mask: Tensor) -> Tensor:
    return picture + mask * (layer - picture)


def make_up(picture: Tensor, landmarks: Tensor, chance: Chance) -> Tensor:
    """Lips, lids, lashes, brows, cheeks: each there or not, from faint to heavy, edges as soft as hands and brushes leave them."""
    side, size = face_side(landmarks), picture.shape[2]
    if chance.happens(0.75):
        colour = colour_of(torch.tensor([0.4, 0.05, 0.1]), torch.tensor([0.95, 0.45, 0.5]), chance)
        lips = area(landmarks[OUTER_LIP], size, 0.006 * side) * (1 - area(landmarks[INNER_LIP], size, 0.006 * side))
        picture = put_over(picture, tinted(picture, colour, chance.uniform(-0.1, 0.45)), chance.uniform(0.2, 0.9) * lips)
        if chance.happens(0.4):
            picture = put_over(picture, sharpen(picture, chance.uniform(0.5, 1.5), 1.5), lips)
    shade = colour_of(torch.tensor([0.1, 0.05, 0.05]), torch.tensor([0.7, 0.5, 0.6]), chance)
    lids, liner, brows = chance.happens(0.6), chance.happens(0.6), chance.happens(0.5)
    depths = [chance.uniform(0.15, 0.7) for _ in range(3)]
    reach, thin = chance.uniform(0.35, 0.9), chance.log_uniform(0.006, 0.014) * side
    for eye, brow in EYES_WITH_BROWS:
        lid = landmarks[eye[:4]]
        if lids:
            above = torch.cat((lid, lid + reach * (landmarks[brow].mean(0) - lid.mean(0))))
            mask = area(above, size, 0.02 * side) * (1 - area(landmarks[eye], size, 0.008 * side))
            picture = put_over(picture, tinted(picture, shade, chance.uniform(0.1, 0.5)), depths[0] * mask)
        if liner:
            line = near_line(lid, size, thin)
            if chance.happens(0.5):
                line = torch.maximum(line, 0.6 * near_line(landmarks[[eye[0], eye[5], eye[4], eye[3]]], size, 0.7 * thin))
            picture = put_over(picture, 0.25 * picture, depths[1] * line)
        if brows:
            picture = put_over(picture, tinted(picture, shade, 0.6), depths[2] * near_line(landmarks[brow], size, 0.02 * side))
    if chance.happens(0.5):
        rouge = colour_of(torch.tensor([0.75, 0.3, 0.3]), torch.tensor([1.0, 0.55, 0.55]), chance)
        depth, grid = chance.uniform(0.1, 0.45), pixel_grid(size, size)
        for jaw, lid in ((3, 41), (13, 46)):
            at = 0.45 * landmarks[jaw] + 0.25 * landmarks[30] + 0.3 * landmarks[lid]
            mask = torch.exp(-0.5 * ((grid - at) ** 2).sum(2) / (0.09 * side) ** 2).view(1, 1, size, size)
            picture = put_over(picture, tinted(picture, rouge, 0.0), depth * mask)
    return picture.clamp(0, 1)


def bright_eyes(picture: Tensor, landmarks: Tensor, chance: Chance) -> Tensor:
    """Whiter and crisper eyes, as every portrait editor offers them."""
    side, gain, amount = face_side(landmarks), chance.uniform(1, 1.3), chance.uniform(0.3, 1.5)
    for eye, _ in EYES_WITH_BROWS:
        mask = area(landmarks[eye], picture.shape[2], 0.01 * side)
        picture = put_over(picture, sharpen(gain * picture, amount, 1.5), mask)
    return picture.clamp(0, 1)


def retouched(picture: Tensor, landmarks: Tensor, chance: Chance) -> Tensor:
    """One face as a make-up artist and a portrait editor leave it."""
    if chance.happens(0.6):
        picture = make_up(picture, landmarks, chance)
    if chance.happens(0.4):
        picture = even_colour(picture, landmarks, chance.uniform(0.2, 0.7))
    if chance.happens(0.65):
        picture = smooth_skin(picture, landmarks, chance.uniform(0.4, 1), chance.log_uniform(0.012, 0.05), chance.log_uniform(0.02, 0.1))
    if chance.happens(0.4):
        picture = bright_eyes(picture, landmarks, chance)
    if chance.happens(0.3):
        # "Clarity": contrast of everything a few pixels wide.
        picture = sharpen(picture, chance.uniform(0.15, 0.6), chance.uniform(3, 8))
    return picture


def coloured_light(size_px: int, chance: Chance) -> Tensor:
    """Gains of a lamp or two of some colour from some side, `[1, 3, s, s]`."""
    grid = pixel_grid(size_px, size_px) / size_px - 0.5
    gains = torch.ones(1, 3, size_px, size_px)
    for _ in range(2 if chance.happens(0.5) else 1):
        direction = torch.randn(2, generator=chance.generator)
        along = grid @ (direction / direction.norm().clamp_min(1e-3))
        fall = torch.sigmoid((along - chance.uniform(-0.25, 0.25)) / chance.log_uniform(0.05, 0.4)).view(1, 1, size_px, size_px)
        colour = colour_of(torch.tensor([0.35, 0.35, 0.35]), torch.tensor([1.5, 1.5, 1.5]), chance)
        gains = gains * (1 + fall * (colour - 1))
    shadows = smooth_field(1, 1, 4, (size_px, size_px), chance.generator) * chance.uniform(0, 0.1)
    return (gains * (1 + shadows)).clamp(0.15, 2)


@dataclass(frozen=True)
class Grade:
    """A look given to a whole picture: the same for every frame of a clip."""

    #: Exponent of each channel, `[1, 3, 1, 1]`.
    gamma: Tensor
    saturation: float
    #: Strength of an S-curve, -1 (flat) to 1 (hard).
    contrast: float
    #: Added to what is dark and to what is bright, `[1, 3, 1, 1]`.
    shadows: Tensor
    highlights: Tensor

    def on(self, picture: Tensor) -> Tensor:
        gamma, shadows, highlights = (tensor.to(picture.device) for tensor in (self.gamma, self.shadows, self.highlights))
        x = picture.clamp(1e-3, 1) ** gamma
        grey = luma(x)
        x = grey + self.saturation * (x - grey)
        x = x + self.contrast * (x * x * (3 - 2 * x) - x)
        return (x + (1 - grey) ** 2 * shadows + grey**2 * highlights).clamp(0, 1)


def draw_grade(chance: Chance) -> Grade:
    def three(low: float, high: float) -> Tensor:
        return torch.tensor([chance.uniform(low, high) for _ in range(3)]).view(1, 3, 1, 1)

    overall = chance.log_uniform(0.65, 1.5)
    return Grade(overall * three(0.85, 1.18), chance.uniform(0.3, 1.8), chance.uniform(-0.6, 0.9), three(-0.08, 0.1), three(-0.12, 0.08))


def sensor_noise(frames: Tensor, amount: float, size_px: float, texture: float, generator: torch.Generator) -> Tensor:
    """Noise as cameras leave it, for `frames [t, 3, h, w]`: grains of `size_px`, and, since noise reduction tells smooth from
    textured, stronger in structure (`texture` towards 1), in smooth parts (towards -1), or everywhere alike (0)."""
    grains = blur(torch.randn(frames.shape, generator=generator), size_px) * max(1.0, 3.5 * size_px)
    grey = luma(frames)
    structure = blur((grey - blur(grey, 1.5)).abs(), 2)
    share = structure / (structure + structure.mean((1, 2, 3), keepdim=True).clamp_min(1e-4))
    return amount * grains * (1 + texture * (2 * share - 1)) * (0.4 + 2.4 * grey * (1 - grey).clamp_min(0))
