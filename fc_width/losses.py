"""The losses: softmax, the hinge loss, and W-Softmax as printed, centred, and on the fixed simplex.

Every loss is a module with one interface: ``loss(embeddings, labels)`` is the training loss, a scalar;
``loss.logits(embeddings)`` are the test-time logits (N, C); ``loss.training_logits(embeddings, labels)`` are those
whose cross-entropy the training loss is, where it is one; ``loss.classifier()`` is the (C, M) matrix whose rows the
test-time logits are products with; ``loss.health()`` says how the last batch stood. Embeddings that are not finite
are a `NonFiniteError` on a CPU, and a loss that is not finite on a GPU, which is not waited for, in `torch.func` and
under `torch.compile`.

All of them compute in float32 or wider, whatever the type of the embeddings and of the module (softmax, as any linear
layer does, in that of an autocast). They can be differentiated any number of times, and `torch.func` takes them.
"""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fc_width import geometry
from fc_width.checks import (
    NonFiniteError,
    check_alpha,
    check_batch,
    check_size,
    check_width,
    dispatched,
    full_precision,
    transforming,
    widened,
)
from fc_width.simplex_head import SimplexHead
from fc_width.w_softmax import VANISHING, biased_logits, w_softmax_logits, w_softmax_loss

__all__ = [
    "HingeLoss",
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
        """Remember z_c (N,), the embeddings and ‖w_c‖ (N,) where it is not 1; returns the loss.

        *Raises*: `NonFiniteError` on a CPU, where the loss is not finite as an embedding is not."""
        compiling = torch.compiler.is_compiling()
        if not compiling and transforming():  # whose tensors mean nothing outside of it
            return loss
        last = target.detach(), embeddings.detach(), lengths
        if compiling:
            self._last = last
        else:
            self.__dict__["_last"] = last  # torch.nn.Module looks at what is set
        if loss.is_cpu and not compiling and not dispatched() and not math.isfinite(loss.item()):
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

    *Raises*: `ValueError` for M < 1 or C < 2, `TypeError` for what is no integer.
    """

    def __init__(self, embedding_size: int, num_classes: int) -> None:
        super().__init__()
        self.weight = _weight(embedding_size, num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, by Glorot & Bengio."""
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar: embeddings (N, M), labels (N,)."""
        logits = self.training_logits(embeddings, labels)
        target = logits.detach().gather(1, labels[:, None]).squeeze(1)
        lengths = torch.linalg.vector_norm(widened(self.weight.detach()), dim=1)[labels]
        return self.watch(F.cross_entropy(logits, labels), target, embeddings, lengths)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C), the same as at test time."""
        check_batch(embeddings, labels, *self.weight.shape)
        return _products(embeddings, self.weight)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        check_width(embeddings, self.weight.shape[1])
        return _products(embeddings, self.weight)

    def classifier(self) -> torch.Tensor:
        """The weights (C, M)."""
        return self.weight

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return _sizes(self.weight)


class HingeLoss(SoftmaxLoss):
    """Σ_{j≠c} max(0, 1 − z_c + z_j)/C with z = Wx (Weston & Watkins 1999)."""

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar: embeddings (N, M), labels (N,)."""
        logits, index = self.training_logits(embeddings, labels), labels[:, None]
        target = logits.gather(1, index)
        hinges = (1 - target + logits).clamp_min(0)  # torch's own would swallow NaN
        hinges = hinges.scatter(1, index, 0 * target)  # and 0 an infinite z_c
        lengths = torch.linalg.vector_norm(widened(self.weight.detach()), dim=1)[labels]
        return self.watch(hinges.mean(), target.detach().squeeze(1), embeddings, lengths)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C), the same as at test time, in float32 or wider also under autocast."""
        check_batch(embeddings, labels, *self.weight.shape)
        return products(embeddings, self.weight)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        return products(embeddings, self.weight)


class WSoftmaxLoss(Watched):
    """W-Softmax (Li & Wang 2020, Eq. 1, 10–13) with learned weights.

    *Arguments*: `embedding_size`, M; `num_classes`, C; `alpha` ≥ 0, which may be changed during training (0 is the
    weight-normalised softmax without bias; begin with it); `center`, subtract the mean weight before normalising.

    `center=False` is the loss as printed. Its loophole: a feature with cos θ_c < 0 can be right in training and wrong
    at test, and training finds it. Centred, some positive combination of the unit weights is 0, and then right in
    training is right at test, for every feature and α (claim `train-test` of `theory`): hence the default.

    For C = 2 centred weights are antipodes: α changes nothing below 1; at 1, where Eq. 1 is 0/0, the loss is
    log(1 + e^−z_c) for log(1 + e^−2z_c); above, it is the constant log 2.

    `weight` (C, M) is the parameter, and all that `state_dict` holds; `classifier()` is what it becomes.

    *Raises*: `ValueError` for M < 1, C < 2 or an α that is not in 0…10⁶; `TypeError` for sizes that are no
    integers or an α that is no real number; both for α in training too.
    """

    def __init__(self, embedding_size: int, num_classes: int, alpha: float = 1.0, *, center: bool = True) -> None:
        super().__init__()
        self.weight = _weight(embedding_size, num_classes)
        self.alpha = check_alpha(alpha)
        self.center = center
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, by Glorot & Bengio."""
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar (Eq. 13): embeddings (N, M), labels (N,)."""
        loss, target = w_softmax_loss(embeddings, self.weight, labels, self.alpha, center=self.center)
        return self.watch(loss, target, embeddings)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of Eq. 10: row n uses the weights biased towards class `labels[n]`."""
        return w_softmax_logits(embeddings, self.weight, labels, self.alpha, center=self.center)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C), with the weights not biased."""
        return products(embeddings, self.classifier())

    def classifier(self) -> torch.Tensor:
        """The unit weights (C, M)."""
        weight = widened(self.weight)
        return F.normalize(weight - weight.mean(0) if self.center else weight)

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"{_sizes(self.weight)}, alpha={self.alpha}, center={self.center}"


class SimplexWSoftmaxLoss(Watched):
    """W-Softmax on the fixed simplex W_C: M = C − 1, no parameters, all norms n_cj one constant.

    For features of both signs: the vector of class 2 has no entry above 0, so that after a ReLU it never wins.

    *Arguments*: `num_classes`, C; `alpha` ≥ 0, which may be changed during training (for C = 2, antipodes: see
    `WSoftmaxLoss`).

    *Raises*: as `WSoftmaxLoss`.
    """

    def __init__(self, num_classes: int, alpha: float = 1.0) -> None:
        super().__init__()
        self.head = SimplexHead(num_classes)
        self.alpha = check_alpha(alpha)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar: embeddings (N, C − 1), labels (N,)."""
        logits = self.training_logits(embeddings, labels)
        target = logits.detach().gather(1, labels[:, None]).squeeze(1)
        return self.watch(F.cross_entropy(logits, labels), target, embeddings)

    def training_logits(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Logits (N, C) of Eq. 10 with n² = 1 + α² − 2α/(C−1)."""
        alpha, classes = check_alpha(self.alpha), self.head.num_classes
        check_batch(embeddings, labels, num_classes=classes, width=classes - 1)
        square = (1 - alpha) * (1 - alpha) + 2 * alpha * (classes - 2) / (classes - 1)
        with full_precision(embeddings.device.type):
            z = self.head(widened(embeddings))
            return biased_logits(z, labels, alpha, 0.0 if square < VANISHING else 1 / math.sqrt(square))

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        logits: torch.Tensor = self.head(widened(embeddings))
        return logits

    def classifier(self) -> torch.Tensor:
        """W_Cᵀ (C, C − 1), in float64."""
        return self.head.dense_weight()

    def extra_repr(self) -> str:
        """What `repr` shows."""
        classes = self.head.num_classes
        return f"embedding_size={classes - 1}, num_classes={classes}, alpha={self.alpha}"


def products(embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Logits (N, C) in float32 or wider, also under autocast, of embeddings (N, M) and the rows (C, M) of a
    classifier."""
    check_width(embeddings, rows.shape[1])
    with full_precision(embeddings.device.type):
        return _products(embeddings, rows)


def _products(embeddings: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    embeddings, rows = widened(embeddings), widened(rows)
    if embeddings.dtype != rows.dtype:  # one of them is float64
        embeddings, rows = embeddings.double(), rows.double()
    return embeddings @ rows.T


def _weight(embedding_size: int, num_classes: int) -> nn.Parameter:
    width, classes = check_size("M", embedding_size, 1), check_size("C", num_classes, 2)
    return nn.Parameter(torch.empty(classes, width))


def _sizes(weight: torch.Tensor) -> str:
    return f"embedding_size={weight.shape[1]}, num_classes={weight.shape[0]}"
