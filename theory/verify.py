"""``python -m theory.verify``: check every claim of the paper; exit status 0 only if every verdict is the expected
one."""

import argparse
import json
import os
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theory import console
from theory.claim import Judgement, judge
from theory.claims import all_claims
from theory.claims_simplex import ELIMINATED
from theory.proof import CONDITIONAL, INCOMPLETE, PROVED, REFUTED, VERIFIED
from theory.simplex import recursive_simplex, simplex_weights

MOST_CLASSES = 10_000
"""Of the finite checks, which make matrices of that size."""

MEANING = {
    PROVED: "for every C, α and angle that it names, by steps that sympy or exact rationals decide",
    VERIFIED: "exactly, for the finite statement made",
    INCOMPLETE: "true and proved here, but the paper's own argument does not show it",
    CONDITIONAL: "true under a stated condition or in part, with an exact counterexample to the statement as it "
    "stands, or an argument against it",
    REFUTED: "by an exact counterexample or an argument against it",
}

NOTATION = (
    "unit weights w_c, w_j at the angle θ, g = cos θ; n (n_j) = ‖αw_c + w_j‖; w' = (αw_c + w_j)/n, at the angle φ from "
    "w_c; z_c, z_j and z' are the inner products of the feature x with w_c, w_j and w'. Right in training: z_c > z'_j "
    "for every j ≠ c; right at test: z_c > z_j for every j ≠ c. α > 0 where 0 is not named."
)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 1 if a verdict is not the expected one, 2 for a mistake in the
    options."""
    parser = argparse.ArgumentParser(
        prog="python -m theory.verify",
        allow_abbrev=False,
        description="Check every claim of the theory of Li & Wang (2020), and its printed numbers against each other.",
    )
    parser.add_argument(
        "--max-classes", type=int, default=256, help="largest C of the exact checks (default: %(default)s)"
    )
    parser.add_argument("--claim", metavar="ID", help="show one claim's proof in full (IDs: the table's second column)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write verdicts, steps and evidence")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a report that reads like an appendix")
    options = parser.parse_args(argv)
    started = time.perf_counter()
    try:
        console.check_options(argv, options)
        files = [os.path.realpath(file) for file in (options.json, options.markdown) if file]
        if len(files) > len(set(files)):
            raise ValueError(f"json and markdown are one file, {options.json}")
        judgements = verdicts(options.max_classes, options.claim)
        difference = floating_difference(options.max_classes) if options.claim is None else 0.0
        if options.json is not None:
            steps = json.dumps([plain(each) for each in judgements], indent=1, ensure_ascii=False)
            console.write_whole(options.json, steps + "\n")
        if options.markdown is not None:
            console.write_whole(options.markdown, markdown(judgements, options.max_classes))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(judgements, in_full=options.claim is not None))
    wrong = sum(not each.as_expected for each in judgements)
    counts = ", ".join(f"{count} {name}" for name, count in Counter(each.found for each in judgements).most_common())
    if options.claim is None:
        print(
            f"\n{len(judgements)} claims: {counts}. {'All as expected' if not wrong else f'{wrong} NOT AS EXPECTED'}; "
            f"{checked_to(options.max_classes)}; in floating point the closed form of W_C differs from its recursion "
            f"by {difference:.0e} at most; {time.perf_counter() - started:.1f} s"
        )
    elif wrong:
        print("\nNOT AS EXPECTED")
    return 1 if wrong else 0


def checked_to(max_classes: int) -> str:
    """How far the finite checks go, as a person says it."""
    least = min(max_classes, ELIMINATED)
    return f"exact checks to C = {max_classes}" + (f" (ranks to {least})" if least < max_classes else "")


def verdicts(max_classes: int, only: str | None = None) -> list[Judgement]:
    """Judge all claims, or one.

    *Raises*: `ValueError` for `max_classes` that `check_max_classes` refuses, or an unknown claim.
    """
    check_max_classes(max_classes)
    claims = all_claims()
    chosen = [claim for claim in claims if only in (None, claim.id)]
    if not chosen:
        raise ValueError(f"unknown claim {only!r}: expected one of {', '.join(claim.id for claim in claims)}")
    return [judge(claim, max_classes) for claim in chosen]


def check_max_classes(max_classes: int) -> None:
    """`ValueError` below 4, as Fig. 3 has four classes, or above `MOST_CLASSES`."""
    if not 4 <= max_classes <= MOST_CLASSES:
        raise ValueError(f"max-classes must be in 4…{MOST_CLASSES:,}, got {max_classes}")


def floating_difference(max_classes: int) -> float:
    """The largest difference of an entry between W_C in closed form and by the recursion, in floating point."""
    return float(np.abs(simplex_weights(max_classes) - recursive_simplex(max_classes)).max())


def table(judgements: Sequence[Judgement], in_full: bool = False) -> str:
    """Verdicts a line each, with the steps of those not as expected, or of all."""
    width = max(len(each.claim.id) for each in judgements)
    lines = []
    for each in judgements:
        found = each.found if each.as_expected else f"{each.found}, expected {each.claim.expected}"
        lines.append(f"{found:<11}  {each.claim.id:<{width}}  {each.claim.statement}  ({each.claim.source})")
        if in_full:
            lines += textwrap.wrap(NOTATION, 110, initial_indent="  Notation: ", subsequent_indent="      ")
        if in_full or not each.as_expected:
            for number, step in enumerate(each.steps, 1):
                said = f"{step.step.role} ({'holds' if step.holds else 'FAILS'}): {step.step.text} {step.error}"
                lines += textwrap.wrap(
                    said, 110, initial_indent=f"  {number}. ", subsequent_indent="     ", break_long_words=False
                )
        if in_full and each.claim.note:
            lines += textwrap.wrap(each.claim.note, 110, initial_indent="  So: ", subsequent_indent="      ")
    return "\n".join(lines)


def plain(each: Judgement) -> dict[str, Any]:
    """A judgement as JSON, with the evidence that can be checked again."""
    claim = each.claim
    return {
        "id": claim.id,
        "source": claim.source,
        "statement": claim.statement,
        "expected": claim.expected,
        "found": each.found,
        "note": claim.note,
        "steps": [
            {"text": step.step.text, "role": step.step.role, "holds": step.holds}
            | ({"evidence": step.step.evidence} if step.step.evidence else {})
            for step in each.steps
        ],
    }


def markdown(judgements: Sequence[Judgement], max_classes: int) -> str:
    """The report: verdicts in a table, then every claim with its steps."""
    lines = [
        "# What is true in Li & Wang (2020), claim by claim",
        "",
        f"Written by `python -m theory.verify --markdown figures/theory.md`; {checked_to(max_classes)}. "
        "The identity, the inequality or the example in every step below is decided by sympy or by exact rationals; "
        "that a sentence follows from it is for the reader to see. A step without a mark is an argument for the "
        "statement or towards it; an *exact check* is finite, a *counterexample* is exact, *against it* is an argument "
        "against the statement as it is printed, and a *gap* is what the paper's own argument does not reach.",
        "",
        *(f"- **{name}**: {meaning}." for name, meaning in MEANING.items()),
        "",
        f"Notation: {NOTATION} The experiments are judged in [the ledger](ledger.md).",
        "",
        "| claim | in the paper | verdict | |",
        "|---|---|---|---|",
        *(
            f"| [{e.claim.id}](#{e.claim.id}) | {e.claim.source} | {e.found} | "
            f"{e.claim.statement.replace('|', chr(92) + '|')} |"
            for e in judgements
        ),
    ]
    for each in judgements:
        claim = each.claim
        lines += ["", f"## {claim.id}", "", f"*{claim.source}.* {claim.statement}. **{each.found}**", ""]
        lines += [
            f"{number}. {step.step.text}" + ("" if step.holds else " **This step fails.**") + ROLES[step.step.role]
            for number, step in enumerate(each.steps, 1)
        ]
        if claim.note:
            lines += ["", claim.note]
    return "\n".join(lines) + "\n"


ROLES = {
    "proof": "",
    "finite": " *(exact check)*",
    "counterexample": " *(counterexample)*",
    "against": " *(against it)*",
    "gap": " *(gap)*",
}


if __name__ == "__main__":
    console.run(main)
