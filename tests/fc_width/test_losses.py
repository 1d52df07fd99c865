"""The losses against literal references, gradients included."""

import copy
import fractions
import math
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fc_width import checks, w_softmax
from fc_width.baselines import MetricWSoftmaxLoss
from fc_width.loss_names import loss_name, make_loss, parse_loss
from fc_width.losses import HingeLoss, NonFiniteError, SimplexWSoftmaxLoss, SoftmaxLoss, WSoftmaxLoss, w_softmax_logits
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

MODULES = [lambda: WSoftmaxLoss(5, 7), lambda: SoftmaxLoss(5, 7), lambda: SimplexWSoftmaxLoss(6)]


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


@pytest.mark.parametrize(
    ("samples", "width", "classes", "alpha", "center"),
    [(*case, False) for case in CASES] + [(*case, True) for case in CASES if case[2] > 2],
)
def test_every_way_to_the_loss_is_algorithm_1(way, samples, width, classes, alpha, center):
    embeddings, weight, labels = batch(samples, width, classes)
    inputs = [embeddings.requires_grad_(), weight.requires_grad_()]
    logits, expected = algorithm_1(embeddings, weight - weight.mean(0) if center else weight, labels, alpha)
    found, target = w_softmax.w_softmax_loss(*inputs, labels, alpha, center=center)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(target, logits.detach().gather(1, labels[:, None]).squeeze(1), rtol=0, atol=1e-10)
    upstream = torch.tensor(-2.5, dtype=torch.float64)
    pairs = zip(torch.autograd.grad(found, inputs, upstream), torch.autograd.grad(expected, inputs), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, -2.5 * other, rtol=0, atol=1e-10)


def test_gradcheck(way):
    embeddings, weight, labels = batch(6, 4, 5)
    inputs = embeddings.requires_grad_(), weight.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: w_softmax.w_softmax_loss(x, w, labels, 0.7, center=True)[0], inputs)


def test_going_back_again_gives_the_same_gradients(way):
    embeddings, weight, labels = batch(6, 4, 5)
    inputs = embeddings.requires_grad_(), weight.requires_grad_()
    loss = w_softmax.w_softmax_loss(*inputs, labels, 0.7)[0]
    first, second = (
        torch.autograd.grad(loss, inputs, scale * torch.ones_like(loss), retain_graph=True) for scale in (1, 3)
    )
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(3 * one, other)


@pytest.mark.parametrize(("samples", "classes"), [(40, 8), (6, 8)])
def test_centring_in_float32_loses_no_more_than_the_weights_have_lost(way, samples, classes):
    """Weights 100 times as far from 0 as from one another: rounding has moved them by 100 × 6e-8 of their distances."""
    embeddings, weight, labels = batch(samples, 5, classes)
    single = [embeddings.float().requires_grad_(), (weight + 100).float().requires_grad_()]
    double = [each.detach().double().requires_grad_() for each in single]
    loss = algorithm_1(double[0], double[1] - double[1].mean(0), labels, 0.5)[1]
    expected = loss, *torch.autograd.grad(loss, double)
    loss = w_softmax.w_softmax_loss(*single, labels, 0.5, center=True)[0]
    found = loss, *torch.autograd.grad(loss, single)
    for one, other in zip(found, expected, strict=True):
        assert float((one.detach() - other.detach()).norm() / other.detach().norm()) <= 3e-5


