"""What the READMEs say of accuracy and angles is what the committed records say."""

import functools
import itertools
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from analysis import captions, committed, paired, plateau, records
from fc_width.recipes import RECIPES, sweep_widths

README, MEASURED = (" ".join(Path(name).read_text("utf-8").split()) for name in ("README.md", "analysis/README.md"))
PRINTED = ("w-softmax:0.5", "w-softmax:1", "w-softmax:1.5")
LATER = "later_test_accuracy"
SAID = []
"""What is said: functions that yield a README and what stands in it."""


def said(statements):
    SAID.append(statements)
    return statements


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


@said
def later_gains():
    gains = [less("paper-mnist", loss, "softmax", 3, column=LATER) for loss in PRINTED]
    assert all(float(low.replace("−", "-")) > 0 for _, low, _ in gains)
    yield README, f"by {float(gains[0][0]):.2f} to {float(gains[2][0]):.2f} points; not in the small one"
    small = [less("mnist-small", loss, "softmax", 2, -1, column=LATER) for loss in PRINTED[1:]]
    assert all(float(low) > 0 for _, low, _ in small)
    yield (
        MEASURED,
        f"averaged over its epochs after that phase α = 1 and 1.5 are below softmax there, by "
        f"{listed([mean for mean, *_ in small])} points",
    )
    first, *others = gains
    yield (
        MEASURED,
        f"by {first[0]} points ({first[1]} to {first[2]}), {listed([between(*each) for each in others])} ([led",
    )


@said
def kinds_of_weights_on_mnist():
    """Each minus softmax with the same feature."""
    kinds = [f"w-softmax-{kind}:{alpha}" for kind in ("centred", "simplex") for alpha in ("0", "0.5", "1", "1.5")]
    found = {
        (feature, kind): [
            float(each.replace("−", "-")) for each in less("mnist-small", kind, "softmax", 3, feature=feature)
        ]
        for feature in ("linear", "prelu-bn", "bn-relu")
        for kind in kinds
    }
    assert max(low for _, low, _ in found.values()) < 0
    assert {len(values("mnist-small", kind, feature="linear")) for kind in kinds} == {3}
    most = max(mean for mean, *_ in found.values())
    best = [key for key in found if found[key][0] == most]
    assert ("linear", "w-softmax-simplex:1") in best
    mean, low, high = (number(each, 1) for each in found["linear", "w-softmax-simplex:1"])
    yield MEASURED, f"is the simplex's with linear features, {mean} points ({low} to {high})"
    in_vain = {("bn-relu", kind) for kind in kinds if "simplex" in kind}
    lost = [(feature, "w-softmax-centred:1.5") for feature in ("prelu-bn", "bn-relu")]
    assert {key for key in found if found[key][2] < 0} == {*lost, *in_vain}
    (one, other) = ([number(-found[key][part], 1) for part in (0, 2, 1)] for key in lost)
    yield MEASURED, f"lose, {one[0]} points ({one[1]} to {one[2]}) after batch norm and {between(*other)} after a ReLU"
    (points,) = {round(-found[key][0]) for key in in_vain}
    yield MEASURED, f"where the simplex loses {points} at every α"


@said
def best_gains():
    means = [less("paper-mnist", loss, "softmax", 2, column="best_accuracy")[0] for loss in PRINTED]
    later = [less("paper-mnist", loss, "softmax", 2, column=LATER)[0] for loss in PRINTED]
    yield README, f"gains of {min(*means, *later)} to {max(*means, *later)} points"
    yield MEASURED, f"(by {listed(means)} points;"


@said
def last_epoch():
    means = [number(values("paper-mnist", loss).mean(), 2) for loss in ("softmax", *PRINTED)]
    yield MEASURED, f"{means[0]} % with softmax, {listed(means[1:])} with α = 0.5, 1 and 1.5"
    for loss in PRINTED:
        mean, low, high = less("paper-mnist", loss, "softmax", 2)
        yield MEASURED, re.compile(rf"{mean} (points )?\((95 % interval )?{low} to {high}\)")


@said
def losses_on_cifar():
    for pack in ("cifar10-small", "cifar100-small"):
        lost = [less(pack, loss, "softmax", sign=-1) for loss in PRINTED]
        assert all(float(low) > 0 for _, low, _ in lost)
        means = [mean for mean, *_ in lost]
        yield README, f"{listed([f'−{mean}' for mean in means])}, each shown"
        if pack == "cifar10-small":
            yield MEASURED, f"{means[1]} points ({lost[1][1]} to {lost[1][2]}) fewer of the test images"
            yield MEASURED, f"below softmax by {between(*lost[2])}"
            yield MEASURED, f"α = 0.5 is {means[0]} below ({lost[0][1]} to {lost[0][2]})"
        else:
            told = listed([between(*each) for each in lost])
            yield MEASURED, f"α = 0.5, 1 and 1.5 are {told} below softmax on the ten seeds that both have"
            every = values(pack, "softmax")
            assert {len(values(pack, loss)) for loss in PRINTED} == {10}
            yield MEASURED, f"(softmax has {number(every.mean(), 1)} % over all its {len(every)},"


@said
def baselines():
    others = ("hinge", "l-softmax")
    less_than_softmax = [less("cifar10-small", other, "softmax", sign=-1)[0] for other in others]
    yield README, f"softmax is above the hinge loss and L-Softmax on CIFAR10, by {listed(less_than_softmax)} points"
    ours = [less("cifar10-small", "w-softmax:1.5", other) for other in others]
    first, second = ours
    yield MEASURED, f"by {first[0]} points ({first[1]} to {first[2]}) and {between(*second)}"


