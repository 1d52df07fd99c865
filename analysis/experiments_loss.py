"""What the paper measures of the loss: Sec. 1, 4.3, 5.1, Fig. 5, and Tables 3 and 4, which are not run.

W-Softmax is the loss as printed. Everything is measured at M_min = C − 1."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.contrasts import (
    BOTH,
    COLD,
    HIGH,
    LOW,
    MIDDLE,
    NAMES,
    SOFTMAX,
    STEADY,
    UNSTEADY,
    W_SOFTMAX,
    Contrast,
    Experiment,
    Runs,
    at_minimum,
)
from analysis.drawing import TITLES

Judge = Callable[[Runs], list[Contrast]]

SPEED_MARGIN = 10
"""Percent of a run's time."""

SIZES = ((50, 9, 10), (256, 64, 10), (256, 99, 100))
"""(N, M, C) at which a loss is timed alone: batches and classes of the paper, but for the faces' and for one M."""


def training_speed(runs: Runs) -> list[Contrast]:
    """Time that W-Softmax costs more than softmax; none where it seems to cost less, as it does not do less."""
    least = runs.classes - 1
    slower = runs.slower((MIDDLE, least), (SOFTMAX, least))
    if slower.mean() < -SPEED_MARGIN:
        slower = slower[:0]
    return [
        Contrast(
            f"training time, M = {least}: {NAMES[MIDDLE]} more than softmax by",
            slower,
            SPEED_MARGIN,
            more=False,
            unit="%",
        )
    ]


def loss_speed(others: Mapping[str, str], bound: float) -> Judge:
    """Time of the loss alone over that of others, name → what the benchmark calls it; `runs.frames[0]` has the columns
    `size`, `loss`, `ms`."""

    def judge(runs: Runs) -> list[Contrast]:
        table = runs.frames[0]
        contrasts = []
        for size in SIZES:
            ms = table[table["size"] == size].set_index("loss")["ms"]
            for name, other in others.items():
                ratio = ms.reindex(["W-Softmax α = 1, printed"]) / ms.get(other, math.nan)
                text = f"time, (N, M, C) = {size}: {NAMES[MIDDLE]} over {name}"
                exact = "medians, no interval"
                contrasts.append(Contrast(text, ratio, bound, more=False, unit="times", exact=exact))
        return contrasts

    return judge


def compactness(runs: Runs) -> list[Contrast]:
    """NC1, variance within classes over variance between them."""
    least = runs.classes - 1
    low, high = (runs.values("nc1", loss, least) for loss in (LOW, HIGH))
    return [Contrast(f"NC1, M = {least}: log of its ratio, α = 0.5 to α = 1.5", _log(low / high), bound=0, unit="")]


def convergence(runs: Runs) -> list[Contrast]:
    """Training accuracy that α = 1.5 lacks."""
    least = runs.classes - 1
    lost = runs.accuracy(LOW, least, split="train") - runs.accuracy(HIGH, least, split="train")
    return [Contrast(f"training accuracy, M = {least}: α = 0.5 less α = 1.5", lost, bound=0, against=runs.margin)]


def warm_start(runs: Runs) -> list[Contrast]:
    """Training accuracy, over all of training, that the softmax phase gains."""
    least = runs.classes - 1
    warm, cold = (100 * runs.values("met_accuracy", loss, least) for loss in (MIDDLE, MIDDLE + COLD))
    text = f"right when met in training, {NAMES[MIDDLE]}, M = {least}: with a softmax phase less without"
    return [Contrast(text, warm - cold, bound=0, against=runs.margin)]


def angle_of_softmax(runs: Runs) -> list[Contrast]:
    """Mean angle of softmax less that of each α."""
    return [_angle_less(runs, SOFTMAX, loss) for loss in W_SOFTMAX]


def angle_falls(runs: Runs) -> list[Contrast]:
    """Mean angle lost by each step of α."""
    return [_angle_less(runs, low, high) for low, high in pairwise(W_SOFTMAX)]


def angle_of_training(runs: Runs) -> list[Contrast]:
    """Mean angle on test less that on train."""
    return [
        Contrast(
            f"mean angle, {NAMES[loss]}: test less train",
            _angle(runs, loss, ("test",)) - _angle(runs, loss, ("train",)),
            bound,
            more=more,
            unit="degrees",
        )
        for loss in (SOFTMAX, *W_SOFTMAX)
        for bound, more in ((0.0, True), (5.0, False))
    ]


def separability(runs: Runs) -> list[Contrast]:
    """Smallest angle between two weights, gained by each step of α."""
    least = runs.classes - 1
    return [
        Contrast(
            f"smallest angle of the weights, M = {least}: {NAMES[high]} less α = {low.partition(':')[2]}",
            runs.values("smallest_angle", high, least) - runs.values("smallest_angle", low, least),
            bound=0,
            unit="degrees",
        )
        for low, high in pairwise(W_SOFTMAX)
    ]


def _angle(runs: Runs, loss: str, splits: Sequence[str] = ("train", "test")) -> "pd.Series[float]":
    """Mean angle of Eq. 14, over the classes and the splits, by seed."""
    rows = runs.rows(loss, runs.classes - 1)
    if not len(rows):
        return pd.Series(dtype=float)
    angles = rows.loc[rows["status"] == "done", "class_angles"].dropna()
    return angles.map(lambda found: float(np.mean([found[split] for split in splits]))).astype(float)


def _angle_less(runs: Runs, one: str, other: str) -> Contrast:
    text = f"mean angle, M = {runs.classes - 1}: {NAMES[one]} less {NAMES[other]}"
    return Contrast(text, _angle(runs, one) - _angle(runs, other), bound=0, unit="degrees")


def _log(values: "pd.Series[float]") -> "pd.Series[float]":
    return values.map(math.log)


