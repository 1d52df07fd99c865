"""The benchmarks measure what they say: every loss and every way is there, and trains."""

import dataclasses
import json
import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fc_width import benchmark_cost, benchmark_losses, benchmark_profile, benchmark_sweep, benchmark_training, step
from fc_width.backbone import BACKBONES, Backbone
from fc_width.benchmark import main
from fc_width.benchmark_step import InTurn, Stacked
from fc_width.data import load
from fc_width.losses import WSoftmaxLoss
from fc_width.recipes import RECIPES, of_known_data
from fc_width.train import run


def test_losses_are_printed_and_written(tmp_path, capsys):
    path = tmp_path / "losses.json"
    sizes = ["--sizes", "8", "4", "5", "16", "5", "40"]
    options = ["--rounds", "2", "--seconds", "0.001", "--device", "cpu", "--json", str(path)]
    assert main(["losses", *sizes, *options]) == 0
    found = json.loads(path.read_text())["measurements"]
    assert {(each["samples"], each["width"], each["classes"]) for each in found} == {(8, 4, 5), (16, 5, 40)}
    assert all(each["milliseconds"] > 0 and each["peak_mib"] > 0 for each in found)
    assert [each["ratio"] for each in found if each["loss"] == benchmark_losses.NORMALISED] == [1, 1]
    names = {each["loss"] for each in found}
    assert {"softmax", "Algorithm 1, naive", "W-Softmax α = 1, fixed simplex", "library: ArcFaceLoss"} <= names
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Forward and backward, median of 2 interleaved rounds; cpu: ")
    assert len(printed) == len(found) + 4


@pytest.mark.parametrize(("switch", "named"), [("0", True), ("1", False)])
def test_a_table_names_what_makes_the_kernels(switch, named, monkeypatch, capsys):
    pytest.importorskip("numba")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", switch)
    monkeypatch.setattr(benchmark_losses, "measure", lambda options, device, say: [])
    assert main(["losses", "--device", "cpu"]) == 0
    assert (", numba " in capsys.readouterr().out) == named


def test_the_naive_loss_is_the_one_that_it_is_compared_with():
    losses = benchmark_losses.losses(30, 6, 8)
    naive, ours = losses["Algorithm 1, naive"], losses["W-Softmax α = 1, printed"]
    assert isinstance(ours, WSoftmaxLoss)
    ours.weight.data = naive.weight.data
    embeddings, labels = torch.randn(30, 6), torch.randint(8, (30,))
    torch.testing.assert_close(naive(embeddings, labels), ours(embeddings, labels))


@pytest.mark.parametrize("size", [(256, 512, 1000), (64, 128, 3000)])
def test_with_many_classes_w_softmax_needs_at_most_1_5_times_the_memory_of_softmax(size):
    embeddings, labels = torch.randn(size[:2], requires_grad=True), torch.randint(size[2], size[:1])
    peaks = {
        name: benchmark_losses._peak(benchmark_losses._step(loss, embeddings, labels), torch.device("cpu"))
        for name, loss in benchmark_losses.losses(*size).items()
        if name.startswith(("softmax", "W-Softmax"))
    }
    softmax, normalised = peaks.pop("softmax"), peaks.pop(benchmark_losses.NORMALISED)
    assert len(peaks) == 3
    assert max(peaks.values()) <= 1.5 * softmax < normalised


def test_the_ordinary_loop_learns_what_the_engine_learns(tmp_path, capsys):
    path = tmp_path / "sweep.json"
    options = [
        "--runs",
        "1",
        "--rounds",
        "1",
        "--epochs",
        "2",
        "--workers",
        "2",
        "--device",
        "cpu",
        "--json",
        str(path),
    ]
    assert main(["sweep", *options]) == 0
    found = json.loads(path.read_text())["measurements"]
    assert [each["way"] for each in found] == [
        "ordinary loop",
        "ordinary loop, no loader processes, one thread",
        "engine, one at a time",
        "engine, 2 at a time",
    ]
    assert found[0]["ratio"] == 1
    assert all(each["accuracy"] > 0.9 and each["images_per_second"] > 0 and each["peak_mib"] > 50 for each in found)
    assert all(0 < each["share"] < 1 for each in found)
    assert found[2]["accuracy"] == found[3]["accuracy"]
    assert abs(found[2]["accuracy"] - found[0]["accuracy"]) < 0.01  # one order of the data: apart by rounding only
    assert "runs of each way in each of 1 interleaved rounds" in capsys.readouterr().out


