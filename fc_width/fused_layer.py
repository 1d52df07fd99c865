"""On CUDA, what a training step does between its convolutions, in four kernels a layer, written in Triton.

A layer of the backbone is a convolution (or the FC layer) without its bias, x, and then

    z = x + b,    p = max(z, 0) + a min(z, 0),    y = γ (p − mean p) / √(var p + ε) + β

with mean and variance over the batch, for each channel, and where a pool follows the largest y of each 2×2 window.
Operator by operator that is some thirty launches there and back, many of which read or write all of x, and at the
paper's batch sizes a GPU spends its time on those. Here the forward pass reads x twice and writes y, pooled, the
backward pass reads x and ∂y twice and writes ∂x; nothing but x is kept. The first convolution, of so few channels that
it is all memory, is no kernel of its own: what it multiplies, the 3×3 pixels around each one, is smaller than its
result, so that is stored, and multiplied wherever x would be read. All is computed in float32 (the products of the
first convolution in TF32 where the others' are of bfloat16). The gradients of a, b, γ, β and the first kernels are
summed where they will be read, into one tensor for all layers."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import nn

TILE = 2048
"""Numbers that a program of a kernel holds at once."""

PROGRAMS = 132, 396
"""Programs of a kernel that sums, at least and at most: one for each of 132 multiprocessors, so that networks in
company disturb each other least; three of a large layer, as registers leave room for more only of some kernels."""

FIRST_PROGRAMS = 132, 264
"""Of the one that ends the backward pass of the first layer."""

FORWARD_PROGRAMS = 396, 1056
"""Of the one that makes y."""

TILES = 8
"""Tiles of a program that is neither one of the fewest nor of the most."""

_compiled_once = triton.jit(  # else anew for every shape that a network has
    do_not_specialize=["rows", "windows", "tiles", "height", "width", "down", "across", "stride", "parts"]
)


@triton.jit
def _channels(bias, slope, channels, BLOCK_C: tl.constexpr):
    """The channels of this program, which of them there are, and their biases and slopes."""
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < channels
    b = tl.load(bias + column, mask=inside, other=0.0)
    a = tl.load(slope + column, mask=inside, other=0.0)
    return column, inside, b, a


@triton.jit
def _pixel(window, there, height, width, down, across, at: tl.constexpr, PIXELS: tl.constexpr):
    """The row in x of pixel `at` of these windows of PIXELS, down × across an image, and which of them there are."""
    if PIXELS == 1:
        row, found = window, there
    else:
        h = 2 * (window // across % down) + at // 2
        w = 2 * (window % across) + at % 2
        row = (window // (down * across) * height + h) * width + w
        found = there & (h < height) & (w < width)
    return row, found


@triton.jit
def _patch(x, row, there, TAPS: tl.constexpr):
    """What a pixel of the first layer is computed from, (rows, TAPS)."""
    at = row[:, None].to(tl.int64) * TAPS + tl.arange(0, TAPS)[None, :]
    return tl.load(x + at, mask=there[:, None], other=0.0).to(tl.float32)


@triton.jit
def _kernels(kernels, column, inside, numbers, TAPS: tl.constexpr):
    """The kernels of the first layer, (TAPS, channels); of another layer nothing."""
    if TAPS == 0:
        found = 0.0
    else:
        tap = tl.arange(0, TAPS)
        at = column[None, :] * numbers + tap[:, None]
        found = tl.load(kernels + at, mask=(tap < numbers)[:, None] & inside[None, :], other=0.0)
    return found


@triton.jit
def _product(one, other, x):
    """Of matrices of float32: full where x is, else in TF32, which holds all of bfloat16 and more."""
    if x.dtype.element_ty == tl.float32:
        found = tl.dot(one, other, input_precision="ieee")
    else:
        found = tl.dot(one, other, input_precision="tf32")
    return found


@triton.jit
def _before(x, taps, row, there, column, inside, bias, channels, TAPS: tl.constexpr):
    """z = x + b of rows and channels, where x of the first layer are patches that are multiplied by its kernels."""
    if TAPS == 0:
        at = row[:, None].to(tl.int64) * channels + column[None, :]
        found = tl.load(x + at, mask=there[:, None] & inside[None, :], other=0.0).to(tl.float32)
    else:
        found = _product(_patch(x, row, there, TAPS), taps, x)
    return found + bias[None, :]


@triton.jit
def _activation(z, slope):
    return tl.where(z > 0, z, slope * z)


@triton.jit
def _origin(x, column, inside, bias, slope, TAPS: tl.constexpr):
    """Some p₀ of each channel, that of the first row, so that a large mean does not cancel; of the first layer, whose
    images are normalised, that of x = 0."""
    z = bias
    if TAPS == 0:
        z += tl.load(x + column, mask=inside, other=0.0).to(tl.float32)
    return _activation(z, slope)


@_compiled_once
def _moments_kernel(
    x, kernels, bias, slope, sums, rows, channels, numbers, tiles,
    TAPS: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Σ (p − p₀) and Σ (p − p₀)² of each channel."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    taps = _kernels(kernels, column, inside, numbers, TAPS)
    origin = _origin(x, column, inside, b, a, TAPS)
    first = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    second = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    for tile in range(tiles):
        row = (tl.program_id(0) * tiles + tile) * BLOCK_R + tl.arange(0, BLOCK_R)
        there = row < rows
        p = _activation(_before(x, taps, row, there, column, inside, b, channels, TAPS), a[None, :])
        apart = tl.where(there[:, None], p - origin[None, :], 0.0)
        first += apart
        second += apart * apart
    tl.atomic_add(sums + column, tl.sum(first, 0), mask=inside, sem="relaxed")
    tl.atomic_add(sums + channels + column, tl.sum(second, 0), mask=inside, sem="relaxed")


@_compiled_once
def _forward_kernel(
    x, kernels, y, bias, slope, gamma, beta, sums, moments, running_mean, running_var, rows, channels, numbers,
    windows, height, width, down, across, tiles, eps, momentum,
    TRAINING: tl.constexpr, PIXELS: tl.constexpr, TAPS: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """y, or the largest y of each window, of the running mean and variance unless TRAINING; in which the first program
    of a channel also keeps its mean and 1/√(var + ε), and moves the running ones."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    if TRAINING:
        each = 1.0 / rows
        off = tl.load(sums + column, mask=inside, other=0.0) * each
        variance = tl.load(sums + channels + column, mask=inside, other=0.0) * each - off * off
        variance = tl.maximum(variance, 0.0)
        mean = _origin(x, column, inside, b, a, TAPS) + off
        scale = tl.rsqrt(variance + eps)
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
        scale = tl.rsqrt(tl.load(running_var + column, mask=inside, other=0.0) + eps)
    scale *= tl.load(gamma + column, mask=inside, other=0.0)
    shift = tl.load(beta + column, mask=inside, other=0.0)
    taps = _kernels(kernels, column, inside, numbers, TAPS)
    for tile in range(tiles):
        window = (tl.program_id(0) * tiles + tile) * BLOCK_R + tl.arange(0, BLOCK_R)
        there = window < windows
        value = tl.full([BLOCK_R, BLOCK_C], float("-inf"), tl.float32)
        for at in tl.static_range(PIXELS):
            row, found = _pixel(window, there, height, width, down, across, at, PIXELS)
            p = _activation(_before(x, taps, row, found, column, inside, b, channels, TAPS), a[None, :])
            normal = (p - mean[None, :]) * scale[None, :] + shift[None, :]
            value = tl.maximum(value, normal, propagate_nan=tl.PropagateNan.ALL)
        to = window[:, None].to(tl.int64) * channels + column[None, :]
        tl.store(y + to, value.to(y.dtype.element_ty), mask=there[:, None] & inside[None, :])


