"""Which runs belong together, in a folder, in the sweeps at work on it, or in a table: those of one recipe but for the
fields that are swept, of the same data, computed in the same precision."""

from collections.abc import Mapping
from typing import Any

from fc_width.recipes import recipe_from
from fc_width.store import CorruptRecordError, Store

MADE = {"data_sha256": "other data", "computed_in": "another precision"}
"""What must be the same beside the recipe, and what it is where it is not."""


def of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of what must be the same: its `recipe`, and what of `MADE` it knows, else None."""
    made = record.get("provenance", {})
    return {
        "recipe": record["recipe"],
        "data_sha256": made.get("data_sha256"),
        "computed_in": made.get("precision"),  # the recipe's is what was wanted
    }


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """What two runs or sweeps differ in and must not: name → (one's, the other's). What one of them does not say, as it
    is not known yet, differs from nothing.

    *Arguments*: `one` and `other`, as `of_record` has them."""
    found = recipe_from(one["recipe"]).differences(recipe_from(other["recipe"]))
    pairs = {key: (one.get(key), other.get(key)) for key in MADE}
    return found | {key: pair for key, pair in pairs.items() if None not in pair and pair[0] != pair[1]}


def told(differences: Mapping[str, tuple[object, object]], between: str = ", not ") -> str:
    """What `apart` found, for a reader."""
    return ", ".join(f"{name} {one!r}{between}{other!r}" for name, (one, other) in differences.items())


def check_folder(store: Store, about: Mapping[str, Any]) -> list[str]:
    """See that a folder's records belong with a sweep's runs.

    *Arguments*: `store`; `about`, of the sweep, as in `apart`.

    *Returns*: the ids of corrupt records.

    *Raises*: `ValueError` if one does not."""
    corrupt = []
    for run_id in sorted(store.run_ids()):
        try:
            record = store.read(run_id)
        except FileNotFoundError:  # another sweep on the folder makes it again
            continue
        except CorruptRecordError:
            corrupt.append(run_id)
            continue
        if differences := apart(of_record(record), about):
            what = MADE.get(next(iter(differences)), "another recipe")
            raise ValueError(
                f"{store.folder} holds records of {what} ({told(differences)}), {run_id} for one: choose another --out"
            )
    return corrupt


def check_others(store: Store, about: Mapping[str, Any]) -> None:
    """See that all sweeps at work on a folder belong with one, also those that have no record yet.

    *Arguments*: `store`; `about`, of that one, as in `apart`.

    *Raises*: `ValueError` if one does not."""
    for path, notice in store.notices():
        if differences := apart(notice["about"], about):
            raise ValueError(
                f"{store.folder}: another sweep is at work there that does not belong with this one "
                f"({told(differences)}): choose another --out (or, if it was killed on another machine, remove {path})"
            )
