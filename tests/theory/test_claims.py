"""Every claim has its expected verdict, no false claim has it, and the evidence holds without this package."""

import copy
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from theory import verify
from theory.claim import judge
from theory.claims import all_claims
from theory.verify import main, markdown, plain, verdicts

CLAIMS = all_claims()
MUTANTS = [(claim, number) for claim in CLAIMS for number in range(len(claim.mutants))]
ROOT = Path(__file__).parents[2]


def recheck():
    spec = importlib.util.spec_from_file_location("recheck", Path(__file__).with_name("recheck.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.recheck


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_verdict_is_the_expected_one(claim):
    judgement = judge(claim, max_classes=16)
    assert [step.step.text for step in judgement.steps if not step.holds] == []
    assert judgement.found == claim.expected


@pytest.mark.parametrize(("claim", "number"), MUTANTS, ids=[f"{claim.id}-{number}" for claim, number in MUTANTS])
def test_a_false_claim_is_rejected(claim, number):
    judgement = judge(claim, max_classes=8, **claim.mutants[number])
    assert judgement.found == "NOT PROVED"


def test_every_claim_has_a_mutant_and_its_own_name():
    assert {claim.id for claim in CLAIMS} == {claim.id for claim, _ in MUTANTS}
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize(
    ("claim", "constants"),
    [
        ("eq-4", {"inner": lambda c: -1 / c}),
        ("min-width", {"width": lambda c: c - 2}),
        ("eq-4", {"shrink": lambda c: ((c - 1) ** 2 - 1) / c**2}),
    ],
)
def test_the_three_classic_mistakes(claim, constants):
    """−1/C for −1/(C−1), M_min = C − 2, a wrong scale factor."""
    (found,) = (each for each in CLAIMS if each.id == claim)
    assert judge(found, max_classes=8, **constants).found == "NOT PROVED"


def test_the_evidence_holds_without_the_package():
    judged = [plain(each) for each in verdicts(12)]
    count, failures = recheck()(judged)
    assert failures == []
    assert count > 20


def test_the_checker_of_the_evidence_shares_no_code():
    source = Path(__file__).with_name("recheck.py").read_text("utf-8")
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["import json", "import math", "import sys", "from fractions import Fraction as F"]


def tampered(evidence):
    """Copies of a piece of evidence, each with one number changed."""

    def changed(value):
        if isinstance(value, bool):
            return not value
        return value + 1 if isinstance(value, int) else str(Fraction(value) + Fraction(1, 7))

    for key, value in evidence.items():
        if key == "kind" or (evidence["kind"] == "accuracies" and key != "exceeds"):
            continue
        copied = copy.deepcopy(evidence)
        if isinstance(value, list) and isinstance(value[0], dict):
            copied[key][2]["coefficients"][0] = changed(value[2]["coefficients"][0])
        elif isinstance(value, list) and isinstance(value[0], list):
            copied[key][0][0] = changed(value[0][0])
        elif isinstance(value, list):
            if key == "x" and evidence["kind"] in ("inverted", "chain", "cheaper"):
                copied[key] = ["1", "0", "0"][: len(value)]  # x along w_c: no counterexample
            else:
                copied[key][0] = changed(value[0])
        elif evidence["kind"] == "sigmoid" and key == "x":
            copied[key] = str(Fraction(value) + 10)  # a seventh more may round to the same percent
        else:
            copied[key] = changed(value)
        yield copied


def test_tampered_evidence_fails():
    seen = set()
    for claim in map(plain, verdicts(12)):
        for step in claim["steps"]:
            for evidence in tampered(step.get("evidence", {"kind": None})):
                seen.add(evidence["kind"])
                _, failures = recheck()([{"id": "tampered", "steps": [{"text": str(evidence), "evidence": evidence}]}])
                assert failures, evidence
    assert len(seen) == 10


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys):
    file = tmp_path / "verdicts.json"
    assert main(["--max-classes", "8", "--json", str(file)]) == 0
    said = capsys.readouterr().out
    written = json.loads(file.read_text("utf-8"))
    assert [each["id"] for each in written] == [claim.id for claim in CLAIMS]
    assert all(each["found"] == each["expected"] for each in written)
    assert all(claim.id in said and claim.statement in said for claim in CLAIMS)
    assert "All as expected; exact checks to C = 8" in said


def test_one_claim_in_full(capsys):
    assert main(["--max-classes", "4", "--claim", "train-test"]) == 0
    said = capsys.readouterr().out
    assert "counterexample" in said
    assert "22.5°" in said
    assert "eq-4" not in said


def test_a_wrong_verdict_is_status_1(monkeypatch, capsys):
    false = replace(CLAIMS[0], expected="PROVED")
    monkeypatch.setattr(verify, "all_claims", lambda: (false,))
    assert main(["--max-classes", "4"]) == 1
    said = capsys.readouterr().out
    assert "VERIFIED, expected PROVED" in said
    assert "1 NOT AS EXPECTED" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-classes", "1"], "max-classes must be at least 4, got 1"),
        (["--claim", "eq-99"], "unknown claim 'eq-99': expected one of norms, large-norm"),
        (["--max-classes", "4", "--json", "/dev/null/x"], "/dev/null/x"),
    ],
)
def test_mistakes(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_committed_report_is_today_s():
    assert (ROOT / "figures" / "theory.md").read_text("utf-8") == markdown(verdicts(256), 256)


def test_it_does_without_torch():
    code = "import sys, theory.verify; theory.verify.all_claims(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
