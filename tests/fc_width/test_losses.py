"""The losses against literal references, gradients included."""

import math

import numpy as np
import pytest
import torch

from fc_width.losses import (
    SimplexWSoftmaxLoss,
    SoftmaxLoss,
    WSoftmaxLoss,
    loss_name,
    make_loss,
    parse_loss,
    w_softmax_logits,
)
from theory.simplex import simplex_weights

CASES = [
    (7, 5, 10, 1.0),
    (50, 9, 10, 0.5),
    (6, 3, 4, 1.5),
    (3, 4, 12, 1.0),
    (5, 2, 3, 0.0),
    (4, 1, 2, 0.7),
    (9, 8, 2, 3.0),
]


def batch(samples, width, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(samples, width, dtype=torch.float64, generator=generator) * 3
    weight = torch.randn(classes, width, dtype=torch.float64, generator=generator)
    labels = torch.randint(classes, (samples,), generator=generator)
    return embeddings, weight, labels


def algorithm_1(embeddings, weight, labels, alpha):
    """Algorithm 1 of the paper, a sample at a time, weights of Eq. 1 built in full: (logits, mean loss)."""
    unit = weight / weight.norm(dim=1, keepdim=True)
    logits, total = [], 0.0
    for x, c in zip(embeddings, labels.tolist(), strict=True):
        rows = []
        for j in range(len(unit)):
            biased = alpha * unit[c] + unit[j]
            rows.append(unit[c] if j == c else biased / biased.norm())
        y = torch.stack(rows) @ x
        total = total - torch.log(torch.exp(y[c]) / torch.exp(y).sum())
        logits.append(y)
    return torch.stack(logits), total / len(labels)


@pytest.mark.parametrize(("samples", "width", "classes", "alpha"), CASES)
def test_w_softmax_is_algorithm_1(samples, width, classes, alpha):
    embeddings, weight, labels = batch(samples, width, classes)
    inputs = [embeddings.requires_grad_(), weight.requires_grad_()]
    logits, loss = algorithm_1(*inputs, labels, alpha)
    ours = w_softmax_logits(*inputs, labels, alpha)
    torch.testing.assert_close(ours, logits, rtol=0, atol=1e-10)
    expected = torch.autograd.grad(loss, inputs)
    found = torch.autograd.grad(torch.nn.functional.cross_entropy(ours, labels), inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("classes", [3, 4, 10])
def test_the_simplex_loss_is_algorithm_1_on_the_paper_s_weights(classes, alpha):
    embeddings, _, labels = batch(20, classes - 1, classes)
    embeddings.requires_grad_()
    weight = torch.from_numpy(simplex_weights(classes)).T
    _, expected = algorithm_1(embeddings, weight, labels, alpha)
    found = SimplexWSoftmaxLoss(classes, alpha)(embeddings, labels)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(
        torch.autograd.grad(found, embeddings)[0],
        torch.autograd.grad(expected, embeddings)[0],
        rtol=0,
        atol=1e-10,
    )


def test_centring_is_the_printed_loss_on_centred_weights():
    embeddings, weight, labels = batch(20, 5, 7)
    loss = WSoftmaxLoss(5, 7, 1.0, center=True).double()
    loss.weight.data = weight
    _, expected = algorithm_1(embeddings, weight - weight.mean(0), labels, 1.0)
    torch.testing.assert_close(loss(embeddings, labels), expected, rtol=0, atol=1e-10)


def test_no_samples_by_classes_by_width_tensor_is_built():
    samples, width, classes = 64, 128, 100
    embeddings, weight, labels = batch(samples, width, classes)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple | list) else [out]:
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return out

    with Watch():
        logits = w_softmax_logits(embeddings.requires_grad_(), weight.requires_grad_(), labels, 1.0)
        torch.nn.functional.cross_entropy(logits, labels).backward()
    assert 0 < largest <= max(samples * width, classes * width, classes * classes, samples * classes)


@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-4, 0.0])
def test_float32_stays_right_near_antipodal_weights(gap):
    weight = torch.tensor([[1.0, 0.0], [-math.cos(gap), math.sin(gap)], [0.3, 0.8]], dtype=torch.float64)
    embeddings, _, labels = batch(12, 2, 3)
    losses = []
    for dtype in (torch.float64, torch.float32):
        x, w = (t.detach().float().to(dtype).requires_grad_() for t in (embeddings, weight))
        value = torch.nn.functional.cross_entropy(w_softmax_logits(x, w, labels, 1.0), labels)
        losses.append((value, *torch.autograd.grad(value, [x, w])))
    assert all(torch.isfinite(t).all() for t in losses[1])
    if gap >= 1e-2:  # below, (αw_c + w_j)·x itself cancels in float32
        for exact, found in zip(*losses, strict=True):
            torch.testing.assert_close(found.double(), exact, rtol=2e-3, atol=2e-3)


