"""``python -m fc_width.sweep``: train the backbone over many widths and losses.

Without arguments: the embedded digits, every width of the design, five losses, three seeds; about four
minutes on two cores. Killed at any moment and started again, it goes on where it was."""

import dataclasses
import inspect
import math
import shlex
import signal
import statistics
import sys
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from fc_width import cluster, company, report
from fc_width.backbone import BACKBONES
from fc_width.data import CLASSES, Dataset, canonical_name, load, num_classes
from fc_width.engine import run_all
from fc_width.loss_names import check_installed, loss_name, parse_loss
from fc_width.options import Folder, Name, Names, Number, Numbers
from fc_width.progress import Progress
from fc_width.recipes import RECIPES, SWEPT, Recipe, default_recipe, sweep_widths
from fc_width.record import stopped_accuracy
from fc_width.step import computed_in
from fc_width.store import Store
from fc_width.train import check_fit
from fc_width.worker import default_workers, set_convolutions
from theory import console

MOST_RUNS = 1_000_000
"""Runs of a sweep at most."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Train a CNN over many widths M of the layer before its classifier, and record what each run did.

    Killed at any moment and started again with the same options, it goes on where it was.
    """

    dataset: Name = None
    """Data set (default: the recipe's, else digits): digits (embedded), mnist, fashion-mnist, cifar10, cifar100; NAME:K
    for its first K classes; an .npz file or a folder of pictures of your own."""
    recipe: Name = None
    """Named recipe (default: the small one of the data set): digits, mnist-small, fashion-mnist-small, cifar10-small,
    cifar100-small, own-small, paper-mnist, paper-cifar10, paper-cifar100; without the softmax phase mnist-small-cold,
    paper-mnist-cold; three times as long cifar10-small-long, cifar100-small-long, and with a tenth of the training
    images held out cifar10-small-validated, with all of them mirrored and moved cifar10-small-augmented."""
    widths: Numbers = ()
    """Widths M (default: 1, 2, 3, 4, around C/2 and C − 1, and multiples of C − 1 up to 30)."""
    losses: Names = ()
    """softmax, w-softmax:ALPHA (as printed), w-softmax-centred:ALPHA, w-softmax-simplex:ALPHA (runs at M = C − 1 only,
    whatever the widths), hinge; of the extra baselines l-softmax, a-softmax, cosface, arcface, center, contrastive,
    triplet, sphereface+ (default: the recipe's)."""
    features: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME …")] = (Recipe.feature,)
    """What follows the M units: linear, bn, prelu-bn, bn-relu."""
    seeds: Number = None
    """Number of seeds (default: the recipe's)."""
    epochs: Number = None
    """Epochs of a run (default: the recipe's); the softmax phase keeps its share."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=VALUE …", help_behavior_hint="")] = ()
    """Other fields of the recipe (lr=0.1 batch_size=64): see --show-recipe."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto is CUDA where there is a GPU, else the CPU."""
    workers: Number = None
    """Runs at once (default: on a CPU one a core, each with one thread; on a GPU several that share it)."""
    cluster: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS", help_behavior_hint="")] = None
    """Run on a Ray cluster that this machine is part of: auto, or HOST:PORT of its head."""
    data_dir: Folder = None
    """Folder that holds <data set>/<original files> (default: download into the user's cache)."""
    out: Folder = None
    """Folder of the records (default: runs/<recipe>; runs/<recipe>-K for the first K classes)."""
    show_recipe: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print all fields of the recipe and its expected time, and stop."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Say what is done, what is to do and about how long it takes; then stop."""
    status: Folder = None
    """Say where the sweeps on this folder stand, here or on other machines; then stop."""


