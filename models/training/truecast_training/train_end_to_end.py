"""The paper's way: backbone and LSTM together on whole clips. For a GPU; on a CPU only a few steps are bearable."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Dict, List

import numpy as np
import torch
from torch.nn import functional as F

from .curves import draw_curves
from .dataset import Shards
from .metrics import auc
from .networks import build_model
from .progress import Progress
from .recipes import Recipe
from .train import SAVE_EVERY_S, VALIDATE_EVERY, autocast, learning_rate, save


def train_end_to_end(recipe: Recipe, data: Path, out: Path, device: torch.device, precision: str = "float32", seed: int = 1, steps: int = 0, frames: int = 0) -> Path:
    """Gives the path of `model.pt`. `frames` shortens the clips, for tests."""
    steps = steps or recipe.sequence_steps
    training, held_out = Shards(data / "training"), Shards(data / "held-out")
    if training.refresh() == 0 or held_out.refresh() == 0:
        raise ValueError(f"{data} holds no clips: run prepare --plan sequences first")
    out.mkdir(parents=True, exist_ok=True)
    model = build_model(recipe.network, seed).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    scaler = torch.cuda.amp.GradScaler(enabled=precision == "float16")
    checkpoint = out / "end-to-end-checkpoint.pt"
    history: List[Dict[str, float]] = []
    first = 0
    if checkpoint.exists():
        state = torch.load(str(checkpoint), map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        history, first = state["history"], state["step"]
    progress, saved = Progress(f"{recipe.name}, end to end", steps), time.monotonic()
    sums = np.zeros(3)
    for step in range(first, steps):
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        pairs = torch.randint(len(training) // 2, (recipe.sequence_batch // 2,), generator=generator).tolist()
        clips = [clip for pair in pairs for clip in (2 * pair, 2 * pair + 1)]
        crops = torch.from_numpy(np.stack([training.crops[c][: frames or None] for c in clips])).to(device)
        labels = torch.tensor([int(training.labels[c]) for c in clips], device=device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, steps)
        with autocast(device, precision):
            logits = model(crops)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        sums += (float(loss.detach()), float((logits.argmax(1) == labels).float().mean()), 1)
        if (step + 1) % VALIDATE_EVERY == 0 or step + 1 == steps:
            held = held_out_logits(model, held_out, device, frames)
            history.append({"step": step + 1, "loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2]), "auc": auc([int(label) for label in held_out.labels], held)})
            draw_curves(history, out / "sequences.png")
            sums = np.zeros(3)
        if step + 1 == steps or time.monotonic() - saved > SAVE_EVERY_S:
            save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history, "step": step + 1}, checkpoint)
            saved = time.monotonic()
        progress.show(step + 1)
    progress.end()
    held = torch.tensor(held_out_logits(model, held_out, device, frames)).unsqueeze(1)
    path = out / "model.pt"
    save({"recipe": asdict(recipe), "model": model.cpu().eval().state_dict(), "history": history, "held_out": {"logits": held, "labels": torch.tensor([int(label) for label in held_out.labels]), "frames": [100]}}, path)
    (out / "sequences-history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")
    return path


def held_out_logits(model: torch.nn.Module, shards: Shards, device: torch.device, frames: int) -> List[float]:
    model.eval()
    out = []
    with torch.no_grad():
        for crops in shards.crops:
            logits = model(torch.from_numpy(crops[: frames or None]).unsqueeze(0).to(device))
            out.append(float(logits[0, 1] - logits[0, 0]))
    model.train()
    return out