def test_the_ordinary_loop_takes_alpha_up_when_the_recipe_does(digits, monkeypatch):
    recipe = dataclasses.replace(RECIPES["digits"].recipe, epochs=3, softmax_epochs=1, loss="w-softmax:1")
    seen, forward = [], WSoftmaxLoss.forward

    def watched(self, *batch):
        seen.append(self.alpha)
        return forward(self, *batch)

    monkeypatch.setattr(WSoftmaxLoss, "forward", watched)
    (found,) = benchmark_sweep.ordinary_runs([recipe], digits, "cpu", loaders=0)
    steps = len(seen) // 3
    assert seen == [0.0] * steps + [1.0] * 2 * steps
    assert found == pytest.approx(run(recipe, digits)["final"]["test_accuracy"], abs=0.01)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_the_ordinary_loop_has_the_engine_s_precision_too(bfloat16, monkeypatch):
    asked, made, rated = [], [], []

    def in_a_process(recipes, dataset, device, way, **options):
        made.append((way, options))
        return 1.0, [0.9] * len(recipes), 100.0

    monkeypatch.setattr(benchmark_sweep, "_in_a_process", in_a_process)
    monkeypatch.setattr(benchmark_sweep, "in_bfloat16", lambda *given: asked.append(given) or bfloat16)
    monkeypatch.setattr(benchmark_sweep, "_product_rate", lambda device, dtype: rated.append(dtype) or 1000.0)
    named = RECIPES["digits"]
    recipe = dataclasses.replace(named.recipe, precision="bfloat16")
    monkeypatch.setitem(RECIPES, "digits", dataclasses.replace(named, recipe=recipe))
    options = benchmark_sweep.Sweep(runs=1, rounds=1, workers=2)
    found = benchmark_sweep.measure(options, torch.device("cpu"), lambda text: None)
    assert asked == [("bfloat16", torch.device("cpu"))]
    assert rated == [torch.bfloat16 if bfloat16 else torch.float32]
    loop, engine = benchmark_sweep.ordinary_runs, benchmark_sweep.engine_runs
    expected = {
        "ordinary loop": (loop, {}),
        "ordinary loop, no loader processes, one thread": (loop, {"loaders": 0}),
        "engine, one at a time": (engine, {"workers": 1}),
        "engine, 2 at a time": (engine, {"workers": 2}),
    }
    if bfloat16:
        for name in list(expected)[:2]:
            expected[f"{name}, bf16 autocast"] = loop, expected[name][1] | {"autocast": True}
    assert dict(zip([each.way for each in found], made, strict=True)) == expected


def test_the_engine_may_have_more_runs_than_the_loop(monkeypatch):
    seen = []

    def in_a_process(recipes, dataset, device, way, **options):
        seen.append([recipe.seed for recipe in recipes])
        return 10.0, [recipe.seed / 100 for recipe in recipes], 100.0 + 7 * (recipes[0].seed == 0)

    monkeypatch.setattr(benchmark_sweep, "_in_a_process", in_a_process)
    monkeypatch.setattr(benchmark_sweep, "_product_rate", lambda device, dtype: 1000.0)
    options = benchmark_sweep.Sweep(runs=2, more=3, rounds=2, workers=2, loops=("alone",))
    loop, *engines = benchmark_sweep.measure(options, torch.device("cpu"), lambda text: None)
    assert seen == [[0, 1], [0, 1, 4, 5, 6], [0, 1, 4, 5, 6], [2, 3], [2, 3, 7, 8, 9], [2, 3, 7, 8, 9]]
    assert [each.ratio for each in engines] == pytest.approx([2.5, 2.5])
    assert loop.images_per_second == pytest.approx(2 * 1347 * 15 / 10)
    assert {each.peak_mib for each in (loop, *engines)} == {107.0}
    assert {loop.accuracy, *(each.accuracy for each in engines)} == {0.015}
    assert loop.way == "ordinary loop, no loader processes, one thread"
    assert "2 runs of each way, 3 more of the engine, in each of 2" in benchmark_sweep.describe(
        options, torch.device("cpu")
    )


