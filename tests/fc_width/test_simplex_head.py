"""The fixed classifier against the dense matrix of `theory`, which it never builds."""

import math
import time

import numpy as np
import pytest
import torch

from fc_width.losses import SimplexWSoftmaxLoss
from fc_width.simplex_head import SimplexHead
from theory.simplex import recursive_simplex, simplex_weights


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 101])
@pytest.mark.parametrize("scale", [1.0, 0.25, 30.0])
def test_it_is_the_paper_s_recursion(classes, scale):
    embeddings = torch.randn(20, classes - 1, dtype=torch.float64, requires_grad=True)
    weight = torch.from_numpy(recursive_simplex(classes))
    upstream = torch.randn(20, classes, dtype=torch.float64)
    expected = scale * embeddings @ weight
    found = SimplexHead(classes, scale)(embeddings)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12 * scale)
    one, two = (torch.autograd.grad(logits, embeddings, upstream)[0] for logits in (found, expected))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12 * scale)


def test_gradcheck():
    embeddings = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SimplexHead(7), (embeddings,))
    assert torch.autograd.gradgradcheck(SimplexHead(7), (embeddings,))


def test_float32_at_a_million_classes():
    """Against single rows of the closed form in float64: off by at most 2e-6 for features of unit variance."""
    classes = 10**6
    embeddings = torch.randn(2, classes - 1, generator=torch.Generator().manual_seed(0))
    found = SimplexHead(classes).float()(embeddings).double()
    x = embeddings.double()
    index = torch.arange(1, classes, dtype=torch.float64)
    t = (index * classes / ((index + 1) * (classes - 1))).sqrt()
    for j in (1, 2, 3, 1000, classes // 2, classes - 1, classes):
        row = torch.where(index >= j, -t / index, 0.0)
        if j > 1:
            row[j - 2] = t[j - 2]
        row[0] = -row[0]
        assert float(row.norm()) == pytest.approx(1, abs=1e-9)
        assert float((found[:, j - 1] - x @ row).abs().max()) <= 2e-6


def test_at_least_fifty_times_as_fast_as_the_dense_product():
    """Forward and backward at C = 10,000, N = 64, one thread: processor time, the best of interleaved rounds."""
    classes, samples = 10_000, 64
    head = SimplexHead(classes)
    weight = head.dense_weight().float()
    embeddings = torch.randn(samples, classes - 1, requires_grad=True)
    best = {"head": math.inf, "dense": math.inf}
    for _ in range(4):
        for name, logits, repeats in (("head", head, 10), ("dense", lambda x: x @ weight.T, 1)):
            started = time.process_time()
            for _ in range(repeats):
                logits(embeddings).sum().backward()
            best[name] = min(best[name], (time.process_time() - started) / repeats)
    assert best["dense"] / best["head"] >= 50, best


def test_nothing_to_learn_and_nothing_to_save():
    for module in (SimplexHead(10), SimplexWSoftmaxLoss(10)):
        assert list(module.parameters()) == []
        assert module.state_dict() == {}


def test_conversion_to_a_plain_layer():
    head = SimplexHead(10, scale=4.0)
    linear = head.to_linear(torch.float64)
    embeddings = torch.randn(5, 9, dtype=torch.float64)
    assert linear.bias is None
    torch.testing.assert_close(linear(embeddings), head(embeddings), rtol=0, atol=1e-12)
    torch.testing.assert_close(linear.weight.detach(), 4 * torch.from_numpy(simplex_weights(10)).T, rtol=0, atol=1e-12)
    assert SimplexHead(3).to_linear().weight.dtype == torch.float32


@pytest.mark.parametrize("lower", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_cast_takes_nothing_from_the_classifier(lower, scale):
    """Neither while it lasts, nor the logits after it."""
    head, embeddings = SimplexHead(50, scale), torch.randn(5, 49, dtype=torch.float64)
    exact, logits = head.dense_weight(), head(embeddings)
    torch.testing.assert_close(exact, scale * torch.from_numpy(simplex_weights(50)).T, rtol=0, atol=1e-14 * scale)
    head.to(lower)
    assert torch.equal(head.dense_weight(), exact)
    torch.testing.assert_close(head(embeddings.float()), logits.float(), rtol=1e-5, atol=1e-5 * scale)
    torch.testing.assert_close(head.float()(embeddings.float()), logits.float(), rtol=1e-5, atol=1e-5 * scale)
    assert torch.equal(head.double()(embeddings), logits)
    loss = SimplexWSoftmaxLoss(50).to(lower)
    assert torch.equal(loss.classifier(), SimplexHead(50).dense_weight())


def test_a_head_that_was_made_on_no_device():
    with torch.device("meta"):
        head = SimplexHead(10, 2.0)
    assert torch.equal(head.to_empty(device="cpu").dense_weight(), SimplexHead(10, 2.0).dense_weight())
    embeddings = torch.randn(5, 9, dtype=torch.float64)
    assert torch.equal(head(embeddings), SimplexHead(10, 2.0)(embeddings))


@pytest.mark.parametrize("classes", [3.5, 3.0, "3", None])
def test_a_number_of_classes_that_is_no_integer(classes):
    with pytest.raises(TypeError, match=f"C must be an integer, got C={classes!r}"):
        SimplexHead(classes)
    assert SimplexHead(np.int64(3))(torch.zeros(1, 2)).shape == (1, 3)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_bad_scale(scale):
    with pytest.raises(ValueError, match=f"scale must be positive and finite, got scale={scale}"):
        SimplexHead(3, scale)


def test_another_width_is_an_error():
    with pytest.raises(ValueError, match=r"embeddings must have shape \(N, 9\), got \(5, 10\)"):
        SimplexHead(10)(torch.zeros(5, 10))


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_integers_are_an_error(dtype):
    with pytest.raises(TypeError, match=f"embeddings must be floating point, got {dtype}"):
        SimplexHead(4)(torch.ones(5, 3, dtype=dtype))


@pytest.mark.parametrize("scale", ["1", None, 1j])
def test_a_scale_that_is_no_number(scale):
    with pytest.raises(TypeError, match=f"scale must be a real number, got scale={scale!r}"):
        SimplexHead(3, scale)
