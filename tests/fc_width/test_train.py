"""One run: what a record holds, that it is reproducible, and that what should be shared between runs is."""

import ast
import base64
import dataclasses
import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from fc_width import geometry, provenance, step, train
from fc_width.recipes import PRECISIONS, RECIPES, Recipe
from fc_width.train import Running, build, derived_seed, run

QUICK = Recipe(epochs=2, softmax_epochs=1, lr=0.05)


def same(record):
    """A record less what may differ between two identical runs."""
    return {key: value for key, value in record.items() if key not in ("seconds", "provenance")}


@pytest.mark.parametrize("loss", ["softmax", "w-softmax:1", "w-softmax-centred:1", "w-softmax-simplex:1"])
def test_a_record_is_whole_plain_json_and_reproducible(few_digits, loss):
    recipe = dataclasses.replace(QUICK, loss=loss)
    running, fractions = Running(recipe, few_digits), []
    while running.record is None:
        running.advance()
        fractions.append(running.fraction)
    record = running.record
    assert fractions == sorted(fractions)
    assert {0.5, 1.0} <= set(fractions)
    assert len(set(fractions)) == 7  # a step at a time: 130 images in batches of 50, two epochs
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["run_id"] == recipe.run_id
    assert Recipe(**record["recipe"]) == recipe
    assert record["status"] == "done"
    assert len(record["train_accuracy"]) == len(record["test_accuracy"]) == 2
    assert record["final"]["test_accuracy"] == record["test_accuracy"][-1]
    bits = np.unpackbits(np.frombuffer(base64.b64decode(record["correct"]), np.uint8))[:75]
    assert bits.mean() == pytest.approx(record["final"]["test_accuracy"])
    angles, labels = np.array(record["class_angles"]["test"]), few_digits.test_labels.numpy()
    assert np.average(angles, weights=np.bincount(labels)) == pytest.approx(record["final"]["test_angle"])
    classifier = 0 if "simplex" in loss else 90
    assert record["parameters"] == {"fc": 9 * 129, "classifier": classifier}
    assert record["bytes"] == {"fc": 4 * 9 * 129, "classifier": 4 * classifier}
    assert record["provenance"]["data_sha256"] == "few"
    assert set(record["geometry"]) == {
        "smallest_angle",
        "weight_sum_norm",
        "nc1",
        "variance_ratio",
        "nc2_means",
        "nc2_weights",
        "nc3",
    }
    assert same(run(recipe, few_digits)) == same(record)


def test_training_accuracy_is_of_the_images_trained_on(few_digits):
    """A last image alone in its batch is left out, not counted as wrong."""
    images, labels = few_digits.train_images[:3], few_digits.train_labels[:3]
    few = dataclasses.replace(few_digits, train_images=images, train_labels=labels)
    record = run(dataclasses.replace(QUICK, batch_size=2, epochs=12, lr_decay=1.0), few)
    assert set(record["train_accuracy"]) <= {0.0, 0.5, 1.0}
    assert 1.0 in record["train_accuracy"]


def normalised(dataset, images):
    """By numpy: each channel's mean and deviation over the training set taken off."""
    pixels = dataset.train_images.numpy().astype(np.float64)
    mean, std = (function(pixels, axis=(0, 2, 3), keepdims=True) for function in (np.mean, np.std))
    return torch.from_numpy((images.numpy() - mean) / std).float()


