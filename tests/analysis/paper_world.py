"""A world in which the paper is right in everything that it measures: rows as `records.load` gives them, with no run
behind them. Tests change one thing in it and see a verdict change."""

import numpy as np
import pandas as pd

from analysis import evidence, experiment
from fc_width.data import CLASSES
from fc_width.recipes import COLD, RECIPES, sweep_widths
from theory.printed_tables import TABLE_1, TABLE_2_CIFAR10, TABLE_2_CIFAR100, TABLE_5

TABLES = {"mnist": TABLE_1, "cifar10": TABLE_2_CIFAR10, "cifar100": TABLE_2_CIFAR100}
COLUMNS = {"mnist": 0, "cifar10": 2}


def alpha(loss):
    return float(loss.partition(":")[2] or 0)


def top(dataset, loss, classes):
    """Accuracy from M_min on, in %, as the paper prints it."""
    table = TABLES.get(dataset, TABLE_1)
    if classes == CLASSES[dataset]:
        return table[loss.rpartition(":")[2]] / 100
    row = TABLE_5[max(classes, 5)]
    return row[COLUMNS[dataset] + (loss != "softmax")] / 100


def run(name, dataset, loss, width, classes, seed, feature="prelu-bn"):
    """One row."""
    if loss.endswith(experiment.COLD_LOSS):
        name, loss = name + COLD, loss.removesuffix(experiment.COLD_LOSS)
    rng = np.random.default_rng(abs(hash_of(name, dataset, loss, width, classes, seed)))
    least, half = classes - 1, -(-classes // 2)
    accuracy = top(dataset, loss, classes) - (1 + 9 * (least - width) / least) * (width < least)
    if loss == "softmax" and width >= 10 * least:
        accuracy -= 0.5
    angle = 40 - 10 * alpha(loss)
    base = RECIPES[name].recipe
    subset = "" if classes == CLASSES[dataset] else f":{classes}"
    return {
        "run_id": f"{name}-{dataset}{subset}-{loss}-{width}-{feature}-{seed}",
        "status": "done",
        **{field: getattr(base, field) for field in ("backbone", "epochs", "softmax_epochs", "batch_size", "lr")},
        **{field: getattr(base, field) for field in ("flip", "shift")},
        "name": name,
        "dataset": dataset + subset,
        "classes": classes,
        "loss": loss,
        "width": width,
        "seed": seed,
        "feature": feature,
        "test_accuracy": (accuracy + rng.normal(0, 0.002)) / 100,
        "best_accuracy": (accuracy + rng.normal(0, 0.002)) / 100,
        "train_accuracy": (99.9 - 2 * alpha(loss) - 3 * (width <= half < least) + rng.normal(0, 0.002)) / 100,
        "met_accuracy": (95 - 3 * name.endswith(COLD) - 5 * (loss == "softmax") + rng.normal(0, 0.002)) / 100,
        "later_test_accuracy": (accuracy + rng.normal(0, 0.002)) / 100,
        "later_met_accuracy": (96 - 5 * (loss == "softmax") + rng.normal(0, 0.002)) / 100,
        "nc1": 1 / (1 + alpha(loss)) + rng.normal(0, 0.001),
        "variance_ratio": 1 / (1 + alpha(loss)) + rng.normal(0, 0.001),
        "nc2_means": 1 / (1 + alpha(loss)) + rng.normal(0, 0.001),
        "smallest_angle": 80 + 5 * alpha(loss) + rng.normal(0, 0.01),
        "class_angles": {
            "train": list(angle + rng.normal(0, 0.01, classes)),
            "test": list(angle + 1 + rng.normal(0, 0.01, classes)),
        },
        "stopped_accuracy": (accuracy + rng.normal(0, 0.002)) / 100,
    }


def hash_of(*parts):
    """The same number in every process."""
    number = 0
    for character in repr(parts):
        number = (31 * number + ord(character)) % 2**31
    return number


def needed(claim, change=None, seeds=5, name=None, losses=None, feature="prelu-bn"):
    """The runs that a claim says it needs, and no other; `change` alters a row, or drops it by returning False."""
    name = name or f"paper-{claim.dataset}"
    dataset = RECIPES[name].recipe.dataset
    rows = [
        run(name, dataset, loss, width, size, seed, feature)
        for size in claim.classes or [CLASSES[dataset]]
        for loss in losses or claim.losses
        for width in (claim.widths or sweep_widths)(size)
        for seed in range(seeds)
    ]
    return pd.DataFrame([row for row in rows if change is None or change(row) is not False])


def runs(*tables):
    """What claims are judged on."""
    found = pd.concat(tables, ignore_index=True)
    return list(evidence.of_recipes(found)) if len(found) else []


def benchmark(w_softmax=1.1, sizes=("50, 9, 10", "256, 64, 10", "256, 99, 100"), library=4.0):
    """The table of `fc_width.benchmark losses`; times over that of softmax."""
    lines = ["Forward and backward", "", "| N, M, C | loss | ms | ratio | peak, MiB |", "|---|---|---:|---:|---:|"]
    for size in sizes:
        lines += [
            f"| {size} | softmax | 2 | 1 | 1 |",
            f"| {size} | W-Softmax α = 1, printed | {2 * w_softmax} | 1 | 1 |",
            f"| {size} | library: LargeMarginSoftmaxLoss | {2 * library} | 1 | 1 |",
            f"| {size} | library: SphereFaceLoss | 9 | 1 | 1 |",
        ]
    return "\n".join(lines) + "\n"


def training(recipes, rounds=5, spread=0.01):
    """The lines of the table of `fc_width.benchmark training`; recipe → times over softmax's at M_min: `w` with
    W-Softmax, `softmax_30` and `w_30` at 30 M_min. Rounds differ by a half, by `spread` within."""
    lines = ["A training step; cpu: An Example, torch 2.13, Python 3.11", ""]
    rng = np.random.default_rng(0)
    for name, times in recipes.items():
        least = CLASSES[RECIPES[name].recipe.dataset] - 1
        cases = [("softmax", 1, 1), ("w-softmax:1", 1, times.get("w", 1))]
        cases += [("softmax", 30, times.get("softmax_30", 1)), ("w-softmax:1", 30, times.get("w_30", 1))]
        of_round = 100 * (1 + rng.random(rounds) / 2)
        signs = np.resize([1, -1, 0], rounds)
        for loss, factor, over in cases:
            ms = ", ".join(f"{each:.3f}" for each in of_round * over * (1 + spread * signs * (factor * over != 1)))
            lines.append(f"| {name} | {loss} | {factor * least} | 1 | 1 | {ms} |")
    return lines
