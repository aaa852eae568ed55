"""Calibration: the temperature and bias that make a score the share of forged clips among those that got it (Guo et al., ICML 2017)."""

from dataclasses import dataclass
from typing import Dict, Tuple

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """score = sigmoid(logit / temperature + bias)"""

    temperature: float
    bias: float

    def scores(self, logits: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(np.asarray(logits, np.float64) / self.temperature + self.bias)))


def fit_calibration(logits: np.ndarray, labels: np.ndarray, rounds: int = 200) -> Calibration:
    """Platt's two numbers by Newton's method on the log loss, with his softened targets so that perfectly told classes stay finite."""
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    positives, negatives = y.sum(), (1 - y).sum()
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    a, b = 1.0, 0.0
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(a * z + b, -30, 30)))
        gradient = np.array([((p - target) * z).sum(), (p - target).sum()])
        w = np.maximum(p * (1 - p), 1e-9)
        hessian = np.array([[(w * z * z).sum(), (w * z).sum()], [(w * z).sum(), w.sum()]]) + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = np.abs(step).max()
        if size > 1:
            step = step / size
        a, b = max(1e-3, a - step[0]), b - step[1]
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(1 / a, b)


def calibration_error(scores: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width."""
    s, y = np.asarray(scores), np.asarray(labels)
    number = np.minimum((s * bins).astype(int), bins - 1)
    return float(sum(abs(s[number == b].mean() - y[number == b].mean()) * (number == b).mean() for b in range(bins) if (number == b).any()))


def bands_for(genuine_scores: np.ndarray) -> Dict[str, float]:
    """Lower edges of the verdict bands from calibrated scores of genuine material: a tenth of it may be uncertain, 3%
    suspicious and half a percent called manipulated."""
    edges: Tuple[float, ...] = tuple(float(np.quantile(genuine_scores, q)) for q in (0.9, 0.97, 0.995))
    uncertain = round(min(0.8, max(0.35, edges[0])), 2)
    suspicious = round(min(0.9, max(0.6, uncertain + 0.05, edges[1])), 2)
    return {"uncertain": uncertain, "suspicious": suspicious, "manipulated": round(min(0.97, max(0.8, suspicious + 0.05, edges[2])), 2), "hysteresis": 0.05}
