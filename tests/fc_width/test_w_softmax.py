"""Gradients of gradients, and torch.func, against the loss written out: Eq. 1 with every biased weight in memory."""

import commands
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from fc_width import w_softmax
from fc_width.losses import SimplexWSoftmaxLoss, SoftmaxLoss, WSoftmaxLoss
from fc_width.simplex_head import SimplexHead
from theory.simplex import simplex_weights


def written_out(embeddings, weight, labels, alpha, center):
    """Eq. 1 and 10–13; (N, C, M)."""
    unit = F.normalize(weight - weight.mean(0) if center else weight)
    biased = F.normalize(alpha * unit[labels][:, None] + unit, dim=2)
    biased = torch.where(F.one_hot(labels, len(unit)).bool()[..., None], unit, biased)
    return F.cross_entropy((biased * embeddings[:, None]).sum(2), labels)


def batch(samples, width, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(samples, width, dtype=torch.float64, generator=generator)
    weight = torch.randn(classes, width, dtype=torch.float64, generator=generator)
    return embeddings, weight, torch.randint(classes, (samples,), generator=generator)


def made(classes, alpha, center):
    """A loss at M = C − 1, on the simplex if `center` is None, and its weights."""
    if center is None:
        return SimplexWSoftmaxLoss(classes, alpha), torch.from_numpy(simplex_weights(classes)).T
    loss = WSoftmaxLoss(classes - 1, classes, alpha, center=center).double()
    return loss, loss.weight


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("center", [False, True, None])
@pytest.mark.parametrize(("samples", "classes"), [(12, 4), (3, 6)])
def test_a_gradient_penalty(way, samples, classes, center, alpha):
    """Of inputs, of the parameters behind the embeddings, and of the weights."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, classes - 1), torch.nn.Tanh()).double()
    x, labels = torch.randn(samples, 3, dtype=torch.float64, requires_grad=True), torch.arange(samples) % classes
    loss, weight = made(classes, alpha, center)
    inputs = [x, *net.parameters(), *loss.parameters()]
    results = []
    for value in (loss(net(x), labels), written_out(net(x), weight, labels, alpha, bool(center))):
        first = torch.autograd.grad(value, inputs, create_graph=True)
        penalty = value + sum(each.square().sum() for each in first)
        results.append([*first, penalty, *torch.autograd.grad(penalty, inputs)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_second_derivatives_by_differences(way, alpha):
    embeddings, weight, labels = batch(5, 3, 4)
    inputs = embeddings.requires_grad_(), weight.requires_grad_()
    loss = lambda x, w: w_softmax.w_softmax_loss(x, w, labels, alpha, center=True)[0]  # noqa: E731
    assert torch.autograd.gradgradcheck(loss, inputs)


def test_a_plain_backward_that_keeps_its_graph_goes_on_as_before():
    embeddings, weight, labels = batch(12, 3, 4)
    inputs = embeddings.requires_grad_(), weight.requires_grad_()
    loss = w_softmax.w_softmax_loss(*inputs, labels, 0.7)[0]
    twice = torch.autograd.grad(loss, inputs, create_graph=True)
    once = torch.autograd.grad(loss, inputs, retain_graph=True)
    again = torch.autograd.grad(loss, inputs)
    assert all(each.requires_grad for each in twice)
    assert not any(each.requires_grad for each in (*once, *again))
    for results in zip(twice, once, again, strict=True):
        for each in results[1:]:
            torch.testing.assert_close(each, results[0])


@pytest.mark.parametrize("no_gradients", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_where_no_gradient_is_wanted_none_is_computed(way, alpha, center, no_gradients, monkeypatch):
    """As on a validation set."""
    inputs = batch(12, 3, 4)
    loss, target = w_softmax.w_softmax_loss(*inputs, alpha, center=center)
    monkeypatch.delattr(w_softmax, "_loss_and_gradients")
    with no_gradients():
        found, z = w_softmax.w_softmax_loss(*inputs, alpha, center=center)
    torch.testing.assert_close((found, z), (loss, target))


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_what_is_fixed_gets_no_gradient_of_a_gradient(way, wanted):
    embeddings, weight, labels = batch(12, 3, 4)
    inputs = embeddings.requires_grad_(wanted[0]), weight.requires_grad_(wanted[1])
    free = inputs[wanted.index(True)]
    results = []
    for loss in (
        w_softmax.w_softmax_loss(*inputs, labels, 0.7, center=True)[0],
        written_out(*inputs, labels, 0.7, True),
    ):
        first = torch.autograd.grad(loss, free, create_graph=True)[0]
        results.append(torch.autograd.grad(first.square().sum(), free)[0])
    torch.testing.assert_close(*results, rtol=0, atol=1e-10)


def test_embeddings_made_of_the_weights_are_counted_once(way):
    _, weight, labels = batch(12, 3, 4)
    weight.requires_grad_()
    results = []
    for loss in (
        w_softmax.w_softmax_loss(weight[labels].sin(), weight, labels, 0.7)[0],
        written_out(weight[labels].sin(), weight, labels, 0.7, False),
    ):
        first = torch.autograd.grad(loss, weight, create_graph=True)[0]
        results.append((first, torch.autograd.grad(first.square().sum(), weight)[0]))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gradient_penalty_in_lower_precision_keeps_the_types(way, dtype):
    embeddings, weight, labels = batch(12, 3, 4)
    x, w = embeddings.to(dtype).requires_grad_(), weight.float().requires_grad_()
    loss = w_softmax.w_softmax_loss(x, w, labels, 1.0, center=True)[0]
    first = torch.autograd.grad(loss, [x, w], create_graph=True)
    second = torch.autograd.grad(sum(each.float().square().sum() for each in first), [x, w])
    double = [each.detach().double().requires_grad_() for each in (x, w)]
    expected = torch.autograd.grad(written_out(*double, labels, 1.0, True), double, create_graph=True)
    expected = torch.autograd.grad(sum(each.square().sum() for each in expected), double)
    for found, wanted, each in zip(second, expected, (x, w), strict=True):
        assert found.dtype == each.dtype
        torch.testing.assert_close(found.double(), wanted, rtol=0, atol=5e-2 if dtype == torch.bfloat16 else 1e-5)


def losses_of(classes=4):
    torch.manual_seed(0)
    return [
        *(WSoftmaxLoss(classes - 1, classes, alpha, center=center) for alpha in (0.0, 0.7) for center in (False, True)),
        *(SimplexWSoftmaxLoss(classes, 0.7), SoftmaxLoss(classes - 1, classes)),
    ]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # jvp's own
@pytest.mark.parametrize("number", range(6))
def test_torch_func(number):
    loss = losses_of()[number].double()
    embeddings, _, labels = batch(12, 3, 4)
    parameters = dict(loss.named_parameters())

    def value(parameters, x, y):
        return functional_call(loss, parameters, (x, y))

    def one(parameters, x, y):
        return value(parameters, x[None], y[None])

    inputs = [embeddings.clone().requires_grad_(), *parameters.values()]
    expected = torch.autograd.grad(loss(inputs[0], labels), inputs, create_graph=True)
    by_parameters, by_x = grad(value, argnums=(0, 1))(parameters, embeddings, labels)
    for found, wanted in zip([by_x, *by_parameters.values()], expected, strict=True):
        torch.testing.assert_close(found, wanted)

    each = vmap(grad(one, argnums=(0, 1)), in_dims=(None, 0, 0))(parameters, embeddings, labels)
    for found, wanted in zip([each[1], *each[0].values()], expected, strict=True):
        torch.testing.assert_close(found / 12 if found is each[1] else found.mean(0), wanted)

    _, along = jvp(lambda x: value(parameters, x, labels), (embeddings,), (embeddings,))
    torch.testing.assert_close(along, (expected[0] * embeddings).sum())
    curved = (hessian(lambda x: value(parameters, x, labels))(embeddings) * embeddings).sum((2, 3))
    wanted = torch.autograd.grad((expected[0] * embeddings).sum(), inputs[0])[0]
    torch.testing.assert_close(curved, wanted)


@pytest.mark.parametrize("number", range(6))
def test_health_keeps_no_batch_of_torch_func(number):
    loss = losses_of()[number]
    embeddings, labels = batch(12, 3, 4)[0].float(), torch.arange(12) % 4
    loss(embeddings, labels)
    before = loss.health()
    vmap(grad(lambda x, y: loss(x[None], y[None])))(-embeddings, labels)
    grad(lambda x: loss(x, labels))(-embeddings)
    assert loss.health() == before


def test_the_head_under_torch_func():
    head, embeddings = SimplexHead(4), batch(12, 3, 4)[0]
    torch.testing.assert_close(vmap(lambda x: head(x[None])[0])(embeddings), head(embeddings))
    gradient = grad(lambda x: head(x).square().sum())(embeddings)
    torch.testing.assert_close(gradient, 2 * head(embeddings) @ head.dense_weight())


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_what_it_was_given_can_still_be_resized(alpha):
    """Sharded training frees a parameter's storage between layers; a storage that numpy has seen cannot be."""
    loss = WSoftmaxLoss(5, 7, alpha)
    embeddings, labels = torch.randn(20, 5), torch.arange(20) % 7
    loss(embeddings.requires_grad_(), labels).backward()
    embeddings.detach().resize_(40, 5)
    labels.resize_(40)
    loss.weight.untyped_storage().resize_(0)


@pytest.mark.parametrize("number", range(6))
def test_a_mode_that_watches_sees_the_operations(number):
    """A trace that saw none would be a constant: the loss of the batch that it was made with."""
    loss, labels = losses_of()[number], torch.arange(16) % 4
    embeddings = torch.randn(16, 3)
    traced = make_fx(lambda x: loss(x, labels))(embeddings)
    torch.testing.assert_close(traced(2 * embeddings), loss(2 * embeddings, labels))
    with FlopCounterMode(display=False) as counter:
        loss(embeddings, labels)
    assert counter.get_total_flops() >= (0 if isinstance(loss, SimplexWSoftmaxLoss) else 2 * 16 * 3 * 4)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert loss(mode.from_tensor(embeddings), mode.from_tensor(labels)).shape == ()


def test_a_lazy_sign_counts():
    labels = torch.arange(16) % 5
    x, w = (torch.complex(torch.randn(rows, 8), torch.randn(rows, 8)) for rows in (16, 5))
    lazy, eager = ([torch.conj(each).imag for each in (x, w)], [-each.imag for each in (x, w)])
    assert all(each.is_neg() for each in lazy)
    expected = w_softmax.w_softmax_loss(*eager, labels, 0.5)[0]
    for inputs in ((lazy[0], eager[1]), (eager[0], lazy[1])):
        torch.testing.assert_close(w_softmax.w_softmax_loss(*inputs, labels, 0.5)[0], expected)


@pytest.mark.parametrize("number", range(6))
def test_many_gradients_at_once(number):
    loss = losses_of()[number].double()
    embeddings, _, labels = batch(12, 3, 4)
    x = embeddings.requires_grad_()
    value = loss(x, labels)
    (once,) = torch.autograd.grad(value, x, retain_graph=True)
    twice = torch.tensor([1.0, 2.0], dtype=torch.float64)
    (found,) = torch.autograd.grad(value, x, twice, is_grads_batched=True, retain_graph=True)
    torch.testing.assert_close(found, torch.stack([once, 2 * once]))
    found = vmap(lambda each: torch.autograd.grad(value, x, each, retain_graph=True)[0])(twice)
    torch.testing.assert_close(found, torch.stack([once, 2 * once]))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own, as it first takes this way
@pytest.mark.parametrize("number", range(6))
def test_forward_mode(number):
    loss = losses_of()[number].double()
    embeddings, _, labels = batch(12, 3, 4)
    x = embeddings.clone().requires_grad_()
    (expected,) = torch.autograd.grad(loss(x, labels), x)
    with forward_ad.dual_level():
        along = forward_ad.unpack_dual(loss(forward_ad.make_dual(embeddings, embeddings), labels)).tangent
    torch.testing.assert_close(along, (expected * embeddings).sum())


@pytest.mark.parametrize(
    ("samples", "width", "classes", "small"),
    [(50, 9, 10, True), (256, 64, 10, True), (64, 64, 64, True), (256, 10, 100, False), (256, 128, 10, False)],
)
def test_numpy_has_no_product_that_its_threads_would_share(samples, width, classes, small, monkeypatch):
    """Where other processes keep the cores busy, they wait for each other a hundred times as long as one would take."""
    called, small_way = [], w_softmax._small
    monkeypatch.setattr(w_softmax, "_small", lambda *arguments: called.append(arguments) or small_way(*arguments))
    loss = WSoftmaxLoss(width, classes, alpha=0.5)
    loss(torch.randn(samples, width), torch.arange(samples) % classes).backward()
    assert bool(called) == small


@pytest.mark.parametrize("kind", [WSoftmaxLoss, SoftmaxLoss])
def test_a_double_module_computes_in_double(kind):
    loss, labels = kind(8, 5).double(), torch.arange(16) % 5
    embeddings = torch.randn(16, 8)
    assert loss(embeddings, labels).dtype == torch.float64
    torch.testing.assert_close(loss(embeddings, labels), loss(embeddings.double(), labels), rtol=0, atol=1e-12)
    assert loss.training_logits(embeddings, labels).dtype == torch.float64


@pytest.mark.parametrize("kind", [WSoftmaxLoss, SoftmaxLoss])
def test_the_weights_can_be_drawn_anew(kind):
    torch.manual_seed(3)
    loss = kind(8, 5)
    drawn = loss.weight.detach().clone()
    torch.manual_seed(3)
    with torch.no_grad():
        loss.weight.zero_()
    loss.reset_parameters()
    assert torch.equal(loss.weight, drawn)


SHARDED = """
import copy, os, sys
import torch, torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.device_mesh import init_device_mesh
from fc_width.losses import SoftmaxLoss, WSoftmaxLoss

class Net(nn.Module):
    def __init__(self, loss):
        super().__init__()
        self.trunk, self.loss = nn.Linear(8, 8), loss
    def forward(self, images, labels):
        return self.loss(self.trunk(images), labels)

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
torch.manual_seed(0)
images, labels = torch.randn(16, 8), torch.randint(5, (16,))
halves = [(images[each::2], labels[each::2]) for each in range(2)]
for loss in SoftmaxLoss(8, 5), WSoftmaxLoss(8, 5, 0.0), WSoftmaxLoss(8, 5, 0.5):
    whole = Net(loss)
    sharded, parallel = copy.deepcopy(whole), nn.parallel.DistributedDataParallel(copy.deepcopy(whole))
    for part in sharded.loss, sharded:
        fully_shard(part, mesh=init_device_mesh("cpu", (2,)))
    for step in range(2):
        for net in whole, sharded, parallel:
            net.zero_grad()
        (sum(whole(*half) for half in halves) / 2).backward()
        sharded(*halves[rank]).backward()
        parallel(*halves[rank]).backward()
        expected = whole.loss.weight.grad
        torch.testing.assert_close(sharded.loss.weight.grad.full_tensor(), expected)
        torch.testing.assert_close(parallel.module.loss.weight.grad, expected)
dist.destroy_process_group()
print("equal")
"""


@pytest.mark.skipif(
    not hasattr(torch.cpu.current_stream(), "record_event"), reason="fully_shard on a CPU wants a later torch than 2.6"
)
def test_sharded_and_data_parallel_training_have_the_gradients_of_one_process(tmp_path):
    commands.as_two_processes(SHARDED, tmp_path)
