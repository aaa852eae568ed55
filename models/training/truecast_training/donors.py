"""Whose still is put on which actor: people who are not trained on, who hold the head alike and are of like complexion."""

from typing import Set, Tuple

import numpy as np
import torch

from .cielab import to_lab
from .faces import Faces
from .geometry import apply
from .prepare import picture_of
from .still_swap import placed, template_of

#: A donor's still that was smaller than this has nothing to show at 128 px.
MIN_DONOR_PX = 100
#: A donor nearer than this to the actor might be the actor, as an official portrait.
MIN_DESCRIPTOR_DISTANCE = 0.65
#: One of so many best fitting donors is drawn, so that not all clips get the same few.
BEST_DONORS = 4
#: What 10 units of CIELAB between two complexions weigh, in landmark distance (shares of the square).
COMPLEXION_WEIGHT = 0.004
#: Stills with bars across bridge and cheeks so many times as strong as the median's (two measures added) show spectacles,
#: which a hull would cut through. Found by looking: it takes all of them and a few strong wrinkles.
SPECTACLES = 3.5
#: Cheeks with less CIELAB chroma are those of a grey photograph.
MIN_CHROMA = 6


class Donors:
    """Stills of people who are not trained on."""

    def __init__(self, faces: Faces, indices: np.ndarray) -> None:
        # The mean shape is that of all faces, so that a few donors more or less move nothing.
        self.faces, self.template = faces, torch.from_numpy(template_of(faces.landmarks)).to(torch.float32)
        large = [int(i) for i in indices if faces.face_px[i] >= MIN_DONOR_PX]
        bars = np.array([bars_across(np.asarray(faces.pixels[i]), faces.landmarks[i]) for i in large]).reshape(-1, 2)
        bare = (bars / np.median(bars, 0).clip(1e-6)).sum(1) < SPECTACLES
        self.indices = [i for i, without in zip(large, bare) if without and complexion(picture_of(faces, i), self.landmarks(i))[1:].norm() > MIN_CHROMA]
        if not self.indices:
            raise RuntimeError(f"none of {len(indices)} held-out stills is of {MIN_DONOR_PX} px or more, in colour and without spectacles")
        self.shapes = torch.stack([self.shape_of(self.landmarks(i)) for i in self.indices])
        self.complexions = torch.stack([complexion(picture_of(faces, i), self.landmarks(i)) for i in self.indices])
        self.taken: Set[int] = set()

    def landmarks(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.faces.landmarks[index].copy())

    def shape_of(self, landmarks: torch.Tensor) -> torch.Tensor:
        return apply(placed(landmarks, self.template), landmarks.unsqueeze(0))[0]

    def choose(self, shape: torch.Tensor, skin: torch.Tensor, descriptors: np.ndarray, random: np.random.Generator) -> Tuple[int, float]:
        """One that holds the head as the actor does and is nobody the actor looks like, and how far off its landmarks are."""
        misfit = ((self.shapes - shape) ** 2).sum(2).mean(1).sqrt()
        cost = misfit + COMPLEXION_WEIGHT / 10 * (self.complexions - skin).norm(dim=1)
        fitting = []
        for k in cost.argsort().tolist():
            index = self.indices[k]
            near = len(descriptors) > 0 and float(np.linalg.norm(descriptors - self.faces.descriptors[index], axis=1).min()) < MIN_DESCRIPTOR_DISTANCE
            if int(self.faces.people[index]) not in self.taken and not near:
                fitting.append(k)
        if not fitting:
            raise RuntimeError(f"all {len(self.indices)} donors are taken or look like the actor; more stills are needed")
        chosen = fitting[int(random.integers(min(BEST_DONORS, len(fitting))))]
        self.taken.add(int(self.faces.people[self.indices[chosen]]))
        return self.indices[chosen], float(misfit[chosen])


def complexion(picture: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """Mean CIELAB of the cheeks, `[3]`."""
    colours = []
    for jaw in (2, 3, 4, 12, 13, 14):
        x, y = (int(v) for v in (landmarks[jaw] + landmarks[30]) / 2)
        patch = picture[:, :, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        if patch.numel() > 0:
            colours.append(to_lab(patch).mean((2, 3))[0])
    return torch.stack(colours).mean(0) if colours else torch.zeros(3)


def bars_across(pixels: np.ndarray, landmarks: np.ndarray) -> Tuple[float, float]:
    """Strongest horizontal bar on the bridge of the nose and under the eyes, over the contrast of the face."""
    grey = pixels.astype(np.float32).mean(2)
    gap = float(np.linalg.norm(landmarks[42] - landmarks[39]))
    (x, top), bottom = landmarks[27], landmarks[28][1]
    contrast = float(region(grey, landmarks[2][0], landmarks[14][0], top, landmarks[33][1]).std()) + 10
    under = []
    for outer, inner in ((36, 39), (45, 42)):
        middle, half = (landmarks[outer][0] + landmarks[inner][0]) / 2, 0.4 * abs(landmarks[outer][0] - landmarks[inner][0])
        lid = max(landmarks[outer][1], landmarks[inner][1])
        under.append(bar(region(grey, middle - half, middle + half, lid + 0.3 * gap, lid + gap)))
    return bar(region(grey, x - 0.2 * gap, x + 0.2 * gap, top - 0.35 * gap, bottom + 0.25 * gap)) / contrast, max(under) / contrast


def region(grey: np.ndarray, left: float, right: float, top: float, bottom: float) -> np.ndarray:
    """At least two rows and a column, whatever the landmarks say."""
    height, width = grey.shape
    y, x = min(max(0, int(top)), height - 2), min(max(0, int(left)), width - 1)
    return grey[y : max(y + 2, int(bottom) + 1), x : max(x + 1, int(right) + 1)]


def bar(rows: np.ndarray) -> float:
    return float(np.abs(np.diff(rows.mean(1))).max())
