"""``python -m analysis``: every figure and table, with its source data, from records alone. Nothing is trained."""

import inspect
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import tyro

from analysis import (
    committed,
    figures,
    figures_angles,
    figures_epochs,
    figures_geometry,
    figures_network,
    figures_overfitting,
    figures_theory,
    figures_width,
    paper_tables,
    records,
    tables,
)
from analysis.drawing import Drawing, shown
from analysis.records import done
from fc_width.options import Folder
from fc_width.recipes import Recipe
from theory import console


@dataclass(frozen=True)
class Options:
    """Draw the figures and tables from the records of sweeps.

    Without --runs: all of them, from the packed records in OUT/data, the source data of the committed figures.
    """

    runs: Folder = None
    """Folder of records that a sweep wrote; packed into OUT/data first, and drawn alone."""
    out: Path = committed.OUT
    """Folder that the figures go into; their source data goes into its folder data, PDFs into its folder pdf."""
    commands: bool = False
    """Draw nothing; print the commands that make the runs behind the committed figures, to be run by a shell."""


Table = pd.DataFrame
"""Rows of `records.load`."""


class Entry(NamedTuple):
    """A figure that records may allow: the stem of its files, what draws it, and whether these runs allow it."""

    stem: Callable[[Table], str]
    draw: Callable[[Table], Drawing]
    applies: Callable[[Table], bool]


def _named(stem: str) -> Callable[[Table], str]:
    return lambda runs: stem


def _accuracy_stem(runs: Table) -> str:
    letter = {"mnist": "a", "cifar10": "b", "cifar100": "c"}.get(runs["dataset"].iloc[0])
    return f"fig4{letter}-accuracy" if letter else "accuracy"


def _several_widths(runs: Table) -> bool:
    return bool(shown(runs)["width"].nunique() > 1)


def _all_classes(runs: Table) -> bool:
    return ":" not in runs["dataset"].iloc[0]


def _all_widths(runs: Table) -> bool:
    return _several_widths(runs) and _all_classes(runs)


def _per_class(runs: Table) -> bool:
    """The trunk's feature, and linear, which shows the loophole best; `loophole` has the means of all."""
    at_simplex = shown(runs)[shown(runs)["width"] == shown(runs)["classes"] - 1]
    told = len(at_simplex) > 0 and at_simplex["class_angles"].notna().all()
    return bool(told) and _all_classes(runs) and runs["feature"].iloc[0] in (Recipe.feature, "linear")


def _wide(runs: Table) -> bool:
    return _all_classes(runs) and len(figures_overfitting.changes(shown(runs))) > 0


def _curves(runs: Table) -> bool:
    return _all_classes(runs) and runs["feature"].iloc[0] == Recipe.feature and figures_epochs.tells(runs)


def _width_curves(runs: Table) -> bool:
    return _all_classes(runs) and runs["feature"].iloc[0] == Recipe.feature and figures_epochs.tells_of_widths(runs)


def _compared(runs: Table) -> Table:
    """Those of recipes that were run with several numbers of classes."""
    return runs[runs.groupby("name")["classes"].transform("nunique") > 1]


def _angles_at_several_widths(runs: Table) -> bool:
    return _all_classes(runs) and len(figures_angles.widths_of_all(runs)) > 2


def _every_alpha(runs: Table) -> bool:
    return bool(done(runs)["loss"].str.fullmatch(r"w-softmax-simplex:0\.5").any())


def _in_the_plane(runs: Table) -> bool:
    fixed = done(runs)["loss"].str.startswith("w-softmax-simplex")
    return bool(((done(runs)["width"] == 2) & done(runs)["features"].notna() & fixed).any())


