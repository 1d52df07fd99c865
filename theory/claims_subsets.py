"""Section 5.6: the paper's Table 5, on the first k classes."""

from fractions import Fraction
from itertools import pairwise

from theory.claim import Claim
from theory.printed_comparison import all_within, exceeds, listed, rises, shown
from theory.printed_tables import (
    ALPHAS,
    CIFAR_IMAGES,
    MNIST_TEST,
    TABLE_1,
    TABLE_2_CIFAR10,
    TABLE_5,
)
from theory.proof import CONDITIONAL, VERIFIED, Step


def table_5_repeats(max_classes: int, row: tuple[int, int, int, int] = TABLE_5[10]) -> list[Step]:
    """Where Table 5 at k = 10, α = 1 has the numbers of Tables 1 and 2."""
    mnist, own, cifar, own_cifar = row
    same = [a for a in ALPHAS if TABLE_1[a] == own]
    return [
        Step(
            f"Softmax: {shown(mnist)} on MNIST and {shown(cifar)} on CIFAR-10, in both.",
            lambda: (mnist, cifar) == (TABLE_1["softmax"], TABLE_2_CIFAR10["softmax"]),
            "finite",
        ),
        Step(
            f"W-Softmax, MNIST: {shown(own)} in Table 5, {shown(TABLE_1['1'])} in Table 1 (the first is there at "
            f"α = {listed(same)}).",
            lambda: own != TABLE_1["1"],
            "finite",
        ),
        Step(
            f"W-Softmax, CIFAR-10: {shown(own_cifar)} in Table 5, {shown(TABLE_2_CIFAR10['1'])} in Table 2, and "
            f"the first at no α there.",
            lambda: own_cifar not in [TABLE_2_CIFAR10[a] for a in ALPHAS],
            "finite",
        ),
    ]


def decreases(max_classes: int, column: int = 2, pair: tuple[int, int] = (7, 8), errors: int = 2) -> list[Step]:
    """ "The classification accuracy decreases as k increases"."""
    columns = list(zip(*TABLE_5.values(), strict=True))
    before, after = (TABLE_5[k] for k in pair)
    first, last = min(TABLE_5), max(TABLE_5)
    at = f"at k = {pair[0]} and {pair[1]}"
    return [
        Step(
            f"Every column is lower at k = {last} than at {first}, and W-Softmax on MNIST falls at every step.",
            lambda: all(values[-1] < values[0] for values in columns) and rises(columns[1][::-1]),
            "finite",
        ),
        Step(
            f"From k = {pair[0]} to {pair[1]} aside, every column falls at every step.",
            lambda: all(
                high > low
                for (k, row), (_, later) in pairwise(TABLE_5.items())
                if k != pair[0]
                for high, low in zip(row, later, strict=True)
            ),
            "finite",
        ),
        Step(
            f"CIFAR-10, softmax, {at}: {shown(before[2])}, {shown(after[2])}.",
            lambda: before[column] < after[column],
            "counterexample",
        ),
        Step(
            f"CIFAR-10, W-Softmax, {at}: {shown(before[3])}, {shown(after[3])}. MNIST, softmax: "
            f"{shown(before[0])}, {shown(after[0])}.",
            lambda: before[3] < after[3] and before[0] == after[0],
            "counterexample",
        ),
        *all_within(
            f"CIFAR-10, k = {pair[1]} and {pair[0]}",
            [(name, after[place], before[place]) for name, place in (("softmax", 2), ("W-Softmax", 3))],
            pair[1] * CIFAR_IMAGES // 10,
            errors,
            pair[0] * CIFAR_IMAGES // 10,
        ),
    ]


def gain_with_k(max_classes: int, first: int = 6, errors: int = 2, share: int = CIFAR_IMAGES // 10) -> list[Step]:
    """Not obvious at small k, and "when k is big enough for a specific dataset, a big gain can be obtained".

    Table 5, on the test images of the first k classes, of which CIFAR-10 has `share` each."""

    def whole(accuracy: int, images: int) -> bool:
        """Whether so many hundredths of a percent, rounded or cut off, are a whole number of images."""
        return any(abs(Fraction(10_000 * right, images) - accuracy) < 1 for right in range(images + 1))

    wide = [k for k, row in TABLE_5.items() if exceeds(row[3], row[2], k * CIFAR_IMAGES // 10, errors)]
    mnist, cifar = ({k: row[place + 1] - row[place] for k, row in TABLE_5.items()} for place in (0, 2))
    small, *big = cifar.values()
    return [
        Step(
            f"CIFAR-10: the gain, {shown(small)}, is within two standard errors at k = {min(cifar)} and beyond them "
            f"at every k from {first}, where it is {shown(min(big))} to {shown(max(big))} and does not grow at "
            f"every step.",
            lambda: wide == list(range(first, 11)) and not rises(big),
            "finite",
        ),
        Step(
            f"What the standard errors assume, all test images of the first k classes and one run, is not what all of "
            f"Table 5 was measured on: {shown(TABLE_5[5][2])} % and {shown(TABLE_5[5][3])} % of {5 * share:,} images "
            f"are no whole numbers.",
            lambda: not any(whole(each, 5 * share) for each in TABLE_5[5][2:]),
            "finite",
        ),
        Step(
            f"Against it, MNIST: at every k to {max(mnist)} the gain, at most {shown(max(mnist.values()))}, is "
            f"within two standard errors.",
            lambda: not any(exceeds(row[1], row[0], sum(MNIST_TEST[:k]), errors) for k, row in TABLE_5.items()),
            "counterexample",
        ),
    ]


CLAIMS = (
    Claim(
        "same-runs",
        "Table 5",
        "Table 5 at k = 10 repeats Tables 1 and 2 in its softmax column, and not in its W-Softmax column (α = 1)",
        VERIFIED,
        table_5_repeats,
        (
            {"row": TABLE_5[9]},
            {"row": (*TABLE_5[10][:1], TABLE_1["1"], *TABLE_5[10][2:])},
            {"row": (*TABLE_5[10][:3], TABLE_2_CIFAR10["1"])},
        ),
        "Not a sentence of the paper. The W-Softmax column is of other runs, or misprinted.",
    ),
    Claim(
        "decreases",
        "Sec. 5.6",
        "Accuracy decreases as k increases",
        CONDITIONAL,
        decreases,
        ({"column": 1}, {"pair": (6, 7)}, {"errors": 0}),
        "From k = 5 to 10; not at every step: from 7 to 8 one column stays and two rise, within two standard errors "
        "(unpaired, though most images are the same; their numbers are assumed, see gain-with-k).",
    ),
    Claim(
        "gain-with-k",
        "Sec. 5.6",
        "The gain is not obvious at small k and, where k is big enough for the data set, big",
        CONDITIONAL,
        gain_with_k,
        ({"first": 5}, {"first": 7}, {"errors": 1}, {"share": CIFAR_IMAGES // 5}),
        "On CIFAR-10, where it is beyond two standard errors from k = 6 on (and just within at 5). On MNIST no k to 10 "
        "is big enough. (For the first k classes: the paper says both that, and k at random. Unpaired, where most "
        "images are the same, and of test images whose number the paper does not say and its accuracies at k = 5 do "
        "not fit.)",
    ),
)
