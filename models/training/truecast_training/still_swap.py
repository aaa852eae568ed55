"""Puts the still of a donor over the face of every frame of a clip, as swappers without a generator did: warped piece by
piece to follow the actor's landmarks, coloured to match, blended in.

It judges what was trained on `forgeries.py`, so it shares none of that file's steps: a mesh instead of a similarity and
bumps, colours in CIELAB or by a membrane instead of RGB moments, a square of fixed resolution that every frame is drawn in.
Pictures are float RGB 0..1 `[1, 3, h, w]`, points pixels `[k, 2]`, unless said otherwise.
"""

from dataclasses import dataclass
from typing import List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .cielab import moments_of, to_lab, to_rgb
from .geometry import BROWS, EYES, MOUTH, NOSE, apply, blur, half_planes, invert, pixel_grid, sample, similarity

#: Points that place a face: the jaw moves with every word.
STEADY = [*BROWS, *NOSE, *EYES, *MOUTH[:12]]
#: Points whose place is the donor's own to a share: what makes a face another one, and moves with no word.
OWN = [*BROWS, *NOSE, *EYES]
INNER_MOUTH = list(range(60, 68))
#: Share of the square that the landmarks fill, and where their middle lies in it.
FILLED, MIDDLE = 0.68, (0.5, 0.57)
#: Warp and membrane are computed on so many points a side of the square and interpolated: both are nearly linear between.
LATTICE = 48
#: Directions in which the edge of the mask is looked for.
RAYS = 48
#: How far a colour along the edge may lie from the median of them, CIELAB.
EDGE_RANGE = torch.tensor([15.0, 6.0, 8.0])
#: Structure finer than this is matched to the actor's, in sides of the square.
FINE = 0.03
#: Light is what changes over more than this, in sides of the square.
LIGHT = 0.13


@dataclass(frozen=True)
class Look:
    """What is constant in one swap."""

    #: Side of the square that the face is drawn in, whatever its size in the picture.
    side_px: int
    #: `lab`: mean and spread of each CIELAB channel; `seamless`: the difference along the edge spread over the face.
    colour: str
    #: How much of the actor's large-scale light the layer takes, 0..1.
    relight: float
    #: Share of the way from the actor's brows, nose and eyes to the donor's.
    own_shape: float
    #: Mask above the brows, in distances from brows to mouth.
    forehead: float
    #: Mask made smaller by this share; width of its soft edge in sides of the square.
    erode: float
    feather: float
    #: Fine structure of the layer, in that of the actor's face: generators draw too little of it, enhancers too much.
    detail: float
    #: Standard deviation of the smoothing of landmarks over time, frames; what is left of the jitter is the detector's.
    steadiness: float


def draw_look(side_px: int, colour: str, random: np.random.Generator) -> Look:
    return Look(
        side_px=side_px,
        colour=colour,
        relight=float(random.uniform(0.4, 0.9)),
        own_shape=float(random.uniform(0.2, 0.6)),
        forehead=float(random.uniform(0.1, 0.4)),
        erode=float(random.uniform(0.03, 0.09)),
        feather=float(random.uniform(0.015, 0.045)),
        detail=float(random.uniform(0.6, 1.3)),
        steadiness=float(random.uniform(0.6, 1.6)),
    )


def triangulate(points: np.ndarray) -> np.ndarray:
    """Delaunay triangles of some 80 points `[k, 2]` -> `[t, 3]`: those whose circumcircle holds no other point."""
    # Points on one circle or line have no unique triangles; a hair's breadth decides.
    p = points + np.random.default_rng(0).normal(0, 1e-4 * np.ptp(points), points.shape)
    k = len(p)
    a, b, c = np.array([(i, j, l) for i in range(k) for j in range(i + 1, k) for l in range(j + 1, k)]).T
    u, v = p[b] - p[a], p[c] - p[a]
    area = 2 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    uu, vv = (u**2).sum(1), (v**2).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = p[a] + np.stack(((v[:, 1] * uu - u[:, 1] * vv) / area, (u[:, 0] * vv - v[:, 0] * uu) / area), 1)
    radius = ((centre - p[a]) ** 2).sum(1)
    empty = np.ones(len(a), bool)
    for point in p:
        empty &= ((centre - point) ** 2).sum(1) >= radius * (1 - 1e-9)
    return np.stack((a, b, c), 1)[empty]


