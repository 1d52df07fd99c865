"""The best angle at each width: exact where known, bracketed elsewhere, certificates checked again in rationals."""

import dataclasses
import itertools
import json
import math
from fractions import Fraction

import constructions
import mpmath
import numpy as np
import pytest
import sympy
from scipy import linalg, optimize, special

from theory import bounds, code_bounds, code_search, kept_codes
from theory import spherical_codes as codes
from theory.bounds import (
    equiangular_min_width,
    largest_min_angle,
    last_width_gain,
    main,
    nc2_floor,
    table,
)
from theory.simplex import simplex_weights


@pytest.mark.parametrize(
    ("C", "M", "degrees"),
    [
        (2, 1, 180),
        (3, 1, 0),
        (3, 2, 120),
        (4, 3, 109.4712206),
        (4, 2, 90),
        (5, 2, 72),
        (5, 3, 90),
        (6, 3, 90),
        (10, 2, 36),
        (10, 3, 66.1468220),
        (10, 4, math.degrees(math.acos(1 / 6))),
        (10, 5, 90),
        (10, 8, 90),
        (10, 9, math.degrees(math.acos(-1 / 9))),
        (10, 300, math.degrees(math.acos(-1 / 9))),
        (12, 3, 63.4349488),
        (24, 3, 43.6907671),
        (100, 22, math.degrees(math.acos(1 / 11))),
        (100, 50, 90),
        (100, 99, math.degrees(math.acos(-1 / 99))),
    ],
)
def test_known_angles(C, M, degrees):
    bound = largest_min_angle(C, M)
    assert bound.exact
    assert math.degrees(bound.lower) <= math.degrees(bound.upper)
    assert math.degrees(bound.lower) == pytest.approx(degrees, abs=1e-6)
    assert math.degrees(bound.upper) == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(("C", "M"), [key for key in codes.SHARP if key[0] < 10**6])
def test_levenshtein_s_bound_is_met_by_the_sharp_codes(C, M):
    cosine, _ = codes.SHARP[C, M]
    assert code_bounds.levenshtein(M, cosine) == pytest.approx(C, rel=1e-12)
    assert code_bounds.least_cosine(C, M) == pytest.approx(cosine, abs=1e-10)
    assert code_bounds.least_cosine(C, M) <= cosine


def test_levenshtein_s_bound_in_its_first_intervals():
    """Rankin's: 1 − 1/s for s ≤ −1/M, and 2M at 0."""
    assert code_bounds.levenshtein(5, -0.5) == pytest.approx(3)
    assert code_bounds.levenshtein(5, -0.2) == pytest.approx(6)
    assert code_bounds.levenshtein(5, 0.0) == pytest.approx(10)
    values = [code_bounds.levenshtein(4, s) for s in np.linspace(-0.9, 0.98, 300)]
    assert np.all(np.diff(values) > 0)


@pytest.mark.parametrize("M", [3, 4, 8, 50])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_levenshtein_s_bound_is_the_design_s_at_its_ends(M, k):
    end = code_bounds._largest_zero(k, (M - 1) / 2, (M - 1) / 2)
    assert code_bounds.levenshtein(M, end) == pytest.approx(2 * math.comb(k + M - 1, k), rel=1e-9)
    size = 2 * math.comb(k + M - 1, k)
    if size > 2 * M:
        assert code_bounds.least_cosine(size, M) == pytest.approx(end, abs=1e-9)


@pytest.mark.parametrize(("C", "M"), [(7, 3), (13, 3), (10, 4), (120, 4)])
def test_other_optimal_codes_are_below_the_upper_bounds(C, M):
    angle = math.acos(codes.PROVED[C, M][0])
    assert angle < math.acos(code_bounds.least_cosine(C, M))
    if M == 3:
        assert angle < code_bounds.fejes_toth_angle(C)


@pytest.mark.parametrize(("C", "M", "degrees"), [(100, 4, 38.14), (100, 5, 49.50), (100, 6, 57.80), (100, 7, 63.22)])
def test_linear_programs_bound_more_closely_than_levenshtein(C, M, degrees):
    """The angles are those that another program, of the same degree, had found to be ruled out."""
    cosine = code_bounds.delsarte_cosine(C, M)
    assert code_bounds.least_cosine(C, M) < cosine
    assert math.degrees(math.acos(cosine)) < degrees
    assert bounds.largest_min_angle(C, M).upper == pytest.approx(math.acos(cosine), abs=1e-11)
    assert "linear programming" in bounds.largest_min_angle(C, M).source


@pytest.mark.parametrize(
    ("C", "M"), sorted((C, M) for C, M in [*codes.SHARP, *codes.PROVED] if 3 <= M <= 16 and C > 2 * M)
)
def test_no_linear_program_rules_out_a_code_that_there_is(C, M):
    cosine, _ = (codes.SHARP | codes.PROVED)[C, M]
    assert code_bounds.delsarte_cosine(C, M) <= cosine + 1e-9
    assert code_bounds._programmed(M, cosine + 1e-9) >= C * (1 - 1e-6)


