"""PReLU and batch norm on a CPU in one, compiled by numba (extra `fast`).

Of a small network's step on a CPU a quarter goes to these two, which torch computes in some ten passes over the
memory. Here it is two each way, and only their input is kept. With p = max(x, 0) + a min(x, 0), the mean and the
variance of p over a channel, n numbers, and s = 1/√(variance + ε):

    y = γ s (p − mean) + β,
    ∂β = Σ ∂y,  ∂γ = s Σ ∂y (p − mean),  ∂p = γ s (∂y − ∂β/n − s (p − mean) ∂γ/n),
    ∂x = ∂p where x > 0, else a ∂p,  ∂a = Σ x ∂p where x ≤ 0.

The results are those of torch's modules to rounding, and the same to the bit in every process on one kind of CPU.
"""

import functools
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.autograd.function import once_differentiable

Rows = npt.NDArray[np.float32]

# A sum of products may be taken in one instruction; the order of sums stays as it is written.
_compiled: Any = numba.njit(cache=True, error_model="numpy", fastmath={"contract"})


class PReLUNorm(nn.Module):
    """A `PReLU` of a slope a channel and the `BatchNorm2d` that follows it, whose parameters, running statistics and
    mode stay theirs."""

    def __init__(self, prelu: nn.PReLU, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.prelu, self.norm = prelu, norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """y (N, channels, H, W), float32 and channels last, of x."""
        norm = self.norm
        if not norm.training or x.numel() == x.shape[1]:  # of one number a channel there is no variance, as torch says
            output: torch.Tensor = norm(self.prelu(x))
            return output
        x = x.contiguous(memory_format=torch.channels_last)
        output = _PReLUNorm.apply(
            x, self.prelu.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.momentum, norm.eps
        )
        return output


class _PReLUNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        slopes: torch.Tensor,
        gamma: torch.Tensor,
        beta: torch.Tensor,
        running_mean: torch.Tensor,
        running_var: torch.Tensor,
        momentum: float,
        eps: float,
    ) -> torch.Tensor:
        y = torch.empty_like(x, memory_format=torch.channels_last)
        statistics = np.empty((2, len(slopes)))
        parameters = (each.detach().numpy() for each in (slopes, gamma, beta, running_mean, running_var))
        _forward(_rows(x), _rows(y), *parameters, statistics, momentum, eps)
        ctx.save_for_backward(x, slopes, gamma)
        ctx.statistics = statistics
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, slopes, gamma = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx = torch.empty_like(x, memory_format=torch.channels_last)
        sums = torch.empty(3, len(slopes))
        parameters = (each.detach().numpy() for each in (slopes, gamma))
        _backward(_rows(dy), _rows(x), _rows(dx), *parameters, ctx.statistics, sums.numpy())
        return dx, *sums, None, None, None, None


def _rows(x: torch.Tensor) -> Rows:
    """(N, channels, H, W), channels last, as (N·H, W·channels), sharing its memory: in a loop over the columns every
    one has sums of its own, so that the loop is one of vectors."""
    count, channels, height, width = x.shape
    rows: Rows = x.detach().permute(0, 2, 3, 1).view(count * height, width * channels).numpy()
    return rows


