"""What the paper measures of the loss: Sec. 1, 4.3, 5.1, Fig. 5, and Tables 3 and 4, which are not run.

W-Softmax is the loss as printed. Everything but the times of the losses alone is measured at M_min = C − 1; what
other widths say is shown beside it."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.contrasts import (
    COLD,
    HIGH,
    LOG_POINTS,
    LOW,
    MIDDLE,
    NAMES,
    SOFTMAX,
    TIME,
    TIMED,
    UNTIMED,
    W_SOFTMAX,
    Contrast,
    Experiment,
    Runs,
    at_minimum,
    mean,
)
from analysis.drawing import TITLES
from fc_width.benchmark_losses import SIZES

Judge = Callable[[Runs], list[Contrast]]
Beside = Callable[[Runs], dict[str, list[Contrast]]]

SPEED_MARGIN = 10
"""Percent of a training step's time."""

PRINTED, ALGORITHM_1 = "W-Softmax α = 1, printed", "Algorithm 1, naive"
"""What the benchmark calls the loss as this package computes it, and as the paper writes it down."""


def at_other_widths(judge: Callable[[Runs, int], list[Contrast]]) -> Beside:
    """The same test at every width but M_min."""
    return lambda runs: {f"M = {width}": judge(runs, width) for width in runs.widths() if width != runs.classes - 1}


def training_speed(runs: Runs) -> list[Contrast]:
    """Time of a training step that W-Softmax costs more than softmax. That it costs less does not count against it."""
    least = runs.classes - 1
    slower = runs.slower((MIDDLE, least), (SOFTMAX, least))
    text = f"training time, M = {least}: {NAMES[MIDDLE]} more than softmax by"
    return [
        Contrast(text, slower, 100 * math.log1p(SPEED_MARGIN / 100), more=False, unit=LOG_POINTS, over="round"),
        Contrast(text, slower, 100 * math.log1p(-SPEED_MARGIN / 100), against=-math.inf, unit=LOG_POINTS, over="round"),
    ]


def loss_speed(others: Mapping[str, str], bound: float, against: float | None = None, own: str = PRINTED) -> Judge:
    """Time of the loss alone over that of others, name → what the benchmark calls it; `runs.frames[0]` has the columns
    `size`, `loss`, `ms`."""

    def judge(runs: Runs) -> list[Contrast]:
        table = runs.frames[0]
        contrasts = []
        for size in SIZES:
            ms = table[table["size"] == size].set_index("loss")["ms"]
            for name, other in others.items():
                ratio = ms.reindex([own]) / ms.get(other, math.nan)
                text = f"time, (N, M, C) = {size}: {NAMES[MIDDLE]} over {name}"
                exact = "medians, no interval"
                contrasts.append(Contrast(text, ratio, bound, against, more=False, unit="times", exact=exact))
        return contrasts

    return judge


def as_written(others: Mapping[str, str], bound: float, against: float | None = None) -> Beside:
    """The same of the paper's Algorithm 1, at the sizes at which it was timed: the others need too much memory."""
    judge = loss_speed(others, bound, against, ALGORITHM_1)
    return lambda runs: {
        "computed by Algorithm 1 as the paper writes it": [each for each in judge(runs) if each.values.notna().any()]
    }


def compactness(runs: Runs) -> list[Contrast]:
    """Variance within classes over variance between them."""
    return [_more_compact(runs, "variance_ratio", "Tr Σ_W/Tr Σ_B", runs.classes - 1)]


def compactness_by_axes(runs: Runs) -> dict[str, list[Contrast]]:
    """The same axis by axis, by NC1, at every width."""
    return {f"by NC1 at M = {width}": [_more_compact(runs, "nc1", "NC1", width)] for width in runs.widths()}


def _more_compact(runs: Runs, column: str, name: str, width: int) -> Contrast:
    low, high = (runs.values(column, loss, width) for loss in (LOW, HIGH))
    return Contrast(f"{name}, M = {width}: log of its ratio, α = 0.5 to α = 1.5", _log(low / high), bound=0, unit="")