@pytest.mark.parametrize(("M", "cosine"), [(4, 0.5), (8, 0.5), (6, 0.4), (3, 0.7)])
def test_the_polynomial_of_a_program_is_nowhere_above_what_was_taken_off_it(M, cosine, monkeypatch):
    """By numpy's own roots of its derivative; and the bound is that of the kissing numbers where they are known so."""
    found = []
    solve = optimize.linprog
    monkeypatch.setattr(optimize, "linprog", lambda *a, **k: found.append(solve(*a, **k)) or found[-1])
    bound = code_bounds._programmed(M, cosine)
    f = np.concatenate([[1.0], np.maximum(found[0].x, 0)])
    powers = [special.gegenbauer(k, (M - 2) / 2) for k in range(len(f))]
    polynomial = sum((each * (weight / each(1.0)) for weight, each in zip(f, powers, strict=True)), np.poly1d([0.0]))
    turns = [root.real for root in polynomial.deriv().roots if abs(root.imag) < 1e-6 and -1 <= root.real <= cosine]
    most = max(polynomial(np.array([-1.0, cosine, *turns])))
    assert bound >= (polynomial(1.0) - most) / (1 - most) - 1e-6
    assert bound == pytest.approx(polynomial(1.0), rel=2e-3)
    if (M, cosine) == (8, 0.5):
        assert bound == pytest.approx(240, rel=1e-4)
        assert bound >= 240 - 1e-6


def test_fejes_toth_s_bound_is_met_at_4_6_and_12():
    for C, cosine in ((4, -1 / 3), (6, 0.0), (12, 1 / math.sqrt(5))):
        assert math.cos(code_bounds.fejes_toth_angle(C)) == pytest.approx(cosine, abs=1e-12)


@pytest.mark.parametrize("M", range(3, 9))
def test_boroczky_s_bound_is_met_by_the_orthoplex_and_the_simplex(M):
    """Where it proves nothing, as their angles are not below 90°, but a wrong volume would show."""
    assert code_bounds._simplex_bound(M, math.pi / 2) == pytest.approx(2 * M, rel=1e-13)
    assert code_bounds._simplex_bound(M, math.acos(-1 / M)) == pytest.approx(
        M + 1, rel=1e-5
    )  # Gauss's points: near 0/0


def test_boroczky_s_bound_is_met_by_the_icosahedron_and_the_600_cell():
    for C, M, degrees in ((12, 3, math.degrees(math.acos(1 / math.sqrt(5)))), (120, 4, 36)):
        assert code_bounds._simplex_bound(M, math.radians(degrees)) == pytest.approx(C, rel=1e-13)
        excess = code_bounds.boroczky_angle(C, M) - math.radians(degrees)
        assert 0 < excess < 1e-10
    assert codes.PROVED[120, 4][0] == pytest.approx(math.cos(math.radians(36)), abs=1e-15)


@pytest.mark.parametrize("C", [7, 13, 100, 1000, 10**6, 10**12])
def test_boroczky_s_bound_is_fejes_toth_s_in_three_dimensions_and_on_the_safe_side_of_it(C):
    assert 0 < code_bounds.boroczky_angle(C, 3) / code_bounds.fejes_toth_angle(C) - 1 < 1e-11


def schlafli(n, alpha):
    """Schläfli's function by its recurrence in half the dihedral angle, in 25 digits."""
    if n < 2:
        return mpmath.mpf(1)
    if n in (2, 3):
        return 2 * alpha / mpmath.pi - (mpmath.mpf(1) / 3 if n == 3 else 0)

    def inner(theta):
        return schlafli(n - 2, mpmath.acos(1 / (mpmath.sec(2 * theta) - 2)) / 2)

    return 2 / mpmath.pi * mpmath.quad(inner, [mpmath.acos(mpmath.mpf(1) / (n - 1)) / 2, alpha])


@pytest.mark.parametrize(("M", "degrees"), [(4, 2), (4, 38), (4, 80), (5, 5), (5, 50), (5, 88), (6, 70)])
def test_the_integrals_of_boroczky_s_bound_have_the_digits_that_it_counts_on(M, degrees):
    with mpmath.workdps(25):
        alpha = mpmath.acos(1 / (mpmath.sec(mpmath.radians(degrees)) + M - 2)) / 2
        exact = 2 * schlafli(M - 1, alpha) / schlafli(M, alpha)
        assert abs(code_bounds._simplex_bound(M, math.radians(degrees)) / exact - 1) < 1e-13


@pytest.mark.parametrize("M", [7, 8])
@pytest.mark.parametrize("degrees", [3, 40, 70, 89])
def test_twice_the_points_change_nothing_in_boroczky_s_bound(M, degrees, monkeypatch):
    value = code_bounds._simplex_bound(M, math.radians(degrees))
    points, weights = np.polynomial.legendre.leggauss(48)
    monkeypatch.setattr(code_bounds, "_POINTS", points)
    monkeypatch.setattr(code_bounds, "_WEIGHTS", weights)
    assert code_bounds._simplex_bound(M, math.radians(degrees)) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize(("n", "degrees"), [(3, 60), (4, 75), (5, 80), (6, 85)])
def test_schlafli_s_function_is_a_share_of_the_sphere(n, degrees):
    """Counted: the directions that are positive combinations of the simplex's vertices."""
    gram = np.cos(np.radians(degrees)) * (1 - np.eye(n)) + np.eye(n)
    vertices = np.linalg.cholesky(gram)
    inside = (np.random.default_rng(0).standard_normal((400_000, n)) @ np.linalg.inv(vertices) > 0).all(1)
    share = float(code_bounds._schlafli(n, np.array([math.radians(degrees)]))[0]) * math.factorial(n) / 2**n
    assert abs(inside.mean() - share) < 4 * math.sqrt(share / len(inside))


