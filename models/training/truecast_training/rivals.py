"""The rivals of the paper's Table 2, as frame classifiers of the same trainer: EfficientNet-B5, DenseNet-121, and VGG-16 on optical flow."""

from typing import Callable, Dict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .networks import IMAGENET_MEAN, IMAGENET_STD


class PictureRival(nn.Module):
    """A torchvision network with two classes on one crop, uint8 `[n, s, s, 3]` -> logits `[n, 2]`."""

    frames = 1

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor([255 * m for m in IMAGENET_MEAN]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([1 / (255 * s) for s in IMAGENET_STD]).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> Tensor:
        return self.network((crops.permute(0, 3, 1, 2).to(torch.float32) - self.mean) * self.scale)


class FlowRival(nn.Module):
    """VGG-16 on the optical flow between two crops of one face, uint8 `[n, 2, s, s, 3]` -> logits `[n, 2]`."""

    frames = 2

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        grey = crops.to(torch.float32).mean(4) / 255
        flow = horn_schunck(grey[:, 0], grey[:, 1])
        return self.network(torch.cat((flow, flow.norm(dim=1, keepdim=True)), 1))


def horn_schunck(first: Tensor, second: Tensor, smoothness: float = 0.05, rounds: int = 30) -> Tensor:
    """Optical flow from `first` to `second`, `[n, h, w]` each -> `[n, 2, h, w]` pixels (Horn & Schunck, 1981)."""
    a, b = first.unsqueeze(1), second.unsqueeze(1)
    mean = (a + b) / 2
    padded = F.pad(mean, (1, 1, 1, 1), mode="replicate")
    dx = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    dy = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    dt = b - a
    kernel = torch.tensor([[1 / 12, 1 / 6, 1 / 12], [1 / 6, 0, 1 / 6], [1 / 12, 1 / 6, 1 / 12]], device=first.device).expand(2, 1, 3, 3)
    flow = torch.zeros(len(first), 2, *first.shape[1:], device=first.device)
    for _ in range(rounds):
        around = F.conv2d(F.pad(flow, (1, 1, 1, 1), mode="replicate"), kernel, groups=2)
        error = (dx * around[:, :1] + dy * around[:, 1:] + dt) / (smoothness**2 + dx**2 + dy**2)
        flow = around - torch.cat((dx, dy), 1) * error
    return flow


def efficientnet_b5() -> nn.Module:
    from torchvision.models import efficientnet_b5 as build

    return PictureRival(build(num_classes=2))


def densenet_121() -> nn.Module:
    from torchvision.models import densenet121 as build

    return PictureRival(build(num_classes=2))


def flow_vgg16() -> nn.Module:
    from torchvision.models import vgg16_bn as build

    network = build(num_classes=2)
    # 7x7 of the original picture size; here the crop decides, and the classifier is narrower.
    network.classifier = nn.Sequential(nn.Linear(512 * 7 * 7, 512), nn.ReLU(inplace=True), nn.Dropout(0.4), nn.Linear(512, 2))
    return FlowRival(network)


#: Needs torchvision.
RIVALS: Dict[str, Callable[[], nn.Module]] = {"efficientnet-b5": efficientnet_b5, "densenet-121": densenet_121, "flow-vgg16": flow_vgg16}