def avoids_overfitting(runs: Runs) -> list[Contrast]:
    """How much smaller than softmax's the gap between training and test accuracy is at each α, and the test accuracy
    gained."""
    least = runs.classes - 1
    test, train = (
        {loss: runs.accuracy(loss, least, split=split) for loss in (SOFTMAX, *W_SOFTMAX)} for split in ("test", "train")
    )
    gap = {loss: train[loss] - test[loss] for loss in test}
    text = f"training less test accuracy, M = {least}: softmax less"
    return [
        *(Contrast(f"{text} {NAMES[loss]}", gap[SOFTMAX] - gap[loss], bound=0) for loss in W_SOFTMAX),
        *(
            Contrast(f"accuracy, M = {least}: {NAMES[loss]} less softmax", test[loss] - test[SOFTMAX], -runs.margin)
            for loss in W_SOFTMAX
        ),
    ]


def convergence(runs: Runs) -> list[Contrast]:
    """Training accuracy that α = 1.5 lacks."""
    least = runs.classes - 1
    lost = runs.accuracy(LOW, least, split="train") - runs.accuracy(HIGH, least, split="train")
    return [Contrast(f"training accuracy, M = {least}: α = 0.5 less α = 1.5", lost, bound=0, against=runs.margin)]


def converging(runs: Runs) -> dict[str, list[Contrast]]:
    """The same over all of training, which has more to lose than its end."""
    least = runs.classes - 1
    lost = 100 * (runs.values("met_accuracy", LOW, least) - runs.values("met_accuracy", HIGH, least))
    text = f"right when met in training, M = {least}: α = 0.5 less α = 1.5"
    return {"over all of training": [Contrast(text, lost, bound=0, against=runs.margin)]}


def warm_start(runs: Runs) -> list[Contrast]:
    """Training accuracy, over all of training, that the softmax phase gains."""
    least = runs.classes - 1
    warm, cold = (100 * runs.values("met_accuracy", loss, least) for loss in (MIDDLE, MIDDLE + COLD))
    text = f"right when met in training, {NAMES[MIDDLE]}, M = {least}: with a softmax phase less without"
    return [Contrast(text, warm - cold, bound=0, against=runs.margin)]


def faster(runs: Runs) -> list[Contrast]:
    """Accuracy, over all of training, that α = 1 from the first step on gains over softmax."""
    return [_learned_sooner(runs, MIDDLE + COLD, "from the first step on")]


def faster_after_softmax(runs: Runs) -> dict[str, list[Contrast]]:
    """The same with the softmax phase, over all of training and over the epochs after it, at each α."""
    return {
        name: [_learned_sooner(runs, loss, name, column) for loss in W_SOFTMAX]
        for name, column in (
            ("with a softmax phase", "met_accuracy"),
            ("after a softmax phase", "later_met_accuracy"),
        )
    }


def _learned_sooner(runs: Runs, loss: str, how: str, column: str = "met_accuracy") -> Contrast:
    least = runs.classes - 1
    gain = 100 * (runs.values(column, loss, least) - runs.values(column, SOFTMAX, least))
    text = f"right when met in training, M = {least}: {NAMES[loss.removesuffix(COLD)]} {how} less softmax"
    return Contrast(text, gain, bound=0, against=runs.margin)


Compared = Callable[[Runs, int], list[tuple[str, pd.DataFrame]]]
"""Text → an angle less another, a row a seed, a column a class."""


def softmax_less(runs: Runs, width: int) -> list[tuple[str, pd.DataFrame]]:
    """Angles of softmax less those of each α."""
    return [_less(runs, width, SOFTMAX, loss) for loss in W_SOFTMAX]


def lost_by_alpha(runs: Runs, width: int) -> list[tuple[str, pd.DataFrame]]:
    """Angles lost by each step of α."""
    return [_less(runs, width, low, high) for low, high in pairwise(W_SOFTMAX)]


def between_splits(runs: Runs, width: int) -> list[tuple[str, pd.DataFrame]]:
    """Angles on test less those on train."""
    return [
        (
            f"mean angle, M = {width}, {NAMES[loss]}: test less train",
            _angles(runs, loss, width, ("test",)) - _angles(runs, loss, width, ("train",)),
        )
        for loss in (SOFTMAX, *W_SOFTMAX)
    ]


def angles(compared: Compared, bounds: Sequence[tuple[float, bool]] = ((0.0, True),)) -> Callable[..., list[Contrast]]:
    """The test of mean angles: their differences, averaged over the classes, against `bounds`, each with whether more
    is wanted."""
    return lambda runs, width=0: [
        Contrast(text, mean(table), bound, more=more, unit="degrees")
        for text, table in compared(runs, width or runs.classes - 1)
        for bound, more in bounds
    ]


