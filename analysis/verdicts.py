"""Every claim of the paper with its verdict, in the paper's order: theory, printed tables and experiments joined.

Which runs an experimental claim is judged on is fixed here: those of the paper's own data set with the trunk's feature,
PReLU and batch norm, one recipe at a time. Where the paper's network has runs that bear on it, its verdict is the
claim's; else, or if these are of so few seeds that none could decide, a small network's is, and is marked so. Where
another recipe's runs of a small network are against what the first shows, or show all that it is against, as far as
they have it, and are not against the claim themselves, both count, and the claim is INCONCLUSIVE: which of them the
paper's network would follow is not known. All other recipes that have such runs are further evidence: shown, not
counted. So is what else the same runs say of a claim, for instance at other widths, and what runs on augmented images
say, as the paper names no augmentation. Fashion-MNIST is further evidence for MNIST; the digits, with 450 test images,
are left out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from analysis import contrasts, experiment, paired
from analysis.captions import dataset_title
from analysis.contrasts import INCONCLUSIVE, NOT_REPRODUCED, NOT_RUN, REPRODUCED, Finding
from analysis.experiment import FEATURE, Experiment, Runs
from analysis.experiments import all_experiments
from fc_width.data import CLASSES
from fc_width.recipes import COLD, RECIPES
from theory.claim import Judgement, judge
from theory.claims import PRINTED as PRINTED_CLAIMS
from theory.claims import all_claims
from theory.verify import MEANING as THEORY_MEANING

SIMILAR = {"fashion-mnist": "mnist"}
"""Data sets that are further evidence, and for which of the paper's."""

THEORY, PRINTED, EXPERIMENT = "theory", "printed numbers", "experiment"
KINDS = {
    THEORY: "decided by sympy or by exact rationals",
    PRINTED: "the paper's own tables against its text, in exact rationals",
    EXPERIMENT: "runs of this package against a test with its margins",
}
MEANING = {
    **THEORY_MEANING,
    REPRODUCED: "every part of the test is shown, by its 95 % interval over at least three seeds (of the time of a "
    "training step: rounds), or, of a count or the times of losses, by itself",
    NOT_REPRODUCED: "a part of the test is shown to fall short of the bound that counts against it, often the gain "
    "that the paper prints (which need not mean that there is no effect); where the test says so, of a pair both",
    INCONCLUSIVE: "neither is shown, a part was not run, or two recipes of a small network contradict each other",
    NOT_RUN: "no run bears on it, with the reason and the command",
}

JUDGED = (
    "No verdict is typed in: those of theory are computed from exact steps, those of experiments by tests with "
    "margins. Of a claim of n numbers, what speaks against it is held to 1 − 0.05/n (Bonferroni), so that a 95 % "
    "interval wholly on the wrong side may still be “not shown”. The paper's network decides a claim where one of its "
    "numbers has three seeds; until then a small network does, and the paper's is shown beside it. Where one recipe of "
    "a small network shows all that counts against the claim in another, as far as it has runs of it, and is not "
    "against it for other reasons, nothing is decided. Intervals are over seeds, all on the same test images: “shown” "
    "is of these images, not of others drawn like them. Each claim is judged by itself: of many, some are decided "
    "wrongly by chance, and most easily those whose interval ends near its bound. Where a claim has the sign of an "
    "effect right, it is “shown” also if the effect is small, and the number says so."
)
"""How claims are judged."""

STATED = (
    "The tests on MNIST were written when two seeds of every width, and three at M = 9, had been recorded, those on "
    "CIFAR10 and CIFAR100 before theirs were; one that was added or changed later says so. A number held between two "
    "bounds is one of the n; when it was two, angle-of-training was INCONCLUSIVE. That three seeds of the paper's "
    "network decide was settled when one seed of it had been recorded; that recipes of small networks which contradict "
    "each other decide nothing, when α = 1 trained three times as long on CIFAR10 had been seen; that what one of them "
    "has no runs of does not count there, when all but the last of them had been seen (better-cifar100 and "
    "avoids-overfitting-cifar100 were NOT REPRODUCED until then); that two which are both against a claim, if for "
    "opposite reasons, do not contradict each other, when maximum-cifar100 had been INCONCLUSIVE for that."
)
"""When tests were stated."""