@said
def remedies():
    kinds = ("w-softmax", "w-softmax-centred", "w-softmax-simplex")
    angle = {
        (kind, alpha): values("cifar10-small", f"{kind}:{alpha}", column="test_angle").mean()
        for kind in kinds
        for alpha in ("0", "0.5", "1")
    }
    softmax = f"{values('cifar10-small', 'softmax', column='test_angle').mean():.0f}°"
    yield MEASURED, f"Softmax has {softmax}"
    for alpha in ("0", "0.5", "1"):
        gains = [between(*less("cifar10-small", f"{kind}:{alpha}", "softmax")) for kind in kinds]
        cells = [f"{gain}, {angle[kind, alpha]:.0f}°" for gain, kind in zip(gains, kinds, strict=True)]
        yield MEASURED, f"| {alpha} | {' | '.join(cells)} |"
    costs = [less("cifar10-small", f"{kind}:0", f"{kind}:1") for kind in kinds]
    half = [less("cifar10-small", f"{kind}:0", f"{kind}:0.5") for kind in kinds]
    assert all(float(low.replace("−", "-")) > 0 for _, low, _ in [*half, *costs])
    yield MEASURED, f"α = 0.5 loses {listed([between(*each) for each in half])} against it"
    yield README, f"accuracy {half[2][0]} points ({half[2][1]} to {half[2][2]}) lower than with α = 0"
    first, second, third = ([mean, f"({low} to {high})"] for mean, low, high in costs)
    yield MEASURED, f"α = 1 loses {' '.join(first)}, {' '.join(second)} and {' '.join(third)} points"
    at = {alpha: less("cifar10-small", f"w-softmax-simplex:{alpha}", "softmax", sign=-1) for alpha in ("0", "0.5", "1")}
    for alpha, told, end in (("0", f"by {at['0'][0]} points", ", ten seeds"), ("0.5", "no loss is shown", "")):
        better = at[alpha][1].removeprefix("−")
        assert better != at[alpha][1]
        yield README, f"{told} ({better} better to {at[alpha][2]} worse{end})"
    yield README, f"loses {at['1'][0]} points ({at['1'][1]} to {at['1'][2]}) against softmax"
    yield README, f"the mean angle is {angle[kinds[2], '0.5']:.1f}° then, where softmax has {softmax}"
    yield README, f"α = 1 makes {angle[kinds[2], '1']:.1f}°"
    centred = [less("cifar10-small", f"{kinds[1]}:{alpha}", "softmax", sign=-1)[0] for alpha in ("0.5", "1")]
    turned = [f"{angle[kinds[1], alpha]:.0f}°" for alpha in ("0.5", "1")]
    assert float(turned[0].removesuffix("°")) > 47 > float(turned[1].removesuffix("°"))
    yield README, "[they do not help](analysis/README.md#centred-weights-and-the-simplex)"
    assert float(less("cifar10-small", f"{kinds[1]}:1", "softmax", column="test_angle")[2]) > 0
    apart = [
        f"{values('cifar10-small', loss, column='smallest_angle').mean():.0f}°"
        for loss in (f"{kinds[1]}:0.5", f"{kinds[1]}:1", "softmax")
    ]
    assert all(float(each) > 0.9 for each in centred)
    yield (
        MEASURED,
        f"two within {apart[0]} with α = 0.5, within {apart[1]} with α = 1 (softmax: {apart[2]})",
    )


@said
def widths():
    gains = {
        m: less("cifar10-small", ("softmax", 9), ("softmax", m), 2 if m in (8, 90) else 1) for m in (6, 7, 8, 45, 90)
    }
    yield MEASURED, f"6 lose {gains[6][0]} points (95 % interval {gains[6][1]} to {gains[6][2]})"
    yield MEASURED, f"7 {between(*gains[7])}"
    yield MEASURED, f"45 {between(*gains[45])}"
    yield MEASURED, f"90 units have {gains[90][0]} points fewer"
    spread = [
        each.std() for m in (6, 7, 8, 9, 18, 27, 45, 90) if len(each := values("cifar10-small", "softmax", m)) == 15
    ]
    assert len(spread) == 8
    yield MEASURED, f"(15 seeds, standard deviation {min(spread):.1f} to {max(spread):.1f} points)"
    many = {m: less("cifar100-small", ("softmax", m), ("softmax", 99)) for m in (198, 297)}
    yield MEASURED, f"198 and 297 gain {between(*many[198])} and {between(*many[297])}"
    fifty = less("cifar100-small", ("softmax", 99), ("softmax", 50))
    yield MEASURED, f"50 lose {between(*fifty)}"


@said
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


@said
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


@said
def compactness():
    for pack, name in (("mnist-small", "on MNIST"), ("cifar10-small", "on CIFAR10"), ("cifar100-small", "on CIFAR100")):
        low, high = (values(pack, loss, column="variance_ratio") / 100 for loss in (PRINTED[0], PRINTED[2]))
        falls = [100 * -math.expm1(-each) for each in paired.mean_interval((low / high).map(math.log))]
        mean, least, most = (number(each, 0) for each in falls)
        yield MEASURED, f"{mean} % {name} ({least} to {most})"
        yield README, f"[{mean} % {name}]"
    low, high = (values("cifar10-small-long", loss, column="variance_ratio") for loss in (PRINTED[0], PRINTED[2]))
    _, least, most = paired.mean_interval((low / high).map(math.log))
    assert least < 0 < most
    yield README, "but is not shown to on CIFAR10 trained three times as long"
    learned, fixed = (
        values("cifar10-small", f"w-softmax{kind}:0", column="variance_ratio") for kind in ("", "-simplex")
    )
    lower = [number(each / 100, 2) for each in paired.mean_interval((learned - fixed).dropna())]
    assert len((learned - fixed).dropna()) == 8
    yield MEASURED, f"the ratio is {lower[0]} lower ({lower[1]} to {lower[2]}, the eight seeds that both have)"


@said
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


