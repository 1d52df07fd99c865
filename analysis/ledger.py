"""``python -m analysis.ledger``: every claim of the paper with its verdict and the evidence behind it, as Markdown and
as one HTML page. Nothing is trained, and no verdict is typed in."""

import inspect
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from analysis import contrasts, evidence, page, verdicts
from analysis.contrasts import Finding
from analysis.mathtext import to_html
from analysis.records import PACK_SUFFIX
from analysis.unjudged import UNJUDGED
from analysis.verdicts import JUDGED, KINDS, MEANING, SECTIONS, SEEDS, STATED, Row
from theory import console
from theory.verify import check_max_classes


@dataclass(frozen=True)
class Options:
    """Join the verdicts of theory and of experiments, claim by claim, in the paper's order.

    From the packed records in OUT/data, the tables OUT/benchmark-losses.md and OUT/benchmark-training.md, and the
    figures in OUT.
    """

    out: Path = Path("figures")
    """Folder that ledger.md and ledger.html are written into."""
    max_classes: int = 256
    """Largest C of the theory's exact checks."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 for a user's mistake."""
    options = tyro.cli(Options, args=arguments, prog="python -m analysis.ledger", description=inspect.getdoc(Options))
    try:
        console.check_options(arguments, options)
        rows, written = write(options.out, options.max_classes)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(rows))
    print()
    print(f"{len(rows)} claims: {summary(rows)}")
    for path in written:
        print(path)
    return 0


def write(out: Path, max_classes: int = 256) -> tuple[list[Row], list[Path]]:
    """Judge every claim and write both files into `out`, the same bytes for the same input.

    *Returns*: the claims with their verdicts, and the files written.

    *Raises*: `ValueError` for a corrupt pack or table, or `max_classes` that the theory refuses; `FileNotFoundError` if
    there is no such folder."""
    check_max_classes(max_classes)
    if not out.is_dir():
        raise FileNotFoundError(f"no folder {out}: expected the one that python -m analysis wrote")
    if not any((out / "data").glob(f"*{PACK_SUFFIX}")):
        raise FileNotFoundError(
            f"no records in {out / 'data'}: make some with  python -m fc_width.sweep  and take them in with  "
            f"python -m analysis --runs runs/digits --out {shlex.quote(str(out))}"
        )
    rows = verdicts.rows(evidence.load(out), max_classes)
    files = {row.id: [file for pattern in row.figures for file in sorted(out.glob(f"{pattern}.png"))] for row in rows}
    pictures = {file: page.picture(file) for found in files.values() for file in found}
    texts = {
        "ledger.md": markdown(rows, {id: [file.name for file in found] for id, found in files.items()}),
        "ledger.html": page.render(rows, {id: [pictures[file] for file in found] for id, found in files.items()}),
    }
    for name, text in texts.items():
        console.write_whole(out / name, text)
    return rows, [out / name for name in texts]


def table(rows: Sequence[Row]) -> str:
    """Verdicts a line each."""
    wide, narrow = (max(len(text) for text in texts) for texts in ([r.id for r in rows], [r.verdict for r in rows]))
    return "\n".join(
        f"{row.verdict:<{narrow}}  {row.id:<{wide}}  {row.statement}  ({'; '.join(filter(None, [row.source, row.on]))})"
        for row in rows
    )


def summary(rows: Sequence[Row]) -> str:
    """The counts of the verdicts in one line."""
    return ", ".join(f"{count} {name}" for name, count in verdicts.counts(rows).items())


def markdown(rows: Sequence[Row], figures: Mapping[str, Sequence[str]]) -> str:
    """The ledger in Markdown.

    *Arguments*: `rows`; `figures`, id of a claim → files, beside the ledger, shown at the first claim that has them.
    """
    lines = [
        "# What holds of Li & Wang (2020), claim by claim",
        "",
        f"Written by `python -m analysis.ledger`, with [a page for a browser](ledger.html). {len(rows)} claims: "
        f"{summary(rows)}.",
        "",
        *(f"- **{name}**: {MEANING[name]}." for name in verdicts.counts(rows) if name in MEANING),
        "",
        *(f"- {sum(row.kind == kind for row in rows)} of *{kind}*: {meaning}." for kind, meaning in KINDS.items()),
        "",
        f"**How claims are judged.** {JUDGED}",
        "",
        f"**When the tests were stated.** {STATED}",
        "",
        f"**When seeds were added.** {SEEDS}",
        "",
        "The runs of a command `python -m fc_width.sweep …` are taken in by `python -m analysis --runs FOLDER`.",
    ]
    shown: set[str] = set()
    for section, title in SECTIONS.items():
        of_section = [row for row in rows if row.section == section]
        if of_section:
            lines += ["", f"## {section}. {title}", "", "| claim | place | verdict | the number behind it | command |"]
            lines += ["|---|---|---|---|---|", *(_line(row) for row in of_section)]
            lines += [line for row in of_section for line in _details(row, figures.get(row.id, ()), shown)]
    lines += ["", "## What has no verdict", "", "| place | the paper | why it has none |", "|---|---|---|"]
    lines += [f"| {' | '.join(map(to_html, each))} |" for each in UNJUDGED]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    on = f" on {row.on}" if row.on else ""
    command = f"`{row.command}`" if row.command else "none yet"
    stop = "." if row.note and row.kind == verdicts.EXPERIMENT else ""
    target = f"theory.md#{row.id}" if row.kind != verdicts.EXPERIMENT else f"#{row.id}"
    cells = [
        f"[{to_html(row.statement)}]({target})",
        f"{row.source}, {row.kind}",
        f"**{row.verdict}**{on}",
        " ".join(filter(None, [to_html(row.number) + stop, to_html(row.note)])),
        command,
    ]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _details(row: Row, figures: Sequence[str], shown: set[str]) -> Iterator[str]:
    """The test of an experiment and what each of its parts found, and the figures not shown before."""
    new = [name for name in figures if name not in shown]
    if not row.test and not new:
        return
    yield from ("", f"### {row.id}", "", f"*{row.source}.* {to_html(row.statement)}. **{row.verdict}**")
    if row.test:
        yield from ("", f"Test: {row.test}")
    listed = False
    for each in row.evidence:
        if each.beside:
            first = contrasts.decisive(each.findings)
            yield from () if listed else ("", "Beside it, not counted, of each the number that says most:", "")
            yield f"- {each.beside}: **{each.verdict}**: {_said(first)}"
        else:
            label = "" if each.counts else " (further evidence, not counted)"
            yield from ("", f"{each.name}: **{each.verdict}**{label}", "", *(f"- {_said(f)}" for f in each.findings))
        listed = bool(each.beside)
    for name in new:
        shown.add(name)
        yield from ("", f"![{Path(name).stem}]({name})")


def _said(finding: Finding) -> str:
    return f"{finding.contrast.text}: {finding.number()}: {page.WORDS[finding.state]}"


if __name__ == "__main__":
    console.run(main)
