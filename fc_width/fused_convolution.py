"""On CUDA, 3×3 convolutions between few channels in bfloat16, written in Triton, all but the gradient of their kernels:
cuDNN's take up to three times as much of a GPU that several networks share."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import nn

CONVOLVED = 16, 32, 64
"""Channels, there and back, of a convolution that is a kernel of ours."""

CONVOLVED_ROWS = 128
"""Pixels of a program of it."""

CONVOLVED_OPTIONS = {"num_warps": 8, "num_stages": 3}
"""How it is compiled."""


@triton.jit(do_not_specialize=["rows", "height", "width"])  # else anew for every shape that a network has
def _convolution_kernel(
    x, kernels, y, rows, height, width, along_inputs, along_outputs,
    TOWARDS: tl.constexpr, INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """Σ x at (h, w) + TOWARDS·(i − 1, j − 1) times the kernels at (i, j) over the 9 places, of x (rows, INPUTS) that
    lies pixel by pixel; the kernels' strides over inputs and outputs are given, that over places is what the
    convolution has inputs there (outputs here, where it goes back), as they lie channels last."""
    row = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    h, w = row // width % height, row % width
    inputs, outputs = tl.arange(0, INPUTS), tl.arange(0, OUTPUTS)
    to_kernels = kernels + inputs[:, None] * along_inputs + outputs[None, :] * along_outputs
    side = OUTPUTS if TOWARDS < 0 else INPUTS
    total = tl.zeros([BLOCK_R, OUTPUTS], tl.float32)
    for tap in range(9):
        down, across = (tap // 3 - 1) * TOWARDS, (tap % 3 - 1) * TOWARDS
        inside = (row < rows) & (h + down >= 0) & (h + down < height) & (w + across >= 0) & (w + across < width)
        at = (row + down * width + across).to(tl.int64)[:, None] * INPUTS + inputs[None, :]
        pixels = tl.load(x + at, mask=inside[:, None], other=0.0)
        total = tl.dot(pixels, tl.load(to_kernels + tap * side), total, input_precision="ieee")
    at = row.to(tl.int64)[:, None] * OUTPUTS + outputs[None, :]
    tl.store(y + at, total.to(y.dtype.element_ty), mask=(row < rows)[:, None])


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(x, kernels)
        return _launched(x, kernels, back=False)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, kernels = ctx.saved_tensors
        dy, chosen = dy.contiguous(memory_format=torch.channels_last), torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = False  # what is fastest alone takes up to twice as much of a GPU
        try:
            one, no = (1, 1), (0, 0)
            _, slopes, _ = torch.ops.aten.convolution_backward(
                dy, x, kernels, None, one, one, one, False, no, 1, (False, True, False)
            )
        finally:
            torch.backends.cudnn.benchmark = chosen
        return _launched(dy, kernels, back=True), slopes


def _launched(x: torch.Tensor, kernels: torch.Tensor, back: bool) -> torch.Tensor:
    """The convolution of x, or what goes `back` to its input."""
    images, inputs, height, width = x.shape
    outputs = kernels.shape[1] if back else kernels.shape[0]
    y = torch.empty((images, outputs, height, width), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    rows = images * height * width
    along = kernels.stride(0), kernels.stride(1)
    _convolution_kernel[(triton.cdiv(rows, CONVOLVED_ROWS),)](
        x, kernels, y, rows, height, width, *(along if back else along[::-1]), TOWARDS=-1 if back else 1,
        INPUTS=inputs, OUTPUTS=outputs, BLOCK_R=CONVOLVED_ROWS, **CONVOLVED_OPTIONS,
    )  # fmt: skip
    return y


def convolves(owner: nn.Conv2d) -> bool:
    """Whether a convolution is one of stride 1 between `CONVOLVED` channels."""
    return owner.stride == (1, 1) and owner.in_channels in CONVOLVED and owner.out_channels in CONVOLVED


def convolved(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """The 3×3 convolution of stride 1, a pixel of zeros around and no bias, of x (N, inputs, H, W) with kernels
    (outputs, inputs, 3, 3) that lie channels last, as what it returns does, (N, outputs, H, W); from `CONVOLVED`
    channels to such."""
    found: torch.Tensor = _Convolution.apply(x, kernels)
    return found
