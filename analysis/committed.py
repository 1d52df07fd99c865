"""The packs of records that the committed figures rest on, and the sweeps that make them."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.records import PACK_SUFFIX

OUT = Path("figures")
"""The folder that the committed figures are in."""

_EVERY_KIND = (
    "--widths 9 --features linear prelu-bn bn-relu --losses softmax "
    "w-softmax:{0,0.5,1,1.5} w-softmax-centred:{0,0.5,1,1.5} w-softmax-simplex:{0,0.5,1,1.5}"
)
SWEEPS: dict[str, tuple[str, ...]] = {
    "digits": (f"--dataset digits {_EVERY_KIND}",),
    "digits-3": (
        "--dataset digits:3 --widths 2 --features linear --epochs 30 "
        "--losses softmax w-softmax:1.5 w-softmax-centred:1.5 w-softmax-simplex:1.5",
    ),
    "mnist-small": (
        "--dataset mnist --seeds 3",
        "--dataset mnist --losses softmax --seeds 5",
        "--dataset mnist --widths 3 4 5 8 9 10 14 18 27 45 90 180 270 --losses softmax --seeds 10",
        "--dataset mnist --widths 5 8 9 10 14 18 27 45 90 180 270 --losses w-softmax:1 --seeds 10",
        "--dataset mnist --widths 10 14 18 27 45 90 180 270 --losses w-softmax:{0.5,1.5} --seeds 10",
        "--dataset mnist --widths 9 --losses hinge l-softmax w-softmax:{0.5,1.5} --seeds 10",
        f"--dataset mnist {_EVERY_KIND}",
    ),
    "paper-mnist": ("--recipe paper-mnist --widths 9 --losses softmax w-softmax:{0.5,1,1.5} --seeds 10",),
    "mnist-small-cold": ("--recipe mnist-small-cold --widths 9 --seeds 3",),
    "mnist-small-2": ("--dataset mnist:2 --losses softmax --seeds 5",),
    "mnist-small-3": ("--dataset mnist:3 --losses softmax --seeds 5",),
    "mnist-small-5": (
        "--dataset mnist:5 --losses softmax --seeds 5",
        "--dataset mnist:5 --widths 4 --losses w-softmax",
    ),
    "mnist-small-6": ("--dataset mnist:6 --widths 5 --losses softmax w-softmax",),
    "mnist-small-7": (
        "--dataset mnist:7 --losses softmax --seeds 5",
        "--dataset mnist:7 --widths 6 --losses w-softmax",
    ),
    "mnist-small-8": ("--dataset mnist:8 --widths 7 --losses softmax w-softmax",),
    "mnist-small-9": ("--dataset mnist:9 --widths 8 --losses softmax w-softmax",),
    "fashion-mnist-small": (
        "--dataset fashion-mnist --widths 1 2 3 4 5 8 9 18 27 45 90 270 --losses softmax --seeds 5",
        "--dataset fashion-mnist --widths 9 90 270 --losses w-softmax:{0.5,1,1.5} --seeds 3",
    ),
    "fashion-mnist-small-2": ("--dataset fashion-mnist:2 --widths 1 2 3 5 --losses softmax --seeds 5",),
    "fashion-mnist-small-3": ("--dataset fashion-mnist:3 --widths 1 2 3 4 6 10 --losses softmax --seeds 5",),
    "fashion-mnist-small-5": ("--dataset fashion-mnist:5 --widths 1 2 3 4 5 8 12 20 --losses softmax --seeds 5",),
    "fashion-mnist-small-7": ("--dataset fashion-mnist:7 --widths 1 3 4 5 6 7 12 18 30 --losses softmax --seeds 5",),
    "cifar10-small": (
        "--dataset cifar10 --widths 1 5 8 9 18 27 45 --losses softmax w-softmax:1 --seeds 3",
        "--dataset cifar10 --widths 9 --losses hinge l-softmax w-softmax:{0.5,1.5} --seeds 10",
        "--dataset cifar10 --widths 9 --losses w-softmax:0 w-softmax-{centred,simplex}:{0,0.5,1} --seeds 10",
        "--dataset cifar10 --widths 2 3 4 --losses softmax --seeds 3",
        "--dataset cifar10 --widths 270 --losses w-softmax:1 --seeds 3",
        "--dataset cifar10 --widths 5 6 7 8 9 18 27 45 90 270 --losses softmax --seeds 15",
        "--dataset cifar10 --widths 5 8 9 18 27 45 --losses w-softmax:1 --seeds 15",
    ),
    "cifar10-small-long": (
        "--recipe cifar10-small-long --widths 5 7 9 18 45 --losses softmax --seeds 8",
        "--recipe cifar10-small-long --widths 9 --losses w-softmax:{0,0.5,1,1.5} --seeds 8",
    ),
    "cifar10-small-augmented": (
        "--recipe cifar10-small-augmented --widths 9 --losses softmax w-softmax:{0.5,1} --seeds 5",
    ),
    "cifar10-small-validated": (
        "--recipe cifar10-small-validated --widths 9 --losses softmax w-softmax:{0.5,1,1.5} --seeds 8",
    ),
    "cifar10-small-2": ("--dataset cifar10:2 --widths 1 2 3 5 --losses softmax --seeds 5",),
    "cifar10-small-3": ("--dataset cifar10:3 --widths 1 2 3 4 6 10 --losses softmax --seeds 5",),
    "cifar10-small-5": (
        "--dataset cifar10:5 --widths 1 2 3 4 5 8 12 20 --losses softmax --seeds 5",
        "--dataset cifar10:5 --widths 4 --losses w-softmax:1 --seeds 3",
    ),
    "cifar10-small-6": ("--dataset cifar10:6 --widths 5 --losses softmax w-softmax:1 --seeds 3",),
    "cifar10-small-7": (
        "--dataset cifar10:7 --widths 1 3 4 5 6 7 12 18 30 --losses softmax --seeds 5",
        "--dataset cifar10:7 --widths 6 --losses w-softmax:1 --seeds 3",
    ),
    "cifar10-small-8": ("--dataset cifar10:8 --widths 7 --losses softmax w-softmax:1 --seeds 3",),
    "cifar10-small-9": ("--dataset cifar10:9 --widths 8 --losses softmax w-softmax:1 --seeds 3",),
    "cifar100-small": (
        "--dataset cifar100 --widths 1 50 98 99 198 297 495 2970 --losses softmax w-softmax:1 --seeds 3",
        "--dataset cifar100 --widths 99 --losses hinge w-softmax:{0.5,1.5} --seeds 10",
        "--dataset cifar100 --widths 98 99 --losses w-softmax:1 --seeds 10",
        "--dataset cifar100 --widths 99 --losses l-softmax --seeds 4",
        "--dataset cifar100 --widths 50 98 99 198 297 495 --losses softmax --seeds 20",
        "--dataset cifar100 --widths 25 35 --losses softmax --seeds 5",
        "--dataset cifar100 --widths 2 3 4 22 990 1980 --losses softmax --seeds 3",
    ),
    "cifar100-small-long": (
        "--recipe cifar100-small-long --widths 99 --losses softmax w-softmax:1 --seeds 8",
        "--recipe cifar100-small-long --widths 25 50 98 --losses softmax --seeds 6",
        "--recipe cifar100-small-long --widths 198 297 --losses softmax --seeds 8",
    ),
    "cifar100-small-10": ("--dataset cifar100:10 --widths 1 2 3 4 5 8 9 18 27 45 --losses softmax --seeds 5",),
    "cifar100-small-20": ("--dataset cifar100:20 --widths 3 5 10 18 19 38 57 95 --losses softmax --seeds 3",),
    "cifar100-small-50": ("--dataset cifar100:50 --widths 12 25 48 49 98 147 245 --losses softmax --seeds 10",),
}
"""The packs that the committed figures and tables rest on, each with the options of the sweeps that make its records.
Whoever commits a pack adds its line."""


def packs(data: Path, needed: Mapping[str, Sequence[str]]) -> list[Path]:
    """The packed files in a folder, by name.

    *Arguments*: `data`, the folder; `needed`, the packs that must be there, each with the options of the sweeps that
    make it.

    *Raises*: `FileNotFoundError` if one is missing, or if there is none, naming the command that makes it."""
    for name, sweeps in needed.items():
        if not (file := data / f"{name}{PACK_SUFFIX}").exists():
            raise FileNotFoundError(f"no {file}: make it with  {' && '.join(commands(name, sweeps, data.parent))}")
    found = sorted(data.glob(f"*{PACK_SUFFIX}"))
    if not found:
        raise FileNotFoundError(
            f"no records in {data}: make some with  python -m fc_width.sweep  "
            "and draw them with  python -m analysis --runs runs/digits"
        )
    return found


def commands(name: str, sweeps: Sequence[str], out: Path = OUT) -> list[str]:
    """The commands, for bash, that make the runs of a pack and then the pack.

    *Arguments*: `name`, of the pack; `sweeps`, the options of its sweeps; `out`, the folder that the figures are in."""
    folder = f"runs/figures/{name}"
    return [
        *(f"python -m fc_width.sweep {options} --out {folder}" for options in sweeps),
        f"python -m analysis --runs {folder}" + (f" --out {shlex.quote(str(out))}" if out != OUT else ""),
    ]
