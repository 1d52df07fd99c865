"""The CNNs, as a table of stages; the layer of M units; what follows it.

Backbones after Liu et al. (L-Softmax, ICML 2016, Table 1) as Li & Wang (2020, Sec. 5.1) use them: 3×3
convolutions, each followed by PReLU and then batch normalisation; 2×2 max pooling; Xavier initialisation; no
dropout. The classifier is not here: it belongs to the loss."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fc_width.checks import full_precision

FEATURES = ("linear", "bn", "prelu-bn", "bn-relu")


@dataclass(frozen=True)
class Stage:
    """`convs` 3×3 convolutions to `channels` channels, the first with `stride`; then a 2×2 max pool if
    `pool`."""

    channels: int
    convs: int
    stride: int = 1
    pool: bool = False


BACKBONES: dict[str, tuple[Stage, ...]] = {
    # Li & Wang 2020, Sec. 5.1: 28×28 → 14 → 7 → 3, so 576 inputs to the FC layer.
    "mnist": (Stage(64, 1), Stage(64, 3, pool=True), Stage(64, 3, pool=True), Stage(64, 3, pool=True)),
    # The same with 16 channels for 64 and two convolutions a stage for three; a stride of 2 in the first
    # convolution stands for the last pool, so that the FC layer still sees 3×3 positions (144 inputs).
    "mnist-small": (Stage(16, 1, stride=2), Stage(16, 2, pool=True), Stage(16, 2, pool=True), Stage(16, 2)),
    # Li & Wang 2020, Sec. 5.1, after Liu et al.: 32×32 → 16 → 8 → 4, so 2,048 inputs to the FC layer.
    "cifar10": (Stage(64, 1), Stage(64, 4, pool=True), Stage(96, 4, pool=True), Stage(128, 4, pool=True)),
    # The same for CIFAR-100: 6,144 inputs.
    "cifar100": (Stage(96, 1), Stage(96, 4, pool=True), Stage(192, 4, pool=True), Stage(384, 4, pool=True)),
    # CIFAR with 16, 24 and 32 channels and two convolutions a stage; a stride of 2 in the first for the last pool
    # (4×4 positions, 512 inputs).
    "cifar-small": (Stage(16, 1, stride=2), Stage(16, 2, pool=True), Stage(24, 2, pool=True), Stage(32, 2)),
    # For 8×8 digits: 32 channels, three convolutions, 2×2 positions (128 inputs).
    "digits": (Stage(32, 1), Stage(32, 1, pool=True), Stage(32, 1, pool=True)),
}

NETWORKS: dict[str, tuple[tuple[int, int, int], int]] = {
    "mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
}
"""The paper's networks: the shape of their images, and C."""

CHANGES = {
    "mnist-small": "16 channels for 64, two convolutions a stage for three, a stride of 2 for the last pool",
    "cifar-small": "16, 24 and 32 channels, two convolutions a stage for four, a stride of 2 for the last pool",
    "digits": "32 channels, three convolutions",
}
"""What differs from the paper's network, for whoever shows results of one that does."""


class PReLU(nn.PReLU):
    """y = max(x, 0) + a min(x, 0), a slope a for each channel: torch's own, but on a CPU with a backward pass of
    whole-array operations, which is up to four times as fast and the same to rounding."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """y (N, channels, …) of x."""
        if input.device.type != "cpu":
            return super().forward(input)
        output: torch.Tensor = _PReLU.apply(input, self.weight)
        return output


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(inputs, slopes)
        return torch.prelu(inputs, slopes.to(inputs.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, slopes = ctx.saved_tensors
        right = torch.ops.aten.threshold_backward(gradient, inputs, 0)  # where x > 0, else 0
        slope = slopes.to(inputs.dtype).view(-1, *[1] * (inputs.ndim - 2))
        towards_slopes = (gradient - right).mul_(inputs)
        return right.lerp_(gradient, slope), towards_slopes.sum([0, *range(2, inputs.ndim)]).to(slopes.dtype)


class Backbone(nn.Module):
    """Images (N, channels, H, W) float → embeddings (N, M): the trunk, the FC layer of M units, the feature.

    *Arguments*: `stages`, a row of `BACKBONES`; `image_shape` (channels, H, W); `width`, M; `feature`, what
    follows the M units: `linear` (nothing), `bn`, `prelu-bn` (PReLU then batch norm, as in the trunk) or
    `bn-relu`.

    *Raises*: `ValueError` if M < 1, the feature is unknown, or the images are too small for the pools.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        image_shape: tuple[int, int, int],
        width: int,
        feature: str = "prelu-bn",
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"M must be at least 1, got M={width}")
        if feature not in FEATURES:
            raise ValueError(f"unknown feature {feature!r}: expected one of {', '.join(FEATURES)}")
        channels, height, width_px = image_shape
        layers: list[nn.Module] = []
        for stage in stages:
            for index in range(stage.convs):
                stride = stage.stride if index == 0 else 1
                layers += [
                    nn.Conv2d(channels, stage.channels, 3, stride, padding=1),
                    PReLU(stage.channels),
                    nn.BatchNorm2d(stage.channels),
                ]
                channels = stage.channels
                height, width_px = -(-height // stride), -(-width_px // stride)
            if stage.pool:
                layers.append(nn.MaxPool2d(2))
                height, width_px = height // 2, width_px // 2
        if height < 1 or width_px < 1:
            raise ValueError(
                f"images of {image_shape[1]}×{image_shape[2]} are too small for the pools and strides of this backbone "
                "(digits, with two pools and no strides, takes 4×4 and more)"
            )
        self.trunk = nn.Sequential(*layers)
        _initialise(self.trunk)  # before the FC layer draws from the generator: one seed, one trunk at every M
        self.fc_inputs = channels * height * width_px
        self.fc = nn.Linear(self.fc_inputs, width)
        self.feature = _feature(feature, width)
        _initialise(self.fc)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.num_batches_tracked = None  # counted for nobody, by a launch a layer

    def forward(self, images: torch.Tensor, trunk: nn.Module | None = None) -> torch.Tensor:
        """Embeddings (N, M) of images (N, channels, H, W), by the backbone's trunk unless another is given."""
        inputs = (self.trunk if trunk is None else trunk)(images).flatten(1)
        with full_precision(images.device.type):  # under autocast the trunk alone is in less
            embeddings: torch.Tensor = self.feature(self.fc(inputs.to(self.fc.weight.dtype)))
        return embeddings

    def fc_parameters(self) -> int:
        """Number of parameters of the FC layer: M·(inputs + 1)."""
        return sum(p.numel() for p in self.fc.parameters())


def _initialise(part: nn.Module) -> None:
    """Xavier weights, zero biases."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _feature(feature: str, width: int) -> nn.Module:
    match feature:
        case "linear":
            return nn.Identity()
        case "bn":
            return nn.BatchNorm1d(width)
        case "prelu-bn":
            return nn.Sequential(PReLU(width), nn.BatchNorm1d(width))
        case _:
            return nn.Sequential(nn.BatchNorm1d(width), nn.ReLU())
