"""Records and claims: whole or not there; claimed once; taken over when their owner is gone."""

import errno
import json
import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fc_width import store as module
from fc_width.store import _HOST, CorruptRecordError, Store

A, B = "digits_M9_s0_0123456789", "digits_M9_s1_abcdefabcd"
RECORD = {"run_id": A, "recipe": {"width": 9}, "status": "done", "final": {"test_accuracy": 0.5}, "value": 0.1}


def foreign(store, **changes):
    """A second process's view: a store in which this process's claims look like another's."""
    path = store.folder / f"{A}.claim"
    claim = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(claim))


def test_a_record_comes_back(store):
    store.write(RECORD)
    assert store.read(A) == RECORD
    assert list(store.records()) == [RECORD]
    assert store.run_ids() == {A}
    assert os.listdir(store.folder) == [f"{A}.json"]
    store.write(RECORD | {"value": 0.2})
    assert store.read(A)["value"] == 0.2
    store.discard(A)
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
    assert store.read(A) == RECORD
    assert os.listdir(store.folder) == [f"{A}.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a record"),
        (json.dumps(RECORD).encode()[:-5], "not a record"),
        (b"[1]", "it is no object"),
        (json.dumps({"run_id": A, "recipe": {}}).encode(), "it lacks status"),
        (json.dumps(RECORD | {"run_id": B}).encode(), "is of another run"),
        (json.dumps(RECORD | {"recipe": []}).encode(), "its recipe is no object"),
        (json.dumps({key: RECORD[key] for key in RECORD if key != "final"}).encode(), "no test accuracy"),
        (json.dumps(RECORD | {"final": {"test_accuracy": "0.5"}}).encode(), "no test accuracy"),
        (json.dumps(RECORD | {"status": "failed"}).encode(), "no error"),
        (json.dumps(RECORD | {"status": "great"}).encode(), "its status is"),
        (b"\xff\xfe\x00", "not a record"),
        (b"[" * 100_000, "recursion"),
        *(
            (json.dumps(RECORD | {"recipe": {field: value}}).encode(), f"its recipe is none: {message}")
            for field, value, message in [
                ("loss", None, "loss must be str"),
                ("loss", 5, "loss must be str"),
                ("dataset", 5, "dataset must be str"),
                ("width", True, "width must be int"),
                ("lr", 10**400, "int too large"),
            ]
        ),
        (json.dumps(RECORD | {"final": {"test_accuracy": 10**400}}).encode(), "no test accuracy"),
        (json.dumps(RECORD | {"seconds": "abc"}).encode(), "its seconds are no number"),
        (json.dumps(RECORD | {"seconds": None}).encode(), "its seconds are no number"),
        (json.dumps(RECORD | {"train_accuracy": "abc"}).encode(), "its train_accuracy are no numbers"),
        (json.dumps(RECORD | {"test_accuracy": [0.5, None]}).encode(), "its test_accuracy are no numbers"),
        (json.dumps(RECORD | {"provenance": None}).encode(), "its provenance is no object"),
        (json.dumps(RECORD | {"provenance": []}).encode(), "its provenance is no object"),
        (json.dumps(RECORD | {"final": {"test_accuracy": 5}}).encode(), "its test accuracy is not in 0…1: 5"),
        (json.dumps(RECORD | {"geometry": None}).encode(), "its geometry are no numbers by name: None"),
        (json.dumps(RECORD | {"geometry": [1]}).encode(), r"its geometry are no numbers by name: \[1\]"),
        (json.dumps(RECORD | {"parameters": {"fc": "x"}}).encode(), "its parameters are no numbers by name"),
        (json.dumps(RECORD | {"classes": "ten"}).encode(), "its classes are no whole number, 2 at least: ten"),
        (json.dumps(RECORD | {"classes": 2.5}).encode(), r"its classes are no whole number, 2 at least: 2\.5"),
        (json.dumps(RECORD | {"features": 3}).encode(), "its features are no object: 3"),
        (json.dumps(RECORD | {"class_angles": [1]}).encode(), r"its class_angles are no object: \[1\]"),
        (
            json.dumps(RECORD | {"class_angles": {"test": [1.5]}}).encode(),
            "its class_angles on train are no numbers: None",
        ),
        (
            json.dumps(RECORD | {"class_angles": {"train": [1.5], "test": ["x"]}}).encode(),
            r"its class_angles on test are no numbers: \['x'\]",
        ),
        (json.dumps(RECORD | {"largest_class": "x"}).encode(), "its largest_class is not in 0…1: x"),
    ],
)
def test_a_corrupt_record_is_named_and_set_aside(store, content, message):
    path = store.folder / f"{A}.json"
    path.write_bytes(content)
    with pytest.raises(CorruptRecordError, match=message) as caught:
        store.read(A)
    assert str(path) in str(caught.value)
    aside = store.set_aside(A)
    assert aside.read_bytes() == content
    assert store.run_ids() == set()