def test_a_run_that_is_not_done_is_told_not_counted(digits):
    recipe = dataclasses.replace(RECIPES["digits"].recipe, epochs=1, softmax_epochs=0, lr=1e30)
    with pytest.raises(RuntimeError, match=f"{recipe.run_id}: diverged "):
        benchmark_sweep._in_a_process([recipe], digits, "cpu", way=benchmark_sweep.engine_runs, workers=1)


def test_the_ordinary_loop_trains_in_bfloat16_on_a_cpu(digits, monkeypatch):
    seen, prelu = set(), torch.nn.PReLU.forward
    monkeypatch.setattr(torch.nn.PReLU, "forward", lambda self, x: seen.add((self.training, x.dtype)) or prelu(self, x))
    recipe = dataclasses.replace(RECIPES["digits"].recipe, epochs=3, softmax_epochs=0)
    cpu = torch.device("cpu")
    assert benchmark_sweep._ordinary_run(recipe, digits, cpu, autocast=True, loaders=0) > 0.9
    assert seen >= {(True, torch.bfloat16), (False, torch.bfloat16)}  # after convolutions; the FC layer is in float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_product_rate_is_that_of_its_type(dtype, monkeypatch):
    seen, ones = set(), torch.ones(32, 32)
    monkeypatch.setattr(torch, "randn", lambda *size, device: ones)
    product = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: seen.add(a.dtype) or product(a, b))
    assert benchmark_sweep._product_rate(torch.device("cpu"), dtype) > 0
    assert seen == {dtype}


def test_nothing_but_products_is_in_the_product_rate(monkeypatch):
    done, product, ones = [], torch.Tensor.__matmul__, torch.ones(32, 32)
    monkeypatch.setattr(torch, "randn", lambda *size, device: ones)
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: done.append("product") or product(a, b))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append("wait"))
    monkeypatch.setattr(benchmark_sweep.time, "perf_counter", lambda: done.append("clock") or float(len(done)))
    rate = benchmark_sweep._product_rate(torch.device("cuda"), torch.float32)
    assert done == ["product", *["wait", "clock", *["product"] * 10, "wait", "clock"] * 5]
    assert rate == pytest.approx(10 * 2 * 8192**3 / 1e9 / 12)


def test_on_cuda_the_kernels_are_made_before_a_time_is_taken(monkeypatch):
    seen = []

    def in_a_process(recipes, dataset, device, way, **options):
        seen.append((way, [recipe.epochs for recipe in recipes], device))
        return (1.0 if len(seen) > 1 else 1000.0), [0.9] * len(recipes), 100.0

    monkeypatch.setattr(benchmark_sweep, "_in_a_process", in_a_process)
    monkeypatch.setattr(benchmark_sweep, "in_bfloat16", lambda *given: False)
    monkeypatch.setattr(benchmark_sweep, "_product_rate", lambda device, dtype: 1000.0)
    options = benchmark_sweep.Sweep(runs=2, rounds=1, workers=2, loops=("alone",))
    found = benchmark_sweep.measure(options, torch.device("cuda"), lambda text: None)
    assert seen[0] == (benchmark_sweep.engine_runs, [1], "cuda:0")
    assert len(seen) == 1 + len(found)
    assert {each.runs_per_hour for each in found} == {7200}


def test_the_difference_of_accuracies_is_paired():
    mean, low, high = benchmark_sweep._difference([0.99, 0.95, 0.91], [0.98, 0.93, 0.90])
    assert (mean, low, high) == pytest.approx((4 / 3, 4 / 3 - 4.3027 / 3, 4 / 3 + 4.3027 / 3), abs=1e-4)


def test_the_ordinary_loop_s_network_is_of_torch_alone():
    torch.manual_seed(0)
    ours = Backbone(BACKBONES["digits"], (1, 8, 8), 5)
    images = torch.randn(7, 1, 8, 8)
    wanted = ours(images)
    plain = benchmark_sweep.of_torch_alone(ours)
    assert {type(module).__module__.partition(".")[0] for module in plain.modules()} == {"torch", "fc_width"}
    assert [type(m) for m in plain.modules() if type(m).__module__.startswith("fc_width")] == [Backbone]
    torch.testing.assert_close(plain(images), wanted, rtol=0, atol=0)


