"""Trains a network: the backbone on frames, then the LSTM on the features of whole clips.

The same code runs on CPU and CUDA. Everything that chance decides comes from a seed; a run that was stopped goes on from
its last checkpoint when the same command is given again.
"""

import copy
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .curves import draw_curves
from .dataset import Shards, augment, frame_batches
from .face_api import FACE_API_WEIGHTS, start_from_face_api
from .metrics import auc
from .networks import FaceResNet, FaceSequenceClassifier, build_model
from .progress import Progress
from .recipes import Recipe

SAVE_EVERY_S = 90.0
VALIDATE_EVERY = 400


class FrameTrainer(nn.Module):
    """A backbone with the two heads that only training needs: the label of one frame, and the forger's mask."""

    def __init__(self, model: FaceSequenceClassifier, feature_size: int, early_channels: int) -> None:
        super().__init__()
        self.model = model
        self.dropout = nn.Dropout(0.2)
        self.label = nn.Linear(feature_size, 2)
        self.mask = nn.Conv2d(early_channels, 1, 3, 1, 1) if early_channels > 0 else None

    def forward(self, crops: Tensor) -> Tuple[Tensor, Tensor]:
        """uint8 `[n, s, s, 3]` -> logits of the label `[n, 2]` and of the mask `[n, s/4, s/4]` (empty without a dense task)."""
        x = self.model.normalised(crops)
        backbone = self.model.backbone
        if self.mask is None or not isinstance(backbone, FaceResNet):
            return self.label(self.dropout(backbone(x))), torch.zeros(0)
        early = backbone.early(x)
        return self.label(self.dropout(backbone.late(early))), self.mask(early)[:, 0]


def frame_trainer(recipe: Recipe, seed: int, shards: Shards) -> FrameTrainer:
    model = build_model(recipe.network, seed)
    backbone = model.backbone
    if recipe.start_from_face_api:
        if not isinstance(backbone, FaceResNet):
            raise ValueError(f"{recipe.name}: only FaceResNet can start from face-api's weights")
        genuine = [shards.crops[c][0] for c in range(min(128, len(shards))) if shards.labels[c] == 0]
        start_from_face_api(backbone, FACE_API_WEIGHTS, torch.from_numpy(np.stack(genuine)), model.normalised)
    early = 64 if recipe.mask_weight > 0 and isinstance(backbone, FaceResNet) else 0
    torch.manual_seed(seed + 1)
    return FrameTrainer(model, backbone.feature_size, early)


