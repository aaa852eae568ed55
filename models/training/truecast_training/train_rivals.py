"""Trains a rival of the paper's Table 2 on the same shards as ours."""

from pathlib import Path
from typing import Dict, List

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .dataset import Shards, frame_batches
from .metrics import auc
from .progress import Progress
from .recipes import Recipe
from .rivals import RIVALS
from .train import VALIDATE_EVERY, autocast, learning_rate, save


def rival_batches(shards: Shards, batch: int, frames: int, generator: torch.Generator):
    """As `frame_batches`; for two frames, neighbours in time, `[n, 2, s, s, 3]`."""
    if frames == 1:
        for crops, _, labels in frame_batches(shards, batch, generator):
            yield crops, labels
        return
    pairs = torch.randperm(len(shards) // 2, generator=generator).tolist()
    for at in range(0, len(pairs) - batch // 2 + 1, batch // 2):
        clips = [clip for pair in pairs[at : at + batch // 2] for clip in (2 * pair, 2 * pair + 1)]
        first = int(torch.randint(len(shards.crops[0]) - 1, (), generator=generator))
        yield torch.from_numpy(np.stack([shards.crops[c][first : first + 2] for c in clips])), torch.tensor([int(shards.labels[c]) for c in clips])


def rival_scores(rival: torch.nn.Module, crops: List[Tensor]) -> List[float]:
    rival.eval()
    with torch.no_grad():
        logits = torch.cat([rival(part) for part in crops])
    rival.train()
    return (logits[:, 1] - logits[:, 0]).float().tolist()


def train_rival(recipe: Recipe, data: Path, out: Path, device: torch.device, precision: str = "float32", seed: int = 1, steps: int = 0) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    steps = steps or recipe.frame_steps
    training, held_out = Shards(data / "training"), Shards(data / "held-out", limit=20)
    training.refresh()
    held_out.refresh()
    torch.manual_seed(seed)
    rival = RIVALS[recipe.network]().to(device).train()
    frames = int(rival.frames)
    optimizer = torch.optim.Adam(rival.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    progress = Progress(recipe.name, steps)
    history: List[Dict[str, float]] = []
    step, passes = 0, 0
    while step < steps:
        generator = torch.Generator().manual_seed(1000 * seed + passes)
        for crops, labels in rival_batches(training, min(recipe.frame_batch, len(training)), frames, generator):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step, steps)
            with autocast(device, precision):
                logits = rival(crops.to(device))
            loss = F.cross_entropy(logits.float(), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % VALIDATE_EVERY == 0 or step == steps:
                held = [torch.from_numpy(crops[:frames] if frames > 1 else crops[0]).unsqueeze(0).to(device) for crops in held_out.crops]
                history.append({"step": step, "loss": float(loss.detach()), "auc": auc([int(label) for label in held_out.labels], rival_scores(rival, held))})
            progress.show(step)
            if step >= steps:
                break
        passes += 1
    progress.end()
    path = out / "rival.pt"
    save({"model": rival.state_dict(), "history": history}, path)
    return path