@pytest.mark.parametrize("alpha", [0.9, 0.99, 1.0, 1.01])
@pytest.mark.parametrize("samples", [40, 6])  # more than classes, and fewer
@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_float32_is_right_near_antipodal_weights(way, gap, samples, alpha):
    """Against Algorithm 1 in float64 on the same float32 numbers. What rounding the weights did to the gap is 6e-8/gap
    of it; what the loss adds is less."""
    for seed in range(5):
        embeddings, weight, labels = batch(samples, 5, 8, seed)
        labels[: samples // 2] = torch.arange(samples // 2) % 2
        first = F.normalize(weight[0], dim=0)
        off = F.normalize(weight[1] - (weight[1] @ first) * first, dim=0)
        weight[1] = 1.7 * (math.sin(gap) * off - math.cos(gap) * first)
        single = [embeddings.float().requires_grad_(), weight.float().requires_grad_()]
        double = [each.detach().double().requires_grad_() for each in single]
        loss = algorithm_1(*double, labels, alpha)[1]
        expected = loss, *torch.autograd.grad(loss, double)
        loss = w_softmax.w_softmax_loss(*single, labels, alpha)[0]
        found = loss, *torch.autograd.grad(loss, single)
        for one, other in zip(found, expected, strict=True):
            assert float((one.detach() - other.detach()).norm() / other.detach().norm()) <= 1e-6 + 3e-15 / gap**2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("center", [False, True])
def test_finite_at_antipodes_zeros_and_the_smallest_sizes(way, dtype, alpha, center):
    for weight in ([[1.0], [-2.0]], [[1.0, 0.0], [-3.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [1.0, 2.0]]):
        w = torch.tensor(weight, requires_grad=True)
        x = torch.tensor([[0.0] * w.shape[1], [4.0] + [1.0] * (w.shape[1] - 1)], dtype=dtype, requires_grad=True)
        loss, target = w_softmax.w_softmax_loss(x, w, torch.tensor([0, 1]), alpha, center=center)
        loss.backward()
        assert loss.dtype == torch.float32
        assert target.dtype in (torch.float32, torch.float64)
        assert x.grad.dtype == dtype
        assert all(torch.isfinite(each).all() for each in (loss, target, x.grad, w.grad))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(way, dtype):
    embeddings, weight, labels = (each.float() if each.is_floating_point() else each for each in batch(30, 6, 8))
    losses = [WSoftmaxLoss(6, 8, 1.0), SimplexWSoftmaxLoss(7, 1.0)]
    losses[0].weight.data = weight
    for loss, y in zip(losses, (labels, labels.clamp_max(6)), strict=True):
        results = []
        for on in (False, True):
            x = embeddings.clone().requires_grad_()
            with torch.autocast("cpu", dtype=dtype, enabled=on):
                value = loss(x, y)
                logits = loss.logits(embeddings)
            results.append((value.detach(), torch.autograd.grad(value, x)[0], logits.detach()))
        assert results[1][0].dtype == results[1][2].dtype == torch.float32
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    "make", [lambda: WSoftmaxLoss(5, 7), lambda: SoftmaxLoss(5, 7), lambda: SimplexWSoftmaxLoss(6)]
)
def test_compiles_without_a_graph_break(make):
    loss = make()
    width = loss.classifier().shape[1]
    embeddings, labels = torch.randn(20, width), torch.randint(6, (20,))
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    results = []
    for module in (loss, compiled):
        x = embeddings.clone().requires_grad_()
        value = module(x, labels)
        results.append((value.detach(), *torch.autograd.grad(value, [x, *loss.parameters()])))
        assert 0 <= loss.health()["inverted"] <= 1
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make", [lambda: WSoftmaxLoss(5, 7), lambda: SoftmaxLoss(5, 7), lambda: SimplexWSoftmaxLoss(6)]
)
def test_health_is_of_the_test_time_angles(make):
    loss = make()
    weight = loss.classifier().detach().double()
    embeddings, labels = torch.randn(50, weight.shape[1]), torch.randint(6, (50,))
    with pytest.raises(RuntimeError, match="none has been seen"):
        loss.health()
    loss(embeddings, labels)
    cosine = F.cosine_similarity(embeddings.double(), weight[labels])
    health = loss.health()
    assert health["inverted"] == pytest.approx(float((cosine < 0).double().mean()))
    assert health["mean_angle"] == pytest.approx(float(torch.rad2deg(cosine.arccos()).mean()), abs=1e-4)


@pytest.mark.parametrize("bad", [-1, 5])
@pytest.mark.parametrize("samples", [3, 20])
def test_a_label_out_of_range_is_an_error_that_quotes_it(way, samples, bad):
    labels = torch.zeros(samples, dtype=torch.int64)
    labels[1] = bad
    with pytest.raises(ValueError, match=f"labels must be in 0…4, got {bad}"):
        WSoftmaxLoss(4, 5)(torch.randn(samples, 4), labels)