def test_the_cost_of_a_sweep(tmp_path, capsys):
    path = tmp_path / "cost.json"
    sizes = ["--widths", "1", "4", "--classes", "2", "40", "--images", "0.1", "1", "--runs", "1", "2"]
    assert main(["cost", *sizes, "--epochs", "1", "--rounds", "1", "--device", "cpu", "--json", str(path)]) == 0
    found = json.loads(path.read_text())["measurements"]
    assert [(each["changed"], each["value"]) for each in found] == [
        ("width M", 1),
        ("width M", 4),
        ("classes C", 2),
        ("classes C", 40),
        ("training images", 135),
        ("training images", 1347),
        ("runs of a sweep", 1),
        ("runs of a sweep", 2),
    ]
    assert [each["ratio"] for each in found[::2]] == [1] * 4
    assert found[5]["ratio"] > 2  # ten times the images
    assert "| classes C | 40 | " in capsys.readouterr().out


@pytest.mark.parametrize("where", ["alone", "sweep"])
def test_a_run_that_is_not_done_has_no_cost(where, capsys, monkeypatch):
    """One that diverges at once takes hardly any time."""
    sizes = ["--widths", "4", "--classes", "2", "--images", "1", "--runs", "1"]
    record = {"run_id": "this", "status": "diverged"}
    if where == "alone":
        monkeypatch.setattr(benchmark_cost, "run", lambda *arguments: record)
    else:
        monkeypatch.setattr(benchmark_sweep, "run_all", lambda recipes, *rest: None)
        monkeypatch.setattr(benchmark_sweep.Store, "read", lambda store, run_id: record)
    assert main(["cost", *sizes, "--epochs", "1", "--rounds", "1", "--device", "cpu"]) == 2
    assert capsys.readouterr().err.endswith("error: this: diverged\n")


def test_networks_stacked_by_vmap_learn_what_each_learns_alone():
    dataset = load("digits")
    recipes = [dataclasses.replace(of_known_data("digits"), loss="softmax", seed=seed) for seed in (3, 4)]
    in_turn, stacked = (way(recipes, dataset, torch.device("cpu")) for way in (InTurn, Stacked))
    generator = torch.Generator().manual_seed(0)
    orders = torch.stack([torch.randperm(len(dataset.train_labels), generator=generator) for _ in recipes])
    before = {name: parameter.clone() for name, parameter in stacked.parameters.items()}

    def taken(index):
        """How far a network went alone, and how far from there in the stack, over all its parameters."""
        alone = {f"backbone.{name}": each for name, each in in_turn.steps[index].backbone.named_parameters()}
        alone |= {f"loss.{name}": each for name, each in in_turn.steps[index].loss.named_parameters()}
        assert alone.keys() == before.keys()
        one, other, start = (
            torch.cat([each.detach().flatten() for each in every])
            for every in (
                [alone[name] for name in before],
                [stacked.parameters[name][index] for name in before],
                [before[name][index] for name in before],
            )
        )
        return float((one - start).norm()), float((other - one).norm())

    for steps, within in ((1, 1e-5), (2, 0.1)):  # the second has momentum, and amplifies how the first was rounded
        for way in (in_turn, stacked):
            way.take(steps, orders)
        for index, one in enumerate(in_turn.steps):
            moved, apart = taken(index)
            assert moved > 0.1
            assert apart < within * moved
            if steps == 1:
                assert stacked.hits[index] == one.hits
                assert float(stacked.total[index]) == pytest.approx(float(one.total), rel=1e-5)
    assert float(in_turn.steps[0].total) != pytest.approx(float(in_turn.steps[1].total), rel=1e-3)


