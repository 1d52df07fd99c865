"""How far a width below C − 1 can go: the best possible angle at any width M, and what equal angles need.

    python -m theory.bounds --classes 100

prints, for each width, the largest possible smallest angle between C unit vectors in R^M, and what the next width buys:
exactly where a theorem or a code of `spherical_codes` settles it, else between a certified lower and an upper bound."""

import argparse
import bisect
import functools
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from theory import code_bounds, code_search, console, kept_codes
from theory import spherical_codes as codes

TINY = 1e-12
"""Radians by which a bound computed in floating point is moved to its safe side."""

SEARCHED = 600_000
"""Largest C²·M that a code is searched for; beyond it only codes that need no search bound from below."""

LAYERED = 4
"""Largest M for `spherical_codes.layered_angle`."""

MOST = 10**7
"""Largest C: the cost of some bounds grows with it, to half a minute there."""


@dataclass(frozen=True)
class AngleBound:
    """Bounds of the largest possible smallest angle between C unit vectors in R^M.

    *Attributes*: `lower` ≤ the angle ≤ `upper`, radians; `exact`, whether the angle is known (then the two differ by
    rounding, or by the digits published); `source`, theorem, code or search."""

    lower: float
    upper: float
    exact: bool
    source: str


@functools.lru_cache(maxsize=1024)
def largest_min_angle(C: int, M: int) -> AngleBound:
    """The largest possible smallest angle between C unit vectors in R^M.

    Exact for M ≥ C − 1 (simplex: arccos(−1/(C−1))), for C/2 ≤ M ≤ C − 2 (90°: Rankin 1955), for M = 2 (polygon), for
    M = 1 (0°: some coincide), and for the codes of `spherical_codes` that are known to be optimal. Else the upper bound
    is the least of those of `code_bounds` (Levenshtein's and, up to R^16, Delsarte's; in R^3 Fejes Tóth's; in a few
    more dimensions Böröczky's; 60° where there are too many vectors for it) and the angle of a known optimal code of no
    more vectors in no fewer dimensions, the lower one a code: found by search and certified, or made of layers of
    latitude, or a part of a known one (of `spherical_codes`, or a shell of the integer vectors) of more vectors or
    fewer dimensions.

    *Arguments*: `C` ≥ 2 vectors; `M` ≥ 1 dimensions.

    *Raises*: `ValueError` for C < 2, C > `MOST` or M < 1.
    """
    _check(C, M)
    if C > MOST:
        raise ValueError(f"C must be at most {MOST:,} for the best possible angle, got C={C}")
    if M >= C - 1:
        return _known(math.acos(-1 / (C - 1)), "simplex")
    if M == 1:
        return AngleBound(0.0, 0.0, True, "two directions: some vectors coincide")
    if 2 * M >= C:
        return AngleBound(math.pi / 2, math.pi / 2, True, "orthoplex (Rankin 1955)")
    if M == 2:
        return _known(2 * math.pi / C, "regular polygon")
    for table, note in ((codes.SHARP, "sharp code: {} (Levenshtein)"), (codes.PROVED, "optimal code: {}")):
        if (C, M) in table:
            cosine, name = table[C, M]
            return _known(math.acos(cosine), note.format(name), 1e-9 if table is codes.PROVED else TINY)
    upper, bound = _upper(C, M)
    lower, found = _best_code(C, M)
    return AngleBound(lower, upper, False, f"{found}; {bound}")


def _upper(C: int, M: int) -> tuple[float, str]:
    """The least upper bound at hand where 3 ≤ M < C/2, and where it is from."""
    above = []
    if M == 3:
        above.append((code_bounds.fejes_toth_angle(C) + TINY, "Fejes Tóth"))
    elif M <= code_bounds.SIMPLEX:
        above.append((code_bounds.boroczky_angle(C, M) + TINY, "Böröczky"))
    if M > 3 or C < 100:  # for many vectors in R^3 it is slow to compute, and the weaker one
        above.append((math.acos(code_bounds.least_cosine(C, M)) + TINY, "Levenshtein"))
    if code_bounds.most_programmed(M) >= C:
        above.append((math.acos(code_bounds.delsarte_cosine(C, M)) + TINY, "linear programming (Delsarte)"))
    if (most := code_bounds.KISSING_AT_MOST.get(M, C)) < C:
        above.append((math.pi / 3 + TINY, f"no more than {most} are 60° apart"))
    upper, bound = min(above)
    for (size, dimension), (cosine, name) in (codes.SHARP | codes.PROVED).items():
        if size <= C and dimension >= M and math.acos(cosine) + 1e-9 < upper:
            upper, bound = math.acos(cosine) + 1e-9, f"no more than for {size} in R^{dimension} ({name})"
    return upper, bound