@pytest.mark.parametrize("samples", [3, 20])
def test_labels_that_were_looked_at_once_are_not_again(samples, monkeypatch):
    torch.manual_seed(0)
    seen, aminmax = [], torch.aminmax
    monkeypatch.setattr(torch, "aminmax", lambda labels: seen.append(1) or aminmax(labels))
    monkeypatch.setattr(w_softmax, "SMALL", 0)
    embeddings, labels = torch.randn(samples, 4), torch.arange(samples) % 5
    for loss in (SoftmaxLoss(4, 5), WSoftmaxLoss(4, 5), WSoftmaxLoss(4, 5, 0.0), SimplexWSoftmaxLoss(5)):
        expected = loss(embeddings, labels)
        assert seen == [1]
        with checks.labels_checked():
            assert torch.equal(loss(embeddings, labels), expected)
        assert seen == [1]
        with pytest.raises(ValueError, match="labels must be in 0…4, got 5"):
            loss(embeddings, labels + 1 + 4 * (labels == 0))
        seen.clear()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_embeddings_that_are_not_finite_are_an_error_that_quotes_them(way, bad):
    for loss in (SoftmaxLoss(4, 5), WSoftmaxLoss(4, 5), SimplexWSoftmaxLoss(5)):
        embeddings = torch.randn(3, 4)
        embeddings[1, 2] = bad
        with pytest.raises(NonFiniteError, match=f"must be finite, got {bad} in row 1"):
            loss(embeddings, torch.tensor([0, 1, 2]))


@pytest.mark.parametrize("make", [lambda alpha: WSoftmaxLoss(4, 5, alpha), lambda alpha: SimplexWSoftmaxLoss(5, alpha)])
@pytest.mark.parametrize(
    ("alpha", "error", "message"),
    [
        (-1, ValueError, "alpha must be finite and at least 0, got alpha=-1"),
        (math.nan, ValueError, "alpha must be finite and at least 0, got alpha=nan"),
        (math.inf, ValueError, "alpha must be finite and at least 0, got alpha=inf"),
        (2e19, ValueError, r"alpha must be at most 1,000,000, got alpha=2e\+19"),
        (np.float32(-0.5), ValueError, "alpha must be finite and at least 0, got alpha=-0.5"),
        (torch.tensor(0.5), TypeError, r"alpha must be a real number, got alpha=tensor\(0.5"),
        (np.array(0.5), TypeError, r"alpha must be a real number, got alpha=array\(0.5"),
        ("0.5", TypeError, "alpha must be a real number, got alpha='0.5'"),
        (None, TypeError, "alpha must be a real number, got alpha=None"),
        (0.5j, TypeError, "alpha must be a real number, got alpha=0.5j"),
    ],
)
def test_a_bad_alpha_is_an_error_at_first_and_in_training(make, alpha, error, message):
    with pytest.raises(error, match=message):
        make(alpha)
    loss = make(1.0)
    loss.alpha = alpha
    embeddings, labels = torch.randn(6, 4), torch.arange(6) % 5
    for use in (loss, loss.training_logits):
        with pytest.raises(error, match=message):
            use(embeddings, labels)


@pytest.mark.parametrize("make", [lambda alpha: WSoftmaxLoss(4, 5, alpha), lambda alpha: SimplexWSoftmaxLoss(5, alpha)])
@pytest.mark.parametrize("alpha", [1, True, np.float64(1), np.float32(1), np.int64(1), fractions.Fraction(1)])
def test_any_real_number_is_an_alpha(make, alpha):
    loss = make(alpha)
    assert type(loss.alpha) is float
    x, labels = torch.randn(6, 4, requires_grad=True), torch.arange(6) % 5
    expected = loss(x, labels)
    for start in (0.0, 1.0):
        loss.alpha = start
        loss(x, labels)
        loss.alpha = alpha
        assert torch.equal(loss(x, labels), expected)
        assert torch.equal(F.cross_entropy(loss.training_logits(x, labels), labels).isfinite(), torch.tensor(True))
    loss(x, labels).backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_a_schedule_of_alpha(alpha):
    embeddings, weight, labels = batch(20, 5, 7)
    loss = WSoftmaxLoss(5, 7, 0.0, center=False).double()
    loss.weight.data = weight
    before = loss(embeddings, labels).item()
    loss.alpha = alpha
    expected = algorithm_1(embeddings, weight, labels, alpha)[1].item()
    assert loss(embeddings, labels).item() == pytest.approx(expected)
    loss.alpha = 0.0
    assert loss(embeddings, labels).item() == before


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


@pytest.mark.parametrize(("samples", "width", "classes"), [(64, 128, 100), (16, 20, 300)])
def test_no_samples_by_classes_by_width_tensor_is_built(way, samples, width, classes):
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

    inputs = embeddings.requires_grad_(), weight.requires_grad_()
    with Watch():
        w_softmax.w_softmax_loss(*inputs, labels, 1.0, center=True)[0].backward()
        F.cross_entropy(w_softmax_logits(*inputs, labels, 1.0), labels).backward()
    rows = samples + min(samples, classes)  # those of x and the w_c that the samples need
    assert 0 < largest <= max(rows * width, classes * width, rows * classes)