def base_recipe(options: Options) -> Recipe:
    """The recipe that the options name, with the fields that they change.

    *Raises*: `ValueError` quoting the option that does not fit.
    """
    name = default_recipe(options.dataset or "digits") if options.recipe is None else options.recipe
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}: expected one of {', '.join(RECIPES)}")
    base = RECIPES[name].recipe
    meant = base.dataset.partition(":")[0]
    own = meant.startswith("own-")
    if options.dataset is not None:
        dataset = canonical_name(options.dataset)
        if options.recipe is not None and dataset.partition(":")[0] != meant and not own:
            raise ValueError(f"recipe {name!r} is for data set {meant!r}, got {options.dataset!r}")
        base = dataclasses.replace(base, dataset=dataset)
    elif own:
        raise ValueError(f"recipe {name!r} is for pictures of your own: give --dataset, a folder or an .npz file")
    if options.epochs is not None:
        if any(pair.startswith("epochs=") for pair in options.set):
            raise ValueError(f"epochs is given twice: --epochs {options.epochs} and --set {' '.join(options.set)}")
        share = round(base.softmax_epochs * options.epochs / base.epochs)
        base = dataclasses.replace(base, epochs=options.epochs, softmax_epochs=max(share, 0))
    changes = _changes(options.set, base)
    epochs = changes.get("epochs", base.epochs)
    if 0 < epochs < base.softmax_epochs and "softmax_epochs" not in changes:
        raise ValueError(
            f"set 'epochs={epochs}': the recipe's softmax phase is {base.softmax_epochs} epochs long: set "
            f"softmax_epochs too, or take --epochs {epochs}, which shortens it in proportion"
        )
    return dataclasses.replace(base, **changes)


def _changes(pairs: Sequence[str], base: Recipe) -> dict[str, Any]:
    """`field=value` pairs as values of the fields' types."""
    free = {field.name for field in dataclasses.fields(Recipe)} - {*SWEPT, "name", "dataset"}
    changes: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in free:
            raise ValueError(f"set {pair!r}: expected FIELD=VALUE with FIELD one of {', '.join(sorted(free))}")
        if name in changes:
            raise ValueError(f"set {pair!r}: {name} is given twice")
        kind = type(getattr(base, name))
        try:
            changes[name] = kind(text)
        except ValueError:
            raise ValueError(f"set {pair!r}: {name} must be {kind.__name__}, got {text!r}") from None
    return changes


def plan(options: Options, classes: int) -> list[Recipe]:
    """The runs that the options ask for, seed by seed, so that a sweep cut short is still balanced.

    *Arguments*: `options`; `classes`, C of the data set.

    *Raises*: `ValueError` quoting the option that does not fit.
    """
    base = base_recipe(options)
    named = RECIPES[base.name]
    seeds = named.seeds if options.seeds is None else options.seeds
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    widths = options.widths or sweep_widths(classes)
    losses = [loss_name(*parse_loss(spec)) for spec in options.losses or named.losses]
    for loss in losses:
        check_installed(parse_loss(loss)[0])
    of_a_seed = [
        (feature, loss, width)
        for feature in options.features
        for loss in losses
        for width in ([classes - 1] if parse_loss(loss)[0] == "w-softmax-simplex" else widths)
    ]
    if seeds * len(of_a_seed) > MOST_RUNS:
        raise ValueError(f"a sweep has at most {MOST_RUNS:,} runs, got {seeds:,} seeds of {len(of_a_seed):,}")
    runs = [
        dataclasses.replace(base, width=width, loss=loss, feature=feature, seed=seed)
        for seed in range(seeds)
        for feature, loss, width in of_a_seed
    ]
    return list(dict.fromkeys(sorted(runs, key=lambda run: (run.seed, run.width))))


def _described(recipe: Recipe) -> str:
    named = RECIPES[recipe.name]
    lines = [f"{field.name} = {getattr(recipe, field.name)!r}" for field in dataclasses.fields(recipe)]
    stages = [f"  {stage}" for stage in BACKBONES[recipe.backbone]]
    seconds = report.duration(named.seconds * _share(recipe))
    lines += ["backbone stages:", *stages, f"a run: about {seconds} on {named.hardware}"]
    if named.teraflop:
        work = named.teraflop * _share(recipe)
        lines.append(f"{work:,.0f} TFLOP a run: on one GPU of 790 TFLOP/s at least {work / 790:.1f} s; {named.on_gpu}")
    return "\n".join(lines)


