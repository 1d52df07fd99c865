"""The ledger as one HTML page that needs nothing else: no network, no script, figures within it."""

import base64
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from analysis.contrasts import Finding
from analysis.mathtext import to_html
from analysis.page_style import STYLE
from analysis.unjudged import UNJUDGED
from analysis.verdicts import JUDGED, KINDS, MEANING, SECTIONS, SEEDS, STATED, Evidence, Row, counts

WIDEST = 1100
"""Pixels of an embedded figure: a wide screen's column, or a phone's at three pixels a point."""
COLOURS = 64

SHOWS = {
    "fig2": "The training and the test boundary of two classes for four values of α",
    "fig3": "The simplices of two, three and four classes",
    "fig4d": "Parameter memory of the FC layer and of the classifier against the number of units M",
    "fig5": "Mean angle between a feature and its class's weight, per class and loss, training and test set",
    "best-angles": "Best possible smallest angle between the weight vectors against the number of units M",
    "loophole": "Mean angle between a feature and its class's weight against α, for three kinds of weights",
    "overfitting": "Accuracy at wide layers minus that at M = C − 1, softmax and W-Softmax",
    "knee": "The smallest width as good as the plateau against the number of classes",
    **dict.fromkeys(
        ("accuracy", "fig4a", "fig4b", "fig4c"),
        "Test accuracy against the number of units M, a line for each loss, M_min marked",
    ),
}
"""What a figure shows, by how its name begins."""


class Picture(NamedTuple):
    """A figure, ready to be embedded: its name, PNG bytes, and size in pixels."""

    stem: str
    png: bytes
    width: int
    height: int

    @property
    def alt(self) -> str:
        """What the figure shows, in a sentence."""
        shows = next((text for start, text in SHOWS.items() if self.stem.startswith(start)), None)
        if shows is None:
            raise ValueError(f"nothing is said of the figure {self.stem}: expected one of {', '.join(SHOWS)}")
        return f"{shows} ({self.stem})."


