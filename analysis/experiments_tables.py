"""What the paper's Tables 1, 2 and 5 and Sec. 5.3, 5.4 and 5.6 claim of accuracy.

W-Softmax is the loss as printed. Printed accuracies are in hundredths of a percent, as in `theory.printed_tables`.
Everything but what Fig. 4a adds is measured at M_min = C − 1, or k − 1: the tables give no M."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.captions import TITLES, loss_title
from analysis.contrasts import Contrast
from analysis.experiment import (
    BOTH,
    HIGH,
    MIDDLE,
    SOFTMAX,
    W_SOFTMAX,
    Beside,
    Experiment,
    Judge,
    Runs,
    at_minimum,
    mean,
)
from theory.printed_tables import TABLE_1, TABLE_2_CIFAR10, TABLE_2_CIFAR100, TABLE_5

BEST_ON_TEST = "best"
"""The test set's `split`, in the epoch that is best on it."""

LATER_EPOCHS = "later_test"
"""The same, mean over the epochs after the softmax phase."""

STOPPED = "stopped"
"""The same, in the epoch that is best on validation images, where there are such."""

IN_TIME = "stopped by the validation images"

ALL_LATER = "mean over the epochs after the softmax phase"

TOLD = {
    BEST_ON_TEST: "best epoch's accuracy",
    LATER_EPOCHS: f"accuracy, {ALL_LATER}",
    STOPPED: f"accuracy, {IN_TIME}",
}
"""How a reader is told of them."""

PRINTED = {loss: loss.rpartition(":")[2] for loss in ("hinge", SOFTMAX, "l-softmax", *W_SOFTMAX)}
"""The keys of the paper's tables."""

BEATEN = ("hinge", "l-softmax")
"""The losses of Tables 1 and 2 that the paper says W-Softmax is superior to."""


def better(printed: Mapping[str, int], split: str = "test") -> Judge:
    """Accuracy gained over softmax at each α; against: less than the printed gain."""
    return lambda runs: [
        _gain(runs, loss, SOFTMAX, bound=0, against=_printed_gain(runs, printed, loss, SOFTMAX), split=split)
        for loss in W_SOFTMAX
    ]


def otherwise(judge: Callable[[Mapping[str, int], str], Judge], printed: Mapping[str, int]) -> Beside:
    """The same, mean over the epochs after the softmax phase, which depends less on one epoch than the last does; and
    in the epoch that is best on the validation images. Neither chooses by the test set."""
    return lambda runs: {
        ALL_LATER: judge(printed, LATER_EPOCHS)(runs),
        IN_TIME: judge(printed, STOPPED)(runs),
    }


def better_over_widths(runs: Runs, least: int = 1) -> list[Contrast]:
    """Accuracy gained over softmax at each α, mean over all widths from `least` on at which both were run, of which
    there are several, over the seeds that all of these share."""
    found = []
    for loss in W_SOFTMAX:
        gains = {
            width: (runs.accuracy(loss, width) - runs.accuracy(SOFTMAX, width)).dropna()
            for width in runs.widths()
            if width >= least
        }
        gain = pd.DataFrame({width: values for width, values in gains.items() if len(values)}).dropna()
        text = f"accuracy, mean over all M{f' from {least} on' * (least > 1)}: {loss_title(loss)} minus softmax"
        values = mean(gain) if gain.shape[1] > 1 else pd.Series(dtype=float)
        found.append(Contrast(text, values, bound=0, against=runs.margin))
    return found


def beside_widths(runs: Runs) -> dict[str, list[Contrast]]:
    """The same at every width alone, and over those from M_min on, each α alone."""
    alone = {
        f"M = {width}": [_gain(runs, loss, SOFTMAX, 0, runs.margin, width) for loss in W_SOFTMAX]
        for width in runs.widths()
    }
    wide = zip(W_SOFTMAX, better_over_widths(runs, runs.classes - 1), strict=True)
    return alone | {f"mean over M ≥ M_min at α = {PRINTED[loss]}": [contrast] for loss, contrast in wide}