@_compiled
def _forward(x, y, slopes, gamma, beta, running_mean, running_var, statistics, momentum, eps):
    rows, columns = x.shape
    channels = len(slopes)
    count = rows * (columns // channels)
    slope, offset = np.empty(columns, np.float32), np.empty(columns, np.float32)
    first, second = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
    for i in range(columns):
        slope[i] = slopes[i % channels]
    sampled = 0
    for row in range(0, rows, max(1, rows // 8)):
        sampled += 1
        for i in range(columns):
            z = x[row, i]
            first[i] += z if z > 0 else slope[i] * z
    for c in range(channels):  # sums of differences from about the mean lose few digits
        about = 0.0
        for i in range(c, columns, channels):
            about += first[i]
        about /= sampled * (columns // channels)
        for i in range(c, columns, channels):
            offset[i], first[i] = about, 0
    for row in range(rows):
        for i in range(columns):
            z = x[row, i]
            negative = slope[i] * z  # read before it is chosen, or the loop is none of vectors
            p = (z if z > 0 else negative) - offset[i]
            first[i] += p
            second[i] += p * p
    middle, factor = np.empty(columns, np.float32), np.empty(columns, np.float32)
    shift = np.empty(columns, np.float32)
    for c in range(channels):
        mean, square = 0.0, 0.0
        for i in range(c, columns, channels):
            mean += first[i]
            square += second[i]
        mean /= count
        variance = square / count - mean * mean
        if variance < 0:
            variance = 0.0
        mean += offset[c]
        scale = 1 / np.sqrt(variance + eps)
        statistics[0, c], statistics[1, c] = mean, scale
        running_mean[c] += momentum * (mean - running_mean[c])
        running_var[c] += momentum * (variance * count / (count - 1) - running_var[c])
        for i in range(c, columns, channels):
            middle[i], factor[i], shift[i] = mean, scale * gamma[c], beta[c]
    for row in range(rows):
        for i in range(columns):
            z = x[row, i]
            negative = slope[i] * z
            y[row, i] = ((z if z > 0 else negative) - middle[i]) * factor[i] + shift[i]


@_compiled
def _backward(dy, x, dx, slopes, gamma, statistics, sums):
    rows, columns = x.shape
    channels = len(slopes)
    count = rows * (columns // channels)
    slope, middle = np.empty(columns, np.float32), np.empty(columns, np.float32)
    of_dy, of_product = np.zeros(columns, np.float32), np.zeros(columns, np.float32)
    for i in range(columns):
        slope[i], middle[i] = slopes[i % channels], statistics[0, i % channels]
    for row in range(rows):
        for i in range(columns):
            z, d = x[row, i], dy[row, i]
            negative = slope[i] * z
            of_dy[i] += d
            of_product[i] += d * ((z if z > 0 else negative) - middle[i])
    factor, constant = np.empty(columns, np.float32), np.empty(columns, np.float32)
    linear = np.empty(columns, np.float32)
    for c in range(channels):
        mean, scale = statistics[0, c], statistics[1, c]
        dbeta, dgamma = 0.0, 0.0
        for i in range(c, columns, channels):
            dbeta += of_dy[i]
            dgamma += of_product[i]
        dgamma *= scale
        along = -gamma[c] * scale * scale * dgamma / count
        sums[1, c], sums[2, c] = dgamma, dbeta
        for i in range(c, columns, channels):
            factor[i] = gamma[c] * scale
            linear[i] = along
            constant[i] = -gamma[c] * scale * dbeta / count - along * mean
    of_slopes = np.zeros(columns, np.float32)
    for row in range(rows):
        for i in range(columns):
            z = x[row, i]
            negative = slope[i] * z
            dp = factor[i] * dy[row, i] + (constant[i] + linear[i] * (z if z > 0 else negative))
            left = slope[i] * dp
            towards = dp * z
            of_slopes[i] += np.float32(0) if z > 0 else towards
            dx[row, i] = dp if z > 0 else left
    for c in range(channels):
        total = 0.0
        for i in range(c, columns, channels):
            total += of_slopes[i]
        sums[0, c] = total


def fuse(trunk: nn.Sequential) -> nn.Sequential:
    """The same layers, with a `PReLUNorm` for every PReLU of a slope a channel that a batch norm follows."""
    layers: list[nn.Module] = []
    for layer in trunk:
        before = layers[-1] if layers else None
        match before, layer:
            case nn.PReLU(num_parameters=slopes), nn.BatchNorm2d(num_features=channels) if slopes == channels:
                layers[-1] = PReLUNorm(before, layer)
            case _:
                layers.append(layer)
    return nn.Sequential(*layers)


@functools.cache
def obstacle() -> str:
    """What keeps numba from compiling these kernels, no folder to keep them in say; "" if nothing does."""
    try:
        with torch.random.fork_rng(devices=[]):
            layer = PReLUNorm(nn.PReLU(2), nn.BatchNorm2d(2))
            layer(torch.ones(2, 2, 1, 1, requires_grad=True)).sum().backward()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
