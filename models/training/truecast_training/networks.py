"""The two networks that ship with Truecast: a convolutional backbone per crop, then one LSTM over the crops of a track.

The method is the one of IJERTV13IS050270: ResNeXt-101 32x8d (Xie et al., 2017) without its classifier, one LSTM layer,
dropout 0.4, two classes. `edge` keeps the shape of that model at a size that one CPU core can run live.
"""

from dataclasses import dataclass
from typing import Sequence, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: Index of the class whose probability is the score.
AUTHENTIC, MANIPULATED = 0, 1

#: Frames of a full horizon.
HORIZON_FRAMES = 100


def conv_bn(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> Tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(out_channels)


class Bottleneck(nn.Module):
    """ResNeXt block: 1x1, grouped 3x3, 1x1, with a residual. Parameter names are torchvision's."""

    def __init__(self, in_channels: int, width: int, out_channels: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, width, 1)
        self.conv2, self.bn2 = conv_bn(width, width, 3, stride, groups)
        self.conv3, self.bn3 = conv_bn(width, out_channels, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(*conv_bn(in_channels, out_channels, 1, stride)) if stride != 1 or in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + residual)


def stage(in_channels: int, width: int, out_channels: int, blocks: int, stride: int, groups: int) -> nn.Sequential:
    first = Bottleneck(in_channels, width, out_channels, stride, groups)
    return nn.Sequential(first, *(Bottleneck(out_channels, width, out_channels, 1, groups) for _ in range(blocks - 1)))


class ResNeXt(nn.Module):
    """ResNeXt without `fc`: its state dict loads torchvision's as it is (drop `fc.*`)."""

    feature_size = 2048

    def __init__(self, blocks: Tuple[int, int, int, int], group_width: int) -> None:
        super().__init__()
        width = 32 * group_width
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = stage(64, width, 256, blocks[0], 1, 32)
        self.layer2 = stage(256, 2 * width, 512, blocks[1], 2, 32)
        self.layer3 = stage(512, 4 * width, 1024, blocks[2], 2, 32)
        self.layer4 = stage(1024, 8 * width, 2048, blocks[3], 2, 32)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3))


class ResNeXt101(ResNeXt):
    """ResNeXt-101 32x8d."""

    def __init__(self) -> None:
        super().__init__((3, 4, 23, 3), 8)


class ResNeXt50(ResNeXt):
    """ResNeXt-50 32x4d; only imported checkpoints have it."""

    def __init__(self) -> None:
        super().__init__((3, 4, 6, 3), 4)