SEEDS = (
    "Seeds of softmax were added where fewer had left a knee open: on CIFAR100 twice, in the end to 20; on MNIST from "
    "3 units on to ten, at 3, 4, 10 and 14 when those at the other widths had been seen. Where fewer had left claims "
    "open, these were added: the fourth and fifth of W-Softmax on CIFAR10 (ten had been planned; none was seen when "
    "time ran out) and, from 5 units on to 45, the sixth to fifteenth; the fourth to tenth of W-Softmax α = 1 on MNIST "
    "at M = 9, 18, 27 and 45, and later at 5, 8, 10, 14, 90, 180 and 270; the third in the paper's network (of α = 0.5 "
    "and 1 when that of softmax and α = 1.5 had been judged), and there the fourth to tenth, on a GPU; the fourth to "
    "tenth of the hinge loss, L-Softmax and W-Softmax α = 0.5 and 1.5 at M_min on CIFAR10 and CIFAR100 (there of "
    "L-Softmax, which hardly trains, the fourth alone); and the fourth to tenth of W-Softmax α = 0.5 and 1.5 on MNIST "
    "at M = 9, 18, 27, 45, 90, 180 and 270, and later at 10 and 14, of the hinge loss and L-Softmax there at 9, of "
    "W-Softmax α = 1 on CIFAR100 at 98 and 99, and at M_min on CIFAR10 of centred weights and of the simplex, and the "
    "fourth to fifteenth of softmax there at 90 and 270. No level counts the earlier looks. Where CIFAR10 was trained "
    "three times as long, α = 1.5 was planned when softmax, and α = 0 when α = 1 had been seen. Where images were held "
    "out there, eight seeds had been planned; time ran out after five, which were looked at first (with the others "
    "alpha-cifar10, until then NOT REPRODUCED, is INCONCLUSIVE); on augmented images α = 0.5 was planned when α = 1 "
    "had been seen. Of softmax the widths 2, 3, 4, 22, 990 and 1,980 on CIFAR100, 4 on CIFAR10, and the first 10 and "
    "20 classes of CIFAR100 were run when all else had been judged, and so was W-Softmax on Fashion-MNIST; and later, "
    "with six seeds, softmax on CIFAR100 trained three times as long at 297, whose difference to 99 after the last "
    "epoch was fixed before; then at 50 and 198; at 25 and 98 when two seeds of those had been seen; and two more "
    "seeds at 198 and 297, as with six the knee was not decided, which with eight it is not either (until these widths "
    "minimum-cifar100 and at-minimum-cifar100, now INCONCLUSIVE, were NOT REPRODUCED). The runs of α = 0.5 and 1.5 at "
    "M_min in the small networks, and later those of softmax and α = 1 there on MNIST, were made anew when records had "
    "come to hold variances, some of them on another machine than before, whose rounding differs: beats-mnist, until "
    "then REPRODUCED, is INCONCLUSIVE since."
)
"""When seeds were added."""

SECTIONS = {
    "1": "Introduction",
    "2": "Related works, and Eq. 1",
    "3": "The number of units in the FC layer",
    "4": "The W-Softmax loss",
    "5.1": "Experimental setting",
    "5.2": "The number M of units",
    "5.3": "MNIST",
    "5.4": "CIFAR10 and CIFAR100",
    "5.5": "LFW",
    "5.6": "The number of classes",
}
_PLACES = {"Abstract": "1", "Eq. 1": "2", "Fig. 2": "1", "Fig. 3": "3", "Fig. 5": "5.3"} | {
    f"Eq. {n}": "3" for n in range(2, 8)
}
_PLACES |= {f"Eq. {n}": "4" for n in range(8, 14)} | {f"Fig. 4{panel}": "5.2" for panel in ("", "a", "b", "c", "d")}
_PLACES |= {"Table 1": "5.3", "Table 2": "5.4", "Table 3": "5.5", "Table 4": "5.5", "Table 5": "5.6"}

_THEORY_FIGURES = {"eq-1": "fig2-boundaries", "fig-3": "fig3-simplices", "optimal": "best-angles"}


@dataclass(frozen=True)
class Evidence:
    """One recipe and feature, judged.

    *Attributes*: `name`, what it is, for a reader; `verdict`; `findings`; `command`, that makes its runs; `counts`,
    whether it counts towards the claim's; `recipe`; `beside`, what else than the claim's test these runs say, of
    another width for instance, else ""."""

    name: str
    verdict: str
    findings: tuple[Finding, ...]
    command: str
    counts: bool
    recipe: str
    beside: str = ""


