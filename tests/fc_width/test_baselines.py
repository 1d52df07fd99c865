"""One battery for every loss: a literal reference from its paper, gradients, invariance, bad input, training."""

import copy
import dataclasses
import itertools
import math

import commands
import numpy as np
import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers, trainers
from pytorch_metric_learning.utils.distributed import DistributedLossWrapper
from torch.nn import functional as F

from fc_width import train
from fc_width.baselines import BASELINES, CenterLoss, HypersphericalEnergy, MetricWSoftmaxLoss
from fc_width.loss_names import LINEAR, OTHERS, make_loss
from fc_width.losses import WSoftmaxLoss
from fc_width.recipes import RECIPES

WIDTH, CLASSES = 5, 6
EVERY = (*LINEAR, "w-softmax:1", "w-softmax-centred:1", "w-softmax-simplex:1", *OTHERS)


def batch(samples=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = 2 * torch.randn(samples, WIDTH, dtype=torch.float64, generator=generator)
    return embeddings, torch.randint(CLASSES, (samples,), generator=generator)


def made(name, seed=0):
    torch.manual_seed(seed)
    return make_loss(name, WIDTH, CLASSES).double()


def cross_entropy(logits, labels):
    return sum(-math.log(math.exp(z[c]) / sum(map(math.exp, z))) for z, c in zip(logits, labels, strict=True)) / len(
        labels
    )


def reference(name, loss, embeddings, labels):
    """Each loss from its paper, a sample at a time, in Python's floats."""
    rows, y = loss.classifier().tolist(), labels.tolist()
    dot = lambda a, b: sum(p * q for p, q in zip(a, b, strict=True))  # noqa: E731
    length = lambda a: math.sqrt(dot(a, a))  # noqa: E731
    x = embeddings.tolist()
    z = [[dot(each, row) for row in rows] for each in x]
    cosine = [[dot(each, row) / length(each) / length(row) for row in rows] for each in x]

    def psi(cos, m, rate):
        theta = math.acos(cos)
        k = math.floor(m * theta / math.pi)
        return (rate * cos + (-1) ** k * math.cos(m * theta) - 2 * k) / (1 + rate)

    def margin(scale, target):
        return [
            [scale(i, j) * (target(cosine[i][j]) if j == y[i] else cosine[i][j]) for j in range(CLASSES)]
            for i in range(len(x))
        ]

    if name == "softmax":
        return cross_entropy(z, y)
    if name == "hinge":
        return sum(max(0, 1 - z[i][y[i]] + z[i][j]) for i in range(len(x)) for j in range(CLASSES) if j != y[i]) / (
            CLASSES * len(x)
        )
    if name == "l-softmax":
        return cross_entropy(margin(lambda i, j: length(x[i]) * length(rows[j]), lambda c: psi(c, 4, 1000)), y)
    if name in ("a-softmax", "sphereface+"):
        energy = [
            1 / sum((a - b) ** 2 for a, b in zip(rows[i], rows[j], strict=True))
            for i in range(CLASSES)
            for j in range(CLASSES)
            if i != j
        ]
        value = cross_entropy(margin(lambda i, j: length(x[i]), lambda c: psi(c, 4, 1000)), y)
        return value + (sum(energy) / len(energy) if name == "sphereface+" else 0)
    if name == "cosface":
        return cross_entropy(margin(lambda i, j: 30, lambda c: c - 0.35), y)
    if name == "arcface":
        m = math.radians(28.6)
        turn = lambda c: math.cos(math.acos(c) + m) if math.acos(c) <= math.pi - m else c - m * math.sin(m)  # noqa: E731
        return cross_entropy(margin(lambda i, j: 30, turn), y)
    if name == "center":
        centers = loss.terms[0].centers.tolist()
        distance = sum(sum((a - b) ** 2 for a, b in zip(x[i], centers[y[i]], strict=True)) for i in range(len(x)))
        return cross_entropy(z, y) + 0.01 * distance / 2 / len(x)
    return cross_entropy(z, y) + {"contrastive": hadsell, "triplet": facenet}[name](embeddings.numpy(), labels.numpy())


def hadsell(x, y):
    """L = Σ (1 − Y) ½ D² + Y ½ max(0, m − D)² over the pairs, Y = 0 for a pair of one class (Hadsell et al. 2006)."""
    f = x / np.linalg.norm(x, axis=1, keepdims=True)
    losses = []
    for i, j in itertools.combinations(range(len(f)), 2):
        D, Y = np.linalg.norm(f[i] - f[j]), float(y[i] != y[j])
        losses.append((1 - Y) * D**2 / 2 + Y * max(0.0, 1 - D) ** 2 / 2)
    return np.mean(losses)


def facenet(x, y):
    """L = Σ max(0, ‖f(a) − f(p)‖² − ‖f(a) − f(n)‖² + α) over the triplets, ‖f‖ = 1 (Schroff et al. 2015)."""
    f = x / np.linalg.norm(x, axis=1, keepdims=True)
    losses = []
    for a, p, n in itertools.permutations(range(len(f)), 3):
        if y[a] == y[p] != y[n]:
            losses.append(max(0.0, np.sum((f[a] - f[p]) ** 2) - np.sum((f[a] - f[n]) ** 2) + 0.2))
    return np.mean(losses)


@pytest.mark.parametrize("name", [*LINEAR, *OTHERS])
def test_each_is_its_paper_s(name):
    embeddings, labels = batch()
    loss = made(name)
    if name == "center":
        loss.eval()  # the centres stand still
        torch.nn.init.normal_(loss.terms[0].centers)
    assert loss(embeddings, labels).item() == pytest.approx(reference(name, loss, embeddings, labels), abs=1e-10)


@pytest.mark.parametrize("name", ["contrastive", "triplet"])
@pytest.mark.parametrize("labels", [[2], [2, 2], [0, 1], [0, 1, 2, 3], [4, 4, 4, 4]])
def test_a_batch_may_lack_pairs_or_triplets(name, labels):
    labels = torch.tensor(labels)
    embeddings = batch(len(labels))[0]
    loss = made(name)
    y = labels.numpy()
    apart = {"contrastive": hadsell, "triplet": facenet}[name]
    some = len(y) > 1 and (name == "contrastive" or 1 < len(set(y)) < len(y))
    expected = cross_entropy((embeddings @ loss.classifier().T).tolist(), labels.tolist())
    expected += apart(embeddings.numpy(), y) if some else 0
    assert loss(embeddings, labels).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("name", [*LINEAR, *OTHERS])
def test_health_is_of_the_angle_whatever_the_length_of_the_weights(name):
    embeddings, labels = batch()
    loss = made(name)
    with torch.no_grad():
        for parameter in loss.parameters():
            parameter.mul_(7)
    loss(embeddings, labels)
    x, w = embeddings.numpy(), loss.classifier().detach().numpy()[labels.numpy()]
    cosines = (x * w).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(w, axis=1)
    expected = {"inverted": (cosines < 0).mean(), "mean_angle": np.degrees(np.arccos(cosines)).mean()}
    assert loss.health() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_in_float64(name):
    embeddings, labels = batch(8)
    loss = made(name).eval()  # the annealing stands still
    parameters = list(loss.parameters())
    inputs = embeddings.requires_grad_(), *parameters
    assert torch.autograd.gradcheck(lambda x, *_: loss(x, labels), inputs)


@pytest.mark.parametrize("name", EVERY)
def test_the_length_of_the_weights_counts_only_where_it_should(name):
    embeddings, labels = batch()
    loss = made(name).eval()
    before = loss(embeddings, labels).item()
    with torch.no_grad():
        for parameter in loss.parameters():
            parameter.mul_(2)
    changes = {"softmax", "hinge", "l-softmax", "center", "contrastive", "triplet"}
    assert (loss(embeddings, labels).item() == pytest.approx(before, abs=1e-10)) == (name not in changes)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("cosface", {"margin": 0}),
        ("arcface", {"margin": 0}),
        ("l-softmax", {"margin": 1}),
        ("a-softmax", {"margin": 1}),
    ],
)
def test_without_its_margin_each_is_a_plain_softmax_of_its_logits(name, limit):
    embeddings, labels = batch()
    loss = made(name)
    for field, value in limit.items():
        setattr(loss.base, field, value)
    if name in ("l-softmax", "a-softmax"):
        loss.base.init_margin()
    expected = F.cross_entropy(loss.base.get_logits(embeddings), labels)
    torch.testing.assert_close(loss(embeddings, labels), expected, rtol=0, atol=2e-4 if name == "arcface" else 1e-10)