def with_forehead(landmarks: Tensor, reach: float = 0.5) -> Tensor:
    """`[68, 2]` and ten points above the brows -> `[78, 2]`."""
    brows = landmarks[list(BROWS)]
    return torch.cat((landmarks, brows + reach * (brows.mean(0) - landmarks[list(MOUTH)].mean(0))))


def template_of(landmarks: np.ndarray) -> np.ndarray:
    """Mean shape of faces `[n, 68, 2]`, placed in a square of side 1."""
    shape = (landmarks - landmarks.mean(1, keepdims=True)) / np.ptp(landmarks, 1).max(1)[:, None, None]
    mean = shape.mean(0)
    return (mean - (mean.min(0) + mean.max(0)) / 2) / np.ptp(mean, 0).max() * FILLED + np.array(MIDDLE)


def placed(landmarks: Tensor, template: Tensor) -> Tensor:
    """The similarity that takes a face to the template, `[1, 2, 3]`."""
    return similarity(landmarks[STEADY].unsqueeze(0), template[STEADY].unsqueeze(0))


def piecewise_affine(at: Tensor, target: Tensor, source: Tensor, triangles: Tensor) -> Tensor:
    """Where positions `at [m, 2]` of the mesh `target` lie in the mesh `source`; outside, as the nearest triangle goes on."""
    a, b, c = target[triangles[:, 0]], target[triangles[:, 1]], target[triangles[:, 2]]
    u, v = b - a, c - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    area = torch.where(area.abs() < 1e-3, torch.full_like(area, 1e-3), area)
    d = at.unsqueeze(1) - a
    second = (d[..., 0] * v[:, 1] - d[..., 1] * v[:, 0]) / area
    third = (u[:, 0] * d[..., 1] - u[:, 1] * d[..., 0]) / area
    share = torch.stack((1 - second - third, second, third), 2)
    best = share.amin(2).argmax(1)
    weight = share[torch.arange(len(at)), best].clamp(-0.5, 1.5)
    weight = weight / weight.sum(1, keepdim=True)
    return (weight.unsqueeze(2) * source[triangles[best]]).sum(1)


def lattice_of(side_px: int) -> Tensor:
    return pixel_grid(LATTICE, LATTICE).reshape(-1, 2) * ((side_px - 1) / (LATTICE - 1))


def refined(values: Tensor, side_px: int) -> Tensor:
    """Values on the lattice `[LATTICE * LATTICE, c]` -> `[1, c, side, side]`."""
    return F.interpolate(values.T.reshape(1, -1, LATTICE, LATTICE), size=(side_px, side_px), mode="bilinear", align_corners=True)


def edge_of(points: Tensor) -> Tensor:
    """The edge of the convex hull of `points`, seen from its middle in `RAYS` directions, `[RAYS, 2]`."""
    angle = torch.arange(RAYS) * (2 * torch.pi / RAYS)
    normal = torch.stack((torch.cos(angle), torch.sin(angle)), 1)
    centre = points.mean(0)
    reach = ((points - centre) @ normal.T).amax(0)
    facing = normal @ normal.T
    radius = torch.where(facing > 1e-3, reach / facing.clamp_min(1e-3), torch.full_like(facing, float("inf"))).amin(1)
    return centre + radius.unsqueeze(1) * normal