def alpha_helps(printed: Mapping[str, int], split: str = "test") -> Judge:
    """Accuracy gained by each step of α; against: less than the printed step."""
    return lambda runs: [
        _gain(runs, high, low, bound=0, against=_printed_gain(runs, printed, high, low), split=split)
        for low, high in pairwise(W_SOFTMAX)
    ]


def beats(printed: Mapping[str, int]) -> Judge:
    """Accuracy gained over the hinge loss and L-Softmax in the same network, where these train; against: less than
    printed. Where the paper prints a tie, not to lose the margin."""

    def judge(runs: Runs) -> list[Contrast]:
        found = []
        for other in BEATEN:
            tie = printed[PRINTED[HIGH]] <= printed[PRINTED[other]]
            bounds = (-runs.margin, -runs.margin) if tie else (0.0, _printed_gain(runs, printed, HIGH, other))
            found.append(_where_trained(runs, other, _gain(runs, HIGH, other, *bounds)))
        return found

    return judge


def beside_beats(runs: Runs) -> dict[str, list[Contrast]]:
    """How the losses that it is held against compare with softmax, where these train: to be above one that softmax is
    above by more says little."""
    return {
        f"{loss_title(other)} above softmax": [_where_trained(runs, other, _gain(runs, other, SOFTMAX, 0, 0))]
        for other in BEATEN
    }


def _where_trained(runs: Runs, loss: str, contrast: Contrast) -> Contrast:
    """Of the seeds with which a loss gets more than twice the accuracy of guessing."""
    accuracy = runs.accuracy(loss, runs.classes - 1).reindex(contrast.values.index)
    return replace(contrast, values=contrast.values[accuracy > 2 * 100 / runs.classes])


def gains(points: float) -> Judge:
    """Accuracy gained over softmax at α = 1.5, against the points claimed."""
    return lambda runs: [_gain(runs, HIGH, SOFTMAX, bound=points, against=points)]


def accuracies(printed: Mapping[str, int]) -> Judge:
    """Accuracy of softmax and W-Softmax at M_min, against the printed one."""
    return lambda runs: [
        each for loss in (SOFTMAX, *W_SOFTMAX) for each in _equal(runs, loss, runs.classes, printed[PRINTED[loss]])
    ]


def best_accuracies(printed: Mapping[str, int]) -> Judge:
    """Accuracy of the epoch that is best on the test set, softmax and W-Softmax at M_min, against the printed one."""

    def judge(runs: Runs) -> list[Contrast]:
        least = runs.classes - 1
        best = {loss: runs.accuracy(loss, least, split=BEST_ON_TEST) for loss in (SOFTMAX, *W_SOFTMAX)}
        return [
            Contrast(
                f"best epoch's accuracy, {loss_title(loss)}, M = {least}: ours minus "
                f"{printed[PRINTED[loss]] / 100:.2f}",
                values - printed[PRINTED[loss]] / 100,
                sign * runs.margin,
                more=sign < 0,
            )
            for loss, values in best.items()
            for sign in (1, -1)
        ]

    return judge


def falls_with_classes(sizes: Sequence[int]) -> Judge:
    """Slope of accuracy on the number of classes."""
    return lambda runs: [
        Contrast(
            f"accuracy, {loss_title(loss)}: slope over k = {sizes[0]} to {sizes[-1]}",
            _slope({k: runs.accuracy(loss, k - 1, k) for k in sizes}),
            bound=0,
            more=False,
            unit="points a class",
        )
        for loss in BOTH
    ]


def gain_grows(first: tuple[int, int], last: tuple[int, int]) -> Judge:
    """Gain of W-Softmax over softmax at the last number of classes, and how much more it is than at the first;
    `first`, `last`: k and the printed gain."""

    def judge(runs: Runs) -> list[Contrast]:
        gain = {k: runs.accuracy(MIDDLE, k - 1, k) - runs.accuracy(SOFTMAX, k - 1, k) for k in (first[0], last[0])}
        text = f"accuracy, {loss_title(MIDDLE)} minus softmax: k = {last[0]}"
        bounds = (runs.margin,) * 2 if runs.changes else (last[1] / 100, (last[1] - first[1]) / 100)
        more = Contrast(f"{text} minus k = {first[0]}", gain[last[0]] - gain[first[0]], 0, bounds[1])
        return [Contrast(text, gain[last[0]], 0, bounds[0]), more]

    return judge


