"""The sweep on a real Ray cluster on this machine, which loses a node, workers, the driver and the network; and the
rules by which runs are submitted again, without Ray."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import commands
import pytest
import torch
from commands import parent_of, quiet, records

from fc_width import cluster, step
from fc_width.cluster import Cluster
from fc_width.store import Store
from fc_width.sweep import Options, main, plan

pytest.importorskip("ray")

ROOT = Path(__file__).parents[2]
TINY = ["--widths", "1", "9", "--losses", "softmax", "w-softmax-simplex", "--seeds", "3", "--epochs", "2"]
TINY_RUNS = 9
START_SECONDS = 60.0
SMALL = ["--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000", "--disable-usage-stats"]


class Machines:
    """Ray nodes on this machine, made by the commands that a user gives; `end` ends all of their processes."""

    def __init__(self):
        self.sessions = {}
        self.folder = Path(tempfile.mkdtemp(prefix="fcw", dir="/tmp"))  # short: it holds sockets
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"

    def start(self, *where):
        """A node of one CPU; returns the process id of its raylet."""
        before = self.raylets()
        environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
        log = self.folder / f"{len(self.sessions)}.log"
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where, *SMALL]
        with open(log, "wb") as stream:
            process = subprocess.Popen(ray, stdout=stream, stderr=stream, env=environment, start_new_session=True)
        self.sessions[process.pid] = process
        wait_for(lambda: b"Ray runtime started" in log.read_bytes(), START_SECONDS, log.read_text)
        (raylet,) = self.raylets() - before
        return raylet

    def head(self):
        port = self.address.partition(":")[2]
        return self.start("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}")

    def processes(self):
        """Process id → command line of all that belongs to the nodes."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                state, *_, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
                if state != "Z" and int(session) in self.sessions:
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def raylets(self):
        return {pid for pid, line in self.processes().items() if line.partition(" ")[0].endswith("/raylet/raylet")}

    def runs(self, named="digits_"):
        """Process ids of the workers that have a run whose id begins so."""
        return {pid for pid, line in self.processes().items() if line.startswith(f"ray::{named}")}

    def end(self):
        deadline = time.monotonic() + 30
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.1)
        for process in self.sessions.values():
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not left


@pytest.fixture(scope="module")
def machines():
    """A cluster of one node, its head, to which tests add others."""
    found = Machines()
    try:
        found.head()
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The records of a sweep on this machine alone."""
    out = tmp_path_factory.mktemp("undisturbed") / "runs"
    subprocess.run(command(out, "--workers", "1"), check=True, timeout=120, **quiet())
    return records(out)


def test_a_node_that_dies_in_mid_sweep_costs_no_record(machines, undisturbed, tmp_path):
    """SIGKILL of the raylet of one of two nodes while it has a run; then every record, once, the same as elsewhere."""
    out = tmp_path / "runs"
    second = machines.start(f"--address={machines.address}")
    process = start(out, "--cluster", machines.address)
    victims = wait_for(lambda: {pid for pid in machines.runs() if parent_of(pid) == second}, 60, process=process)
    os.kill(second, signal.SIGKILL)
    before = len(list(out.glob("*.json")))
    said, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert before < TINY_RUNS
    assert "9 to do" in said
    assert "with 2 at once on cpu" in said
    assert not victims & machines.runs()
    assert records(out) == undisturbed
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{run_id}.json" for run_id in undisturbed)
    assert "Traceback" not in error
    assert sum(line.startswith("M = ") for line in error.splitlines()) == TINY_RUNS  # each result shown, once


HOSTS = """
set -eu
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add bridge type bridge
ip link set bridge up
number=0
for host in first second; do
  number=$((number + 1))
  ip netns add $host
  ip link add $host type veth peer name eth0 netns $host
  ip link set $host master bridge up
  ip -n $host addr add 10.0.0.$number/24 dev eth0
  ip -n $host link set eth0 up
  ip -n $host link set lo up