class EdgeBackbone(nn.Module):
    """`edge`: narrow ResNeXt for live CPU use.

    Groups are 16 channels wide, the vector width of ONNX Runtime's blocked convolution kernels: narrower groups have fewer
    operations on paper and take longer. The picture's high-pass residual goes in as three more channels, because the
    traces of blending are fine structure that the first strided convolution would otherwise have to learn to keep.
    """

    feature_size = 512

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(6, 32, 3, 2)
        self.conv2, self.bn2 = conv_bn(32, 32, 3, 1)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(32, 64, 128, 1, 1, 4)
        self.layer2 = stage(128, 128, 256, 3, 2, 8)
        self.layer3 = stage(256, 256, 512, 3, 2, 16)

    def early(self, x: Tensor) -> Tensor:
        """Feature map at half the picture's resolution, where a dense training task can be attached."""
        residual = x - F.avg_pool2d(x, 5, 1, 2, count_include_pad=False)
        x = torch.cat((x, residual), 1)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.layer1(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer3(self.layer2(self.early(x))).mean((2, 3))


class FaceBlock(nn.Module):
    """dlib's residual block: two 3x3 convolutions; where it halves the resolution the short cut is an average, and new channels start at zero."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, out_channels, 3, stride)
        self.conv2, self.bn2 = conv_bn(out_channels, out_channels, 3)
        self.stride = stride
        self.added = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.avg_pool2d(x, 2, 2, ceil_mode=True)
        if self.added > 0:
            x = F.pad(x, (0, 0, 0, 0, 0, self.added))
        return torch.relu(x + y)


def centre_less_surround(x: Tensor) -> Tensor:
    """Mean of a feature map over the inner face less its mean over the rim of the crop, `[n, c, h, w]` -> `[n, c]`.

    The face box lies in the middle of every crop, so that the inner half is face and the rim hair, neck and background.
    What camera, light and encoder do to the whole picture is in both and cancels; a face that was put in is in one.
    A map of less than four cells has no rim: its mean.
    """
    size = x.shape[2]
    rim = size // 4
    if rim == 0:
        return x.mean((2, 3))
    inner = x[:, :, rim : size - rim, rim : size - rim].mean((2, 3))
    whole, share = x.mean((2, 3)), ((size - 2 * rim) / size) ** 2
    return (inner - whole) / (1 - share)


class FaceResNet(nn.Module):
    """`face-resnet`: a shortened dlib face ResNet, which can start from the weights that @vladmandic/face-api ships.

    Plain 3x3 convolutions train on a CPU where narrow groups do not. Against dlib's it has no max pooling, so that half
    of the work is at half and quarter of the crop's resolution, fewer blocks, and the picture's high-pass residual as
    three more channels: the traces of forgery are fine structure. Its features are those of the inner face less those of
    the rim, at three depths.
    """

    feature_size = 64 + 128 + 256

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(6, 32, 7, 2)
        self.layer1 = nn.Sequential(FaceBlock(32, 32))
        self.layer2 = nn.Sequential(FaceBlock(32, 64, 2), FaceBlock(64, 64))
        self.layer3 = nn.Sequential(FaceBlock(64, 128, 2), FaceBlock(128, 128))
        self.layer4 = nn.Sequential(FaceBlock(128, 256, 2))

    def early(self, x: Tensor) -> Tensor:
        """Feature map at a quarter of the picture's resolution, `[n, 64, size/4, size/4]`, where a dense training task is attached."""
        residual = x - F.avg_pool2d(x, 5, 1, 2, count_include_pad=False)
        x = torch.cat((x, 4 * residual), 1)
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.layer2(self.layer1(x))

    def late(self, x: Tensor) -> Tensor:
        """From `early` to features `[n, 448]`."""
        middle = self.layer3(x)
        return torch.cat([centre_less_surround(y) for y in (x, middle, self.layer4(middle))], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.late(self.early(x))


class TextureBackbone(nn.Module):
    """`texture`: no weights, only measures. A swapped face is drawn at one sharpness and put into a picture of another, so the
    energy of fine structure at three scales is taken in a grid over the crop, with the mean colours of its cells; the LSTM
    learns what goes together, and what flickers.
    """

    CELLS = 7
    feature_size = 6 * CELLS * CELLS

    def forward(self, x: Tensor) -> Tensor:
        """Normalised picture `[n, 3, s, s]`, s a multiple of 7 -> `[n, 294]`: log energies of three scales, then colours."""
        cell = x.shape[2] // self.CELLS
        luma = x.mean(1, keepdim=True)
        measures, finer = [], luma
        for kernel in (3, 5, 9):
            smooth = F.avg_pool2d(luma, kernel, 1, kernel // 2, count_include_pad=False)
            measures.append(torch.log(F.avg_pool2d((finer - smooth).abs(), cell) + 0.005) + 3)
            finer = smooth
        measures.append(F.avg_pool2d(x, cell))
        return torch.cat(measures, 1).flatten(1)


class FaceSequenceClassifier(nn.Module):
    """Crops of one track in order of time -> logits of (authentic, manipulated)."""

    def __init__(self, backbone: nn.Module, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.backbone = backbone
        # batch_first matters: without it the LSTM would run over the batch and be blind to order.
        self.lstm = nn.LSTM(feature_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(hidden_size, 2)
        self.register_buffer("mean", torch.tensor([255 * m for m in IMAGENET_MEAN]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([1 / (255 * s) for s in IMAGENET_STD]).view(1, 3, 1, 1), persistent=False)

    def features(self, crops: Tensor) -> Tensor:
        """uint8 RGB `[n, size, size, 3]` -> `[n, F]`."""
        return self.backbone(self.normalised(crops))

    def normalised(self, crops: Tensor) -> Tensor:
        """uint8 RGB `[n, size, size, 3]` -> what the backbone takes, float `[n, 3, size, size]`."""
        return (crops.permute(0, 3, 1, 2).to(torch.float32) - self.mean) * self.scale

    def forward(self, crops: Tensor) -> Tensor:
        """uint8 `[batch, time, size, size, 3]` -> `[batch, 2]`, from the last hidden state."""
        features = self.features(crops.flatten(0, 1)).view(crops.shape[0], crops.shape[1], -1)
        return self.classify(features)

    def classify(self, features: Tensor) -> Tensor:
        """`[batch, time, F]` -> logits `[batch, 2]`."""
        hidden, _ = self.lstm(features)
        return self.classifier(self.dropout(hidden[:, -1]))


def macs_of(model: FaceSequenceClassifier, size_px: int) -> int:
    """Multiply-accumulates of the backbone's convolutions for one crop."""
    total = 0

    def count(module: nn.Conv2d, _inputs: object, output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        model.features(torch.zeros(1, size_px, size_px, 3, dtype=torch.uint8))
    for hook in hooks:
        hook.remove()
    return max(1, total)


@dataclass(frozen=True)
class ModelSpec:
    """What the export needs to know of a network."""

    name: str
    backbone: type
    hidden_size: int
    size_px: int
    description: str
    calibration_batch: int
    #: Side of the crop as a multiple of the face box's longer side.
    crop_margin: float = 1.3


SPECS: Sequence[ModelSpec] = (
    ModelSpec("resnext101-lstm", ResNeXt101, 2048, 112, "ResNeXt-101 32x8d features and one LSTM of 2048 units over 100 face crops, as in IJERTV13IS050270.", 16),
    ModelSpec("edge", EdgeBackbone, 256, 112, "Narrow ResNeXt and one LSTM of 256 units over 100 face crops: the paper's shape of model at a size for live CPU use.", 64),
    ModelSpec("face-resnet", FaceResNet, 256, 160, "Short face ResNet and one LSTM of 256 units over 100 face crops: edge as it is trained from face-api's weights.", 64, 1.1),
    ModelSpec("texture", TextureBackbone, 64, 112, "Fixed measures of fine structure in a grid over the face and one LSTM of 64 units over 100 face crops: trains in minutes on a CPU.", 16),
)


def spec_of(name: str) -> ModelSpec:
    for spec in SPECS:
        if spec.name == name:
            return spec
    raise KeyError(f"no network named {name!r}; known: {', '.join(s.name for s in SPECS)}")


def build_model(name: str, seed: int = 20240501) -> FaceSequenceClassifier:
    """A freshly initialised network, the same for the same seed, in evaluation mode."""
    spec = spec_of(name)
    torch.manual_seed(seed)
    model = FaceSequenceClassifier(spec.backbone(), spec.backbone.feature_size, spec.hidden_size)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    remember_horizon(model.lstm, HORIZON_FRAMES)
    return model.eval()


def remember_horizon(lstm: nn.LSTM, frames: int) -> None:
    """Chrono initialisation (Tallec & Ollivier, ICLR 2018): memories of up to `frames` steps, where PyTorch's own
    initialisation forgets within ten and gradients from the start of the horizon never arrive."""
    size = lstm.hidden_size
    with torch.no_grad():
        forget = torch.empty(size).uniform_(1, frames - 1).log()
        lstm.bias_ih_l0.zero_()
        lstm.bias_hh_l0.zero_()
        lstm.bias_ih_l0[:size] = -forget
        lstm.bias_ih_l0[size : 2 * size] = forget
