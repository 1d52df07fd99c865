"""Every claim has its expected verdict, and no false claim has it."""

import json
import subprocess
import sys

import pytest
import sympy

from theory.claims import CLAIMS, judge
from theory.proof import Step, check, equal, positive
from theory.verify import main

C = sympy.Symbol("C", integer=True, positive=True)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_verdict_is_the_expected_one(claim):
    verdict = judge(claim, max_classes=12)
    assert [step.text for step in verdict.steps if not step.holds] == []
    assert verdict.found == claim.expected


MUTANTS = [(claim, constants) for claim in CLAIMS for constants in claim.mutants]


@pytest.mark.parametrize(("claim", "constants"), MUTANTS, ids=[f"{c.id}-{n}" for n, (c, _) in enumerate(MUTANTS)])
def test_a_false_claim_is_rejected(claim, constants):
    verdict = judge(claim, max_classes=8, **constants)
    assert verdict.found == "NOT PROVED"
    assert not all(step.holds for step in verdict.steps)


def test_every_claim_has_a_mutant():
    assert {claim.id for claim in CLAIMS} == {claim.id for claim, _ in MUTANTS}


def test_the_kernel_tells_true_from_false():
    steps = [
        equal("true", (C + 1) ** 2, C**2 + 2 * C + 1),
        equal("false", (C + 1) ** 2, C**2 + 2 * C + 2),
        equal("radicals", sympy.sqrt(8), 2 * sympy.sqrt(2)),
        positive("C − 1 > 0 from 2", C - 1, C, 2),
        positive("C − 1 > 0 from 1 is false", C - 1, C, 1),
        positive("a negative numerator over a negative denominator", (1 - C) / (2 - 2 * C), C, 2),
        positive("true, but not by its coefficients", (C - 4) ** 2 + 1, C, 2),
        Step("undecided", lambda: sympy.Symbol("x") > 0),
        Step("an error", lambda: 1 / 0 > 0),
    ]
    assert [step.holds for step in check(steps)] == [True, False, True, True, False, True, False, False, False]


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys):
    file = tmp_path / "verdicts.json"
    assert main(["--max-classes", "8", "--json", str(file)]) == 0
    said = capsys.readouterr().out
    verdicts = json.loads(file.read_text())
    assert [verdict["id"] for verdict in verdicts] == [claim.id for claim in CLAIMS]
    for verdict in verdicts:
        assert verdict["found"] == verdict["expected"]
        assert verdict["id"] in said


def test_a_wrong_verdict_is_status_1(monkeypatch, capsys):
    from dataclasses import replace

    from theory import verify

    false = replace(CLAIMS[0], steps=lambda max_classes: [equal("$1 = 2$", 1, 2)])
    monkeypatch.setattr(verify, "CLAIMS", (false,))
    assert main(["--max-classes", "4"]) == 1
    assert "FAILS: $1 = 2$" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-classes", "1"], "max-classes must be at least 2, got 1"),
        (["--claim", "eq-99"], "unknown claim 'eq-99': expected one of eq-4"),
        (["--max-classes", "3", "--json", "/dev/null/x"], "/dev/null/x"),
    ],
)
def test_mistakes(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_it_does_without_torch():
    code = "import sys, theory.verify; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