@dataclass(frozen=True)
class Row:
    """A claim of the paper with its verdict.

    *Attributes*: `id`; `section`, a key of `SECTIONS`; `source`, the place in the paper; `kind`, a key of `KINDS`;
    `statement`; `verdict`; `on`, what it was judged on, "" for theory; `number`, the figure and the interval behind it,
    or the decisive step, or why it was not run; `command`, that re-makes it; `test`, of an experiment; `note`;
    `evidence`, the claim's first; `figures`, patterns of figures' names; `also`, claims that judge the same sentence.
    Texts of theory hold LaTeX between dollars."""

    id: str
    section: str
    source: str
    kind: str
    statement: str
    verdict: str
    on: str
    number: str
    command: str
    test: str = ""
    note: str = ""
    evidence: tuple[Evidence, ...] = ()
    figures: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def section(source: str) -> str:
    """The section that a place in the paper belongs to: the first that it names.

    *Raises*: `ValueError` for a place that is none."""
    found = re.match(r"(Abstract|Sec\. \d(\.\d)?|Eq\. \d+|Fig\. \d[a-d]?|Table \d)", source)
    place = found.group() if found else source
    number = place.removeprefix("Sec. ") if place.startswith("Sec.") else _PLACES.get(place, "")
    number = number if number in SECTIONS else number.partition(".")[0]
    if number not in SECTIONS:
        raise ValueError(f"place {source!r}: expected one that begins with Abstract, Sec., Eq., Fig. or Table")
    return number


def rows(runs: Sequence[Runs], max_classes: int = 256) -> list[Row]:
    """Every claim with its verdict, in the paper's order: by section; within one the claims of theory, each followed by
    the experiments on the same sentence; then the other experiments.

    *Arguments*: `runs`, as `evidence.load` gives them; `max_classes`, the largest C of the theory's exact checks.
    """
    judged = [_theory(judge(claim, max_classes)) for claim in all_claims()]
    measured = [judge_experiment(each, runs) for each in all_experiments()]
    place = {row.id: (list(SECTIONS).index(row.section), index, 0) for index, row in enumerate(judged)}
    for row in measured:
        own = list(SECTIONS).index(row.section)
        twins = [place[other][1] for other in row.also if place[other][0] == own]
        place[row.id] = (own, twins[0] if twins else len(judged), 1)
    also = {row.id: tuple(other.id for other in measured if row.id in other.also) for row in judged}
    joined = [replace(row, also=also[row.id]) for row in judged] + measured
    return sorted(joined, key=lambda row: place[row.id])


def counts(found: Iterable[Row]) -> dict[str, int]:
    """How many claims have each verdict, in the order of `MEANING`; any other verdict last."""
    verdicts = [row.verdict for row in found]
    names = [*MEANING, *sorted(set(verdicts) - set(MEANING))]
    return {name: verdicts.count(name) for name in names if name in verdicts}


def _theory(found: Judgement) -> Row:
    claim = found.claim
    roles = ("counterexample", "against", "gap", "proof", "finite")
    role = next((role for role in roles for step in found.steps if step.step.role == role), "")
    steps = [step.step.text for step in found.steps if step.step.role == role]
    more = f" ({len(found.steps)} steps)" if len(found.steps) > 1 else ""
    return Row(
        claim.id,
        section(claim.source),
        claim.source,
        PRINTED if claim in PRINTED_CLAIMS else THEORY,
        claim.statement,
        found.found,
        "",
        (steps[0] if steps else "no step") + more,
        f"python -m theory.verify --claim {claim.id}",
        note=claim.note,
        figures=(_THEORY_FIGURES[claim.id],) if claim.id in _THEORY_FIGURES else (),
    )


