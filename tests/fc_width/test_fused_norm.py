"""PReLU and batch norm by numba, against torch's modules."""

import copy
import dataclasses
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from fc_width import step, train
from fc_width.backbone import BACKBONES, Backbone, PReLU
from fc_width.recipes import Recipe

fused_norm = pytest.importorskip("fc_width.fused_norm", exc_type=ModuleNotFoundError)

SHAPES = [(128, 16, 14, 14), (50, 32, 8, 8), (128, 32, 3, 3), (7, 3, 5, 2), (5, 1, 4, 4), (9, 4, 1, 1), (1, 2, 3, 7)]
RECIPE = Recipe(epochs=2, softmax_epochs=1, lr=0.05)


def layer(channels, seed=0):
    """PReLU and batch norm with parameters of both signs, and running statistics that are not the first ones."""
    generator = torch.Generator().manual_seed(seed)
    prelu, norm = PReLU(channels), nn.BatchNorm2d(channels)
    norm.num_batches_tracked = None  # as in a backbone
    with torch.no_grad():
        for each in (prelu.weight, norm.weight, norm.bias, norm.running_mean):
            each.copy_(torch.randn(channels, generator=generator))
        norm.running_var.copy_(torch.rand(channels, generator=generator) + 0.1)
    return nn.Sequential(prelu, norm)


def batch(shape, seed=1):
    """Inputs whose channels have means and deviations of their own, and a gradient."""
    generator = torch.Generator().manual_seed(seed)
    one = (1, shape[1], 1, 1)
    x = torch.randn(shape, generator=generator) * (0.2 + torch.rand(one, generator=generator))
    return x + 5 * torch.randn(one, generator=generator), torch.randn(shape, generator=generator)


def both_ways(layers, x, dy):
    """y, the gradients by x and the parameters, and the running statistics, in float64."""
    x = x.detach().requires_grad_()
    y = layers(x)
    y.backward(dy)
    return [each.double() for each in (y.detach(), x.grad, *(p.grad for p in layers.parameters()), *layers.buffers())]


def off(found, modules, x, dy):
    """By how many millionths of what is added up, in float64, each of `both_ways` is off, at the channel where it is
    most: y and ∂x are taken for sums of a product and a shift."""
    exact = both_ways(copy.deepcopy(modules).double(), x.double(), dy.double())
    prelu, norm = copy.deepcopy(modules).double()
    x, dy, channels = x.double(), dy.double(), (0, 2, 3)
    p = prelu(x).detach().requires_grad_()
    norm(p).backward(dy)
    dp, p = p.grad, p.detach()
    gamma, slope, beta = (each.detach().abs() for each in (norm.weight, prelu.weight, norm.bias))
    scale = 1 / (p.var(channels, unbiased=False) + norm.eps).sqrt()
    normal = (p - p.mean(channels).view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1)
    sizes = [
        beta + 2 * gamma * scale * p.abs().amax(channels),
        gamma * scale * dy.abs().amax(channels) * (1 + normal.abs().amax(channels)) ** 2 * slope.clamp_min(1),
        (x * dp).abs().sum(channels) + (x.abs().sum(channels) * gamma * scale * dy.abs().mean()),
        (dy * normal).abs().sum(channels) + dy.abs().sum(channels) * scale * p.abs().amax(channels),
        dy.abs().sum(channels),
        p.abs().amax(channels),
        p.square().amax(channels),
    ]
    errors = [(a - b).abs() for a, b in zip(found, exact, strict=True)]
    errors = [each.amax(channels) if each.ndim == 4 else each for each in errors]
    return [1e6 * float((error / size).max()) for error, size in zip(errors, sizes, strict=True)]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_torch_s_to_rounding(shape):
    """One millionth is eight times the rounding of float32."""
    modules = layer(shape[1])
    x, dy = batch(shape)
    (fused,) = fused_norm.fuse(copy.deepcopy(modules))
    assert max(off(both_ways(fused, x.contiguous(memory_format=torch.channels_last), dy), modules, x, dy)) < 1


@pytest.mark.parametrize("changed", ["weight", "bias", "slope", "statistics"])
def test_a_wrong_result_would_show(changed):
    """A parameter that is off by a ten-thousandth."""
    modules, (x, dy) = layer(32), batch((50, 32, 8, 8))
    prelu, norm = copy.deepcopy(modules)
    parameters = {"weight": norm.weight, "bias": norm.bias, "slope": prelu.weight, "statistics": norm.running_var}
    with torch.no_grad():
        parameters[changed].mul_(1.0001)
    assert max(off(both_ways(fused_norm.PReLUNorm(prelu, norm), x, dy), modules, x, dy)) > 3