def test_networks_are_stacked_in_bfloat16_too(monkeypatch):
    monkeypatch.setattr(step, "multiplies_bfloat16", lambda: True)
    dataset = load("digits")
    recipe = dataclasses.replace(of_known_data("digits"), loss="softmax", precision="bfloat16")
    orders = torch.arange(len(dataset.train_labels))[None]
    in_turn, stacked = (way([recipe], dataset, torch.device("cpu")) for way in (InTurn, Stacked))
    for way in (in_turn, stacked):
        way.take(3, orders)
    assert float(stacked.total[0]) == pytest.approx(float(in_turn.steps[0].total), rel=0.05)
    plain = Stacked([dataclasses.replace(recipe, precision="float32")], dataset, torch.device("cpu"))
    plain.take(3, orders)
    assert float(plain.total[0]) != float(stacked.total[0])


def test_rounds_may_have_more_steps_than_a_run():
    dataset = load("digits")
    recipe = dataclasses.replace(of_known_data("digits"), loss="softmax", epochs=1, softmax_epochs=0)
    way = InTurn([recipe], dataset, torch.device("cpu"))
    orders = torch.arange(len(dataset.train_labels))[None]
    for _ in range(2):
        way.take(26, orders)
        assert float(way.steps[0].rate) == pytest.approx(recipe.lr * recipe.lr_decay ** (25 / recipe.lr_decay_steps))


def counted_graphs(monkeypatch):
    """The trunks' graphs, by a compiler that takes no time; of convolutions each has so many."""
    graphs, compile_ = [], torch.compile

    def backend(graph, examples):
        graphs.append(sum("conv2d" in str(node.target) for node in graph.graph.nodes))
        return graph.forward

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", lambda function: compile_(function, backend=backend))
    return graphs


def test_the_compiled_way_is_compiled_one_graph_for_all_networks(monkeypatch):
    graphs, dataset = counted_graphs(monkeypatch), load("digits")
    base = dataclasses.replace(of_known_data("digits"), loss="softmax")
    orders = torch.arange(len(dataset.train_labels)).repeat(9, 1)
    for count in (1, 9):  # one more than there may be graphs of a function
        recipes = [dataclasses.replace(base, seed=seed) for seed in range(count)]
        way = InTurn(recipes, dataset, torch.device("cpu"), compiled=True)
        way.take(2, orders[:count])
        assert graphs == [3]
    plain = InTurn(recipes, dataset, torch.device("cpu"))
    plain.take(2, orders)
    for one, other in zip(way.steps, plain.steps, strict=True):
        assert float(one.total) == pytest.approx(float(other.total), rel=1e-3)