def test_few_samples_of_many_classes_build_no_classes_by_classes_array():
    embeddings, weight, labels = batch(2, 1, 3000)
    tracemalloc.start()
    w_softmax.w_softmax_loss(embeddings, weight, labels, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000  # bytes, of numpy; of torch the test above


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
        ("w-softmax:-0", ("w-softmax", 0.0), "w-softmax:0"),
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
        ("w-softmax:1e400", 9, "loss 'w-softmax:1e400': alpha must be finite"),
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
        (good[0], np.array([0, 1, 4]), TypeError, r"labels must be a tensor, got numpy.ndarray"),
        (good[0], [0, 1, 4], TypeError, r"labels must be a tensor, got builtins.list"),
        (np.zeros((3, 4)), good[1], TypeError, r"embeddings must be a tensor, got numpy.ndarray"),
    ]:
        with pytest.raises(error, match=message):
            loss(embeddings, labels)


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("shape", [(3, 4), (3, 6), (5,), (2, 3, 5)])
def test_logits_of_another_width_are_an_error_that_quotes_it(make, shape):
    with pytest.raises(ValueError, match=re.escape(f"embeddings must have shape (N, 5), got {shape}")):
        make().logits(torch.zeros(shape))
    assert make().logits(torch.zeros(0, 5)).shape[0] == 0


@pytest.mark.parametrize("make", [SoftmaxLoss, WSoftmaxLoss])
def test_the_weights_are_xavier_s_and_nothing_else_is_drawn(make):
    torch.manual_seed(0)
    expected = torch.nn.init.xavier_uniform_(torch.empty(7, 5)), torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(make(5, 7).weight, expected[0])
    assert torch.equal(torch.rand(3), expected[1])