def judge_experiment(claim: Experiment, runs: Sequence[Runs]) -> Row:
    """An experimental claim with its verdict on `runs`."""
    evidence = _evidence(claim, runs)
    counted = [each for each in evidence if each.counts]
    main = counted[0] if counted else None
    paper = f"paper-{claim.dataset}"
    if main is not None:
        verdict = main.verdict if len(counted) == 1 else INCONCLUSIVE
        on = ", against ".join(each.name for each in counted)
        command = "; ".join(dict.fromkeys(each.command for each in counted))
        said = "; but there: ".join(_decisive(each) for each in counted)
    else:
        verdict, on = NOT_RUN, ""
        command = claim.command or (_sweeps(claim, paper, FEATURE, paired.MIN_SEEDS) if paper in RECIPES else "")
        network = "of the paper's network " if claim.paper_only else ""
        said = claim.reason or f"no runs {network}on {dataset_title(claim.dataset)} that the test needs"
    return Row(
        claim.id,
        section(claim.source),
        claim.source,
        EXPERIMENT,
        claim.statement,
        verdict,
        on,
        said,
        command,
        test=claim.test,
        note=_note(claim, runs, evidence),
        evidence=evidence,
        figures=(claim.figure.format(recipe=main.recipe),) if main and claim.figure else (),
        also=(claim.also,) if claim.also else (),
    )


def _evidence(claim: Experiment, runs: Sequence[Runs]) -> tuple[Evidence, ...]:
    """Everything that bears on a claim, the paper's network first."""
    if claim.contrasts is None:
        return ()
    found: list[Evidence] = []
    own: list[tuple[Runs, Evidence]] = []
    for each in sorted(runs, key=lambda each: _rank(claim, each)):
        bears = claim.on == each.kind and claim.dataset in (each.dataset, SIMILAR.get(each.dataset))
        feature = each.feature == FEATURE or claim.features
        if not bears or not feature or (claim.paper_only and (each.changes or each.dataset != claim.dataset)):
            continue
        findings = contrasts.find_all(claim.contrasts(each))
        verdict = contrasts.verdict(findings)
        if verdict != NOT_RUN:
            seeds = max(paired.MIN_SEEDS, *(finding.seeds for finding in findings))
            command = claim.command or _sweeps(claim, each.recipe, each.feature, seeds, each)
            found.append(Evidence(_name(each), verdict, findings, command, False, each.recipe))
            if each.feature == FEATURE and each.dataset == claim.dataset and not each.augmented:
                own.append((each, found[-1]))
        found += _beside(claim, each)
    if own:
        enough = [pair for pair in own if any(_decides(finding) for finding in pair[1].findings)]
        main = (enough or own)[0]
        counted = [main[1], *(each for _, each in enough if main[0].changes and _contradict(main[1], each))]
        return tuple(replace(each, counts=True) if any(each is one for one in counted) else each for each in found)
    return tuple(found)


def _contradict(one: Evidence, other: Evidence) -> bool:
    """Whether the other is against what the one shows, or shows all that counts against the claim in the one, as far
    as it has runs of it, and is not against the claim itself."""
    if one.verdict != NOT_REPRODUCED:
        return one.verdict == REPRODUCED and other.verdict == NOT_REPRODUCED
    if other.verdict == NOT_REPRODUCED:
        return False
    there = {_number(finding): finding.state for finding in other.findings if finding.state != "missing"}
    states = [there[number] for number in map(_number, contrasts.against(one.findings)) if number in there]
    return bool(states) and all(state == "shown" for state in states)


def _number(finding: Finding) -> tuple[str, bool]:
    """Which number, and on which side of it the bound lies: some are held between two."""
    return finding.contrast.text, finding.contrast.more


def _decisive(evidence: Evidence) -> str:
    number = contrasts.decisive(evidence.findings)
    return f"{number.contrast.text}: {number.number()}"


def _beside(claim: Experiment, runs: Runs) -> Iterator[Evidence]:
    """What else the same runs say of a claim, where nothing that it needs is missing."""
    for name, test in (claim.beside(runs) if claim.beside else {}).items():
        findings = contrasts.find_all(test)
        if findings and all(finding.state != "missing" for finding in findings):
            verdict = contrasts.verdict(findings)
            yield Evidence(f"{_name(runs)}, {name}", verdict, findings, "", False, runs.recipe, name)


def _note(claim: Experiment, runs: Sequence[Runs], evidence: Sequence[Evidence]) -> str:
    """The verdicts of what is beside a claim's own evidence, in a line for each of its recipes."""
    lines = []
    own = [each for each in runs if each.feature == FEATURE and each.dataset == claim.dataset]
    for name in map(_name, sorted(own, key=lambda each: _rank(claim, each))):
        beside = [each for each in evidence if each.beside and each.name == f"{name}, {each.beside}"]
        found = []
        for verdict in (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE):
            labels = [each.beside for each in beside if each.verdict == verdict]
            found += [f"{verdict}: {_listed(labels)}"] if labels else []
        if found:
            lines.append(f"Beside it, not counted, on {name}: {'; '.join(found)}.")
    return " ".join(lines)


