"""The step that a GPU replays: the same training as the step that is run, and nothing that waits for the device."""

import contextlib
import dataclasses

import numpy as np
import pytest
import torch
from torch.optim.sgd import sgd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fc_width import augment
from fc_width import step as module
from fc_width.backbone import BACKBONES, Backbone
from fc_width.benchmark_losses import _peak
from fc_width.loss_names import make_loss
from fc_width.recipes import Recipe
from fc_width.step import Step, batches
from fc_width.train import _evaluate, build, run, split

QUICK = Recipe(epochs=2, softmax_epochs=1, lr=0.05)
LOSSES = ("softmax", "hinge", "w-softmax:1", "w-softmax-centred:0.5", "w-softmax-simplex:1")


def trained(dataset, device, recipe, rehearse):
    """Every tensor that training changes, after two epochs."""
    backbone, loss = build(recipe, dataset)
    backbone = backbone.to(device).to(memory_format=torch.channels_last)
    step = Step(recipe, backbone, loss.to(device), batches(dataset, torch.device(device)))
    order = torch.Generator().manual_seed(0)
    for epoch in range(2):
        met = torch.randperm(len(dataset.train_labels), generator=order)
        drawn = augment.draw(len(met), recipe.flip, recipe.shift, epoch) if recipe.augments else None
        for number, _ in enumerate(step.epoch(met, float(epoch), drawn)):
            if rehearse and number == 0:
                step.rehearse()
    return {**backbone.state_dict(), **loss.state_dict(), "hits": step.hits, "total": step.total}


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_rehearsal_changes_nothing(loss, shift, few_digits):
    recipe = dataclasses.replace(QUICK, loss=loss, flip=shift / 4, shift=shift)
    once, twice = (trained(few_digits, "cpu", recipe, rehearse) for rehearse in (False, True))
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_an_epoch_counts_what_it_trains_on(few_digits):
    """130 samples in batches of 50: two whole ones and the rest; of 101, the last one alone is left out."""
    for samples, steps, trained in ((130, 3, 130), (101, 2, 100), (100, 2, 100), (50, 1, 50)):
        few = dataclasses.replace(
            few_digits, train_images=few_digits.train_images[:samples], train_labels=few_digits.train_labels[:samples]
        )
        backbone, loss = build(QUICK, few)
        step = Step(QUICK, backbone, loss, batches(few, torch.device("cpu")))
        assert len(list(step.epoch(torch.arange(samples), 0.0))) == steps == int(step.step)
        assert step.samples == trained
        assert 0 <= float(step.hits) <= trained
        assert float(step.rate) == pytest.approx(QUICK.lr * QUICK.lr_decay ** ((steps - 1) / QUICK.lr_decay_steps))


@pytest.mark.parametrize("loss", LOSSES)
def test_hits_are_those_of_this_epoch_at_the_test_time_weights(loss, few_digits):
    """The network does not move: every epoch the same, and what a recount of its answers to these batches finds."""
    recipe = dataclasses.replace(QUICK, loss=loss, lr=1e-30)
    backbone, criterion = build(recipe, few_digits)
    data = batches(few_digits, torch.device("cpu"))
    step = Step(recipe, backbone, criterion, data)
    order = torch.randperm(130, generator=torch.Generator().manual_seed(2))
    counted = []
    for _ in range(2):
        list(step.epoch(order, 1.0))
        counted.append(int(step.hits))
    expected = 0
    for chosen in order.split(50):
        with torch.no_grad():  # in training mode, of the batch's own statistics
            embeddings = backbone(data.images(few_digits.train_images[chosen]))
        scores = embeddings.double() @ criterion.classifier().double().T
        expected += int((scores.argmax(1) == few_digits.train_labels[chosen]).sum())
    assert counted == [expected] * 2