def _share(recipe: Recipe) -> float:
    """The work of a run over that of the recipe of its name: by epochs, and by classes, if not all are taken."""
    base, _, first = recipe.dataset.partition(":")
    part = int(first) / CLASSES[base] if first and base in CLASSES else 1.0
    return part * recipe.epochs / RECIPES[recipe.name].recipe.epochs


def expected_seconds(runs: Sequence[Recipe], store: Store, own: Dataset | None = None) -> float:
    """Seconds of one run: the median of the folder's, else what its recipe says, which for a person's `own` data is
    that of 50,000 images of 32×32."""
    found = [(store.whole(run_id) or {}).get("seconds") for run_id in store.run_ids()]
    if measured := [seconds for seconds in found if seconds is not None]:
        return float(statistics.median(measured))
    pixels = own.train_images[:, 0].numel() / (50_000 * 32**2) if own is not None else 1.0
    return RECIPES[runs[0].name].seconds * _share(runs[0]) * pixels


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 1 if a run failed or its record is gone, 2 for a mistake in the
    options, 130 if interrupted."""
    options = tyro.cli(Options, args=arguments, prog="python -m fc_width.sweep", description=inspect.getdoc(Options))

    def stop(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        console.check_options(arguments, options)
        return _sweep(options)
    except KeyboardInterrupt:
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would end the message in a traceback
        try:
            again = shlex.join(sys.argv[1:] if arguments is None else arguments)
            print(f"\ninterrupted; it goes on with  python -m fc_width.sweep {again}".rstrip(), file=sys.stderr)
        finally:
            signal.signal(signal.SIGINT, handler)
        return console.INTERRUPTED
    except BrokenPipeError:
        raise
    except (ValueError, TypeError, OSError, RuntimeError, OverflowError, MemoryError) as error:
        said = str(error).strip().partition("\n")[0]  # torch adds the stack of its C++
        print(f"error: {said or type(error).__name__}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGTERM, previous)


def _sweep(options: Options) -> int:
    if options.status is not None:
        _check_alone(options, "status")
        print(report.status(Store(options.status)))
        return 0
    base = base_recipe(options)
    if options.show_recipe:
        _check_alone(options, "show_recipe", "dataset", "recipe", "epochs", "set")
        print(_described(base))
        return 0
    with nullcontext() if options.cluster is None else cluster.connect(options.cluster) as there:
        return _run(options, base, there)


def _check_alone(options: Options, shown: str, *read: str) -> None:
    """`ValueError` naming an option that is given and would be ignored."""
    for field in dataclasses.fields(options):
        if field.name not in (shown, *read) and getattr(options, field.name) != field.default:
            names = (f"--{name.replace('_', '-')}" for name in (field.name, shown))
            raise ValueError("{} is not read with {}: leave it out".format(*names))


def _run(options: Options, base: Recipe, there: cluster.Cluster | None) -> int:
    dataset = None
    classes = num_classes(base.dataset)
    if classes is None:
        dataset = _load(str(options.dataset), options.data_dir)
        classes = dataset.num_classes
    runs = plan(options, classes)
    subset = base.dataset.partition(":")[2]
    store = Store(options.out or Path("runs") / (f"{base.name}-{subset}" if subset else base.name))
    about: dict[str, Any] = {"recipe": dataclasses.asdict(runs[0]), "data_sha256": None, "computed_in": None}
    if dataset is not None:
        about["data_sha256"] = dataset.checksum
        check_fit(runs[0], dataset)
    if there is not None:
        device = there.device(options.device)
        workers = there.workers(device, options.workers)
    else:
        device = torch.device(_device(options.device))
        workers = default_workers(device) if options.workers is None else options.workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    corrupt = company.check_folder(store, about)  # also where nothing is left to do
    wanted = {run.run_id for run in runs}
    done = (store.run_ids() & wanted) - set(corrupt)
    retried = [run_id for run_id in done if _failed(store, run_id)]
    todo = len(wanted) - len(done) + len(retried)
    for run_id in corrupt:
        where = store.folder / f"{run_id}.json" if options.dry_run else store.set_aside(run_id)
        again = " and run again" if run_id in wanted else ""
        print(f"{where}: corrupt record, {'to be ' if options.dry_run else ''}set aside{again}")
    gpus = 1 if device.type == "cpu" else there.gpus if there else torch.cuda.device_count()
    at_once = workers * max(gpus, 1)
    if there is not None:
        at_once = min(at_once, max(there.cpus, 1))  # a task takes one
    left = report.duration(math.ceil(todo / at_once) * expected_seconds(runs, store, dataset))
    begun = len(store.saved_ids() & wanted - done)
    print(
        f"{len(runs)} runs of {runs[0].name} in {store.folder}: {len(runs) - todo} done, {todo} to do"
        + (f" ({begun} of them begun)" if begun else "")
        + (f", about {left} with {at_once} at once on {device.type}" if todo else "")
    )
    if options.dry_run:
        return 0
    if todo:
        if dataset is None:
            dataset = _load(base.dataset, options.data_dir)
            check_fit(runs[0], dataset)  # what fits no run is said once
        store.create()
        if there is None:
            set_convolutions()  # as the workers do: what they compute in is told here
        computed = None if there else computed_in(base.precision, device)
        if base.precision == "bfloat16" and computed == "float32":
            print(
                f"note: precision bfloat16: this {device.type} has no units for it, float32 is taken", file=sys.stderr
            )
        about |= {"data_sha256": dataset.checksum, "computed_in": computed}
        with store.notice(about) as tell:
            company.check_others(store, about)
            company.check_folder(store, about)  # again: another sweep may have begun and ended since
            for run_id in retried:
                if _failed(store, run_id):  # still: another sweep on the folder may have made it since
                    store.discard(run_id)
            with Progress(runs, store, round((1 - base.validation) * len(dataset.train_images)), tell) as show:
                (there.run_all if there else run_all)(runs, dataset, store, device, workers, show)
    print("\nTest accuracy after the last epoch, %, mean ± sd over seeds\n")
    print(report.table(runs, store))
    if base.validation:
        print("\nTest accuracy in the epoch that is best on the validation images, %, mean ± sd over seeds\n")
        print(report.table(runs, store, stopped_accuracy))
    folders = [shlex.quote(str(folder)) for folder in (store.folder, store.folder / "figures")]
    print(f"\nDraw it:  python -m analysis --runs {folders[0]} --out {folders[1]}")
    records = {run_id: store.whole(run_id) for run_id in sorted(wanted)}
    for run_id, record in records.items():
        if record is None:
            print(
                f"gone: {run_id}: its record was taken away or damaged, or is made again: the same command makes it",
                file=sys.stderr,
            )
        elif record["status"] == "failed":
            print(f"failed: {run_id}: {record['error']}", file=sys.stderr)
    return 1 if any(record is None or record["status"] == "failed" for record in records.values()) else 0


def _load(name: str, data_dir: Path | None) -> Dataset:
    """A data set, of which is told what it holds and what was passed over."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dataset = load(name, data_dir)
    for warning in told:
        print(f"note: {warning.message}", file=sys.stderr)
    print(
        f"{dataset.name}: {dataset.num_classes} classes, {len(dataset.train_labels):,} training and "
        f"{len(dataset.test_labels):,} test images of {'×'.join(map(str, dataset.image_shape))} (channels, H, W)"
    )
    return dataset


def _failed(store: Store, run_id: str) -> bool:
    return (store.whole(run_id) or {}).get("status") == "failed"


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda': torch finds no CUDA device here")
    return name


if __name__ == "__main__":
    console.run(main)
