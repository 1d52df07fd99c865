"""What the READMEs say of accuracy and angles is what the committed records say."""

import functools
import re
from pathlib import Path

import pytest

from analysis import paired, records

README, MEASURED = (" ".join(Path(name).read_text("utf-8").split()) for name in ("README.md", "analysis/README.md"))
PRINTED = ("w-softmax:0.5", "w-softmax:1", "w-softmax:1.5")
LATER = "later_test_accuracy"


@functools.cache
def runs(pack):
    return records.load(Path(f"figures/data/{pack}{records.PACK_SUFFIX}"))


def values(pack, loss, width=None, column="test_accuracy", feature="prelu-bn"):
    """By seed; accuracies in %, shares too."""
    table = runs(pack)
    width = int(table["classes"].iloc[0]) - 1 if width is None else width
    chosen = table[(table["loss"] == loss) & (table["width"] == width) & (table["feature"] == feature)]
    found = chosen.set_index("seed")[column].dropna()
    return found if column.endswith("angle") else 100 * found


def number(value, digits):
    return f"{value:.{digits}f}".replace("-", "−")


def less(pack, one, other, digits=1, sign=1, **column):
    """One loss, or width, less another: `mean (low to high)`, or its parts; `sign` −1: how much more the other has."""
    (one, at), (other, where) = (each if isinstance(each, tuple) else (each, None) for each in (one, other))
    gain = sign * (values(pack, one, at, **column) - values(pack, other, where, **column)).dropna()
    return [number(each, digits) for each in paired.mean_interval(gain)]


def between(mean, low, high):
    return f"{mean} ({low} to {high})"


def listed(items):
    *first, last = items
    return f"{', '.join(first)} and {last}"


def later_gains():
    gains = [less("paper-mnist", loss, "softmax", 3, column=LATER) for loss in PRINTED]
    assert all(float(low.replace("−", "-")) > 0 for _, low, _ in gains)
    yield README, f"by {listed([f'{float(mean):.2f}' for mean, *_ in gains])} points at α = 0.5, 1 and 1.5 (looked at"
    yield README, f"on MNIST, by {float(gains[0][0]):.2f} to {float(gains[2][0]):.2f} points, and on CIFAR10"
    first, *others = gains
    yield (
        MEASURED,
        f"by {first[0]} points ({first[1]} to {first[2]}), {listed([between(*each) for each in others])} ([led",
    )


def best_gains():
    means = [less("paper-mnist", loss, "softmax", 2, column="best_accuracy")[0] for loss in PRINTED]
    yield README, f"the test set by {min(means)} to {max(means)}; after the last epoch"
    yield MEASURED, f"(by {listed(means)} points;"


def last_epoch():
    means = [number(values("paper-mnist", loss).mean(), 2) for loss in ("softmax", *PRINTED)]
    yield MEASURED, f"{means[0]} % with softmax, {listed(means[1:])} with α = 0.5, 1 and 1.5"
    for loss in PRINTED:
        mean, low, high = less("paper-mnist", loss, "softmax", 2)
        yield MEASURED, re.compile(rf"{mean} (points )?\((95 % interval )?{low} to {high}\)")


def losses_on_cifar():
    for pack in ("cifar10-small", "cifar100-small"):
        lost = [less(pack, loss, "softmax", sign=-1) for loss in PRINTED]
        assert all(float(low) > 0 for _, low, _ in lost)
        means = [mean for mean, *_ in lost]
        yield README, f"by {means[0]} to {means[2]}"
        if pack == "cifar10-small":
            yield MEASURED, f"{means[1]} points ({lost[1][1]} to {lost[1][2]}) fewer of the test images"
            yield MEASURED, f"below softmax by {between(*lost[2])}"
            yield MEASURED, f"α = 0.5 is {means[0]} below ({lost[0][1]} to {lost[0][2]})"
        else:
            yield MEASURED, f"α = 0.5, 1 and 1.5 are {listed([between(*each) for each in lost])} below softmax's"


def baselines():
    others = ("hinge", "l-softmax")
    less_than_softmax = [less("cifar10-small", other, "softmax", sign=-1)[0] for other in others]
    yield README, f"softmax beats both on CIFAR10, by {listed(less_than_softmax)} points"
    ours = [less("cifar10-small", "w-softmax:1.5", other) for other in others]
    first, second = ours
    yield MEASURED, f"by {first[0]} points ({first[1]} to {first[2]}) and {between(*second)}"


