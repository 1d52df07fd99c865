"""Which runs belong together: what differs between two, and what is only not known yet."""

import dataclasses

import pytest

from fc_width import company
from fc_width.recipes import SWEPT, Recipe

HERE = {"recipe": dataclasses.asdict(Recipe()), "data_sha256": "aa", "computed_in": "float32"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"data_sha256": None, "computed_in": None}, {}),
        ({"data_sha256": "bb"}, {"data_sha256": ("aa", "bb")}),
        ({"computed_in": "TF32"}, {"computed_in": ("float32", "TF32")}),
        ({"lr": 0.5, "flip": 0.5}, {"lr": (0.01, 0.5), "flip": (0.0, 0.5)}),
        ({"width": 3, "loss": "w-softmax:1", "feature": "linear", "seed": 7}, {}),
        ({"shift": 1, "computed_in": "TF32"}, {"shift": (0, 1), "computed_in": ("float32", "TF32")}),
        (
            {"precision": "bfloat16", "computed_in": "bfloat16 autocast"},
            {"precision": ("auto", "bfloat16"), "computed_in": ("float32", "bfloat16 autocast")},
        ),
    ],
)
def test_what_must_be_the_same(changes, expected):
    fields = {name: value for name, value in changes.items() if name in HERE["recipe"]}
    made = {name: value for name, value in changes.items() if name not in fields}
    there = HERE | made | {"recipe": HERE["recipe"] | fields}
    assert company.apart(HERE, there) == expected
    assert company.apart(there, HERE) == {name: pair[::-1] for name, pair in expected.items()}


def test_every_field_but_the_swept_ones_must_be_the_same():
    others = {"name": "x", "dataset": "mnist", "backbone": "mnist", "precision": "float32", "softmax_epochs": 9}
    for field in dataclasses.fields(Recipe):
        if field.name in SWEPT:
            continue
        value = others.get(field.name) or getattr(Recipe(), field.name) + (1 if field.type is int else 0.25)
        there = HERE | {"recipe": HERE["recipe"] | {field.name: value}}
        assert set(company.apart(HERE, there)) == {field.name}


def test_a_record_without_its_provenance_differs_from_nothing():
    of_a_failed_one = company.of_record({"recipe": HERE["recipe"], "status": "failed", "error": "lost"})
    assert of_a_failed_one == {"recipe": HERE["recipe"], "data_sha256": None, "computed_in": None}
    assert not company.apart(HERE, of_a_failed_one)


def test_what_is_told_names_both():
    told = company.apart(HERE, HERE | {"recipe": HERE["recipe"] | {"lr": 0.5}, "data_sha256": "bb"})
    assert company.told(told) == "lr 0.01, not 0.5, data_sha256 'aa', not 'bb'"
    assert company.told(told, " and ") == "lr 0.01 and 0.5, data_sha256 'aa' and 'bb'"
