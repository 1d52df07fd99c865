"""How many directions the features of an existing model really use, and what accuracy their first principal axes keep.

From two files, the features (N, D) and the labels (N,) of one layer on data that the model was not trained on. PCA of a
trained layer is no layer trained at that width: it says what a linear map behind the model could keep, not more."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin
from sklearn.model_selection import StratifiedKFold

from analysis.plateau import CONFIDENCE
from fc_width.formats import NPZ_ERRORS

Array = npt.NDArray[Any]
Classifier = Literal["nearest-mean", "logistic"]

FOLDS = 5
ROWS = 20_000
"""Of more rows than this about so many are used, chosen at random, always the same."""
SAME = 1e-10
"""Features that differ by less than this share of the largest of them are the same: it is rounding."""


@dataclass(frozen=True)
class EffectiveRank:
    """How many directions features (N, D) vary in, from the eigenvalues λ of their covariance matrix.

    *Attributes*: `participation`, the participation ratio (Σλ)²/Σλ²; `entropy`, exp(−Σ p log p) with p = λ/Σλ;
    `at_99`, the least number of principal axes that hold 99 % of the variance; `rows`, N; `width`, D. The first two
    are k for k equal eigenvalues, and never above the rank; the first is at most the second.
    """

    participation: float
    entropy: float
    at_99: int
    rows: int
    width: int


def read(embeddings: Path, labels: Path | None = None) -> tuple[Array, Array | None]:
    """Features and labels from `.npy` files; never unpickled. All rows are checked, about `ROWS` of them returned.

    *Returns*: features (N, D) float64; labels (N,) as 0…C−1 in the order of their values, each there at least twice,
    None without a file.

    *Raises*: `FileNotFoundError`; `ValueError` naming the file and what is wrong with it.
    """
    features = _array(embeddings)
    if features.ndim != 2 or features.shape[0] < 2 or features.shape[1] < 1:
        raise ValueError(f"{embeddings}: features must have shape (N, D) with N ≥ 2, got {features.shape}")
    if features.dtype.kind not in "fiu":
        raise ValueError(f"{embeddings}: features must be real numbers, got {features.dtype}")
    classes = None
    if labels is not None:
        named = _array(labels)
        if named.shape != (len(features),):
            raise ValueError(f"{labels}: expected a label a row, shape ({len(features)},), got {named.shape}")
        if named.dtype.kind not in "iuUb":
            raise ValueError(f"{labels}: labels must be integers or text, got {named.dtype}")
        values, classes, counts = np.unique(named, return_inverse=True, return_counts=True)
        lone = values[counts < 2]
        if len(values) < 2 or len(lone):
            more = f", and of {len(lone) - 1} more" if len(lone) > 1 else ""
            got = f"one row of class {lone[0].item()!r}{more}" if len(lone) else f"only class {values[0].item()!r}"
            raise ValueError(f"{labels}: expected at least two classes of at least two rows each, got {got}")
    parts = (features[start : start + ROWS] for start in range(0, len(features), ROWS))  # they may not fit in memory
    wrong = sum(int((~np.isfinite(part)).any(axis=1).sum()) for part in parts)
    if wrong:
        raise ValueError(f"{embeddings}: {wrong} of {len(features)} rows hold NaN or infinity")
    if len(features) > ROWS:
        chosen = _sample(len(features), classes)
        features, classes = features[chosen], None if classes is None else classes[chosen]
    return np.asarray(features, np.float64), classes


def _sample(rows: int, classes: Array | None) -> Array:
    """About `ROWS` of so many rows, ascending; of each class its share of them, rounded up, and at least two."""
    rng = np.random.default_rng(0)
    if classes is None:
        return np.sort(rng.choice(rows, ROWS, replace=False))
    counts = np.bincount(classes)
    kept = np.maximum(-(-counts * ROWS // rows), 2)
    of_class = np.split(np.argsort(classes, kind="stable"), counts.cumsum()[:-1])
    return np.sort(np.concatenate([rng.choice(own, n, replace=False) for own, n in zip(of_class, kept, strict=True)]))


def effective_rank(embeddings: Array) -> EffectiveRank:
    """`EffectiveRank` of features (N, D), finite; `ValueError` if they do not vary at all."""
    variances = _principal_axes(_scaled(embeddings))[0]
    shares = variances / variances.sum()
    shares = shares[shares > 0]
    return EffectiveRank(
        participation=float(1 / (shares**2).sum()),
        entropy=float(np.exp(-(shares * np.log(shares)).sum())),
        at_99=int(np.searchsorted(shares.cumsum(), 0.99 - 1e-12)) + 1,
        rows=embeddings.shape[0],
        width=embeddings.shape[1],
    )


def pca_accuracy(
    embeddings: Array, labels: Array, widths: Sequence[int], classifier: Classifier = "nearest-mean"
) -> pd.DataFrame:
    """Cross-validated accuracy on the first principal axes of the features.

    The axes, and the classifier on them, are fitted on four fifths of the rows and tested on the last; there are fewer
    folds where a class has fewer than five rows.

    *Arguments*: `embeddings` (N, D); `labels` (N,), integers; `widths`, those above D or the rows at hand left
    out; `classifier`, the nearest class mean or a logistic regression.

    *Returns*: a row a width, and one for all D features: `width`, `accuracy` (0…1), `loss` (points below all D's),
    `lost` and `gained` (the rows that only all D, and only these axes get right); and of all alike `classifier`, and
    `chance`, the accuracy of naming the largest class every time.

    *Raises*: `ValueError` for fewer than two classes, or one with a single row, or features that do not vary.
    """
    embeddings = _scaled(embeddings)
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        raise ValueError(f"expected at least two classes of at least two rows each, got {sorted(counts.tolist())[:10]}")
    folds = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=0)
    splits = list(folds.split(embeddings, labels))
    width = embeddings.shape[1]
    most = min(width, *(len(train) - 1 for train, _ in splits))
    kept = [*sorted({each for each in widths if 1 <= each < width and each <= most}), width]
    right = {each: np.zeros(len(labels), bool) for each in kept}
    for train, test in splits:
        mean = embeddings[train].mean(0)
        axes = _principal_axes(embeddings[train])[1]
        scores = (embeddings - mean) @ axes
        spread = float(scores[train].std(0).max())
        scores /= spread if spread > SAME else 1.0  # one factor for all axes: distances keep their order
        for each in kept:
            right[each][test] = _predict(scores[:, :each], labels, train, test, classifier) == labels[test]
    rows, hits = len(labels), {each: int(found.sum()) for each, found in right.items()}
    return pd.DataFrame(
        {
            "width": kept,
            "accuracy": [hits[each] / rows for each in kept],
            "loss": [100 * (hits[width] - hits[each]) / rows for each in kept],
            "lost": [int((right[width] & ~right[each]).sum()) for each in kept],
            "gained": [int((right[each] & ~right[width]).sum()) for each in kept],
            "classifier": classifier,
            "chance": int(counts.max()) / rows,
        }
    )


def _predict(scores: Array, labels: Array, train: Array, test: Array, classifier: Classifier) -> Array:
    found: Array
    if classifier == "nearest-mean":  # `NearestCentroid` refuses features that are the same in every training row
        classes = np.unique(labels[train])
        means = np.stack([scores[train][labels[train] == each].mean(0) for each in classes])
        found = classes[pairwise_distances_argmin(scores[test], means)]
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit cut short is a classifier too
        found = LogisticRegression(max_iter=300).fit(scores[train], labels[train]).predict(scores[test])
    return found


def shown_to_lose_less(margin: float, rows: int, lost: int, gained: int) -> bool:
    """Whether the upper end of a one-sided 95 % interval of a loss of accuracy, paired by row, is below a margin.

    With b rows of N lost and c gained, and the loss held at δ, the margin, the score (Nam 1997, Tango 1998) is
    z = (Nδ − b + c)/√(N(2q + δ(1 − δ))), q the most likely share of gained rows: the positive root of
    2Nq² + (2(N − b)δ − (b + c)(1 − δ))q = cδ(1 − δ). The score is of large N: where none is lost or gained it would do
    with fewer rows than the exact chance of that, (1 − δ)^N, which has to be 5 % at most.

    *Arguments*: `margin`, points above 0; `rows`, N ≥ 1; `lost`, b; `gained`, c.
    """
    delta = margin / 100
    linear = 2 * (rows - lost) * delta - (lost + gained) * (1 - delta)
    share = (math.sqrt(linear**2 + 8 * rows * gained * delta * (1 - delta)) - linear) / (4 * rows)
    spread = math.sqrt(rows * (2 * share + delta * (1 - delta)))
    enough = (1 - delta) ** rows <= 1 - CONFIDENCE
    return enough and (rows * delta - lost + gained) / spread > float(stats.norm.ppf(CONFIDENCE))


def _scaled(embeddings: Array) -> Array:
    """Features whose largest number is 1, so that none is too large or too small to square."""
    largest = float(np.abs(embeddings).max())
    scaled: Array = embeddings / largest if largest else embeddings
    if np.abs(scaled - scaled.mean(0)).max() <= SAME:
        raise ValueError("the features are the same in every row: they have no directions to count")
    return scaled


def _principal_axes(embeddings: Array) -> tuple[Array, Array]:
    """Variances, largest first, and the axes in columns."""
    centred = embeddings - embeddings.mean(0)
    rows, width = centred.shape
    if 4 * rows < width:  # far fewer axes than numbers: a matrix of width × width may be too large
        lengths, axes = np.linalg.svd(centred, full_matrices=False)[1:]
        return lengths**2 / rows, axes.T
    values, vectors = np.linalg.eigh(centred.T @ centred / rows)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def _array(path: Path) -> Array:
    try:
        with open(path, "rb") as stream:
            start = stream.read(6)
        if start[:2] != b"PK" and start != b"\x93NUMPY":
            raise ValueError(f"it starts with {start!r}" if start else "empty")
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {path}") from None
    except (*NPZ_ERRORS, SyntaxError, TypeError) as error:
        said = str(error).splitlines()[0] if str(error) else "empty"
        if "Python objects" in said:
            raise ValueError(f"{path}: it holds Python objects, which are not read: save numbers or text") from error
        raise ValueError(f"{path}: not a .npy file ({said})") from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{path}: expected one array (.npy), got an archive (.npz)")
    return found