@pytest.mark.parametrize("M", range(4, 9))
def test_boroczky_s_bound_falls_and_is_above_every_code(M):
    values = [code_bounds._simplex_bound(M, angle) for angle in np.linspace(0.01, math.pi / 2, 30)]
    assert np.all(np.diff(values) < 0)
    for (C, dimension), (cosine, _) in (codes.SHARP | codes.PROVED).items():
        if dimension == M and C > 2 * M:
            assert code_bounds.boroczky_angle(C, M) > math.acos(cosine)
    size, _ = codes.KISSING[M]
    assert code_bounds.boroczky_angle(size, M) > math.pi / 3


def test_boroczky_s_bound_is_used_where_it_is_the_least():
    assert math.degrees(code_bounds.boroczky_angle(100, 4)) == pytest.approx(38.2759, abs=5e-5)
    assert math.degrees(code_bounds.boroczky_angle(100, 5)) == pytest.approx(49.9199, abs=5e-5)
    for C, M in ((1000, 4), (2000, 5)):
        assert largest_min_angle(C, M).upper == pytest.approx(code_bounds.boroczky_angle(C, M), abs=1e-11)
        assert "Böröczky" in largest_min_angle(C, M).source
    for C, M in ((1000, 7), (1000, 8)):
        assert "linear programming" in largest_min_angle(C, M).source
    assert "Levenshtein" in largest_min_angle(100, 8).source


@pytest.mark.parametrize("M", sorted(code_bounds.KISSING_AT_MOST))
def test_kissing_numbers_are_between_the_vectors_known_and_levenshtein_s_bound(M):
    most = code_bounds.KISSING_AT_MOST[M]
    assert most <= code_bounds.levenshtein(M, 0.5) + 1e-6
    if M > 3:
        assert most >= codes.KISSING[M][0]


@pytest.mark.parametrize("M", [3, 5, 6, 7, 9, 10, 16])
def test_more_vectors_than_can_kiss_are_less_than_60_degrees_apart(M):
    most = code_bounds.KISSING_AT_MOST[M]
    assert largest_min_angle(most, M).upper > math.pi / 3 + 1e-3
    assert largest_min_angle(most + 1, M).upper <= math.pi / 3 + 2 * bounds.TINY


@pytest.mark.parametrize(
    ("graph", "code"),
    [
        (constructions.petersen, (4, 1, 6)),
        (constructions.clebsch, (5, 1, 5)),
        (constructions.higman_sims, (22, 1, 11)),
        (constructions.flags, (20, 1, 8)),
    ],
)
def test_graphs_are_checked_in_integers(graph, code):
    made = graph()
    assert made.check() == code
    dimension, top, bottom = code
    table_ = codes.SHARP | codes.PROVED | codes.GOOD
    assert table_[len(made.adjacency), dimension][0] == pytest.approx(top / bottom)
    broken = made.adjacency.copy()
    broken[3, 4] ^= 1
    broken[4, 3] ^= 1
    with pytest.raises(ValueError, match="A² is not"):
        dataclasses.replace(made, adjacency=broken).check()
    with pytest.raises(ValueError, match="B² is not"):
        dataclasses.replace(made, eigenvalue=made.eigenvalue + 1).check()


def test_the_larger_inner_product_of_a_graph_may_be_that_of_neighbours():
    graph = constructions.petersen()
    found = dataclasses.replace(graph, eigenvalue=1).check()
    values, vectors = np.linalg.eigh(graph.adjacency)
    space = vectors[:, np.isclose(values, 1)]
    gram = space @ space.T
    gram /= gram[0, 0]
    assert found == (space.shape[1], 1, 3)
    assert (gram - np.eye(10)).max() == pytest.approx(1 / 3)


def test_the_graphs_within_the_higman_sims_graph_are_checked_in_integers():
    whole = constructions.higman_sims().adjacency
    blocks = whole[23:, 23:]
    without = np.flatnonzero(whole[1, 23:] == 0)  # blocks that miss a point
    found = {
        constructions.GraphCode(blocks, (77, 16, 0, 4), -6).check(): (77, 21),
        constructions.GraphCode(blocks[np.ix_(without, without)], (56, 10, 0, 2), -4).check(): (56, 20),
    }
    for (dimension, top, bottom), (C, M) in found.items():
        assert dimension == M
        assert codes.PROVED[C, M][0] == pytest.approx(top / bottom)


def test_the_hoffman_singleton_graph_is_checked_in_integers():
    """Five pentagons and five pentagrams: vertex j of pentagon h is joined to vertex hi + j of pentagram i."""
    adjacency = np.zeros((2, 5, 5, 2, 5, 5), np.int64)
    for h in range(5):
        for j in range(5):
            adjacency[0, h, j, 0, h, [(j + 1) % 5, (j - 1) % 5]] = 1
            adjacency[1, h, j, 1, h, [(j + 2) % 5, (j - 2) % 5]] = 1
            for i in range(5):
                adjacency[0, h, j, 1, i, (h * i + j) % 5] = adjacency[1, i, (h * i + j) % 5, 0, h, j] = 1
    assert constructions.GraphCode(adjacency.reshape(50, 50), (50, 7, 0, 1), -3).check() == (21, 1, 21)
    assert codes.PROVED[50, 21][0] == 1 / 21


