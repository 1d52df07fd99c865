"""How many directions the features of an existing model really use, and what accuracy their first principal axes keep.

From two files, the features (N, D) and the labels (N,) of one layer on data that the model was not trained on. PCA of a
trained layer is no layer trained at that width: it says what a linear map behind the model could keep, not more."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestCentroid

Array = npt.NDArray[Any]
Classifier = Literal["nearest-mean", "logistic"]

FOLDS = 5
ROWS = 20_000
"""More rows than this are replaced by a random choice of so many, always the same."""


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
    """Features and labels from `.npy` files; never unpickled.

    *Returns*: features (N, D) float64; labels (N,) as 0…C−1 in the order of their values, None without a file.

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
        classes = np.unique(named, return_inverse=True)[1].reshape(-1)
    if len(features) > ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(len(features), ROWS, replace=False))
        features, classes = features[chosen], None if classes is None else classes[chosen]
    numbers = np.asarray(features, np.float64)
    wrong = int((~np.isfinite(numbers)).any(axis=1).sum())
    if wrong:
        raise ValueError(f"{embeddings}: {wrong} of {len(numbers)} rows hold NaN or infinity")
    return numbers, classes


def effective_rank(embeddings: Array) -> EffectiveRank:
    """`EffectiveRank` of features (N, D); `ValueError` if they do not vary at all."""
    variances = _principal_axes(embeddings)[0]
    total = variances.sum()
    if not total > 0:
        raise ValueError("the features are the same in every row: they have no directions to count")
    shares = variances / total
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

    *Returns*: a row a width, and one for all D features: `width`, `accuracy` (0…1), `loss` (points below all D's).

    *Raises*: `ValueError` for fewer than two classes, or one with a single row.
    """
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        raise ValueError(f"expected at least two classes of at least two rows each, got {sorted(counts.tolist())[:10]}")
    folds = StratifiedKFold(min(FOLDS, int(counts.min())), shuffle=True, random_state=0)
    splits = list(folds.split(embeddings, labels))
    width = embeddings.shape[1]
    most = min(width, *(len(train) - 1 for train, _ in splits))
    kept = [*sorted({each for each in widths if 1 <= each < width and each <= most}), width]
    hits = dict.fromkeys(kept, 0)
    for train, test in splits:
        mean = embeddings[train].mean(0)
        axes = _principal_axes(embeddings[train])[1]
        scores = (embeddings - mean) @ axes
        scores /= scores[train].std(0).max() or 1.0  # one factor for all axes: distances keep their order
        for each in kept:
            hits[each] += int((_predict(scores[:, :each], labels, train, test, classifier) == labels[test]).sum())
    table = pd.DataFrame({"width": kept, "accuracy": [hits[each] / len(labels) for each in kept]})
    return table.assign(loss=100 * (table["accuracy"].iloc[-1] - table["accuracy"]))


def _predict(scores: Array, labels: Array, train: Array, test: Array, classifier: Classifier) -> Array:
    model = NearestCentroid() if classifier == "nearest-mean" else LogisticRegression(max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 300 steps are enough for a count of hits
        found: Array = model.fit(scores[train], labels[train]).predict(scores[test])
    return found


def _principal_axes(embeddings: Array) -> tuple[Array, Array]:
    """Variances, largest first, and the axes in columns."""
    centred = embeddings - embeddings.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def _array(path: Path) -> Array:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {path}") from None
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(
            f"{path}: not a .npy file ({str(error).splitlines()[0] if str(error) else 'empty'})"
        ) from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{path}: expected one array (.npy), got an archive (.npz)")
    return found
