"""On CUDA, what a training step does between its convolutions, in four kernels a layer, written in Triton.

A layer of the backbone is a convolution (or the FC layer) without its bias, x, and then

    z = x + b,    p = max(z, 0) + a min(z, 0),    y = γ (p − mean p) / √(var p + ε) + β

with mean and variance over the batch, for each channel. Operator by operator that is some thirty launches there and
back, many of which read or write all of x, and at the paper's batch sizes a GPU spends its time on those. Here the
forward pass reads x twice and writes y, the backward pass reads x and ∂y twice and writes ∂x; nothing but x is kept.
All is computed in float32. The gradients of a, b, γ and β are summed where they will be read, into one tensor for all
layers.
"""

import functools
from typing import Any

import torch
import triton
import triton.language as tl
from torch import nn
from torch.nn import functional as F

from fc_width.backbone import Backbone
from fc_width.w_softmax import full_precision

TILE = 2048
"""Numbers that a program of a kernel holds at once."""

DRIVER = "Triton Error [CUDA]"
"""What an error of the driver that Triton comes upon begins with."""

PROGRAMS = 640
"""Programs of a kernel that sums, at most: five for each multiprocessor of a large GPU."""

BACKWARD_PROGRAMS = 396
"""Of the one that ends the backward pass: three for each of 132, as its registers leave no room for a fourth."""


_compiled_once = triton.jit(do_not_specialize=["rows", "tiles"])  # else anew for every shape that a network has


@triton.jit
def _channels(bias, slope, channels, BLOCK_C: tl.constexpr):
    """The channels of this program, which of them there are, and their biases and slopes."""
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < channels
    b = tl.load(bias + column, mask=inside, other=0.0)
    a = tl.load(slope + column, mask=inside, other=0.0)
    return column, inside, b, a


@triton.jit
def _tile(tile, column, inside, rows, channels, BLOCK_R: tl.constexpr):
    """Where the numbers of a tile of rows lie, and which of them there are."""
    row = tile * BLOCK_R + tl.arange(0, BLOCK_R)
    return row[:, None].to(tl.int64) * channels + column[None, :], (row[:, None] < rows) & inside[None, :]


@triton.jit
def _activation(inputs, bias, slope):
    z = inputs.to(tl.float32) + bias
    return tl.where(z > 0, z, slope * z)


@_compiled_once
def _moments_kernel(x, bias, slope, sums, rows, channels, tiles, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):
    """Σ (p − p₀) and Σ (p − p₀)² of each channel; p₀ is of the first row, so that a large mean does not cancel."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    origin = _activation(tl.load(x + column, mask=inside, other=0.0), b, a)
    first = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    second = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    for tile in range(tiles):
        at, mask = _tile(tl.program_id(0) * tiles + tile, column, inside, rows, channels, BLOCK_R)
        p = _activation(tl.load(x + at, mask=mask, other=0.0), b[None, :], a[None, :])
        apart = tl.where(mask, p - origin[None, :], 0.0)
        first += apart
        second += apart * apart
    tl.atomic_add(sums + column, tl.sum(first, 0), mask=inside, sem="relaxed")
    tl.atomic_add(sums + channels + column, tl.sum(second, 0), mask=inside, sem="relaxed")


@_compiled_once
def _forward_kernel(
    x, y, bias, slope, gamma, beta, sums, moments, running_mean, running_var, rows, channels, eps, momentum,
    TRAINING: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """y, of the running mean and variance unless TRAINING; in which the first program of a channel also keeps its mean
    and 1/√(var + ε), and moves the running ones."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    if TRAINING:
        off = tl.load(sums + column, mask=inside, other=0.0) / rows
        variance = tl.load(sums + channels + column, mask=inside, other=0.0) / rows - off * off
        variance = tl.maximum(variance, 0.0)
        mean = _activation(tl.load(x + column, mask=inside, other=0.0), b, a) + off
        scale = 1 / tl.sqrt(variance + eps)
        if tl.program_id(0) == 0:
            tl.store(moments + column, mean, mask=inside)
            tl.store(moments + channels + column, scale, mask=inside)
            before = tl.load(running_mean + column, mask=inside, other=0.0)
            tl.store(running_mean + column, before + momentum * (mean - before), mask=inside)
            before = tl.load(running_var + column, mask=inside, other=0.0)
            unbiased = variance * (rows / (rows - 1.0))
            tl.store(running_var + column, before + momentum * (unbiased - before), mask=inside)
    else:
        mean = tl.load(running_mean + column, mask=inside, other=0.0)
        scale = 1 / tl.sqrt(tl.load(running_var + column, mask=inside, other=0.0) + eps)
    scale *= tl.load(gamma + column, mask=inside, other=0.0)
    shift = tl.load(beta + column, mask=inside, other=0.0)
    at, mask = _tile(tl.program_id(0), column, inside, rows, channels, BLOCK_R)
    p = _activation(tl.load(x + at, mask=mask, other=0.0), b[None, :], a[None, :])
    value = (p - mean[None, :]) * scale[None, :] + shift[None, :]
    tl.store(y + at, value.to(y.dtype.element_ty), mask=mask)


