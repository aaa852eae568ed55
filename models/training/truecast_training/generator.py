"""Small face autoencoders that stand in for the generators of face swaps: what they draw is smooth, lacks the camera's
noise and carries the traces of learned up-sampling. They are trained on the same genuine faces, in minutes."""

from pathlib import Path
from typing import List, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: How a decoder doubles its resolution; each leaves its own traces.
UPSAMPLINGS = ("nearest", "transposed", "shuffle")


def up_block(in_channels: int, out_channels: int, upsampling: str) -> nn.Module:
    if upsampling == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(in_channels, out_channels, 3, 1, 1))
    if upsampling == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
    return nn.Sequential(nn.Conv2d(in_channels, 4 * out_channels, 3, 1, 1), nn.PixelShuffle(2))


class FaceAutoencoder(nn.Module):
    """RGB 0..1 `[n, 3, h, w]` -> the same shape, through a bottleneck at an eighth of the resolution."""

    def __init__(self, width: int, bottleneck: int, upsampling: str) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.1)
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2), act, nn.Conv2d(width, 2 * width, 3, 2, 1), act, nn.Conv2d(2 * width, 4 * width, 3, 2, 1), act, nn.Conv2d(4 * width, bottleneck, 1)
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(bottleneck, 4 * width, 3, 1, 1), act, up_block(4 * width, 2 * width, upsampling), act, up_block(2 * width, width, upsampling), act, up_block(width, width, upsampling), act, nn.Conv2d(width, 3, 3, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(self.encoder(2 * x - 1)))


def redraw(autoencoder: FaceAutoencoder, pictures: Tensor, size_px: int) -> Tensor:
    """`pictures` as the autoencoder draws them at `size_px` (a multiple of 8), scaled back to their own size."""
    small = F.interpolate(pictures, size=(size_px, size_px), mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        drawn = autoencoder(small)
    return F.interpolate(drawn, size=pictures.shape[2:], mode="bicubic", align_corners=False).clamp(0, 1)


#: Channels of the first layer and of the bottleneck, for each way of up-sampling.
WIDTHS, BOTTLENECKS = (16, 16, 24), (24, 40, 64)


def fresh_autoencoders() -> List[FaceAutoencoder]:
    return [FaceAutoencoder(width, bottleneck, upsampling) for width, bottleneck, upsampling in zip(WIDTHS, BOTTLENECKS, UPSAMPLINGS)]


def save_autoencoders(autoencoders: Sequence[FaceAutoencoder], path: Path) -> None:
    torch.save([autoencoder.state_dict() for autoencoder in autoencoders], str(path))


def load_autoencoders(path: Path) -> List[FaceAutoencoder]:
    autoencoders = fresh_autoencoders()
    for autoencoder, state in zip(autoencoders, torch.load(str(path), map_location="cpu")):
        autoencoder.load_state_dict(state)
    return [autoencoder.eval() for autoencoder in autoencoders]


def train_autoencoders(pictures: Tensor, steps: int, seed: int) -> List[FaceAutoencoder]:
    """One for each way of up-sampling, on uint8 pictures `[n, 3, h, w]`. Sources of a swap differ in sharpness: so do these."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    trained = []
    for model in fresh_autoencoders():
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for _ in range(steps):
            batch = pictures[torch.randint(len(pictures), (12,), generator=generator)].to(torch.float32) / 255
            loss = F.l1_loss(model(batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        trained.append(model.eval())
    return trained