@pytest.mark.parametrize("loss", LOSSES)
def test_labels_are_looked_at_before_the_first_step(loss, few_digits):
    wrong = dataclasses.replace(few_digits, train_labels=few_digits.train_labels.clone())
    wrong.train_labels[129] = 10
    backbone, loss = build(dataclasses.replace(QUICK, loss=loss), wrong)
    with pytest.raises(ValueError, match="labels must be in 0…9, got 10"):
        Step(QUICK, backbone, loss, module.Batches(wrong, torch.device("cpu")))


def test_the_statistics_of_the_pixels_are_exact_and_take_little_memory(few_digits):
    pixels = torch.randint(256, (700, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels[:, 1] = 255
    large = dataclasses.replace(few_digits, train_images=pixels)
    mean, std = module.channel_statistics(large)
    assert mean.shape == std.shape == (1, 3, 1, 1)
    torch.testing.assert_close(mean.ravel(), pixels.double().mean((0, 2, 3)).float(), rtol=0, atol=0)
    expected = pixels.double().std((0, 2, 3), correction=0).float()
    expected[1] = 1  # the same everywhere: it is 0 for the network, not 0/0
    torch.testing.assert_close(std.ravel(), expected, rtol=1e-7, atol=0)
    normal = module.Batches(large, torch.device("cpu")).images(pixels[:5])
    assert torch.isfinite(normal).all()
    assert not normal[:, 1].any()
    anew = module.channel_statistics.__wrapped__
    assert _peak(lambda: anew(large), torch.device("cpu")) < pixels.nbytes


def test_the_data_is_on_the_device_once(few_digits, monkeypatch):
    made = []
    original = module.Batches.__init__
    monkeypatch.setattr(module.Batches, "__init__", lambda self, *args: (made.append(1), original(self, *args))[1])
    few = dataclasses.replace(few_digits)
    for width in (2, 3):
        run(dataclasses.replace(QUICK, width=width), few)
    assert len(made) == 1


WAITS = {
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero"),
    *("_unique2", "unique_dim", "bincount", "repeat_interleave"),
}
"""Operators that wait for the device: none of them can be captured."""


class OnTheDevice(TorchDispatchMode):
    """Whoever waits for the device, or touches a tensor that is not on it; sees every operator, also those that torch
    calls by itself, in backward passes and in the optimiser."""

    def __init__(self):
        super().__init__()
        self.updated = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in WAITS, function
        if name == "_fused_sgd_":  # it has no kernel for tensors without data
            found = None
            self.updated += len(args[0])
            assert all(len({(each.shape, each.dtype) for each in group}) == 1 for group in zip(*args[:3], strict=True))
            assert not kwargs["is_first_step"]
        else:
            found = function(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves((args, kwargs, found)) if isinstance(each, torch.Tensor)]
        assert all(each.device.type == "meta" for each in tensors), function
        return found


@pytest.fixture
def without_a_gpu(monkeypatch):
    """Tensors without data stand for those on one, so that whatever needs a value fails."""
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda tensor: tensor.device.type == "meta"))
    monkeypatch.setattr(module, "precision", lambda wanted, device: contextlib.nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)


def step_without_data(recipe, dataset, trained=None):
    device = torch.device("meta")
    backbone, loss = build(recipe, dataset)
    step = Step(recipe, backbone.to(device), loss.to(device), module.Batches(dataset, device), trained)
    return step


@pytest.mark.parametrize("batch_size", [50, 5])  # more samples than classes, and fewer
@pytest.mark.parametrize("name", [*LOSSES, "w-softmax:0", "w-softmax-centred:1", "w-softmax:0.5"])
@pytest.mark.parametrize("shift", [0, 2])
def test_a_step_asks_the_host_nothing(shift, name, batch_size, few_digits, without_a_gpu):
    recipe = dataclasses.replace(QUICK, loss=name, batch_size=batch_size, flip=shift / 4, shift=shift)
    step = step_without_data(recipe, few_digits)
    with OnTheDevice() as seen:
        step._batch(batch_size)
    assert seen.updated == sum(1 for each in (step.backbone, step.loss) for _ in each.parameters())


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        ("rate", AssertionError, "aten._fused_sgd_"),
        ("mean", AssertionError, "aten.sub_"),
        ("backward", AssertionError, "aten.nonzero"),
    ],
)
def test_a_step_that_asks_is_seen(spoil, error, message, few_digits, without_a_gpu, monkeypatch):
    step = step_without_data(QUICK, few_digits)
    if spoil == "rate":  # on the host
        rate = torch.tensor(0.1)
        monkeypatch.setattr(module, "sgd", lambda *all_, **given: sgd(*all_, **given | {"lr": rate}))
    elif spoil == "mean":
        step.data.mean = torch.zeros(1, 1, 1, 1)
    else:
        next(step.backbone.parameters()).register_hook(lambda gradient: gradient.nonzero())
    with pytest.raises(error, match=message), OnTheDevice():
        step._batch(step.batch_size)