def almost_all(runs: Runs) -> list[Contrast]:
    """Accuracy with two classes."""
    return [Contrast("accuracy, softmax, C = 2, M = 1", runs.accuracy(SOFTMAX, 1, 2), bound=99.5, unit="%")]


def accuracies_of_classes(printed: Mapping[int, tuple[int, int]]) -> Judge:
    """Accuracy at each number of classes, against the printed ones of softmax and W-Softmax."""
    return lambda runs: [
        each
        for k, row in printed.items()
        for loss, number in zip(BOTH, row, strict=True)
        for each in _equal(runs, loss, k, number)
    ]


def _gain(
    runs: Runs, one: str, other: str, bound: float, against: float, width: int | None = None, split: str = "test"
) -> Contrast:
    width = width or runs.classes - 1
    gain = runs.accuracy(one, width, split=split) - runs.accuracy(other, width, split=split)
    what = TOLD.get(split, "accuracy")
    return Contrast(f"{what}, M = {width}: {loss_title(one)} minus {loss_title(other)}", gain, bound, against)


def _printed_gain(runs: Runs, printed: Mapping[str, int], one: str, other: str) -> float:
    """In the paper's network; the margin in another, whose gains need not be as large."""
    return runs.margin if runs.changes else (printed[PRINTED[one]] - printed[PRINTED[other]]) / 100


def _equal(runs: Runs, loss: str, classes: int, printed: int) -> list[Contrast]:
    """Accuracy at M_min minus the printed one, within the margin."""
    difference = runs.accuracy(loss, classes - 1, classes) - printed / 100
    text = f"accuracy, {loss_title(loss)}, C = {classes}, M = {classes - 1}: ours minus {printed / 100:.2f}"
    return [Contrast(text, difference, sign * runs.margin, more=sign < 0) for sign in (1, -1)]


def _slope(values: Mapping[int, "pd.Series[float]"]) -> "pd.Series[float]":
    """Least-squares slope of a measurement on its key, by seed; only seeds that have all."""
    table = pd.DataFrame(dict(values)).dropna()
    centred = np.array(list(values), np.float64) - np.mean(list(values))
    return pd.Series(table.to_numpy(np.float64) @ centred / (centred @ centred), table.index)


@dataclass(frozen=True)
class Printed:
    """What the paper prints of a data set: where, in which table, and what it claims of the gain."""

    place: str
    table: Mapping[str, int]
    claims: str


PLACES = {
    "mnist": Printed("Table 1, Sec. 5.3", TABLE_1, "Table 1"),
    "cifar10": Printed("Table 2, Sec. 5.4", TABLE_2_CIFAR10, "Table 2"),
    "cifar100": Printed("Table 2, Sec. 5.4", TABLE_2_CIFAR100, "Table 2"),
}


ELSEWHERE = (
    " (in another network than the paper's: than the margin; until all had been judged, than what is printed there too)"
)

NO_WIDTH = " (the table gives no M; the networks of [23], which the paper takes over, have 256 units, on CIFAR100 512)"

TIE = (
    "the hinge loss's, and above L-Softmax's minus the margin, as the paper prints a tie (so stated when the runs had "
    "been judged by whether it is above both, which was INCONCLUSIVE)"
)


ALSO = (
    "(The mean over the epochs after the softmax phase is shown beside it, not counted; added when the runs had been "
    "seen. So is, where training images were held out for validation, accuracy in the epoch that is best on these; "
    "added before such runs were.)"
)