@pytest.mark.parametrize("loss", ["softmax", "w-softmax:1", "w-softmax-simplex:1"])
@pytest.mark.parametrize("width", [2, 9])
def test_what_is_measured_is_what_a_recount_finds(loss, width, few_digits, monkeypatch):
    """By numpy, of the trained network's answers to one image at a time."""
    classes = width + 1 if "simplex" in loss else 10
    first = few_digits.train_labels < classes, few_digits.test_labels < classes
    few = dataclasses.replace(
        few_digits,
        train_images=few_digits.train_images[first[0]],
        train_labels=few_digits.train_labels[first[0]],
        test_images=few_digits.test_images[first[1]],
        test_labels=few_digits.test_labels[first[1]],
        num_classes=classes,
    )
    seen, measure = [], train._measure
    monkeypatch.setattr(train, "_measure", lambda step, *more: seen.append(step) or measure(step, *more))
    record = run(dataclasses.replace(QUICK, width=width, loss=loss, feature="linear", epochs=4), few)
    (step,) = seen
    backbone, weight = step.backbone.eval(), step.loss.classifier().detach().double().numpy()
    if loss == "w-softmax:1":
        raw = step.loss.weight.detach().double().numpy()
        assert weight == pytest.approx(raw / np.linalg.norm(raw, axis=1, keepdims=True), abs=1e-6)
    for split in ("train", "test"):
        images, labels = getattr(few, f"{split}_images"), getattr(few, f"{split}_labels").numpy()
        with torch.no_grad():
            rows = [backbone(image[None]) for image in normalised(few, images)]
        embeddings = torch.cat(rows).double().numpy()
        right = (embeddings @ weight.T).argmax(1) == labels
        lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(weight, axis=1)[labels]
        cosines = (embeddings * weight[labels]).sum(1) / lengths
        degrees = 180 / math.pi * np.arccos(cosines)
        assert record["final"][f"{split}_accuracy"] == pytest.approx(right.mean())
        assert record["final"][f"{split}_angle"] == pytest.approx(degrees.mean(), rel=1e-4)
        assert record["final"][f"{split}_inverted"] == pytest.approx((cosines < 0).mean())
        means = [degrees[labels == label].mean() for label in range(classes)]
        assert record["class_angles"][split] == pytest.approx(means, rel=1e-4)
        if split == "train":
            assert (cosines < 0).mean() != 0.5  # or its complement would do as well
            collapse = geometry.neural_collapse(*map(torch.tensor, (embeddings, weight, labels)))
    found = record["geometry"]
    assert found["weight_sum_norm"] == pytest.approx(np.linalg.norm(weight.sum(0)), abs=1e-6)
    unit = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    between = np.arccos(np.clip((unit @ unit.T)[np.triu_indices(classes, 1)], -1, 1))
    assert found["smallest_angle"] == pytest.approx(180 / math.pi * between.min(), rel=1e-4, abs=1e-3)
    assert {key: found[key] for key in collapse} == pytest.approx(collapse, rel=1e-3, abs=1e-5)
    bits = np.unpackbits(np.frombuffer(base64.b64decode(record["correct"]), np.uint8))[: len(right)]
    assert bits.tolist() == right.tolist()
    assert record["largest_class"] == max(labels.tolist().count(label) for label in range(10)) / len(labels)
    if width == 2:
        assert np.array(record["features"]["embeddings"]) == pytest.approx(embeddings[: train.FEATURES_KEPT], rel=6e-3)
        assert record["features"]["labels"] == labels[: train.FEATURES_KEPT].tolist()
        assert np.array(record["features"]["weight"]) == pytest.approx(weight, rel=1e-3, abs=1e-6)
    else:
        assert "features" not in record


def test_an_epoch_s_test_accuracy_is_that_of_the_network_then(few_digits):
    """Of two epochs the first is measured as the last of one epoch is."""
    one, two = (run(dataclasses.replace(QUICK, epochs=n, softmax_epochs=1), few_digits) for n in (1, 2))
    assert two["test_accuracy"][0] == one["final"]["test_accuracy"]
    assert two["train_accuracy"][0] == one["train_accuracy"][0]


def test_validation_images_are_measured_and_neither_trained_nor_tested_on(few_digits, monkeypatch):
    """As a run on the others alone that is tested on them."""
    recipe = dataclasses.replace(QUICK, epochs=3, lr=0.02, validation=0.2)
    kept, held_out = train.split(recipe, few_digits)
    statistics = step.channel_statistics(few_digits)
    monkeypatch.setattr(step, "channel_statistics", lambda dataset: statistics)
    found = run(recipe, few_digits)
    images, labels = few_digits.train_images, few_digits.train_labels
    others = dataclasses.replace(
        few_digits,
        train_images=images[kept],
        train_labels=labels[kept],
        test_images=images[held_out],
        test_labels=labels[held_out],
    )
    alone = run(dataclasses.replace(recipe, validation=0.0), others)
    assert found["validation_accuracy"] == alone["test_accuracy"]
    assert "validation_accuracy" not in alone
    assert len(set(found["validation_accuracy"])) > 1
    for key in ("train_accuracy", "batch_angle", "geometry"):
        assert found[key] == alone[key]
    assert found["class_angles"]["train"] == alone["class_angles"]["train"]
    assert found["final"]["train_accuracy"] == alone["final"]["train_accuracy"]
    assert len(found["class_angles"]["test"]) == 10
    assert found["final"]["test_accuracy"] == found["test_accuracy"][-1]
    same_network = run(dataclasses.replace(recipe, validation=0.0), dataclasses.replace(few_digits, **{
        name: getattr(others, name) for name in ("train_images", "train_labels")
    }))  # fmt: skip
    assert found["test_accuracy"] == same_network["test_accuracy"]


