"""``python -m fc_width.benchmark losses``, ``sweep``, ``cost``, ``profile``, ``step``, ``training``: what it costs."""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
import tyro

from fc_width import (
    benchmark_cost,
    benchmark_losses,
    benchmark_profile,
    benchmark_step,
    benchmark_sweep,
    benchmark_training,
)
from fc_width.provenance import device_name, installed
from fc_width.step import numba_is_off
from theory import console


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 for a bad option."""
    commands: dict[str, Any] = {
        "losses": benchmark_losses.Losses,
        "sweep": benchmark_sweep.Sweep,
        "cost": benchmark_cost.Cost,
        "profile": benchmark_profile.Profile,
        "step": benchmark_step.StepTime,
        "training": benchmark_training.Training,
    }
    options: Any = tyro.extras.subcommand_cli_from_dict(
        commands, args=arguments, prog="python -m fc_width.benchmark", description=__doc__
    )
    module: Any = sys.modules[type(options).__module__]
    name = ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    made = None
    try:
        console.check_options(arguments, options, ("ways", "loops"))  # in turn alone is a way; `sweep` names the loops
        if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
            raise ValueError(f"device must be auto, cpu, or cuda where there is one, got {options.device!r}")
        if options.rounds < 1:
            raise ValueError(f"rounds must be at least 1, got {options.rounds}")
        device = torch.device(name)
        if options.json is not None:
            new = not options.json.exists()
            options.json.open("a").close()  # which fails on a folder, as `touch` does not
            made = options.json if new else None
        found = module.measure(options, device, lambda text: print(text, file=sys.stderr))
        made = None
    except (ValueError, OSError, RuntimeError, OverflowError, MemoryError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        print(f"error: {lines[0]}", file=sys.stderr)
        return 2
    finally:
        if made is not None:  # nothing was measured
            made.unlink(missing_ok=True)
    maker = "triton" if name == "cuda" else "numba"
    version = "" if maker == "numba" and numba_is_off() else installed(maker)
    kernels = f", {maker} {version}" if version else ""
    machine = f"{device_name(device)}, torch {torch.__version__}{kernels}, Python {platform.python_version()}"
    print(f"{module.describe(options, device)}; {machine}\n\n{module.table(found)}")
    if options.json is not None:
        rows = {"machine": machine, "measurements": [asdict(each) for each in found]}
        console.write_whole(options.json, json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    console.run(main)