def test_inputs_may_lie_as_they_like():
    modules = layer(3)
    x, dy = batch((4, 3, 6, 5))
    (fused,) = fused_norm.fuse(copy.deepcopy(modules))
    found = [
        both_ways(copy.deepcopy(fused), x.contiguous(memory_format=one), dy.contiguous(memory_format=other))
        for one in (torch.contiguous_format, torch.channels_last)
        for other in (torch.contiguous_format, torch.channels_last)
    ]
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))
    strided = torch.cat([x, x], 3)[:, :, :, ::2]
    assert torch.isfinite(fused(strided)).all()
    assert torch.allclose(fused(strided), modules(strided), atol=1e-5)


def test_in_evaluation_it_is_the_modules():
    modules = layer(4).eval()
    (fused,) = fused_norm.fuse(modules).eval()
    x, _ = batch((5, 4, 3, 3))
    assert torch.equal(fused(x), modules(x))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_stays_so(bad):
    (fused,) = fused_norm.fuse(layer(2))
    x, dy = batch((3, 2, 4, 4))
    x[1, 0, 2, 2] = bad
    y = fused(x.requires_grad_())
    assert not torch.isfinite(y[:, 0]).any()
    assert torch.isfinite(y[:, 1]).all()
    y.backward(dy)
    assert not torch.isfinite(x.grad[:, 0]).all()
    assert torch.isfinite(x.grad[:, 1]).all()


def test_a_channel_that_is_the_same_everywhere_has_no_variance():
    modules = layer(2)
    (fused,) = fused_norm.fuse(copy.deepcopy(modules))
    before = fused.norm.running_var.clone()
    y = fused(torch.full((4, 2, 3, 3), 1.1))
    assert torch.allclose(y, modules[1].bias.view(1, -1, 1, 1).expand_as(y), atol=1e-4)
    assert torch.allclose(fused.norm.running_var, 0.9 * before)


def test_it_has_the_parameters_and_statistics_of_the_modules_in_their_order():
    backbone = Backbone(BACKBONES["digits"], (1, 8, 8), 9)
    before = [*backbone.trunk.parameters()], [*backbone.trunk.buffers()]
    trunk = fused_norm.fuse(backbone.trunk)
    assert all(a is b for a, b in zip(trunk.parameters(), before[0], strict=True))
    assert all(a is b for a, b in zip(trunk.buffers(), before[1], strict=True))
    assert sum(isinstance(each, fused_norm.PReLUNorm) for each in trunk) == 3
    assert len(trunk) == len(backbone.trunk) - 3


def without(monkeypatch):
    monkeypatch.setitem(sys.modules, "fc_width.fused_norm", None)
    monkeypatch.delattr("fc_width.fused_norm")


def test_a_run_is_that_of_torch_s_modules_to_rounding(few_digits, monkeypatch):
    with_numba = train.run(RECIPE, few_digits)
    assert with_numba["provenance"]["kernels"].startswith("numba ")
    without(monkeypatch)
    plain = train.run(RECIPE, few_digits)
    assert "kernels" not in plain["provenance"]
    assert with_numba["final"]["train_angle"] != plain["final"]["train_angle"]
    assert with_numba["final"]["train_angle"] == pytest.approx(plain["final"]["train_angle"], rel=1e-3)
    assert with_numba["batch_angle"] == pytest.approx(plain["batch_angle"], rel=1e-3)


def test_where_numba_can_compile_nothing_torch_s_modules_train(few_digits, monkeypatch):
    monkeypatch.setattr(fused_norm, "obstacle", lambda: "RuntimeError: it does not fit")
    with pytest.warns(UserWarning, match="numba can make no kernels: RuntimeError: it does not fit"):
        record = train.run(RECIPE, few_digits)
    assert record["status"] == "done"
    assert "kernels" not in record["provenance"]


NOWHERE = """
import warnings
import numba.core.caching
numba.core.caching.CacheImpl._locator_classes = numba.core.caching.CompileResultCacheImpl._locator_classes = []
import torch
from fc_width.data import load
from fc_width.recipes import Recipe
from fc_width.train import run
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    record = run(Recipe(epochs=1, softmax_epochs=0, lr=0.05), load("digits"))
print(record["status"], "kernels" in record["provenance"], [str(each.message) for each in told])
"""


