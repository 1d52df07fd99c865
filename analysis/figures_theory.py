"""Figures that need no runs: decision boundaries (Fig. 2), simplices (Fig. 3), the best possible angle."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Wedge

from analysis.drawing import CLASS_STYLES, Drawing
from theory import bounds
from theory.margin import biased_angle, boundary_angle, inverted_arc, margin
from theory.simplex import simplex_weights

FIRST, SECOND, BIASED = "#0072B2", "#E69F00", "#7A4F00"
"""The colours of two classes, apart in grey too, and of the second's weight as training sees it."""
MARGIN, LOOPHOLE = "0.88", "#D55E00"


def best_angles(sizes: tuple[int, ...] = (10, 100)) -> Drawing:
    """The largest possible smallest angle of C unit vectors in R^M against M (`theory.bounds`), a panel for each C."""
    source = pd.DataFrame(
        {"C": C, "M": row["M"], "lower": row["lower"], "upper": row["upper"], "exact": row["exact"]}
        for C in sizes
        for row in bounds.table(C, sorted({*range(1, min(C, 12)), *bounds.default_widths(C), C + C // 4}))
    )
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, C in zip(panels, sizes, strict=True):
        rows = source[source["C"] == C]
        axes.fill_between(rows["M"], rows["lower"], rows["upper"], color="#0072B2", alpha=0.25, linewidth=0)
        axes.plot(rows["M"], rows["lower"], "-", color="#0072B2", linewidth=1)
        known = rows[rows["exact"]]
        axes.plot(known["M"], known["lower"], "o", color="#000000", markersize=5, label="known exactly")
        unknown = rows[~rows["exact"]]
        if len(unknown):
            middle, half = (unknown["upper"] + unknown["lower"]) / 2, (unknown["upper"] - unknown["lower"]) / 2
            axes.errorbar(unknown["M"], middle, half, fmt="none", ecolor="#D55E00", capsize=3, label="between bounds")
        for width, name, height in ((-(-C // 2), "⌈C/2⌉", 0.94), (C - 1, "C − 1", 0.99)):
            axes.axvline(width, color="0.4", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
            place = axes.get_xaxis_transform()
            axes.text(width, height, f" {name} = {width} ", transform=place, ha="right", va="top", fontsize=8)
        axes.axhline(90, color="0.5", linewidth=0.8, linestyle=(0, (1, 3)))
        gain = np.degrees(bounds.last_width_gain(C))
        axes.set_title(f"C = {C}: the step from C − 2 to C − 1 buys {gain:.2f}°", fontsize=10)
        axes.set_xlabel("Width M" + (" (log axis)" if C > 20 else ""))
        if C > 20:
            axes.set_xscale("log")
        axes.grid(axis="y", color="0.92")
        axes.legend(loc="lower right", fontsize=8)
    panels[0].set_ylabel("Best possible smallest angle\nbetween C weight vectors (degrees)")
    panels[0].set_ylim(0, 105)
    return Drawing(figure, source, "theory.bounds: no data. From ⌈C/2⌉ on C weights can be 90° or more apart.")


def decision_boundaries(alphas: tuple[float, ...] = (0, 0.5, 1, 1.5), theta: float = 120.0) -> Drawing:
    """Fig. 2: where training and test draw their boundaries between two classes in the plane (`theory.margin`), a panel
    for each α, and the features that are right in training and wrong at test.

    *Arguments*: `alphas`; `theta`, the angle between the two weights in degrees.
    """
    angle = np.radians(theta)
    source = pd.DataFrame(
        {
            "alpha": alpha,
            "theta": theta,
            "biased_weight": np.degrees(biased_angle(angle, alpha)),
            "training_boundary": np.degrees(boundary_angle(angle, alpha)),
            "test_boundary": theta / 2,
            "margin": np.degrees(margin(angle, alpha)),
            "inverted_from": np.degrees(inverted_arc(angle, alpha)[0]),
            "inverted_to": np.degrees(inverted_arc(angle, alpha)[1]),
        }
        for alpha in alphas
    )
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    for axes, (_, row) in zip(figure.subplots(1, len(alphas)), source.iterrows(), strict=True):
        _boundaries(axes, row)
    handles = [
        Patch(facecolor=MARGIN, edgecolor="0.4", hatch="...", label="margin between the two training boundaries"),
        Patch(facecolor=LOOPHOLE, edgecolor="black", hatch="////", label="right in training as class 1, wrong at test"),
        Patch(facecolor="white", edgecolor=LOOPHOLE, hatch="\\\\\\\\", label="the same of class 2"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8, handlelength=2.6, handleheight=1.4)
    text = (
        f"theory.margin: no data. Weights at {theta:g}°; α = 0 is softmax with unit weights. Dashed line: the test "
        "boundary; solid lines: those of training; dashed arrow: $w'_2$, which stands for $w_2$ when a feature of "
        "class 1 is trained."
    )
    return Drawing(figure, source, text)


def _boundaries(axes: Axes, row: Any) -> None:
    """One panel: angles of `row` are from w_1 towards w_2, which stand at 90° + θ/2 and 90° − θ/2."""
    start = 90 + row["theta"] / 2  # of w_1; the plane's angles fall from there
    for sign, weight, label, colour in ((-1, start, "1", FIRST), (1, 180 - start, "2", SECOND)):
        ends = sorted(weight + sign * row[end] for end in ("inverted_from", "inverted_to"))
        face, edge, hatch = (LOOPHOLE, "black", "////") if label == "1" else ("white", LOOPHOLE, "\\\\\\\\")
        if row["margin"] > 0:
            axes.add_patch(Wedge((0, 0), 1, *ends, facecolor=face, edgecolor=edge, hatch=hatch, linewidth=0))
        boundary = _unit(weight + sign * row["training_boundary"])
        axes.plot(*np.outer([-1, 1], boundary).T, "-", color=colour, linewidth=1.4)
        _arrow(axes, weight, colour, f"$w_{label}$")
    if row["margin"] > 0:
        half = row["margin"] / 2
        wedge = Wedge((0, 0), 1, 90 - half, 90 + half, facecolor=MARGIN, edgecolor="0.4", hatch="...", linewidth=0)
        axes.add_patch(wedge)
        _arrow(axes, start - row["biased_weight"], BIASED, "$w'_2$", dash=(0, (3, 2)))
    axes.plot([0, 0], [-1, 1], color="black", linewidth=1.2, linestyle=(0, (5, 3)))
    axes.set_title(f"α = {row['alpha']:g}: margin {row['margin']:.3g}°", fontsize=10)
    axes.set_aspect("equal")
    axes.set_xlim(-1.15, 1.15)
    axes.set_ylim(-1.05, 1.2)
    axes.axis("off")


def _unit(degrees: float) -> npt.NDArray[np.float64]:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def _arrow(axes: Axes, degrees: float, colour: str, name: str, dash: Any = "-") -> None:
    x, y = _unit(degrees)
    props = {"arrowstyle": "-|>", "color": colour, "lw": 1.8, "linestyle": dash}
    axes.annotate("", (0.9 * x, 0.9 * y), (0, 0), arrowprops=props)
    axes.text(1.09 * x, 1.09 * y, name, ha="center", va="center", fontsize=10)


def simplices(sizes: tuple[int, ...] = (2, 3, 4)) -> Drawing:
    """Fig. 3: the weights of `theory.simplex` for C = 2, 3, 4 in C − 1 dimensions, with the angle of all pairs."""
    source = pd.DataFrame(
        {"C": C, "class": label + 1, "angle": _common_angle(weights)}
        | {f"x{axis + 1}": weights[axis, label] if axis < C - 1 else None for axis in range(max(sizes) - 1)}
        for C, weights in ((C, simplex_weights(C)) for C in sizes)
        for label in range(C)
    )
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for index, C in enumerate(sizes):
        weights = simplex_weights(C)
        axes: Any = figure.add_subplot(1, len(sizes), index + 1, projection="3d" if C == 4 else None)
        _tetrahedron(axes, weights) if C == 4 else _in_the_plane(axes, weights)
        axes.set_title(f"C = {C}, M = {C - 1}: {_common_angle(weights):.2f}°".replace(".00°", "°"), fontsize=10)
    text = "theory.simplex: no data. Unit weight vectors of Eq. 3; the angle is that of every pair."
    return Drawing(figure, source, text)


def _common_angle(weights: npt.NDArray[Any]) -> float:
    """The smallest angle between columns, in degrees: on a simplex, that of all."""
    nearest = max(one @ other for one, other in combinations(weights.T, 2))
    return float(np.degrees(np.arccos(np.clip(nearest, -1, 1))))


def _in_the_plane(axes: Axes, weights: npt.NDArray[Any]) -> None:
    points = np.vstack([weights, np.zeros((2 - len(weights), weights.shape[1]))]).T
    for label, tip in enumerate(points):
        colour, marker = CLASS_STYLES[label]
        axes.annotate("", tuple(tip), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.8})
        axes.plot(*tip, marker, color=colour, markersize=5)
        axes.text(1.2 * tip[0], 1.2 * tip[1], f"$w_{label + 1}$", ha="center", va="center", fontsize=11)
    degrees = np.sort(np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360)
    turn = np.radians(np.linspace(degrees[0], degrees[1], 60))
    axes.plot(0.3 * np.cos(turn), 0.3 * np.sin(turn), color="0.4", linewidth=1)
    middle = _unit((degrees[0] + degrees[1]) / 2)
    axes.text(
        0.48 * middle[0], 0.48 * middle[1], f"{degrees[1] - degrees[0]:.0f}°", ha="center", va="center", fontsize=9
    )
    axes.set_aspect("equal")
    axes.set_xlim(-1.35, 1.35)
    axes.set_ylim(-1.35, 1.35)
    axes.axis("off")


def _tetrahedron(axes: Any, weights: npt.NDArray[Any]) -> None:
    for one, other in combinations(weights.T, 2):
        axes.plot(*np.array([one, other]).T, color="0.7", linewidth=0.8, linestyle=(0, (4, 3)))
    for label, tip in enumerate(weights.T):
        colour, marker = CLASS_STYLES[label]
        axes.quiver(0, 0, 0, *tip, color=colour, arrow_length_ratio=0.12, linewidth=1.8)
        axes.plot(*tip[:, None], marker, color=colour, markersize=5)
        axes.text(*(1.28 * tip), f"$w_{label + 1}$", ha="center", va="center", fontsize=11)
    one, other = weights[:, 2], weights[:, 3]
    share = np.linspace(0, 1, 40)[:, None]
    arc = (1 - share) * one + share * other
    arc = 0.35 * arc / np.linalg.norm(arc, axis=1, keepdims=True)
    axes.plot(*arc.T, color="0.4", linewidth=1)
    middle = (one + other) / np.linalg.norm(one + other)
    axes.text(*(0.6 * middle), f"{_common_angle(weights):.2f}°", ha="center", va="center", fontsize=9)
    axes.set_box_aspect((1, 1, 1), zoom=1.15)
    axes.set_xlim(-0.8, 0.8)
    axes.set_ylim(-0.8, 0.8)
    axes.set_zlim(-0.6, 1)
    axes.view_init(elev=20, azim=-52)
    axes.set_axis_off()