def test_a_claim_is_had_once(store):
    assert store.claim(A)
    assert not store.claim(A)
    assert not Store(store.folder).claim(A)
    assert store.claim(B)
    store.beat(A, 0.25)
    assert {run_id: claim["fraction"] for run_id, claim in store.claims().items()} == {A: 0.25, B: 0.0}
    store.release(A)
    assert Store(store.folder).claim(A)


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
    code = f"from fc_width.store import Store; assert Store({str(store.folder)!r}).claim({A!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (store.folder / f"{A}.claim").exists()
    assert store.claims() == {}
    assert store.claim(A)
    assert not Store(store.folder).claim(A)


def test_a_process_id_used_again_does_not_keep_a_claim_alive(store):
    assert store.claim(A)
    foreign(store, started="1")
    assert Store(store.folder).claim(A)


def test_a_claim_of_another_machine_is_stale_when_it_stops_changing(store, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    assert store.claim(A)
    foreign(store, host="elsewhere", pid=1)
    watcher = Store(store.folder)
    assert not watcher.claim(A)
    now[0] += module.STALE_SECONDS * 0.9
    assert not watcher.claim(A)
    foreign(store, beat="changed")
    now[0] += module.STALE_SECONDS * 0.9
    assert not watcher.claim(A), "its owner has shown that it lives"
    assert A in watcher.claims()
    now[0] += module.STALE_SECONDS * 1.1
    assert not Store(store.folder).claim(A), "a newcomer cannot know how long it has been so"
    assert watcher.claim(A)
    assert json.loads((store.folder / f"{A}.claim").read_bytes())["pid"] == os.getpid()


def test_a_claim_taken_over_in_between_is_given_back(store, monkeypatch):
    """Two see one stale claim; the first takes it over while the second is about to."""
    assert store.claim(A)
    foreign(store, started="1")
    second = Store(store.folder)
    rename = os.rename

    def late(source, target):
        monkeypatch.setattr(os, "rename", rename)
        assert store.claim(A)  # the first is quicker
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    assert not second.claim(A)
    assert json.loads((store.folder / f"{A}.claim").read_bytes())["pid"] == os.getpid()
    assert [name for name in os.listdir(store.folder) if name.endswith(".tmp")] == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"host": 1}', b'{"fraction": "x"}', b"[" * 100_000])
def test_a_broken_claim_is_stale_in_time(store, monkeypatch, content):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    (store.folder / f"{A}.claim").write_bytes(content)
    assert not store.claim(A)
    now[0] += module.STALE_SECONDS + 1
    assert store.claim(A)


def test_claims_of_a_worker_that_ended_are_released(store):
    assert store.claim(A)
    assert store.claim(B)
    foreign(store, host="elsewhere")
    assert store.release_of(os.getpid()) == [B]
    assert store.release_of(os.getpid()) == []
    assert os.listdir(store.folder) == [f"{A}.claim"]