@said
def seconds():
    by_device = runs("mnist-small").groupby("device")["seconds"].median()
    epyc, xeon = (by_device[name] for name in ("cpu: AMD EPYC", "cpu: Intel(R) Xeon(R) Processor"))
    yield MEASURED, f"took {xeon:.0f} seconds on a core of an Intel Xeon, {epyc:.0f} on one of an AMD EPYC"


def test_a_run_takes_about_as_long_as_its_recipe_says():
    """Within a factor of 2.5 of the median: machines of one name differ by two and more."""
    timed = set()
    for pack in committed.SWEEPS:
        table = runs(pack)
        recipe = str(table["name"].iloc[0])
        named = RECIPES[recipe]
        on_it = table[table["device"].str.contains("Xeon" if "Xeon" in named.hardware else "EPYC")]
        if len(on_it) and table["dataset"].iloc[0] == named.recipe.dataset:
            assert 0.4 < on_it["seconds"].median() / named.seconds < 2.5, recipe
            timed.add(recipe)
    small = {f"{name}-small" for name in ("mnist", "cifar10", "cifar100")}
    assert timed >= {"digits", "paper-mnist", "cifar10-small-long", "cifar100-small-long", *small}


@said
def limits():
    """Which widths of a sweep's own were not run."""
    tables = {name: swept(f"{name}-small") for name in ("cifar10", "fashion-mnist", "cifar100")}
    missing = {
        (name, loss): [
            f"{width:,}"
            for width in sweep_widths(int(table["classes"].iloc[0]))
            if width not in set(swept(f"{name}-small", loss)["width"])
        ]
        for name, table in tables.items()
        for loss in ("softmax", "w-softmax:1")
    }
    assert missing["cifar10", "softmax"] == missing["fashion-mnist", "softmax"]
    ten, hundred = (missing[name, "softmax"] for name in ("cifar10", "cifar100"))
    yield (
        README,
        f"softmax was not run at {listed(ten)} on CIFAR10 and Fashion-MNIST, nor at {listed(hundred)} on CIFAR100",
    )
    more = [
        listed([width for width in missing[name, "w-softmax:1"] if width not in missing[name, "softmax"]])
        for name in ("cifar10", "cifar100")
    ]
    yield README, f"moreover not at {more[0]} on CIFAR10 and {more[1]} on CIFAR100;"
    for name in ("cifar10", "cifar100"):
        table = runs(f"{name}-small")
        others = table[~table["loss"].isin(["softmax", "w-softmax:1"])]
        assert set(others["width"]) == {int(table["classes"].iloc[0]) - 1}
    fashion = runs("fashion-mnist-small")
    assert set(fashion["loss"]) == {"softmax", *PRINTED}
    at = sorted(fashion.loc[fashion["loss"] != "softmax", "width"].unique())
    yield README, f"and on Fashion-MNIST at {listed(list(map(str, at)))}, as printed, only."