def test_alpha_0_is_the_normalised_softmax():
    embeddings, weight, labels = batch(20, 5, 7)
    logits = embeddings @ (weight / weight.norm(dim=1, keepdim=True)).T
    torch.testing.assert_close(w_softmax_logits(embeddings, weight, labels, 0.0), logits, rtol=0, atol=1e-12)


def test_softmax_is_cross_entropy_of_wx():
    embeddings, weight, labels = batch(20, 5, 7)
    loss = SoftmaxLoss(5, 7).double()
    loss.weight.data = weight
    y = np.exp(embeddings.numpy() @ weight.numpy().T)
    expected = -np.log(y[np.arange(20), labels.numpy()] / y.sum(1)).mean()
    assert loss(embeddings, labels).item() == pytest.approx(expected, abs=1e-12)


def test_one_unit_and_two_classes_at_alpha_1_is_finite_and_constant():
    """At M = 1 the biased weight of an antipode is 0/0: the logit is taken as 0 and nothing becomes NaN."""
    x = torch.tensor([[2.0], [-3.0]], requires_grad=True)
    w = torch.tensor([[0.5], [-2.0]], requires_grad=True)
    logits = w_softmax_logits(x, w, torch.tensor([0, 1]), 1.0)
    assert logits.tolist() == [[2.0, 0.0], [0.0, 3.0]]
    logits.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(w.grad).all()


@pytest.mark.parametrize(
    ("spec", "parsed", "name"),
    [
        ("softmax", ("softmax", None), "softmax"),
        ("w-softmax", ("w-softmax", 1.0), "w-softmax:1"),
        ("w-softmax:0.5", ("w-softmax", 0.5), "w-softmax:0.5"),
        ("w-softmax-centred:1.50", ("w-softmax-centred", 1.5), "w-softmax-centred:1.5"),
        ("w-softmax-simplex:2", ("w-softmax-simplex", 2.0), "w-softmax-simplex:2"),
    ],
)
def test_names_of_losses(spec, parsed, name):
    assert parse_loss(spec) == parsed
    assert loss_name(*parsed) == name


@pytest.mark.parametrize(
    ("spec", "width", "message"),
    [
        ("softmin", 9, "unknown loss 'softmin'"),
        ("softmax:1", 9, "unknown loss 'softmax:1'"),
        ("w-softmax:-1", 9, "alpha must be finite and at least 0, got alpha=-1.0"),
        ("w-softmax:nan", 9, "got alpha=nan"),
        ("w-softmax:inf", 9, "got alpha=inf"),
        ("w-softmax:x", 9, "alpha must be a number, got 'x'"),
        ("w-softmax-simplex:1", 8, "needs M = C − 1 = 9, got M=8"),
        ("softmax", 0, "M must be at least 1, got M=0"),
    ],
)
def test_bad_losses(spec, width, message):
    with pytest.raises(ValueError, match=message):
        make_loss(spec, width, 10)


def test_fewer_than_two_classes():
    for make in (lambda: WSoftmaxLoss(3, 1), lambda: SoftmaxLoss(3, 1), lambda: SimplexWSoftmaxLoss(1)):
        with pytest.raises(ValueError, match="C must be at least 2, got C=1"):
            make()


@pytest.mark.parametrize(
    "loss", [SoftmaxLoss(4, 5), WSoftmaxLoss(4, 5), SimplexWSoftmaxLoss(5)], ids=lambda x: type(x).__name__
)
def test_bad_batches(loss):
    good = torch.zeros(3, 4), torch.tensor([0, 1, 4])
    assert torch.isfinite(loss(*good))
    for embeddings, labels, error, message in [
        (torch.zeros(3, 5), good[1], ValueError, r"embeddings must have shape \(N, 4\), got \(3, 5\)"),
        (good[0], torch.tensor([0, 1, 5]), ValueError, r"labels must be in 0…4, got 5"),
        (good[0], torch.tensor([0, -1, 1]), ValueError, r"labels must be in 0…4, got -1"),
        (good[0], torch.tensor([0, 1]), ValueError, r"labels must have shape \(3,\), got \(2,\)"),
        (good[0], torch.tensor([0.0, 1.0, 2.0]), TypeError, r"labels must be int64, got torch.float32"),
    ]:
        with pytest.raises(error, match=message):
            loss(embeddings, labels)