@pytest.mark.parametrize("m", sorted(constructions.FORMS))
def test_the_codes_of_traces_are_checked_in_integers(m):
    """Products of two vectors are vectors, all (number)·2^(m+1) differ, and no inner product is above the cosine's."""
    forms = constructions.trace_code(m).astype(np.int8)
    rows = {row.tobytes() for row in forms}
    assert set(np.unique(forms)) == {-1, 1}
    assert all({row.tobytes() for row in forms * one} == rows for one in forms)
    constant = (forms == 1).all(1)
    assert constant.sum() == 1
    walsh = forms[~constant].astype(np.float64) @ linalg.hadamard(2**m)  # with (−1)^(a·x), exact: far below 2^53
    largest = int(np.abs(walsh).max())  # below 2^m: no two of them are equal
    cosine, _ = codes.GOOD[len(rows) * 2 ** (m + 1), 2**m]
    assert Fraction(largest, 2**m) == Fraction(cosine)
    assert codes.GOOD[len(rows) * 2 ** (m + 1), 2**m][0] >= code_bounds.least_cosine(len(rows) * 2 ** (m + 1), 2**m)


def test_the_smallest_code_of_traces_is_one_by_all_its_inner_products():
    signs = np.array([[(-1) ** (a & x).bit_count() for x in range(32)] for a in range(32)])
    assert np.array_equal(signs, linalg.hadamard(32))
    forms = constructions.trace_code(5)
    code = (forms[:, None] * np.concatenate([signs, -signs])).reshape(-1, 32)
    products = code @ code.T
    assert len(code) == 2048
    assert products[~np.eye(2048, dtype=bool)].max() == 8


def test_parts_of_the_good_codes_bound_from_below():
    for (C, M), (cosine, name) in codes.GOOD.items():
        for fewer in (C, C - 5):
            bound = largest_min_angle(fewer, M)
            assert math.acos(cosine) - 1e-8 < bound.lower < bound.upper
            assert name in bound.source
    assert math.degrees(largest_min_angle(100, 20).lower) == pytest.approx(82.8192, abs=1e-4)


def moved(sets, turn):
    """The sets, and what a permutation makes of them again and again."""
    sets = set(sets)
    while len(more := sets | {frozenset(turn[x] for x in each) for each in sets}) > len(sets):
        sets = more
    return sorted(sorted(each) for each in sets)


def signed(sets, M):
    """Vectors in R^M with ±1 at the places of a set, with all signs."""
    rows = np.zeros((len(sets), 16, M), np.int64)
    for row, each in zip(rows, sets, strict=True):
        row[:, each] = list(itertools.product((1, -1), repeat=4))
    return rows.reshape(-1, M)


TRIPLES = (1, 2, 0, 4, 5, 3, 7, 8, 6, 10, 11, 9)
QUADRUPLES = {  # M: a permutation, and sets of four places; of all that it makes of them two share two at most
    8: ((1, 2, 3, 4, 5, 6, 0, 7), "0137 2456"),
    10: ((1, 2, 3, 4, 5, 6, 7, 8, 9, 0), "1245 1237 1358"),
    12: (TRIPLES, "0134 1569 359A 1236 1379 479A 0579 0167 2679 689A 0389 1489 3567 2589 2349 029A 0469"),
}
WORDS = (  # of twelve bits; with what `TRIPLES` makes of them, and complements, they differ in four places or more
    *(9, 627, 884, 650, 912, 673, 106, 125, 694, 195, 957, 975, 729, 240, 748, 1018, 780, 533, 795, 802, 559, 576),
    *(606, 873),
)


@pytest.mark.parametrize(("M", "within", "size"), [(8, 8, 240), (9, 10, 306), (10, 10, 500), (12, 12, 840)])
def test_vectors_of_four_signs_kiss(M, within, size):
    """With those that have one entry, 2 or −2, they are 2M + 16·(sets): Leech & Sloane's."""
    turn, bases = QUADRUPLES[within]
    sets = moved((frozenset(int(x, 16) for x in base) for base in bases.split()), turn)
    axes = 2 * np.eye(M, dtype=np.int64)
    vectors = np.concatenate([axes, -axes, signed([each for each in sets if max(each) < M], M)])
    products = vectors @ vectors.T
    assert set(products.diagonal()) == {4}
    assert products[~np.eye(size, dtype=bool)].max() == 2
    known, _ = codes.KISSING[M]
    assert known == (510 if M == 10 else size)


