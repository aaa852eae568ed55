"""Genuine faces to train on: the stills cut by `pipelines/extract/cut-stills.ts`, and a split that no person straddles."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Tuple

import numpy as np

#: Two descriptors nearer than this are taken for one person. face-api's own bound is 0.6; official portraits that are
#: decades apart lie near it, and a pair too many on one side costs nothing.
SAME_PERSON_DISTANCE = 0.5


@dataclass(frozen=True)
class Faces:
    """Faces in one order: pictures, landmarks and who is who."""

    #: uint8 RGB `[n, size, size, 3]`, mapped from disk.
    pixels: np.ndarray
    #: The 68 points of iBUG 300-W, pixels of the picture, `[n, 68, 2]`.
    landmarks: np.ndarray
    #: Face box in pixels of the picture: x, y, width, height, `[n, 4]`.
    boxes: np.ndarray
    #: Longer side of the face in the photograph it was cut from, pixels, `[n]`.
    face_px: np.ndarray
    #: Number of the person, `[n]`; faces of one number look alike enough to be one person.
    people: np.ndarray
    sources: Sequence[str]
    #: face-api's descriptors, `[n, 128]`.
    descriptors: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)


def load_faces(folder: Path, same_person_distance: float = SAME_PERSON_DISTANCE) -> Faces:
    lines = [json.loads(line) for line in (folder / "faces.jsonl").read_text(encoding="utf-8").splitlines()]
    size_px = round((len_of(folder / "faces.u8") / len(lines) / 3) ** 0.5)
    if len(lines) * size_px * size_px * 3 != len_of(folder / "faces.u8"):
        raise ValueError(f"{folder}: faces.u8 does not hold the {len(lines)} faces of faces.jsonl; cut them again")
    descriptors = np.array([line["descriptor"] for line in lines], np.float32)
    return Faces(
        pixels=np.memmap(folder / "faces.u8", np.uint8, "r", shape=(len(lines), size_px, size_px, 3)),
        landmarks=np.array([line["landmarks"] for line in lines], np.float32),
        boxes=np.array([line["box"] for line in lines], np.float32),
        face_px=np.array([line["facePx"] for line in lines], np.float32),
        people=people_of(descriptors, same_person_distance),
        sources=[line["source"] for line in lines],
        descriptors=descriptors,
    )


def len_of(path: Path) -> int:
    return path.stat().st_size


def people_of(descriptors: np.ndarray, same_person_distance: float) -> np.ndarray:
    """Connected components of "nearer than the distance", `[n, d]` -> `[n]`, numbered from 0 in order of appearance."""
    squares = (descriptors**2).sum(1)
    near = squares[:, None] + squares[None] - 2 * descriptors @ descriptors.T < same_person_distance**2
    person = np.full(len(descriptors), -1)
    found = 0
    for start in range(len(descriptors)):
        if person[start] >= 0:
            continue
        waiting = [start]
        person[start] = found
        while waiting:
            for other in np.flatnonzero(near[waiting.pop()] & (person < 0)):
                person[other] = found
                waiting.append(int(other))
        found += 1
    return person


def split_people(people: np.ndarray, held_out_share: float, seed: int) -> Tuple[np.ndarray, np.ndarray]:
    """Indices of the training faces and of the held-out ones. No person is on both sides."""
    numbers, counts = np.unique(people, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    # A component that chained many look-alikes together stays in training: it must not be most of what is held out.
    order = [i for i in order if counts[i] <= max(1, 0.02 * len(people))]
    held_out: List[int] = []
    taken = 0
    for i in order:
        if taken >= held_out_share * len(people):
            break
        held_out.append(int(numbers[i]))
        taken += int(counts[i])
    outside = np.isin(people, held_out)
    return np.flatnonzero(~outside), np.flatnonzero(outside)
