"""Commands for tests, and what they leave."""

import os
import subprocess
import sys

import numpy as np

from fc_width.store import Store


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


def records(folder):
    """Records by id, less what may differ between two identical runs."""
    found = {record["run_id"]: record for record in Store(folder).records()}
    return {
        run_id: {key: value for key, value in record.items() if key not in ("seconds", "provenance")}
        for run_id, record in found.items()
    }


def quiet():
    return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return int(stream.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def as_two_processes(script, folder):
    """Run a script as the ranks 0 and 1, which meet at a file; see that both end by saying that all was equal."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(rank), str(folder / "rendezvous")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]  # fmt: skip
    for process in started:
        said, complaint = process.communicate(timeout=120)
        assert said == "equal\n", complaint


def as_own_data(dataset, path):
    """Options of a sweep over grey images as a file of one's own: without scikit-learn, whose import takes the digits
    a second or more, it begins sooner."""
    images = {f"{part}_images": getattr(dataset, f"{part}_images")[:, 0] for part in ("train", "test")}
    labels = {f"{part}_labels": getattr(dataset, f"{part}_labels") for part in ("train", "test")}
    np.savez(path, **images, **labels)
    return ["--dataset", str(path), "--set", "backbone=digits"]