@said
def the_paper_s_figures():
    gains = {
        loss: [
            (values("mnist-small", loss, m) - values("mnist-small", "softmax", m)).mean()
            for m in sorted(runs("mnist-small")["width"].unique())
            if m >= 9
        ]
        for loss in (PRINTED[0], PRINTED[2])
    }
    assert {len(each) for each in gains.values()} == {9}
    above = [number(each, 2) for each in (min(gains[PRINTED[0]]), max(gains[PRINTED[0]]))]
    below = [number(-each, 2) for each in (max(gains[PRINTED[2]]), min(gains[PRINTED[2]]))]
    yield (
        README,
        f"from 9 units on it is {above[0]} to {above[1]} points above softmax with α = 0.5 and "
        f"{below[0]} to {below[1]} below with α = 1.5, by the means",
    )
    at = pd.read_csv("figures/data/fig5-angles-paper-mnist.csv").groupby(["split", "class", "loss"])["mean_angle"]
    means = at.mean().unstack()[["softmax", *PRINTED]]
    assert means.shape == (20, 4)
    assert (means.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    yield README, "here their means rise in every class, on the training and the test images alike"
    apart = (at.max() - at.min()).unstack()[PRINTED[0]]
    yield README, f"of one class by {apart.min():.0f}° to {apart.max():.0f}° with α = 0.5"


@said
def on_mnist():
    means = {m: values("mnist-small", "softmax", m).mean() for m in (4, 9, 270)}
    yield MEASURED, f"With softmax {means[4]:.1f} % at M = 4, {means[9]:.1f} % at 9 and at 270"
    assert f"{means[9]:.1f}" == f"{means[270]:.1f}"
    lost = [less("mnist-small", ("softmax", 9), ("softmax", m), 2) for m in (90, 180, 270)]
    assert all(float(low.replace("−", "-")) < 0 < float(high) for _, low, high in lost)
    yield MEASURED, f"softmax loses {listed([mean for mean, *_ in lost])} points at M = 90, 180 and 270"
    yield MEASURED, f"end at {min(high for *_, high in lost)} to {max(high for *_, high in lost)}"
    low = less("mnist-small", PRINTED[0], "softmax", 2)
    mid, high = (less("mnist-small", loss, "softmax", 2, sign=-1) for loss in PRINTED[1:])
    yield (
        MEASURED,
        (
            f"α = 0.5 is {low[0]} points above softmax ({low[1]} to {low[2]}), α = 1 and 1.5 are {between(*mid)} and "
            f"{high[0]} below ({high[1]} to {high[2]})"
        ),
    )
    at = {
        loss: values("mnist-small", loss, column="test_angle").mean() for loss in ("softmax", "w-softmax:0", *PRINTED)
    }
    yield MEASURED, f"to {at[PRINTED[0]]:.1f}° from softmax's {at['softmax']:.0f}° ({at['w-softmax:0']:.0f}° at α = 0"
    yield MEASURED, f"to {at[PRINTED[1]]:.0f}° and {at[PRINTED[2]]:.0f}°. The paper gives no M"


@said
def on_linear_features():
    of = {
        (kind, alpha): values("mnist-small", f"w-softmax{kind}:{alpha}", column="test_angle", feature="linear").mean()
        for kind in ("", "-simplex")
        for alpha in ("0", "1", "1.5")
    }
    on_simplex, printed = ([f"{of[kind, alpha]:.0f}°" for alpha in ("0", "1", "1.5")] for kind in ("-simplex", ""))
    yield README, "falls from {} to {} on the simplex as α rises to 1, to {} at 1.5".format(*on_simplex)
    yield README, "as printed it grows from {} to {} and {}".format(*printed)
    far = [values("mnist-small", loss, column="test_inverted", feature="linear").mean() for loss in PRINTED]
    yield MEASURED, f"({far[0]:.0f} % at α = 0.5, {far[2]:.1f} % at 1.5)"
    right = [values("mnist-small", loss, feature="linear").mean() for loss in ("softmax", PRINTED[2])]
    softmax = f"{values('mnist-small', 'softmax', column='test_angle', feature='linear').mean():.0f}°"
    yield README, f"(softmax has {softmax}):"
    yield MEASURED, f"as printed, with softmax {softmax}."
    yield MEASURED, f"accuracy falls from {right[0]:.1f} % to {right[1]:.1f} %"
    after_relu = [values("mnist-small", f"w-softmax-{kind}:1", feature="bn-relu") for kind in ("simplex", "centred")]
    yield README, f"({after_relu[0].mean():.0f} % instead of {after_relu[1].mean():.0f} % on MNIST"


@said
def the_loophole():
    sums = [values("paper-mnist", loss, column="weight_sum_norm").mean() / 100 for loss in PRINTED]
    yield README, f"add up to vectors of length {listed([f'{each:.1f}' for each in sums])} ([table]"
    sums = [values("cifar100-small", loss, column="weight_sum_norm").mean() / 100 for loss in PRINTED]
    yield README, f"the 100 of CIFAR100 to {min(sums):.0f} to {max(sums):.0f}"
    far = [values("paper-mnist", loss, column="test_inverted").mean() for loss in PRINTED]
    yield README, f"in the paper's own network on MNIST {min(far):.1f} to {max(far):.0f} %"
    far = {loss: values("cifar10-small", loss, column="test_inverted").mean() for loss in runs("cifar10-small")["loss"]}
    yield MEASURED, f"with {far['w-softmax:1']:.0f} % of the features on the far side"
    kinds = [far[f"w-softmax-{kind}:1"] for kind in ("centred", "simplex")]
    yield MEASURED, f"{kinds[0]:.0f} and {kinds[1]:.0f} % are on that side with α = 1"
    far = [values("cifar100-small", loss, column="test_inverted").mean() for loss in PRINTED]
    yield MEASURED, f"with {min(far):.0f} to {max(far):.0f} % of the features on the far side"


@said
def the_softmax_phase():
    warm, softmax = (values("mnist-small", loss, column="met_accuracy") for loss in (PRINTED[1], "softmax"))
    cold = values("mnist-small-cold", PRINTED[1], column="met_accuracy")
    gain, without, with_it = (
        [number(each, 2) for each in paired.mean_interval(difference.dropna())]
        for difference in (warm - cold, softmax - cold, softmax - warm)
    )
    yield (
        MEASURED,
        f"{float(gain[0]):.1f} points fewer of the samples met in training are right ({gain[1]} to {gain[2]}",
    )
    yield MEASURED, f"α = 1 gets {without[0]} points fewer right without the phase ({without[1]} to {without[2]})"
    yield MEASURED, f"and {with_it[0]} with it ({with_it[1]} to {with_it[2]}"
    ends = [
        f"{values('mnist-small-cold', loss, column='test_angle').mean():.0f}°{told}"
        for loss, told in zip(PRINTED, (" instead of 14.5°", " instead of 42°"), strict=False)
    ]
    yield MEASURED, f"without it α = 0.5 ends at {ends[0]}, α = 1 at {ends[1]}"
    late = values("mnist-small", PRINTED[1]) - values("mnist-small-cold", PRINTED[1])
    _, low, high = paired.mean_interval(late.dropna())
    assert low < 0 < high  # the accuracy at the end is not shown to differ


@said
def over_widths():
    """At C − 1 and more, of the seeds that all widths have."""
    table = runs("mnist-small")
    wide = sorted(int(width) for width in table["width"].unique() if width >= 9)
    told = []
    for loss in PRINTED:
        gains = [values("mnist-small", loss, width) - values("mnist-small", "softmax", width) for width in wide]
        told.append([number(each, 2) for each in paired.mean_interval(pd.concat(gains, axis=1).dropna().mean(axis=1))])
        assert len(pd.concat(gains, axis=1).dropna()) == 10
    above, *below = told
    assert float(above[1]) > 0
    yield MEASURED, f"α = 0.5 is {above[0]} points above softmax ({above[1]} to {above[2]})"
    first, second = ([end.removeprefix("−") for end in (mean, high, low)] for mean, low, high in below)
    yield MEASURED, f"α = 1 and 1.5 {between(*first)} and {between(*second)} below, ten seeds"


@said
def too_wide():
    test, train = (
        [values("cifar100-small", "softmax", width, f"{split}_accuracy").mean() for width in (990, 1980, 2970)]
        for split in ("test", "train")
    )
    yield (
        MEASURED,
        f"softmax gets {test[0]:.0f} % of the test images right at M = 990, {test[1]:.0f} % at 1,980 and "
        f"{test[2]:.0f} % at 2,970, of the training images {listed([f'{each:.0f}' for each in train])} %, where",
    )
    biased = [values("cifar100-small", "w-softmax:1", 2970, f"{split}_accuracy").mean() for split in ("test", "train")]
    yield MEASURED, f"α = 1 gets {biased[0]:.0f} and {biased[1]:.0f} % at 2,970"
    plateau_of = pd.concat([values("cifar100-small", "softmax", width) for width in (198, 297, 495)], axis=1).mean(
        axis=1
    )
    lost = (plateau_of - values("cifar100-small", "softmax", 990)).dropna()
    mean, low, high = (number(each, 1) for each in paired.mean_interval(lost))
    yield README, f"990 units lose {mean} points ({low} to {high}), but by the means more in training: not decided"


def swept(pack, loss="softmax"):
    table = runs(pack)
    return table[(table["loss"] == loss) & (table["feature"] == "prelu-bn")]


def by_errors(own, share=plateau.ERRORS):
    return plateau.knee(own, share / plateau.ERRORS * plateau.error_margin(own))


@said
def compact_with_w_softmax():
    ratios = {loss: values("mnist-small", loss, column="variance_ratio") / 100 for loss in ("softmax", *PRINTED)}
    assert {len(each) for each in ratios.values()} == {10}
    softmax, *ours = (number(each.mean(), 3) for each in ratios.values())
    yield MEASURED, f"that is {softmax} with softmax and {listed(ours)} with α = 0.5, 1 and 1.5, ten seeds"
    told = []
    for loss in (PRINTED[0], PRINTED[2]):
        none, some = (values("cifar10-small", each, column="variance_ratio") for each in ("w-softmax:0", loss))
        logs = [math.log(ratio) for ratio in (none / some).dropna()]
        assert len(logs) == 8
        told.append([number(100 * (1 - math.exp(-each)), 0) for each in paired.mean_interval(pd.Series(logs))])
    first, second = (f"by {mean} % ({low} to {high})" for mean, low, high in told)
    yield MEASURED, f"{first}, α = 1.5 is, {second}, the eight seeds that have it"


@said
def three_times_as_long():
    short, long = swept("cifar10-small"), swept("cifar10-small-long")
    found = plateau.knee(long, 0.5)
    assert found.seeds == found.fewest == 8
    by_means = long.groupby("width")["test_accuracy"].mean()
    assert by_means.idxmax() == 9
    yield MEASURED, f"the knee is {found.text()} within half a point, and by errors {by_errors(long).text()}."
    more = 100 * (found.plateau - plateau.knee(short, 0.5).plateau)
    right = 100 * long.query("width == 9")["train_accuracy"].mean()
    yield (
        MEASURED,
        f"{right:.0f} % of the training images are right at 9 units, and the plateau is {more:.1f} points higher",
    )
    last, best = (100 * long.query("width == 9")[name].mean() for name in ("test_accuracy", "best_accuracy"))
    yield MEASURED, f"{last:.1f} % after the last epoch, {best:.1f} % in the best"


def long_rows(pack="cifar10-small-long", losses=("softmax", "w-softmax:0", *PRINTED), seeds=8):
    """The table of what three times as many epochs make of each loss, but for its head."""
    assert {len(values(pack, loss)) for loss in losses} == {seeds}
    measures = {
        "training images right, %": ("train_accuracy", 0),
        "test accuracy after the last epoch, %": ("test_accuracy", 1),
        "in the best epoch on the test set, %": ("best_accuracy", 1),
        "features on the far side, %": ("test_inverted", 0),
    }
    for text, (column, digits) in measures.items():
        yield text, [number(values(pack, loss, column=column).mean(), digits) for loss in losses]
    columns = {"after the last epoch": "test_accuracy", "mean of epochs 7 to 24": LATER, "best epoch": "best_accuracy"}
    for text, column in columns.items():
        cells = [between(*less(pack, loss, "softmax", column=column)) for loss in losses[1:]]
        yield f"test accuracy minus softmax's, {text}", ["", *cells]
    late = [after(pack, loss, 24) - after(pack, loss, 8) for loss in losses]
    yield "change of test accuracy, epoch 8 to 24", [told(each) for each in late]


def after(pack, loss, epoch):
    """Test accuracy at M = C − 1 after an epoch, %, by seed."""
    at = runs(pack).query("loss == @loss and width == classes - 1 and feature == 'prelu-bn'").set_index("seed")
    return at["epoch_accuracy"].map(lambda curves: 100 * curves["test"][epoch - 1])


def told(differences):
    return between(*[number(each, 1) for each in paired.mean_interval(differences.dropna())])


@said
def trained_three_times_as_long():
    pack, softmax, ours = "cifar10-small-long", "softmax", "w-softmax:1"
    for text, cells in long_rows():
        yield MEASURED, f"| {text} | {' | '.join(cells)} |".replace("|  |", "| |")
    last, later, best = (
        [less(pack, loss, softmax, column=column) for loss in PRINTED]
        for column in ("test_accuracy", LATER, "best_accuracy")
    )
    assert all(float(low) > 0 for _, low, _ in last)
    assert not any(float(each[1].replace("−", "-")) > 0 for each in [*later, *best])
    assert not any(float(each[2]) < 0 for each in [*later, *best])
    means = [mean for mean, *_ in last]
    yield README, f"| after 24 epochs | {listed(means)}, each shown |"
    yield README, f"| {listed([mean for mean, *_ in best])}, none shown |"
    yield README, f"not after eight epochs; after 24 by {min(means)} to {max(means)} points"
    none = less(pack, "w-softmax:0", softmax)
    assert float(none[1].replace("−", "-")) < 0 < float(none[2])
    falls = {loss: paired.mean_interval(after(pack, loss, 24) - after(pack, loss, 8)) for loss in (softmax, *PRINTED)}
    assert {loss for loss, (_, _, high) in falls.items() if high < 0} == {softmax, PRINTED[0]}
    yield MEASURED, f"Softmax goes on to {values(pack, softmax, column='train_accuracy').mean():.0f} % of the training"
    of = runs(pack).query("loss == 'softmax' and width == 9")["epoch_accuracy"]
    curve = 100 * pd.DataFrame([curves["test"] for curves in of]).mean()
    top = int(curve.idxmax())
    yield MEASURED, f"from {curve[top]:.1f} % after epoch {top + 1} to {curve.iloc[-1]:.1f} %"
    gaps = [told(after(name, softmax, 8) - after(name, ours, 8)) for name in (pack, "cifar10-small")]
    first, second = gaps
    yield MEASURED, f"α = 1 is below softmax by {first.replace(' (', ' points (')}"
    yield MEASURED, f"of the short one by {second}"


def stopped_rows():
    """The table of what stopping by held-out images makes of each loss, but for its head."""
    pack, losses = "cifar10-small-validated", ("softmax", *PRINTED)
    assert len({len(values(pack, loss)) for loss in losses}) == 1
    columns = {"after the last epoch": "test_accuracy", "in the epoch best on the held-out images": "stopped_accuracy"}
    for text, column in columns.items():
        yield f"test accuracy {text}, %", [number(values(pack, loss, column=column).mean(), 1) for loss in losses]
    epochs = runs(pack).groupby("loss")["stopped_epoch"].mean()
    yield "that epoch, mean over seeds", [number(epochs[loss], 1) for loss in losses]
    for text, column in columns.items():
        cells = [between(*less(pack, loss, "softmax", column=column)) for loss in losses[1:]]
        yield f"test accuracy minus softmax's, {text}", ["", *cells]
    late = [values(pack, loss, column="stopped_accuracy") - values(pack, loss) for loss in losses]
    yield "what stopping gains", [told(each) for each in late]


def on_all_images(long, pack, loss):
    """Test accuracy at M = C − 1 after the epoch that was best on the images held out in `pack`, %, by seed."""
    epochs = runs(pack).query("loss == @loss").set_index("seed")["stopped_epoch"].astype(int)
    return pd.Series({seed: after(long, loss, epoch)[seed] for seed, epoch in epochs.items()})


@said
def stopped_in_time():
    for text, cells in stopped_rows():
        yield MEASURED, f"| {text} | {' | '.join(cells)} |".replace("|  |", "| |")
    pack = "cifar10-small-validated"
    assert len(values(pack, "softmax")) == 8
    yield MEASURED, "Of eight planned seeds five were looked at when time ran out, and the others run later"
    gains = [less(pack, loss, "softmax", column="stopped_accuracy") for loss in PRINTED]
    assert all(float(low.replace("−", "-")) < 0 < float(high) for _, low, high in gains)
    yield README, f"trained on the other 90 % | {listed([mean for mean, *_ in gains])}, none shown | |"
    long, stopped = "cifar10-small-long", values(pack, "softmax", column="stopped_accuracy")
    last = {loss: values(long, loss) for loss in ("softmax", *PRINTED)}
    yield MEASURED, f"to the end it gains {told(stopped - last['softmax']).replace(' (', ' points (')}"
    above = [told(last[loss] - stopped) for loss in PRINTED]
    yield MEASURED, f"is not shown to differ from it ({listed([each.partition(' ')[0] for each in above])} above)"
    assert all("(−" in each for each in above)
    in_time = {loss: on_all_images(long, pack, loss) for loss in last}
    more = told(in_time["softmax"] - last["softmax"]).replace(" (", " points (")
    yield MEASURED, f"softmax has {in_time['softmax'].mean():.1f} %, {more} more than after its last epoch"
    likewise = [told(in_time[loss] - in_time["softmax"]) for loss in PRINTED]
    later = [told(last[loss] - in_time["softmax"]) for loss in PRINTED]
    assert all("(−" in each for each in [*likewise, *later])
    yield MEASURED, f"stopped likewise, are {listed(likewise)} above that, and after their last epoch {listed(later)}."
    yield README, f"on CIFAR10 that is {more} above the last of 24 epochs"
    yield README, f"or else stopped in time, which gains {more.partition(' ')[0]};"


@said
def widths_on_cifar100_trained_longer():
    pack, wide, tried = "cifar100-small-long", (198, 297), (25, 50, 98, 99)
    assert sorted(swept(pack)["width"].unique()) == [*tried, *wide]
    assert [len(values(pack, "softmax", width)) for width in (*tried, *wide)] == [6, 6, 6, 8, 8, 8]

    def above(width, column="test_accuracy"):
        others = [values(pack, "softmax", each, column) for each in wide if each != width]
        return (values(pack, "softmax", width, column) - sum(others) / len(others)).dropna()

    def parts(*arguments):
        return [number(each, 1) for each in paired.mean_interval(above(*arguments))]

    ends, best = ({width: parts(width, column) for width in tried} for column in ("test_accuracy", "best_accuracy"))
    for width in (50, 99):
        assert float(ends[width][1]) > 0
    assert float(best[99][1].replace("−", "-")) < 0 < float(best[99][2])
    assert all(value.startswith("−") for width in (25, 50) for value in best[width])
    lost = {width: between(*[best[width][part].removeprefix("−") for part in (0, 2, 1)]) for width in (25, 50)}
    yield README, f"50 units end {ends[50][0]} points ({ends[50][1]} to {ends[50][2]}) above 198 and 297"
    yield README, f"and 99 end {between(*ends[99])} above them"
    yield README, f"99 are not shown to differ from these ({best[99][0]}, {best[99][1]} to {best[99][2]})"
    yield README, f"and 50 and 25 lose {lost[50]} and {lost[25]}"
    assert all("−" not in ends[width][1] for width in (50, 98, 99))
    yield README, f"after 24, of softmax, end {ends[99][0]} points above wider ones, as 98 and 50 do"
    right = {width: f"{values(pack, 'softmax', width, 'train_accuracy').mean():.0f} %" for width in (*tried, *wide)}
    narrow = less(pack, ("softmax", 297), ("softmax", 99), sign=-1)
    yield (
        README,
        f"{right[297]} of the training images are right, with 99 units {right[99]}, and {narrow[0]} points fewer",
    )
    for text, cells in (
        ("training images right, %", [right[width].removesuffix(" %") for width in (*tried, *wide)]),
        (
            "test accuracy after the last epoch, %",
            [f"{values(pack, 'softmax', width).mean():.1f}" for width in (*tried, *wide)],
        ),
        ("minus that of 198 and 297", [between(*ends[width]) for width in tried]),
        (
            "in the best epoch on the test set, %",
            [f"{values(pack, 'softmax', width, 'best_accuracy').mean():.1f}" for width in (*tried, *wide)],
        ),
        ("minus that of 198 and 297 there", [between(*best[width]) for width in tried]),
    ):
        yield MEASURED, f"| {text} | {' | '.join([*cells, *[''] * (6 - len(cells))])} |".replace("|  |  |", "| | |")
    yield (
        MEASURED,
        f"neither 98 nor 99 units are shown to differ from 198 and 297, and 50, half of C − 1, lose {lost[50][:3]}",
    )
    assert float(best[98][1].replace("−", "-")) < 0 < float(best[98][2])
    curves = swept(pack).set_index(["width", "seed"])["epoch_accuracy"]
    after_each = pd.DataFrame({key: curve["test"] for key, curve in curves.items()})
    gains = {width: 100 * (after_each[width] - after_each[99]).dropna(axis=1) for width in (50, 198, 297)}
    above_99 = {width: [*(1 + gain.index[gain.mean(axis=1) > 0])] for width, gain in gains.items()}
    assert above_99 == {50: [15, *range(17, 25)], 198: [*range(1, 12)], 297: [*range(2, 11)]}
    early = told(gains[297].loc[3]).replace(" (", " points, ")
    yield MEASURED, f"297 units are above 99 after epochs 2 to 10 (after epoch 4 by {early}"
    yield MEASURED, "and 50 after epoch 15 and from epoch 17 on"
    best_after_each = after_each.T.groupby(level=0).mean().idxmax()
    assert set(best_after_each[:11]) == {198, 297}
    assert set(best_after_each[11:14]) == {98}
    assert set(best_after_each[17:]) == {50}
    yield README, "by the means 198 or 297 units are best up to epoch 11, then 98, and from epoch 18 on 50"
    every = [values("cifar100-small", "softmax", width) for width in (198, 297, 495)]
    one = [(every[0] - sum(each) / len(each)).mean() for each in (every, every[1:])]
    yield MEASURED, f"198 units lose {-one[0]:.1f} points against all three"
    yield MEASURED, f"and {-one[1]:.1f} against the other two"


@said
def augmented():
    pack, losses = "cifar10-small-augmented", ("softmax", *PRINTED[:2])
    for text, cells in long_rows(pack, losses, 5):
        yield MEASURED, f"| {text} | {' | '.join(cells)} |".replace("|  |", "| |")
    assert set(runs(pack)["loss"]) == set(losses)
    below = [less(pack, loss, "softmax") for loss in PRINTED[:2]]
    assert all(float(each[2].replace("−", "-")) < 0 for each in below)
    softmax, long = values(pack, "softmax"), values("cifar10-small-long", "softmax")
    more = told(softmax - long)
    yield MEASURED, f"{softmax.mean():.1f} %, {more.replace(' (', ' points (')} more than on the images as they are"
    in_time = on_all_images("cifar10-small-long", "cifar10-small-validated", "softmax")
    yield MEASURED, f"and {told(softmax - in_time)} more than stopped in time"
    curve = pd.DataFrame([curves["test"] for curves in runs(pack).query("loss == 'softmax'")["epoch_accuracy"]]).mean()
    assert curve.idxmax() == 23
    kept = [told(values(pack, loss) - values("cifar10-small-long", loss)) for loss in PRINTED[:2]]
    yield MEASURED, f"With α = 0.5 and 1 augmentation gains {kept[0].replace(' (', ' points (')} and {kept[1]}"
    spread = [values(pack, loss, column="variance_ratio").mean() / 100 for loss in losses]
    for loss, than in itertools.pairwise(losses[::-1]):
        assert float(less(pack, loss, than, column="variance_ratio")[1]) > 0
    yield README, "less compact ({:.2f} with softmax, {:.2f} and {:.2f} with α = 0.5 and 1)".format(*spread)
    means = [mean for mean, *_ in below]
    yield README, f"of augmented images | {' and '.join(means)} with α = 0.5 and 1, the only ones tried, each shown |"
    yield README, f"on augmented images, which gains {more.partition(' ')[0]} points over 24 epochs on CIFAR10"
    yield README, f"{' and '.join(mean.lstrip('−') for mean in means)} points below"


@said
def angles_at_270():
    angles = [values("mnist-small", loss, 270, "test_angle").mean() for loss in ("softmax", *PRINTED)]
    assert angles[0] == max(angles)
    assert angles[1:] == sorted(angles[1:])
    yield README, "largest, {:.0f}° against {:.0f}°, {:.0f}° and {:.0f}°, but it rises".format(*angles)


@said
def the_softmax_phase_of_the_small_network():
    warm, cold = (
        pd.DataFrame(
            {
                seed: curves["train"]
                for seed, curves in runs(pack)
                .query("loss == 'w-softmax:1' and width == 9 and feature == 'prelu-bn' and seed < 3")
                .set_index("seed")["epoch_accuracy"]
                .items()
            }
        )
        for pack in ("mnist-small", "mnist-small-cold")
    )
    gains = 100 * (warm - cold)
    assert gains.shape == (4, 3)
    first, later = gains.iloc[0], gains.iloc[1:].mean()
    yield README, f"{first.mean():.1f} points more of the training images are right in the first epoch"
    assert "(−" in told(later)
    yield (
        MEASURED,
        f"the phase itself: {told(first).replace(' (', ' points (')} there, {told(later)} in the other three",
    )


@said
def cifar100_three_times_as_long():
    pack, softmax, ours = "cifar100-small-long", "softmax", "w-softmax:1"
    assert set(runs(pack)["loss"]) == {softmax, ours}
    assert [len(values(pack, loss)) for loss in (softmax, ours)] == [8, 8]
    last, best, mean = (less(pack, ours, softmax, column=name) for name in ("test_accuracy", "best_accuracy", LATER))
    assert float(last[1]) > 0
    for _, low, high in (best, mean):
        assert float(low.replace("−", "-")) < 0 < float(high)
    right = [values(pack, loss, column="train_accuracy").mean() for loss in (softmax, ours)]
    curve = {loss: [after(pack, loss, epoch).mean() for epoch in range(1, 25)] for loss in (softmax, ours)}
    top = max(range(24), key=curve[softmax].__getitem__)
    yield MEASURED, f"softmax goes on to {right[0]:.0f} % of the training images there"
    yield MEASURED, f"from {curve[softmax][top]:.1f} % after epoch {top + 1} to {curve[softmax][-1]:.1f} %"
    yield (
        MEASURED,
        f"{right[1]:.0f} % of the training images are right, and test accuracy stays at {curve[ours][-1]:.1f} %",
    )
    assert max(curve[ours]) - curve[ours][-1] < 0.05
    yield MEASURED, f"after the last epoch {last[0]} points ({last[1]} to {last[2]}) above softmax"
    yield MEASURED, f"in the best one {between(*best)}, on average over epochs 7 to 24 {between(*mean)}"
    yield MEASURED, f"{values(pack, ours, column='test_inverted').mean():.0f} % of the features are on the far side"
    yield README, f"| {last[0]} with α = 1, the only one tried, shown |"
    yield README, f"| {best[0]}, not shown |"
    yield README, f"α = 1 on CIFAR100 by {last[0]} points"
    yield README, f"after 24 α = 1, the only one tried, does, by {last[0]} points"


@said
def knees_by_errors():
    undecided, few = 0, 0
    decided = []
    for pack in committed.SWEEPS:
        own = swept(pack)
        try:
            found = by_errors(own)
        except ValueError:
            continue
        title = captions.dataset_title(own["dataset"].iloc[0]) + ", three times as long" * pack.endswith("-long")
        if found.width is not None:
            cells = [by_errors(own, share).text() for share in (0.025, 0.05, 0.1)]
            decided.append(f"| {' | '.join([title, *cells])} |")
        else:
            undecided += 1
            few += found.margin / 100 * paired.images_tested(own) < 2.5
    for row in decided:
        yield MEASURED, row
    rows = MEASURED.partition("| more errors than on the plateau, at most |")[2].partition("The others")[0]
    assert len(re.findall(r"\| [A-Z][^|]+ \|", rows)) == len(decided)
    numbers = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    yield MEASURED, f"on {numbers[few - 2]} of those {numbers[undecided - 2]} that is two images at most"
    fashion, ten, hundred = (swept(f"{name}-small") for name in ("fashion-mnist", "cifar10", "cifar100"))
    texts = [by_errors(own).text() for own in (fashion, ten, hundred)]
    points = [plateau.error_margin(own) for own in (fashion, ten, hundred)]
    assert [f"{each:.1f}" for each in points] == ["0.5", "1.5", "3.0"]
    yield (
        README,
        "the fewest are {} on Fashion-MNIST (that is half a point), {} on CIFAR10 (1.5 points) and {} on CIFAR100 "
        "after eight epochs (3 points)".format(*texts),
    )
    yield README, f"on MNIST, where it is {plateau.error_margin(swept('mnist-small')):.2f} points, it is not decided"
    mnist, *three = (plateau.knee(own, 0.5) for own in (swept("mnist-small"), fashion, ten, hundred))
    longer = plateau.knee(swept("cifar10-small-long"), 0.5).text()
    yield (
        README,
        f"against wide layers are {mnist.text()} on MNIST, {three[0].text()} on Fashion-MNIST, {three[1].text()}",
    )
    yield README, f"on CIFAR10, or {longer} trained longer, where C − 1 = 9; and {three[2].text()} on CIFAR100"
    yield README, "where C − 1 = 99 are too few after eight epochs"
    tried = sorted(swept("cifar100-small-50")["width"].unique())
    yield (
        MEASURED,
        f"On the first 50 classes of CIFAR100 {tried[0]} is the narrowest width tried, with none between {tried[0]}, "
        f"{tried[1]} and {tried[2]}.",
    )
    mnist = by_errors(swept("mnist-small"))
    assert mnist.width is None
    assert 0.9 < 100 * (1 - mnist.plateau) < 1.1
    assert 100 * (1 - by_errors(hundred).plateau) > 100 * 0.5
    yield (
        MEASURED,
        "half a point is half of the errors that wide layers make on MNIST, and less than a hundredth of those",
    )
    ours = [by_errors(swept("mnist-small", loss)).text() for loss in PRINTED[:2]]
    ten = by_errors(swept("cifar10-small", PRINTED[1])).text()
    yield (
        MEASURED,
        f"With at most 5 % more errors it is {listed(ours)} on MNIST with α = 0.5 and 1, and {ten} on CIFAR10",
    )


@pytest.mark.parametrize("statements", SAID, ids=lambda each: each.__name__)
def test_a_number_in_a_readme_is_that_of_the_records(statements):
    found = list(statements())
    assert found
    for readme, told in found:
        pattern = told if isinstance(told, re.Pattern) else re.compile(re.escape(told))
        assert pattern.search(readme), told