@pytest.mark.parametrize("name", OTHERS)
def test_the_largest_logit_is_the_library_s(name):
    embeddings, _ = batch(200)
    loss = made(name)
    if hasattr(loss.base, "get_logits"):
        assert torch.equal(loss.logits(embeddings).argmax(1), loss.base.get_logits(embeddings).argmax(1))
    assert torch.equal(loss.logits(embeddings), embeddings @ loss.classifier().T)


@pytest.mark.parametrize("name", EVERY)
def test_bad_input(name):
    loss = made(name)
    embeddings, labels = batch()
    for x, y, error, message in [
        (embeddings[:, :4], labels, ValueError, r"embeddings must have shape \(N, 5\), got \(16, 4\)"),
        (embeddings, labels.float(), TypeError, "labels must be int64, got torch.float32"),
        (embeddings, labels + CLASSES, ValueError, r"labels must be in 0…5, got \d+"),
        (embeddings, labels[:3], ValueError, r"labels must have shape \(16,\), got \(3,\)"),
        (embeddings.long(), labels, TypeError, "embeddings must be floating point, got torch.int64"),
        (embeddings[:0], labels[:0], ValueError, r"at least one sample, got embeddings of shape \(0, 5\)"),
        (embeddings / 0, labels, ValueError, "embeddings must be finite, got -?inf in row 0"),
    ]:
        with pytest.raises(error, match=message):
            loss(x, y)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", EVERY)
