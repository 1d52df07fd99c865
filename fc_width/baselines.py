"""The losses that the paper compares with, behind the interface of `losses`, which has softmax and the hinge loss.

Those that pytorch-metric-learning has come from it (the extra `baselines`): L-Softmax (Liu et al., ICML 2016),
A-Softmax (Liu et al., CVPR 2017), CosFace (Wang et al., CVPR 2018), ArcFace (Deng et al., CVPR 2019) and triplet
(Schroff et al., CVPR 2015). It lacks, and here are, contrastive as its paper has it (Hadsell et al., CVPR 2006), center
loss (Wen et al., ECCV 2016), the hyperspherical energy of SphereFace+ (Liu et al., NeurIPS 2018), and the annealing
that L-Softmax and A-Softmax need to converge.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pytorch_metric_learning import distances, reducers
from pytorch_metric_learning import losses as library
from pytorch_metric_learning.utils import common_functions as c_f
from pytorch_metric_learning.utils import loss_and_miner_utils as lmu
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from fc_width.checks import check_batch, check_size, full_precision, widened
from fc_width.losses import SimplexWSoftmaxLoss, SoftmaxLoss, Watched, WSoftmaxLoss, products


class BaselineLoss(Watched):
    """A loss with a classifier, and any terms beside it.

    *Arguments*: `base`, a `SoftmaxLoss` or a classification loss of the library; `terms`, (weight, further loss of
    (embeddings, labels)) to add.

    Everything is computed in the widest of the embeddings' type, the parameters' and float32, and no parameter changes
    its type: the library would cast its own to the embeddings'.
    """

    def __init__(self, base: nn.Module, terms: Sequence[tuple[float, nn.Module]] = ()) -> None:
        super().__init__()
        self.base: Any = base
        self.weights = [weight for weight, _ in terms]
        self.terms = nn.ModuleList(term for _, term in terms)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar: embeddings (N, M), labels (N,)."""
        classifier = self.classifier()
        check_batch(embeddings, labels, *classifier.shape)
        with full_precision(embeddings.device.type):
            wide = widened(embeddings.to(torch.promote_types(embeddings.dtype, classifier.dtype)))
            value = self._base_loss(wide, labels)
            for factor, term in zip(self.weights, self.terms, strict=True):
                value = value + factor * term(wide, labels)
            rows = widened(classifier.detach()[labels])
            return self.watch(value, (wide.detach() * rows).sum(1), wide, torch.linalg.vector_norm(rows, dim=1))

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C), up to a positive factor of each row."""
        return products(embeddings, self.classifier())

    def classifier(self) -> torch.Tensor:
        """The weights (C, M), unit ones where the loss makes them so."""
        if isinstance(self.base, SoftmaxLoss):
            return self.base.classifier()
        rows: torch.Tensor = self.base.W.T
        return rows if isinstance(self.base, AnnealedLSoftmax) else F.normalize(widened(rows))

    def extra_repr(self) -> str:
        """What `repr` shows."""
        classes, width = self.classifier().shape
        weights = f", weights={self.weights}" if self.weights else ""
        return f"embedding_size={width}, num_classes={classes}{weights}"

    def _base_loss(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        base = self.base
        if isinstance(base, SoftmaxLoss) or base.W.dtype == embeddings.dtype:
            value: torch.Tensor = base(embeddings, labels)
        else:
            value = functional_call(base, {"W": base.W.to(embeddings.dtype)}, (embeddings, labels))
        return value


class CenterLoss(nn.Module):
    """½‖x − c_y‖², mean over the batch, and the centres' own update in training (Wen et al. 2016, Eq. 2 and 4):

    c_j ← c_j − rate · Σ_{y_n = j} (c_j − x_n) / (1 + number of those).

    In data-parallel training every process moves the centres by its own part of the batch, and before its next step
    takes those of the first, as it does of every buffer.
    """

    centers: torch.Tensor

    def __init__(self, embedding_size: int, num_classes: int, rate: float = 0.5) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("centers", torch.zeros(num_classes, embedding_size))

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """A scalar: embeddings (N, M), labels (N,)."""
        off = embeddings - self.centers[labels]
        if self.training:
            counts = 1 + labels.bincount(minlength=len(self.centers))
            pull = torch.zeros_like(self.centers, dtype=off.dtype).index_add_(0, labels, off.detach()) / counts[:, None]
            self.centers.copy_(self.centers + self.rate * pull)
        return 0.5 * off.square().sum(1).mean()

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"embedding_size={self.centers.shape[1]}, num_classes={len(self.centers)}, rate={self.rate}"


class ContrastiveLoss(nn.Module):
    """½D² of two samples of one class, ½ max(0, 1 − D)² of two classes, with D the distance of x/‖x‖ (Hadsell et al.
    2006, Eq. 4): their sum over all pairs, by the number of pairs in the batch.

    The library's does not square the hinge, max(0, 1 − D) or, of squared distances, max(0, 1 − D²); and its mean over
    the pairs above 0, of one class and of two each by itself, is no constant factor."""

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """A scalar: embeddings (N, M), labels (N,); 0 for one sample."""
        one, other = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
        apart = torch.pdist(F.normalize(embeddings))
        each = torch.where(labels[one] == labels[other], apart, (1 - apart).clamp_min(0))
        return 0.5 * each.square().sum() / max(1, len(each))


class TripletLoss(library.TripletMarginLoss):
    """max(0, D_p² − D_n² + 0.2) with D the distances of x/‖x‖ from one of its class and one of another (Schroff et al.
    2015, Sec. 3.1): their sum over all triplets, by the number of triplets in the batch (the library's default, the
    mean of those above 0, is no constant factor). The paper trains on hard ones, chosen from batches of thousands."""

    def __init__(self) -> None:
        super().__init__(margin=0.2, distance=distances.LpDistance(power=2), reducer=reducers.MeanReducer())


class HypersphericalEnergy(nn.Module):
    """Mean of ‖ŵ_i − ŵ_j‖⁻² over the pairs i ≠ j of a classifier's unit rows (Liu et al. 2018, Eq. 1, s = 2)."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """A scalar: weight (C, M)."""
        return torch.pdist(F.normalize(weight)).square().clamp_min(1e-6).reciprocal().mean()


