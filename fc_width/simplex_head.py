"""The fixed classifier W_C of Eq. 3: no parameters, no stored matrix, O(C) per sample.

Column j of W_C has the entry t_{j−1} in row j − 1, −t_i/i in every row i ≥ j, and zeros above, with
t_i = √(iC / ((i+1)(C−1))) and the first row's sign turned. So with y_i = t_i x_i (y_1 turned),

    logit_j = y_{j−1} − Σ_{i ≥ j} y_i / i,      j = 1…C, y_0 = 0,

which is one suffix sum: the prefix sums of −Σ y_i / i, y_1/1, y_2/2, …. What the gradient needs is its transpose, one
prefix sum more.
"""

import math
import numbers
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn

from fc_width.checks import check_size, check_width, transforming


class SimplexHead(nn.Module):
    """Logits x ↦ s W_Cᵀ x of the C unit vectors of a regular simplex in R^(C−1).

    Nothing to learn and nothing to save: its state dict is empty. It wants features of both signs: the vector of class
    2 has no entry above 0, so that after a ReLU it never wins. Embeddings of another width M need a linear map to
    C − 1 in front, which is the caller's.

    *Arguments*: `num_classes`, C ≥ 2; `scale`, s > 0, for features that are normalised.

    *Raises*: `ValueError` for C < 2, or a scale that is not positive and finite; `TypeError` for a C that is no
    integer, or a scale that is no number.
    """

    def __init__(self, num_classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.num_classes = check_size("C", num_classes, 2)
        given: Any = scale
        if not isinstance(given, numbers.Real):
            raise TypeError(f"scale must be a real number, got scale={scale!r}")
        self.scale = float(scale)
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be positive and finite, got scale={scale}")
        above, below = self._coefficients()
        self.register_buffer("above", above, persistent=False)
        self.register_buffer("below", below, persistent=False)
        self.above: torch.Tensor
        self.below: torch.Tensor

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"num_classes={self.num_classes}, scale={self.scale}"

    def _coefficients(self, device: torch.device | str | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        C = self.num_classes
        index = torch.arange(1, C, dtype=torch.float64, device=device)
        above = self.scale * (index * C / ((index + 1) * (C - 1))).sqrt()
        above[0] = -above[0]
        return above, above / index

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        dtype = torch.promote_types(self.above.dtype, torch.float32)  # after `half` and `float` they would stay rounded
        self.above, self.below = (each.to(self.above.device, dtype) for each in self._coefficients("cpu"))
        return self

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of embeddings (N, C − 1).

        *Raises*: `ValueError` for another width; `TypeError` unless they are floating point."""
        check_width(embeddings, self.num_classes - 1)
        return _logits(embeddings, self.above.to(embeddings.dtype), self.below.to(embeddings.dtype))

    def dense_weight(self) -> torch.Tensor:
        """W_Cᵀ as a (C, C − 1) float64 matrix, row j the vector of class j."""
        device = self.above.device
        eye = torch.eye(self.num_classes - 1, dtype=torch.float64, device=device)
        return _logits(eye, *self._coefficients(device)).T.contiguous()

    def to_linear(self, dtype: torch.dtype = torch.float32) -> nn.Linear:
        """The same map as a plain layer without bias, C·(C − 1) numbers, to export or to go on training."""
        linear = nn.Linear(self.num_classes - 1, self.num_classes, bias=False, dtype=dtype, device=self.above.device)
        with torch.no_grad():
            linear.weight.copy_(self.dense_weight())
        return linear


def _logits(embeddings: torch.Tensor, above: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    if torch.compiler.is_compiling() or transforming():  # the one fuses it, the other needs to see it
        pad = nn.functional.pad
        suffix = (embeddings * below).flip(1).cumsum(1).flip(1)
        return pad(embeddings * above, (1, 0)) - pad(suffix, (0, 1))
    logits: torch.Tensor = _Logits.apply(embeddings, above, below)
    return logits


class _Logits(torch.autograd.Function):
    """Both ways in as few passes over the memory as there can be; differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, embeddings: torch.Tensor, above: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(above, below)
        logits = embeddings.new_empty(len(embeddings), len(below) + 1)
        torch.mul(embeddings, below, out=logits[:, 1:])
        torch.sum(logits[:, 1:], 1, out=logits[:, 0])
        logits[:, 0].neg_()
        logits.cumsum_(1)
        logits[:, 1:].addcmul_(embeddings, above)
        return logits

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        above, below = ctx.saved_tensors
        return (grad[:, 1:] * above).addcmul(grad.cumsum(1)[:, :-1], below, value=-1), None, None