def _accuracy(dataset: str) -> tuple[Experiment, ...]:
    """What Tables 1 and 2 and their sections say."""
    name, printed = TITLES[dataset], PLACES[dataset]
    figure = "*accuracy-{recipe}"
    tie = printed.table["1.5"] == printed.table["l-softmax"]
    above = TIE if tie else "both losses'"
    return (
        Experiment(
            f"better-{dataset}",
            printed.place,
            f"{name}: W-Softmax has better accuracy than softmax in the same network",
            f"Accuracy at M_min{NO_WIDTH} is above softmax's at every α; against: by less than the printed "
            f"gain{ELSEWHERE}. {ALSO}",
            dataset,
            better(printed.table),
            (SOFTMAX, *W_SOFTMAX),
            at_minimum,
            figure=figure,
            also="significance",
            beside=otherwise(better, printed.table),
        ),
        Experiment(
            f"alpha-{dataset}",
            printed.place,
            f"{name}: a larger α brings a higher accuracy",
            f"Accuracy at M_min{NO_WIDTH} rises from α = 0.5 to 1 and from 1 to 1.5; against: by less than the printed "
            f"step{ELSEWHERE}. {ALSO}",
            dataset,
            alpha_helps(printed.table),
            W_SOFTMAX,
            at_minimum,
            figure=figure,
            also="larger-alpha",
            beside=otherwise(alpha_helps, printed.table),
        ),
        Experiment(
            f"beats-{dataset}",
            printed.place,
            f"{name}: W-Softmax is superior to the hinge loss and {'equal' if tie else 'superior'} to L-Softmax",
            f"Accuracy at M_min{NO_WIDTH} and α = 1.5 in the same network is above {above}; against: by less than "
            f"printed{ELSEWHERE}. A loss that does not get twice the accuracy of guessing has not trained and counts "
            f"as not run (a rule added after all had been judged). (In the paper L-Softmax's row, and those of other "
            f"networks, are quoted.) Beside it, not counted, is whether those two are above softmax, as L-Softmax is "
            f"in the paper's table; added when all had been seen.",
            dataset,
            beats(printed.table),
            ("hinge", "l-softmax", HIGH),
            at_minimum,
            also="superior",
            beside=beside_beats,
        ),
        Experiment(
            f"printed-{dataset}",
            printed.place,
            f"{name}: the accuracies of {printed.claims}, softmax and W-Softmax",
            f"In the paper's network accuracy at M_min{NO_WIDTH} is within the margin of the printed one, softmax and "
            "every α.",
            dataset,
            accuracies(printed.table),
            (SOFTMAX, *W_SOFTMAX),
            at_minimum,
            paper_only=True,
        ),
    )


def _gain_claimed(dataset: str, points: float, words: str) -> Experiment:
    return Experiment(
        f"gain-measured-{dataset}",
        "Sec. 5.4",
        f"{TITLES[dataset]}: {words} improvement over softmax",
        f"In the paper's network accuracy at M_min and α = 1.5 (where the paper's own table has it; it gives no M) is "
        f"above softmax's by more than {points:g} points. (In the small network it was NOT REPRODUCED; but what "
        f"another network gains is no measure of a printed number. Whether it gains at all, better-{dataset} "
        f"says.)",
        dataset,
        gains(points),
        (SOFTMAX, HIGH),
        at_minimum,
        paper_only=True,
        also=f"gain-{dataset}",
    )


def _classes(dataset: str, first: int) -> tuple[Experiment, ...]:
    """What Table 5 and Sec. 5.6 say; `first`, the column of softmax in the printed table."""
    name = TITLES[dataset]
    printed = {k: (row[first], row[first + 1]) for k, row in TABLE_5.items()}
    gain = {k: row[1] - row[0] for k, row in printed.items()}
    sizes = tuple(printed)
    return (
        Experiment(
            f"falls-with-k-{dataset}",
            "Table 5, Sec. 5.6",
            f"{name}: accuracy decreases, on the whole, as the number k of classes increases",
            "The slope of accuracy over k = 5 to 10 is below 0, softmax and W-Softmax, M = k − 1. (With fewer classes "
            "there are fewer images, hence fewer steps.)",
            dataset,
            falls_with_classes(sizes),
            BOTH,
            at_minimum,
            sizes,
            also="decreases",
        ),
        Experiment(
            f"gain-with-k-{dataset}",
            "Table 5, Sec. 5.6",
            f"{name}: the gain of W-Softmax is not obvious at small k and big at large k",
            "The gain over softmax is above 0 at k = 10, and larger than at k = 5; against: by less than printed"
            f"{ELSEWHERE}. "
            '(That it is not obvious at small k is not judged, and "big" only as above 0. With fewer classes there are '
            "fewer images, hence fewer steps.)",
            dataset,
            gain_grows((5, gain[5]), (10, gain[10])),
            BOTH,
            at_minimum,
            (5, 10),
            also="gain-with-k",
        ),
        Experiment(
            f"printed-k-{dataset}",
            "Table 5, Sec. 5.6",
            f"{name}: the accuracies of Table 5",
            f"In the paper's network the accuracy at M = k − 1{NO_WIDTH} is within the margin of the printed one, "
            "softmax and W-Softmax, every k.",
            dataset,
            accuracies_of_classes(printed),
            BOTH,
            at_minimum,
            sizes,
            paper_only=True,
        ),
    )


