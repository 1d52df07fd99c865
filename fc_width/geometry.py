"""What training did to the angles: Eq. 14, and neural collapse (Papyan, Han & Donoho, PNAS 2020).

Everything here is measured in float64 on the features and weights of a finished run, a piece of the samples at a time:
all features in float64, some times over, would take far more memory than the training.
"""

import math
from collections.abc import Iterator

import torch

PIECE = 2**20  # numbers


def target_angles(embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The angle between each feature and the weight of its own class.

    *Arguments*: `embeddings` (N, M); `weight` (C, M); `labels` (N,).

    *Returns*: (N,) float64, radians; π/2 where a feature or a weight is zero, because there no side is
    nearer."""
    found = []
    for features, own in _pieces(embeddings, labels):
        targets = weight[own].double()
        found.append(angles((features * targets).sum(1), features.norm(dim=1) * targets.norm(dim=1)))
    return torch.cat(found)


def angles(products: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """arccos(products / norms), (N,) float64, radians; π/2 where a norm is zero."""
    cosine = products.double() / norms.double().clamp_min(1e-300)
    return cosine.clamp(-1, 1).arccos()


def class_means(values: torch.Tensor, labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Mean of `values` (N, …) over each class: (C, …) float64; NaN for a class without samples."""
    total = values.new_zeros(num_classes, *values.shape[1:], dtype=torch.float64)
    for part, own in _pieces(values, labels):
        total.index_add_(0, own, part)
    count = labels.bincount(minlength=num_classes).double()
    return total / count.reshape(-1, *[1] * (values.ndim - 1))


def smallest_angle(weight: torch.Tensor) -> float:
    """The smallest angle between two rows of `weight` (C, M), in degrees."""
    unit = torch.nn.functional.normalize(weight.double())
    # not arccos of the cosines: near 1 that would lose half the digits
    chords = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
    chords.fill_diagonal_(math.inf)
    return math.degrees(2 * math.asin(min(1.0, float(chords.min()) / 2)))


def simplex_distance(rows: torch.Tensor) -> float:
    """NC2: the distance of C centred vectors' Gram matrix from the simplex's, both of Frobenius norm 1.

    ‖G/‖G‖ − S/‖S‖‖ with G the Gram matrix of `rows` (C, M) less their mean and S = I − J/C. 0 for a simplex;
    NaN where all rows are equal."""
    classes = len(rows)
    centred = rows.double() - rows.double().mean(0)
    gram = centred @ centred.T
    simplex = torch.eye(classes, dtype=torch.float64, device=rows.device) - 1 / classes
    return float((gram / gram.norm() - simplex / math.sqrt(classes - 1)).norm())


def neural_collapse(embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """NC1–NC3 of features (N, M), classifier (C, M) and labels (N,).

    `nc1` = Tr(Σ_W Σ_B⁺)/C, the scatter within classes against that between; `nc2_means` and `nc2_weights`,
    `simplex_distance` of the class means and of the weights; `nc3` = ‖W/‖W‖ − H/‖H‖‖, centred weights against
    centred class means, Frobenius."""
    classes = len(weight)
    means = class_means(embeddings, labels, classes)
    centred = means - means.mean(0)
    # Σ_B⁺ has at most C − 1 axes: onto those, each over its eigenvalue's root, the residuals are projected
    spread, axes = torch.linalg.eigh(centred @ centred.T / classes)
    kept = spread > 1e-10 * spread.max()
    onto = centred.T @ axes[:, kept] / (spread[kept] * math.sqrt(classes))
    within = sum(
        float(((features - means[own]) @ onto).square().sum()) for features, own in _pieces(embeddings, labels)
    )
    weights = weight.double() - weight.double().mean(0)
    return {
        "nc1": within / len(embeddings) / classes,
        "nc2_means": simplex_distance(means),
        "nc2_weights": simplex_distance(weight),
        "nc3": float((weights / weights.norm() - centred / centred.norm()).norm()),
    }


def _pieces(values: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Values, in float64, and labels of some samples after the other."""
    rows = max(1, PIECE // max(1, values[0].numel()))
    for part, own in zip(values.split(rows), labels.split(rows), strict=True):
        yield part.double(), own
