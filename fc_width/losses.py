"""The losses: softmax, and W-Softmax as printed, centred, and on the fixed simplex.

Every loss is a module with one interface: ``loss(embeddings, labels)`` is the training loss, a scalar;
``loss.logits(embeddings)`` are the test-time logits (N, C); ``loss.classifier()`` is the (C, M) matrix whose
rows those logits are products with.

W-Softmax (Li & Wang 2020, Eq. 10–13) replaces, for a sample of class c, every other unit weight w_j by
w'_j = (αw_c + w_j)/‖αw_c + w_j‖. With z_j = w_j·x and g_cj = w_c·w_j its training logits are

    z'_c = z_c,      z'_j = (α z_c + z_j)/n_cj,      n_cj² = 1 + α² + 2α g_cj,

so that the biased weights are never built: time and memory are those of two small products.
"""

import math
from typing import Union

import torch
from torch import nn
from torch.nn import functional as F

from fc_width.simplex_head import SimplexHead

Loss = Union["SoftmaxLoss", "WSoftmaxLoss", "SimplexWSoftmaxLoss"]

VARIANTS = ("w-softmax", "w-softmax-centred", "w-softmax-simplex")


def w_softmax_logits(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, alpha: float
) -> torch.Tensor:
    """Training logits of W-Softmax, Eq. 10–13.

    *Arguments*: `embeddings` (N, M) float; `weight` (C, M) of any row norms > 0, normalised here; `labels`
    (N,) int64 in 0…C−1; `alpha` ≥ 0.

    *Returns*: logits (N, C), whose cross-entropy with `labels` is the W-Softmax loss. Where αw_c + w_j = 0 (α
    = 1, antipodal weights), Eq. 1 is 0/0; the logit is 0 there, with no gradient through the norm.

    *Raises*: `ValueError` or `TypeError` quoting what does not fit.
    """
    _check_alpha(alpha)
    _check_batch(embeddings, labels, num_classes=weight.shape[0], width=weight.shape[1])
    unit = F.normalize(weight.double())  # float64: n_cj cancels near antipodal weights
    z = embeddings @ unit.to(embeddings.dtype).T
    rows = unit[labels] @ unit.T if len(weight) > len(labels) else (unit @ unit.T)[labels]
    square = (1 - alpha) ** 2 + 2 * alpha * (1 + rows)
    return _biased_logits(z, labels, alpha, square)


def _biased_logits(z: torch.Tensor, labels: torch.Tensor, alpha: float, square: torch.Tensor) -> torch.Tensor:
    """z'_j from z (N, C) and n_cj² (N, C) or a scalar."""
    vanishing = square < 1e-14
    inverse = torch.where(vanishing, 0.0, torch.where(vanishing, 1.0, square).rsqrt()).to(z.dtype)
    target = z.gather(1, labels[:, None])
    return ((alpha * target + z) * inverse).scatter(1, labels[:, None], target)


