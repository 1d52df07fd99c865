"""Spherical codes that a search found, kept as integer vectors in `kept_codes.npz`, so that what is certified of them
is the same on every machine: where rounding differs a search ends elsewhere.

    python -m theory.kept_codes --classes 100 --widths 3 4 5 6 7 8 9 10 11 16 32 49 --tries 300 --symmetry 1 2 3 4

searches again from that many seeds for each symmetry, some hours on a core, refines the best of each, and keeps the
codes that are better than those kept. With a symmetry p only codes are searched that a rotation or reflection of order
p takes to themselves, with fewer numbers to vary; refining lets go of it. Those of 100 vectors were found so, from
such seeds, and refined once or twice: with the symmetry 1, which is none, in R^4, R^9, R^10 and R^49, with 3 in R^3, 4
in R^32, and 2 in the others. Those of 100 vectors in R^17 to R^19 and R^35, and of 50 in R^12 to R^15, are the best of
three seeds each with the symmetries 1 and 2, those of 20 in R^6 to R^9 of ten."""

import argparse
import functools
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theory import code_search, console
from theory.spherical_codes import Integers

FILE = Path(__file__).with_name("kept_codes.npz")


def kept(C: int, M: int) -> Integers | None:
    """The C integer vectors in R^M that are kept, (C, M); None if none are."""
    return _kept(FILE).get(_name(C, M))


@functools.lru_cache(maxsize=4)
def _kept(path: Path) -> dict[str, Integers]:
    return _read(path)


def _read(path: Path) -> dict[str, Integers]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name].astype(np.int64) for name in arrays.files}


def _name(C: int, M: int) -> str:
    return f"{C}x{M}"


def improve(path: Path, C: int, M: int, tries: int, symmetry: int = 1) -> tuple[float, float]:
    """Search from the seeds 0, …, `tries` − 1 with that symmetry, and keep in the file `path` the best code found,
    refined, if none as good is.

    *Returns*: the cosines certified of the code kept before, 1 if there was none, and of the one kept now.
    """
    name = _name(C, M)
    before = _cosine(_read(path) if path.exists() else {}, name)
    tried = (code_search.search(C, M, seed, symmetry) for seed in range(tries))
    best = min(tried, key=lambda code: code_search.certified_cosine(code_search.on_a_grid(code)))
    found = (code_search.on_a_grid(each) for each in (best, code_search.refine(best)))
    code = min(found, key=code_search.certified_cosine)
    cosine = code_search.certified_cosine(code)
    arrays = _read(path) if path.exists() else {}  # as it is now: another search may have written since
    if cosine >= _cosine(arrays, name):
        return before, _cosine(arrays, name)
    arrays[name] = code
    small: dict[str, Any] = {key: arrays[key].astype(np.int32) for key in sorted(arrays)}
    written = io.BytesIO()
    np.savez_compressed(written, **small)
    console.write_whole(path, written.getvalue())
    _kept.cache_clear()
    return before, cosine


def _cosine(arrays: dict[str, Integers], name: str) -> float:
    """Certified of the code of that name; 1 if there is none."""
    return code_search.certified_cosine(arrays[name]) if name in arrays else 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 for a mistake in the options."""
    parser = argparse.ArgumentParser(
        prog="python -m theory.kept_codes",
        description="Search for codes better than those kept, and keep them.",
        allow_abbrev=False,
    )
    parser.add_argument("--classes", type=int, required=True, metavar="C", help="number of vectors")
    parser.add_argument("--widths", type=int, nargs="+", required=True, metavar="M", help="dimensions")
    parser.add_argument("--tries", type=int, default=10, metavar="N", help="seeds to search from (default: 10)")
    parser.add_argument(
        "--symmetry", type=int, nargs="+", default=[1], metavar="P", help="orders of symmetry (default: 1, none)"
    )
    options = parser.parse_args(argv)
    try:
        console.check_options(argv, options)
        for name, least in (("classes", 2), ("widths", 2), ("tries", 1)):
            given = getattr(options, name)
            if np.min(given) < least:
                raise ValueError(f"--{name} must be at least {least}, got {np.min(given)}")
        for M in options.widths:
            for symmetry in options.symmetry:
                code_search.check_symmetry(options.classes, M, symmetry)
        _improve_all(options)
    except (ValueError, OSError, MemoryError) as error:  # the last of what is too large to certify, write or hold
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _improve_all(options: argparse.Namespace) -> None:
    for M in options.widths:
        for symmetry in options.symmetry:
            before, now = improve(FILE, options.classes, M, options.tries, symmetry)
            degrees = [math.degrees(math.acos(cosine)) for cosine in (before, now)]
            text = "" if symmetry == 1 else f" with symmetry {symmetry}"
            said = f"{options.classes} vectors in R^{M}{text}: {degrees[0]:.4f}° kept before, {degrees[1]:.4f}° now"
            print(said, flush=True)


if __name__ == "__main__":
    console.run(main)