def test_zinoviev_and_ericson_s_vectors_kiss():
    """(2·signs of four, 0), (0, ±4), (±2√3 on an axis, ±2) and (the signs of a word, ±2), of norm² 16, as a + b√3."""
    words = moved((frozenset(i for i in range(12) if word >> i & 1) for word in WORDS), TRIPLES)
    signs = np.array([[1 - 2 * (i in word) for i in range(12)] for word in words])
    turn, bases = QUADRUPLES[12]
    four = 2 * signed(moved((frozenset(int(x, 16) for x in base) for base in bases.split()), turn), 12)
    axes = np.concatenate([np.eye(12, dtype=np.int64), -np.eye(12, dtype=np.int64)])
    parts = [(four, 0, 0), *((0 * axes[:1], 0, h) for h in (4, -4)), *((0 * axes, 2 * axes, h) for h in (2, -2))]
    parts += [(side * signs, 0, h) for side in (1, -1) for h in (2, -2)]
    rational = np.concatenate([np.pad(a, ((0, 0), (0, 1)), constant_values=h) for a, _, h in parts])
    root = np.concatenate([np.pad(b + 0 * a, ((0, 0), (0, 1))) for a, b, _ in parts])
    assert len(rational) == codes.KISSING[13][0]
    p, q = rational @ rational.T + 3 * root @ root.T, rational @ root.T + root @ rational.T
    assert set(p.diagonal()) == {16}
    assert not q.diagonal().any()
    rest = 8 - p  # p + q√3 ≤ 8
    below = np.where(q > 0, (rest >= 0) & (rest**2 >= 3 * q**2), (rest >= 0) | (rest**2 <= 3 * q**2))
    assert below[~np.eye(len(p), dtype=bool)].all()


@pytest.mark.parametrize(("M", "most"), [(2, 30), (3, 20), (4, 9)])
def test_shells_are_counted(M, most):
    reach = range(-math.isqrt(most), math.isqrt(most) + 1)
    norms = [sum(x * x for x in vector) for vector in itertools.product(reach, repeat=M)]
    for C in (2, 5, 12, 13, 25, 100):
        expected = next((n for n in range(1, most + 1) if norms.count(n) >= C), None)
        assert codes.integer_shell(C, M, most) == expected
    assert codes.integer_shell(2 * 40 * 39, 40) == 2  # the roots of D_40
    assert codes.integer_shell(2 * 40 * 39 + 1, 40) == 3


def test_the_vectors_of_a_shell_are_as_far_apart_as_it_says():
    for n in (3, 5, 9):
        shell = np.array([v for v in itertools.product(range(-3, 4), repeat=4) if sum(x * x for x in v) == n])
        products = shell @ shell.T
        assert products[products < n].max() <= n - 1


def layered(M, angle, start):
    """The vectors that `codes.layered_angle` counts."""
    if M == 2:
        count = max(1, math.floor(2 * math.pi / angle))
        return [[math.cos(turn), math.sin(turn)] for turn in 2 * math.pi / count * np.arange(count)]
    vectors = []
    for place in range(math.floor((math.pi - start) / angle) + 1):
        latitude = start + place * angle
        ratio = math.sin(angle / 2) / max(math.sin(latitude), 1e-300)
        inner = 2 * math.asin(min(ratio, 1))
        layers = (
            [[1.0] + [0.0] * (M - 2)]
            if ratio > 1
            else max((layered(M - 1, inner, begin) for begin in (0.0, inner / 2)), key=len)
        )
        vectors += [[math.cos(latitude), *(math.sin(latitude) * x for x in v)] for v in layers]
    return vectors


@pytest.mark.parametrize(("C", "M"), [(20, 3), (150, 3), (1000, 3), (60, 4), (300, 4)])
def test_the_layers_hold_as_many_vectors_that_far_apart(C, M):
    angle = codes.layered_angle(C, M)
    made = max((np.array(layered(M, angle, start)) for start in (0.0, angle / 2)), key=len)
    assert len(made) >= C
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1)
    chords = np.linalg.norm(made[:, None] - made[None], axis=2) + 9 * np.eye(len(made))
    assert 2 * math.asin(chords.min() / 2) >= angle - 1e-9
    assert angle <= largest_min_angle(C, M).upper


def test_vectors_that_kiss_are_no_more_than_can():
    sizes = [codes.KISSING[M][0] for M in sorted(codes.KISSING)]
    assert sizes == sorted(sizes)
    assert list(codes.KISSING) == sorted(codes.KISSING)  # `largest_min_angle` takes the first with enough
    for M, (size, _) in codes.KISSING.items():
        assert size <= code_bounds.levenshtein(M, 0.5) + 1e-6
        assert size >= 2 * M * (M - 1)  # the roots of D_M


@pytest.mark.parametrize(
    ("C", "M"),
    [(1000, 3), (1000, 4), (1000, 8), (1000, 16), (10575, 64), (10**6, 3), (4000, 5), (10**5, 512), (10**6, 6)],
)
def test_no_bound_is_empty_for_many_vectors(C, M):
    bound = largest_min_angle(C, M)
    assert 0.5 * bound.upper < bound.lower <= bound.upper


def exact_cosine_is_at_most(vectors, cosine):
    """All pairs in rationals: d ≤ s √(a b), as d ≤ 0 or d² ≤ s² a b."""
    s = Fraction(cosine)
    rows = [[int(x) for x in row] for row in vectors]
    norms = [sum(x * x for x in row) for row in rows]
    for i, u in enumerate(rows):
        for j in range(i):
            d = sum(x * y for x, y in zip(u, rows[j], strict=True))
            if d > 0 and Fraction(d * d) > s * s * norms[i] * norms[j]:
                return False
    return True