def beside_angles(compared: Compared, judge: Callable[[Runs, int], list[Contrast]]) -> Beside:
    """The test at other widths; and class by class at M_min: in how many of them a difference is above 0."""
    others = at_other_widths(judge)

    def beside(runs: Runs) -> dict[str, list[Contrast]]:
        counted = [
            Contrast(f"{text} is above 0 in", (table > 0).sum(axis=1).astype(float), runs.classes - 0.5, unit="classes")
            for text, table in compared(runs, runs.classes - 1)
        ]
        return others(runs) | {"class by class": counted}

    return beside


def angle_is_compactness(runs: Runs, width: int = 0) -> list[Contrast]:
    """Fisher's z of the correlation of the mean angle and log NC1 over softmax and every α."""
    width = width or runs.classes - 1
    losses = (SOFTMAX, *W_SOFTMAX)
    angle = pd.DataFrame({loss: mean(_angles(runs, loss, width)) for loss in losses}).dropna()
    nc1 = pd.DataFrame({loss: _log(runs.values("nc1", loss, width)) for loss in losses}).dropna()
    seeds = angle.index.intersection(nc1.index)
    text = f"mean angle and log NC1, M = {width}: Fisher's z of their correlation over softmax and every α"
    z = angle.loc[seeds].corrwith(nc1.loc[seeds], axis=1).map(np.arctanh)
    return [Contrast(text, z.replace([math.inf, -math.inf], math.nan), bound=0, unit="")]


def separability(runs: Runs, width: int = 0) -> list[Contrast]:
    """Smallest angle between two weights, gained by each step of α."""
    return _by_steps(runs, "smallest_angle", "smallest angle of the weights", width, "degrees")


def separability_of_means(runs: Runs, width: int = 0) -> list[Contrast]:
    """Distance of the class means from the simplex, NC2, lost by each step of α."""
    return _by_steps(runs, "nc2_means", "NC2 of the class means", width, more=False)


def beside_separability(runs: Runs) -> dict[str, list[Contrast]]:
    """The test at other widths; and by the class means, which the weights need not follow, at every width."""
    means = {f"by NC2 of the class means at M = {width}": separability_of_means(runs, width) for width in runs.widths()}
    return at_other_widths(separability)(runs) | means


def _by_steps(runs: Runs, column: str, name: str, width: int, unit: str = "", more: bool = True) -> list[Contrast]:
    """What each step of α changes of a measurement, at one width, M_min if 0."""
    width = width or runs.classes - 1
    found = []
    for low, high in pairwise(W_SOFTMAX):
        text = f"{name}, M = {width}: {NAMES[high]} less α = {low.partition(':')[2]}"
        change = runs.values(column, high, width) - runs.values(column, low, width)
        found.append(Contrast(text, change, bound=0, more=more, unit=unit))
    return found


def _angles(runs: Runs, loss: str, width: int, splits: Sequence[str] = ("train", "test")) -> pd.DataFrame:
    """Mean angles of Eq. 14, over the splits: a row a seed, a column a class."""
    rows = runs.rows(loss, width)
    if not len(rows):
        return pd.DataFrame()
    found = rows.loc[rows["status"] == "done", "class_angles"].dropna()
    return pd.DataFrame({seed: np.mean([each[split] for split in splits], axis=0) for seed, each in found.items()}).T


def _less(runs: Runs, width: int, one: str, other: str) -> tuple[str, pd.DataFrame]:
    text = f"mean angle, M = {width}: {NAMES[one]} less {NAMES[other]}"
    return text, (_angles(runs, one, width) - _angles(runs, other, width)).dropna()


def _log(values: "pd.Series[float]") -> "pd.Series[float]":
    """NaN, which is not judged, where it is none: of 0, or of a ratio to 0."""
    return values.where((values > 0) & (values < math.inf)).map(math.log, na_action="ignore").astype(float)