class SoftmaxLoss(nn.Module):
    """Softmax cross-entropy with a learned classifier without bias: z = Wx (Eq. 8–9 with b = 0).

    *Arguments*: `embedding_size`, M; `num_classes`, C.
    """

    def __init__(self, embedding_size: int, num_classes: int) -> None:
        super().__init__()
        _check_sizes(embedding_size, num_classes)
        self.weight = nn.Parameter(torch.empty(num_classes, embedding_size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar: embeddings (N, M), labels (N,)."""
        _check_batch(embeddings, labels, *self.weight.shape)
        return F.cross_entropy(self.logits(embeddings), labels)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        return embeddings @ self.classifier().T

    def classifier(self) -> torch.Tensor:
        """The weights (C, M)."""
        return self.weight


class WSoftmaxLoss(nn.Module):
    """W-Softmax (Li & Wang 2020, Eq. 1, 10–13) with learned weights.

    *Arguments*: `embedding_size`, M; `num_classes`, C; `alpha` ≥ 0, which may be changed during training (0
    is the weight-normalised softmax without bias); `center`: subtract the mean weight before normalising.
    `center=False` is the loss as printed.

    `weight` (C, M) is the parameter; `classifier()` is what it becomes.
    """

    def __init__(self, embedding_size: int, num_classes: int, alpha: float = 1.0, *, center: bool = False) -> None:
        super().__init__()
        _check_sizes(embedding_size, num_classes)
        _check_alpha(alpha)
        self.alpha = alpha
        self.center = center
        self.weight = nn.Parameter(torch.empty(num_classes, embedding_size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar (Eq. 13): embeddings (N, M), labels (N,)."""
        return F.cross_entropy(self.training_logits(embeddings, labels), labels)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of Eq. 10: row n uses the weights biased towards class `labels[n]`."""
        return w_softmax_logits(embeddings, self._centred(), labels, self.alpha)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C), with the weights not biased."""
        return embeddings @ self.classifier().T

    def classifier(self) -> torch.Tensor:
        """The unit weights (C, M)."""
        return F.normalize(self._centred())

    def _centred(self) -> torch.Tensor:
        return self.weight - self.weight.mean(0) if self.center else self.weight


class SimplexWSoftmaxLoss(nn.Module):
    """W-Softmax on the fixed simplex W_C: M = C − 1, no parameters, all norms n_cj one constant.

    *Arguments*: `num_classes`, C; `alpha` ≥ 0.
    """

    def __init__(self, num_classes: int, alpha: float = 1.0) -> None:
        super().__init__()
        self.head = SimplexHead(num_classes)
        _check_alpha(alpha)
        self.alpha = alpha

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar: embeddings (N, C − 1), labels (N,)."""
        return F.cross_entropy(self.training_logits(embeddings, labels), labels)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of Eq. 10 with n² = 1 + α² − 2α/(C−1)."""
        classes = self.head.num_classes
        _check_batch(embeddings, labels, num_classes=classes, width=classes - 1)
        square = (1 - self.alpha) ** 2 + 2 * self.alpha * (classes - 2) / (classes - 1)
        return _biased_logits(
            self.head(embeddings), labels, self.alpha, embeddings.new_tensor(square, dtype=torch.float64)
        )

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        logits: torch.Tensor = self.head(embeddings)
        return logits

    def classifier(self) -> torch.Tensor:
        """W_Cᵀ (C, C − 1)."""
        return self.head.dense_weight()


def parse_loss(spec: str) -> tuple[str, float | None]:
    """Read a loss's name: `softmax`, or one of `VARIANTS` with `:α` (`w-softmax:0.5`; without it, α = 1).

    *Returns*: (variant, α), α None for softmax.

    *Raises*: `ValueError` for anything else.
    """
    variant, colon, value = spec.partition(":")
    if variant == "softmax" and not colon:
        return variant, None
    if variant not in VARIANTS:
        known = ", ".join(("softmax", *(f"{name}:ALPHA" for name in VARIANTS)))
        raise ValueError(f"unknown loss {spec!r}: expected one of {known}")
    try:
        alpha = float(value) if colon else 1.0
    except ValueError:
        raise ValueError(f"loss {spec!r}: alpha must be a number, got {value!r}") from None
    _check_alpha(alpha)
    return variant, alpha


def loss_name(variant: str, alpha: float | None) -> str:
    """The canonical name of a loss: the inverse of `parse_loss`."""
    return variant if alpha is None else f"{variant}:{alpha!r}".removesuffix(".0")


def make_loss(spec: str, width: int, num_classes: int) -> Loss:
    """The loss module that `spec` names (see `parse_loss`), for M = `width` and C = `num_classes`.

    *Raises*: `ValueError` for an unknown loss, or a width other than C − 1 on the simplex.
    """
    variant, alpha = parse_loss(spec)
    if variant == "softmax":
        return SoftmaxLoss(width, num_classes)
    bias = 1.0 if alpha is None else alpha
    if variant == "w-softmax-simplex":
        if width != num_classes - 1:
            raise ValueError(f"{spec} needs M = C − 1 = {num_classes - 1}, got M={width}")
        return SimplexWSoftmaxLoss(num_classes, bias)
    return WSoftmaxLoss(width, num_classes, bias, center=variant == "w-softmax-centred")


def _check_sizes(embedding_size: int, num_classes: int) -> None:
    if embedding_size < 1:
        raise ValueError(f"M must be at least 1, got M={embedding_size}")
    if num_classes < 2:
        raise ValueError(f"C must be at least 2, got C={num_classes}")


def _check_alpha(alpha: float) -> None:
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ValueError(f"alpha must be finite and at least 0, got alpha={alpha}")


def _check_batch(embeddings: torch.Tensor, labels: torch.Tensor, num_classes: int, width: int) -> None:
    if embeddings.ndim != 2 or embeddings.shape[1] != width:
        raise ValueError(f"embeddings must have shape (N, {width}), got {tuple(embeddings.shape)}")
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {labels.dtype}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must have shape ({len(embeddings)},), got {tuple(labels.shape)}")
    if labels.device.type == "cuda":  # a check on the host would wait for the device
        torch._assert_async(((labels >= 0) & (labels < num_classes)).all())
    elif len(labels):
        low, high = (int(end) for end in labels.aminmax())
        if low < 0 or high >= num_classes:
            raise ValueError(f"labels must be in 0…{num_classes - 1}, got {low if low < 0 else high}")
