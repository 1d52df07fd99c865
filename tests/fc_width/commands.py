"""Commands for tests."""

import sys


def sweep(*options):
    """The command of a sweep on a CPU; of an option given twice the last counts."""
    given = {}
    for word in ("--device", "cpu", *options):
        if word.startswith("--"):
            values = given[word] = []
        else:
            values.append(word)
    return [
        sys.executable,
        "-m",
        "fc_width.sweep",
        *(word for name, values in given.items() for word in (name, *values)),
    ]