def test_where_there_is_no_folder_for_the_kernels_torch_s_modules_train():
    """As in a container that may write nowhere: numba says so as the module is imported."""
    ended = subprocess.run([sys.executable, "-c", NOWHERE], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(
        "done False [\"torch's own modules train, as numba can make no kernels: RuntimeError"
    )
    assert "no locator available" in ended.stdout


def test_without_numba_nothing_is_said(few_digits, monkeypatch):
    without(monkeypatch)
    assert train.run(RECIPE, few_digits)["status"] == "done"  # a warning would be an error


def test_numba_s_own_switch_turns_it_off(few_digits, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setattr(fused_norm, "fuse", lambda trunk: pytest.fail("turned off"))
    assert "kernels" not in train.run(RECIPE, few_digits)["provenance"]
    monkeypatch.undo()
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    assert train.run(RECIPE, few_digits)["provenance"]["kernels"].startswith("numba ")


def test_an_obstacle_is_what_compiling_raises(monkeypatch):
    def none(*arguments):
        raise RuntimeError("cannot cache function")

    monkeypatch.setattr(fused_norm, "_forward", none)
    assert fused_norm.obstacle.__wrapped__() == "RuntimeError: cannot cache function"
    monkeypatch.undo()
    assert fused_norm.obstacle.__wrapped__() == ""


def test_bfloat16_is_torch_s(few_digits, monkeypatch):
    monkeypatch.setattr(step, "multiplies_bfloat16", lambda: True)
    record = train.run(dataclasses.replace(RECIPE, precision="bfloat16"), few_digits)
    assert "kernels" not in record["provenance"]


HASHED = """
import hashlib, torch
torch.set_num_threads(1)
from fc_width.data import load
from fc_width.recipes import Recipe
from fc_width.train import run
record = run(Recipe(epochs=1, softmax_epochs=0, lr=0.05, loss="w-softmax:1"), load("digits"))
print(hashlib.sha256(repr([record["final"], record["class_angles"]]).encode()).hexdigest())
"""


def test_another_process_has_the_same_bits(tmp_path):
    """Also one that compiles the kernels anew."""
    environments = [{}, {"NUMBA_CACHE_DIR": str(tmp_path)}]
    found = set()
    for more in environments:
        ended = subprocess.run(
            [sys.executable, "-c", HASHED], env=os.environ | more, capture_output=True, text=True, check=True
        )
        found.add(ended.stdout)
    assert len(found) == 1
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize("first", [20.0, -60.0])
def test_an_untypical_first_value_costs_no_digits(first):
    modules = layer(4)
    x, dy = batch((128, 4, 14, 14))
    x[0, :, 0, 0] += first
    (fused,) = fused_norm.fuse(copy.deepcopy(modules))
    assert max(off(both_ways(fused, x, dy), modules, x, dy)) < 1
    variance = modules[0](x).detach().double().var((0, 2, 3))
    found = (fused.norm.running_var.double() - 0.9 * modules[1].running_var.double()) / 0.1
    assert float((found / variance - 1).abs().max()) < 2e-5


def test_what_it_does_not_fit_stays_torch_s():
    shared = nn.Sequential(nn.PReLU(), nn.BatchNorm2d(3), nn.PReLU(3), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    assert [type(each) for each in fused_norm.fuse(shared)] == [type(each) for each in shared]
    (fused,) = fused_norm.fuse(layer(3))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        fused(torch.ones(1, 3, 1, 1))


def test_it_can_be_differentiated_once():
    (fused,) = fused_norm.fuse(layer(2))
    x, _ = batch((3, 2, 4, 4))
    (slope,) = torch.autograd.grad(fused(x.requires_grad_()).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_the_sums_are_of_all_columns():
    """Rows are (N·H, W·channels): each channel has its sums from all of its columns."""
    x = (
        torch.arange(2 * 3 * 2 * 4, dtype=torch.float32)
        .reshape(2, 3, 2, 4)
        .contiguous(memory_format=torch.channels_last)
    )
    rows = fused_norm._rows(x)
    assert rows.shape == (4, 12)
    assert np.shares_memory(rows, x.permute(0, 2, 3, 1).numpy())
    assert rows[1, 3 * 2 + 1] == x[0, 1, 1, 2]