@triton.jit
def _largest(
    x, taps, window, there, column, inside, bias, slope, mean, factor, shift, channels, height, width, down, across, y,
    PIXELS: tl.constexpr, TAPS: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Which pixel of each window has the largest y, as y is rounded, the first where several have, and its p."""
    largest = tl.full([BLOCK_R, BLOCK_C], float("-inf"), tl.float32)
    of_largest = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    place = tl.zeros([BLOCK_R, BLOCK_C], tl.int32)
    for at in tl.static_range(PIXELS):
        row, found = _pixel(window, there, height, width, down, across, at, PIXELS)
        p = _activation(_before(x, taps, row, found, column, inside, bias, channels, TAPS), slope[None, :])
        value = (p - mean[None, :]) * factor[None, :] + shift[None, :]
        value = value.to(y.dtype.element_ty).to(tl.float32)
        larger = value > largest
        largest = tl.where(larger, value, largest)
        of_largest = tl.where(larger, p, of_largest)
        place = tl.where(larger, at, place)
    return place, of_largest


@_compiled_once
def _backward_sums_kernel(
    dy, x, kernels, bias, slope, gamma, beta, moments, gradients, channels, numbers, windows, height, width, down,
    across, tiles, PIXELS: tl.constexpr, TAPS: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """∂β = Σ ∂y and ∂γ = Σ ∂y (p − mean)/√(var + ε)."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    mean = tl.load(moments + column, mask=inside, other=0.0)
    scale = tl.load(moments + channels + column, mask=inside, other=0.0)
    factor = scale * tl.load(gamma + column, mask=inside, other=0.0)
    shift = tl.load(beta + column, mask=inside, other=0.0)
    taps = _kernels(kernels, column, inside, numbers, TAPS)
    towards_beta = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    towards_gamma = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    for tile in range(tiles):
        window = (tl.program_id(0) * tiles + tile) * BLOCK_R + tl.arange(0, BLOCK_R)
        there = window < windows
        if PIXELS == 1:
            p = _activation(_before(x, taps, window, there, column, inside, b, channels, TAPS), a[None, :])
        else:
            _, p = _largest(
                x, taps, window, there, column, inside, b, a, mean, factor, shift, channels, height, width, down,
                across, dy, PIXELS, TAPS, BLOCK_R, BLOCK_C,
            )  # fmt: skip
        at = window[:, None].to(tl.int64) * channels + column[None, :]
        gradient = tl.load(dy + at, mask=there[:, None] & inside[None, :], other=0.0).to(tl.float32)
        towards_beta += gradient
        towards_gamma += gradient * (p - mean[None, :]) * scale[None, :]
    tl.atomic_add(gradients + column, tl.sum(towards_beta, 0), mask=inside, sem="relaxed")
    tl.atomic_add(gradients + channels + column, tl.sum(towards_gamma, 0), mask=inside, sem="relaxed")


@_compiled_once
def _backward_kernel(
    dy, x, dx, kernels, bias, slope, gamma, beta, moments, gradients, dkernels, rows, channels, numbers, windows,
    height, width, down, across, tiles,
    PIXELS: tl.constexpr, TAPS: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """∂x, of the first layer that of its kernels, and ∂a and ∂b, from
    ∂p = γ/√(var + ε) (∂y − ∂β/N − ∂γ (p − mean)/(N √(var + ε))) over N rows."""
    column, inside, b, a = _channels(bias, slope, channels, BLOCK_C)
    mean = tl.load(moments + column, mask=inside, other=0.0)
    scale = tl.load(moments + channels + column, mask=inside, other=0.0)
    each = 1.0 / rows
    constant = tl.load(gradients + column, mask=inside, other=0.0) * each
    along = tl.load(gradients + channels + column, mask=inside, other=0.0) * each
    factor = scale * tl.load(gamma + column, mask=inside, other=0.0)
    shift = tl.load(beta + column, mask=inside, other=0.0)
    taps = _kernels(kernels, column, inside, numbers, TAPS)
    towards_slope = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    towards_bias = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    if TAPS != 0:
        towards_kernels = tl.zeros([TAPS, BLOCK_C], tl.float32)
    for tile in range(tiles):
        window = (tl.program_id(0) * tiles + tile) * BLOCK_R + tl.arange(0, BLOCK_R)
        there = window < windows
        if PIXELS == 1:
            pooled, whole = window, there
        else:  # the last pixels of an odd height or width are in no window, but are of the batch
            h, w = window // across % down, window % across
            pooled = (window // (down * across) * (height // 2) + h) * (width // 2) + w
            whole = there & (h < height // 2) & (w < width // 2)
            place, _ = _largest(
                x, taps, window, there, column, inside, b, a, mean, factor, shift, channels, height, width, down,
                across, dy, PIXELS, TAPS, BLOCK_R, BLOCK_C,
            )  # fmt: skip
        at_dy = pooled[:, None].to(tl.int64) * channels + column[None, :]
        given = tl.load(dy + at_dy, mask=whole[:, None] & inside[None, :], other=0.0).to(tl.float32)
        for at in tl.static_range(PIXELS):
            row, found = _pixel(window, there, height, width, down, across, at, PIXELS)
            mask = found[:, None] & inside[None, :]
            z = _before(x, taps, row, found, column, inside, b, channels, TAPS)
            normal = (_activation(z, a[None, :]) - mean[None, :]) * scale[None, :]
            gradient = given if PIXELS == 1 else tl.where(place == at, given, 0.0)
            dp = factor[None, :] * (gradient - constant[None, :] - along[None, :] * normal)
            dz = tl.where(mask, tl.where(z > 0, dp, a[None, :] * dp), 0.0)
            if TAPS == 0:
                at_dx = row[:, None].to(tl.int64) * channels + column[None, :]
                tl.store(dx + at_dx, dz.to(dx.dtype.element_ty), mask=mask)
            else:
                towards_kernels += _product(tl.trans(_patch(x, row, found, TAPS)), dz, x)
            towards_slope += tl.where(mask & (z <= 0), dp * z, 0.0)
            towards_bias += dz
    tl.atomic_add(gradients + 2 * channels + column, tl.sum(towards_slope, 0), mask=inside, sem="relaxed")
    tl.atomic_add(gradients + 3 * channels + column, tl.sum(towards_bias, 0), mask=inside, sem="relaxed")
    if TAPS != 0:
        tap = tl.arange(0, TAPS)
        to = dkernels + column[None, :] * numbers + tap[:, None]
        tl.atomic_add(to, towards_kernels, mask=(tap < numbers)[:, None] & inside[None, :], sem="relaxed")


@_compiled_once
def _patches_kernel(
    images, chosen, mean, scale, y, height, width, down, across, stride, parts,
    CHANNELS: tl.constexpr, TAPS: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """The 3×3 pixels of all channels, normalised, that each output of the first convolution is computed from, of chosen
    images of uint8, (N, down, across, TAPS): one of the `parts` of one a program."""
    number = tl.program_id(0) // parts
    pixel, tap = tl.program_id(0) % parts * BLOCK_R + tl.arange(0, BLOCK_R), tl.arange(0, TAPS)
    channel = tap % CHANNELS
    off = tl.load(mean + channel)
    factor = tl.load(scale + channel)
    h = (pixel // across * stride)[:, None] + (tap // (3 * CHANNELS) - 1)[None, :]
    w = (pixel % across * stride)[:, None] + (tap // CHANNELS % 3 - 1)[None, :]
    there = pixel < down * across
    inside = there[:, None] & (tap < 9 * CHANNELS)[None, :] & (h >= 0) & (h < height) & (w >= 0) & (w < width)
    image = tl.load(chosen + number) * CHANNELS
    value = tl.load(images + ((image + channel[None, :]) * height + h) * width + w, mask=inside, other=0)
    value = tl.where(inside, (value.to(tl.float32) - off[None, :]) * factor[None, :], 0.0)
    to = (number.to(tl.int64) * (down * across) + pixel)[:, None] * TAPS + tap[None, :]
    tl.store(y + to, value.to(y.dtype.element_ty), mask=there[:, None])


class _Patches(torch.autograd.Function):
    """Without a gradient; torch's profiler counts a kernel for the function that launches it."""

    @staticmethod
    def forward(
        ctx: Any,
        images: torch.Tensor,
        chosen: torch.Tensor,
        mean: torch.Tensor,
        scale: torch.Tensor,
        stride: int,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        channels, height, width = images.shape[1:]
        down, across, taps = -(-height // stride), -(-width // stride), _taps(channels)
        y = torch.empty((len(chosen), down, across, taps), dtype=dtype, device=images.device)
        rows = TILE // taps
        parts = triton.cdiv(down * across, rows)
        _patches_kernel[(len(chosen) * parts,)](
            images, chosen, mean, scale, y, height, width, down, across, stride, parts,
            CHANNELS=channels, TAPS=taps, BLOCK_R=rows,
        )  # fmt: skip
        return y


def _taps(channels: int) -> int:
    """Numbers that a patch of 3×3 pixels is stored as: a power of 2, 16 at least, as products of matrices want."""
    return max(16, int(triton.next_power_of_2(9 * channels)))


def patches(
    images: torch.Tensor,
    chosen: torch.Tensor,
    mean: torch.Tensor,
    scale: torch.Tensor,
    stride: int,
    dtype: torch.dtype,
) -> torch.Tensor:
    """(image − mean)·scale of the chosen (N,) of uint8 images (…, channels, H, W), as what a 3×3 convolution with one
    pixel of zeros around multiplies: (N, ⌈H/stride⌉, ⌈W/stride⌉, taps), of a pixel first row by row, then, within one,
    the 9 places row by row, each with all channels, and zeros."""
    found: torch.Tensor = _Patches.apply(images, chosen, mean, scale, stride, dtype)
    return found


class Layer:
    """Bias, PReLU, batch norm and pool after a convolution, or the FC layer: x (N, channels) or (N, channels, H, W),
    channels last, to y; the convolution too where it is the first one.

    *Arguments*: the three modules; `numbers`, of `numbers_of`, zero before every forward pass: sums and moments of
    that, then the gradients of β, γ, a and b, and those of the first kernels; `pooled`, and `first`, whether it is
    that."""

    def __init__(
        self, owner: Any, prelu: nn.PReLU, norm: Any, numbers: torch.Tensor, pooled: bool, first: bool
    ) -> None:
        self.owner, self.bias, self.slope, self.norm = owner, owner.bias, prelu.weight, norm
        self.channels, self.pixels = len(owner.bias), 4 if pooled else 1
        self.sums, self.moments, self.gradients = numbers[: 8 * self.channels].view(8, -1).split((2, 2, 4))
        self.kernels = self.kernels_gradient = None
        self.numbers = self.taps = 0
        block = min(64, max(16, self.channels & -self.channels))
        if first:
            self.kernels = owner.weight
            self.kernels_gradient = numbers[8 * self.channels :].as_strided(owner.weight.shape, owner.weight.stride())
            self.numbers, self.taps = 9 * owner.in_channels, _taps(owner.in_channels)
            block = min(128, triton.next_power_of_2(max(16, self.channels)))
        self.block = block

    def __call__(self, x: torch.Tensor, of_images: torch.Tensor | None = None) -> torch.Tensor:
        """y of x; of the first layer, of its kernels and the `patches` of the images."""
        found: torch.Tensor = _PReLUNorm.apply(x, self, of_images)
        return found

    @staticmethod
    def numbers_of(owner: Any, first: bool) -> int:
        """How many `numbers` it takes."""
        return 8 * len(owner.bias) + (owner.weight.numel() if first else 0)

    def parameters(self) -> list[tuple[nn.Parameter, torch.Tensor]]:
        """Every parameter with the place of its gradient."""
        found = list(zip((self.norm.bias, self.norm.weight, self.slope, self.bias), self.gradients, strict=True))
        if self.kernels is not None:
            found.append((self.kernels, self.kernels_gradient))
        return found

    def blocks(self, pixels: int = 1) -> dict[str, int]:
        """What a program holds at once, of windows of so many pixels."""
        rows = max(TILE // pixels // max(self.block, self.taps), 16 if self.taps else 1)
        warps = 4 if self.block * self.taps < 4096 else 8  # of four the registers do not hold so many kernels
        return {"BLOCK_R": rows, "BLOCK_C": self.block, "TAPS": self.taps, "num_warps": warps}

    def grid(self, rows: int, programs: tuple[int, int], pixels: int = 1) -> tuple[tuple[int, int], int]:
        """Programs along rows and channels, between so many, and tiles of each."""
        across = triton.cdiv(self.channels, self.block)
        tiles = triton.cdiv(rows, self.blocks(pixels)["BLOCK_R"])
        least, most = programs
        each = triton.cdiv(tiles * across, max(least, min(most, tiles * across // TILES)))
        return (triton.cdiv(tiles, each), across), each


class _PReLUNorm(torch.autograd.Function):
    """y of x and a layer; that of the first one, of its kernels, the layer and the images' patches."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: Layer, of_images: torch.Tensor | None = None) -> torch.Tensor:
        source = _channels_last(x) if of_images is None else of_images
        height, width = (1, 1) if x.ndim == 2 else source.shape[2:] if of_images is None else source.shape[1:3]
        images, pooled = len(source), layer.pixels > 1
        down, across = (height // 2, width // 2) if pooled else (height, width)
        shape = (images, layer.channels) if x.ndim == 2 else (images, layer.channels, down, across)
        y = torch.empty(shape, dtype=source.dtype, device=x.device, memory_format=_last(x))
        norm, rows, windows = layer.norm, images * height * width, images * down * across
        of_layer, size = (layer.bias, layer.slope), (rows, layer.channels, layer.numbers)
        if norm.training:
            grid, tiles = layer.grid(rows, PROGRAMS)
            _moments_kernel[grid](source, layer.kernels, *of_layer, layer.sums, *size, tiles, **layer.blocks())
        grid, tiles = layer.grid(windows, FORWARD_PROGRAMS, layer.pixels)
        _forward_kernel[grid](
            source, layer.kernels, y, *of_layer, norm.weight, norm.bias, layer.sums, layer.moments,
            norm.running_mean, norm.running_var, *size, windows, height, width, down, across, tiles, norm.eps,
            norm.momentum, TRAINING=norm.training, PIXELS=layer.pixels, **layer.blocks(layer.pixels),
        )  # fmt: skip
        ctx.save_for_backward(source)
        ctx.layer, ctx.first, ctx.size = layer, of_images is not None, (images, height, width)
        return y

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, None, None]:
        (x,), layer, (images, height, width) = ctx.saved_tensors, ctx.layer, ctx.size
        dy, dx = _channels_last(dy), None if ctx.first else torch.empty_like(x)
        pixels, norm, blocks = layer.pixels, layer.norm, layer.blocks(layer.pixels)
        of_layer = layer.kernels, layer.bias, layer.slope, norm.weight, norm.bias, layer.moments, layer.gradients
        down, across = (height // 2, width // 2) if pixels > 1 else (height, width)
        windows, size = images * down * across, (layer.channels, layer.numbers)
        grid, tiles = layer.grid(windows, PROGRAMS, pixels)
        _backward_sums_kernel[grid](
            dy, x, *of_layer, *size, windows, height, width, down, across, tiles, PIXELS=pixels, **blocks
        )
        down, across = (-(-height // 2), -(-width // 2)) if pixels > 1 else (height, width)
        windows, rows = images * down * across, images * height * width
        grid, tiles = layer.grid(windows, FIRST_PROGRAMS if ctx.first else PROGRAMS, pixels)
        _backward_kernel[grid](
            dy, x, dx, *of_layer, layer.kernels_gradient, rows, *size, windows, height, width, down, across, tiles,
            PIXELS=pixels, **blocks,
        )  # fmt: skip
        return dx, None, None


def _last(tensor: torch.Tensor) -> torch.memory_format:
    return torch.channels_last if tensor.ndim == 4 else torch.contiguous_format


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=_last(tensor))
