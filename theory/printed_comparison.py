"""Two printed accuracies against each other: the comparisons that the claims on the paper's tables share.

Accuracies are the printed ones, in hundredths of a percent, as integers. Two accuracies p, q on n test images each
differ by more than two standard errors if (p − q)² > 4 (p(1 − p) + q(1 − q))/n, decided in rationals: unpaired, as if
the images were not the same, which they mostly are. Errors of two networks on one image tend to go together, so that
the true standard error is smaller: what is beyond two is so all the more, what is within them is not thereby equal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

from theory.printed_tables import (
    CIFAR_IMAGES,
    LFW_PAIRS,
    LOSSES,
    MNIST_IMAGES,
    NAMES,
    REFERENCE_23,
    TABLE_1,
    TABLE_2_CIFAR10,
    TABLE_2_CIFAR100,
    TABLE_3,
    TABLE_4,
)
from theory.proof import Step

TABLES = {
    "1": (TABLE_1, MNIST_IMAGES),
    "2, CIFAR-10": (TABLE_2_CIFAR10, CIFAR_IMAGES),
    "2, CIFAR-100": (TABLE_2_CIFAR100, CIFAR_IMAGES),
    "3": (TABLE_3, LFW_PAIRS),
    "4": (TABLE_4, LFW_PAIRS),
}


def exceeds(one: int, other: int, images: int, errors: int = 2, images_of_other: int | None = None) -> bool:
    """Whether two accuracies, in hundredths of a percent, differ by more than `errors` standard errors, on `images`
    each, or on `images` and `images_of_other`."""
    p, q = Fraction(one, 10_000), Fraction(other, 10_000)
    return (p - q) ** 2 > errors**2 * (p * (1 - p) / images + q * (1 - q) / (images_of_other or images))


def sign_test(fewer: int, more: int) -> Fraction:
    """The two-sided probability, by chance, of `fewer` or less of the images on which two classifiers differ."""
    count = fewer + more
    return min(Fraction(1), Fraction(2 * sum(math.comb(count, right) for right in range(fewer + 1)), 2**count))


def is_above(one: int, other: int, images: int, errors: int = 2) -> bool:
    """Whether `one` is above `other` by more than `errors` standard errors."""
    return one > other and exceeds(one, other, images, errors)


def is_within(one: int, other: int, images: int, errors: int, images_of_other: int) -> bool:
    """Whether the two differ by no more than `errors` standard errors."""
    return not exceeds(one, other, images, errors, images_of_other)


def above(table: Mapping[str, int], own: str, images: int) -> list[str]:
    """The losses whose rows are above `own` by more than two standard errors."""
    return [name for name in LOSSES if name in table and is_above(table[name], table[own], images)]


def printed_before() -> list[tuple[str, str]]:
    """The rows (table, loss) that name no reference and are, to the hundredth, what reference [23] prints."""
    return [(name, loss) for (name, loss), error in REFERENCE_23.items() if TABLES[name][0][loss] == 10_000 - error]


def rises(values: Sequence[int]) -> bool:
    """Whether every value is above the one before."""
    return all(low < high for low, high in pairwise(values))


def shown(value: float | Fraction) -> str:
    """Hundredths of a percent as the paper prints them."""
    return f"{float(value) / 100:.2f}"


def listed(names: Iterable[str]) -> str:
    """Losses as a person names them: `A, B and C`, `none`."""
    *first, last = [NAMES.get(name, name) for name in names] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def evidence_of(
    one: int, other: int, images: int, exceeded: bool, images_of_other: int | None = None
) -> dict[str, Any]:
    """Evidence that `one` and `other` differ by more than two standard errors, or do not."""
    sizes = {"images": images, "images_of_other": images_of_other or images}
    return {"kind": "accuracies", "one": one, "other": other, **sizes, "exceeds": exceeded}


def all_above(name: str, pairs: Iterable[tuple[str, int, int]], images: int, errors: int) -> list[Step]:
    """A step for each of the pairs (what, one, other): that one is above the other."""
    return [
        Step(
            f"{name}, {what}: {shown(one)} is above {shown(other)} by more than two standard errors, on "
            f"{images:,} each.",
            partial(is_above, one, other, images, errors),
            "finite",
            evidence_of(one, other, images, True),
        )
        for what, one, other in pairs
    ]


def all_within(
    name: str, pairs: Iterable[tuple[str, int, int]], images: int, errors: int, images_of_other: int | None = None
) -> list[Step]:
    """A step for each of the pairs (what, one, other): that they are within two standard errors."""
    sizes = f"{images:,} each" if images_of_other is None else f"{images:,} and {images_of_other:,}"
    return [
        Step(
            f"{name}, {what}: {shown(one)} and {shown(other)}, on {sizes}, differ by no more than two standard errors, "
            "unpaired.",
            partial(is_within, one, other, images, errors, images_of_other or images),
            "finite",
            evidence_of(one, other, images, False, images_of_other),
        )
        for what, one, other in pairs
    ]
