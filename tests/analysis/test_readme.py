"""What the READMEs say of speed is what the committed tables say, and what they link to is there."""

import itertools
import math
import re
import shlex
from pathlib import Path

import pytest

from analysis import advise, contrasts, evidence, experiments_times

READMES = [Path("README.md"), Path("analysis/README.md"), Path("fc_width/README.md")]
README, MEASURED, COSTS = (" ".join(path.read_text("utf-8").split()) for path in READMES)


def table(name):
    """The rows of a committed benchmark as dictionaries, and what stands above them."""
    lines = Path(f"figures/benchmark-{name}.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]], lines[0]


def minus(text):
    return text.replace("-", "−").replace("+", "")


@pytest.mark.parametrize(("name", "seeds"), [("sweep", 12), ("sweep-mnist-small", 8)])
def test_the_sweep_against_the_loops(name, seeds):
    rows, above = table(name)
    _, plain, one, engine = rows
    ratio, single = float(engine["ratio"]), float(one["ratio"])
    runs, rounds = re.search(r"(\d+) runs of each way in each of (\d+)", above).groups()
    assert int(runs) * int(rounds) == seeds
    lines = READMES[2].read_text("utf-8").splitlines()
    line, below = next(pair for pair in itertools.pairwise(lines) if "runs per hour, two at once, relative" in pair[0])
    assert f"[{ratio:.2f} times](../figures/benchmark-{name}.md)" in line
    assert f" {single:.2f} times |" in below
    assert f" {ratio:.1f} times on " in README
    assert f"{single:.1f}" in re.search(r"\(([\d.]+) and ([\d.]+) times one after another\)", README).groups()
    assert f" {ratio / float(plain['ratio']):.1f} times |" in COSTS.partition("relative to the same loop")[2][:90]
    found = re.fullmatch(r"([-+][\d.]+) \(([-+][\d.]+) to ([-+][\d.]+)\)", engine["difference (95 %)"]).groups()
    mean, low, high = map(minus, found)
    assert re.search(rf"{mean} \((95 % interval )?{low} to {high}\), {seeds} seeds", COSTS)
    if name == "sweep-mnist-small":
        assert f"the sweep reaches {engine['of matmul'].removesuffix('%')} % of what large matrix products" in COSTS


def test_the_sweep_learns_what_the_loop_learns_with_w_softmax_too():
    rows, above = table("sweep-w-softmax")
    assert above.startswith("digits, w-softmax:1, 4 runs of each way in each of 3 ")
    found = rows[-1]["difference (95 %)"]
    mean, low, high = map(minus, re.fullmatch(r"([-+][\d.]+) \(([-+][\d.]+) to ([-+][\d.]+)\)", found).groups())
    assert f"α = 1 | [{mean} ({low} to {high})](../figures/benchmark-sweep-w-softmax.md), 12 seeds" in COSTS
    assert low.startswith("−")
    assert not high.startswith("−")


@pytest.mark.parametrize(("name", "seeds"), [("sweep-fast", 12), ("sweep-mnist-small-fast", 8)])
def test_the_sweep_with_numba(name, seeds):
    rows, above = table(name)
    assert ", numba " in above
    _, plain, _, engine = rows
    runs, rounds = re.search(r"(\d+) runs of each way in each of (\d+)", above).groups()
    assert int(runs) * int(rounds) == seeds
    ratio = float(engine["ratio"])
    told = COSTS.partition("| with numba, runs per hour")[2]
    without = table(name.removesuffix("-fast"))[0][3]
    more = float(engine["peak, MiB"]) - float(without["peak, MiB"])
    assert f"{more:.0f}" in re.search(r"(\d+) to (\d+) MiB more", COSTS).groups()
    assert f"[{ratio:.2f} times](../figures/benchmark-{name}.md)" in told
    assert f" {ratio / float(plain['ratio']):.1f} times |" in told.partition("the loop on one thread")[2][:40]
    mean, low, high = map(minus, re.findall(r"[-+][\d.]+", engine["difference (95 %)"]))
    assert f"{mean} ({low} to {high}), {seeds} seeds" in told
    if name == "sweep-mnist-small-fast":
        assert f"and the sweep reaches {engine['of matmul'].removesuffix('%')} %." in COSTS


def test_the_sweep_on_a_gpu():
    loop, one, many, _ = table("sweep-paper-mnist")[0]
    assert loop["way"] == "ordinary loop"
    times = float(many["ratio"])
    assert f"was {times:.0f} times as fast as the ordinary loop with sixteen runs at once" in COSTS
    assert f"{float(one['ratio']):.1f} times one run after another" in COSTS
    assert f"{many['of matmul'].removesuffix('%')} % of the rate of large matrix products" in COSTS
    assert f"{times:.0f} times with the paper's MNIST network on an NVIDIA H200, sixteen runs at once" in README
    assert f"sixteen runs at once ({float(one['ratio']):.1f} times one after another)" in README


def test_what_a_sweep_costs_more():
    rows, _ = table("cost")
    ratio = {(row["changed"], row["to"]): float(row["ratio"]) for row in rows}
    wide, many = (round(100 * (ratio[at] - 1)) for at in (("width M", "270"), ("classes C", "1000")))
    assert f"({wide} % from M = 1 to 270 on the digits; 9 and 90 units took no longer than one)" in COSTS
    assert max(ratio["width M", "9"], ratio["width M", "90"]) < 1
    assert f"by {many} % from 2 to 1,000 classes" in COSTS


def test_where_the_time_goes():
    share = {row["what"]: int(row["share"].removesuffix("%")) for row in table("profile")[0]}
    both = share["convolutions, forward"] + share["convolutions, backward"]
    prelu, norm = share["PReLU, both ways"], share["batch norm, both ways"]
    assert f"{both} % are convolutions, {prelu} % PReLU and {norm} % batch norm" in COSTS


def test_other_ways_to_take_a_step():
    rows = [row for name in ("step", "step-mnist-small") for row in table(name)[0]]
    ends = {}
    for way in ("in turn, compiled", "stacked"):
        ratios = [float(row["times as fast as in turn"]) for row in rows if row["way"] == way]
        ends[way] = f"{min(ratios):.2f} to {max(ratios):.2f}"
    assert f"compiled by torch, at {ends['in turn, compiled']} of the speed" in COSTS
    assert f"`torch.func.vmap`, at {ends['stacked']} (" in COSTS


def test_what_the_losses_cost():
    rows, _ = table("losses")
    ratio = {(row["N, M, C"], row["loss"]): float(row["ratio"]) for row in rows}
    sizes = list(dict.fromkeys(size for size, _ in ratio))
    ours = {size: [ratio[size, f"W-Softmax α = 1, {kind}"] for kind in ("printed", "centred")] for size in sizes}
    small = [each for size in sizes[:4] for each in ours[size]]
    assert f"it takes {min(small):.2f} to {max(small):.2f} times as long" in COSTS
    assert f"{ours[sizes[4]][0]:.2f} and {ours[sizes[4]][1]:.2f} times at 10,575" in COSTS
    simplex = [ratio[size, "W-Softmax α = 1, fixed simplex"] for size in (sizes[0], sizes[2])]
    assert f"on the fixed simplex {simplex[0]:.2f} times at the smallest size, {simplex[1]:.2f} at 100" in COSTS
    plain = [ours[size][0] / ratio[size, "softmax"] for size in sizes]
    centred = max(ours[size][1] / ratio[size, "softmax"] for size in sizes)
    fixed = max(ratio[size, "W-Softmax α = 1, fixed simplex"] / ratio[size, "softmax"] for size in (sizes[0], sizes[2]))
    told = f"the printed one takes {min(plain):.1f} to {max(plain):.1f} times as long as plain softmax"
    assert f"{told}, the centred one up to {centred:.1f}, the simplex up to {fixed:.1f} ([what" in README
    assert (
        f"the printed one takes {min(plain):.1f} to {max(plain):.1f} times, the centred one up to {centred:.1f}"
        in COSTS
    )
    assert f", the simplex up to {fixed:.1f}." in COSTS
    margins = ("LargeMarginSoftmaxLoss", "SphereFaceLoss", "CosFaceLoss", "ArcFaceLoss")
    library = {(size, name): ratio[size, f"library: {name}"] for size in sizes for name in margins}
    least = min(library[size, name] for size in sizes[:3] for name in margins)
    assert f"margin losses take {int(10 * least) / 10} or more up to 100 classes" in COSTS
    above = [library[size, name] for size in sizes[3:] for name in margins[1:]]
    large = min(library[size, margins[0]] for size in sizes[3:])
    assert f"{min(above):.1f} to {max(above):.1f} above (LargeMargin {large:.1f} and more)" in COSTS
    assert f"as the paper writes it {ratio[sizes[2], 'Algorithm 1, naive']:.0f} at 100 classes" in COSTS
    over = [[ours[size][0] / library[size, name] for size in sizes] for name in margins[:2]]
    assert max(over[0][:3] + over[1][:3]) < 0.6
    assert "faster than that library's L-Softmax and A-Softmax up to 100 classes," in COSTS
    assert min(over[0][3], over[1][3]) > 1.1
    assert "and slower at 1,000," in COSTS
    assert over[0][4] < 0.8
    assert 0.95 < over[1][4] < 1.05
    assert "at 10,575 it is faster than L-Softmax and takes as long as A-Softmax." in COSTS
    memory = {(row["N, M, C"], row["loss"]): float(row["peak, MiB"]) for row in rows}
    more = [memory[size, "W-Softmax α = 1, printed"] / memory[size, "softmax"] for size in sizes[3:]]
    assert f"Memory beyond the inputs is {more[0]:.1f} and {more[1]:.1f} times plain softmax's" in COSTS
    centred = [memory[size, "W-Softmax α = 1, centred"] / memory[size, "softmax"] for size in sizes[3:]]
    assert centred == pytest.approx(more, abs=0.02)
    small = [
        memory[size, f"W-Softmax α = 1, {kind}"] / memory[size, "softmax"]
        for size in sizes[:3]
        for kind in ("printed", "centred")
    ]
    assert f"and {min(small):.1f} to {max(small):.1f} times at the three smaller ones (of 0.3 MiB at most)" in COSTS
    assert max(memory[size, "softmax"] for size in sizes[:3]) < 0.35


def test_what_a_wide_layer_and_w_softmax_cost_in_training():
    timed = {runs.recipe: runs for runs in evidence._training(Path("figures") / evidence.TRAINING)}

    def said(recipe, one, other):
        """By how many % a step with `one`, a loss and a width over M_min, takes longer than with `other`."""
        runs = timed[recipe]
        least = runs.classes - 1
        slower = experiments_times.slower(runs, *((loss, factor * least) for loss, factor in (one, other)))
        found = contrasts.find(contrasts.Contrast("x", slower, 0))
        percent = [100 * math.expm1(number / 100) for number in (found.mean, found.low, found.high)]
        return [minus(f"{number:.{0 if percent[0] > 10 else 1}f}") for number in percent]

    paper, (wide, narrow) = ("paper-mnist", "paper-cifar10", "paper-cifar100"), (("softmax", 30), ("softmax", 1))
    text = MEASURED.partition("### Time")[2].partition("```")[0]
    for loss in (wide, ("w-softmax:1", 1)):
        first, *others = (said(recipe, loss, narrow) for recipe in paper)
        expected = [rf"{first[0]} %.{{0,40}} \((?:95 % interval )?{first[1]} to {first[2]}\)"]
        expected += [rf"{mean} %.{{0,12}} \({low} to {high}\)" for mean, low, high in others]
        assert re.search(".{0,25}".join(expected), text)
        longer = [float(low.replace("−", "-")) > 0 for _, low, _ in (first, *others)]
        assert longer == ([True, False, True] if loss == wide else [False] * 3)
    small = [said(f"{name}-small", ("w-softmax:1", 1), narrow) for name in ("mnist", "cifar10", "cifar100")]
    first, second, third = (f"{mean} % ({low} to {high})" for mean, low, high in small)
    assert f"{first} on MNIST, {second} on CIFAR10 and {third} on CIFAR100" in text
    mean, low, high = said("cifar100-small", wide, narrow)
    assert f"{mean} % longer ({low} to {high})" in text
    longer, costs = ([said(recipe, loss, narrow)[0] for recipe in paper] for loss in (wide, ("w-softmax:1", 1)))
    told = f"take {longer[2]} % longer there (softmax), on MNIST and CIFAR10 {longer[0]} and {longer[1]} % |"
    assert told in README
    assert f"the printed one costs {min(costs)} to {max(costs)} %, not shown to be above 0" in README


def test_the_advice_is_what_the_command_prints(capsys):
    text = READMES[0].read_text("utf-8")
    command = next(line for line in text.splitlines() if line.startswith("python -m analysis.advise"))
    quoted = text.partition("<!-- the end of what the first command prints -->\n")[2].partition("\n\n")[0]
    paragraphs = [" ".join(lines.replace("\n> ", " ").split()[1:]) for lines in quoted.split("\n>\n")]
    assert advise.main(shlex.split(command, comments=True)[3:]) == 0
    assert capsys.readouterr().out.splitlines()[-len(paragraphs) :] == paragraphs
    assert len(paragraphs) == 3


@pytest.mark.parametrize("readme", READMES, ids=str)
def test_what_is_linked_to_is_there(readme):
    text = readme.read_text("utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) > 10
    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        file = readme.parent / path if path else readme
        assert file.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, link
