"""Where a record comes from: versions, the commit and the code itself, the device."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

from fc_width.step import computed_in

TRAINS = (
    *("augment", "backbone", "baselines", "checkpoint", "checks", "data", "formats", "fused", "fused_convolution"),
    *("fused_layer", "fused_norm", "geometry", "gpu_errors", "loss_names", "losses", "provenance", "recipes"),
    *("simplex_head", "step", "train", "w_softmax"),
)
"""The modules that a record depends on."""


def provenance(device: torch.device, precision: str) -> dict[str, str]:
    """Where a record comes from: versions, commit, device."""
    return {
        "version": installed("fc-width") or "unknown",
        "commit": _commit(),
        "torch": str(torch.__version__),
        "device": device_name(device),
        "precision": computed_in(precision, device),
    }


def conditions(made: dict[str, str]) -> dict[str, str]:
    """What must be the same for a saved state to be taken up: the provenance, with the code itself for its commit, and
    the library that most baselines come from."""
    return made | {"commit": _source(), "pytorch-metric-learning": installed("pytorch-metric-learning")}


def installed(package: str) -> str:
    """The version of a package, "" if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _source() -> str:
    """SHA-256 of this package's files that a record depends on."""
    files = (Path(__file__).with_name(f"{name}.py") for name in TRAINS)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def device_name(device: torch.device) -> str:
    """The kind of device and its model."""
    return f"{device.type}: {torch.cuda.get_device_name(device) if device.type == 'cuda' else _cpu_name()}"


@functools.cache
def _commit() -> str:
    """The commit that the package runs from, with `+` if files differ from it; `unknown` outside a
    checkout of its own."""
    root = Path(__file__).resolve().parent
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # of another checkout
    try:
        _, commit, changes = (
            subprocess.run(["git", *words], cwd=root, env=plain, capture_output=True, text=True, check=True).stdout
            for words in (
                ("ls-files", "--error-unmatch", "provenance.py"),  # or it is installed within somebody else's
                ("rev-parse", "HEAD"),
                ("status", "--porcelain", "--", "."),
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.strip() + ("+" if changes.strip() else "")


@functools.cache
def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