def test_what_a_killed_process_left_half_written_is_cleared(store):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = store.folder / f".a.12345678~{module._HOST}@{int(gone.stdout)}.tmp"
    mine = store.folder / f".a.12345678~{module._HOST}@{os.getpid()}.tmp"
    other = store.folder / f".a.12345678~elsewhere@{int(gone.stdout)}.tmp"
    old = store.folder / ".b.12345678~elsewhere@1.tmp"
    for path in (dead, mine, other, old):
        path.write_text("half")
    os.utime(old, (0, 0))
    store.create()
    assert sorted(store.folder.iterdir()) == sorted([mine, other])


def test_what_holds_the_last_room_is_cleared_before_room_is_asked_for(store, monkeypatch):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = store.folder / f".a.12345678~{module._HOST}@{int(gone.stdout)}.tmp"
    dead.write_text("half")
    write = Path.write_bytes

    def full(path, content):
        if dead.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # of a write: it names no file
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    store.create()
    assert os.listdir(store.folder) == []
    dead = store.folder / "full"
    dead.touch()
    with pytest.raises(OSError, match=f"No space left on device: '{store.folder}'"):
        store.create()


def test_a_notice_that_nobody_renews_goes(store):
    old, new = (store.folder / f".{name}.sweep" for name in ("old", "new"))
    for path in (old, new):
        path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "about": {}}))
    os.utime(old, (0, 0))
    store.create()
    assert list(store.folder.iterdir()) == [new]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what ended a process is told in /proc")
def test_a_process_that_has_ended_and_stays_has_no_claim(store):
    """As in a container whose first process asks no other how it ended."""
    code = f"from fc_width.store import Store; assert Store({str(store.folder)!r}).claim({A!r})"
    ended = subprocess.Popen([sys.executable, "-c", code])
    try:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it stays
        os.kill(ended.pid, 0)
        assert json.loads((store.folder / f"{A}.claim").read_bytes())["pid"] == ended.pid
        assert store.claims() == {}
        assert store.claim(A)
    finally:
        ended.wait()
    assert ended.returncode == 0


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file" / "runs").create()


def test_a_claim_of_a_finished_run_goes_when_the_folder_is_opened(store):
    for run_id in (A, B):
        assert store.claim(run_id)
    store.write(RECORD)
    Store(store.folder).create()
    assert sorted(os.listdir(store.folder)) == [f"{A}.json", f"{B}.claim"]


def test_a_claim_that_a_network_file_system_calls_stale_is_somebody_s(store, monkeypatch):
    assert store.claim(A)
    read = Path.read_bytes

    def stale(path):
        if path.suffix == ".claim":
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", stale)
    assert not store.claim(A)
    assert list(store.claims()) == [A]


def test_a_record_that_is_gone_when_its_turn_comes_is_left_out(store, monkeypatch):
    for run_id in (A, B):
        store.write(RECORD | {"run_id": run_id})
    ids = store.run_ids()
    store.discard(A)
    monkeypatch.setattr(Store, "run_ids", lambda self: ids)
    assert [record["run_id"] for record in store.records()] == [B]


def test_two_containers_of_one_name_are_two_machines(monkeypatch):
    here = module._machine()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[17]")
    assert module._machine() != here
    assert module._machine().endswith("-17")


def test_other_json_files_are_no_records(store):
    (store.folder / "package.json").write_text("{}")
    (store.folder / "notes.json").write_text("no JSON")
    store.write(RECORD)
    assert store.run_ids() == {A}
    assert list(store.records()) == [RECORD]


def test_a_corrupt_record_made_again_meanwhile_is_left(store, monkeypatch):
    path = store.folder / f"{A}.json"
    path.write_bytes(b"{")
    store.write(RECORD)
    assert store.set_aside(A) == path
    assert store.read(A) == RECORD
    store.discard(A)
    assert store.set_aside(A) == path  # and one that another process has set aside is no error
    assert not list(store.folder.iterdir())


def test_a_claim_of_this_machine_without_a_process_is_stale_in_time(store, monkeypatch):
    (store.folder / f"{A}.claim").write_text(json.dumps({"host": module._HOST}))
    assert not store.claim(A)
    monkeypatch.setattr(module, "STALE_SECONDS", -1.0)
    assert store.claim(A)


