"""The kernels that a GPU's step is made of, against the modules that they stand for: on a GPU, else as Triton's
interpreter runs them."""

import contextlib
import copy
import dataclasses
import os
import re
import subprocess
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fc_width import augment
from fc_width import step as module
from fc_width.backbone import BACKBONES, FEATURES, Backbone, Stage
from fc_width.benchmark_profile import _kind
from fc_width.benchmark_sweep import of_torch_alone
from fc_width.data import Dataset
from fc_width.gpu_errors import BROKEN, NO_MEMORY
from fc_width.recipes import RECIPES, Recipe
from fc_width.step import Step, batches
from fc_width.train import build

fused = pytest.importorskip("fc_width.fused", exc_type=ModuleNotFoundError)
fused_layer = pytest.importorskip("fc_width.fused_layer")
fused_convolution = pytest.importorskip("fc_width.fused_convolution")
KERNELS = [
    *((fused_layer, f"_{name}_kernel") for name in ("patches", "moments", "forward", "backward_sums", "backward")),
    (fused_convolution, "_convolution_kernel"),
]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SHAPES = {
    "digits": (1, 8, 8),
    "mnist-small": (1, 28, 28),
    "cifar-small": (3, 15, 17),
    "pool first": (3, 9, 7),
    "mnist": (1, 28, 28),
    "cifar100": (3, 32, 32),
}
STAGES = {**BACKBONES, "pool first": (Stage(20, 1, pool=True), Stage(16, 1, stride=2))}