def test_the_time_of_a_step(tmp_path, capsys, monkeypatch):
    graphs = counted_graphs(monkeypatch)
    path = tmp_path / "step.json"
    sizes = ["--networks", "1", "3", "--steps", "2", "--rounds", "1"]
    assert main(["step", *sizes, "--device", "cpu", "--json", str(path)]) == 0
    found = json.loads(path.read_text())["measurements"]
    ways = ["in turn", "in turn, compiled", "stacked"]
    assert [(each["way"], each["networks"]) for each in found] == [(way, count) for count in (1, 3) for way in ways]
    for index, each in enumerate(found):
        assert each["ratio"] == pytest.approx(found[index // 3 * 3]["milliseconds"] / each["milliseconds"])
    assert len(graphs) == 1
    assert "| stacked | 3 | " in capsys.readouterr().out
    assert main(["step", *sizes, "--device", "cpu", "--ways", "stacked", "--json", str(path)]) == 0
    assert [each["way"] for each in json.loads(path.read_text())["measurements"]] == ["in turn", "stacked"] * 2
    assert len(graphs) == 1


def test_what_a_wide_layer_and_w_softmax_cost_in_training(tmp_path, capsys, monkeypatch):
    path, taken = tmp_path / "training.json", []

    def take(self, steps, orders, *, own=InTurn.take):
        own(self, steps, orders)
        (each,) = self.steps
        taken.append((each.loss.weight.shape[1], getattr(each.loss, "alpha", None), steps))

    monkeypatch.setattr(InTurn, "take", take)
    options = ["--rounds", "3", "--seconds", "0.000001", "--device", "cpu", "--json", str(path)]
    assert main(["training", "--recipes", "digits", *options]) == 0
    found = json.loads(path.read_text())["measurements"]
    networks = [(9, None), (9, 1.0), (270, None), (270, 1.0)]
    assert [(each["width"], each["loss"]) for each in found] == [
        (width, "w-softmax:1" if alpha else "softmax") for width, alpha in networks
    ]
    turns = [each[:2] for each in taken]  # two to see how long a step is, three rounds
    assert turns == 2 * networks + networks + networks[::-1] + networks
    for each in found:
        assert len(each["milliseconds"]) == 3
        ratios = [own / base for own, base in zip(each["milliseconds"], found[0]["milliseconds"], strict=True)]
        assert each["ratio"] == pytest.approx(sorted(ratios)[1])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("A training step (batch, forward, backward, optimiser) in 3 interleaved rounds; cpu: ")
    assert printed[-1].startswith("| digits | w-softmax:1 | 270 | ")


@pytest.mark.parametrize(("slow", "steps", "turns"), [(1.0, 1, 3), (0.01, 10, 30), (0.001, 26, 116)])
def test_a_round_is_the_median_of_short_turns(slow, steps, turns, monkeypatch):
    """Of 3 seconds, 0.1 s a turn, an epoch (26 steps) at most; at M = 270 a step takes so long, at 9 a thirtieth."""
    now, taken = [0.0], []

    def take(self, steps, orders):
        taken.append(steps)
        disturbed = 7 if len(taken) % 20 == 11 else 1
        now[0] += disturbed * slow * steps * self.steps[0].loss.weight.shape[1] / 270

    monkeypatch.setattr(InTurn, "take", take)
    monkeypatch.setattr(benchmark_training.time, "perf_counter", lambda: now[0])
    options = benchmark_training.Training(rounds=2, seconds=3)
    found = benchmark_training.measure(options, torch.device("cpu"), lambda text: None)
    assert taken == [1] * 8 + [steps] * (2 * 4 * turns)
    milliseconds = 1000 * slow
    for each, expected in zip(found, [milliseconds / 30] * 2 + [milliseconds] * 2, strict=True):
        assert each.milliseconds == pytest.approx((expected, expected))
        assert each.ratio == pytest.approx(each.width / 9)


def test_where_the_time_of_a_run_goes(tmp_path, capsys):
    path = tmp_path / "profile.json"
    assert main(["profile", "--device", "cpu", "--json", str(path)]) == 0
    found = json.loads(path.read_text())["measurements"]
    shares = {each["kind"]: each["share"] for each in found}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["convolutions, backward"] > 0.05
    assert {"convolutions, forward", "PReLU, both ways", "batch norm, both ways", "optimiser"} <= shares.keys()
    assert [each["seconds"] for each in found] == sorted((each["seconds"] for each in found), reverse=True)
    assert "digits, softmax, 1 epoch; cpu: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["losses", "--sizes", "8", "0", "5"], "sizes must be N ≥ 1, M ≥ 1, C ≥ 2, got ((8, 0, 5),)"),
        (["losses", "--sizes"], "sizes must be one at least, got none"),
        (["step", "--networks"], "networks must be one at least, got none"),
        (["cost", "--runs"], "runs must be one at least, got none"),
        (["losses", "--rounds", "0"], "rounds must be at least 1, got 0"),
        (["losses", "--seconds", "nan"], "seconds must be finite and above 0, got nan"),
        (["losses", "--seconds", "0"], "seconds must be finite and above 0, got 0.0"),
        (["losses", "--json", "/"], "[Errno 21] Is a directory: '/'"),
        (["losses", "--json", "/dev/null/x.json"], "[Errno 20] Not a directory: '/dev/null/x.json'"),
        (["losses", "--device", "tpu"], "device must be auto, cpu, or cuda where there is one, got 'tpu'"),
        (["sweep", "--recipe", "best"], "unknown recipe 'best': expected one of digits, "),
        (["sweep", "--runs", "0"], "runs must be at least 1, got 0"),
        (["sweep", "--more", "-1"], "more runs of the engine must be at least 0, got -1"),
        (["sweep", "--loops"], "loops must be one at least, loaders or alone, got none"),
        (["sweep", "--workers", "0"], "workers must be at least 1, got 0"),
        (["profile", "--recipe", "best"], "unknown recipe 'best': expected one of digits, "),
        (["step", "--networks", "2", "0"], "networks and steps must be at least 1, got (2, 0) and 20"),
        (["step", "--steps", "27"], "steps must be at most 26, those of an epoch of digits, got 27"),
        (["training", "--recipes"], "recipes must be one at least, got none"),
        (["training", "--recipes", "digits", "best"], "unknown recipe 'best': expected one of digits, "),
        (["training", "--seconds", "inf"], "seconds must be finite and above 0, got inf"),
        (["training", "--rounds", "0"], "rounds must be at least 1, got 0"),
        (["cost", "--recipe", "cifar10-small-validated"], "unknown recipe 'cifar10-small-validated'"),
        (["cost", "--recipe", "cifar10-small-augmented"], "unknown recipe 'cifar10-small-augmented'"),
        (["sweep", "--loss", "w-softmax:x"], "loss 'w-softmax:x': alpha must be a number, got 'x'"),
        (["cost", "--recipe", "best"], "unknown recipe 'best': expected one of digits, "),
        (["cost", "--runs", "4", "0"], "runs must be at least 1, got (4, 0)"),
        (["cost", "--classes", "0"], "classes must be at least 2, got (0,)"),
        (["cost", "--classes", "10", "1"], "classes must be at least 2, got (10, 1)"),
        (["cost", "--images", "1", "0.0001"], "images must leave at least 2 of 1347, got (1.0, 0.0001)"),
        (["cost", "--images", "2"], "images must be shares in 0…1, got (2.0,)"),
        (["cost", "--widths", "0"], "M must be at least 1, got M=0"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("too large\nat here"), OverflowError("too large"), MemoryError()])
def test_what_is_too_large_is_one_line_and_leaves_no_file(error, tmp_path, monkeypatch, capsys):
    def measure(*given):
        raise error

    monkeypatch.setattr(benchmark_losses, "measure", measure)
    assert main(["losses", "--device", "cpu", "--json", str(tmp_path / "new.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_interrupt_ends_the_measured_process(monkeypatch):
    def interrupted(connection, timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark_sweep.multiprocessing.connection.Connection, "poll", interrupted)
    with pytest.raises(KeyboardInterrupt):
        benchmark_sweep._in_a_process([], None, "cpu", way=benchmark_sweep.time.sleep)
    assert not benchmark_sweep.multiprocessing.active_children()


def _with_a_child_of_its_own(recipes, dataset, device, path):
    """Whose child ignores that its parent is gone, as a loader does until it watches for that."""
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    child.start()
    Path(path).write_text(str(child.pid))
    time.sleep(60)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interrupt_ends_the_processes_of_the_measured_one_too(tmp_path, monkeypatch):
    path = tmp_path / "pid"
    poll = benchmark_sweep.multiprocessing.connection.Connection.poll

    def interrupted(connection, timeout):
        if path.exists() and path.read_text():
            raise KeyboardInterrupt
        return poll(connection, timeout)

    monkeypatch.setattr(benchmark_sweep.multiprocessing.connection.Connection, "poll", interrupted)
    with pytest.raises(KeyboardInterrupt):
        benchmark_sweep._in_a_process([], None, "cpu", way=_with_a_child_of_its_own, path=str(path))
    deadline = time.monotonic() + 20
    while _alive(int(path.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(int(path.read_text()))


def test_a_kernel_counts_once_for_the_operator_that_launched_it():
    def event(name, device, microseconds, parent=None):
        kind = getattr(torch.autograd.DeviceType, device)
        return SimpleNamespace(
            name=name, device_type=kind, self_device_time_total=microseconds, self_cpu_time_total=1, cpu_parent=parent
        )

    convolution = event("aten::convolution", "CPU", 0)
    events = [
        convolution,
        event("aten::cudnn_convolution", "CPU", 5e6, convolution),
        event("void cutlass::some_convolution", "CUDA", 5e6),
        event("aten::add_", "CPU", 2e6),
        event("void elementwise_kernel", "CUDA", 2e6),
    ]
    found = benchmark_profile._by_kind(events, torch.device("cuda"))
    assert found == {"convolutions, forward": 5, benchmark_profile.OTHER: 2}