@pytest.mark.parametrize("size", [3.5, 3.0, "3", None, torch.tensor(3.0)])
def test_sizes_that_are_no_integers(size):
    for name, make in [
        *(("C", lambda size, kind=kind: kind(4, size)) for kind in (SoftmaxLoss, WSoftmaxLoss)),
        *(("M", lambda size, kind=kind: kind(size, 4)) for kind in (SoftmaxLoss, WSoftmaxLoss)),
        ("C", SimplexWSoftmaxLoss),
    ]:
        with pytest.raises(TypeError, match=re.escape(f"{name} must be an integer, got {name}={size!r}")):
            make(size)
    assert WSoftmaxLoss(np.int64(4), np.int64(5)).weight.shape == (5, 4)


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (SoftmaxLoss(64, 10), "SoftmaxLoss(embedding_size=64, num_classes=10)"),
        (WSoftmaxLoss(64, 10, 0.5), "WSoftmaxLoss(embedding_size=64, num_classes=10, alpha=0.5, center=True)"),
        (
            SimplexWSoftmaxLoss(10, 2),
            "SimplexWSoftmaxLoss(\n  embedding_size=9, num_classes=10, alpha=2.0\n"
            "  (head): SimplexHead(num_classes=10, scale=1.0)\n)",
        ),
    ],
)
def test_repr(loss, shown):
    assert repr(loss) == shown


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("make", [*MODULES, lambda: WSoftmaxLoss(5, 7, 0.0), lambda: WSoftmaxLoss(5, 7, center=False)])
def test_a_module_in_half_precision_computes_in_float32(make, dtype):
    loss = make().to(dtype)
    wide = copy.deepcopy(loss).float()
    x, labels = torch.randn(20, 5).to(dtype), torch.randint(6, (20,))
    embeddings = [x.requires_grad_(), x.detach().float().requires_grad_()]
    results = []
    for module, each in zip((loss, wide), embeddings, strict=True):
        logits = module.logits(each), module.training_logits(each, labels), module(each, labels)
        gradients = torch.autograd.grad(logits[-1], [each, *module.parameters()])
        results.append((*logits, *(gradient.to(dtype) for gradient in gradients)))
        results[-1] += (torch.tensor(list(module.health().values())),)
    assert all(each.dtype == torch.float32 for each in results[0][:3])
    assert {each.dtype for each in loss.parameters()} <= {dtype}
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.cuda
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "spec", ["softmax", "w-softmax:0.5", "w-softmax:1", "w-softmax-centred:1", "w-softmax-simplex:1"]
)
@pytest.mark.parametrize("classes", [10, 300])
def test_on_cuda_as_on_the_cpu_and_without_waiting_for_the_device(spec, classes):
    torch.manual_seed(0)
    loss = make_loss(spec, classes - 1, classes)
    embeddings, labels = torch.randn(64, classes - 1), torch.randint(classes, (64,))
    results = []
    for device in ("cpu", "cuda"):
        module, x, y = loss.to(device), embeddings.to(device).requires_grad_(), labels.to(device)
        module(x, y)  # what is set up once may wait
        torch.cuda.set_sync_debug_mode("error")
        try:
            gradients = torch.autograd.grad(module(x, y), [x, *module.parameters()])
        finally:
            torch.cuda.set_sync_debug_mode("default")
        results.append([gradient.cpu() for gradient in gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("make", [lambda: WSoftmaxLoss(5, 7), lambda: SimplexWSoftmaxLoss(6)])
def test_alpha_may_change_under_a_compiler(make):
    loss = make()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    embeddings, labels = torch.randn(20, 5), torch.randint(6, (20,))
    for alpha in (0.0, 0.5, 1.0, 1.1, 1.5):
        loss.alpha = alpha
        torch.testing.assert_close(compiled(embeddings, labels), loss(embeddings, labels))


def test_a_saved_loss_keeps_no_batch(tmp_path):
    loss = WSoftmaxLoss(5, 7)
    loss(torch.randn(10_000, 5), torch.randint(7, (10_000,)))
    torch.save(loss, tmp_path / "loss.pt")
    assert (tmp_path / "loss.pt").stat().st_size < 20_000
    assert loss.health()


def test_a_change_between_forward_and_backward_is_noticed():
    embeddings, weight, labels = batch(20, 5, 7)
    x = embeddings.requires_grad_() * 1.0
    loss = w_softmax.w_softmax_loss(x, weight, labels, 1.0)[0]
    with torch.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make", MODULES)
def test_half_precision_embeddings_give_logits_and_a_loss_in_float32(make, dtype):
    loss = make()
    embeddings = torch.randn(20, 5, dtype=dtype)
    assert loss.logits(embeddings).dtype == loss(embeddings, torch.randint(6, (20,))).dtype == torch.float32


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.99, 1.0, 1.01, 1.5])
@pytest.mark.parametrize("kind", ["simplex", "centred"])
def test_of_two_classes_alpha_changes_nothing_below_1(kind, alpha):
    """The two weights are antipodes: αw_c + w_i is (α − 1)w_c, so its logit is −z_c below α = 1, z_c above, and at it
    0/0, which counts as 0."""
    embeddings, weight, labels = batch(20, 1 if kind == "simplex" else 3, 2)
    loss = SimplexWSoftmaxLoss(2, alpha=alpha)
    axis = loss.classifier()[0]
    if kind == "centred":
        axis = F.normalize(weight[0] - weight[1], dim=0)
        loss = WSoftmaxLoss(3, 2, alpha=alpha).double()
        loss.weight.data.copy_(weight if alpha != 1 else torch.stack([axis, -axis]))  # antipodes to the last bit
    z = (embeddings @ axis) * torch.where(labels == 0, 1.0, -1.0)
    other = -z if alpha < 1 else z if alpha > 1 else torch.zeros_like(z)
    torch.testing.assert_close(loss(embeddings, labels).double(), torch.log1p(torch.exp(other - z)).mean())


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("alpha", [0.99, 1.0, 1.01])
def test_of_two_classes_every_way_in_float32_says_the_same(alpha, far):
    """Centred weights are antipodes, to the last bit only if they are centred in float64."""
    for seed in range(20):
        torch.manual_seed(seed)
        loss = WSoftmaxLoss(16, 2, alpha)
        if far:
            loss.weight.data[1] = loss.weight.data[0] + 0.01 * torch.randn(16)
        x, labels = torch.randn(24, 16), torch.arange(24) % 2
        values = loss(x, labels)
        by_hand = torch.autograd.grad(values, loss.weight, retain_graph=True)[0]
        by_autograd = torch.autograd.grad(values, loss.weight, create_graph=True)[0]
        torch.testing.assert_close(by_autograd, by_hand, rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            others = loss(x, labels), F.cross_entropy(loss.training_logits(x, labels), labels)
        of_the_library = MetricWSoftmaxLoss(loss)(x, labels)
        compiled = torch.compile(loss, backend="aot_eager", dynamic=False)(x, labels) if seed == 0 else values
        axis = F.normalize(loss.weight.detach()[0].double() - loss.weight.detach()[1].double(), dim=0)
        z = (x.double() @ axis) * torch.where(labels == 0, 1.0, -1.0)
        other = -z if alpha < 1 else z if alpha > 1 else torch.zeros_like(z)
        expected = torch.log1p(torch.exp(other - z)).mean().float()
        for value in (values, *others, of_the_library, compiled):
            torch.testing.assert_close(value.detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("alpha", "bound"), [(0.5, 2e-6), (1.5, 2e-6), (3.0, 5e-6), (10.0, 5e-5)])
def test_float32_is_less_right_the_larger_alpha_is(alpha, bound):
    """Of many classes, as all their biased weights then come close to one another: what is left of a rounding error
    grows with α."""
    embeddings, weight, labels = batch(64, 32, 1000)
    single = [embeddings.float().requires_grad_(), weight.float().requires_grad_()]
    double = [each.detach().double().requires_grad_() for each in single]
    found, expected = (
        torch.autograd.grad(w_softmax.w_softmax_loss(*inputs, labels, alpha)[0], inputs) for inputs in (single, double)
    )
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).norm() / other.norm()) < bound


