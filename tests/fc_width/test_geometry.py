"""Angles and neural collapse, on arrangements whose values are known."""

import math

import pytest
import torch

from fc_width import geometry
from fc_width.benchmark_losses import _peak
from fc_width.simplex_head import SimplexHead


def test_angles_of_eq_14():
    weight = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [-5.0, 0.0], [0.0, 0.0]])
    angles = geometry.target_angles(embeddings, weight, torch.tensor([0, 0, 1, 0, 1]))
    torch.testing.assert_close(angles, torch.tensor([0, math.pi / 4, math.pi / 2, math.pi, math.pi / 2]).double())
    means = geometry.class_means(angles, torch.tensor([0, 0, 1, 0, 1]), 2)
    torch.testing.assert_close(means, torch.tensor([5 * math.pi / 12, math.pi / 2], dtype=torch.float64))


def test_smallest_angle_keeps_small_angles():
    for angle in (1e-6, 1e-3, 0.1, 2.0):
        weight = torch.tensor([[1, 0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)
        assert geometry.smallest_angle(weight) == pytest.approx(math.degrees(angle), rel=1e-8)
    assert geometry.smallest_angle(torch.tensor([[1.0], [-1.0]])) == pytest.approx(180)


def test_the_simplex_has_collapsed():
    weight = SimplexHead(5).dense_weight()
    labels = torch.arange(5).repeat(20)
    found = geometry.neural_collapse(3 * weight[labels], weight, labels)
    assert found == pytest.approx({"nc1": 0, "nc2_means": 0, "nc2_weights": 0, "nc3": 0}, abs=1e-12)
    shifted = geometry.neural_collapse(3 * weight[labels] + 7.0, weight, labels)
    assert shifted == pytest.approx(found, abs=1e-12)


def test_nc1_is_the_ratio_of_scatters():
    """Two classes at ±2 on a line, each with variance 1 around its mean: Tr(Σ_W Σ_B⁺)/C = (1/4)/2."""
    embeddings = torch.tensor([[1.0], [3.0], [-1.0], [-3.0]])
    labels = torch.tensor([0, 0, 1, 1])
    found = geometry.neural_collapse(embeddings, torch.tensor([[1.0], [-1.0]]), labels)
    assert found["nc1"] == pytest.approx(1 / 8)
    opposite = geometry.neural_collapse(embeddings, torch.tensor([[-1.0], [1.0]]), labels)
    assert opposite["nc3"] == pytest.approx(2.0)


def test_weights_in_a_plane_are_far_from_the_simplex():
    """Rank 2 of 9 dimensions: the distance is at least √(2 − 2√(2/9)), met by the regular polygon."""
    turn = torch.arange(10) * 2 * math.pi / 10
    polygon = torch.stack([turn.cos(), turn.sin()], 1)
    assert geometry.simplex_distance(polygon) == pytest.approx(math.sqrt(2 - 2 * math.sqrt(2 / 9)), abs=1e-6)


def test_piece_by_piece_is_all_at_once(monkeypatch):
    torch.manual_seed(0)
    weight, labels = torch.randn(6, 4), torch.randint(6, (100,))
    embeddings = torch.randn(100, 4) + weight[labels]
    whole, angles = (
        geometry.neural_collapse(embeddings, weight, labels),
        geometry.target_angles(embeddings, weight, labels),
    )
    means = geometry.class_means(embeddings, labels, 6)
    expected = torch.stack([embeddings[labels == each].double().mean(0) for each in range(6)])
    torch.testing.assert_close(means, expected)
    for piece in (1, 12, 396, 400):  # less than a sample, three samples, all but one, all
        monkeypatch.setattr(geometry, "PIECE", piece)
        assert geometry.neural_collapse(embeddings, weight, labels) == pytest.approx(whole, rel=1e-12)
        assert torch.equal(geometry.target_angles(embeddings, weight, labels), angles)
        torch.testing.assert_close(geometry.class_means(embeddings, labels, 6), means, rtol=1e-14, atol=0)


def test_the_memory_is_that_of_a_piece():
    """Of 160,000 features, 10 MB in float32: four times that where all of them are made float64 at once, twice over."""
    embeddings, weight = torch.randn(160_000, 16), torch.randn(10, 16)
    labels = torch.arange(160_000) % 10
    assert _peak(lambda: geometry.neural_collapse(embeddings, weight, labels), torch.device("cpu")) < 35e6