class HandedOver(TorchDispatchMode):
    """Counts the tensors that go from the host to the device; nothing else may touch both, or wait."""

    def __init__(self):
        super().__init__()
        self.copies = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in WAITS, function
        found = None if name == "_fused_sgd_" else function(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves((args, kwargs, found)) if isinstance(each, torch.Tensor)]
        if len({each.device.type for each in tensors}) > 1:
            assert name in ("copy_", "_to_copy"), function
            self.copies.append(name)
        return found


@pytest.mark.parametrize("shift", [0, 1])
def test_an_epoch_and_an_evaluation_are_handed_one_list_of_indices_each(shift, few_digits, without_a_gpu):
    """And an epoch what is drawn of its images, where they are moved."""
    recipe = dataclasses.replace(QUICK, loss="w-softmax:1", validation=0.2, shift=shift)
    kept, held_out = split(recipe, few_digits)
    step = step_without_data(recipe, few_digits, kept)
    with HandedOver() as epoch:
        drawn = augment.draw(len(kept), 0.0, shift, 0) if shift else None
        assert len(list(step.epoch(kept[torch.randperm(len(kept))], 1.0, drawn))) == 3  # of 104 images the last 4 too
    with HandedOver() as validation:
        list(_evaluate(step, step.data.train, held_out))
    with HandedOver() as test:
        list(_evaluate(step, step.data.test))
    assert [len(each.copies) for each in (epoch, validation, test)] == [1 + shift, 1, 0]


def test_two_data_sets_of_the_same_tensors_are_two(few_digits):
    twin = dataclasses.replace(few_digits)
    assert twin != few_digits
    assert module.channel_statistics(twin)[0].equal(module.channel_statistics(few_digits)[0])


@pytest.mark.parametrize(
    ("wanted", "device", "capability", "units", "expected"),
    [
        ("auto", "cuda", 8, False, True),
        ("auto", "cuda", 7, False, False),
        ("auto", "cpu", 0, True, False),
        ("float32", "cuda", 9, False, False),
        ("float32", "cpu", 0, True, False),
        ("bfloat16", "cuda", 9, False, True),
        ("bfloat16", "cuda", 7, False, False),
        ("bfloat16", "cpu", 0, True, True),
        ("bfloat16", "cpu", 0, False, False),
    ],
)
def test_bfloat16_is_for_devices_that_have_units_for_it(wanted, device, capability, units, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (capability, 0))
    monkeypatch.setattr(module, "multiplies_bfloat16", lambda: units)
    assert module.in_bfloat16(wanted, torch.device(device)) is expected
    for tf32 in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tf32)
        full = "TF32" if device == "cuda" and tf32 and capability >= 8 else "float32"
        assert module.computed_in(wanted, torch.device(device)) == ("bfloat16 autocast" if expected else full)


