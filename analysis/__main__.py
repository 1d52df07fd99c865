"""``python -m analysis``: every figure, with its source data, from records alone. Nothing is trained."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tyro

from analysis import figures, records, tables


@dataclass(frozen=True)
class Options:
    """Draw the figures from the records of sweeps.

    Without --runs: from the packed records in OUT/data, the source data of the committed figures.
    """

    runs: Path | None = None
    """Folder of records that a sweep wrote; packed into OUT/data first, and drawn alone."""
    out: Path = Path("figures")
    """Folder that the figures go into; their source data goes into its folder data."""


DRAWINGS: dict[str, Callable[[pd.DataFrame], figures.Drawing]] = {
    "fig4a-accuracy": figures.accuracy_against_width,
    "fig4d-memory": figures.memory_against_width,
    "fig5-angles": figures.mean_angles,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 where there is nothing to draw from."""
    options = tyro.cli(Options, args=arguments, prog="python -m analysis", description=Options.__doc__)
    try:
        for path in draw_all(options.out, options.runs):
            print(path)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def draw_all(out: Path, runs: Path | None = None) -> list[Path]:
    """Draw everything that the records allow.

    *Arguments*: `out`; `runs`, a folder of records to pack into `out`/data and draw; without it, all packs
    there are drawn.

    *Returns*: the files written.

    *Raises*: `FileNotFoundError` if there are no records, naming the command that makes them.
    """
    data = out / "data"
    if runs is None:
        packs = sorted(data.glob(f"*{records.PACK_SUFFIX}"))
        if not packs:
            raise FileNotFoundError(
                f"no records in {data}: make some with  python -m fc_width.sweep  "
                "and draw them with  python -m analysis --runs runs/digits"
            )
    else:
        frame = records.load(runs)
        data.mkdir(parents=True, exist_ok=True)
        subset = frame["dataset"].iloc[0].partition(":")[2]
        packs = [data / f"{'-'.join(filter(None, (frame['name'].iloc[0], subset)))}{records.PACK_SUFFIX}"]
        records.pack(runs, packs[0])
    theory = _save(figures.best_angles(), "best-angles", out)
    return theory + [path for pack in packs for path in _draw_pack(pack, out)]


def _draw_pack(pack: Path, out: Path) -> list[Path]:
    frame = records.load(pack)
    name = pack.name.removesuffix(records.PACK_SUFFIX)
    written = []
    for feature, runs in frame.groupby("feature"):
        done = runs[runs["status"] == "done"]
        suffix = "" if feature == "prelu-bn" else f"-{feature}"
        for stem, draw in DRAWINGS.items():
            at_simplex = bool((done["width"] == done["classes"] - 1).any())
            if at_simplex if draw is figures.mean_angles else done["width"].nunique() > 1:
                written += _save(draw(runs), f"{stem}-{name}{suffix}", out)
    if frame["loss"].str.fullmatch(r"w-softmax-simplex:0\.5").any():
        written += _save(figures.angle_against_alpha(frame), f"loophole-{name}", out)
    if ((frame["width"] == 2) & frame["features"].notna() & frame["loss"].str.startswith("w-softmax-simplex")).any():
        written += _save(figures.features_in_the_plane(frame), f"plane-{name}", out)
    return [*written, _tables(frame, name, out)]


def _tables(frame: pd.DataFrame, name: str, out: Path) -> Path:
    """All tables of one recipe, in one Markdown file."""
    seeds = frame.groupby("feature")["seed"].nunique().to_dict()
    parts = [
        f"# {name}",
        f"Written by `python -m analysis`. Seeds: {', '.join(f'{n} ({f})' for f, n in seeds.items())}.",
    ]
    for feature, runs in frame.groupby("feature"):
        if runs["width"].nunique() > 1:
            parts += [f"## Test accuracy, %, feature {feature}", tables.accuracy_by_width(runs)]
    if (frame["width"] == frame["classes"] - 1).any():
        parts += ["## Geometry at M = C − 1", tables.geometry_by_loss(frame)]
    path = out / f"tables-{name}.md"
    path.write_text("\n\n".join(parts) + "\n", "utf-8")
    return path


def _save(drawing: figures.Drawing, stem: str, out: Path) -> list[Path]:
    drawing.figure.text(0.995, -0.005, drawing.caption, ha="right", va="top", fontsize=5.5, color="0.35", wrap=False)
    paths = [out / f"{stem}.pdf", out / f"{stem}.png", out / "data" / f"{stem}.csv"]
    drawing.figure.savefig(paths[0], metadata={"CreationDate": None}, bbox_inches="tight")
    drawing.figure.savefig(paths[1], dpi=150, metadata={"Software": None}, bbox_inches="tight")
    drawing.source.to_csv(paths[2], index=False, float_format="%.6g", lineterminator="\n")
    return paths


if __name__ == "__main__":
    sys.exit(main())