def remedies():
    centred, simplex = (
        less("cifar10-small", f"w-softmax-{kind}:1", "softmax", sign=-1) for kind in ("centred", "simplex")
    )
    angles = [
        values("cifar10-small", loss, column="test_angle").mean()
        for loss in ("softmax", "w-softmax-centred:1", "w-softmax-simplex:1")
    ]
    yield README, f"with α = 1, {simplex[0]} points ({simplex[1]} to {simplex[2]}, ten seeds)"
    yield README, f"angles of {angles[2]:.1f}° instead of {angles[0]:.0f}°"
    yield README, f"centring costs {centred[0]} points ({centred[1]} to {centred[2]})"
    yield README, f"from {angles[0]:.0f}° to {angles[1]:.0f}°"
    yield MEASURED, f"to {angles[1]:.0f}° from softmax's {angles[0]:.0f}°, the simplex to {angles[2]:.1f}°"
    yield MEASURED, f"{centred[0]} points below softmax ({centred[1]} to {centred[2]}), the simplex {between(*simplex)}"


def widths():
    gains = {
        m: less("cifar10-small", ("softmax", 9), ("softmax", m), 2 if m in (8, 90) else 1) for m in (6, 7, 8, 45, 90)
    }
    yield MEASURED, f"6 lose {gains[6][0]} points (95 % interval {gains[6][1]} to {gains[6][2]})"
    yield MEASURED, f"7 {between(*gains[7])}"
    yield MEASURED, f"45 {between(*gains[45])}"
    yield MEASURED, f"90 units have {gains[90][0]} points fewer"
    many = {m: less("cifar100-small", ("softmax", m), ("softmax", 99)) for m in (198, 297)}
    yield MEASURED, f"198 and 297 gain {between(*many[198])} and {between(*many[297])}"
    fifty = less("cifar100-small", ("softmax", 99), ("softmax", 50))
    yield MEASURED, f"50 lose {between(*fifty)}"


def angles():
    means = [values("paper-mnist", loss, column="test_angle").mean() for loss in ("softmax", *PRINTED)]
    told = ", ".join(f"{mean:.0f}°" for mean in means[1:-1])
    yield README, f"{means[0]:.0f}° with softmax, {told} and {means[-1]:.0f}° at α = 0.5, 1 and 1.5"
    at_five = values("mnist-small", "w-softmax:1", 5, "test_angle")
    low, high = at_five[at_five < 20], at_five[at_five > 20]
    names = {3: "three", 7: "seven", 10: "ten"}
    yield (
        MEASURED,
        (
            f"{names[len(low)]} of {names[len(at_five)]} seeds end at {low.min():.0f}° to {low.max():.0f}°, "
            f"{names[len(high)]} at {high.min():.0f}° to {high.max():.0f}°"
        ),
    )


def sooner():
    for column in ("met_accuracy", "later_met_accuracy"):
        gains = [less("paper-mnist", loss, "softmax", 3, column=column) for loss in PRINTED]
        shown = [float(low.replace("−", "-")) > 0 for _, low, _ in gains]
        if column == "met_accuracy":
            assert all(shown)
            yield MEASURED, f"by {listed([mean for mean, *_ in gains])} points at α = 0.5, 1 and 1.5; but"
        else:
            assert shown == [False, False, True]
            yield MEASURED, f"α = 1.5 is, by {between(*gains[2])}"


def overfitting():
    for pack in ("cifar10-small", "cifar100-small"):
        gaps = {
            loss: values(pack, loss, column="train_accuracy") - values(pack, loss) for loss in ("softmax", *PRINTED)
        }
        smaller = [number((gaps["softmax"] - gaps[loss]).dropna().mean(), 1) for loss in PRINTED]
        softmax = number(gaps["softmax"].mean(), 1)
        yield MEASURED, re.compile(rf"by {listed(smaller)} (points )?less than (softmax's )?{softmax}")
    trained = [values(pack, "softmax", column="train_accuracy").mean() for pack in ("cifar10-small", "cifar100-small")]
    yield MEASURED, f"{trained[0]:.0f} and {trained[1]:.0f} % of the training images are right"


SAID = [later_gains, best_gains, last_epoch, losses_on_cifar, baselines, remedies, widths, angles, sooner, overfitting]


@pytest.mark.parametrize("statements", SAID, ids=lambda each: each.__name__)
def test_a_number_in_a_readme_is_that_of_the_records(statements):
    for readme, told in statements():
        pattern = told if isinstance(told, re.Pattern) else re.compile(re.escape(told))
        assert pattern.search(readme), told