def _listed(labels: Sequence[str]) -> str:
    """Labels in a row, of widths that follow one another only the number: M = 1, 2, 3, class by class."""
    told = []
    for last, label in zip(["", *labels], labels, strict=False):
        stem, _, number = label.rpartition(" ")
        told.append(number if stem.endswith("=") and stem == last.rpartition(" ")[0] else label)
    return ", ".join(told)


def _decides(finding: Finding) -> bool:
    return finding.seeds >= paired.MIN_SEEDS or bool(finding.contrast.exact and finding.seeds)


def _rank(claim: Experiment, runs: Runs) -> tuple[bool, bool, bool, str, str]:
    """What counts first: the paper's data, the trunk's feature, the paper's network; what is augmented, last."""
    other = runs.dataset != claim.dataset or runs.augmented
    return (other, runs.feature != FEATURE, bool(runs.changes), runs.recipe, runs.feature)


def _name(runs: Runs) -> str:
    if runs.kind not in ("runs", "training timed"):
        return runs.recipe
    size = "small network" if runs.changes else "the paper's network"
    feature = "" if runs.feature == FEATURE else f", feature {runs.feature}"
    machine = f", timed on {runs.machine}" if runs.machine else ""
    return f"{dataset_title(runs.dataset)}, {size} (recipe {runs.recipe}{feature}){machine}"


def _sweeps(claim: Experiment, recipe: str, feature: str, seeds: int, runs: Runs | None = None) -> str:
    """The commands that make the runs that a claim needs: of each loss and number of classes as many seeds as `runs`
    have, and so many at most."""
    if recipe not in RECIPES:
        return ""
    base = runs.dataset if runs is not None else RECIPES[recipe].recipe.dataset
    found: dict[tuple[str, str, int], list[int]] = {}  # the recipe, losses and seeds of a command → its classes
    for classes in claim.classes or (CLASSES[base],):
        of_seeds: dict[tuple[str, int], list[str]] = {}
        for loss in claim.losses:
            cold = COLD if loss.endswith(experiment.COLD_LOSS) else ""
            own = min(seeds, _seeds(claim, loss, classes, runs))
            of_seeds.setdefault((recipe + cold, own), []).append(loss.removesuffix(experiment.COLD_LOSS))
        for (name, own), losses in of_seeds.items():
            found.setdefault((name, " ".join(losses), own), []).append(classes)
    return "; ".join(
        each
        for (name, losses, own), of_classes in found.items()
        for each in _of_classes(claim, name, base, of_classes, f"--losses {losses} --seeds {own}", feature)
    )


def _seeds(claim: Experiment, loss: str, classes: int, runs: Runs | None) -> int:
    """The most seeds that there are of a loss at any width that a claim needs, three at least."""
    frame = None if runs is None else runs.frames.get(classes)
    if frame is None:
        return paired.MIN_SEEDS
    rows = frame[frame["loss"] == loss]
    if claim.widths:
        rows = rows[rows["width"].isin(claim.widths(classes))]
    return max([paired.MIN_SEEDS, *rows["width"].value_counts().tolist()])


def _of_classes(
    claim: Experiment, name: str, base: str, classes: Sequence[int], options: str, feature: str
) -> Iterator[str]:
    """The commands of one recipe and the same options: one for the first k classes, each k in turn, and one for all."""
    start = f"python -m fc_width.sweep --recipe {name}"
    options += "" if feature == FEATURE else f" --features {feature}"
    first = " ".join(str(k) for k in classes if k != CLASSES[base])
    if first:
        width = ' --widths "$((k - 1))"' if claim.widths else ""
        yield f"for k in {first}; do {start} --dataset {base}:$k{width} {options}; done"
    if CLASSES[base] in classes:
        widths = f" --widths {' '.join(map(str, claim.widths(CLASSES[base])))}" if claim.widths else ""
        dataset = f" --dataset {base}" if RECIPES[name].recipe.dataset != base else ""
        yield f"{start}{dataset}{widths} {options}"