@pytest.mark.parametrize(("C", "M"), [(15, 3), (20, 4), (25, 5)])
def test_the_certificate_of_a_searched_code_holds_in_rationals(C, M):
    vectors = code_search.on_a_grid(code_search.search(C, M))
    cosine = code_search.certified_cosine(vectors)
    assert exact_cosine_is_at_most(vectors, cosine)
    assert not exact_cosine_is_at_most(vectors, cosine - 1e-9)
    tampered = vectors.copy()
    tampered[0] = tampered[1]
    tampered[0, 0] += 5
    assert not exact_cosine_is_at_most(tampered, cosine)
    bound = largest_min_angle(C, M)
    assert not bound.exact
    assert math.acos(cosine) - 1e-9 <= bound.lower < bound.upper
    assert "certified" in bound.source


with np.load(kept_codes.FILE, allow_pickle=False) as arrays:
    KEPT = [tuple(int(n) for n in name.split("x")) for name in arrays.files]


@pytest.mark.parametrize(("C", "M"), KEPT)
def test_the_certificate_of_a_kept_code_holds_in_rationals_and_is_what_the_bound_says(C, M):
    vectors = kept_codes.kept(C, M)
    assert vectors.shape == (C, M)
    cosine = code_search.certified_cosine(vectors)
    assert exact_cosine_is_at_most(vectors, cosine)
    assert not exact_cosine_is_at_most(vectors, cosine - 1e-9)
    bound = largest_min_angle(C, M)
    assert bound.lower >= math.acos(cosine) - 2 * bounds.TINY
    assert not bound.exact
    assert bound.lower > math.acos(cosine) or "search, certified" in bound.source


def test_what_is_printed_of_100_classes_needs_no_search(monkeypatch):
    """A search ends elsewhere on another machine, and what is drawn and printed of it would differ."""
    monkeypatch.setattr(code_search, "search", None)
    largest_min_angle.cache_clear()
    for C in (10, 100):
        assert bounds.table(C, sorted({*range(1, 12), *bounds.default_widths(C)}))
    with pytest.raises(TypeError):
        largest_min_angle(99, 8)


def test_a_better_code_is_kept_and_a_worse_one_is_not(tmp_path):
    path = tmp_path / "codes.npz"
    before, first = kept_codes.improve(path, 15, 3, 1)
    assert before == 1
    found = code_search.search(15, 3, 0)
    cosines = [code_search.certified_cosine(code_search.on_a_grid(code)) for code in (found, code_search.refine(found))]
    assert first == min(cosines)
    poor = code_search.on_a_grid(np.random.default_rng(0).standard_normal((15, 3)) / 4)
    np.savez(path, **{"15x3": poor, "9x4": poor[:9, :1]})
    assert kept_codes.improve(path, 15, 3, 1) == (code_search.certified_cosine(poor), first)
    with np.load(path) as arrays:
        assert code_search.certified_cosine(arrays["15x3"].astype(np.int64)) == first
        assert np.array_equal(arrays["9x4"], poor[:9, :1])
    content = path.read_bytes()
    before, now = kept_codes.improve(path, 15, 3, 1)
    assert (before, now) == (first, first)
    assert path.read_bytes() == content
    assert kept_codes.improve(path, 15, 3, 4)[1] <= first
    assert [each.name for each in tmp_path.iterdir()] == ["codes.npz"]