def _general(dataset: str) -> tuple[Experiment, ...]:
    """What Sec. 1 and 4.3 say of any data set."""
    name = TITLES[dataset]
    return (
        Experiment(
            f"training-speed-{dataset}",
            "Sec. 1",
            f"{name}: training with W-Softmax is as efficient as with softmax",
            f"A run with W-Softmax takes at most {SPEED_MARGIN} % longer than one with softmax, M = M_min, on the same "
            f"device, by the clock. Not judged where the times of one loss differ by more than {STEADY - 1:.0%}, nor "
            f"where W-Softmax, which has more to compute, takes less by more than {SPEED_MARGIN} %: such times are "
            "those of a machine with other work (rules added after all had been judged).",
            dataset,
            training_speed,
            BOTH,
            at_minimum,
            also="efficiency",
            reason=UNSTEADY,
        ),
        Experiment(
            f"compactness-{dataset}",
            "Sec. 1",
            f"{name}: a larger α maximises the variance between classes and minimises that within",
            "NC1, variance within classes over that between them (training set), is smaller at α = 1.5 than at 0.5.",
            dataset,
            compactness,
            (LOW, HIGH),
            at_minimum,
        ),
        Experiment(
            f"convergence-{dataset}",
            "Sec. 4.3",
            f"{name}: a larger α makes training harder to converge",
            "Training accuracy after the last epoch is lower at α = 1.5 than at 0.5; against: by less than the margin.",
            dataset,
            convergence,
            (LOW, HIGH),
            at_minimum,
        ),
    )


LOSS_ALONE = Experiment(
    "loss-speed",
    "Sec. 1",
    "W-Softmax is as efficient to compute as softmax",
    "The loss alone, forward and backward, takes at most 1.25 times the time of softmax (medians without an "
    "interval, so a wide margin) at three sizes like the paper's.",
    "benchmark",
    loss_speed({"softmax": "softmax"}, 1.25),
    on="benchmark",
    also="efficiency",
    command="python -m fc_width.benchmark losses > figures/benchmark-losses.md",
)

MARGIN_LOSSES = Experiment(
    "loss-speed-margins",
    "Sec. 1",
    "W-Softmax is more efficient than L-Softmax and A-Softmax, as it needs no multiple-angle formula",
    "The loss alone, forward and backward, takes less than 0.8 times the time of either in pytorch-metric-learning "
    "(medians without an interval, so a wide margin) at three sizes like the paper's. Stated when the benchmark had "
    "been seen.",
    "benchmark",
    loss_speed({"L-Softmax": "library: LargeMarginSoftmaxLoss", "A-Softmax": "library: SphereFaceLoss"}, 0.8),
    on="benchmark",
    command="python -m fc_width.benchmark losses > figures/benchmark-losses.md",
)

WARM_START = Experiment(
    "warm-start",
    "Sec. 5.1",
    "MNIST: training with softmax first makes the network converge quickly",
    "Of all samples met in training at M_min a larger share is right when met (by the classifier of test time) if α is "
    "0 for the first quarter of the epochs than if it is 1 from the first step on; against: by less than the margin. "
    "Stated when the runs with that quarter had been recorded, before those without.",
    "mnist",
    warm_start,
    (MIDDLE, MIDDLE + COLD),
    at_minimum,
)

ANGLES = tuple(
    Experiment(name, place, statement, test, "mnist", contrasts, losses, at_minimum, features=True, figure=figure)
    for name, place, statement, test, contrasts, losses, figure in (
        (
            "angle-of-softmax",
            "Fig. 5, Sec. 5.3",
            "MNIST: the mean angle of softmax is larger than that of W-Softmax at every α",
            "The mean angle of Eq. 14 at M_min, over classes, train and test, of softmax is above that at every α.",
            angle_of_softmax,
            (SOFTMAX, *W_SOFTMAX),
            "fig5-angles-{recipe}",
        ),
        (
            "angle-falls",
            "Fig. 5, Sec. 5.3",
            "MNIST: the mean angle gets smaller when α increases",
            "The mean angle at M_min, over classes, train and test, falls from α = 0.5 to 1 and from 1 to 1.5.",
            angle_falls,
            W_SOFTMAX,
            "loophole-{recipe}",
        ),
        (
            "angle-of-training",
            "Fig. 5, Sec. 5.3",
            "MNIST: the mean angle of the training set is slightly less than that of the test set",
            "The mean angle at M_min, over classes, is larger on test than on train, by less than 5 degrees, softmax "
            "and every α.",
            angle_of_training,
            (SOFTMAX, *W_SOFTMAX),
            "fig5-angles-{recipe}",
        ),
        (
            "separability",
            "Sec. 5.3",
            "MNIST: a larger α encourages the separability between classes",
            "The smallest angle between two classes' weights at M_min rises from α = 0.5 to 1 and from 1 to 1.5.",
            separability,
            W_SOFTMAX,
            "",
        ),
    )
)

NO_FACES = "CASIA-WebFace, LFW and the face networks are not in this package"
FACES = (
    Experiment(
        "faces-softmax",
        "Table 3, Sec. 5.5",
        "LFW: W-Softmax greatly improves on softmax",
        "None stated.",
        "lfw",
        None,
        reason=NO_FACES,
    ),
    Experiment(
        "faces-sphereface",
        "Table 4, Sec. 5.5",
        "LFW: W-Softmax is comparable with SphereFace+",
        "None stated.",
        "lfw",
        None,
        reason=NO_FACES,
    ),
)

GENERAL = (
    LOSS_ALONE,
    MARGIN_LOSSES,
    *(claim for claims in zip(_general("mnist"), _general("cifar10"), strict=True) for claim in claims),
    WARM_START,
)
