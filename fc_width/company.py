"""Which runs belong together, in a folder, in the sweeps at work on it, or in a table: those of one recipe but for the
fields that are swept, of the same data, computed in the same precision."""

from collections.abc import Mapping
from typing import Any

from fc_width.recipes import recipe_from
from fc_width.store import CorruptRecordError, Store

MADE = "data_sha256", "precision"
"""What must be the same beside the recipe, of a record's provenance."""


def of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of what must be the same."""
    made = record.get("provenance", {})
    return {"recipe": record["recipe"], **{key: made.get(key) for key in MADE}}


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """What two runs or sweeps differ in and must not: name → (one's, the other's). What one of them does not say, as it
    is not known yet, differs from nothing.

    *Arguments*: `one` and `other`, each a `recipe` as a dictionary, `data_sha256` and `precision`, the last two None
    where not known."""
    found = recipe_from(one["recipe"]).differences(recipe_from(other["recipe"]))
    pairs = {key: (one.get(key), other.get(key)) for key in MADE}
    return found | {key: pair for key, pair in pairs.items() if None not in pair and pair[0] != pair[1]}


def check_folder(store: Store, about: Mapping[str, Any]) -> list[str]:
    """See that a folder's records belong with a sweep's runs.

    *Arguments*: `store`; `about`, the sweep, as in `apart`.

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
            names = {"data_sha256": "other data", "precision": "another precision"}
            what = names.get(next(iter(differences)), "another recipe")
            raise ValueError(f"{store.folder} holds records of {what} ({_told(differences)}): choose another --out")
    return corrupt


def check_others(store: Store, about: Mapping[str, Any]) -> None:
    """See that the sweeps at work on a folder belong together, also those that have no record yet; `ValueError` if one
    does not."""
    for path, notice in store.notices():
        if differences := apart(notice["about"], about):
            raise ValueError(
                f"{store.folder}: another sweep is at work there that does not belong with this one "
                f"({_told(differences)}): choose another --out (or, if it was killed on another machine, remove {path})"
            )


def _told(differences: Mapping[str, tuple[object, object]]) -> str:
    return ", ".join(f"{name} {theirs!r}, not {ours!r}" for name, (theirs, ours) in differences.items())