def picture(file: Path) -> Picture:
    """A PNG file, made small: no wider than `WIDEST`, at most `COLOURS` colours, the same bytes for the same file."""
    with Image.open(file) as opened:
        found = opened.convert("RGB")
    if found.width > WIDEST:
        found = found.resize((WIDEST, round(found.height * WIDEST / found.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    found.quantize(COLOURS, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return Picture(file.stem, stream.getvalue(), *found.size)


def render(rows: Sequence[Row], pictures: Mapping[str, Sequence[Picture]]) -> str:
    """The page.

    *Arguments*: `rows`, as `verdicts.rows` gives them; `pictures`, id of a claim → its figures. A figure of
    several claims is embedded at the first and linked from the others.

    *Returns*: HTML; every claim is an `<article>` with its id."""
    shown: dict[str, str] = {}
    parts = []
    for section in SECTIONS:
        of_section = [row for row in rows if row.section == section]
        if of_section:
            articles = "\n".join(_article(row, pictures.get(row.id, ()), shown) for row in of_section)
            parts.append(
                f'<section aria-labelledby="section-{section}">\n<h2 id="section-{section}">{section}. '
                f"{html.escape(SECTIONS[section])}</h2>\n{articles}\n</section>"
            )
    unjudged = "\n".join(
        f"<li>{place}: {text}: {why}.</li>" for place, text, why in (map(to_html, x) for x in UNJUDGED)
    )
    unjudged = re.sub("`([^`]+)`", r"<code>\1</code>", unjudged)
    parts.append(f'<section><h2 id="unjudged">What has no verdict</h2>\n<ul>\n{unjudged}\n</ul>\n</section>')
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{TITLE}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
            _header(rows),
            "<main>",
            *parts,
            f"</main>\n<footer><p>{FOOTER}</p></footer>\n</body>\n</html>\n",
        ]
    )


TITLE = "What holds of Li &amp; Wang (2020), claim by claim"
INTRODUCTION = (
    "The claims of <cite>Learning discriminative features via weights-biased softmax loss</cite> (Pattern Recognition "
    "2020), in the paper’s order: a CNN for C classes needs only M<sub>min</sub> = C − 1 units before its classifier, "
    f"and a loss, W-Softmax. {JUDGED}"
)
FOOTER = (
    "Written by <code>python -m analysis.ledger</code> from the records in <code>figures/data</code>. The runs of a "
    "command <code>python -m fc_width.sweep …</code> are taken in by <code>python -m analysis --runs FOLDER</code>."
)


def _header(rows: Sequence[Row]) -> str:
    found = counts(rows)
    badges = "\n".join(
        f"<li>{badge(name)} <strong>{count}</strong> <span>{html.escape(MEANING.get(name, ''))}</span></li>"
        for name, count in found.items()
    )
    kinds = "\n".join(
        f"<li><strong>{sum(row.kind == kind for row in rows)}</strong> of <em>{kind}</em>: {meaning}</li>"
        for kind, meaning in KINDS.items()
    )
    links = "\n".join(
        f'<li><a href="#section-{section}">{section}. {html.escape(title)}</a></li>'
        for section, title in SECTIONS.items()
        if any(row.section == section for row in rows)
    )
    return (
        f"<header>\n<h1>{TITLE}</h1>\n<p>{INTRODUCTION}</p>\n"
        f"<details><summary>When the tests were stated, and seeds added</summary>\n<p>{STATED}</p>\n<p>{SEEDS}</p>\n"
        f"</details>\n<p>{len(rows)} claims:</p>\n"
        f'<ul class="counts">\n{badges}\n</ul>\n<ul class="kinds">\n{kinds}\n</ul>\n'
        f'<nav aria-label="Sections of the paper"><ul>\n{links}\n</ul></nav>\n</header>'
    )


def badge(verdict: str) -> str:
    """A verdict in its colour, and in words."""
    return f'<span class="badge {verdict.lower().replace(" ", "-")}">{html.escape(verdict)}</span>'


def _article(row: Row, pictures: Iterable[Picture], shown: dict[str, str]) -> str:
    on = f" <span>on {html.escape(row.on)}</span>" if row.on else ""
    lines = [
        f'<article id="{row.id}">',
        f'<h3><a href="#{row.id}">{to_html(row.statement)}</a></h3>',
        f'<p class="verdict">{badge(row.verdict)}{on}</p>',
        f'<p class="place">{html.escape(row.source)} · {row.kind}{_also(row)}</p>',
        f'<p class="number">{to_html(row.number)}</p>',
    ]
    if row.note:
        lines.append(f"<p>{to_html(row.note)}</p>")
    if row.test:
        lines.append(_details(row))
    for each in pictures:
        if each.stem in shown:
            lines.append(f'<p><a href="#{shown[each.stem]}">Figure {each.stem}, above</a></p>')
            continue
        shown[each.stem] = f"figure-{each.stem}"
        data = base64.b64encode(each.png).decode()
        lines.append(
            f'<figure id="figure-{each.stem}"><img src="data:image/png;base64,{data}" width="{each.width}" '
            f'height="{each.height}" alt="{html.escape(each.alt)}">'
            f"<figcaption>{html.escape(each.alt)}</figcaption></figure>"
        )
    lines.append(_command(row.command) if row.command else "<p>No command yet.</p>")
    return "\n".join([*lines, "</article>"])


def _also(row: Row) -> str:
    links = ", ".join(f'<a href="#{other}">{other}</a>' for other in row.also)
    return f" · the same sentence: {links}" if links else ""


def _details(row: Row) -> str:
    body = [f"<details><summary>The test, and all that bears on it</summary>\n<p>{html.escape(row.test)}</p>"]
    body += [_evidence(each) for each in row.evidence]
    return "\n".join([*body, "</details>"])


def _evidence(each: Evidence) -> str:
    label = "" if each.counts else " <em>further evidence, not counted</em>"
    lines = "\n".join(_finding(finding) for finding in each.findings)
    command = f"\n{_command(each.command)}" if each.command else ""
    return (
        f"<h4>{html.escape(each.name)}: {badge(each.verdict)}{label}</h4>\n"
        f'<ul class="findings">\n{lines}\n</ul>{"" if each.counts else command}'
    )


def _command(command: str) -> str:
    """A command whose options do not break at their hyphens."""
    options = re.sub(r"(--[\w-]+)", r'<span class="option">\1</span>', html.escape(command))
    return f'<p class="command"><code>{options}</code></p>'


WORDS = {"shown": "shown", "against": "against", "open": "not shown", "missing": "not run"}


def _finding(finding: Finding) -> str:
    return (
        f'<li class="{finding.state}"><span>{html.escape(finding.contrast.text)}:</span> '
        f"{html.escape(finding.number())} <strong>{WORDS[finding.state]}</strong></li>"
    )
