"""Trains the LSTM on the features of whole clips, with the backbone as it came out of `train_frames`."""

import copy
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .curves import draw_curves
from .dataset import Shards
from .metrics import auc
from .networks import AUTHENTIC, MANIPULATED, FaceSequenceClassifier, build_model, remember_horizon
from .progress import Progress
from .recipes import FRAMES_OF_HORIZON, Recipe
from .train import autocast, follow, learning_rate, save


#: Share of a training batch's clips that are few frames drawn out to whole horizons; the rest is long clips.
FEW_SHARE = 0.25
#: Share of the features that each training clip goes without: no score may hang on a few of them.
FEATURE_DROPOUT = 0.2
#: Weights that are exported are an average over about the last 100 steps: of 300 steps in all, more would not leave the start.
AVERAGING = 0.99


def average_at_first(model: FaceSequenceClassifier, weight: Tensor, bias: float) -> None:
    """Nine units of the LSTM begin as leaky averages of the log odds of single frames (`weight @ features + bias`, as the
    backbone's training left them), squashed at three strengths and forgotten at three speeds, and the classifier begins
    with their sum. From random weights the LSTM learned less than the plain mean of its frames says; from here it can
    only add to it."""
    lstm, unit = model.lstm, 0
    size = lstm.hidden_size
    with torch.no_grad():
        model.classifier.weight.mul_(0.1)
        model.classifier.bias.zero_()
        for strength in (0.1, 0.25, 0.5):
            for kept in (0.97, 0.99, 0.997):
                gates = [unit, unit + size, unit + 2 * size, unit + 3 * size]
                for tensor in (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0):
                    tensor[gates] = 0
                taken = 2 * (1 - kept)
                lstm.bias_ih_l0[gates] = torch.tensor([math.log(taken / (1 - taken)), math.log(kept / (1 - kept)), strength * bias, 4.0])
                lstm.weight_ih_l0[gates[2]] = strength * weight
                model.classifier.weight[AUTHENTIC, unit], model.classifier.weight[MANIPULATED, unit] = -0.5, 0.5
                unit += 1


def load_frames(recipe: Recipe, path: Path, seed: int) -> FaceSequenceClassifier:
    """The model with its trained backbone; networks without weights in theirs (recipes of no frame steps) need no file."""
    model = build_model(recipe.network, seed)
    if recipe.frame_steps > 0:
        model.load_state_dict(torch.load(str(path), map_location="cpu")["model"])
    return model.eval()


def features_of(model: FaceSequenceClassifier, crops: np.ndarray, device: torch.device, precision: str = "float32", batch: int = 100) -> Tensor:
    """uint8 `[n, s, s, 3]` -> `[n, F]` on the CPU."""
    out = []
    with torch.no_grad(), autocast(device, precision):
        for at in range(0, len(crops), batch):
            out.append(model.features(torch.from_numpy(np.ascontiguousarray(crops[at : at + batch])).to(device)).float().cpu())
    return torch.cat(out)


def clip_features(model: FaceSequenceClassifier, shards: Shards, device: torch.device, precision: str, what: str) -> Tuple[Tensor, Tensor]:
    """Features `[clips, t, F]` and labels `[clips]`."""
    progress = Progress(what, len(shards))
    features = []
    for number, crops in enumerate(shards.crops):
        features.append(features_of(model, crops, device, precision))
        progress.show(number + 1)
    progress.end()
    return torch.stack(features), torch.tensor([int(label) for label in shards.labels])