@pytest.fixture(autouse=True)
def convolutions_in_full(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(autouse=True)
def large_tiles(monkeypatch):
    """The interpreter takes a program after the other, of whatever size."""
    if DEVICE.type == "cpu":
        monkeypatch.setattr(fused_layer, "TILE", 2**14)


class Case:
    """A backbone with parameters that are none of their defaults, and a batch chosen from uint8 images."""

    def __init__(self, name="digits", width=9, feature="prelu-bn", samples=20, seed=0):
        torch.manual_seed(seed)
        shape = SHAPES[name]
        self.backbone = Backbone(STAGES[name], shape, width, feature).to(memory_format=torch.channels_last)
        with torch.no_grad():
            for parameter in self.backbone.parameters():
                if parameter.ndim == 1:
                    parameter += 0.3 * torch.randn_like(parameter)
            for module in self.backbone.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.weight[::2].neg_()  # the largest y is of the smallest p
        self.backbone.to(DEVICE)
        self.images = torch.randint(256, (2 * samples, *shape), dtype=torch.uint8).to(DEVICE)
        self.chosen = torch.randperm(2 * samples)[:samples].to(DEVICE)
        self.mean = (100.0 + torch.arange(shape[0])).view(1, -1, 1, 1).to(DEVICE)
        self.scale = 1 / (60.0 + torch.arange(shape[0])).view(1, -1, 1, 1).to(DEVICE)
        self.towards = torch.randn(samples, width).to(DEVICE)

    def plainly(self, backbone, low=False):
        """Embeddings by torch's own modules, in the precision of their parameters."""
        images = ((self.images[self.chosen].double() - self.mean) * self.scale).to(backbone.fc.weight.dtype)
        with torch.autocast(DEVICE.type, torch.bfloat16) if low else contextlib.nullcontext():
            return backbone(images.contiguous(memory_format=torch.channels_last))

    def gradients(self, dtype=torch.float64, low=False):
        backbone = copy.deepcopy(self.backbone).to(dtype)
        (self.plainly(backbone, low) * self.towards).sum().backward()
        return {name: each.grad for name, each in backbone.named_parameters()}

    def network(self, dtype=torch.float32):
        return fused.FusedBackbone(copy.deepcopy(self.backbone), dtype)

    def embeddings(self, network):
        return network(self.images, self.chosen, self.mean, self.scale)

    def fused_gradients(self, network, times=1):
        for _ in range(times):
            network.backbone.zero_grad()
            (self.embeddings(network) * self.towards).sum().backward()
            network.hand_over()
        return {name: each.grad for name, each in network.backbone.named_parameters()}


def apart(found, exact):
    """The largest relative error of any of the tensors as a whole; of one that is about 0, relative to the others."""
    assert found.keys() == exact.keys()
    least = max(float(value.norm()) for value in exact.values()) / 1000
    return max(float((found[name] - value).norm()) / max(float(value.norm()), least) for name, value in exact.items())


def of_all(found, exact):
    """The relative error of all tensors as one: of some, where a pool chooses another pixel, it is chance."""
    error = sum(float((found[name] - value).norm()) ** 2 for name, value in exact.items())
    return (error / sum(float(value.norm()) ** 2 for value in exact.values())) ** 0.5


@pytest.mark.parametrize(
    "case",
    [("digits", 9, feature) for feature in FEATURES]
    + [("digits", 1, "prelu-bn"), ("digits", 80, "prelu-bn")]
    # of seed 0 a number is 8e-8 deviations from where a slope or a pool's choice turns, of this one 1.3e-5
    + [("mnist-small", 5, "prelu-bn", 20, 9), ("cifar-small", 9, "prelu-bn"), ("pool first", 3, "prelu-bn")],
    ids=str,
)
def test_as_torchs_own_modules(case):
    case = Case(*case)
    exact, network = case.gradients(), case.network()
    assert apart(case.fused_gradients(network), exact) < 1e-4 + 3 * apart(case.gradients(torch.float32), exact)
    case.plainly(case.backbone)
    assert apart(*(dict(each.named_buffers()) for each in (network.backbone, case.backbone))) < 1e-5
    for training in (False, True):
        case.backbone.train(training)
        network.backbone.train(training)
        with torch.no_grad():
            plain, found = case.plainly(case.backbone), case.embeddings(network)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("programs", [64, None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["mnist", "cifar100"])
def test_as_torchs_own_modules_in_the_papers_networks(name, dtype, programs, monkeypatch):
    """Of other blocks than small ones; with many tiles a program, too."""
    for cap in ("PROGRAMS", "FIRST_PROGRAMS", "FORWARD_PROGRAMS") if programs else ():
        monkeypatch.setattr(fused_layer, cap, (programs, programs))
    case = Case(name, samples=64)
    exact, plain = case.gradients(), case.gradients(torch.float32, low=dtype == torch.bfloat16)
    assert of_all(case.fused_gradients(case.network(dtype)), exact) < 1e-4 + 3 * of_all(plain, exact)


def test_every_pass_starts_anew():
    case = Case()
    once, thrice = (case.fused_gradients(case.network(), times) for times in (1, 3))
    assert apart(thrice, once) < 1e-5


def test_bfloat16_is_as_near_as_autocast():
    case = Case("mnist-small", samples=50)
    exact, cast = case.gradients(), case.gradients(torch.float32, low=True)
    found = case.fused_gradients(case.network(torch.bfloat16))
    assert all(each.dtype == torch.float32 for each in found.values())
    assert 0.01 < of_all(found, exact) < 1.25 * of_all(cast, exact)


def test_nothing_cancels_where_the_mean_is_large():
    """Values of 10⁴ ± 1: their squares would leave a variance no digit of float32."""
    network = Case().network()
    layer, (prelu, norm) = network.layers[-1], network.backbone.feature
    x = torch.randn(300, 9, generator=torch.Generator().manual_seed(1)).to(DEVICE) + 1e4
    with torch.no_grad():
        layer.bias.zero_()
        found = layer(x)
        expected = torch.nn.functional.batch_norm(
            prelu(x).double(), None, None, norm.weight.double(), norm.bias.double(), training=True, eps=norm.eps
        )
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.01)


def test_several_tiles_and_a_rest(monkeypatch):
    """Every program with several tiles, the last of which is not whole."""
    for name, most in (("PROGRAMS", 3), ("FIRST_PROGRAMS", 2), ("FORWARD_PROGRAMS", 3)):
        monkeypatch.setattr(fused_layer, name, (1, most))
    monkeypatch.setattr(fused_layer, "TILES", 1)
    monkeypatch.setattr(fused_layer, "TILE", 256)
    case = Case("cifar-small", samples=3)
    network, exact = case.network(), case.gradients()
    for most in (2, 3):
        (programs, across), each = network.layers[0].grid(3 * 8 * 9, (1, most))
        assert programs * across <= most
        assert each > 1
        assert 3 * 8 * 9 % (each * network.layers[0].blocks()["BLOCK_R"])
    assert apart(case.fused_gradients(network), exact) < 1e-4 + 3 * apart(case.gradients(torch.float32), exact)


@pytest.mark.parametrize(("loss", "shift"), [("softmax", 0), ("w-softmax:1", 0), ("softmax", 1)])
def test_a_step_trains_the_same_network(loss, shift, few_digits, monkeypatch):
    """Of images as they are, and moved: these of noise, as of one grey several are the largest of a pool, and of those
    torch's float32 takes one by rounding."""
    recipe = Recipe(epochs=2, softmax_epochs=1, lr=0.05, loss=loss, precision="float32", flip=shift / 2, shift=shift)
    states, hits = [], []
    for network in (lambda *_: None, lambda backbone, *_: fused.FusedBackbone(backbone, torch.float32)):
        monkeypatch.setattr(module, "_fused", network)
        few = dataclasses.replace(
            few_digits, train_images=few_digits.train_images[:80], train_labels=few_digits.train_labels[:80]
        )
        if shift:
            noise = torch.randint(256, few.train_images.shape, generator=torch.Generator().manual_seed(0))
            few = dataclasses.replace(few, train_images=noise.to(torch.uint8))
        backbone, head = build(recipe, few)
        with torch.cuda.stream(torch.cuda.Stream() if DEVICE.type == "cuda" else None):
            backbone = backbone.to(DEVICE).to(memory_format=torch.channels_last)
            step = Step(recipe, backbone, head.to(DEVICE), batches(few, DEVICE))
            for epoch in range(2):  # with a batch that is not whole
                drawn = augment.draw(len(few.train_labels), recipe.flip, shift, seed=epoch) if shift else None
                list(step.epoch(torch.arange(len(few.train_labels)), float(epoch), drawn))
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        states.append(backbone.state_dict() | head.state_dict() | {"total": step.total})
        hits.append(float(step.hits))
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0.01, atol=2e-3, msg=lambda text, at=name: at + text)
    assert abs(hits[0] - hits[1]) <= 1  # a sample between two classes may fall to either


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 25), (4, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_patches_are_what_a_convolution_multiplies(shape, stride, dtype):
    """Of small images, and such as several programs do, the last of which is not whole."""
    torch.manual_seed(0)
    images = torch.randint(256, (9, *shape), dtype=torch.uint8).to(DEVICE)
    chosen = torch.tensor([8, 0, 3, 3]).to(DEVICE)
    mean, scale = (torch.rand(1, shape[0], 1, 1).to(DEVICE) for _ in range(2))
    found = fused_layer.patches(images, chosen, mean, scale, stride, dtype)
    normal = (images[chosen].float() - mean) * scale
    columns = torch.nn.functional.unfold(normal, 3, padding=1, stride=stride)  # (N, channels · 9, pixels)
    expected = columns.unflatten(1, (-1, 9)).transpose(1, 2).flatten(1, 2).transpose(1, 2)
    assert found.dtype == dtype
    assert found.shape[1:3] == (-(-shape[1] // stride), -(-shape[2] // stride))
    torch.testing.assert_close(found.flatten(1, 2)[..., : 9 * shape[0]], expected.to(dtype))
    assert not found[..., 9 * shape[0] :].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_of_several_that_are_largest_the_first_has_the_gradient(dtype):
    """In images of one grey all four of a window are, but at the rim."""
    case = Case("pool first", samples=50)
    case.images[:] = case.images[:, :1, :1, :1]
    exact, plain = case.gradients(), case.gradients(torch.float32, low=dtype == torch.bfloat16)
    assert apart(case.fused_gradients(case.network(dtype)), exact) < 1e-4 + 3 * apart(plain, exact)


def test_the_largest_is_that_of_what_is_stored():
    """The first of the values that bfloat16 rounds to the same, as a pool of these finds, not the largest before."""
    torch.manual_seed(0)
    network = Case().network(torch.bfloat16)
    layer = network.layers[1]
    x = torch.randn(6, 32, 8, 8).to(DEVICE).bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.no_grad():
        layer.slope.fill_(1.0)
        layer.bias.fill_(0.0)
        layer.norm.weight.fill_(1e-3)
        layer.norm.bias.fill_(1.0)
        layer.pixels = 1
        stored = layer(x)
    layer.pixels = 4
    network.numbers.zero_()
    layer(x).sum().backward()
    plain = x.detach().float().requires_grad_()
    y = torch.nn.functional.batch_norm(
        plain, None, None, layer.norm.weight, layer.norm.bias, training=True, eps=layer.norm.eps
    )
    (_, places), (_, before) = (torch.nn.functional.max_pool2d(each, 2, return_indices=True) for each in (stored, y))
    assert (places != before).double().mean() > 0.2
    y.backward(torch.zeros(6, 32, 64).to(DEVICE).scatter_(2, places.flatten(2), 1.0).view_as(y))
    torch.testing.assert_close(x.grad.float(), plain.grad, rtol=0.01, atol=0.01 * float(plain.grad.abs().max()))


def test_a_variance_that_rounds_below_zero_is_zero(monkeypatch):
    """One value far off, the first, from which the others' squares are counted, and many others the same: the
    sum of the squares less the square of the sum is no digit of float32."""
    if DEVICE.type == "cpu":
        monkeypatch.setattr(fused_layer, "TILE", 2**20)
    network = Case(width=1).network()
    layer = network.layers[-1]
    x = torch.zeros(300_000, 1).to(DEVICE)
    with torch.no_grad():
        layer.bias.zero_()
        layer.slope.fill_(1.0)
        for value in (1.1e4, 1.2e4):
            x[1:] = value
            network.numbers.zero_()
            assert layer(x).isfinite().all()


def test_no_gradients_in_evaluation():
    case = Case()
    network = case.network()
    network.backbone.eval()
    with pytest.raises(RuntimeError, match=r"no gradients in evaluation: expected torch\.no_grad\(\)"):
        case.embeddings(network)


def test_a_value_that_is_none_is_not_passed_over_by_a_pool():
    layer = Case().network().layers[1]
    layer.norm.eval()
    x = torch.zeros(2, 32, 8, 8).to(DEVICE)
    x[1, 5, 3, 6] = torch.nan
    with torch.no_grad():
        found = layer(x).isnan().nonzero().tolist()
    assert found == [[1, 5, 1, 3]]


@pytest.mark.parametrize(("name", "strides"), [("cifar-small", r"27, 9, 3, 1"), ("mnist-small", "144, 9, 3, 1")])
def test_kernels_that_lie_otherwise_are_refused(name, strides):
    """The first ones, or, where these are of one channel and lie both ways, the next."""
    backbone = Backbone(BACKBONES[name], SHAPES[name], 9)
    with pytest.raises(ValueError, match=rf"kernels must lie channels last, got strides \({strides}\)"):
        fused.FusedBackbone(backbone, torch.float32)


def test_trying_the_kernels_draws_no_random_number(tried_anew):
    before = torch.get_rng_state()
    assert not fused.obstacle(DEVICE)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_profile_knows_whose_kernels_they_are():
    """torch counts kernels for operators and functions only, whose scope is 0."""
    case = Case()
    x, kernels = (
        torch.randn(shape).to(DEVICE).to(memory_format=torch.channels_last).requires_grad_()
        for shape in ((1, 16, 3, 3), (16, 16, 3, 3))
    )
    with torch.profiler.profile() as profile:
        fused_layer.patches(case.images, case.chosen, case.mean, case.scale, 1, torch.float32)
        fused_convolution.convolved(x, kernels).sum().backward()
    kinds = {_kind(event) for event in profile.events() if event.scope == 0}
    assert {"batches from the data set", "convolutions, forward", "convolutions, backward"} <= kinds


@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (16, 64), (32, 16)])
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (14, 14)])
def test_a_convolution_of_ours_is_torchs(inputs, outputs, size):
    """Of pixels that are several programs', the last of which is not whole."""
    torch.manual_seed(0)
    shapes = (3, inputs, *size), (outputs, inputs, 3, 3), (3, outputs, *size)
    x, kernels, dy = (torch.randn(shape).to(DEVICE).to(memory_format=torch.channels_last) for shape in shapes)
    x, kernels = x.requires_grad_(), kernels.requires_grad_()
    found = fused_convolution.convolved(x, kernels)
    assert found.is_contiguous(memory_format=torch.channels_last)
    exact = torch.nn.functional.conv2d(x.double(), kernels.double(), None, 1, 1)
    pairs = zip((found, *torch.autograd.grad(found, (x, kernels), dy)),
                (exact, *torch.autograd.grad(exact, (x, kernels), dy.double())), strict=True)  # fmt: skip
    for one, other in pairs:
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(3, 2), (1, 1)])
def test_flat_and_in_float32_is_the_same_in_one_copy(dtype, size):
    x = torch.randn(5, 16, *size).to(DEVICE, dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    plain, found = x.flatten(1).float(), fused._Flat.apply(x)
    assert torch.equal(found, plain)
    assert found.is_contiguous()
    towards = torch.randn_like(plain)
    one, other = (torch.autograd.grad(each, x, towards)[0] for each in (found, plain))
    assert torch.equal(one, other)
    assert one.dtype == dtype
    assert one.is_contiguous(memory_format=torch.channels_last)


class Launches(TorchDispatchMode):
    """Counts operators that launch kernels on CUDA, as one each, and the kernels of Triton, which are not run."""

    NONE = "empty", "empty_like", "new_empty", "empty_strided", "_unsafe_view", "promote_types"

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if not (function.is_view or name in self.NONE or name.startswith("_record_function")):
            self.names.append(name)
        return function(*args, **(kwargs or {}))

    def __getitem__(self, grid):
        return lambda *args, **options: self.names.append("triton")


@pytest.mark.parametrize(
    ("loss", "precision", "most"),
    [
        ("softmax", torch.bfloat16, 109),
        ("softmax", torch.float32, 98),
        ("w-softmax:0.5", torch.bfloat16, 139),
        ("w-softmax:1", torch.bfloat16, 145),
        ("w-softmax-centred:1", torch.bfloat16, 151),
        ("w-softmax-simplex:1", torch.bfloat16, 130),
    ],
)
def test_a_step_has_few_launches(loss, precision, most, monkeypatch):
    """In the paper's network on MNIST 75 are the network's own: 27 of nine convolutions (18 in float32, where torch has
    one operator for both ways back), 3 of the FC layer, 1 of the images, 44 of what is between."""
    recipe = dataclasses.replace(RECIPES["paper-mnist"].recipe, loss=loss, batch_size=12, softmax_epochs=0)
    images, labels = torch.zeros((12, 1, 28, 28), dtype=torch.uint8), torch.arange(12) % 10
    dataset = Dataset("mnist", images, labels, images, labels, 10, "none")
    backbone, head = build(recipe, dataset)
    data = module.Batches(dataset, torch.device("cpu"))
    monkeypatch.setattr(module, "_fused", lambda backbone, *_: fused.FusedBackbone(backbone, precision))
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda tensor: True))
    step = Step(recipe, backbone.to(memory_format=torch.channels_last), head, data)
    launches = Launches()
    for home, kernel in KERNELS:
        monkeypatch.setattr(home, kernel, launches)
    monkeypatch.setattr(torch.Tensor, "is_cpu", property(lambda tensor: False))
    with launches:
        step._batch(recipe.batch_size)
    assert launches.names.count("triton") == 1 + 4 * 11 + 2 * 9 * (precision == torch.bfloat16)
    assert len(launches.names) <= most, launches.names