def test_half_precision_leaves_the_parameters_and_the_loss_in_float32(name, dtype):
    embeddings, labels = batch()
    loss = made(name).float().eval()
    x = embeddings.to(dtype).requires_grad_()
    expected = copy.deepcopy(loss)(x.detach().float(), labels)
    with torch.autocast("cpu", dtype=dtype):
        found = loss(x, labels)
    found.backward()
    assert found.dtype == torch.float32
    assert torch.isfinite(x.grad).all()
    assert all(parameter.dtype == torch.float32 for parameter in loss.parameters())
    torch.testing.assert_close(found, expected, rtol=1e-2 if name == "softmax" else 1e-5, atol=1e-5)


@pytest.mark.parametrize("embedded", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("module", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["hinge", *OTHERS])
def test_it_trains_in_any_type_and_no_parameter_changes_its_own(name, module, embedded):
    torch.manual_seed(0)
    loss = make_loss(name, WIDTH, CLASSES).to(module)
    tensors = {key: value.dtype for key, value in loss.state_dict().items()}
    double = copy.deepcopy(loss).double()
    embeddings, labels = batch()
    x = embeddings.to(embedded).requires_grad_()
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3, eps=1e-3)  # 1e-8 is 0 in float16
    wide = torch.promote_types(torch.promote_types(module, embedded), torch.float32)
    for step in range(3):
        value = loss(x, labels)
        assert value.dtype == loss.logits(x).dtype == wide
        if not step:
            expected = double(x.detach().double(), labels)
            torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(loss.logits(x).double(), double.logits(x.double()), rtol=1e-5, atol=1e-5)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        assert x.grad.dtype == embedded
        assert {key: value.dtype for key, value in loss.state_dict().items()} == tensors
        assert all(torch.isfinite(each.grad).all() and each.grad.any() for each in loss.parameters())
    with pytest.raises(ValueError, match=r"embeddings must have shape \(N, 5\), got \(16, 4\)"):
        loss.logits(x[:, :4])