def shuffled_stills(features: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Clips of few frames drawn out to whole horizons, `[n, t, F]` -> `[n, count, F]`: each frame comes again and again, in
    runs of random length. They teach the LSTM to weigh evidence over many more faces than there are long clips of."""
    clips, frames = features.shape[:2]
    change = torch.rand(clips, count, generator=generator) < 0.3
    pick = torch.randint(frames, (clips, count), generator=generator)
    last = torch.cummax(torch.where(change, torch.arange(count), torch.zeros((), dtype=torch.long)), 1).values
    index = pick.gather(1, last)
    return features.gather(1, index.unsqueeze(2).expand(-1, -1, features.shape[2]))


def answers(model: FaceSequenceClassifier, features: Tensor, at: Tuple[int, ...]) -> Tensor:
    """Logits after each of the frames `at` (counted from 1), `[n, len(at), 2]`."""
    hidden, _ = model.lstm(features)
    return model.classifier(model.dropout(hidden[:, [frame - 1 for frame in at]]))


def train_sequences(recipe: Recipe, frames_path: Path, frame_data: Path, sequence_data: Path, out: Path, device: torch.device, precision: str = "float32", seed: int = 1, steps: int = 0) -> Path:
    """Gives the path of `model.pt`: all weights, the history, and the held-out logits that calibration is made from."""
    steps = steps or recipe.sequence_steps
    model = load_frames(recipe, frames_path, seed).to(device)
    long, few, held_out = Shards(sequence_data / "training"), Shards(frame_data / "training"), Shards(sequence_data / "held-out")
    if long.refresh() == 0 or few.refresh() == 0 or held_out.refresh() == 0:
        raise ValueError(f"{sequence_data} and {frame_data} must hold clips: run prepare for frames and for sequences first")
    long_features, long_labels = cached(out / "features-long.pt", lambda: clip_features(model, long, device, precision, "features of sequences"))
    few_features, few_labels = cached(out / "features-few.pt", lambda: clip_features(model, few, device, precision, "features of frames"))
    held_features, held_labels = cached(out / "features-held-out.pt", lambda: clip_features(model, held_out, device, precision, "held-out features"))
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed + 2)
    scale = float(few_features.std())
    remember_horizon(model.lstm, FRAMES_OF_HORIZON)
    if recipe.frame_steps > 0:
        label = torch.load(str(frames_path), map_location=device)["label"]
        average_at_first(model, label["weight"][MANIPULATED] - label["weight"][AUTHENTIC], float(label["bias"][MANIPULATED] - label["bias"][AUTHENTIC]))
    head = nn.ModuleList((model.lstm, model.classifier))
    optimizer = torch.optim.AdamW(head.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    average = copy.deepcopy(model)
    history: List[Dict[str, float]] = []
    generator = torch.Generator().manual_seed(seed)
    progress = Progress(f"{recipe.name}, LSTM", steps)
    model.dropout.train()
    pairs_of_few = round(FEW_SHARE * recipe.sequence_batch / 2)
    pairs_of_long = recipe.sequence_batch // 2 - pairs_of_few
    at = tuple(recipe.answers_at)
    sums = np.zeros(3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * learning_rate(recipe, step, steps)
        drawn = ((len(long_features), pairs_of_long), (len(few_features), pairs_of_few))
        of_long, of_few = (torch.randint(n // 2, (pairs,), generator=generator).repeat_interleave(2) * 2 + torch.tensor([0, 1]).repeat(pairs) for n, pairs in drawn)
        batch = torch.cat((long_features[of_long], shuffled_stills(few_features[of_few], FRAMES_OF_HORIZON, generator)))
        labels = torch.cat((long_labels[of_long], few_labels[of_few])).to(device)
        # Noise of one clip (its camera, its light) and of one frame.
        batch = batch + scale * (0.1 * torch.randn(len(batch), 1, batch.shape[2], generator=generator) + 0.1 * torch.randn(batch.shape, generator=generator))
        batch = batch * (torch.rand(len(batch), 1, batch.shape[2], generator=generator) > FEATURE_DROPOUT) / (1 - FEATURE_DROPOUT)
        logits = answers(model, batch.to(device), at)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(len(at)), label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        follow(average, model, min(AVERAGING, (1 + step) / (10 + step)))
        sums += (float(loss.detach()), float((logits[:, -1].argmax(1) == labels).float().mean()), 1)
        if (step + 1) % 50 == 0 or step + 1 == steps:
            held = held_out_logits(average, held_features, at, device)
            history.append({"step": step + 1, "loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2]), "auc": auc(held_labels.tolist(), held[:, -1].tolist())})
            draw_curves(history, out / "sequences.png")
            sums = np.zeros(3)
        progress.show(step + 1, f"held-out AUC {history[-1]['auc']:.3f}" if history else "")
    progress.end()
    held = held_out_logits(average, held_features, at, device)
    path = out / "model.pt"
    save({"recipe": asdict(recipe), "model": average.cpu().state_dict(), "history": history, "held_out": {"logits": held, "labels": held_labels, "frames": list(at)}}, path)
    (out / "sequences-history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")
    return path


def held_out_logits(model: FaceSequenceClassifier, features: Tensor, at: Tuple[int, ...], device: torch.device) -> Tensor:
    """Log odds of manipulation after each of the frames, `[n, len(at)]`."""
    was_training = model.dropout.training
    model.dropout.eval()
    with torch.no_grad():
        logits = answers(model, features.to(device), at).float().cpu()
    model.dropout.train(was_training)
    return logits[:, :, 1] - logits[:, :, 0]


def cached(path: Path, compute) -> Tuple[Tensor, Tensor]:
    if path.exists():
        features, labels = torch.load(str(path), map_location="cpu")
        return features, labels
    result = compute()
    save(result, path)
    return result