def _known(angle: float, source: str, within: float = TINY) -> AngleBound:
    return AngleBound(max(angle - within, 0.0), min(angle + within, math.pi), True, source)


def _best_code(C: int, M: int) -> tuple[float, str]:
    """The best certified angle at hand, and where it is from."""
    best = (2 * math.pi / C - TINY, "polygon")
    for table in (codes.SHARP, codes.PROVED, codes.GOOD):
        for (size, dimension), (cosine, name) in table.items():
            if size >= C and dimension <= M:
                best = max(best, (math.acos(cosine) - 1e-9, f"{C} of the {size} vectors: {name}"))
    for dimension, (size, name) in codes.KISSING.items():
        if size >= C and dimension <= M:
            best = max(best, (math.pi / 3 - TINY, f"{C} of the {size} vectors 60° apart in R^{dimension}: {name}"))
            break
    if (shell := codes.integer_shell(C, M)) is not None:
        best = max(best, (math.acos(1 - 1 / shell) - TINY, f"{C} integer vectors of norm² {shell}"))
    if 3 <= M <= LAYERED:
        best = max(best, (codes.layered_angle(C, M), "layers of latitude"))
    vectors = kept_codes.kept(C, M)
    if vectors is None and C * C * M <= SEARCHED:
        vectors = code_search.on_a_grid(code_search.search(C, M))
    if vectors is not None:
        cosine = code_search.certified_cosine(vectors)
        best = max(best, (math.acos(min(cosine, 1.0)) - TINY, "search, certified"))
    return best


def equiangular_min_width(C: int, cosine: Fraction | int) -> int:
    """The least M in which C unit vectors can have one common inner product: the rank of (1 − ρ)I + ρJ.

    1 at ρ = 1 (they coincide), C − 1 at ρ = −1/(C−1) (the simplex), C between; exact.

    *Arguments*: `C` ≥ 2; `cosine`, ρ as a rational in [−1/(C−1), 1].

    *Raises*: `ValueError` for C < 2, or for a ρ that no C vectors have.
    """
    _check(C, 1)
    rho = Fraction(cosine)
    if not Fraction(-1, C - 1) <= rho <= 1:
        raise ValueError(f"{C} unit vectors cannot have the common inner product {rho}: it must be in [−1/{C - 1}, 1]")
    return 1 if rho == 1 else C - 1 if rho == Fraction(-1, C - 1) else C


def width_of_share(C: int, share: float) -> int:
    """The least width at which the smallest angle between C unit vectors is known to reach a share of the largest there
    is, the simplex's: of 10 vectors 90 % of it, 86.7°, in R^5.

    *Arguments*: `C` ≥ 2; `share`, in 0…1.

    *Raises*: `ValueError` for C < 2 or a share out of range.
    """
    _check(C, 1)
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in 0…1, got {share}")
    goal = share * math.acos(-1 / (C - 1)) - TINY

    def may_reach(M: int) -> bool:
        return (_upper(C, M)[0] if 3 <= M < C / 2 else largest_min_angle(C, M).upper) >= goal

    first = bisect.bisect_left(range(1, C), True, key=may_reach) + 1  # before it no code need be looked for
    return next(M for M in range(first, C) if largest_min_angle(C, M).lower >= goal)


def last_width_gain(C: int) -> float:
    """What C − 1 dimensions buy over C − 2: arccos(−1/(C−1)) − 90° = arcsin(1/(C−1)), radians, for C ≥ 4.

    *Raises*: `ValueError` for C < 4, where C − 2 < C/2 and the angle at C − 2 is another.
    """
    if C < 4:
        raise ValueError(f"C must be at least 4, got C={C}")
    return math.asin(1 / (C - 1))


def nc2_floor(C: int, M: int) -> float:
    """The least distance from the simplex's Gram matrix that C vectors in R^M can have: √(2 − 2√(M/(C−1))), 0 from M
    = C − 1 on.

    The distance is that of NC2: ‖G/‖G‖ − S/‖S‖‖, Frobenius, G the Gram matrix of C centred vectors, S = I − J/C.

    Proof. Both matrices have norm 1, so the square is 2 − 2⟨G, S⟩/(‖G‖‖S‖). Centring makes GS = G, hence ⟨G, S⟩ = tr
    G, and ‖S‖ = √(C−1). With the r ≤ M positive eigenvalues λ of G, tr G = Σλ ≤ √r ‖λ‖ = √r ‖G‖ by Cauchy and
    Schwarz, so that ⟨G, S⟩/(‖G‖‖S‖) ≤ √(M/(C−1)). Equality: any M equal eigenvalues, orthogonal to (1, …, 1).

    *Raises*: `ValueError` for C < 2 or M < 1.
    """
    _check(C, M)
    return math.sqrt(max(0.0, 2 - 2 * math.sqrt(min(1.0, M / (C - 1)))))