@pytest.mark.parametrize("name", EVERY)
def test_state_dict_round_trip(name):
    embeddings, labels = batch()
    loss, other = made(name), made(name, seed=1)
    loss(embeddings, labels)
    other.load_state_dict(loss.state_dict())
    assert other(embeddings, labels).item() == loss(embeddings, labels).item()


@pytest.mark.parametrize("name", EVERY)
def test_finite_on_a_class_weight_and_at_zero(name):
    loss = made(name)
    weight = loss.classifier().detach()
    x = torch.cat([weight, -weight, torch.zeros(1, WIDTH, dtype=torch.float64)]).requires_grad_()
    loss(x, torch.arange(2 * CLASSES + 1) % CLASSES).backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", EVERY)
def test_each_learns_the_digits(name, digits):
    fields = {"loss": name, "width": 9, "epochs": 8, "softmax_epochs": 3, "lr_decay_steps": 7.0}
    record = train.run(dataclasses.replace(RECIPES["digits"].recipe, **fields), digits)
    assert record["status"] == "done"
    assert record["final"]["test_accuracy"] >= 0.97


def test_the_annealing_follows_its_schedule():
    loss = made("l-softmax")
    embeddings, labels = batch()
    for _ in range(5):
        loss(embeddings, labels)
    assert loss.state_dict()["base.steps"] == 5
    loss.eval()(embeddings, labels)
    assert loss.base.steps == 5


def test_the_annealing_counts_on_in_bfloat16():
    loss = made("a-softmax").bfloat16()
    embeddings, labels = batch(1)
    for _ in range(300):
        loss(embeddings, labels)
    assert loss.base.steps == 300


def test_what_repr_shows():
    assert "embedding_size=5, num_classes=6, weights=[0.01]" in repr(made("center"))
    assert "CenterLoss(embedding_size=5, num_classes=6, rate=0.5)" in repr(made("center"))
    assert "embedding_size=5, num_classes=6\n" in repr(made("cosface"))


@pytest.mark.parametrize("module", [torch.float32, torch.float64])
def test_center_loss_pulls_each_centre_to_its_class(module):
    loss = CenterLoss(2, 3).to(module)
    x = torch.tensor([[1.0, 2.0], [3.0, 0.0], [5.0, 5.0]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 2])
    assert loss(x, labels).item() == pytest.approx((5 + 9 + 50) / 6)
    expected = torch.tensor([[2 / 3, 1 / 3], [0, 0], [1.25, 1.25]], dtype=module)
    torch.testing.assert_close(loss.centers, expected)
    loss.eval()(x, labels)
    torch.testing.assert_close(loss.centers, expected)


def test_the_energy_is_least_on_the_simplex():
    simplex = make_loss("w-softmax-simplex", CLASSES - 1, CLASSES).classifier()
    energy = HypersphericalEnergy()
    least = (CLASSES - 1) / (2 * CLASSES)
    assert energy(simplex).item() == pytest.approx(least, abs=1e-12)
    assert all(energy(torch.randn(CLASSES, CLASSES - 1, dtype=torch.float64)).item() > least for _ in range(20))
    assert torch.isfinite(energy(torch.ones(3, 2)))  # equal weights


def test_alpha_0_is_the_library_s_normalised_softmax():
    embeddings, labels = batch(40)
    distance = distances.DotProductSimilarity(normalize_embeddings=False)
    theirs = losses.NormalizedSoftmaxLoss(CLASSES, WIDTH, temperature=1, distance=distance).double()
    ours = WSoftmaxLoss(WIDTH, CLASSES, 0.0, center=False).double()
    ours.weight.data = theirs.W.data.T.clone()
    x, other = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    one, two = ours(x, labels), theirs(other, labels)
    one.backward()
    two.backward()
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
    torch.testing.assert_close(x.grad, other.grad, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.weight.grad, theirs.W.grad.T, rtol=0, atol=1e-12)