def test_which_images_are_held_out(digits):
    recipe = dataclasses.replace(QUICK, validation=0.1)
    kept, held_out = train.split(recipe, digits)
    count = len(digits.train_labels)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(count))
    shares = digits.train_labels[held_out].bincount() / digits.train_labels.bincount()
    assert shares.tolist() == pytest.approx([0.1] * 10, abs=0.01)
    other = dataclasses.replace(recipe, width=3, loss="w-softmax:1", feature="linear", epochs=4)
    assert torch.equal(train.split(other, digits)[1], held_out)
    assert not torch.equal(train.split(dataclasses.replace(recipe, seed=1), digits)[1], held_out)
    assert [len(side) for side in train.split(QUICK, digits)] == [count, 0]


def test_a_class_with_no_image_to_hold_out(few_digits):
    with pytest.raises(ValueError, match=r"^validation=0\.01 of 130 training images: .*test_size = 2.*classes = 10"):
        train.check_fit(dataclasses.replace(QUICK, validation=0.01), few_digits)


@pytest.mark.parametrize(("few", "share", "side"), [(5, 0.05, "held out"), (2, 0.8, "to train on")])
def test_a_small_class_is_on_both_sides(few, share, side, digits):
    """Of 0 and 1 there are many images; of 2 so few that the share of them rounds to none."""
    labels = digits.train_labels
    chosen = torch.cat([(labels == label).nonzero().flatten()[:count] for label, count in enumerate((130, 130, few))])
    small = dataclasses.replace(
        digits, train_images=digits.train_images[chosen], train_labels=labels[chosen], num_classes=3
    )
    with pytest.raises(ValueError, match=rf"^validation={share}: class 2 has no image {side}"):
        train.check_fit(dataclasses.replace(QUICK, validation=share), small)


def imported(name):
    """The modules of this package that one of them imports, at whatever place."""
    folder = Path(train.__file__).parent
    found = set()
    for node in ast.walk(ast.parse((folder / f"{name}.py").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "fc_width":
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fc_width."):
            found.add(node.module.partition(".")[2])
    return {each for each in found if (folder / f"{each}.py").is_file()}


def test_a_state_is_of_all_the_code_that_a_record_depends_on():
    reached, new = set(), {"train"}
    while new:
        reached |= new
        new = set().union(*map(imported, new)) - reached
    assert set(provenance.TRAINS) == reached - {"record", "store"}  # which it only goes through


def test_the_data_order_does_not_depend_on_the_network(few_digits, monkeypatch):
    """Comparisons between widths and losses are paired: one seed, one order, one initial trunk."""
    seen = []
    original = step.Batches.images

    def spy(self, images):
        seen[-1].append(images.sum().item())
        return original(self, images)

    monkeypatch.setattr(step.Batches, "images", spy)
    recipes = [
        QUICK,
        dataclasses.replace(QUICK, width=3, loss="w-softmax:1"),
        dataclasses.replace(QUICK, seed=1),
    ]
    for recipe in recipes:
        seen.append([])
        run(recipe, few_digits)
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]
    first, second, third = (build(recipe, few_digits)[0].trunk.state_dict() for recipe in recipes)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], third[key]) for key in first)


def test_seeds_for_different_purposes_differ():
    assert derived_seed(0, "order") == 40874676933668353  # as the records that exist were made with
    purposes = "initialisation", "order", "validation", "augmentation in epoch 0", "augmentation in epoch 1"
    found = {derived_seed(seed, purpose) for seed in range(50) for purpose in purposes}
    assert len(found) == 250


def test_building_a_network_leaves_the_global_generator_alone(few_digits):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build(QUICK, few_digits)
    assert torch.equal(before, torch.get_rng_state())


def test_the_softmax_phase_is_alpha_0(few_digits):
    """All epochs in the softmax phase: the same as α = 0 throughout."""
    one = run(dataclasses.replace(QUICK, loss="w-softmax:1", softmax_epochs=2), few_digits)
    other = run(dataclasses.replace(QUICK, loss="w-softmax:0", softmax_epochs=0), few_digits)
    refined = run(dataclasses.replace(QUICK, loss="w-softmax:1"), few_digits)
    assert one["class_angles"] == other["class_angles"]
    assert one["class_angles"] != refined["class_angles"]
    assert one["test_accuracy"][0] == refined["test_accuracy"][0]


def test_weight_decay_is_on_weights_only(few_digits):
    backbone, loss = build(QUICK, few_digits)
    decayed, free = step.parameter_groups(QUICK, backbone, loss)
    assert decayed["weight_decay"] == 5e-4
    assert free["weight_decay"] == 0
    # 3 convolutions, the FC layer, the classifier
    assert sorted(p.ndim for p in decayed["params"]) == [2, 2, 4, 4, 4]
    count = sum(p.numel() for p in [*backbone.parameters(), *loss.parameters()])
    assert sum(p.numel() for p in decayed["params"] + free["params"]) == count


