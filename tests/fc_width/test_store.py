"""Records and claims: whole or not there; claimed once; taken over when their owner is gone."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fc_width import store as module
from fc_width.store import CorruptRecordError, Store

RECORD = {"run_id": "a", "recipe": {"width": 9}, "status": "done", "value": 0.1}


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "runs")
    made.create()
    return made


def foreign(store, **changes):
    """A second process's view: a store in which this process's claims look like another's."""
    path = store.folder / "a.claim"
    claim = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(claim))


def test_a_record_comes_back(store):
    store.write(RECORD)
    assert store.read("a") == RECORD
    assert list(store.records()) == [RECORD]
    assert store.run_ids() == {"a"}
    assert os.listdir(store.folder) == ["a.json"]
    store.write(RECORD | {"value": 0.2})
    assert store.read("a")["value"] == 0.2
    store.discard("a")
    assert store.run_ids() == set()


def test_no_folder_is_no_records(tmp_path):
    assert Store(tmp_path / "none").run_ids() == set()


def test_a_record_that_is_not_json_leaves_nothing_behind(store):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write(RECORD | {"value": float("nan")})
    assert os.listdir(store.folder) == []


def test_a_failed_write_leaves_the_old_record_whole(store, monkeypatch):
    store.write(RECORD)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(RECORD | {"value": 0.2})
    assert store.read("a") == RECORD
    assert os.listdir(store.folder) == ["a.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a record"),
        (json.dumps(RECORD).encode()[:-5], "not a record"),
        (b"[1]", "it lacks run_id, recipe, status"),
        (b'{"run_id": "a", "recipe": {}}', "it lacks status"),
        (json.dumps(RECORD | {"run_id": "b"}).encode(), "is of another run"),
        (json.dumps(RECORD | {"status": "great"}).encode(), "unknown status"),
        (b"\xff\xfe\x00", "not a record"),
    ],
)
def test_a_corrupt_record_is_named_and_set_aside(store, content, message):
    path = store.folder / "a.json"
    path.write_bytes(content)
    with pytest.raises(CorruptRecordError, match=message) as caught:
        store.read("a")
    assert str(path) in str(caught.value)
    aside = store.set_aside("a")
    assert aside.read_bytes() == content
    assert store.run_ids() == set()


def test_a_claim_is_had_once(store):
    assert store.claim("a")
    assert not store.claim("a")
    assert not Store(store.folder).claim("a")
    assert store.claim("b")
    store.beat("a", 0.25)
    assert {run_id: claim["fraction"] for run_id, claim in store.claims().items()} == {"a": 0.25, "b": 0.0}
    store.release("a")
    assert Store(store.folder).claim("a")


def _claim_often(folder, names, results):
    store = Store(folder)
    results.put([name for name in names if store.claim(name)])
    import time

    time.sleep(1.5)  # a claim of a process that has gone may be taken over


def test_of_many_processes_one_gets_each_claim(store):
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    names = [f"run{n}" for n in range(60)]
    processes = [context.Process(target=_claim_often, args=(store.folder, names, results)) for _ in range(4)]
    for process in processes:
        process.start()
    won = [name for _ in processes for name in results.get()]
    for process in processes:
        process.join()
    assert sorted(won) == sorted(names)


def test_the_claim_of_a_dead_process_is_taken_over_at_once(store):
    code = f"from fc_width.store import Store; assert Store({str(store.folder)!r}).claim('a')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (store.folder / "a.claim").exists()
    assert store.claims() == {}
    assert store.claim("a")
    assert not Store(store.folder).claim("a")


def test_a_process_id_used_again_does_not_keep_a_claim_alive(store):
    assert store.claim("a")
    foreign(store, started="1")
    assert Store(store.folder).claim("a")


def test_a_claim_of_another_machine_is_stale_when_it_stops_changing(store, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    assert store.claim("a")
    foreign(store, host="elsewhere", pid=1)
    watcher = Store(store.folder)
    assert not watcher.claim("a")
    now[0] += module.STALE_SECONDS * 0.9
    assert not watcher.claim("a")
    foreign(store, beat="changed")
    now[0] += module.STALE_SECONDS * 0.9
    assert not watcher.claim("a"), "its owner has shown that it lives"
    assert "a" in watcher.claims()
    now[0] += module.STALE_SECONDS * 1.1
    assert not Store(store.folder).claim("a"), "a newcomer cannot know how long it has been so"
    assert watcher.claim("a")
    assert json.loads((store.folder / "a.claim").read_bytes())["pid"] == os.getpid()


def test_a_claim_taken_over_in_between_is_given_back(store, monkeypatch):
    """Two see one stale claim; the first takes it over while the second is about to."""
    assert store.claim("a")
    foreign(store, started="1")
    second = Store(store.folder)
    rename = os.rename

    def late(source, target):
        monkeypatch.setattr(os, "rename", rename)
        assert store.claim("a")  # the first is quicker
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    assert not second.claim("a")
    assert json.loads((store.folder / "a.claim").read_bytes())["pid"] == os.getpid()
    assert [name for name in os.listdir(store.folder) if name.endswith(".tmp")] == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"host": 1}'])
def test_a_broken_claim_is_stale_in_time(store, monkeypatch, content):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    (store.folder / "a.claim").write_bytes(content)
    assert not store.claim("a")
    now[0] += module.STALE_SECONDS + 1
    assert store.claim("a")


def test_claims_of_a_worker_that_ended_are_released(store):
    assert store.claim("a")
    assert store.claim("b")
    assert sorted(store.release_of(os.getpid())) == ["a", "b"]
    assert store.release_of(os.getpid()) == []


def test_what_a_killed_process_left_half_written_is_cleared(store):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = store.folder / f".a.12345678~{module._HOST}@{int(gone.stdout)}.tmp"
    mine = store.folder / f".a.12345678~{module._HOST}@{os.getpid()}.tmp"
    other = store.folder / ".a.12345678~elsewhere@1.tmp"
    for path in (dead, mine, other):
        path.write_text("half")
    store.create()
    assert not dead.exists()
    assert mine.exists()
    assert other.exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file" / "runs").create()


def test_a_claim_of_a_finished_run_goes_when_the_folder_is_opened(store):
    for run_id in ("a", "b"):
        assert store.claim(run_id)
    store.write(RECORD)
    Store(store.folder).create()
    assert sorted(os.listdir(store.folder)) == ["a.json", "b.claim"]


def test_a_claim_that_a_network_file_system_calls_stale_is_somebody_s(store, monkeypatch):
    assert store.claim("a")
    read = Path.read_bytes

    def stale(path):
        if path.suffix == ".claim":
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", stale)
    assert not store.claim("a")
    assert list(store.claims()) == ["a"]


def test_a_record_that_is_gone_when_its_turn_comes_is_left_out(store, monkeypatch):
    for run_id in ("a", "b"):
        store.write(RECORD | {"run_id": run_id})
    ids = store.run_ids()
    store.discard("a")
    monkeypatch.setattr(Store, "run_ids", lambda self: ids)
    assert [record["run_id"] for record in store.records()] == ["b"]


def test_two_containers_of_one_name_are_two_machines(monkeypatch):
    here = module._machine()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[17]")
    assert module._machine() != here
    assert module._machine().endswith("-17")
