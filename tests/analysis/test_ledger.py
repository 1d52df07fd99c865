"""The ledger joins what theory and experiments say, in the paper's order, and says nothing of its own."""

import gzip
import html
import itertools
import re
import shutil
from pathlib import Path

import pytest

from analysis import evidence, ledger, records, verdicts
from analysis.experiments import all_experiments
from analysis.mathtext import to_html
from analysis.unjudged import UNJUDGED
from analysis.verdicts import EXPERIMENT, MEANING, SECTIONS, Row, counts, section
from fc_width.recipes import RECIPES
from fc_width.store import Store
from theory.claim import judge
from theory.claims import all_claims

CLASSES = 6  # of the theory's finite checks: small, to be quick


@pytest.fixture(scope="module")
def rows():
    return verdicts.rows([], CLASSES)


@pytest.fixture
def out(tmp_path, record):
    """A folder as `python -m analysis` leaves it: three seeds of a small network on MNIST, a benchmark, a figure."""
    store = Store(tmp_path / "runs")
    store.create()
    base = vars(RECIPES["mnist-small"].recipe)
    for seed in range(3):
        for loss, gain in (("softmax", 0), ("w-softmax:0.5", 0.002), ("w-softmax:1", 0.004), ("w-softmax:1.5", 0.001)):
            recipe = type(RECIPES["mnist-small"].recipe)(**{**base, "loss": loss, "width": 9, "seed": seed})
            store.write(record(recipe, 0.98 + gain + 0.0001 * seed))
    folder = tmp_path / "figures"
    records.pack(store.folder, folder / "data" / f"mnist-small{records.PACK_SUFFIX}")
    for name in (evidence.LOSSES, "fig4a-accuracy-mnist-small.png", "best-angles.png"):
        shutil.copy(Path("figures") / name, folder)
    return folder


def test_every_claim_of_theory_and_experiment_is_there_once_with_the_verdict_found(rows):
    found = {row.id: row.verdict for row in rows}
    assert len(found) == len(rows) == len(all_claims()) + len(all_experiments())
    for claim in all_claims():
        assert found[claim.id] == judge(claim, CLASSES).found
    assert {row.verdict for row in rows if row.kind == EXPERIMENT} == {"NOT RUN"}
    assert sum(counts(rows).values()) == len(rows)
    assert list(counts(rows)) == [name for name in MEANING if name in found.values()]


def test_a_verdict_of_theory_that_changes_changes_the_ledger(monkeypatch):
    claim, *others = all_claims()
    other = type(claim)(**{**vars(claim), "steps": lambda max_classes: claim.steps(max_classes, cosine="0.06")})
    monkeypatch.setattr(verdicts, "all_claims", lambda: (other, *others))
    assert verdicts.rows([], CLASSES)[0].verdict == "NOT PROVED"


def test_the_order_is_the_papers(rows):
    order = [list(SECTIONS).index(row.section) for row in rows]
    assert order == sorted(order)
    for number in SECTIONS:  # within a section, theory keeps its order
        ids = [row.id for row in rows if row.section == number and row.kind != EXPERIMENT]
        assert ids == [claim.id for claim in all_claims() if section(claim.source) == number]
    places = [row.id for row in rows]
    assert places.index("gain-measured-cifar10") == places.index("gain-cifar10") + 1


def test_what_has_no_verdict_is_told_and_the_claims_that_it_names_are_there(rows, out):
    ids = {row.id for row in rows}
    named = {name for _, *texts in UNJUDGED for text in texts for name in re.findall(r"`([\w-]+)`", text)}
    assert named
    assert named <= ids
    ledger.write(out, CLASSES)
    for name in ("ledger.md", "ledger.html"):
        text = (out / name).read_text("utf-8").partition("What has no verdict")[2]
        for row in UNJUDGED:
            for told in row:
                plain = html.escape(told, quote=False)
                assert (re.sub("`([^`]+)`", r"<code>\1</code>", plain) if name.endswith("html") else plain) in text


