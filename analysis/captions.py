"""What figures of several sweeps have in common: how a loss is drawn, and what a reader is told of the runs."""

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from analysis import figures

NOT_IN_STYLES = ("#56B4E9", "P", "-")


def style(loss: str) -> tuple[str, str, str, str]:
    """Label, colour, marker and dash of a loss."""
    return figures.STYLES.get(loss, (loss, *NOT_IN_STYLES))


def below(figure: Figure, text: str) -> str:
    """A caption in lines no wider than the figure that it stands under (characters of 5.5 points)."""
    return "\n".join(textwrap.wrap(text, int(figure.get_figwidth() / 0.043)))


def told(sweeps: Sequence[pd.DataFrame]) -> str:
    """What was run, how often, and on what."""
    runs = pd.concat(sweeps)
    counts = runs.groupby(["name", "dataset", "loss", "width"])["seed"].nunique()
    low, most = int(counts.min()), int(counts.max())
    seeds = f"{most} seed{'s' * (most != 1)}" if low == most else f"{low} to {most} seeds"
    datasets = ", ".join(
        f"{name} ({', '.join(sorted(rows['dataset'].unique()))})" for name, rows in runs.groupby("name")
    )
    lost = int((runs["status"] != "done").sum())
    devices = ", ".join(sorted(runs["device"].dropna().unique())) if "device" in runs else ""
    feature = ", ".join(sorted(runs["feature"].unique()))
    parts = [f"{datasets}, feature {feature}; {seeds}, {len(runs)} runs", f"{lost} of them not done" if lost else ""]
    return "; ".join(filter(None, [", ".join(filter(None, parts)), devices]))
