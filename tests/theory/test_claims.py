"""Every claim has its expected verdict, no false claim has it, and the evidence holds without this package."""

import copy
import importlib.util
import json
import math
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from theory import verify
from theory.claim import judge
from theory.claims import all_claims
from theory.claims_features import squares
from theory.plane import K
from theory.simplex import simplex_weights
from theory.verify import main, markdown, plain, verdicts

CLAIMS = all_claims()
MUTANTS = [(claim, number) for claim in CLAIMS for number in range(len(claim.mutants))]
ROOT = Path(__file__).parents[2]


def checker():
    spec = importlib.util.spec_from_file_location("recheck", Path(__file__).with_name("recheck.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recheck():
    return checker().recheck


def fails(evidence):
    _, failures = recheck()([{"id": "tampered", "steps": [{"text": str(evidence), "evidence": evidence}]}])
    return bool(failures)


def evidence_of(claim, kind):
    """A claim's first piece of evidence of a kind."""
    (found,) = (plain(judge(each, 8)) for each in CLAIMS if each.id == claim)
    return next(step["evidence"] for step in found["steps"] if step.get("evidence", {}).get("kind") == kind)


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


AWAY = {
    "inverted": ["1", "0"],
    "weaker": ["1", "0"],
    "chain": ["1", "0"],
    "cheaper": ["1", "0"],
    "misclassified": ["1", "0"],
    "probability-falls": ["-1", "0"],
}
"""Features that are no example of what a kind of evidence shows; 1/7 more in one entry may still be one."""


def tampered(evidence):
    """Copies of a piece of evidence, each with one number changed."""

    def changed(value):
        if isinstance(value, bool):
            return not value
        return value + 1 if isinstance(value, int) else str(Fraction(value) + Fraction(1, 7))

    if evidence["kind"] == "accuracies":
        closer, few = {"one": evidence["other"]}, {"images": 1, "images_of_other": 1}
        apart, many = {"one": evidence["other"] - 1000}, {"images": 10**9, "images_of_other": 10**9}
        swapped = {"one": evidence["other"], "other": evidence["one"]}
        wrong = (closer, few, swapped) if evidence["exceeds"] else (apart, many)
        yield from ({**evidence, **change} for change in ({"exceeds": not evidence["exceeds"]}, *wrong))
        return
    for key, value in evidence.items():
        if key == "kind":
            continue
        copied = copy.deepcopy(evidence)
        if isinstance(value, list) and isinstance(value[0], dict):
            copied[key][2]["coefficients"][0] = changed(value[2]["coefficients"][0])
        elif isinstance(value, list) and isinstance(value[0], list):
            copied[key][0][0] = changed(value[0][0])
        elif key == "x" and evidence["kind"] in AWAY:
            copied[key] = AWAY[evidence["kind"]]
        elif isinstance(value, list):
            copied[key][0] = changed(value[0])
        elif evidence["kind"] == "sigmoid" and key == "x":
            copied[key] = str(Fraction(value) + 10)  # a seventh more may round to the same percent
        else:
            copied[key] = changed(value)
        yield copied


def test_tampered_evidence_fails():
    steps = [step for claim in map(plain, verdicts(12)) for step in claim["steps"]]
    pieces = [step["evidence"] for step in steps if "evidence" in step]
    for evidence in pieces:
        assert not fails(evidence), evidence
        copies = list(tampered(evidence))
        assert copies
        assert all(fails(copied) for copied in copies), evidence
    assert {evidence["kind"] for evidence in pieces} == set(checker().KINDS)


@pytest.mark.parametrize(
    ("claim", "kind", "x", "why"),
    [
        ("near-boundary", "cheaper", "0 1", "not on the boundary of test"),
        ("near-boundary", "cheaper", "4/5 3/5", "on it, where the loss is larger"),
        ("near-boundary", "cheaper", "0 0", "0"),
        ("chain", "chain", "-1/100 -10", "on the far side"),
        ("chain", "chain", "1 10", "wrong at test"),
        ("sum-of-angles", "sum-of-angles", "-96/125 3/125 -80/125", "wrong in training"),
        ("sum-of-angles", "sum-of-angles", "1 0 0", "in the plane, where the angles add up"),
        ("train-test", "inverted", "-1 -2", "right at test"),
        ("train-test", "inverted", "1 -1", "on its own side"),
        ("train-test", "inverted", "0 1", "wrong in training"),
        ("stronger", "weaker", "-1 -2", "right at α = 0"),
        ("stronger", "weaker", "0 1", "wrong at both"),
        ("negatives", "misclassified", "24 7", "right at test"),
        ("negatives", "misclassified", "9 10", "where the loss is larger"),
        ("negatives", "probability-falls", "-1 0", "where a logit falls"),
        ("negatives", "probability-falls", "0 1", "where one falls and one grows"),
        ("kept-apart", "shared", "4/5 3/5", "right for neither"),
        ("kept-apart", "shared", "-1 0", "right for one"),
        ("large-norm", "tie", "2 1", "nearer to one"),
        ("large-norm", "tie", "0 0", "0"),
    ],
)
def test_a_feature_that_is_no_example_fails(claim, kind, x, why):
    evidence = evidence_of(claim, kind)
    assert not fails(evidence)
    assert fails({**evidence, "x": x.split()}), why


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
        (["--max-classes", "1"], "max-classes must be in 4…10,000, got 1"),
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


@pytest.mark.parametrize(("classes", "alpha"), [(3, 2.0), (4, 0.5), (10, 0.0), (10, 1.0), (100, 1.0)])
def test_what_is_right_in_training_on_the_simplex_is_as_near_to_its_weight_as_closer_says(classes, alpha):
    """Random features on its boundaries come near to the widest angle, and none beyond it."""
    k, weights = classes - 1, simplex_weights(classes)
    share = math.sqrt(1 + alpha**2 - 2 * alpha / k) - alpha
    others = np.random.default_rng(0).exponential(size=(4000, k)) ** np.linspace(1, 30, 4000)[:, None]
    z = np.c_[np.ones(4000), share - (k * share + 1) * others / others.sum(1, keepdims=True)]  # each at most `share`
    x = z @ weights.T * k / classes
    assert np.allclose(x @ weights, z)
    cosines = x @ weights[:, 0] / np.linalg.norm(x, axis=1)
    widest = math.sqrt(classes / (k * float(squares(share).subs(K, k))))
    assert cosines.min() > widest - 1e-9
    assert cosines.min() < widest + 1e-4
