"""A backbone on CUDA in few kernels: `fused_layer` does what is between the convolutions, `fused_convolution` those of
few channels in bfloat16, and cuDNN the others."""

import functools
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fc_width.backbone import Backbone, Stage
from fc_width.checks import full_precision
from fc_width.fused_convolution import convolved, convolves
from fc_width.fused_layer import Layer, patches
from fc_width.gpu_errors import is_of_device, is_out_of_memory


class _Flat(torch.autograd.Function):
    """(N, channels, H, W), channels last, as (N, channels·H·W) in float32: type and layout in one copy each way."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.shape, ctx.dtype = x.shape, x.dtype
        return x.to(torch.float32, memory_format=torch.contiguous_format).flatten(1)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> torch.Tensor:
        return dy.reshape(ctx.shape).to(ctx.dtype, memory_format=torch.channels_last)


class FusedBackbone:
    """A backbone on CUDA: the same embeddings, gradients and running statistics.

    *Arguments*: `backbone`, whose parameters stay where they are, kernels channels last, and whose layers end in PReLU
    and batch norm; `dtype`, what its trunk computes in.

    *Raises*: `ValueError` if kernels do not lie channels last."""

    def __init__(self, backbone: Backbone, dtype: torch.dtype) -> None:
        self.backbone, self.dtype = backbone, dtype
        self.ends_in_norm = isinstance(backbone.feature, nn.Sequential) and isinstance(backbone.feature[0], nn.PReLU)
        modules: list[Any] = [*backbone.trunk, backbone.fc]
        if self.ends_in_norm:
            modules += list(backbone.feature.children())
        for module in modules:
            if isinstance(module, nn.Conv2d) and not module.weight.is_contiguous(memory_format=torch.channels_last):
                raise ValueError(f"kernels must lie channels last, got strides {module.weight.stride()}")
        modules.append(None)
        found = [
            (modules[at - 1], prelu, modules[at + 1], isinstance(modules[at + 2], nn.MaxPool2d))
            for at, prelu in enumerate(modules)
            if isinstance(prelu, nn.PReLU)
        ]
        counts = [Layer.numbers_of(owner, not at) for at, (owner, *_) in enumerate(found)]
        self.numbers = torch.zeros(sum(counts), device=backbone.fc.weight.device)
        self.layers = [
            Layer(owner, prelu, norm, part, pooled, not at)
            for at, ((owner, prelu, norm, pooled), part) in enumerate(
                zip(found, self.numbers.split(counts), strict=True)
            )
        ]
        self.kernels: list[torch.Tensor] = [each.weight for each in modules[1:] if isinstance(each, nn.Conv2d)]
        self.convolves = dtype == torch.bfloat16 and self.numbers.is_cuda
        self.cast = self.kernels
        self.slopes: list[torch.Tensor] = []
        if dtype != torch.float32:
            self.cast = [torch.empty_like(each, dtype=dtype).requires_grad_() for each in self.kernels]
            self.slopes = [torch.empty_like(each) for each in self.kernels]

    def __call__(
        self, images: torch.Tensor, chosen: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        """Embeddings (N, M), float32, of (image − mean)·scale of the chosen (N,) of uint8 images (…, channels, H, W);
        gradients reach the parameters by `hand_over`.

        *Raises*: `RuntimeError` in evaluation, if gradients are wanted."""
        if self.backbone.training:
            self.numbers.zero_()
        elif torch.is_grad_enabled():
            raise RuntimeError("the kernels have no gradients in evaluation: expected torch.no_grad()")
        if self.slopes:
            with torch.no_grad():
                torch._foreach_copy_(self.cast, self.kernels)
        first, *layers = self.layers
        of_images = patches(images, chosen, mean, scale, first.owner.stride[0], self.dtype)
        inputs = first(first.owner.weight, of_images)
        for layer, kernel in zip(layers, self.cast, strict=False):  # the last layer may be the FC layer's
            if self.convolves and convolves(layer.owner):
                inputs = convolved(inputs, kernel)
            else:
                inputs = F.conv2d(inputs, kernel, None, layer.owner.stride, layer.owner.padding)
            inputs = layer(inputs)
        inputs, fc = _Flat.apply(inputs), self.backbone.fc
        with full_precision(images.device.type):
            embeddings: torch.Tensor = (
                layers[-1](F.linear(inputs, fc.weight)) if self.ends_in_norm else self.backbone.feature(fc(inputs))
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
    with torch.random.fork_rng(devices=[]):
        backbone = Backbone((Stage(16, 1), Stage(16, 1, pool=True)), (1, 3, 3), 2, "prelu-bn")
    backbone = backbone.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, pixel = torch.zeros((2, 1, 3, 3), dtype=torch.uint8, device=device), torch.ones((1, 1, 1, 1), device=device)
    try:
        network = FusedBackbone(backbone, torch.bfloat16)
        network(images, torch.arange(2, device=device), pixel, pixel).sum().backward()
    except Exception as error:
        if is_out_of_memory(error) or is_of_device(error):
            raise
        return f"{type(error).__name__}: {error}"
    return ""
