"""The losses by the names that a recipe and a command line use."""

import importlib.util
from typing import TYPE_CHECKING, Union

from fc_width.checks import check_alpha
from fc_width.losses import HingeLoss, SimplexWSoftmaxLoss, SoftmaxLoss, WSoftmaxLoss

if TYPE_CHECKING:
    from fc_width.baselines import BaselineLoss

Loss = Union["SoftmaxLoss", "WSoftmaxLoss", "SimplexWSoftmaxLoss", "BaselineLoss"]

VARIANTS = ("w-softmax", "w-softmax-centred", "w-softmax-simplex")
LINEAR = ("softmax", "hinge")
"""Losses of a learned classifier without bias, z = Wx."""
OTHERS = (
    "l-softmax",
    "a-softmax",
    "cosface",
    "arcface",
    "center",
    "contrastive",
    "triplet",
    "sphereface+",
)
"""Losses of `baselines`, which needs pytorch-metric-learning."""


def parse_loss(spec: str) -> tuple[str, float | None]:
    """Read a loss's name: one of `LINEAR`, one of `OTHERS`, or one of `VARIANTS` with `:α` (`w-softmax:0.5`; without
    it, α = 1).

    *Returns*: (variant, α), α None where there is none.

    *Raises*: `ValueError` for anything else.
    """
    variant, colon, value = spec.partition(":")
    if variant in (*LINEAR, *OTHERS) and not colon:
        return variant, None
    if variant not in VARIANTS:
        known = ", ".join((*LINEAR, *(f"{name}:ALPHA" for name in VARIANTS), *OTHERS))
        raise ValueError(f"unknown loss {spec!r}: expected one of {known}")
    try:
        alpha = float(value) if colon else 1.0
    except ValueError:
        raise ValueError(f"loss {spec!r}: alpha must be a number, got {value!r}") from None
    try:
        return variant, check_alpha(alpha) + 0.0  # −0 is 0
    except ValueError as error:
        raise ValueError(f"loss {spec!r}: {error}") from None


def check_installed(variant: str) -> None:
    """See that the library is there that a loss comes from; `ValueError` if not."""
    if variant in OTHERS and importlib.util.find_spec("pytorch_metric_learning") is None:
        raise ValueError(f"loss {variant!r} needs pytorch-metric-learning: pip install 'fc-width[baselines]'")


def loss_name(variant: str, alpha: float | None) -> str:
    """The canonical name of a loss: the inverse of `parse_loss`."""
    return variant if alpha is None else f"{variant}:{alpha!r}".removesuffix(".0")


def make_loss(spec: str, width: int, num_classes: int) -> "Loss":
    """The loss module that `spec` names (see `parse_loss`), for M = `width` and C = `num_classes`.

    *Raises*: `ValueError` for an unknown loss, one whose library is not installed, or a width other than C − 1 on the
    simplex.
    """
    variant, alpha = parse_loss(spec)
    check_installed(variant)
    if variant in LINEAR:
        return (SoftmaxLoss if variant == "softmax" else HingeLoss)(width, num_classes)
    if variant in OTHERS:
        from fc_width.baselines import BASELINES  # only those who ask need the library

        return BASELINES[variant](width, num_classes)
    bias = 1.0 if alpha is None else alpha
    if variant == "w-softmax-simplex":
        if width != num_classes - 1:
            raise ValueError(f"{spec} needs M = C − 1 = {num_classes - 1}, got M={width}")
        return SimplexWSoftmaxLoss(num_classes, bias)
    return WSoftmaxLoss(width, num_classes, bias, center=variant == "w-softmax-centred")