def test_the_learning_rate_falls_as_the_recipe_says(few_digits, monkeypatch):
    rates = []
    original = step.sgd

    def spy(*tensors, **numbers):
        rates.append(float(numbers["lr"]))
        return original(*tensors, **numbers)

    monkeypatch.setattr(step, "sgd", spy)
    run(dataclasses.replace(QUICK, lr=0.01, lr_decay=0.9, lr_decay_steps=3), few_digits)
    assert rates[::2] == rates[1::2] == pytest.approx([0.01 * 0.9 ** (n / 3) for n in range(6)])  # of either group


def test_divergence_is_an_outcome(few_digits):
    record = run(dataclasses.replace(QUICK, lr=1e30), few_digits)
    assert record["status"] == "diverged"
    assert len(record["test_accuracy"]) < 2
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize("part", ["fc", "loss"])
def test_divergence_in_the_last_step_is_one_too(part, few_digits, monkeypatch):
    original = train._train

    def last(recipe, step, *more):
        finite = yield from original(recipe, step, *more)
        with torch.no_grad():
            (step.backbone.fc.weight if part == "fc" else step.loss.weight).fill_(math.inf)
        return finite

    monkeypatch.setattr(train, "_train", last)
    record = run(QUICK, few_digits)
    assert record["status"] == "diverged"
    assert "final" not in record
    json.dumps(record, allow_nan=False)


def test_the_named_recipe_learns_digits(digits):
    named = RECIPES["digits"].recipe
    record = run(dataclasses.replace(named, loss="w-softmax-simplex:1", epochs=6, softmax_epochs=2), digits)
    assert record["final"]["test_accuracy"] > 0.96
    assert record["final"]["test_angle"] < 45


def test_the_precision_is_the_recipe_s(few_digits, monkeypatch):
    monkeypatch.setattr(step, "multiplies_bfloat16", lambda: True)  # without, it is emulated
    named = dataclasses.replace(QUICK, epochs=4)
    found = {each: run(dataclasses.replace(named, precision=each), few_digits) for each in PRECISIONS}
    told = {each: record["provenance"]["precision"] for each, record in found.items()}
    assert told == {"auto": "float32", "float32": "float32", "bfloat16": "bfloat16 autocast"}
    assert found["auto"]["final"] == found["float32"]["final"] != found["bfloat16"]["final"]
    assert found["bfloat16"]["final"]["test_accuracy"] == pytest.approx(
        found["float32"]["final"]["test_accuracy"], abs=0.2
    )


@pytest.mark.parametrize(
    ("device", "batch_size", "shape", "expected"),
    [
        ("cpu", 50, (1, 28, 28), 500),
        ("cpu", 2000, (3, 224, 224), 500),
        ("cuda", 50, (1, 8, 8), 5000),
        ("cuda", 50, (1, 28, 28), 5000),
        ("cuda", 256, (3, 32, 32), 4096),
        ("cuda", 50, (3, 224, 224), 83),
        ("cuda", 256, (3, 224, 224), 256),
    ],
)
def test_large_images_are_evaluated_a_few_at_a_time(device, batch_size, shape, expected):
    assert train.evaluation_batch(torch.device(device), batch_size, shape) == expected


def test_another_data_set_than_the_recipe_s(few_digits):
    with pytest.raises(ValueError, match="recipe custom is for data set 'mnist', got 'digits'"):
        run(dataclasses.replace(QUICK, dataset="mnist", backbone="mnist"), few_digits)


def test_a_stream_is_free_again_once_its_run_is_gone(monkeypatch):
    """torch hands out the same 32 in turns, to runs that are still there too."""
    made = []

    class Run:
        pass

    monkeypatch.setattr(train, "_free_streams", {})
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: made.append(device) or len(made))
    device = torch.device("cuda")
    first, second = Run(), Run()
    assert [train._stream(run, device) for run in (first, second)] == [1, 2]
    del first
    third, fourth = Run(), Run()
    assert [train._stream(run, device) for run in (third, fourth)] == [1, 3]
    assert made == [device] * 3


def test_the_commit_is_that_of_the_package_s_own_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    (tmp_path / "provenance.py").write_text("")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init"], [*author, "commit", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    assert provenance._commit.__wrapped__() == "unknown"
    subprocess.run(["git", "add", "provenance.py"], cwd=tmp_path, check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    found = provenance._commit.__wrapped__()
    assert len(found) == 41
    assert found.endswith("+")
