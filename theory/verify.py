"""``python -m theory.verify``: construct W_C, check every claim, print a table; exit status 0 iff all
verdicts are the expected ones."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from theory.claims import CLAIMS, Verdict, judge


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 1 if a verdict is not the expected one, 2 for a mistake
    in the options."""
    parser = argparse.ArgumentParser(prog="python -m theory.verify", description=__doc__)
    parser.add_argument("--max-classes", type=int, default=64, help="largest C of the exact checks (default: 64)")
    parser.add_argument("--claim", help="show one claim's proof in full")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts and their steps")
    options = parser.parse_args(argv)
    known = {claim.id: claim for claim in CLAIMS}
    try:
        if options.max_classes < 2:
            raise ValueError(f"max-classes must be at least 2, got {options.max_classes}")
        if options.claim is not None and options.claim not in known:
            raise ValueError(f"unknown claim {options.claim!r}: expected one of {', '.join(known)}")
        chosen = CLAIMS if options.claim is None else (known[options.claim],)
        verdicts = [judge(claim, options.max_classes) for claim in chosen]
        if options.json is not None:
            options.json.write_text(json.dumps([_plain(verdict) for verdict in verdicts], indent=1) + "\n")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    width = max(len(claim.id) for claim in chosen)
    for verdict in verdicts:
        mark = "ok" if verdict.as_expected else f"EXPECTED {verdict.claim.expected}"
        print(
            f"{verdict.claim.id:<{width}}  {verdict.claim.source:<8}  {verdict.found:<11} {mark:<3} {verdict.claim.statement}"
        )
        if options.claim is not None or not verdict.as_expected:
            for number, step in enumerate(verdict.steps, 1):
                print(f"  {number}. {'holds' if step.holds else 'FAILS'}: {step.text}")
            if verdict.claim.note:
                print(f"  Note: {verdict.claim.note}")
    wrong = sum(not verdict.as_expected for verdict in verdicts)
    print(
        f"{len(verdicts)} claims, {len(verdicts) - wrong} with the expected verdict; exact checks to C = {options.max_classes}"
    )
    return 1 if wrong else 0


def _plain(verdict: Verdict) -> dict[str, object]:
    claim = verdict.claim
    return {
        "id": claim.id,
        "source": claim.source,
        "statement": claim.statement,
        "expected": claim.expected,
        "found": verdict.found,
        "note": claim.note,
        "steps": [{"text": step.text, "holds": step.holds} for step in verdict.steps],
    }


if __name__ == "__main__":
    sys.exit(main())
