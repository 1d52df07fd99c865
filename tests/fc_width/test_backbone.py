"""The networks: shapes, counts, errors."""

import pytest
import torch

from fc_width.backbone import BACKBONES, FEATURES, Backbone, PReLU, Stage


@pytest.mark.parametrize(
    ("name", "shape", "inputs", "convs", "parameters"),
    [
        ("mnist", (1, 28, 28), 576, 10, 340_132),
        ("mnist-small", (1, 28, 28), 144, 7, 15_748),
        ("digits", (1, 8, 8), 128, 3, 20_292),
        ("cifar10", (3, 32, 32), 2048, 13, 1_029_604),
        ("cifar100", (3, 32, 32), 6144, 13, 6_206_916),
        ("cifar-small", (3, 32, 32), 512, 7, 35_092),
    ],
)
def test_the_tables(name, shape, inputs, convs, parameters):
    net = Backbone(BACKBONES[name], shape, 9)
    assert net.fc_inputs == inputs
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == convs
    assert net(torch.zeros(3, *shape)).shape == (3, 9)
    assert net.fc_parameters() == 9 * (inputs + 1)
    assert sum(each.numel() for each in net.parameters()) == parameters


def test_the_paper_s_mnist_network_has_the_parameters_counted_by_hand():
    net = Backbone(BACKBONES["mnist"], (1, 28, 28), 9)
    convolutions = (1 * 9 + 1) * 64 + 9 * (64 * 9 + 1) * 64
    prelu, norm = 10 * 64, 10 * 2 * 64
    feature = 9 + 2 * 9
    total = convolutions + prelu + norm + 9 * 577 + feature
    assert sum(p.numel() for p in net.parameters()) == total


@pytest.mark.parametrize("feature", FEATURES)
def test_features(feature):
    torch.manual_seed(0)
    net = Backbone(BACKBONES["digits"], (1, 8, 8), 5, feature)
    out = net(torch.randn(64, 1, 8, 8))
    if feature in ("bn", "prelu-bn"):
        assert out.mean(0).abs().max() < 1e-5
    assert (out.min() >= 0) == (feature == "bn-relu")


def test_prelu_comes_before_batch_norm():
    kinds = [type(layer).__name__ for layer in Backbone(BACKBONES["digits"], (1, 8, 8), 5).trunk]
    assert kinds[:3] == ["Conv2d", "PReLU", "BatchNorm2d"]


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4, 2)])
def test_prelu_is_torch_s_own_both_ways(shape):
    torch.manual_seed(0)
    inputs, gradient = torch.randn(2, *shape, dtype=torch.float64)
    inputs[0, 0] = 0  # where the slope is a
    slopes = torch.tensor([0.25, -0.5, 1.7], dtype=torch.float64)
    results = []
    for kind in (PReLU, torch.nn.PReLU):
        layer = kind(3).double()
        layer.weight.data.copy_(slopes)
        x = inputs.clone().requires_grad_()
        y = layer(x)
        results.append((y.detach(), *torch.autograd.grad(y, (x, layer.weight), gradient)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=1e-14)


def test_prelu_of_bfloat16_is_that_of_its_values_and_keeps_its_slopes_in_float32():
    torch.manual_seed(0)
    inputs, gradient = torch.randn(2, 50, 3, 6, 6).bfloat16()
    results = []
    for kind, dtype in ((PReLU, torch.bfloat16), (torch.nn.PReLU, torch.float64)):
        layer = kind(3).to(torch.float32 if dtype == torch.bfloat16 else dtype)
        x = inputs.to(dtype, copy=True).requires_grad_()
        y = layer(x)
        y.backward(gradient.to(dtype))
        results.append((y.detach(), x.grad, layer.weight.grad))
    assert [each.dtype for each in results[0]] == [torch.bfloat16, torch.bfloat16, torch.float32]
    rounding = 0.01, 0.01, 2**-8 * 1800**0.5  # a slope's gradient is a sum of 1,800 rounded products of about 1
    for ours, exact, error in zip(*results, rounding, strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=0.01, atol=error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((BACKBONES["digits"], (1, 8, 8), 0), "M must be at least 1, got M=0"),
        ((BACKBONES["digits"], (1, 8, 8), 3, "relu"), "unknown feature 'relu': expected one of linear, bn"),
        ((BACKBONES["mnist"], (1, 4, 28), 3), "images of 4×28 are too small"),
        (((Stage(4, 1, stride=2, pool=True),), (1, 2, 2), 3), "images of 2×2 are too small"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Backbone(*arguments)


def test_weights_begin_as_xavier_s_and_biases_at_0():
    """Glorot and Bengio (2010), Eq. 16: uniform up to √(6/(fan in + fan out)), which torch's own layers do not begin
    with."""
    for module in Backbone(BACKBONES["mnist"], (1, 28, 28), 64).modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            window = module.weight[0, 0].numel()
            end = (6 / (window * (module.weight.shape[0] + module.weight.shape[1]))) ** 0.5
            largest = float(module.weight.detach().abs().max())
            assert 0.95 * end < largest <= end * (1 + 1e-6)
            assert not module.bias.detach().any()
