"""Angles and neural collapse, on arrangements whose values are known."""

import math
import re

import numpy as np
import pytest
import torch

from fc_width import geometry
from fc_width.benchmark_losses import _peak
from fc_width.losses import WSoftmaxLoss
from fc_width.simplex_head import SimplexHead


def test_angles_of_eq_14():
    weight = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [-5.0, 0.0], [0.0, 0.0]])
    angles = geometry.target_angles(embeddings, weight, torch.tensor([0, 0, 1, 0, 1]))
    torch.testing.assert_close(angles, torch.tensor([0, math.pi / 4, math.pi / 2, math.pi, math.pi / 2]).double())
    means = geometry.class_means(angles, torch.tensor([0, 0, 1, 0, 1]), 2)
    torch.testing.assert_close(means, torch.tensor([5 * math.pi / 12, math.pi / 2], dtype=torch.float64))


def test_a_classifier_that_learns_is_measured_without_a_gradient():
    """Of warnings, which a gradient there would give, tests make errors."""
    loss, labels = WSoftmaxLoss(3, 4), torch.arange(12) % 4
    embeddings = torch.randn(12, 3, requires_grad=True)
    assert not geometry.target_angles(embeddings, loss.classifier(), labels).requires_grad
    measured = geometry.neural_collapse(embeddings, loss.classifier(), labels)
    assert measured == geometry.neural_collapse(embeddings.detach(), loss.classifier().detach(), labels)
    assert geometry.smallest_angle(loss.classifier()) == geometry.smallest_angle(loss.classifier().detach())
    assert geometry.simplex_distance(loss.classifier()) == geometry.simplex_distance(loss.classifier().detach())


@pytest.mark.parametrize("measure", [geometry.target_angles, geometry.neural_collapse])
def test_what_does_not_fit_is_an_error_that_quotes_it(measure):
    embeddings, weight, labels = torch.randn(12, 3), torch.randn(4, 3), torch.arange(12) % 4
    for changed, message in [
        ((embeddings, weight, labels - 1), r"labels must be in 0…3, got -1"),
        ((embeddings, weight, labels[:1]), r"labels must have shape \(12,\), got \(1,\)"),
        ((embeddings, weight[:, :1], labels), r"embeddings must have shape \(N, 1\), got \(12, 3\)"),
        ((embeddings, weight[0], labels), r"weight must have shape \(C, M\), got \(3,\)"),
        ((embeddings[:0], weight, labels[:0]), "a batch must have at least one sample"),
    ]:
        with pytest.raises(ValueError, match=message):
            measure(*changed)


