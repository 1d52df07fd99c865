"""Three packages, one direction: `analysis` → `fc_width` → `theory`."""

import ast
import re
from pathlib import Path

import pytest

FLOORS = ("theory", "fc_width", "analysis")


def imports(path):
    """All that a module imports, at whatever place."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            yield node.module


@pytest.mark.parametrize("floor", FLOORS)
def test_a_lower_floor_never_imports_a_higher_one(floor):
    higher = FLOORS[FLOORS.index(floor) + 1 :]
    files = sorted(Path(floor).glob("*.py"))
    assert len(files) > 10
    found = {path.name: {name.partition(".")[0] for name in imports(path)} for path in files}
    assert not [(name, each) for name, used in found.items() for each in higher if each in used]


@pytest.mark.parametrize(
    ("floor", "without"),
    [
        ("theory", {"torch", "pandas", "sklearn", "matplotlib"}),
        ("fc_width", {"pandas", "matplotlib"}),
        ("analysis", set()),
    ],
)
def test_the_lower_floors_do_without(floor, without):
    used = {name.partition(".")[0] for path in Path(floor).glob("*.py") for name in imports(path)}
    assert not used & without
    assert used & {"numpy"}


@pytest.mark.parametrize("floor", FLOORS)
def test_a_package_names_all_its_modules(floor):
    named = set(re.findall(r"`(\w+)`", ast.get_docstring(ast.parse((Path(floor) / "__init__.py").read_text("utf-8")))))
    there = {path.stem for path in Path(floor).glob("*.py")} - {"__init__"}
    assert named - {"Experiment", *FLOORS} == there