def begin_with(trainer: FrameTrainer, path: Path) -> None:
    """Takes the averaged weights of an earlier run: of `frames-checkpoint.pt` all, of `frames.pt` all but the mask's head."""
    state = torch.load(str(path), map_location="cpu")
    if "average" in state:
        trainer.load_state_dict(state["average"])
        return
    trainer.model.load_state_dict(state["model"])
    trainer.label.load_state_dict(state["label"])


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Up over the first twentieth, then down along a cosine; constant where the recipe says so."""
    if not recipe.one_cycle:
        return recipe.learning_rate
    warm = max(1, steps // 20)
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, steps - warm)))))


def autocast(device: torch.device, precision: str) -> Any:
    """float32, or bfloat16 (CPU and CUDA) or float16 (CUDA) where the hardware gains from it."""
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return torch.autocast(device.type, kinds[precision] if precision != "float32" else torch.bfloat16, enabled=precision != "float32")


def validate(trainer: FrameTrainer, shards: Shards, device: torch.device, batch: int = 64) -> Dict[str, float]:
    """One frame of every held-out clip."""
    trainer.eval()
    scores: List[float] = []
    with torch.no_grad():
        for at in range(0, len(shards), batch):
            clips = range(at, min(at + batch, len(shards)))
            crops = torch.from_numpy(np.stack([shards.crops[c][(c // 2) % len(shards.crops[c])] for c in clips])).to(device)
            logits, _ = trainer(crops)
            scores += (logits[:, 1] - logits[:, 0]).float().tolist()
    trainer.train()
    labels = [int(label) for label in shards.labels]
    out = {"auc": auc(labels, scores)}
    for kind in sorted({str(kind) for kind in shards.kinds}):
        of = [i for i, k in enumerate(shards.kinds) if str(k) == kind]
        out[f"auc {kind}"] = auc([labels[i] for i in of], [scores[i] for i in of])
    return out


def train_frames(recipe: Recipe, data: Path, out: Path, device: torch.device, precision: str = "float32", seed: int = 1, steps: int = 0, earlier: Optional[Path] = None) -> Path:
    """Starts from the weights of an `earlier` run where one is given. Gives the path of `frames.pt`: the model's averaged weights and the history."""
    out.mkdir(parents=True, exist_ok=True)
    steps = steps or recipe.frame_steps
    training, held_out = Shards(data / "training"), Shards(data / "held-out", limit=20)
    if training.refresh() < recipe.frame_batch or held_out.refresh() == 0:
        raise ValueError(f"{data} holds {len(training)} training and {len(held_out)} held-out clips: run prepare first")
    # Channels last: twice as fast on CPUs, and what tensor cores want.
    trainer = frame_trainer(recipe, seed, training)
    if earlier is not None:
        begin_with(trainer, earlier)
    trainer = trainer.to(device).to(memory_format=torch.channels_last)
    average = copy.deepcopy(trainer).eval()
    optimizer = torch.optim.AdamW(trainer.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    scaler = torch.cuda.amp.GradScaler(enabled=precision == "float16")
    history: List[Dict[str, float]] = []
    step, passes = 0, 0
    checkpoint = out / "frames-checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(str(checkpoint), map_location=device)
        trainer.load_state_dict(state["trainer"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        history, step, passes = state["history"], state["step"], state["passes"]
    trainer.train()
    progress = Progress(f"{recipe.name}, frames", steps)
    saved = time.monotonic()
    sums, since = np.zeros(3), time.monotonic()
    while step < steps:
        generator = torch.Generator().manual_seed(1000 * seed + passes)
        training.refresh()
        for crops, masks, labels in frame_batches(training, recipe.frame_batch, generator):
            crops, masks, labels = crops.to(device), masks.to(device), labels.to(device)
            crops, masks = augment(crops, masks, generator, recipe.tilted, recipe.relit)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step, steps)
            with autocast(device, precision):
                logits, mask = trainer(crops)
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
            if recipe.mask_weight > 0 and mask.numel() > 0:
                loss = loss + recipe.mask_weight * F.binary_cross_entropy_with_logits(mask.float(), masks)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(trainer.parameters(), 5.0)
            scaler.step(optimizer)
            scaler.update()
            follow(average, trainer, min(recipe.averaging, (1 + step) / (10 + step)))
            step += 1
            sums += (float(loss.detach()), float((logits.argmax(1) == labels).float().mean()), 1)
            if step % VALIDATE_EVERY == 0 or step == steps:
                rate = sums[2] * recipe.frame_batch / (time.monotonic() - since)
                history.append({"step": step, "loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2]), "images_per_s": float(rate), "clips": len(training), **validate(average, held_out, device)})
                average.eval()
                draw_curves(history, out / "frames.png")
                (out / "frames-history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")
                sums, since = np.zeros(3), time.monotonic()
            done = step >= steps
            if done or time.monotonic() - saved > SAVE_EVERY_S:
                save({"trainer": trainer.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(), "history": history, "step": step, "passes": passes}, checkpoint)
                saved = time.monotonic()
            last = history[-1] if history else None
            progress.show(step, f"loss {sums[0] / max(1, sums[2]):.3f}, accuracy {sums[1] / max(1, sums[2]):.3f}" + (f", held-out AUC {last['auc']:.3f}" if last else ""))
            if done:
                break
        passes += 1
    progress.end()
    path = out / "frames.pt"
    save({"recipe": asdict(recipe), "model": average.model.state_dict(), "label": average.label.state_dict(), "history": history}, path)
    return path


def follow(average: nn.Module, source: nn.Module, decay: float) -> None:
    """Exponential moving average of weights; counters and batch-norm statistics too."""
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), source.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.mul_(decay).add_(theirs, alpha=1 - decay)
            else:
                mine.copy_(theirs)


def save(state: Dict[str, Any], path: Path) -> None:
    """Never leaves half a file under the name."""
    part = path.with_suffix(".part")
    torch.save(state, str(part))
    part.replace(path)