def test_a_network_of_torchs_own_prelu_has_every_layer_too():
    case = Case()
    exact = case.gradients()
    of_torch_alone(case.backbone)
    assert len(case.network().layers) == 4
    assert apart(case.fused_gradients(case.network()), exact) < 1e-4


@pytest.fixture
def tried_anew():
    forget = fused.obstacle.cache_clear
    forget()
    yield
    forget()


def test_kernels_are_used_on_cuda_where_they_can_be_made(tried_anew, monkeypatch):
    backbone, cuda = Case().backbone, torch.device("cuda")
    assert not fused.obstacle(DEVICE)
    monkeypatch.setattr(module, "in_bfloat16", lambda wanted, device: wanted == "bfloat16")
    monkeypatch.setattr(fused, "obstacle", lambda device: "")
    assert module._fused(backbone, "bfloat16", torch.device("cpu")) is None
    assert module._fused(backbone, "bfloat16", cuda).dtype == torch.bfloat16
    assert module._fused(backbone, "float32", cuda).dtype == torch.float32
    monkeypatch.setattr(fused, "obstacle", lambda device: "no compiler")
    with pytest.warns(UserWarning, match="torch's own modules train, as Triton can make no kernels: no compiler"):
        assert module._fused(backbone, "auto", cuda) is None
    monkeypatch.setitem(sys.modules, "fc_width.fused", None)
    monkeypatch.delattr("fc_width.fused")
    with pytest.warns(UserWarning, match="torch's own modules train"):
        assert module._fused(backbone, "auto", cuda) is None


