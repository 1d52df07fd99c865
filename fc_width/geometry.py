"""What training did to the angles: Eq. 14, and neural collapse (Papyan, Han & Donoho, PNAS 2020).

Everything here is measured in float64 on the features and weights of a finished run, a piece of the samples at a time:
all features in float64, some times over, would take far more memory than the training.
"""

import math
from collections.abc import Iterator

import torch

from fc_width.checks import check_batch

PIECE = 2**20  # numbers

ROUNDING = 1e-10
"""What is left of centred rows, as a share of the largest number that went into them, where they are equal but for the
rounding of long sums."""


def target_angles(embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The angle between each feature and the weight of its own class.

    *Arguments*: `embeddings` (N, M); `weight` (C, M); `labels` (N,) int64.

    *Returns*: (N,) float64, radians, without a gradient; π/2 where a feature or a weight is zero, because there no
    side is nearer.

    *Raises*: `ValueError` or `TypeError` quoting what does not fit."""
    embeddings, weight = embeddings.detach(), weight.detach()
    _check(embeddings, weight, labels)
    found = []
    for features, own in _pieces(embeddings, labels):
        targets = weight[own].double()
        found.append(angles((features * targets).sum(1), features.norm(dim=1) * targets.norm(dim=1)))
    return torch.cat(found)


def angles(products: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """arccos(products / norms), (N,) float64, radians; π/2 where a norm is zero."""
    cosine = products.double() / norms.double().clamp_min(1e-300)
    return cosine.clamp(-1, 1).arccos()


def _rows(values: torch.Tensor, name: str) -> torch.Tensor:
    """Without its gradient; `ValueError` unless it is (C, M) with C ≥ 2."""
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"{name} must have shape (C, M) with C ≥ 2, got {tuple(values.shape)}")
    return values.detach()


def class_means(values: torch.Tensor, labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Mean of `values` (N, …) over each class: (C, …) float64; NaN for a class without samples."""
    total = values.new_zeros(num_classes, *values.shape[1:], dtype=torch.float64)
    for part, own in _pieces(values, labels):
        total.index_add_(0, own, part)
    count = labels.bincount(minlength=num_classes).double()
    return total / count.reshape(-1, *[1] * (values.ndim - 1))


def smallest_angle(weight: torch.Tensor) -> float:
    """The smallest angle between two rows of `weight` (C, M), in degrees; a zero row is at 90 to every other, as in
    `target_angles`; `ValueError` unless there are two rows."""
    weight = _rows(weight, "weight")
    lengths = weight.double().norm(dim=1)
    zero = lengths == 0
    unit = weight.double() / lengths.masked_fill(zero, 1)[:, None]
    # not arccos of the cosines: near 1 that would lose half the digits
    chords = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
    chords[zero[:, None] | zero] = math.sqrt(2)
    chords.fill_diagonal_(math.inf)
    return math.degrees(2 * math.asin(float((chords.min() / 2).clamp(max=1))))


def simplex_distance(rows: torch.Tensor) -> float:
    """NC2: the distance of C centred vectors' Gram matrix from the simplex's, both of Frobenius norm 1.

    ‖G/‖G‖ − S/‖S‖‖ with G the Gram matrix of `rows` (C, M) less their mean and S = I − J/C. 0 for a simplex;
    NaN where all rows are equal, up to rounding; `ValueError` unless there are two."""
    rows = _rows(rows, "rows")
    classes = len(rows)
    centred = _centred(rows, rows)
    gram = centred @ centred.T
    simplex = torch.eye(classes, dtype=torch.float64, device=rows.device) - 1 / classes
    return float((gram / gram.norm() - simplex / math.sqrt(classes - 1)).norm())


def neural_collapse(embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """NC1–NC3 of features (N, M), classifier (C, M) and labels (N,) int64.

    `nc1` = Tr(Σ_W Σ_B⁺)/C, the scatter within classes against that between, axis by axis; `variance_ratio` =
    Tr Σ_W/Tr Σ_B, the variance within classes over that between them, which an axis along which the means hardly differ
    does not decide; `nc2_means` and `nc2_weights`, `simplex_distance` of the class means and of the weights; `nc3` =
    ‖W/‖W‖ − H/‖H‖‖, centred weights against centred class means, Frobenius.

    NaN, all but `nc2_weights`, where the class means are equal, up to rounding, or a class has no samples;
    `nc2_weights` and `nc3` where the weights are equal.

    *Raises*: `ValueError` or `TypeError` quoting what does not fit."""
    embeddings, weight, classes = embeddings.detach(), weight.detach(), len(weight)
    _check(embeddings, weight, labels)
    means = class_means(embeddings, labels, classes)
    centred = _centred(means, embeddings)
    weights = _centred(weight, weight)
    nc1, variance_ratio = _scatter_ratios(embeddings, labels, means, centred)
    return {
        "nc1": nc1,
        "variance_ratio": variance_ratio,
        "nc2_means": simplex_distance(centred),
        "nc2_weights": simplex_distance(weight),
        "nc3": float((weights / weights.norm() - centred / centred.norm()).norm()),
    }


def _scatter_ratios(
    embeddings: torch.Tensor, labels: torch.Tensor, means: torch.Tensor, centred: torch.Tensor
) -> tuple[float, float]:
    """Tr(Σ_W Σ_B⁺)/C and Tr Σ_W/Tr Σ_B; NaN where Σ_B is 0 or not finite."""
    classes = len(means)
    if not (centred.isfinite().all() and centred.any()):
        return math.nan, math.nan
    # Σ_B⁺ has at most C − 1 axes: onto those, each over its eigenvalue's root, the residuals are projected
    spread, axes = torch.linalg.eigh(centred @ centred.T / classes)
    kept = spread > 1e-10 * spread.max()
    onto = centred.T @ axes[:, kept] / (spread[kept] * math.sqrt(classes))
    projected, within = 0.0, 0.0
    for features, own in _pieces(embeddings, labels):
        residuals = features - means[own]
        projected += float((residuals @ onto).square().sum())
        within += float(residuals.square().sum())
    between = float(centred.square().sum()) / classes
    return projected / len(embeddings) / classes, within / len(embeddings) / between


def _centred(rows: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    """`rows` (C, M) less their mean, in float64; 0 where that is rounding, of the numbers `of` that went into them."""
    centred = rows.double() - rows.double().mean(0)
    largest = float(torch.linalg.vector_norm(of, math.inf))
    return torch.zeros_like(centred) if float(centred.abs().max()) <= ROUNDING * largest else centred


def _check(embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> None:
    if weight.ndim != 2:
        raise ValueError(f"weight must have shape (C, M), got {tuple(weight.shape)}")
    check_batch(embeddings, labels, *weight.shape)


def _pieces(values: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Values, in float64, and labels of some samples after the other."""
    rows = max(1, PIECE // max(1, values[0].numel()))
    for part, own in zip(values.split(rows), labels.split(rows), strict=True):
        yield part.double(), own