def test_claims_on_the_same_sentence_name_each_other(rows):
    of = {row.id: row for row in rows}
    pairs = {(row.id, other) for row in rows for other in row.also}
    assert ("larger-alpha", "alpha-mnist") in pairs
    assert all((other, one) in pairs for one, other in pairs)
    assert {of[one].kind == EXPERIMENT for one, _ in pairs} == {True, False}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Sec. 1", "1"),
        ("Sec. 4.2", "4"),
        ("Sec. 5.6", "5.6"),
        ("Eq. 1, Sec. 4.2", "2"),
        ("Eq. 3–4", "3"),
        ("Eq. 11–12", "4"),
        ("Fig. 3, Sec. 5.2", "3"),
        ("Fig. 4d, Sec. 5.2", "5.2"),
        ("Table 1, 4", "5.3"),
        ("Table 5", "5.6"),
    ],
)
def test_a_place_belongs_to_a_section(source, expected):
    assert section(source) == expected


@pytest.mark.parametrize("source", ["", "Sec. 7", "Eq. 99", "page 3"])
def test_a_place_that_is_none_is_refused(source):
    with pytest.raises(ValueError, match="expected one that begins with"):
        section(source)


def test_the_command_line_writes_both_files_the_same_bytes_each_time(out, capsys):
    texts = []
    for _ in range(2):
        assert ledger.main(["--out", str(out), "--max-classes", "6"]) == 0
        texts.append([(out / name).read_bytes() for name in ("ledger.md", "ledger.html")])
    assert texts[0] == texts[1]
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert re.search(r"^REPRODUCED +better-mnist .*\(Table 1, Sec\. 5\.3; MNIST, small network", said, re.M)
    assert re.search(r"^NOT REPRODUCED +alpha-mnist ", said, re.M)
    assert re.search(r"^NOT RUN +faces-softmax ", said, re.M)
    assert str(out / "ledger.html") in lines
    total, rest = re.search(r"^(\d+) claims: (.*)$", said, re.M).groups()
    assert sum(int(count) for count in re.findall(r"(\d+) [A-Z]", rest)) == int(total)


def test_markdown_has_every_claim_its_verdict_number_command_and_figure(out):
    rows, _ = ledger.write(out, CLASSES)
    text = (out / "ledger.md").read_text("utf-8")
    table = [line for line in text.splitlines() if line.startswith("| [")]
    assert len(table) == len(rows)
    for row, line in zip(rows, table, strict=True):
        assert line.count(" | ") == 4
        assert f"**{row.verdict}**" in line
        assert (f"`{row.command}`" if row.command else "none yet") in line
    better = next(line for line in table if "W-Softmax has better accuracy" in line)
    assert "0.1 points [0.1, 0.1], 3 seeds; wanted above 0" in better
    assert text.count("(fig4a-accuracy-mnist-small.png)") == 1
    assert re.search(r"^- accuracy, M = 9: W-Softmax α = 1.5 minus softmax: 0.1 points .*: shown$", text, re.M)
    anchors = set(re.findall(r"^### (\S+)$", text, re.M))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    theory = Path("figures/theory.md").read_text("utf-8")
    assert all(f"\n## {name}\n" in theory for name in re.findall(r"\(theory\.md#([^)]+)\)", text))


def test_what_is_beside_a_claim_is_a_line_each_and_in_the_table(out):
    rows, _ = ledger.write(out, CLASSES)
    text = (out / "ledger.md").read_text("utf-8")
    (row,) = (row for row in rows if row.id == "loss-speed-margins")
    assert row.note.startswith("Beside it, not counted, on the losses timed alone: ")
    assert row.note in next(line for line in text.splitlines() if line.startswith("| [W-Softmax is more efficient"))
    part = text.partition("### loss-speed-margins\n")[2].partition("\n###")[0]
    lines = part.partition("Beside it, not counted, of each the number that says most:\n\n")[2].splitlines()
    assert lines[0].startswith("- computed by Algorithm 1 as the paper writes it: **")
    assert lines[0].endswith((": shown", ": against", ": not shown"))
    assert not any(lines[1:])