def _general(dataset: str, stated: str = "") -> tuple[Experiment, ...]:
    """What Sec. 1 and 4.3 say of any data set."""
    name = TITLES[dataset]
    return (
        Experiment(
            f"training-speed-{dataset}",
            "Sec. 1",
            f"{name}: training with W-Softmax is as efficient as with softmax",
            f"A training step with W-Softmax takes at most {SPEED_MARGIN} % longer than one with softmax, M = M_min, "
            f"by the clock, and at most {SPEED_MARGIN} % less; against: longer only. (W-Softmax has more to compute: "
            "where it takes less, the machine had other work, which neither shows the claim nor counts against it.) "
            f"{TIMED}",
            dataset,
            training_speed,
            also="efficiency",
            on="training timed",
            reason=UNTIMED,
            command=TIME,
        ),
        Experiment(
            f"compactness-{dataset}",
            "Sec. 1",
            f"{name}: a larger α maximises the variance between classes and minimises that within",
            "The variance within classes over that between them, Tr Σ_W/Tr Σ_B (training set), is smaller at α = 1.5 "
            "than at 0.5, at M_min; which of the two changes is not judged. (Until then judged by NC1, which is beside "
            "it now, not counted: NOT REPRODUCED on MNIST, in the paper's network, and CIFAR10, INCONCLUSIVE on "
            "CIFAR100. But at M_min the means of the classes can almost lie in fewer than M dimensions, and NC1, which "
            "divides by their variance in each, hangs on the one in which they differ least. The change was made "
            "before the variances of any run here were seen; as no record had them, the runs in the small networks "
            f"were made anew, those in the paper's network were not.){stated}",
            dataset,
            compactness,
            (LOW, HIGH),
            at_minimum,
            beside=compactness_by_axes,
        ),
        Experiment(
            f"avoids-overfitting-{dataset}",
            "Abstract, Sec. 1",
            f"{name}: W-Softmax can avoid overfitting",
            "At M_min and every α training accuracy is less far above test accuracy than with softmax, and test "
            "accuracy is above softmax's less the margin; against: either is not. (By itself the first says little: "
            "who learns less has less of a gap. “Avoiding premature convergence”, Sec. 1, is not judged: the paper "
            "says nothing by which it would be seen.) Stated when the runs had been seen.",
            dataset,
            avoids_overfitting,
            (SOFTMAX, *W_SOFTMAX),
            at_minimum,
            figure="*accuracy-{recipe}",
        ),
        Experiment(
            f"convergence-{dataset}",
            "Sec. 4.3",
            f"{name}: a larger α makes training harder to converge",
            "Training accuracy after the last epoch is lower at α = 1.5 than at 0.5; against: by less than the "
            "margin. (What of the samples met in all of training was right is shown beside it, not counted; added when "
            f"all had been judged: in the paper's network on MNIST both α end with less than 0.1 % to learn.){stated}",
            dataset,
            convergence,
            (LOW, HIGH),
            at_minimum,
            also="stronger",
            beside=converging,
        ),
    )


LOSS_ALONE = Experiment(
    "loss-speed",
    "Sec. 1",
    "W-Softmax is as efficient to compute as softmax",
    "The loss alone, forward and backward, takes at most 1.25 times the time of softmax (medians without an "
    "interval, so a wide margin) at every size tabulated. (The two largest were added when the others had been judged, "
    "and Algorithm 1, beside it and not counted, when its times had been seen.)",
    "benchmark",
    loss_speed({"softmax": "softmax"}, 1.25),
    on="losses timed",
    also="efficiency",
    command="python -m fc_width.benchmark losses --device cpu > figures/benchmark-losses.md",
    beside=as_written({"softmax": "softmax"}, 1.25),
)

LIBRARY = {"L-Softmax": "library: LargeMarginSoftmaxLoss", "A-Softmax": "library: SphereFaceLoss"}

MARGIN_LOSSES = Experiment(
    "loss-speed-margins",
    "Sec. 1",
    "W-Softmax is more efficient to compute than L-Softmax and A-Softmax",
    "The loss alone, forward and backward, as this package computes it, takes less than 0.8 times the time of either "
    "as pytorch-metric-learning computes them (medians without an interval, so a wide margin) at every size tabulated; "
    "against: above 1 (until a table had one size at 0.805 times, which counted against it: 0.8 or more). "
    "(Whether the reason is that it needs no multiple-angle formula, as the paper says, is not judged: that library "
    "takes longer than softmax with normalised weights even without a margin.) Stated when the benchmark had been "
    "seen; the two largest sizes were added when the others alone had been REPRODUCED, and so was Algorithm 1, beside "
    "it and not counted.",
    "benchmark",
    loss_speed(LIBRARY, 0.8, against=1.0),
    on="losses timed",
    command="python -m fc_width.benchmark losses --device cpu > figures/benchmark-losses.md",
    beside=as_written(LIBRARY, 0.8, against=1.0),
)