done
first="ip netns exec first"
second="ip netns exec second"
until_it_runs() { until grep -q "Ray runtime started" "$1"; do sleep 0.1; done 2> /dev/null; }
$first $RAY --head --port=6379 --node-ip-address=10.0.0.1 --include-dashboard=false --temp-dir="$RAY_FOLDER" \\
  > head.log 2>&1 &
until_it_runs head.log
$second unshare -m sh -c 'mount -t tmpfs tmpfs "$OUT"; mount -t tmpfs tmpfs "$RAY_FOLDER"; exec "$@"' sh \\
  $RAY --address=10.0.0.1:6379 --node-ip-address=10.0.0.2 > second.log 2>&1 &
until_it_runs second.log
$first "$@" --cluster 10.0.0.1:6379 &
sweep=$!
until ip netns pids second | xargs ps -o args= -p | grep -q "^ray::digits_"; do sleep 0.05; done
ip link set second down
ls "$OUT" > before
wait $sweep
"""
SILENT = {  # how soon Ray gives up a machine that says nothing more, to which it gives minutes
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_client_keepalive_time_ms": "2000",
    "RAY_grpc_client_keepalive_timeout_ms": "2000",
}
OWN_NETWORK = ["unshare", "-rmnpf", "--mount-proc", "--kill-child"]


def can_have_hosts():
    if not all(map(shutil.which, ("unshare", "ip", "ps"))):
        return False
    tried = "mount -t tmpfs tmpfs /run && ip netns add first && ip link add first type veth peer name eth0 netns first"
    return subprocess.run([*OWN_NETWORK, "sh", "-c", tried], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_have_hosts(), reason="needs networks of its own (unshare -rmnpf, ip, ps)")
def test_a_host_that_falls_silent_costs_no_record(undisturbed, tmp_path):
    """Two hosts, each with a network of its own, which share no folder; the cable of the second is cut while it has a
    run, so that nobody tells the first."""
    out = tmp_path / "runs"
    out.mkdir()
    ray = f"{sys.executable} -m ray.scripts.scripts start --block {' '.join(SMALL)}"
    folder = tempfile.mkdtemp(prefix="fcw", dir="/tmp")
    places = {"OUT": str(out), "RAY": ray, "RAY_FOLDER": folder, "PYTHONPATH": str(ROOT)}
    try:
        ended = subprocess.run(
            [*OWN_NETWORK, "bash", "-c", HOSTS, "bash", *command(out)],
            env=clean_environment() | SILENT | places,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert ended.returncode == 0, ended.stderr
    assert "with 2 at once on cpu" in ended.stdout
    assert (tmp_path / "before").read_text().count(".json") < TINY_RUNS
    assert records(out) == undisturbed
    assert len(list(out.iterdir())) == TINY_RUNS
    assert "Traceback" not in ended.stderr


def test_a_driver_killed_and_started_again_goes_on_and_shares_with_a_sweep_here(machines, undisturbed, tmp_path):
    """And `auto` is the cluster that RAY_ADDRESS names, as it does in a job submitted to it."""
    out = tmp_path / "runs"
    process = start(out, "--cluster", machines.address)
    wait_for(lambda: list(out.glob("*.json")) and unfinished(out), 60, process=process)
    process.kill()
    process.communicate()
    wait_for(lambda: not machines.runs(), 20)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.json")}
    assert 1 <= len(kept) < TINY_RUNS
    both = [
        start(out, "--cluster", "auto", env=clean_environment() | {"RAY_ADDRESS": machines.address}),
        start(out, "--workers", "1"),
    ]
    for each in both:
        _, error = each.communicate(timeout=120)
        assert each.returncode == 0, error
    assert records(out) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not unfinished(out)


def test_a_run_whose_worker_dies_three_times_has_failed_and_the_others_go_on(machines, tmp_path):
    out = tmp_path / "runs"
    process = start(out, "--cluster", machines.address, "--widths", "3", "4", "--losses", "softmax", "--seeds", "1")
    killed = set()
    for _ in range(3):
        pid = wait_for(lambda: next(iter(machines.runs("digits_softmax_M3_") - killed), None), 60, process=process)
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    failed, done = sorted(Store(out).records(), key=lambda record: record["recipe"]["width"])
    assert failed["status"] == "failed"
    assert failed["error"].startswith("WorkerCrashedError: The worker died unexpectedly")
    assert failed["error"].endswith(", 3 times")
    assert done["status"] == "done"
    assert "failed: digits_softmax_M3" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_soon_and_cleanly(number, machines, tmp_path):
    out = tmp_path / "runs"
    process = start(out, "--cluster", machines.address, "--epochs", "400")
    wait_for(lambda: list(out.glob("*.claim")), 60, process=process)
    process.send_signal(number)
    started = time.monotonic()
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - started < 8
    assert process.returncode == 130
    assert "interrupted; it goes on with  python -m fc_width.sweep --device cpu " in error
    assert f" --cluster {machines.address}\n" in error
    assert "Traceback" not in error
    assert list(out.iterdir()) == []
    wait_for(lambda: not machines.runs(), 20)


def test_mistakes_that_only_a_cluster_shows_are_one_line(machines, tmp_path):
    """A GPU that is not there; workers that find another package of this name."""
    broken = tmp_path / "fc_width"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('another fc_width')")
    here = clean_environment() | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)}  # Ray's workers look in the cwd first
    out = tmp_path / "runs"
    for more, message in (
        (["--device", "cuda"], f"device 'cuda': the cluster at {machines.address} has no GPU (1 CPUs)"),
        ([], "a worker cannot begin a run: "),
    ):
        process = start(out, "--cluster", machines.address, *more, cwd=tmp_path, env=here)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 2
        (line,) = [line for line in error.splitlines() if line]
        assert line.startswith(f"error: {message}")
        assert "another fc_width" in line or more
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster at '127.0.0.1:1' ([Errno 111] Connection refused): expected auto or HOST:PORT"),
        ("nowhere.invalid:6379", "no Ray cluster at 'nowhere.invalid:6379' ("),
        ("ray://head:10001", "no Ray cluster at 'ray://head:10001' (not HOST:PORT): expected auto or HOST:PORT of"),
        ("", "--cluster must not be empty, got ''"),
        ("auto", "no Ray cluster at 'auto' ([Errno 111] Connection refused)"),
    ],
)
def test_an_address_without_a_cluster_is_one_line_and_status_2(address, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--cluster", address, "--out", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_without_ray_it_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["--cluster", "auto", "--out", str(tmp_path / "runs")]) == 2
    assert capsys.readouterr().err == "error: cluster 'auto' needs Ray: pip install 'fc-width[cluster]'\n"


def test_the_device_and_the_workers_of_a_cluster():
    cpus, gpus = Cluster("here:1", 64, 0), Cluster("here:1", 64, 8)
    assert [cpus.device(name).type for name in ("auto", "cpu")] == ["cpu", "cpu"]
    assert [gpus.device(name).type for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    assert cpus.workers(torch.device("cpu"), None) == 64
    assert gpus.workers(torch.device("cuda"), None) == cluster.PACKED
    assert gpus.workers(torch.device("cuda"), 3) == 3
    with pytest.raises(ValueError, match="workers 4: on the CPUs of a cluster Ray decides"):
        cpus.workers(torch.device("cpu"), 4)


class FakeRay:
    """What `cluster` uses of Ray, in this process and thread: a task runs as it is read, one step a wait."""

    exceptions = SimpleNamespace(RayError=KeyError, RayTaskError=IndexError)

    def __init__(self):
        self.asked, self.cancelled = [], []

    def put(self, value):
        return value

    def get(self, value):
        return value

    def wait(self, tasks, num_returns, timeout):
        time.sleep(0.01)
        return tasks, []

    def cancel(self, task, force):
        assert force
        self.cancelled.append(task)

    def remote(self, **common):
        def options(**more):
            self.asked.append((more["name"], common | more))
            return SimpleNamespace(remote=task)

        def decorated(function):
            nonlocal task
            task = function
            return SimpleNamespace(options=options)

        task = None
        return decorated


@pytest.fixture
def fake(monkeypatch, few_digits):
    found = FakeRay()
    monkeypatch.setattr(cluster, "_ray", lambda: found)
    monkeypatch.setattr(cluster, "_dataset", lambda data: few_digits)
    return found


TWO = plan(Options(widths=(2, 3), losses=("softmax",), seeds=1, epochs=1), 10)


def run_all(store, dataset, device="cpu", workers=1, report=lambda status: None):
    Cluster("here:1", 1, 1).run_all(TWO, dataset, store, torch.device(device), workers, report, poll_seconds=0.01)


@pytest.mark.parametrize("packed", [1, 3, 7, 8])
def test_runs_ask_for_a_share_of_a_gpu_and_for_twice_that_when_they_find_no_room(
    packed, fake, store, few_digits, monkeypatch
):
    def crowded(recipe, dataset, device):
        assert device == "cuda"
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(cluster, "Running", crowded)
    run_all(store, few_digits, "cuda", packed)
    for recipe in TWO:
        record = store.read(recipe.run_id)
        assert record["status"] == "failed"
        assert record["error"].startswith("OutOfMemoryError: no room (test_cluster.py:")
        asked = [options for name, options in fake.asked if name == recipe.run_id]
        shares = [options["num_gpus"] for options in asked]
        assert shares[0] <= 1 / packed < shares[0] + 1e-4
        assert shares == [min(1.0, shares[0] * 2**k) for k in range(len(shares))]
        assert shares[-1] == 1
        assert {(options["num_cpus"], options["max_retries"]) for options in asked} == {(1, 0)}
    assert not store.claims()


def test_a_run_on_a_broken_gpu_is_tried_again(fake, store, few_digits, monkeypatch):
    """As on one machine where several share a worker: it is not the run that failed, unless it does so every time."""
    genuine, tried = cluster.Running, []

    def running(recipe, dataset, device):
        tried.append(recipe.run_id)
        if recipe == TWO[0] or tried.count(recipe.run_id) < cluster.ATTEMPTS:
            raise RuntimeError("CUDA error: uncorrectable ECC error encountered\nCompile with TORCH_USE_CUDA_DSA")
        return genuine(recipe, dataset, "cpu")

    class TaskError(KeyError):
        """What Ray makes of a task's error, and the fake takes for Ray's."""

        def __init__(self, cause):
            super().__init__()
            self.cause = cause

        def __str__(self):
            return f"\x1b[36mray::run()\x1b[39m (pid=7)\nTraceback\n{self.cause}"

    task = cluster._task

    def of_ray(*arguments):
        try:
            yield from task(*arguments)
        except RuntimeError as error:
            raise TaskError(error) from None

    monkeypatch.setattr(cluster, "_task", of_ray)
    monkeypatch.setattr(cluster, "Running", running)
    run_all(store, few_digits, "cuda")
    assert sorted(tried) == sorted(cluster.ATTEMPTS * [each.run_id for each in TWO])
    lost, kept = (store.read(each.run_id) for each in TWO)
    assert lost["status"] == "failed"
    said = "RuntimeError: CUDA error: uncorrectable ECC error encountered (test_cluster.py:"
    assert lost["error"].startswith(said)
    assert lost["error"].endswith("), 3 times")
    assert kept["status"] == "done"


def test_where_no_graph_can_be_recorded_what_has_not_begun_goes_without(fake, store, few_digits, monkeypatch):
    """At its first share: what a graph lacked was not room. One task at a time, those of the first run first; the other
    is ready just when the first says that it gets none."""
    genuine, tried, turns = cluster.Running, [], itertools.count(1)

    def running(recipe, dataset, device):
        graphs = not step._eager.get()
        tried.append((recipe.run_id, graphs))
        if graphs:
            raise step.CaptureError("no graph")
        return genuine(recipe, dataset, "cpu")

    def wait(tasks, num_returns, timeout):
        own = [task for task in tasks if task.gi_frame.f_locals["recipe"] == TWO[0]]
        others = [task for task in tasks if task not in own]
        return own + others if not own or next(turns) == 6 else own, []

    monkeypatch.setattr(cluster, "Running", running)
    monkeypatch.setattr(fake, "wait", wait)
    run_all(store, few_digits, "cuda", 4)
    assert {record["status"] for record in store.records()} == {"done"}
    first, second = (recipe.run_id for recipe in TWO)
    assert tried == [(first, True)] * 3 + [(first, False), (second, False)]
    shares = {name: [options["num_gpus"] for asked, options in fake.asked if asked == name] for name in (first, second)}
    assert shares == {first: [0.25, 0.5, 1, 0.25], second: [0.25, 0.25]}
    assert len(fake.cancelled) == 1
    assert not store.claims()


def test_an_exception_in_a_run_is_its_record_and_the_others_go_on(fake, store, few_digits, monkeypatch):
    genuine = cluster.Running

    def failing(recipe, dataset, device):
        if recipe.width == 2:
            raise MemoryError("no room")
        return genuine(recipe, dataset, device)

    monkeypatch.setattr(cluster, "Running", failing)
    seen = []
    run_all(store, few_digits, report=seen.append)
    failed, done = (store.read(recipe.run_id) for recipe in TWO)
    assert failed["error"].startswith("MemoryError: no room (test_cluster.py:")
    assert done["status"] == "done"
    assert seen[0].finished == set()
    assert seen[-1].finished == {recipe.run_id for recipe in TWO}


def test_a_run_that_another_sweep_has_is_left_to_it_until_that_gives_it_up(fake, store, few_digits):
    other = Store(store.folder)
    assert other.claim(TWO[0].run_id)
    seen = []

    def report(status):
        seen.append(status)
        if TWO[1].run_id in status.finished:
            assert len(fake.cancelled) == 1
            other.release(TWO[0].run_id)

    run_all(store, few_digits, report=report)
    assert {record["status"] for record in store.records()} == {"done"}
    assert [name for name, _ in fake.asked] == [TWO[0].run_id, TWO[1].run_id, TWO[0].run_id]


@pytest.mark.parametrize("late", [False, True])
def test_a_run_that_another_sweep_has_finished_is_not_made_again(late, fake, store, few_digits, monkeypatch):
    """Before its turn came; or at the last moment, between the look at the folder and the claim."""
    theirs = {"run_id": TWO[0].run_id, "recipe": {}, "status": "diverged", "by": "another"}
    claim = store.claim

    def claim_late(run_id):
        if late and run_id == TWO[0].run_id:
            store.write(theirs)
        return claim(run_id)

    def report(status):
        if not late and not status.finished:
            store.write(theirs)

    monkeypatch.setattr(store, "claim", claim_late)
    run_all(store, few_digits, report=report)
    assert store.read(TWO[0].run_id)["by"] == "another"
    assert store.read(TWO[1].run_id)["status"] == "done"
    assert len(fake.cancelled) == 1
    assert not store.claims()


def command(out, *more):
    return commands.sweep(*TINY, "--out", str(out), *more)


def start(out, *more, **how):
    how = {"cwd": ROOT, "env": clean_environment()} | how
    return subprocess.Popen(command(out, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def unfinished(out):
    """Ids of the runs that are claimed and have no record."""
    return {path.stem for path in out.glob("*.claim")} - Store(out).run_ids()


def wait_for(condition, seconds, said=None, process=None):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, said and said()
        time.sleep(0.02)
    return found