def test_images_reach_the_device_row_by_row_however_they_are_in_memory(few_digits):
    turned = few_digits.train_images.to(memory_format=torch.channels_last).transpose(2, 3).contiguous().transpose(2, 3)
    assert not turned.is_contiguous()
    data = module.Batches(dataclasses.replace(few_digits, train_images=turned), torch.device("cpu"))
    assert data.train[0].is_contiguous()
    assert data.train[0].equal(few_digits.train_images)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : sse2 amx_tile amx_bf16 amx_int8", True),
        ("flags : avx512f avx512_bf16", True),
        ("flags : avx512f avx2", False),
        (None, False),
    ],
)
def test_which_cpus_multiply_bfloat16(flags, expected, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor : 0\n{flags}\nbugs :\n")
    monkeypatch.setattr(module, "CPU_INFO", path)
    assert module.multiplies_bfloat16.__wrapped__() is expected


def test_under_autocast_the_trunk_alone_is_in_less():
    torch.manual_seed(0)
    backbone = Backbone(BACKBONES["digits"], (1, 8, 8), 9, "prelu-bn")
    images = torch.rand(6, 1, 8, 8)
    seen = {}
    backbone.trunk.register_forward_hook(lambda module, args, out: seen.update(trunk=out.dtype))
    backbone.fc.register_forward_hook(lambda module, args, out: seen.update(fc=out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        low = backbone(images)
    assert seen == {"trunk": torch.bfloat16, "fc": torch.float32}
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, backbone(images), rtol=0.05, atol=0.1)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("loss", "shift"), [*((loss, 0) for loss in LOSSES), ("softmax", 2)])
def test_a_replayed_step_is_the_step(loss, shift, few_digits, monkeypatch):
    """In float32: of bfloat16 two trainings that are both launched are as far apart as a launched and a replayed one,
    as sums come in another order each time."""
    recipe = dataclasses.replace(QUICK, loss=loss, precision="float32", flip=shift / 4, shift=shift)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    replays, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(1) or replay(graph))
    with torch.cuda.stream(torch.cuda.Stream()):
        replayed = trained(few_digits, "cuda", recipe, False)
        assert len(replays) == 4  # two epochs of two whole batches
        with module.eager():
            launched = trained(few_digits, "cuda", recipe, False)
        assert len(replays) == 4
    torch.cuda.synchronize()
    for name, value in launched.items():
        torch.testing.assert_close(replayed[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", LOSSES)
def test_a_captured_loss_never_waits_for_the_device(name):
    loss = make_loss(name, 9, 10).cuda()
    embeddings = torch.randn(50, 9, device="cuda", requires_grad=True)
    labels = torch.randint(10, (50,), device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss(embeddings, labels).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert embeddings.grad is not None


def test_the_step_is_the_one_of_an_ordinary_loop(few_digits):
    """The same order, plain modules in torch's own layout, an optimiser of torch with the recipe's numbers, a rate set
    by hand, pixels normalised by numpy: the same weights but for rounding."""
    recipe = dataclasses.replace(QUICK, loss="w-softmax-centred:1", lr_decay_steps=2.0, momentum=0.5, weight_decay=0.1)
    data = batches(few_digits, torch.device("cpu"))
    order = torch.randperm(130, generator=torch.Generator().manual_seed(1))
    backbone, loss = build(recipe, few_digits)
    step = Step(recipe, backbone.to(memory_format=torch.channels_last), loss, data)
    assert len(list(step.epoch(order, 1.0))) == 3
    plain, plain_loss = build(recipe, few_digits)
    plain.train()
    parameters = [*plain.parameters(), *plain_loss.parameters()]
    matrices, others = ([p for p in parameters if (p.ndim > 1) == large] for large in (True, False))
    optimizer = torch.optim.SGD([{"params": matrices, "weight_decay": 0.1}, {"params": others}], lr=0.0, momentum=0.5)
    pixels = few_digits.train_images.numpy().astype(np.float64)
    normal = torch.from_numpy((pixels - pixels.mean()) / pixels.std()).float()
    for number, chosen in enumerate(order.split(50)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * recipe.lr_decay ** (number / 2)
        optimizer.zero_grad()
        plain_loss(plain(normal[chosen]), few_digits.train_labels[chosen]).backward()
        optimizer.step()
    for module_, other in ((backbone, plain), (loss, plain_loss)):
        for name, value in other.state_dict().items():
            torch.testing.assert_close(module_.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)