@_compiled_once
def _backward_sums_kernel(
    dy, x, bias, slope, moments, gradients, rows, channels, tiles, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr
):
    """∂β = Σ ∂y and ∂γ = Σ ∂y (p − mean)/√(var + ε)."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    mean = tl.load(moments + column, mask=inside, other=0.0)
    scale = tl.load(moments + channels + column, mask=inside, other=0.0)
    towards_beta = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    towards_gamma = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    for tile in range(tiles):
        at, mask = _tile(tl.program_id(0) * tiles + tile, column, inside, rows, channels, BLOCK_R)
        p = _activation(tl.load(x + at, mask=mask, other=0.0), b[None, :], a[None, :])
        gradient = tl.load(dy + at, mask=mask, other=0.0).to(tl.float32)
        towards_beta += gradient
        towards_gamma += gradient * (p - mean[None, :]) * scale[None, :]
    tl.atomic_add(gradients + column, tl.sum(towards_beta, 0), mask=inside, sem="relaxed")
    tl.atomic_add(gradients + channels + column, tl.sum(towards_gamma, 0), mask=inside, sem="relaxed")


@_compiled_once
def _backward_kernel(
    dy, x, dx, bias, slope, gamma, moments, gradients, rows, channels, tiles,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """∂x, and ∂a and ∂b, from ∂p = γ/√(var + ε) (∂y − ∂β/N − ∂γ (p − mean)/(N √(var + ε))) over N rows."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    mean = tl.load(moments + column, mask=inside, other=0.0)
    scale = tl.load(moments + channels + column, mask=inside, other=0.0)
    constant = tl.load(gradients + column, mask=inside, other=0.0) / rows
    along = tl.load(gradients + channels + column, mask=inside, other=0.0) / rows
    factor = scale * tl.load(gamma + column, mask=inside, other=0.0)
    towards_slope = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    towards_bias = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    for tile in range(tiles):
        at, mask = _tile(tl.program_id(0) * tiles + tile, column, inside, rows, channels, BLOCK_R)
        z = tl.load(x + at, mask=mask, other=0.0).to(tl.float32) + b[None, :]
        normal = (tl.where(z > 0, z, a[None, :] * z) - mean[None, :]) * scale[None, :]
        gradient = tl.load(dy + at, mask=mask, other=0.0).to(tl.float32)
        dp = factor[None, :] * (gradient - constant[None, :] - along[None, :] * normal)
        dz = tl.where(z > 0, dp, a[None, :] * dp)
        tl.store(dx + at, dz.to(dx.dtype.element_ty), mask=mask)
        towards_slope += tl.where(mask & (z <= 0), dp * z, 0.0)
        towards_bias += tl.where(mask, dz, 0.0)
    tl.atomic_add(gradients + 2 * channels + column, tl.sum(towards_slope, 0), mask=inside, sem="relaxed")
    tl.atomic_add(gradients + 3 * channels + column, tl.sum(towards_bias, 0), mask=inside, sem="relaxed")


@triton.jit
def _images_kernel(images, chosen, mean, scale, y, channels, pixels, BLOCK: tl.constexpr):
    """Chosen images (N, channels, pixels) of uint8, normalised, (N, pixels, channels): a part of one a program, as
    divisions of 64 bits are slow."""
    numbers = channels * pixels
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = at < numbers
    channel, pixel = at % channels, at // channels
    image = tl.load(chosen + tl.program_id(0))
    value = tl.load(images + image * numbers + channel * pixels + pixel, mask=mask, other=0)
    off = tl.load(mean + channel, mask=mask, other=0.0)
    value = (value.to(tl.float32) - off) * tl.load(scale + channel, mask=mask, other=0.0)
    tl.store(y + tl.program_id(0).to(tl.int64) * numbers + at, value.to(y.dtype.element_ty), mask=mask)


