"""What the losses and heads ask of what they are given, and in which precision they compute."""

import contextlib
import contextvars
import math
import numbers
import operator
from collections.abc import Iterator
from typing import Any

import torch

WIDE = torch.float32, torch.float64
LARGEST_ALPHA = 1e6
"""Its square must be far below float32's largest number."""


def transforming() -> bool:
    """Whether inside of `torch.func`'s grad, vmap, …, whose tensors' values are not to be had, or of forward-mode
    differentiation: what goes on has to be seen operation by operation."""
    return torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0


def dispatched() -> bool:
    """Whether a dispatch mode (of `make_fx`, of fake tensors, a counter of FLOPs, …) is to see every operation."""
    return torch._C._len_torch_dispatch_stack() > 0


class NonFiniteError(ValueError):
    """Embeddings that are NaN or infinite."""


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float32, or as it is if it is wider."""
    return tensor if tensor.dtype in WIDE else tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_precision(device: str) -> contextlib.AbstractContextManager[Any]:
    """No autocast: lengths and angles near antipodes need all their digits."""
    on = torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else contextlib.nullcontext()


def check_alpha(alpha: float) -> float:
    """α as a float; `TypeError` unless it is a real number, `ValueError` unless it is in 0…`LARGEST_ALPHA`."""
    if type(alpha) is not float:  # numpy's float64 is a subclass, and times a tensor something else
        if not isinstance(alpha, numbers.Real):
            raise TypeError(f"alpha must be a real number, got alpha={alpha!r}")
        alpha = float(alpha)
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha must be finite and at least 0, got alpha={alpha}")
    if alpha > LARGEST_ALPHA:
        raise ValueError(f"alpha must be at most {LARGEST_ALPHA:,.0f}, got alpha={alpha}")
    return alpha


def check_size(name: str, value: int, least: int) -> int:
    """The value; `TypeError` unless it is an integer, `ValueError` below `least`."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {name}={value!r}") from None
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {name}={value}")
    return value


def check_batch(embeddings: torch.Tensor, labels: torch.Tensor, num_classes: int, width: int) -> None:
    """`ValueError` or `TypeError` unless embeddings are (N, `width`) and labels (N,) int64 in 0…C−1."""
    check_shapes(embeddings, labels, width)
    check_range(labels, num_classes)


def check_shapes(embeddings: torch.Tensor, labels: torch.Tensor, width: int) -> None:
    """`ValueError` or `TypeError` unless embeddings are (N, `width`) of floats and labels (N,) of int64."""
    check_width(embeddings, width)
    if embeddings.shape[0] == 0:
        raise ValueError(f"a batch must have at least one sample, got embeddings of shape {tuple(embeddings.shape)}")
    _check_tensor("labels", labels)
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {labels.dtype}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must have shape ({embeddings.shape[0]},), got {tuple(labels.shape)}")


def check_width(embeddings: torch.Tensor, width: int) -> None:
    """`ValueError` unless embeddings are (N, `width`), `TypeError` unless a tensor of floats."""
    _check_tensor("embeddings", embeddings)
    if embeddings.ndim != 2 or embeddings.shape[1] != width:
        raise ValueError(f"embeddings must have shape (N, {width}), got {tuple(embeddings.shape)}")
    if not embeddings.is_floating_point():
        raise TypeError(f"embeddings must be floating point, got {embeddings.dtype}")


def _check_tensor(name: str, value: object) -> None:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__module__}.{type(value).__qualname__}")


_checked = contextvars.ContextVar("checked", default=False)


@contextlib.contextmanager
def labels_checked() -> Iterator[None]:
    """For the time of a `with` labels are not looked at: whoever trains on the same ones again and again has done so
    once, and on CUDA it is five launches."""
    token = _checked.set(True)
    try:
        yield
    finally:
        _checked.reset(token)


def check_range(labels: torch.Tensor, num_classes: int) -> None:
    """`ValueError` unless labels are in 0…C−1; on CUDA a device-side assertion, as a check would wait for it; inside of
    `torch.func`, and where a dispatch mode is on, torch's own error."""
    compiling = torch.compiler.is_compiling()
    if not compiling and (transforming() or dispatched() or _checked.get()):
        return
    if labels.is_cuda or compiling:
        torch._assert_async(((labels >= 0) & (labels < num_classes)).all())
    else:
        low, high = (int(end) for end in torch.aminmax(labels))
        if low < 0 or high >= num_classes:
            raise ValueError(f"labels must be in 0…{num_classes - 1}, got {low if low < 0 else high}")
