"""What a record is: a run's outcome as plain JSON, and the check of one that was read."""

import dataclasses
import math
from typing import Any

from fc_width.recipes import Recipe, recipe_from

Record = dict[str, Any]
"""A run's outcome, plain JSON: see `fc_width.train.run`."""

REQUIRED = ("run_id", "recipe", "status")
STATUSES = ("done", "diverged", "failed")
NUMBERS = "final", "geometry", "parameters"
"""What a record has of numbers by name."""
SPLITS = "train", "test"
"""Of what a record has per class."""


def check_record(record: object) -> None:
    """See that what was read is a record; `ValueError`, saying what is wrong, if not."""
    if not isinstance(record, dict):
        raise ValueError(f"it is no object: {str(record)[:40]}")
    missing = [key for key in REQUIRED if key not in record]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    check_recipe(record["recipe"])
    if record["status"] not in STATUSES:
        raise ValueError(f"its status is {record['status']!r}, expected one of {', '.join(STATUSES)}")
    final = record.get("final")
    if record["status"] == "done" and not (isinstance(final, dict) and is_finite(final.get("test_accuracy"))):
        raise ValueError("it is done and has no test accuracy")
    for key in NUMBERS:
        values = record.get(key, {})
        if not (isinstance(values, dict) and all(value is None or is_finite(value) for value in values.values())):
            raise ValueError(f"its {key} are no numbers by name: {str(values)[:40]}")
    accuracy = record.get("final", {}).get("test_accuracy")
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise ValueError(f"its test accuracy is not in 0…1: {accuracy}")
    classes = record.get("classes")
    if classes is not None and not (type(classes) is int and classes >= 2):
        raise ValueError(f"its classes are no whole number, 2 at least: {str(classes)[:40]}")
    largest = record.get("largest_class")
    if largest is not None and not (is_finite(largest) and 0 <= largest <= 1):
        raise ValueError(f"its largest_class is not in 0…1: {str(largest)[:40]}")
    for key in ("class_angles", "features"):
        if not isinstance(record.get(key) or {}, dict):
            raise ValueError(f"its {key} are no object: {str(record[key])[:40]}")
    angles = record.get("class_angles") or {split: [] for split in SPLITS}
    for split in SPLITS:
        values = angles.get(split)
        if not (isinstance(values, list) and all(value is None or is_finite(value) for value in values)):
            raise ValueError(f"its class_angles on {split} are no numbers: {str(values)[:40]}")
    if record["status"] == "failed" and not isinstance(record.get("error"), str):
        raise ValueError("it has failed and has no error")
    if not is_finite(record.get("seconds", 0)):
        raise ValueError(f"its seconds are no number: {str(record['seconds'])[:40]}")
    for name in ("train_accuracy", "test_accuracy", "validation_accuracy"):
        values = record.get(name, [])
        if not (isinstance(values, list) and all(map(is_finite, values))):
            raise ValueError(f"its {name} are no numbers: {str(values)[:40]}")
    if not isinstance(record.get("provenance", {}), dict):
        raise ValueError(f"its provenance is no object: {str(record['provenance'])[:40]}")


def last_accuracy(record: Record) -> float:
    """Test accuracy after the last epoch of a record that is done, in 0…1."""
    return float(record["final"]["test_accuracy"])


def stopped_accuracy(record: Record) -> float:
    """Test accuracy, in 0…1, of a run stopped in time, after its `stopped_epoch`; NaN if it has none."""
    epoch = stopped_epoch(record)
    return math.nan if epoch is None else float(record["test_accuracy"][epoch - 1])


def stopped_epoch(record: Record) -> int | None:
    """The epoch, counted from 1, that is best on the validation images, the first of those; None if none were held out,
    or the run is not done."""
    held_out, tested = record.get("validation_accuracy", []), record.get("test_accuracy", [])
    if record["status"] != "done" or not held_out or len(held_out) != len(tested):
        return None
    return 1 + int(held_out.index(max(held_out)))


def check_recipe(recipe: object) -> None:
    """See that what was read is a recipe with every field of its type; `ValueError`, saying what is wrong, if not."""
    if not isinstance(recipe, dict):
        raise ValueError(f"its recipe is no object: {str(recipe)[:40]}")
    for field in dataclasses.fields(Recipe):
        value, kind = recipe.get(field.name, field.default), type(field.default)
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ValueError(f"its recipe is none: {field.name} must be {kind.__name__}, got {str(value)[:40]}")
    try:
        recipe_from(recipe)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"its recipe is none: {error}") from None


def is_finite(value: object) -> bool:
    """Whether it is a number that fits a float and is finite."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