def test_smallest_angle_keeps_small_angles():
    for angle in (1e-6, 1e-3, 0.1, 2.0):
        weight = torch.tensor([[1, 0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)
        assert geometry.smallest_angle(weight) == pytest.approx(math.degrees(angle), rel=1e-8)
    assert geometry.smallest_angle(torch.tensor([[1.0], [-1.0]])) == pytest.approx(180)


@pytest.mark.parametrize(
    ("weight", "smallest"),
    [
        ([[1, 0], [-1, 0], [0, 0]], 90),
        ([[0, 0], [0, 0]], 90),
        ([[1, 0], [0, 0], [math.cos(1), math.sin(1)]], math.degrees(1)),
        ([[1, 0], [1e-20, 1e-20]], 45),
    ],
)
def test_a_zero_weight_is_at_a_right_angle_as_in_eq_14(weight, smallest):
    weight = torch.tensor(weight, dtype=torch.float64)
    assert geometry.smallest_angle(weight) == pytest.approx(smallest)
    pairs = torch.combinations(torch.arange(len(weight)))
    angles = geometry.target_angles(weight[pairs[:, 0]], weight, pairs[:, 1])
    assert math.degrees(angles.min()) == pytest.approx(smallest)


def test_the_simplex_has_collapsed():
    weight = SimplexHead(5).dense_weight()
    labels = torch.arange(5).repeat(20)
    found = geometry.neural_collapse(3 * weight[labels], weight, labels)
    assert set(found) == {"nc1", "variance_ratio", "nc2_means", "nc2_weights", "nc3"}
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-12)
    shifted = geometry.neural_collapse(3 * weight[labels] + 7.0, weight, labels)
    assert shifted == pytest.approx(found, abs=1e-12)


def test_nc1_is_the_ratio_of_scatters():
    """Two classes at ±2 on a line, each with variance 1 around its mean: Tr(Σ_W Σ_B⁺)/C = (1/4)/2."""
    embeddings = torch.tensor([[1.0], [3.0], [-1.0], [-3.0]])
    labels = torch.tensor([0, 0, 1, 1])
    found = geometry.neural_collapse(embeddings, torch.tensor([[1.0], [-1.0]]), labels)
    assert found["nc1"] == pytest.approx(1 / 8)
    assert found["variance_ratio"] == pytest.approx(1 / 4)
    opposite = geometry.neural_collapse(embeddings, torch.tensor([[-1.0], [1.0]]), labels)
    assert opposite["nc3"] == pytest.approx(2.0)


def test_nc1_of_three_classes():
    """Tr(Σ_W Σ_B⁺)/C with both matrices built and numpy's pseudoinverse."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(3, 20, 4)) + 2 * generator.normal(size=(3, 1, 4))
    means = features.mean(1)
    within = np.einsum("cni,cnj->ij", features - means[:, None], features - means[:, None]) / 60
    between = (means - means.mean(0)).T @ (means - means.mean(0)) / 3
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / 3
    labels = torch.arange(3).repeat_interleave(20)
    found = geometry.neural_collapse(torch.from_numpy(features.reshape(60, 4)), torch.randn(3, 4), labels)
    assert found["nc1"] == pytest.approx(expected, rel=1e-10)
    assert found["variance_ratio"] == pytest.approx(np.trace(within) / np.trace(between), rel=1e-12)


def test_an_axis_along_which_the_means_hardly_differ_does_not_decide_the_ratio_of_variances():
    """As at M = C − 1, where the means only just fill the space: NC1 grows without end, the ratio stays."""
    noise = torch.randn(4000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4000) % 3
    found = {}
    for height in (1e-1, 1e-3):
        means = torch.tensor([[-1.0, 0], [1, 0], [0, height]], dtype=torch.float64)
        found[height] = geometry.neural_collapse(0.1 * noise + means[labels], means, labels)
    assert found[1e-3]["nc1"] > 100 * found[1e-1]["nc1"]
    assert found[1e-3]["variance_ratio"] == pytest.approx(found[1e-1]["variance_ratio"], rel=0.02)


@pytest.mark.parametrize(
    "embeddings",
    [
        torch.zeros(12, 2),
        torch.full((12, 2), 0.1),
        torch.tensor([0.1, 0.2, -0.3, 0.3, -0.2, -0.1, 0.2, -0.3, 0.1, -0.1, 0.3, -0.2], dtype=torch.float64)[:, None],
        torch.tensor([1e6, 1e6 + 1, 1e6 + 2] * 4)[:, None],
    ],
    ids=["no feature", "one feature", "means of 0 but for rounding", "equal means"],
)
def test_of_equal_class_means_there_is_no_collapse(embeddings):
    """0/0, not the 0 of a perfect one; what the weights alone say remains."""
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])[:, : embeddings.shape[1]]
    labels = torch.arange(4).repeat_interleave(3)
    found = geometry.neural_collapse(embeddings, weight, labels)
    assert [name for name, value in found.items() if math.isnan(value)] == ["nc1", "variance_ratio", "nc2_means", "nc3"]
    assert found["nc2_weights"] == geometry.simplex_distance(weight)


def test_nor_of_equal_weights_or_of_a_class_without_samples():
    weight, labels = torch.full((3, 2), 0.1), torch.arange(3).repeat(4)
    embeddings = torch.randn(12, 2)
    found = geometry.neural_collapse(embeddings, weight, labels)
    assert [name for name, value in found.items() if math.isnan(value)] == ["nc2_weights", "nc3"]
    weight = torch.randn(3, 2)
    found = geometry.neural_collapse(embeddings, weight, labels % 2)
    assert [name for name, value in found.items() if math.isnan(value)] == ["nc1", "variance_ratio", "nc2_means", "nc3"]


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


@pytest.mark.parametrize("measure", [geometry.smallest_angle, geometry.simplex_distance])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (0, 3), (2, 3, 4)])
def test_there_are_two_rows_at_least(measure, shape):
    with pytest.raises(ValueError, match=re.escape(f"must have shape (C, M) with C ≥ 2, got {shape}")):
        measure(torch.ones(shape))
