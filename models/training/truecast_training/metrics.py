"""How well scores tell forged from genuine: NumPy only."""

from typing import Sequence, Tuple

import numpy as np


def auc(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Area under the ROC curve; ties count half. NaN where one class is missing."""
    y, s = np.asarray(labels), np.asarray(scores, np.float64)
    positives, negatives = s[y == 1], s[y == 0]
    if len(positives) == 0 or len(negatives) == 0:
        return float("nan")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")
    return float(below.mean() / (2 * len(negatives)))


def auc_interval(labels: Sequence[int], scores: Sequence[float], groups: Sequence[str], rounds: int = 1000, seed: int = 1) -> Tuple[float, float]:
    """95% bootstrap interval of the AUC. Whole groups (a person, a scene) are drawn, since their clips are not independent."""
    y, s, g = np.asarray(labels), np.asarray(scores, np.float64), np.asarray(groups)
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(g == name) for name in np.unique(g)]
    values = []
    for _ in range(rounds):
        drawn = np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        values.append(auc(y[drawn], s[drawn]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def equal_error_rate(labels: Sequence[int], scores: Sequence[float]) -> float:
    y, s = np.asarray(labels), np.asarray(scores, np.float64)
    best = 1.0
    for threshold in np.unique(s):
        false_alarms, misses = float((s[y == 0] >= threshold).mean()), float((s[y == 1] < threshold).mean())
        best = min(best, max(false_alarms, misses))
    return best


def logistic_regression(features: np.ndarray, labels: np.ndarray, penalty: float = 1.0, rounds: int = 50) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton's method with a ridge penalty and balanced classes, on standardised features `[n, k]`. Gives mean, scale and weights `[k + 1]`."""
    mean, scale = features.mean(0), features.std(0) + 1e-9
    x = np.concatenate(((features - mean) / scale, np.ones((len(features), 1))), 1)
    share = labels.mean()
    weight = np.where(labels == 1, 0.5 / max(share, 1e-9), 0.5 / max(1 - share, 1e-9))
    ridge = penalty * np.eye(x.shape[1])
    ridge[-1, -1] = 1e-6
    w = np.zeros(x.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (weight * (p - labels)) + ridge @ w
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(hessian, gradient)
        w -= step
        if np.abs(step).max() < 1e-8:
            break
    return mean, scale, w


def leave_group_out(features: np.ndarray, labels: np.ndarray, groups: Sequence[str], penalty: float = 1.0) -> np.ndarray:
    """Log odds of every row from a logistic regression that has not seen its group, `[n]`."""
    g = np.asarray(groups)
    out = np.zeros(len(labels))
    for name in np.unique(g):
        inside = g == name
        mean, scale, w = logistic_regression(features[~inside], labels[~inside], penalty)
        out[inside] = np.concatenate(((features[inside] - mean) / scale, np.ones((inside.sum(), 1))), 1) @ w
    return out