class _Images(torch.autograd.Function):
    """Without a gradient; torch's profiler counts a kernel for the function that launches it."""

    @staticmethod
    def forward(
        ctx: Any,
        images: torch.Tensor,
        chosen: torch.Tensor,
        mean: torch.Tensor,
        scale: torch.Tensor,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        shape = len(chosen), *images.shape[1:]
        y = torch.empty(shape, dtype=dtype, device=images.device, memory_format=torch.channels_last)
        channels, pixels = shape[1], shape[2] * shape[3]
        block = min(1024, triton.next_power_of_2(channels * pixels))
        grid = (shape[0], triton.cdiv(channels * pixels, block))
        _images_kernel[grid](images, chosen, mean, scale, y, channels, pixels, BLOCK=block)
        return y


def normalised(
    images: torch.Tensor, chosen: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """(image − mean)·scale (N, channels, H, W), channels last, of the chosen (N,) of uint8 images."""
    found: torch.Tensor = _Images.apply(images, chosen, mean, scale, dtype)
    return found


class _Flat(torch.autograd.Function):
    """(N, channels, H, W), channels last, as (N, channels·H·W) in float32: type and layout in one copy each way."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.shape, ctx.dtype = x.shape, x.dtype
        return x.to(torch.float32, memory_format=torch.contiguous_format).flatten(1)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> torch.Tensor:
        return dy.reshape(ctx.shape).to(ctx.dtype, memory_format=torch.channels_last)


class _Layer:
    """Bias, PReLU and batch norm of `channels`: x (N, channels) or (N, channels, H, W), channels last, to y.

    *Arguments*: `numbers` (8, channels), zero before every forward pass: sums and moments of that, then the gradients
    of β, γ, a and b."""

    def __init__(self, bias: nn.Parameter, slope: nn.Parameter, norm: Any, numbers: torch.Tensor) -> None:
        self.bias, self.slope, self.norm = bias, slope, norm
        self.channels = len(bias)
        self.sums, self.moments, self.gradients = numbers[:2], numbers[2:4], numbers[4:]
        divisor = self.channels & -self.channels
        block = min(64, max(16, divisor))
        self.blocks = {"BLOCK_R": TILE // block, "BLOCK_C": block, "num_warps": 4}

    def parameters(self) -> list[tuple[nn.Parameter, torch.Tensor]]:
        """Every parameter with the place of its gradient."""
        return list(zip((self.norm.bias, self.norm.weight, self.slope, self.bias), self.gradients, strict=True))

    def grid(self, rows: int, programs: int | None = None) -> tuple[tuple[int, int], int]:
        """Programs along rows and channels, so many at most, and tiles of each."""
        across = triton.cdiv(self.channels, self.blocks["BLOCK_C"])
        tiles = triton.cdiv(rows, self.blocks["BLOCK_R"])
        each = triton.cdiv(tiles * across, programs) if programs else 1
        return (triton.cdiv(tiles, each), across), each


class _PReLUNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: _Layer) -> torch.Tensor:
        x = _channels_last(x)
        y, rows = torch.empty_like(x), x.numel() // layer.channels
        norm, size = layer.norm, (rows, layer.channels)
        if norm.training:
            grid, tiles = layer.grid(rows, PROGRAMS)
            _moments_kernel[grid](x, layer.bias, layer.slope, layer.sums, *size, tiles, **layer.blocks)
        grid, _ = layer.grid(rows)
        _forward_kernel[grid](
            x, y, layer.bias, layer.slope, norm.weight, norm.bias, layer.sums, layer.moments,
            norm.running_mean, norm.running_var, *size, norm.eps, norm.momentum, norm.training, **layer.blocks,
        )  # fmt: skip
        ctx.save_for_backward(x)
        ctx.layer = layer
        return y

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,), layer = ctx.saved_tensors, ctx.layer
        dy, dx, rows = _channels_last(dy), torch.empty_like(x), x.numel() // layer.channels
        of_layer, size = (layer.bias, layer.slope), (rows, layer.channels)
        grid, tiles = layer.grid(rows, PROGRAMS)
        _backward_sums_kernel[grid](dy, x, *of_layer, layer.moments, layer.gradients, *size, tiles, **layer.blocks)
        grid, tiles = layer.grid(rows, BACKWARD_PROGRAMS)
        _backward_kernel[grid](
            dy, x, dx, *of_layer, layer.norm.weight, layer.moments, layer.gradients, *size, tiles, **layer.blocks
        )
        return dx, None


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last if tensor.ndim == 4 else torch.contiguous_format)


class FusedBackbone:
    """A backbone on CUDA: the same embeddings, gradients and running statistics.

    *Arguments*: `backbone`, whose parameters stay where they are and whose layers end in PReLU and batch norm;
    `dtype`, what its trunk computes in."""

    def __init__(self, backbone: Backbone, dtype: torch.dtype) -> None:
        self.backbone, self.dtype = backbone, dtype
        self.ends_in_norm = isinstance(backbone.feature, nn.Sequential) and isinstance(backbone.feature[0], nn.PReLU)
        modules: list[Any] = [*backbone.trunk, backbone.fc]
        if self.ends_in_norm:
            modules += list(backbone.feature.children())
        found = [
            (modules[at - 1], prelu, modules[at + 1]) for at, prelu in enumerate(modules) if isinstance(prelu, nn.PReLU)
        ]
        counts = [8 * prelu.num_parameters for _, prelu, _ in found]
        self.numbers = torch.zeros(sum(counts), device=backbone.fc.weight.device)
        self.layers = [
            _Layer(owner.bias, prelu.weight, norm, part.view(8, -1))
            for (owner, prelu, norm), part in zip(found, self.numbers.split(counts), strict=True)
        ]
        self.kernels: list[torch.Tensor] = [each.weight for each in modules if isinstance(each, nn.Conv2d)]
        self.cast = self.kernels
        self.slopes: list[torch.Tensor] = []
        if dtype != torch.float32:
            self.cast = [torch.empty_like(each, dtype=dtype).requires_grad_() for each in self.kernels]
            self.slopes = [torch.empty_like(each) for each in self.kernels]

    def __call__(
        self, images: torch.Tensor, chosen: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        """Embeddings (N, M), float32, of (image − mean)·scale of the chosen (N,) of uint8 images (…, channels, H, W);
        gradients reach the parameters by `hand_over`."""
        if self.backbone.training:
            self.numbers.zero_()
        if self.slopes:
            with torch.no_grad():
                torch._foreach_copy_(self.cast, self.kernels)
        layers, kernels = iter(self.layers), iter(self.cast)
        inputs = normalised(images, chosen, mean, scale, self.dtype)
        for module in self.backbone.trunk:
            if isinstance(module, nn.Conv2d):
                inputs = F.conv2d(inputs, next(kernels), None, module.stride, module.padding)
                inputs = _PReLUNorm.apply(inputs, next(layers))
            elif isinstance(module, nn.MaxPool2d):
                inputs = module(inputs)
        inputs, fc = _Flat.apply(inputs), self.backbone.fc
        with full_precision(images.device.type):
            embeddings: torch.Tensor = (
                _PReLUNorm.apply(F.linear(inputs, fc.weight), next(layers))
                if self.ends_in_norm
                else self.backbone.feature(fc(inputs))
            )
        return embeddings

    def hand_over(self) -> None:
        """After the backward pass: give every parameter its gradient, and forget those of this batch."""
        for layer in self.layers:
            for parameter, gradient in layer.parameters():
                parameter.grad = gradient
        if self.slopes:
            torch._foreach_copy_(self.slopes, [each.grad for each in self.cast if each.grad is not None])
            for kernel, cast, slope in zip(self.kernels, self.cast, self.slopes, strict=True):
                kernel.grad, cast.grad = slope, None


@functools.cache
def obstacle(device: torch.device) -> str:
    """What keeps Triton from making these kernels for a device, no C compiler say; "" if nothing does. All are tried.

    *Raises*: what says that the device is full or broken, not Triton."""
    numbers = torch.zeros((8, 64), device=device)
    slope, bias = nn.Parameter(numbers[0].clone()), nn.Parameter(numbers[0].clone())
    layer = _Layer(bias, slope, nn.BatchNorm1d(64, device=device), numbers)
    images, pixel = torch.zeros((2, 64, 1, 1), dtype=torch.uint8, device=device), numbers[:1, :, None, None]
    try:
        x = normalised(images, torch.arange(2, device=device), pixel, pixel, torch.bfloat16)
        _PReLUNorm.apply(x.requires_grad_(), layer).sum().backward()
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) or DRIVER in str(error):
            raise
        return f"{type(error).__name__}: {error}"
    return ""