def test_the_library_s_reducers_miners_and_wrapper_take_w_softmax():
    embeddings, labels = batch(40)
    plain = WSoftmaxLoss(WIDTH, CLASSES).double()
    expected = plain(embeddings, labels)
    wrapped = MetricWSoftmaxLoss(plain)
    plain._last = None
    torch.testing.assert_close(wrapped(embeddings, labels), expected)
    assert 0 < plain.health()["mean_angle"] < 180
    each = MetricWSoftmaxLoss(plain, reducer=reducers.DoNothingReducer())(embeddings, labels)["loss"]["losses"]
    torch.testing.assert_close(each.mean(), expected)
    mined = miners.MultiSimilarityMiner()(embeddings, labels)
    assert torch.isfinite(wrapped(embeddings, labels, mined))
    with pytest.warns(UserWarning, match="non-distributed"):
        distributed = DistributedLossWrapper(wrapped)(embeddings, labels)
    torch.testing.assert_close(distributed, expected)
    assert torch.equal(wrapped.get_logits(embeddings), plain.logits(embeddings))
    wrapped(embeddings, labels).backward()
    assert torch.isfinite(plain.weight.grad).all()


WRAPPED = """
import sys
import torch, torch.distributed as dist
from pytorch_metric_learning.utils.distributed import DistributedLossWrapper
from fc_width.baselines import MetricWSoftmaxLoss
from fc_width.losses import WSoftmaxLoss

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
torch.manual_seed(0)
plain = WSoftmaxLoss(8, 5)
embeddings, labels = torch.randn(16, 8), torch.randint(5, (16,))
every, own = embeddings.clone().requires_grad_(), embeddings[rank::2].clone().requires_grad_()
expected = 2 * plain(every, labels)  # the library's factor, which averaging over two processes undoes
expected.backward()
found = DistributedLossWrapper(MetricWSoftmaxLoss(plain))(own, labels[rank::2])
found.backward()
torch.testing.assert_close(found, expected)
torch.testing.assert_close(own.grad, every.grad[rank::2])
dist.destroy_process_group()
print("equal")
"""


def test_the_library_s_distributed_wrapper_gathers_the_batch_of_two_processes(tmp_path):
    commands.as_two_processes(WRAPPED, tmp_path)


def test_alpha_of_the_wrapper_is_the_loss_s():
    wrapped = MetricWSoftmaxLoss(WSoftmaxLoss(WIDTH, CLASSES, 0.0))
    wrapped.alpha = 0.5
    assert wrapped.alpha == wrapped.loss.alpha == 0.5


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_fewer_than_two_classes_or_no_width(name):
    with pytest.raises(ValueError, match="C must be at least 2, got C=1"):
        BASELINES[name](WIDTH, 1)
    with pytest.raises(ValueError, match="M must be at least 1, got M=0"):
        BASELINES[name](0, CLASSES)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad:UserWarning")  # in its progress bar
def test_the_library_s_trainer_trains_with_it():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (256,), generator=generator)
    images = F.one_hot(labels, CLASSES) + 0.2 * torch.randn(256, CLASSES, generator=generator)
    torch.manual_seed(0)
    trunk, loss = torch.nn.Linear(CLASSES, WIDTH), MetricWSoftmaxLoss(WSoftmaxLoss(WIDTH, CLASSES))
    trainers.MetricLossOnly(
        models={"trunk": trunk},
        optimizers={
            "trunk_optimizer": torch.optim.SGD(trunk.parameters(), lr=0.5),
            "metric_loss_optimizer": torch.optim.SGD(loss.parameters(), lr=0.5),
        },
        batch_size=32,
        loss_funcs={"metric_loss": loss},
        dataset=torch.utils.data.TensorDataset(images, labels),
        dataloader_num_workers=0,
        data_device="cpu",
    ).train(num_epochs=40)
    with torch.no_grad():
        assert (loss.get_logits(trunk(images)).argmax(1) == labels).double().mean() > 0.97