BEST_EPOCH = f"Accuracy at M_min{NO_WIDTH} of the epoch that is best on the test set"
LATER = "Stated when the runs, and the verdict of the last epoch, had been seen."
BEST_BETTER = Experiment(
    "better-best-mnist",
    "Table 1, Sec. 5.3",
    "MNIST: W-Softmax has better results than softmax in the same network, of which Table 1 lists the best",
    f"{BEST_EPOCH} is above softmax's at every α; against: by less than the printed gain{ELSEWHERE}. (A maximum over "
    f"epochs is larger where accuracy varies more from epoch to epoch, and is no measure of a network on new images: "
    f"better-mnist judges the last epoch.) {LATER}",
    "mnist",
    better(TABLE_1, BEST_ON_TEST),
    (SOFTMAX, *W_SOFTMAX),
    at_minimum,
    also="significance",
)
BEST_ALPHA = Experiment(
    "alpha-best-mnist",
    "Table 1, Sec. 5.3",
    "MNIST: a larger α brings a higher accuracy, of which Table 1 lists the best",
    f"{BEST_EPOCH} rises from α = 0.5 to 1 and from 1 to 1.5; against: by less than the printed "
    f"step{ELSEWHERE}. {LATER}",
    "mnist",
    alpha_helps(TABLE_1, BEST_ON_TEST),
    W_SOFTMAX,
    at_minimum,
    also="larger-alpha",
)
BEST = Experiment(
    "printed-best-mnist",
    "Table 1, Sec. 5.3",
    "MNIST: the accuracies of Table 1, softmax and W-Softmax, which lists the best results",
    f"In the paper's network the accuracy at M_min{NO_WIDTH} of the epoch that is best on the test set is within the "
    "margin of the printed one, softmax and every α. Stated when the first seed had been seen.",
    "mnist",
    best_accuracies(TABLE_1),
    (SOFTMAX, *W_SOFTMAX),
    at_minimum,
    paper_only=True,
)
OVER_WIDTHS = Experiment(
    "better-over-widths-mnist",
    "Sec. 5.3, Fig. 4a",
    "MNIST: W-Softmax has better accuracy than softmax over all M",
    "Accuracy, averaged over all widths at which both were run, is above softmax's at every α; against: by less than "
    "the margin. (Single widths, and the mean from M_min on, are shown beside it, not counted.) Stated when the runs "
    "had been seen.",
    "mnist",
    better_over_widths,
    (SOFTMAX, *W_SOFTMAX),
    figure="*accuracy-{recipe}",
    beside=beside_widths,
)
MNIST = (*_accuracy("mnist"), OVER_WIDTHS, BEST_BETTER, BEST_ALPHA, BEST)
CIFAR = (
    *_accuracy("cifar10"),
    *_accuracy("cifar100"),
    _gain_claimed("cifar10", 2, "2 %–3 %"),
    _gain_claimed("cifar100", 4, "more than 4 %"),
)
TWO = Experiment(
    "almost-all-mnist",
    "Sec. 5.6",
    "MNIST: with k = 2 classes the accuracy almost reaches 100 %",
    "With the first two classes and softmax the accuracy at M = 1 is above 99.5 %. Stated when the runs had been seen.",
    "mnist",
    almost_all,
    (SOFTMAX,),
    at_minimum,
    (2,),
)
CLASSES = (TWO, *_classes("mnist", 0), *_classes("cifar10", 2))