def membrane(edge: Tensor, values: Tensor, at: Tensor) -> Tensor:
    """Values `[k, c]` along a closed edge `[k, 2]` spread over the inside by mean value coordinates, `[m, c]`: what gradient-domain
    cloning adds to the layer (Farbman et al., Coordinates for Instant Image Cloning, 2009; Pérez et al., 2003)."""
    d = edge.unsqueeze(0) - at.unsqueeze(1)
    distance = d.norm(dim=2).clamp_min(0.5)
    after = d.roll(-1, 1)
    angle = torch.atan2(d[..., 0] * after[..., 1] - d[..., 1] * after[..., 0], (d * after).sum(2))
    half = torch.tan((angle / 2).clamp(-1.5, 1.5))
    weight = (half + half.roll(1, 1)) / distance
    total = weight.sum(1, keepdim=True)
    spread = weight @ values / torch.where(total.abs() < 1e-6, torch.full_like(total, 1e-6), total)
    # Outside the edge the coordinates are not a mean any more.
    return torch.minimum(torch.maximum(spread, values.amin(0)), values.amax(0))


class StillSwap:
    """One donor on one actor. Frames are given in their order: colours are carried from frame to frame."""

    def __init__(self, donor: Tensor, donor_landmarks: Tensor, actor_shape: Tensor, template: Tensor, look: Look) -> None:
        """`actor_shape`: the actor's median landmarks, placed on the template (of side 1)."""
        self.donor, self.look = donor, look
        self.template = template * look.side_px
        self.source = with_forehead(donor_landmarks)
        self.triangles = torch.from_numpy(triangulate(with_forehead(template).numpy()))
        mine = apply(placed(donor_landmarks, self.template), donor_landmarks.unsqueeze(0))[0]
        self.own = torch.zeros(68, 2)
        self.own[OWN] = look.own_shape * (mine - actor_shape * look.side_px)[OWN]
        self.moments: Optional[Tensor] = None

    def frame(self, picture: Tensor, landmarks: Tensor) -> Tensor:
        """The frame with the donor's face."""
        side = self.look.side_px
        transform = placed(landmarks, self.template)
        actor = apply(transform, landmarks.unsqueeze(0))[0]
        square = sample(picture, apply(invert(transform), pixel_grid(side, side).unsqueeze(0)))
        at = refined(piecewise_affine(lattice_of(side), with_forehead(actor + self.own), self.source, self.triangles), side)
        layer = sample(self.donor, at.permute(0, 2, 3, 1))
        hull = with_forehead(actor, self.look.forehead)
        hull = hull.mean(0) + (1 - self.look.erode) * (hull - hull.mean(0))
        solid = inside(hull, side)
        layer = self.coloured(layer, square, solid, hull)
        mask = blur(solid, self.look.feather * side) * (1 - self.open_mouth(actor))
        return self.put_back(picture, layer, mask, transform)

    def coloured(self, layer: Tensor, square: Tensor, solid: Tensor, hull: Tensor) -> Tensor:
        side = self.look.side_px
        theirs, ours = to_lab(square), to_lab(layer)
        fine = fine_structure(ours)
        moments = torch.cat((*moments_of(theirs, solid), *moments_of(ours, solid), spread_of(fine_structure(theirs), solid), spread_of(fine, solid)))
        self.moments = moments if self.moments is None else 0.8 * self.moments + 0.2 * moments
        finest = self.moments[13]
        if self.look.colour == "lab":
            mean_theirs, spread_theirs, mean_ours, spread_ours = self.moments[:12].view(4, 1, 3, 1, 1)
            ratio = (spread_theirs / spread_ours).clamp(0.6, 1.5)
            ours, fine, finest = (ours - mean_ours) * ratio + mean_theirs, fine * ratio[:, :1], finest * ratio[0, 0]
        else:
            edge = edge_of(hull)
            coarse = F.interpolate(theirs - ours, size=(LATTICE, LATTICE), mode="area")
            difference = sample(coarse, ((edge + 0.5) * (LATTICE / side) - 0.5).view(1, 1, RAYS, 2))[0, :, 0].T
            # A strand of hair or the background behind a far cheek must not run down the whole face.
            middle = difference.median(0).values
            difference = torch.minimum(torch.maximum(difference, middle - EDGE_RANGE), middle + EDGE_RANGE)
            difference = (difference.roll(2, 0) + 2 * difference.roll(1, 0) + 3 * difference + 2 * difference.roll(-1, 0) + difference.roll(-2, 0)) / 9
            ours = ours + refined(membrane(edge, difference, lattice_of(side)), side)
        coarse = F.interpolate(torch.cat(((theirs - ours)[:, :1] * solid, solid), 1), size=(LATTICE, LATTICE), mode="area")
        darker, there = blur(coarse, LIGHT * LATTICE).split(1, 1)
        light = self.look.relight * F.interpolate(darker / there.clamp_min(1e-3), size=(side, side), mode="bilinear", align_corners=False)
        gain = (self.look.detail * self.moments[12] / finest).clamp(0.3, 1.6)
        return to_rgb(torch.cat((ours[:, :1] + light + (gain - 1) * fine, ours[:, 1:]), 1))

    def open_mouth(self, actor: Tensor) -> Tensor:
        """Where the actor's own mouth is left to be seen: between the lips, when they are apart."""
        side = self.look.side_px
        gap = float((actor[[65, 66, 67]] - actor[[63, 62, 61]]).norm(dim=1).mean()) / side
        seen = min(1.0, max(0.0, (gap - 0.015) / 0.02))
        return seen * blur(inside(actor[INNER_MOUTH], side), 0.01 * side) if seen > 0 else torch.zeros(1, 1, side, side)

    def put_back(self, picture: Tensor, layer: Tensor, mask: Tensor, transform: Tensor) -> Tensor:
        side = self.look.side_px
        height, width = picture.shape[2:]
        corners = apply(invert(transform), torch.tensor([[[0.0, 0.0], [side, 0.0], [0.0, side], [side, side]]]))[0]
        left, top = (max(0, int(v)) for v in corners.amin(0))
        right, bottom = min(width, int(corners[:, 0].max()) + 2), min(height, int(corners[:, 1].max()) + 2)
        if right <= left or bottom <= top:
            return picture
        shrink = float(torch.linalg.det(transform[0, :, :2]).abs().sqrt())
        at = apply(transform, (pixel_grid(bottom - top, right - left) + torch.tensor([left, top])).unsqueeze(0))
        drawn = sample(blur(layer, 0.4 * shrink) if shrink > 1.2 else layer, at)
        share = sample(mask, at, "zeros").clamp(0, 1)
        out = picture.clone()
        part = out[:, :, top:bottom, left:right]
        out[:, :, top:bottom, left:right] = part * (1 - share) + drawn * share
        return out