# To add a figure, add a line: here if it needs no runs,
WITHOUT_RUNS: dict[str, Callable[[], Drawing]] = {
    "fig1-network": figures_network.network,
    "fig2-boundaries": figures_theory.decision_boundaries,
    "fig3-simplices": figures_theory.simplices,
    "fig4d-memory": figures_network.memory_of_the_networks,
    "best-angles": figures_theory.best_angles,
}
# here if it shows the runs of one recipe and one feature (its files are called STEM-RECIPE, or STEM-RECIPE-FEATURE),
OF_A_FEATURE: list[Entry] = [
    Entry(_accuracy_stem, figures.accuracy_against_width, _several_widths),
    Entry(_named("fig4d-memory"), figures.memory_against_width, _all_widths),
    Entry(_named("fig5-angles"), figures_angles.mean_angles, _per_class),
    Entry(_named("fig5-angle-against-width"), figures_angles.angle_against_width, _angles_at_several_widths),
    Entry(_named("geometry"), figures_geometry.geometry_against_bound, _all_widths),
    Entry(_named("overfitting"), figures_overfitting.overfitting, _wide),
    Entry(_named("epochs"), figures_epochs.accuracy_by_epoch, _curves),
    Entry(_named("epochs-by-width"), figures_epochs.width_by_epoch, _width_curves),
]
# here if it shows one recipe with all its features (STEM-RECIPE),
OF_A_RECIPE: list[Entry] = [
    Entry(_named("loophole"), figures_angles.angle_against_alpha, _every_alpha),
    Entry(_named("plane"), figures_angles.features_in_the_plane, _in_the_plane),
]
# here if it compares numbers of classes: it gets the runs of all packs of one recipe in one table (STEM-RECIPE),
OF_ALL_CLASSES: list[Entry] = [
    Entry(_named("rise"), figures_width.rise_to_the_plateau, figures_width.any_plateau),
]
# and here if it compares recipes: it gets the runs of all packs in one table (STEM).
OF_ALL: list[Entry] = [
    Entry(
        _named("knee"),
        lambda runs: figures_width.knee_against_classes(_compared(runs)),
        lambda runs: figures_width.any_plateau(_compared(runs)),
    ),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 where there is nothing to draw from."""
    options = tyro.cli(Options, args=arguments, prog="python -m analysis", description=inspect.getdoc(Options))
    try:
        console.check_options(arguments, options)
        if options.commands:
            if options.runs is not None:
                raise ValueError(f"--commands are those of the committed figures, got --runs {options.runs}")
            told = _commands(options.out)
        else:
            needed = committed.SWEEPS if options == Options() else {}
            told = [str(path) for path in draw_all(options.out, options.runs, needed)]
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(told))
    return 0


def _commands(out: Path) -> list[str]:
    """The commands that make every pack, after a comment on how long those in `out` took."""
    told = [line for name, sweeps in committed.SWEEPS.items() for line in committed.commands(name, sweeps, out)]
    packs = [records.load(pack) for pack in sorted((out / "data").glob(f"*{records.PACK_SUFFIX}"))]
    if not packs:
        return told
    taken = pd.concat([runs.reindex(columns=["device", "seconds"]) for runs in packs])
    on_gpu = taken["device"].astype(str).str.startswith("cuda")
    hours = [taken.loc[where, "seconds"].sum() / 3600 for where in (~on_gpu, on_gpu)]
    comment = f"# {(~on_gpu).sum():,} runs, which took {hours[0]:.0f} core hours as they are recorded"
    if on_gpu.any():
        comment += f", and {on_gpu.sum():,} that took {hours[1]:.1f} hours on a GPU, several at once"
    return [comment, *told]


def draw_all(out: Path, runs: Path | None = None, needed: Mapping[str, Sequence[str]] | None = None) -> list[Path]:
    """Draw everything that the records allow.

    *Arguments*: `out`; `runs`, a folder of records to pack into `out`/data and draw, alone; without it, all packs there
    are drawn, and what needs no runs; `needed`, the packs that must be there, each with the commands that make it.

    *Returns*: the files written.

    *Raises*: `FileNotFoundError` if there are no records or a needed pack is missing, naming the command that makes
    them; `ValueError` if none of a folder's runs, or of a pack's, is done.
    """
    data = out / "data"
    packs = committed.packs(data, needed or {}) if runs is None else [_pack(runs, data)]
    frames = {pack.name.removesuffix(records.PACK_SUFFIX): _load(pack) for pack in packs}
    written = []
    for stem, drawing in drawings(frames, alone=runs is not None):
        written += _save(drawing, stem, out)
    for name, text in texts(frames, alone=runs is not None):
        written.append(out / name)
        console.write_whole(written[-1], text)
    return written


def drawings(frames: Mapping[str, Table], alone: bool = False) -> Iterator[tuple[str, Drawing]]:
    """All figures that the runs of these packs (name → table) allow, one at a time, each with the stem of its files;
    `alone`: only those that show one pack, and those of the first K classes too, which else stand beside the others."""
    if not alone:
        yield from ((stem, draw()) for stem, draw in WITHOUT_RUNS.items())
        together = pd.concat(frames.values(), ignore_index=True)
        yield from ((entry.stem(together), entry.draw(together)) for entry in OF_ALL if entry.applies(together))
        for name, runs in together.groupby("name"):
            yield from ((f"{e.stem(runs)}-{name}", e.draw(runs)) for e in OF_ALL_CLASSES if e.applies(runs))
    for name, frame in frames.items():
        for feature, runs in frame.groupby("feature") if alone or _all_classes(frame) else ():
            suffix = name if feature == Recipe.feature else f"{name}-{feature}"
            yield from ((f"{e.stem(runs)}-{suffix}", e.draw(runs)) for e in OF_A_FEATURE if e.applies(runs))
        yield from ((f"{e.stem(frame)}-{name}", e.draw(frame)) for e in OF_A_RECIPE if e.applies(frame))


def texts(frames: Mapping[str, Table], alone: bool = False) -> Iterator[tuple[str, str]]:
    """All tables, each with the name of its file; `alone` as for `drawings`."""
    if not alone:
        together = pd.concat(frames.values(), ignore_index=True)
        rows = paper_tables.compare(together)
        yield "tables.md", paper_tables.markdown(rows, together)
        yield "tables.tex", paper_tables.latex(rows, together)
        yield "data/tables.csv", rows.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        if knees := tables.knees(together):
            yield "knee.md", knees + "\n"
    for name, frame in frames.items():
        if alone or _all_classes(frame):
            yield f"tables-{name}.md", tables.of_a_recipe(frame, name)


def _load(source: Path) -> Table:
    frame = records.load(source)
    if none := records.none_done(frame, source):
        raise ValueError(f"{none}. What to run instead:  python -m analysis.advise --runs {shlex.quote(str(source))}")
    return frame


def _pack(runs: Path, data: Path) -> Path:
    frame = _load(runs)
    subset = frame["dataset"].iloc[0].partition(":")[2]
    name = "-".join(filter(None, (frame["name"].iloc[0], subset)))
    records.pack(runs, data / f"{name}{records.PACK_SUFFIX}")
    return data / f"{name}{records.PACK_SUFFIX}"


def _save(drawing: Drawing, stem: str, out: Path) -> list[Path]:
    wide = int(19 * drawing.figure.get_figwidth())
    text = "\n".join(textwrap.wrap(drawing.caption, wide, break_on_hyphens=False))
    drawing.figure.text(0.005, -0.01, text, ha="left", va="top", fontsize=7, color="0.25")
    paths = [out / f"{stem}.png", out / "pdf" / f"{stem}.pdf", out / "data" / f"{stem}.csv"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    drawing.figure.savefig(paths[0], dpi=150, metadata={"Software": None}, bbox_inches="tight")
    drawing.figure.savefig(paths[1], metadata={"CreationDate": None}, bbox_inches="tight")
    drawing.source.to_csv(paths[2], index=False, float_format="%.6g", lineterminator="\n")
    return paths


if __name__ == "__main__":
    console.run(main)
