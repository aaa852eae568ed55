"""What a network becomes when it runs live: the input's share of the LSTM, and one step of it for all staggered states."""

from typing import Tuple

import torch
from torch import Tensor, nn

from .networks import MANIPULATED, FaceSequenceClassifier


class Projection(nn.Module):
    """The input's share of the LSTM gates, `features [m, F]` -> `gates [m, 4H]`: it needs no state, so many frames at once."""

    def __init__(self, model: FaceSequenceClassifier) -> None:
        super().__init__()
        self.weight = nn.Parameter(model.lstm.weight_ih_l0.detach().t().contiguous())
        self.bias = nn.Parameter((model.lstm.bias_ih_l0 + model.lstm.bias_hh_l0).detach())

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weight + self.bias


class HorizonStep(nn.Module):
    """One time step for all staggered states of several tracks.

    `gates [n, 4H]` (of `Projection`, shared by the S states of a track), `h [n, S, H]`, `c [n, S, H]`
    -> `h_next`, `c_next`, `score [n, S]` (probability of manipulation).
    """

    def __init__(self, model: FaceSequenceClassifier) -> None:
        super().__init__()
        self.hidden_size = model.lstm.hidden_size
        self.weight = nn.Parameter(model.lstm.weight_hh_l0.detach().t().contiguous())
        self.classifier = model.classifier

    def forward(self, gates: Tensor, h: Tensor, c: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        i, f, g, o = (h @ self.weight + gates.unsqueeze(1)).split(self.hidden_size, 2)
        c_next = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h_next = torch.sigmoid(o) * torch.tanh(c_next)
        score = torch.softmax(self.classifier(h_next), 2)[:, :, MANIPULATED]
        return h_next, c_next, score


class PlainSequence(nn.Module):
    """The plain definition of a score, `features [n, T, F]` -> `score [n]`: what the staggered states are measured against."""

    def __init__(self, model: FaceSequenceClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> Tensor:
        return torch.softmax(self.model.classify(features), 1)[:, MANIPULATED]