def fine_structure(lab: Tensor) -> Tensor:
    return lab[:, :1] - blur(lab[:, :1], FINE * lab.shape[2])


def spread_of(fine: Tensor, solid: Tensor) -> Tensor:
    """Standard deviation under the mask, `[1]`."""
    return ((fine**2 * solid).sum() / solid.sum().clamp_min(1)).sqrt().clamp_min(0.1).view(1)


def inside(points: Tensor, side_px: int) -> Tensor:
    """The hull of `points` as a mask of the square, `[1, 1, side, side]`; found at 128 px at most, its edges become soft anyway."""
    coarse = min(128, side_px)
    mask = half_planes(((points + 0.5) * (coarse / side_px) - 0.5).unsqueeze(0), (coarse, coarse))
    return mask if coarse == side_px else F.interpolate(mask, size=(side_px, side_px), mode="bilinear", align_corners=False)


def smooth_over_time(landmarks: Sequence[Optional[np.ndarray]], sigma: float) -> List[Optional[np.ndarray]]:
    """Gaussian mean over neighbouring frames, `[68, 2]` each; never across a frame without a face or a jump to another place."""
    out: List[Optional[np.ndarray]] = []
    radius = max(1, int(3 * sigma + 0.5))
    for i, here in enumerate(landmarks):
        if here is None:
            out.append(None)
            continue
        total, weight = here.copy(), 1.0
        for step in (-1, 1):
            last = here
            for j in range(1, radius + 1):
                there = landmarks[i + step * j] if 0 <= i + step * j < len(landmarks) else None
                if there is None or np.abs(there - last).mean() > 0.15 * np.ptp(here, 0).max():
                    break
                share = float(np.exp(-0.5 * (j / sigma) ** 2))
                total, weight, last = total + share * there, weight + share, there
        out.append(total / weight)
    return out