class _Annealed:
    """cos θ_c becomes (λ cos θ_c + ψ(θ_c))/(1 + λ), as both papers do, for ψ alone does not converge from a random
    start. Neither paper gives its λ: here max(5, 1000/(1 + 0.12 t)) at training step t."""

    steps: torch.Tensor
    training: bool

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        steps = torch.zeros((), dtype=torch.int64)  # in bfloat16, 256 + 1 would be 256
        self.register_buffer("steps", steps)  # type: ignore[attr-defined]

    def init_margin(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the library hands tensors to scipy
            super().init_margin()  # type: ignore[misc]

    def modify_cosine_of_target_classes(self, cosine: torch.Tensor) -> torch.Tensor:
        full = super().modify_cosine_of_target_classes(cosine.clamp(-1, 1))  # type: ignore[misc]
        rate = (1000 / (1 + 0.12 * self.steps.double())).clamp_min(5)
        if self.training:
            self.steps += 1
        found: torch.Tensor = (rate * cosine + full) / (1 + rate)
        return found


class AnnealedLSoftmax(_Annealed, library.LargeMarginSoftmaxLoss):
    """L-Softmax with its annealing."""


class AnnealedASoftmax(_Annealed, library.SphereFaceLoss):
    """A-Softmax with its annealing."""


class FiniteArcFace(library.ArcFaceLoss):
    """ArcFace, with cosines kept off ±1, where arccos has no gradient."""

    def get_cosine(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Cosines (N, C)."""
        cosine: torch.Tensor = super().get_cosine(embeddings)
        return cosine.clamp(-1 + 1e-6, 1 - 1e-6)


def _margin(kind: type[nn.Module], **options: Any) -> Callable[[int, int], BaselineLoss]:
    def make(width: int, classes: int) -> BaselineLoss:
        sizes = {"embedding_size": check_size("M", width, 1), "num_classes": check_size("C", classes, 2)}
        return BaselineLoss(kind(**sizes, **options))

    return make


def _joint(weight: float, term: Callable[[int, int], nn.Module]) -> Callable[[int, int], BaselineLoss]:
    def make(width: int, classes: int) -> BaselineLoss:
        return BaselineLoss(SoftmaxLoss(width, classes), [(weight, term(width, classes))])

    return make


BASELINES: dict[str, Callable[[int, int], BaselineLoss]] = {
    "l-softmax": _margin(AnnealedLSoftmax, margin=4),
    "a-softmax": _margin(AnnealedASoftmax, margin=4),
    "cosface": _margin(library.CosFaceLoss, margin=0.35, scale=30),
    "arcface": _margin(FiniteArcFace, margin=28.6, scale=30),
    "center": _joint(0.01, CenterLoss),
    "contrastive": _joint(1.0, lambda width, classes: ContrastiveLoss()),
    "triplet": _joint(1.0, lambda width, classes: TripletLoss()),
    "sphereface+": _margin(AnnealedASoftmax, margin=4, weight_regularizer=HypersphericalEnergy()),
}
"""Name → (M, C) → loss, with margins that are usual for each; a scale of 30 where features are normalised."""


class MetricWSoftmaxLoss(library.BaseMetricLossFunction):
    """`WSoftmaxLoss` as a loss of pytorch-metric-learning, for its trainers, reducers, miners and distributed wrapper.

    *Arguments*: `loss`, a `WSoftmaxLoss` or `SimplexWSoftmaxLoss`; `options`, the library's own: `reducer`,
    `embedding_regularizer`, …
    """

    def __init__(self, loss: WSoftmaxLoss | SimplexWSoftmaxLoss, **options: Any) -> None:
        super().__init__(**options)
        self.loss = loss

    @property
    def alpha(self) -> float:
        """α of the loss, which may be changed during training."""
        return self.loss.alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self.loss.alpha = value

    def compute_loss(
        self, embeddings: torch.Tensor, labels: torch.Tensor, indices_tuple: Any, ref_emb: Any, ref_labels: Any
    ) -> dict[str, dict[str, Any]]:
        """The loss of each sample, weighted by its share in the miner's pairs, in the library's form."""
        c_f.labels_required(labels)
        c_f.ref_not_supported(embeddings, labels, ref_emb, ref_labels)
        logits = self.loss.training_logits(embeddings, labels)
        losses = F.cross_entropy(logits, labels, reduction="none")
        self.loss.watch(losses.detach().sum(), logits.detach().gather(1, labels[:, None]).squeeze(1), embeddings)
        losses = losses * lmu.convert_to_weights(indices_tuple, labels, dtype=losses.dtype)
        indices = c_f.torch_arange_from_size(embeddings)
        return {"loss": {"losses": losses, "indices": indices, "reduction_type": "element"}}

    def get_logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Test-time logits (N, C)."""
        logits: torch.Tensor = self.loss.logits(embeddings)
        return logits