def default_widths(C: int) -> list[int]:
    """Widths worth a row: small ones, around C/2 and C − 1, powers of 2 between; 22 where C = 100."""
    half = -(-C // 2)
    widths = {1, 2, 3, 4, half - 1, half, C - 2, C - 1, C} | {2**n for n in range(3, 20) if 2**n < half}
    if C == 100:
        widths.add(22)
    return sorted(width for width in widths if width >= 1)


def table(C: int, widths: Sequence[int]) -> list[dict[str, Any]]:
    """What is known of each width.

    *Returns*: a row for each of `widths`, ascending: `M`; `lower` and `upper` bound of the best possible smallest angle
    in degrees, `exact` and `source` as in `AngleBound`; `gain`, what the next row's width buys (degrees; None if not
    known exactly, and in the last row), and between what it lies, `gain_low` and `gain_high` (None in the last row);
    `nc2_floor`. A lower bound at one width holds at every larger one: rows are improved so.

    *Raises*: `ValueError` for C < 2 or a width below 1.
    """
    bounds: list[tuple[int, AngleBound]] = []
    for M in sorted(widths):
        bound = largest_min_angle(C, M)
        if bounds and bounds[-1][1].lower > bound.lower:
            bound = AngleBound(
                bounds[-1][1].lower, bound.upper, bound.exact, f"as at M = {bounds[-1][0]}; {bound.source}"
            )
        bounds.append((M, bound))
    rows: list[dict[str, Any]] = []
    for (M, bound), (_, after) in zip(bounds, [*bounds[1:], *bounds[-1:]], strict=True):
        least: float | None
        most: float | None
        least, most = math.degrees(max(0.0, after.lower - bound.upper)), math.degrees(after.upper - bound.lower)
        gain = math.degrees(after.lower - bound.lower) if bound.exact and after.exact else None
        if after is bound:
            gain = least = most = None
        elif gain is not None:  # whose bounds differ by rounding
            least = most = gain
        lower, upper = math.degrees(bound.lower), math.degrees(bound.upper)
        known = {"M": M, "lower": lower, "upper": upper, "exact": bound.exact, "source": bound.source}
        buys = {"gain": gain, "gain_low": least, "gain_high": most}
        rows.append(known | buys | {"nc2_floor": nc2_floor(C, M)})
    return rows


def _check(C: int, M: int) -> None:
    if C < 2:
        raise ValueError(f"C must be at least 2, got C={C}")
    if M < 1:
        raise ValueError(f"M must be at least 1, got M={M}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 for a mistake in the options."""
    parser = argparse.ArgumentParser(
        prog="python -m theory.bounds", description="The best possible angle at each width.", allow_abbrev=False
    )
    parser.add_argument("--classes", type=int, required=True, metavar="C", help="number of classes")
    parser.add_argument(
        "--widths",
        type=int,
        nargs="+",
        metavar="M",
        help="widths (default: small ones, powers of 2, around C/2 and C − 1)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows")
    options = parser.parse_args(argv)
    try:
        console.check_options(argv, options)
        _check(options.classes, 1)
        rows = table(options.classes, sorted(set(options.widths or default_widths(options.classes))))
        if options.json is not None:
            console.write_whole(options.json, json.dumps(rows, indent=1) + "\n")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"The largest possible smallest angle between {options.classes} unit vectors in R^M, degrees\n")
    print(f"{'M':>6}  {'at least':>9}  {'at most':>9}  {'next row buys':>14}  {'NC2 floor':>9}  source")
    for row in rows:
        ends = [] if row["gain_low"] is None else [f"{row[end]:.2f}" for end in ("gain_low", "gain_high")]
        gain = " to ".join(dict.fromkeys(ends))
        print(
            f"{row['M']:>6}  {row['lower']:>9.4f}  {row['upper']:>9.4f}  {gain:>14}  {row['nc2_floor']:>9.4f}  "
            f"{'exact: ' if row['exact'] else ''}{row['source']}"
        )
    print("\nNC2 floor: the least distance of C centred vectors' Gram matrix from the simplex's, both of norm 1.")
    return 0


if __name__ == "__main__":
    console.run(main)