@pytest.mark.parametrize(("home", "kernel"), KERNELS)
def test_what_triton_cannot_make(home, kernel, tried_anew, monkeypatch):
    """Whichever it is; a device that is full or broken is another matter, and said."""

    class Fails:
        def __getitem__(self, grid):
            raise self.error

    fails = Fails()
    monkeypatch.setattr(home, kernel, fails)
    if home is fused_convolution:  # which is for a GPU alone
        monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda tensor: True))
    for fails.error in (torch.OutOfMemoryError("full"), *map(RuntimeError, (*NO_MEMORY, *BROKEN))):
        with pytest.raises(RuntimeError, match=re.escape(str(fails.error))):
            fused.obstacle(DEVICE)
    fails.error = RuntimeError("Failed to find C compiler")
    assert fused.obstacle(DEVICE) == "RuntimeError: Failed to find C compiler"


COMPILE = """
import os, sys, tempfile, subprocess
import torch, triton
from pathlib import Path
from torch import nn
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from fc_width import fused_convolution, fused_layer
numbers = {"eps": "fp32", "momentum": "fp32", "images": "*u8", "chosen": "*i64"}
pointers = {"x", "y", "dx", "dy"}
floats = "kernels bias slope sums gamma beta moments running_mean running_var gradients dkernels mean scale".split()
dump = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
def compiled(kernel, types, fixed, aligned, options, *told):
    aligned = {(at,): [["tt.divisibility", 16]] for at, each in enumerate(kernel.arg_names)
               if types.get(each, "").startswith("*") or each in aligned}
    source = ASTSource(kernel, types | dict.fromkeys(fixed, "constexpr"), fixed, aligned)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        used = subprocess.run([dump, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    print(kernel.__name__, *told, *(each for each in used.split() if each[:4] in ("REG:", "STAC")))

for name in ("moments", "forward", "backward_sums", "backward", "patches"):
    kernel = getattr(fused_layer, f"_{name}_kernel")
    for dtype, inputs, channels, pixels in CASES:
        first = inputs < 16
        if name == "patches" and not first:
            continue
        owner = nn.Conv2d(inputs, channels, 3).to(memory_format=torch.channels_last)
        layer = fused_layer.Layer(owner, nn.PReLU(channels), nn.BatchNorm2d(channels),
                             torch.zeros(fused_layer.Layer.numbers_of(owner, first)), pixels > 1, first)
        blocks = layer.blocks(pixels if name != "moments" else 1)
        warps = blocks.pop("num_warps")
        fixed = {"TRAINING": True, "PIXELS": pixels, **blocks}
        if name == "patches":
            taps = fused_layer._taps(inputs)
            warps, fixed = 4, {"CHANNELS": inputs, "TAPS": taps, "BLOCK_R": fused_layer.TILE // taps}
        fixed |= {"dx": None} if first else {"kernels": None, "dkernels": None}
        fixed = {key: value for key, value in fixed.items() if key in kernel.arg_names}
        types = {each: "*" + dtype if each in pointers else numbers.get(each, "*fp32" if each in floats else "i32")
                 for each in kernel.arg_names if each not in fixed}
        aligned = {"channels"} if not channels % 16 else set()
        compiled(kernel, types, fixed, aligned, {"num_warps": warps}, dtype, inputs, channels, pixels)

kernel = fused_convolution._convolution_kernel
for inputs, outputs in CONVOLUTIONS:
    for towards, one in ((1, "along_inputs"), (-1, "along_outputs")):  # the stride that is 1 of kernels channels last
        fixed = {"TOWARDS": towards, "INPUTS": inputs, "OUTPUTS": outputs, "BLOCK_R": fused_convolution.CONVOLVED_ROWS,
                 one: 1}
        types = {each: "*bf16" if each in {"x", "y", "kernels"} else "i32"
                 for each in kernel.arg_names if each not in fixed}
        compiled(kernel, types, fixed, {"along_inputs", "along_outputs"} - {one}, fused_convolution.CONVOLVED_OPTIONS,
                 inputs, outputs, towards)
"""
LAYERS = [  # of the paper's networks, their first layers and FC layers, and one of pictures with an opaque alpha
    *((dtype, *layer) for dtype in ("bf16", "fp32") for layer in ((64, 64, 1), (64, 64, 4), (1, 64, 1), (3, 96, 1))),
    ("bf16", 96, 96, 4), ("fp32", 576, 9, 1), ("bf16", 4, 16, 1),
]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux")
def test_the_kernels_compile_for_a_gpu():
    """The interpreter takes more than the compiler does. What they hold has room in registers."""
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    convolutions = [
        (inputs, outputs) for inputs in fused_convolution.CONVOLVED for outputs in fused_convolution.CONVOLVED
    ]
    code = f"CASES = {LAYERS}\nCONVOLUTIONS = {convolutions}\n{COMPILE}"
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert len(lines) == 4 * len(LAYERS) + 5 + 2 * len(convolutions)
    assert all("STACK:0" in line.split() for line in lines), found.stdout
