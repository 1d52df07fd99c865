"""The losses: softmax, and W-Softmax as printed, centred, and on the fixed simplex.

Every loss is a module with one interface: ``loss(embeddings, labels)`` is the training loss, a scalar;
``loss.logits(embeddings)`` are the test-time logits (N, C); ``loss.training_logits(embeddings, labels)`` are those
whose cross-entropy the training loss is, where it is one; ``loss.classifier()`` is the (C, M) matrix whose rows the
test-time logits are products with; ``loss.health()`` says how the last batch stood. Embeddings that are not finite
are a `NonFiniteError` on a CPU, and a loss that is not finite on a GPU, which is not waited for.
"""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fc_width import geometry
from fc_width.simplex_head import SimplexHead
from fc_width.w_softmax import (
    NonFiniteError,
    biased_logits,
    check_alpha,
    check_batch,
    full_precision,
    w_softmax_logits,
    w_softmax_loss,
)

__all__ = [
    "NonFiniteError",
    "SimplexWSoftmaxLoss",
    "SoftmaxLoss",
    "WSoftmaxLoss",
    "Watched",
    "w_softmax_logits",
]


class Watched(nn.Module):
    """A loss that remembers its last batch."""

    _last: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None] | None = None

    def health(self) -> dict[str, float]:
        """How the last batch stood, without another pass: for a training log.

        *Returns*: `inverted`, the share of samples with cos θ_c < 0, on the far side of their own weight; `mean_angle`
        of θ_c in degrees (90 where a feature is 0).

        *Raises*: `RuntimeError` before the first batch."""
        if self._last is None:
            raise RuntimeError("health() needs a batch: none has been seen")
        target, embeddings, lengths = self._last
        norms = torch.linalg.vector_norm(embeddings.double(), dim=1)
        angles = geometry.angles(target, norms if lengths is None else norms * lengths)
        return {
            "inverted": float((target < 0).double().mean()),
            "mean_angle": float(torch.rad2deg(angles).mean()),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_last"}

    def watch(
        self,
        loss: torch.Tensor,
        target: torch.Tensor,
        embeddings: torch.Tensor,
        lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Remember z_c (N,), the embeddings and ‖w_c‖ (N,) where it is not 1; returns the loss."""
        self.__dict__["_last"] = target.detach(), embeddings.detach(), lengths  # torch.nn.Module looks at what is set
        if loss.is_cpu and not torch.compiler.is_compiling() and not math.isfinite(loss.item()):
            row = (~torch.isfinite(embeddings)).any(1).nonzero()
            if len(row):
                bad = embeddings[row[0, 0]].detach()
                raise NonFiniteError(
                    f"embeddings must be finite, got {float(bad[~torch.isfinite(bad)][0])} in row {int(row[0, 0])}"
                )
        return loss


class SoftmaxLoss(Watched):
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
        logits = self.training_logits(embeddings, labels)
        target = logits.detach().gather(1, labels[:, None]).squeeze(1)
        lengths = torch.linalg.vector_norm(self.weight.detach(), dim=1)[labels]
        return self.watch(F.cross_entropy(logits, labels), target, embeddings, lengths)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C), the same as at test time."""
        check_batch(embeddings, labels, *self.weight.shape)
        return self.logits(embeddings)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        return _product(embeddings, self.weight)

    def classifier(self) -> torch.Tensor:
        """The weights (C, M)."""
        return self.weight


class WSoftmaxLoss(Watched):
    """W-Softmax (Li & Wang 2020, Eq. 1, 10–13) with learned weights.

    *Arguments*: `embedding_size`, M; `num_classes`, C; `alpha` ≥ 0, which may be changed during training (0 is the
    weight-normalised softmax without bias; begin with it); `center`, subtract the mean weight before normalising.

    `center=False` is the loss as printed. Its loophole: a feature with cos θ_c < 0 can be right in training and wrong
    at test, and training finds it. Centred, some positive combination of the unit weights is 0, and then right in
    training is right at test, for every feature and α (claim `train-test` of `theory`): hence the default.

    For C = 2 centred weights are antipodes: α changes nothing below 1; at 1, where Eq. 1 is 0/0, the loss is
    log(1 + e^−z_c) for log(1 + e^−2z_c); above, it is the constant log 2.

    `weight` (C, M) is the parameter; `classifier()` is what it becomes.
    """

    def __init__(self, embedding_size: int, num_classes: int, alpha: float = 1.0, *, center: bool = True) -> None:
        super().__init__()
        _check_sizes(embedding_size, num_classes)
        check_alpha(alpha)
        self.alpha = alpha
        self.center = center
        self.weight = nn.Parameter(torch.empty(num_classes, embedding_size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar (Eq. 13): embeddings (N, M), labels (N,). Differentiable once."""
        loss, target = w_softmax_loss(embeddings, self.weight, labels, self.alpha, center=self.center)
        return self.watch(loss, target, embeddings)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of Eq. 10: row n uses the weights biased towards class `labels[n]`."""
        return w_softmax_logits(embeddings, self._centred(), labels, self.alpha)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C), with the weights not biased."""
        return _product(embeddings, self.classifier())

    def classifier(self) -> torch.Tensor:
        """The unit weights (C, M)."""
        return F.normalize(self._centred())

    def _centred(self) -> torch.Tensor:
        return self.weight - self.weight.mean(0) if self.center else self.weight


class SimplexWSoftmaxLoss(Watched):
    """W-Softmax on the fixed simplex W_C: M = C − 1, no parameters, all norms n_cj one constant.

    For features of both signs: the vector of class 2 has no entry above 0, so that after a ReLU it never wins.

    *Arguments*: `num_classes`, C; `alpha` ≥ 0 (for C = 2, antipodes: see `WSoftmaxLoss`).
    """

    def __init__(self, num_classes: int, alpha: float = 1.0) -> None:
        super().__init__()
        self.head = SimplexHead(num_classes)
        check_alpha(alpha)
        self.alpha = alpha

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar: embeddings (N, C − 1), labels (N,)."""
        logits = self.training_logits(embeddings, labels)
        target = logits.detach().gather(1, labels[:, None]).squeeze(1)
        return self.watch(F.cross_entropy(logits, labels), target, embeddings)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of Eq. 10 with n² = 1 + α² − 2α/(C−1)."""
        classes = self.head.num_classes
        check_batch(embeddings, labels, num_classes=classes, width=classes - 1)
        square = (1 - self.alpha) * (1 - self.alpha) + 2 * self.alpha * (classes - 2) / (classes - 1)
        with full_precision(embeddings.device.type):
            z = self.head(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)))
            return biased_logits(z, labels, self.alpha, torch.full((), square, dtype=torch.float64, device=z.device))

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        logits: torch.Tensor = self.head(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)))
        return logits

    def classifier(self) -> torch.Tensor:
        """W_Cᵀ (C, C − 1), in float64."""
        return self.head.dense_weight()


def _product(embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    dtype = torch.promote_types(embeddings.dtype, rows.dtype)
    return embeddings.to(dtype) @ rows.to(dtype).T


def _check_sizes(embedding_size: int, num_classes: int) -> None:
    if embedding_size < 1:
        raise ValueError(f"M must be at least 1, got M={embedding_size}")
    if num_classes < 2:
        raise ValueError(f"C must be at least 2, got C={num_classes}")