def test_a_folder_that_cannot_be_looked_into_is_not_an_empty_one(store, monkeypatch):
    def denied(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(module.os, "listdir", denied)
    with pytest.raises(PermissionError, match="Permission denied"):
        store.run_ids()


@pytest.mark.parametrize("value", ['"x"', "null", "[1]", "1e999", "NaN", "1" * 400])
@pytest.mark.parametrize("key", ["fraction", "resumed"])
def test_a_claim_with_a_value_of_a_wrong_type_says_nothing(store, key, value):
    path = store.folder / f"{A}.claim"
    path.write_text(f'{{"host": "elsewhere", "pid": 1, "{key}": {value}}}')
    assert store.claims() == {A: {}}


def test_a_recipe_s_float_may_be_written_as_an_int(store):
    store.write(RECORD | {"recipe": {"lr": 1}})
    assert store.read(A)["recipe"] == {"lr": 1}


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])
def test_without_hard_links_a_claim_is_had_once_too(store, monkeypatch, number):
    def no_links(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", no_links)
    assert store.claim(A)
    assert not Store(store.folder).claim(A)
    assert store.claims()[A]["pid"] == os.getpid()
    foreign(store, started="1")
    assert Store(store.folder).claim(A)
    with pytest.raises(FileExistsError):
        module._link(store.folder / f"{A}.claim", store.folder / f"{A}.claim")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOTTY, errno.EBADF])
def test_a_file_system_that_does_not_sync_folders_will_do(tmp_path, monkeypatch, number):
    def no_sync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", no_sync)
    module._sync_folder(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file is a file, expected a folder"):
        Store(tmp_path / "file").create()


def test_what_a_process_left_half_written_goes_with_its_claims(tmp_path):
    store = Store(tmp_path)
    store.create()
    mine, other = (store._temporary("half").with_name(f".half.0~{_HOST}@{pid}.tmp") for pid in (17, 117))
    mine.touch()
    other.touch()
    assert store.release_of(17) == []
    assert [path.name for path in tmp_path.iterdir()] == [other.name]


def test_a_notice_is_seen_by_others_and_ends_with_its_sweep(store):
    about = {"recipe": {"lr": 0.1}}
    with store.notice(about) as tell:
        assert list(store.notices()) == []  # one's own
        path = next(store.folder.glob(".*.sweep"))
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"host": "elsewhere"}))
        ((found, notice),) = store.notices()
        assert (found, notice["about"], notice["stands"]) == (path, about, "")
        tell("7 of 9 runs")
        assert json.loads(path.read_bytes())["stands"] == "7 of 9 runs"
        assert store.run_ids() == set() == store.saved_ids()
        assert store.claims() == {}
    assert os.listdir(store.folder) == []


def test_the_notice_of_a_killed_sweep_is_removed(store):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    notice = {"pid": int(gone.stdout), "started": "1", "about": {"recipe": {}}}
    for name, host in (("here", _HOST), ("there", "elsewhere")):
        (store.folder / f".{name}.sweep").write_text(json.dumps(notice | {"host": host}))
    assert [path.name for path, _ in store.notices()] == [".there.sweep"]
    assert os.listdir(store.folder) == [".there.sweep"]


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"host": "a", "pid": 1, "about": 1}', b'{"about": {}}'])
def test_a_notice_that_is_none_says_nothing(store, content):
    (store.folder / ".0.sweep").write_bytes(content)
    assert list(store.notices()) == []


def test_a_hidden_file_is_no_record(store):
    (store.folder / f"._{A}.json").write_bytes(b"what macOS leaves beside a copy")
    assert store.run_ids() == set()


def test_a_record_is_on_the_disk_before_its_name_and_its_name_before_all_else(store, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("name") or replace(*paths))
    store.write(RECORD)
    assert done == ["file", "name", "folder"]


def test_a_claim_says_where_a_run_was_taken_up_once_that_is_known(store):
    assert store.claim(A)
    assert "resumed" not in store.claims()[A]
    store.beat(A, 0.8)
    assert "resumed" not in store.claims()[A]
    store.beat(A, 0.85, 0.8)
    assert store.claims()[A]["resumed"] == 0.8