FASTER = Experiment(
    "faster",
    "Abstract",
    "MNIST: W-Softmax helps the network to learn features faster",
    "Of all samples met in training at M_min a larger share is right when met (by the classifier of test time) if α is "
    "1 from the first step on than with softmax; against: by less than the margin. (With the softmax phase, in which "
    "the weights are of length 1 and α is 0, each α is shown beside it, not counted: over all of training, and after "
    "that phase; the second was added when the runs had been seen.) Stated when the runs had been seen.",
    "mnist",
    faster,
    (SOFTMAX, MIDDLE + COLD),
    at_minimum,
    beside=faster_after_softmax,
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

angle_of_softmax = angles(softmax_less)
angle_falls = angles(lost_by_alpha)
angle_of_training = angles(between_splits, ((0.0, True), (5.0, False)))

NO_WIDTH = (
    " (The paper gives no M: other widths are shown beside it, not counted; added when all had been judged and seen.)"
)
EACH_CLASS = (
    " (Fig. 5 is of single classes, and the paper gives no M for it: other widths, and how many classes it holds for, "
    "are shown beside it, not counted; added when all had been judged and seen.)"
)
ANGLES = tuple(
    Experiment(
        name,
        place,
        statement,
        test,
        "mnist",
        contrasts,
        losses,
        at_minimum,
        features=True,
        figure=figure,
        beside=beside,
    )
    for name, place, statement, test, contrasts, losses, figure, beside in (
        (
            "angle-of-softmax",
            "Fig. 5, Sec. 5.3",
            "MNIST: the mean angle of softmax, averaged over the classes, is larger than that of W-Softmax at every α",
            "The mean angle of Eq. 14 at M_min, over classes, train and test, of softmax is above that at every α."
            + EACH_CLASS,
            angle_of_softmax,
            (SOFTMAX, *W_SOFTMAX),
            "fig5-angles-{recipe}",
            beside_angles(softmax_less, angle_of_softmax),
        ),
        (
            "angle-falls",
            "Fig. 5, Sec. 5.3",
            "MNIST: the mean angle, averaged over the classes, gets smaller when α increases",
            "The mean angle at M_min, over classes, train and test, falls from α = 0.5 to 1 and from 1 to 1.5."
            + EACH_CLASS,
            angle_falls,
            W_SOFTMAX,
            "loophole-{recipe}",
            beside_angles(lost_by_alpha, angle_falls),
        ),
        (
            "angle-of-training",
            "Fig. 5, Sec. 5.3",
            "MNIST: the mean angle of the training set, averaged over the classes, is slightly less than that of the "
            "test set",
            "The mean angle at M_min, over classes, is larger on test than on train, by less than 5 degrees, softmax "
            "and every α." + EACH_CLASS,
            angle_of_training,
            (SOFTMAX, *W_SOFTMAX),
            "fig5-angles-{recipe}",
            beside_angles(between_splits, angle_of_training),
        ),
        (
            "separability",
            "Sec. 5.3",
            "MNIST: a larger α encourages the separability between classes",
            "The smallest angle between two classes' weights at M_min rises from α = 0.5 to 1 and from 1 to 1.5."
            + NO_WIDTH
            + " (So is by how far the means of the classes are from a simplex, which the weights need not follow.)",
            separability,
            W_SOFTMAX,
            "",
            beside_separability,
        ),
    )
)

COMPACTNESS_OF_ANGLE = Experiment(
    "angle-is-compactness",
    "Fig. 5, Sec. 5.3",
    "MNIST: a lower mean angle corresponds to the compactness of classes",
    "Over softmax and every α at M_min, the mean angle (over classes, train and test) and log NC1, variance within "
    "classes over that between them (training set), are correlated: Fisher's z of their correlation, once a seed, is "
    "above 0. (At M_min NC1 differs much from seed to seed, see compactness-mnist: other widths are shown beside it, "
    "not counted.) Stated when the runs had been seen, first as a rank correlation and as a plain one: REPRODUCED too.",
    "mnist",
    angle_is_compactness,
    (SOFTMAX, *W_SOFTMAX),
    at_minimum,
    features=True,
    also="mean-angle",
    beside=at_other_widths(angle_is_compactness),
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

GENERAL_OF = (
    _general("mnist"),
    _general("cifar10"),
    _general("cifar100", " Stated when the runs had been seen."),
)
GENERAL = (
    LOSS_ALONE,
    MARGIN_LOSSES,
    *(claim for claims in zip(*GENERAL_OF, strict=True) for claim in claims),
    FASTER,
    WARM_START,
)