@pytest.mark.parametrize("alpha", [0.9, 1.0])
@pytest.mark.parametrize("gap", [None, 1e-3])
def test_logits_are_in_float64_only_where_weights_are_near_antipodes(gap, alpha, monkeypatch):
    embeddings, weight, labels = batch(40, 6, 8)
    weight = weight.abs()
    if gap is not None:
        weight[1] = -weight[0]
        weight[1, 0] += gap
    types = []
    inner = w_softmax._logits
    monkeypatch.setattr(w_softmax, "_logits", lambda x, *rest: types.append(x.dtype) or inner(x, *rest))
    found = w_softmax_logits(embeddings.float(), weight.float(), labels, alpha)
    assert types == [torch.float32] + [torch.float64] * (gap is not None)
    expected = w_softmax_logits(embeddings.float().double(), weight.float().double(), labels, alpha)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_long_features_do_not_overflow(way):
    """Of a length of 600, whose exponentials float32 cannot hold."""
    torch.manual_seed(0)
    x, weight, labels = 300 * torch.randn(8, 4), torch.randn(5, 4), torch.arange(8) % 5
    inputs = [x.requires_grad_(), weight.requires_grad_()]
    loss = w_softmax.w_softmax_loss(*inputs, labels, 0.5)[0]
    exact = w_softmax_logits(x.detach().double(), weight.detach().double(), labels, 0.5)
    assert loss.item() == pytest.approx(F.cross_entropy(exact, labels).item(), rel=1e-5)
    assert loss.item() > 100
    assert all(torch.isfinite(each).all() for each in torch.autograd.grad(loss, inputs))


@pytest.mark.parametrize("make", [SoftmaxLoss, HingeLoss, WSoftmaxLoss])
def test_a_feature_of_zero_is_at_a_right_angle_and_not_on_the_far_side(make):
    loss = make(3, 4)
    loss(torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64))
    assert loss.health() == {"inverted": 0, "mean_angle": 90}


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [SoftmaxLoss, HingeLoss, WSoftmaxLoss])
def test_no_embedding_that_is_not_finite_goes_unseen(make, seed, bad):
    torch.manual_seed(seed)
    for width, classes in ((1, 2), (2, 3)):
        x = torch.randn(4, width)
        x[seed % 4, 0] = bad
        with pytest.raises(NonFiniteError, match=f"got {bad} in row {seed % 4}"):
            make(width, classes)(x, torch.arange(4) % classes)


def test_the_example_of_the_readme_runs():
    """With any backbone, images and labels, before training and after."""
    example = Path("README.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    backbone = torch.nn.Linear(5, 9)
    names = {"backbone": backbone, "images": torch.randn(20, 5), "labels": torch.arange(20) % 10}
    exec(compile(example, "README.md", "exec"), names)
    assert isinstance(names["loss"], SimplexWSoftmaxLoss)
    assert names["loss"].alpha == 0.5
    assert backbone.weight.grad.abs().sum() > 0
    names["optimizer"].step()