def test_a_figure_that_is_not_there_is_left_out(out):
    (out / "fig4a-accuracy-mnist-small.png").unlink()
    ledger.write(out, CLASSES)
    assert "fig4a-accuracy" not in (out / "ledger.md").read_text("utf-8")


def broken_pack(out):
    (out / "data" / f"x{records.PACK_SUFFIX}").write_bytes(b"not gzip")


def broken_benchmark(out):
    (out / "benchmark-losses.md").write_text("| 50, 9, 10 | softmax | fast |\n", "utf-8")


def latin_benchmark(out):
    (out / "benchmark-training.md").write_bytes("| mnist-small | softmax | ½ |\n".encode("latin-1"))


def empty_benchmark(out):
    (out / "benchmark-losses.md").write_text("nothing\n", "utf-8")


def broken_rounds(out):
    (out / "benchmark-training.md").write_text("| mnist-small | softmax | 9 | 1 | 1 | 2, soon |\n", "utf-8")


def mixed(out):
    pack = out / "data" / f"mnist-small{records.PACK_SUFFIX}"
    lines = gzip.decompress(pack.read_bytes()).decode().splitlines()
    other = [line.replace('"epochs": 4', '"epochs": 5').replace('"run_id": "', '"run_id": "x') for line in lines]
    (out / "data" / f"other{records.PACK_SUFFIX}").write_bytes(gzip.compress("\n".join(other).encode()))


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (shutil.rmtree, [], "no folder "),
        (broken_pack, [], r"x\.jsonl\.gz: not a file of packed records"),
        (broken_benchmark, [], r"benchmark-losses\.md: expected \| N, M, C"),
        (latin_benchmark, [], r"benchmark-training\.md: not UTF-8"),
        (empty_benchmark, [], r"benchmark-losses\.md: no row"),
        (broken_rounds, [], r"benchmark-training\.md: expected \| recipe \| loss \| M \| .*, got .* 2, soon"),
        (mixed, [], "expected runs of one epochs, got 4, 5"),
        (lambda out: None, ["--max-classes", "3"], "max-classes must be in 4…10,000, got 3"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(spoil, options, said, out, capsys):
    spoil(out)
    assert ledger.main(["--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert re.match(rf"error: .*{said}", error)
    assert error.count("\n") == 1


def test_formulas_of_every_step_become_html():
    for claim in all_claims():
        for step in judge(claim, CLASSES).steps:
            assert not set(to_html(step.step.text)) & set("\\${}")


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"$\alpha w_c$", "α w<sub>c</sub>"),
        (r"$\frac{a}{b}$", "(a)/(b)"),
        (r"$\sqrt{C/(C-1)}$", "√(C/(C−1))"),
        (r"$e^{w_c^T x}$", "e<sup>w<sub>c</sub><sup>T</sup> x</sup>"),
        (r"$\|x\| \ge 1$", "‖x‖ ≥ 1"),
        (r"$\mathbb{R}^{C-1}$", "ℝ<sup>C−1</sup>"),
        (r"$a < b$", "a &lt; b"),
        (r"$\cos\theta$", "cos θ"),
    ],
)
def test_a_formula_becomes_html(latex, expected):
    assert to_html(latex) == f'<span class="formula">{expected}</span>'


def test_text_is_escaped_and_two_stars_are_strong():
    assert to_html("a < b **is** & so") == "a &lt; b <strong>is</strong> &amp; so"


def test_rows_are_rows(rows):
    assert all(isinstance(row, Row) and row.number and row.statement for row in rows)


NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def differences(made, committed):
    """Lines of which words, or numbers by more than a step of their last digit or a thousandth, differ."""
    for one, other in itertools.zip_longest(made.splitlines(), committed.splitlines(), fillvalue=""):
        numbers = [[text.replace(",", "") for text in NUMBER.findall(line)] for line in (one, other)]
        same = NUMBER.sub("#", one) == NUMBER.sub("#", other)
        if not same or any(
            abs(float(a) - float(b)) > max(1.5 * 10.0 ** -len(b.partition(".")[2]) * (a != b), 1e-3 * float(b))
            for a, b in zip(*numbers, strict=True)
        ):
            yield one, other


def test_what_is_committed_is_what_the_committed_records_and_the_theory_say(tmp_path):
    """`python -m analysis.ledger` was run since the last change; last digits aside, which another machine may round the
    other way."""
    out = tmp_path / "figures"
    shutil.copytree("figures", out, ignore=shutil.ignore_patterns("pdf"))
    ledger.write(out)
    for name in ("ledger.md", "ledger.html"):
        made, committed = ((folder / name).read_text("utf-8") for folder in (out, Path("figures")))
        assert list(differences(made, committed)) == [], f"python -m analysis.ledger ({name})"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0.31 points [0.12, 0.5]", "0.32 points [0.12, 0.5]", True),
        ("0.31 points", "0.34 points", False),
        ("99.57 %", "99.58 %", True),
        ("1,234 runs", "1,236 runs", False),
        ("shown", "not shown", False),
        ("−0.1", "0.1", False),
    ],
)
def test_a_number_that_is_another_is_seen(one, other, same):
    assert (not list(differences(one, other))) == same


def test_the_readme_counts_as_the_committed_ledger_does():
    counted = Path("figures/ledger.md").read_text("utf-8").splitlines()[2]
    found = {verdict: int(number) for number, verdict in re.findall(r"(\d+) ([A-Z][A-Z ]+)\b", counted)}
    assert f"{sum(found.values())} claims" in counted
    lines = Path("README.md").read_text("utf-8").splitlines()
    head = next(at for at, line in enumerate(lines) if re.match(r"\| \d+ claims \|", line))
    lines = [lines[head], *lines[head + 2 : head + 4]]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    (all_claims, *verdicts), theory, experiments = rows
    assert all_claims == f"{sum(found.values())} claims"
    assert [theory[0], experiments[0]] == ["theory and printed numbers", "experiments"]
    assert all(bool(one) != bool(other) for one, other in zip(theory[1:], experiments[1:], strict=True))
    said = [int(one or other) for one, other in zip(theory[1:], experiments[1:], strict=True)]
    assert dict(zip(verdicts, said, strict=True)) == found
    counts = (
        f"Of [{sum(found.values())} claims](figures/ledger.md) {found['PROVED'] + found['VERIFIED']} are proved or "
        f"verified, {found['CONDITIONAL'] + found['INCOMPLETE']} hold in part, on a condition or by another argument; "
        f"{found['REPRODUCED']} are reproduced, {found['NOT REPRODUCED']} not, {found['INCONCLUSIVE']} not decided, "
        f"{found['NOT RUN']} not run."
    )
    assert counts in " ".join(Path("README.md").read_text("utf-8").split())


def test_the_readme_says_on_which_networks_claims_were_decided():
    lines = Path("figures/ledger.md").read_text("utf-8").splitlines()
    decided = [on for line in lines for on in re.findall(r"\*\*(?:NOT )?REPRODUCED\*\* on ([^|]+?) \|", line)]
    own = [on for on in decided if "the paper's network" in on]
    counted = [on for on in own if "timed on" in on or "by count" in on]
    small, alone = ([on for on in decided if words in on] for words in ("small network", "losses timed alone"))
    assert len(own) + len(small) + len(alone) == len(decided)
    said = (
        f"Of the experiments decided either way, {len(own)} were on the paper's own networks, {len(counted)} of them "
        f"times and counts; {len(small)} on small ones, and {len(alone)} on the losses alone."
    )
    assert said in " ".join(Path("README.md").read_text("utf-8").split())