def test_the_command_line_that_keeps(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kept_codes, "FILE", tmp_path / "codes.npz")
    assert kept_codes.main(["--classes", "15", "--widths", "3", "4", "--tries", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:24] for line in lines] == ["15 vectors in R^3: 0.000", "15 vectors in R^4: 0.000"]
    assert kept_codes.kept(15, 4).shape == (15, 4)
    assert kept_codes.main(["--classes", "15", "--widths", "3", "--tries", "1", "--symmetry", "1", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20] for line in lines] == ["15 vectors in R^3: 5", "15 vectors in R^3 wi"]
    assert kept_codes.main(["--classes", "15", "--widths", "3", "--tries", "1", "--symmetry", "16"]) == 2
    assert "the symmetry must be from 1 to C=15, got 16" in capsys.readouterr().err
    assert kept_codes.main(["--classes", "15", "--widths", "3", "2", "--tries", "1", "--symmetry", "1", "4"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "a symmetry of order 4 needs 3 dimensions for 15 vectors, got M=2" in err
    assert kept_codes.main(["--classes", "1", "--widths", "3"]) == 2
    assert "--classes must be at least 2, got 1" in capsys.readouterr().err
    assert kept_codes.main(["--classes", "15", "--widths", "3", "1"]) == 2
    assert "--widths must be at least 2, got 1" in capsys.readouterr().err
    assert kept_codes.main(["--classes", "2", "--widths", "1025", "--tries", "1"]) == 2
    assert "at most 1024 dimensions expected, got (2, 1025)" in capsys.readouterr().err
    monkeypatch.setattr(kept_codes, "FILE", tmp_path / "none" / "codes.npz")
    assert kept_codes.main(["--classes", "15", "--widths", "3", "--tries", "1"]) == 2
    assert "error: " in capsys.readouterr().err


def test_a_vector_without_a_direction_is_no_code():
    with pytest.raises(ValueError, match="a vector of the 2 is 0"):
        code_search.certified_cosine(np.array([[1, 0], [0, 0]]))


def test_the_search_comes_near_what_is_optimal_and_never_past_it():
    for C, M in ((7, 3), (10, 3), (12, 3), (10, 4), (16, 5)):
        best = (codes.SHARP | codes.PROVED)[C, M][0]
        found = code_search.certified_cosine(code_search.on_a_grid(code_search.search(C, M)))
        assert best - 1e-7 <= found <= best + 0.02


def test_refining_moves_little_and_mostly_helps():
    for C, M, symmetry in ((20, 3, 1), (20, 3, 2), (30, 4, 3), (40, 5, 2)):
        code = code_search.search(C, M, 0, symmetry)
        refined = code_search.refine(code)
        assert np.abs(refined - code).max() < 0.1
        before, after = (code_search.certified_cosine(code_search.on_a_grid(each)) for each in (code, refined))
        assert after < before + 1e-7


def test_the_search_is_deterministic():
    assert np.array_equal(code_search.search(14, 4), code_search.search(14, 4))
    assert np.array_equal(code_search.search(14, 4, 1, 3), code_search.search(14, 4, 1, 3))


@pytest.mark.parametrize(
    ("C", "M", "symmetry"), [(12, 3, 5), (12, 3, 3), (12, 3, 2), (6, 3, 3), (10, 4, 3), (16, 5, 4), (24, 4, 3)]
)
def test_the_search_with_a_symmetry_finds_what_is_optimal_and_has_it(C, M, symmetry):
    best = 0.0 if C == 2 * M else (codes.SHARP | codes.PROVED)[C, M][0]
    found = [code_search.search(C, M, seed, symmetry) for seed in range(8)]
    cosines = [code_search.certified_cosine(code_search.on_a_grid(code)) for code in found]
    assert best - 1e-7 <= min(cosines) <= best + 1e-3
    for code in found:
        orbits, left = divmod(C, symmetry)
        np.testing.assert_allclose(np.linalg.norm(code, axis=1), 1)
        turned = code[: C - left].reshape(symmetry, orbits, M)
        moved = np.concatenate([np.roll(turned, -1, 0).reshape(-1, M), code[C - left :]])
        np.testing.assert_allclose(moved @ moved.T, code @ code.T, atol=1e-9)
        assert orbits == 0 or np.abs(turned[0] - turned[1]).max() > 0.1


@pytest.mark.parametrize(("M", "order"), [(3, 2), (3, 3), (5, 7), (6, 4)])
@pytest.mark.parametrize("fix", [False, True])
def test_the_powers_are_those_of_one_orthogonal_matrix_of_that_order(M, order, fix):
    for seed in range(5):
        powers = code_search._powers(M, order, fix, np.random.default_rng(seed))
        for g in range(order):
            np.testing.assert_allclose(powers[g], np.linalg.matrix_power(powers[1], g), atol=1e-12)
        np.testing.assert_allclose(powers[1] @ powers[order - 1], np.eye(M), atol=1e-12)
        np.testing.assert_allclose(powers[1] @ powers[1].T, np.eye(M), atol=1e-12)
        assert all(np.abs(power - np.eye(M)).max() > 0.1 for power in powers[1:])
        assert not fix or np.array_equal(powers[:, -1], np.tile(np.eye(M)[-1], (order, 1)))


def test_bounds_are_in_order():
    """lower ≤ upper; no upper bound falls with M or rises with C; no lower one is above that of more room."""
    sizes, widths = range(2, 20), range(1, 12)
    bound = {(C, M): largest_min_angle(C, M) for C in sizes for M in widths}
    for (C, M), each in bound.items():
        assert 0 <= each.lower <= each.upper <= math.pi
        if (C, M + 1) in bound:
            assert each.upper <= bound[C, M + 1].upper + 1e-9
            assert each.lower <= bound[C, M + 1].upper + 1e-9
        if (C + 1, M) in bound:
            assert bound[C + 1, M].upper <= each.upper + 1e-9
            assert bound[C + 1, M].lower <= each.upper + 1e-9


def test_rows_never_fall():
    rows = table(40, [1, 2, 3, 4, 5, 6, 8, 10, 15, 19, 20, 38, 39])
    assert [row["lower"] for row in rows] == sorted(row["lower"] for row in rows)


def test_what_the_last_width_buys():
    assert math.degrees(last_width_gain(10)) == pytest.approx(6.38, abs=0.005)
    assert math.degrees(last_width_gain(100)) == pytest.approx(0.58, abs=0.005)
    for C in (4, 5, 10, 77):
        gain = largest_min_angle(C, C - 1).lower - largest_min_angle(C, C - 2).lower
        assert last_width_gain(C) == pytest.approx(gain, abs=1e-9)


def gram_distance(vectors):
    centred = vectors - vectors.mean(0)
    gram = centred @ centred.T
    simplex = np.eye(len(vectors)) - 1 / len(vectors)
    return np.linalg.norm(gram / np.linalg.norm(gram) - simplex / np.linalg.norm(simplex))


@pytest.mark.parametrize(("C", "M"), [(10, 1), (10, 2), (10, 5), (10, 8), (10, 9), (10, 30), (3, 1), (100, 22)])
def test_the_nc2_floor_is_attained_and_never_beaten(C, M):
    frame = simplex_weights(C)[: min(M, C - 1)].T  # M equal eigenvalues, rows of sum 0
    assert gram_distance(frame) == pytest.approx(nc2_floor(C, M), abs=1e-7)
    rng = np.random.default_rng(0)
    assert min(gram_distance(rng.standard_normal((C, M))) for _ in range(200)) >= nc2_floor(C, M) - 1e-9


def test_widths_of_equal_angles():
    assert equiangular_min_width(10, Fraction(-1, 9)) == 9
    assert equiangular_min_width(10, 0) == 10
    assert equiangular_min_width(10, 1) == 1
    for rho in (Fraction(-1, 9), Fraction(1, 3), Fraction(0)):
        gram = float(1 - rho) * np.eye(10) + float(rho)
        assert np.linalg.matrix_rank(gram, tol=1e-9) == equiangular_min_width(10, rho)
    with pytest.raises(ValueError, match="common inner product -1/8"):
        equiangular_min_width(10, Fraction(-1, 8))


def test_the_command(tmp_path, capsys):
    file = tmp_path / "rows.json"
    assert main(["--classes", "10", "--json", str(file)]) == 0
    said = capsys.readouterr().out
    assert "96.3794" in said
    assert "exact: orthoplex (Rankin 1955)" in said
    rows = {row["M"]: row for row in json.loads(file.read_text())}
    assert rows[8]["gain"] == rows[8]["gain_low"] == rows[8]["gain_high"] == pytest.approx(6.3794, abs=1e-4)
    assert rows[9]["nc2_floor"] == 0


@pytest.mark.parametrize(
    ("C", "M"), [(2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 4), (8, 4), (10, 5), (20, 9), (100, 20)]
)
def test_the_width_at_which_the_angle_is_near_the_simplex_s(C, M):
    goal = 0.9 * math.acos(-1 / (C - 1))
    assert bounds.width_of_share(C, 0.9) == M
    assert largest_min_angle(C, M).lower >= goal > (largest_min_angle(C, M - 1).lower if M > 1 else 0)
    assert bounds.width_of_share(C, 1.0) == C - 1


@pytest.mark.parametrize("degrees", [20, 60, 75, 81.25, 82, 89])
def test_no_narrower_width_is_known_to_reach_it(degrees):
    """Of the codes kept for 50 vectors the one in R^12 is better than that in R^13."""
    found = bounds.width_of_share(50, math.radians(degrees) / math.acos(-1 / 49))
    angles = {M: math.degrees(largest_min_angle(50, M).lower) for M in [1, 2, 3, 12, 13, 14, 15, 21, 25]}
    assert angles[12] > angles[13]
    assert found <= min(M for M, angle in angles.items() if angle >= degrees)
    assert math.degrees(largest_min_angle(50, found).lower) >= degrees


def test_what_the_next_width_buys_is_told_as_far_as_it_is_known():
    rows = bounds.table(100, [16, 22, 32, 50, 98])
    for row, after in itertools.pairwise(rows):
        ends = max(0.0, after["lower"] - row["upper"]), after["upper"] - row["lower"]
        assert (row["gain_low"], row["gain_high"]) == pytest.approx(ends, abs=1e-9)
        assert row["gain_low"] <= row["gain_high"]
        assert (row["gain"] is None) == (not (row["exact"] and after["exact"]))
    assert rows[0]["gain_low"] > 3
    assert rows[-1]["gain_low"] is rows[-1]["gain_high"] is rows[-1]["gain"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "1"], "C must be at least 2, got C=1"),
        (["--classes", "10", "--widths", "0"], "M must be at least 1, got M=0"),
        (["--classes", "4", "--json", "/dev/null/x"], "/dev/null/x"),
    ],
)
def test_mistakes(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: largest_min_angle(1, 1), "C must be at least 2, got C=1"),
        (lambda: largest_min_angle(10**20, 5), "C must be at most 10,000,000 for the best possible angle, got C=1000"),
        (lambda: largest_min_angle(3, 0), "M must be at least 1, got M=0"),
        (lambda: bounds.width_of_share(10, 1.5), "share must be in 0…1, got 1.5"),
        (lambda: last_width_gain(3), "C must be at least 4, got C=3"),
        (lambda: code_bounds.levenshtein(2, 0.1), "M must be at least 3, got M=2"),
        (lambda: code_bounds.levenshtein(3, 1.0), r"the cosine must be in \[−1, 1\), got 1.0"),
        (lambda: code_bounds.boroczky_angle(10, 5), "M ≥ 3 and C > 2M expected, got C=10, M=5"),
        (lambda: code_search.search(9, 3, 0, 0), "the symmetry must be from 1 to C=9, got 0"),
        (lambda: code_search.search(10, 2, 0, 3), "a symmetry of order 3 needs 3 dimensions for 10 vectors, got M=2"),
        (lambda: constructions.trace_code(4), r"m must be one of \[5, 6, 7, 9\], got m=4"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("C", [4, 13, 1000, 10**8, 10**10, 10**14])
def test_fejes_toth_s_bound_keeps_its_digits(C):
    """Against the formula as he has it, arccos((cot² t − 1)/2), in 60 digits."""
    turn = sympy.pi * C / (6 * (C - 2))
    exact = sympy.N(sympy.acos((sympy.cot(turn) ** 2 - 1) / 2), 60)
    assert abs(code_bounds.fejes_toth_angle(C) / exact - 1) < 1e-15
