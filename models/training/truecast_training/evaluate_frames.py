"""Scores the crops of real clips, and sets the trivial baseline beside it. A quick look while training; `truecast evaluate`
runs the whole pipeline and is what counts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
import torch

from .clips import Clip, read_clips
from .metrics import auc, auc_interval, leave_group_out
from .networks import FaceSequenceClassifier, build_model
from .train_sequences import features_of

#: Frames looked at in one clip when only frames are scored.
FRAMES_PER_CLIP = 25


@dataclass(frozen=True)
class Evaluation:
    clips: List[Clip]
    labels: np.ndarray
    groups: List[str]
    scores: Dict[str, np.ndarray]

    def lines(self) -> List[str]:
        out = [f"{len(self.clips)} clips, {int(self.labels.sum())} forged, channel {self.clips[0].channel}"]
        for name, scores in self.scores.items():
            low, high = auc_interval(self.labels, scores, self.groups)
            swaps = np.array([clip.label == 0 or "swap" in clip.type for clip in self.clips])
            scene = np.array([clip.group.startswith("ghost_dance") for clip in self.clips])
            kinds = f"swaps {auc(self.labels[swaps], scores[swaps]):.3f}, same scene {auc(self.labels[scene], scores[scene]):.3f}, reenactments {auc(self.labels[~swaps | (self.labels == 0)], scores[~swaps | (self.labels == 0)]):.3f}"
            out.append(f"{name}: AUC {auc(self.labels, scores):.3f} (95%: {low:.3f} to {high:.3f}); {kinds}")
        return out


def trivial_features(clips: Sequence[Clip], source_folder: Path) -> np.ndarray:
    """What tells clips apart without looking at a face: bit rate, picture size, sharpness, size of the face, `[n, 4]`."""
    rows = []
    for clip in clips:
        path = source_folder / clip.file
        seconds = max(0.5, float(clip.slots[-1] - clip.slots[0] + 1) / 10)
        bits = path.stat().st_size * 8 / seconds if clip.channel == "source" and path.exists() else 1.0
        rows.append([np.log(bits), np.log(clip.face_px), np.log(clip.sharpness + 1e-6)])
    return np.array(rows)


def evaluate(folder: Path, channel: str, weights: Dict[str, torch.Tensor], network: str, label_head: Dict[str, torch.Tensor], source_folder: Path, sequences: bool, precision: str = "float32") -> Evaluation:
    """`weights` are a model's; `label_head` is the frame classifier of training (empty to leave frames out)."""
    clips = read_clips(folder, channel)
    model = build_model(network)
    model.load_state_dict(weights)
    labels, groups = np.array([clip.label for clip in clips]), [clip.group for clip in clips]
    frames, horizon = [], []
    for clip in clips:
        every = 1 if sequences else max(1, len(clip.crops) // FRAMES_PER_CLIP)
        features = features_of(model, np.asarray(clip.crops[::every]), torch.device("cpu"), precision)
        if label_head:
            logits = features @ label_head["weight"].T + label_head["bias"]
            frames.append(float((logits[:, 1] - logits[:, 0]).mean()))
        if sequences:
            horizon.append(float(horizon_logits(model, features).mean()))
    scores = {}
    if frames:
        scores["frames"] = np.array(frames)
    if horizon:
        scores["horizon"] = np.array(horizon)
    scores["trivial baseline, leave group out"] = leave_group_out(trivial_features(clips, source_folder), labels, groups)
    return Evaluation(clips, labels, groups, scores)


def horizon_logits(model: FaceSequenceClassifier, features: torch.Tensor, window: int = 100, hop: int = 10) -> np.ndarray:
    """Log odds of every full horizon of a clip; of a shorter clip, after its last frame."""
    starts = range(0, max(1, len(features) - window + 1), hop)
    with torch.no_grad():
        logits = torch.cat([model.classify(features[start : start + window].unsqueeze(0)) for start in starts])
    return (logits[:, 1] - logits[:, 0]).numpy()
