"""Records on disk: one JSON file a run; the saved state of runs that have none yet; claims, by which workers of any
number of sweeps share the work; and notices, by which sweeps that do not belong together find that out.

A record is written to a temporary file, flushed to the disk and renamed, so that a file with a record's name
is always a whole record. A claim is a small file that its owner keeps rewriting. A claim is stale if its
owner was a process of this machine that is gone, or if it has not changed for `STALE_SECONDS` on the
observer's own steady clock; then anyone may take it over. No locks are used, no clocks are compared. If two
processes ever hold one claim (an owner that slept past `STALE_SECONDS`), they write the same record twice,
one replacing the other. A sweep first posts its notice, then reads those of others: of two that start together, one
at least sees the other's."""

import contextlib
import errno
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fc_width.record import Record, check_recipe, check_record, is_finite

STALE_SECONDS = 120.0
PROBE_BYTES = 2**17  # a few records
HALF_WRITTEN_SECONDS = 86_400.0
"""A temporary file or a notice that is older was left by another machine or before a restart: the one lives for
moments, the other is renewed."""
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""How a file system without hard links says so."""
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOTTY, errno.EBADF)
"""How a file system says that it does not sync folders."""
_RECORD_NAME = re.compile(r"(?P<run_id>[^.].*_s\d+_[0-9a-f]{10})\.json")
"""As `Recipe.run_id` ends: a folder may hold other JSON files."""


class CorruptRecordError(ValueError):
    """A file with a record's name that does not hold one."""


class Store:
    """A folder of records.

    *Arguments*: `folder`, which `create` makes if need be.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._seen: dict[str, tuple[bytes, float]] = {}

    def create(self) -> None:
        """Make the folder, see that it can be written and has room, and clear what killed processes of this machine,
        or any a day ago, left half-written, and notices that nobody has renewed for as long. `OSError` if not."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(f"{self.folder} is a file, expected a folder") from None
        for path in self.folder.glob(".*.tmp"):  # first, as it may hold the room that the next step wants
            host, _, pid = path.name.removesuffix(".tmp").split("~")[-1].rpartition("@")
            if host == _HOST and pid.isdigit() and not _alive(int(pid)):
                path.unlink(missing_ok=True)
        probe = self._temporary("probe")
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
            now = probe.stat().st_mtime  # by the file system's clock, as the others
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or errno.EIO), str(self.folder)) from None
        finally:
            probe.unlink(missing_ok=True)
        for path in (*self.folder.glob(".*.tmp"), *self.folder.glob(".*.sweep")):
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > HALF_WRITTEN_SECONDS:
                    path.unlink()
        for run_id in self.run_ids():  # a claim whose owner was killed after its record was in place
            if self._record_path(run_id).exists():  # still: it may have been discarded to be made again
                self.release(run_id)
        for run_id in self.saved_ids() & self.run_ids():
            if (record := self.whole(run_id)) is not None and record["status"] != "failed":
                self._state_path(run_id).unlink(missing_ok=True)

    def run_ids(self) -> set[str]:
        """The ids of all records in the folder: files named like one; `OSError` if it cannot be looked into."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return set()
        return {found["run_id"] for found in map(_RECORD_NAME.fullmatch, names) if found}

    def read(self, run_id: str) -> Record:
        """One record; `CorruptRecordError`, naming the file, if it is not one; `FileNotFoundError` if there
        is none."""
        path = self._record_path(run_id)
        try:
            record = json.loads(path.read_bytes())
            check_record(record)
            if record["run_id"] != run_id:
                raise ValueError(f"it is of another run, {record['run_id']}")
        except (ValueError, OverflowError, RecursionError) as error:
            raise CorruptRecordError(f"{path}: not a record ({error})") from error
        whole: Record = record
        return whole

    def whole(self, run_id: str) -> Record | None:
        """One record; None if it is gone (it is made again) or corrupt."""
        try:
            return self.read(run_id)
        except (FileNotFoundError, CorruptRecordError):
            return None

    def records(self) -> Iterator[Record]:
        """All records, in the order of their ids; one that is gone when its turn comes (it is made again) is left
        out."""
        for run_id in sorted(self.run_ids()):
            with contextlib.suppress(FileNotFoundError):
                yield self.read(run_id)

    def write(self, record: Record) -> None:
        """Put a record in place, whole or not at all; it ends the run's saved state, unless the run has failed and may
        be tried again."""
        run_id = record["run_id"]
        self._put(run_id, self._record_path(run_id), json.dumps(record, allow_nan=False, indent=1).encode())
        if record["status"] != "failed":
            self._state_path(run_id).unlink(missing_ok=True)

    def save(self, run_id: str, state: bytes) -> None:
        """Keep the state of a run that has no record yet, in place of an earlier one, whole or not at all."""
        self._put(run_id, self._state_path(run_id), state)

    def saved(self, run_id: str) -> bytes | None:
        """The saved state of a run, if there is one."""
        try:
            return self._state_path(run_id).read_bytes()
        except FileNotFoundError:
            return None

    def saved_at(self, run_id: str) -> int:
        """When the state of a run was saved, by the file system's clock: another number a state, 0 for none."""
        try:
            return self._state_path(run_id).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def saved_ids(self) -> set[str]:
        """The ids of all runs that have a saved state."""
        return {path.stem for path in self.folder.glob("*.state")}

    def _put(self, run_id: str, path: Path, content: bytes) -> None:
        """Put a file in place, whole and on the disk, or not at all."""
        temporary = self._temporary(run_id)
        try:
            with open(temporary, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)

    def discard(self, run_id: str) -> None:
        """Remove a record, so that the run is made again."""
        self._record_path(run_id).unlink(missing_ok=True)

    def set_aside(self, run_id: str) -> Path:
        """Rename a corrupt record out of the way; returns its new path, or its own if another process has done so, or
        has made it again."""
        path, target = self._record_path(run_id), self.folder / f"{run_id}.json.corrupt-{secrets.token_hex(4)}"
        with contextlib.suppress(FileNotFoundError):
            try:
                self.read(run_id)
            except CorruptRecordError:
                os.replace(path, target)
                return target
        return path

    def claim(self, run_id: str) -> bool:
        """Claim a run for this process; false if somebody else has it."""
        path = self._claim_path(run_id)
        if path.exists() and not self._remove_stale(run_id):  # a look is cheaper than a try
            return False
        content = self._content(0.0)
        temporary = self._temporary(run_id)
        try:
            temporary.write_bytes(content)
            for _ in range(2):
                try:
                    _link(temporary, path)  # atomic, and fails if the claim exists, on network file systems too
                    return True
                except FileExistsError:
                    if not self._remove_stale(run_id):
                        return False
            return False
        finally:
            temporary.unlink(missing_ok=True)

    def beat(self, run_id: str, fraction: float, resumed: float | None = None) -> None:
        """Show that this process is still at work on a claimed run, how far, and, once that is known, how far it was
        when taken up."""
        temporary = self._temporary(run_id)
        try:
            temporary.write_bytes(self._content(fraction, resumed))
            os.replace(temporary, self._claim_path(run_id))
        finally:
            temporary.unlink(missing_ok=True)

    def release(self, run_id: str) -> None:
        """Give up a claim."""
        self._claim_path(run_id).unlink(missing_ok=True)

    def claims(self) -> dict[str, dict[str, Any]]:
        """All claims that are not stale: run id → {`host`, `pid`, `fraction`, …}."""
        found = {}
        for path in self.folder.glob("*.claim"):
            content = self._read_claim(path)
            if content is not None and not self._stale(path.stem, content):
                found[path.stem] = _parse(content)
        return found

    def release_of(self, pid: int) -> list[str]:
        """Give up the claims of a process of this machine that has ended, and what it left half-written; returns their
        run ids."""
        released = []
        for path in self.folder.glob("*.claim"):
            claim = _parse(self._read_claim(path) or b"")
            if claim.get("host") == _HOST and claim.get("pid") == pid:
                path.unlink(missing_ok=True)
                released.append(path.stem)
        for path in self.folder.glob(f".*@{pid}.tmp"):
            if path.name.endswith(f"~{_HOST}@{pid}.tmp"):
                path.unlink(missing_ok=True)
        return released

    @contextlib.contextmanager
    def notice(self, about: dict[str, Any]) -> Iterator[Callable[[str], None]]:
        """Tell others on the folder, for the time of a `with`, what this process's sweep is about; and, by what it
        returns, where that stands."""
        path = self.folder / f".{secrets.token_hex(4)}.sweep"

        def tell(stands: str) -> None:
            self._put("sweep", path, json.dumps(_owner() | {"about": about, "stands": stands}).encode())

        tell("")
        try:
            yield tell
        finally:
            path.unlink(missing_ok=True)

    def notices(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The notices of the sweeps at work on the folder, but this process's, {`host`, `pid`, `about`, `stands`, …},
        with their files; those that killed processes of this machine left are removed."""
        for path in sorted(self.folder.glob(".*.sweep")):
            notice = _parse(self._read_claim(path) or b"")
            if _ended(notice):
                with contextlib.suppress(OSError):  # whoever only looks may not be allowed to
                    path.unlink()
            elif isinstance(about := notice.get("about"), dict) and not _owner().items() <= notice.items():
                try:
                    check_recipe(about.get("recipe"))
                except ValueError:  # a notice that is none says nothing
                    continue
                yield path, notice

    def _stale(self, run_id: str, content: bytes) -> bool:
        if _ended(_parse(content)):
            return True
        now = time.monotonic()
        before, since = self._seen.get(run_id, (None, now))
        if before != content:
            self._seen[run_id] = content, now
            return False
        return now - since > STALE_SECONDS

    def _remove_stale(self, run_id: str) -> bool:
        """Take a stale claim out of the way; true if there is none now."""
        path = self._claim_path(run_id)
        content = self._read_claim(path)
        if content is None:
            return True
        if not self._stale(run_id, content):
            return False
        aside = self._temporary(run_id)
        try:
            os.rename(path, aside)  # of several that try, one succeeds
        except FileNotFoundError:
            return True
        try:
            if aside.read_bytes() != content:  # somebody took it over in between: it is theirs
                _link(aside, path)
                return False
        except FileExistsError:
            return False
        finally:
            aside.unlink(missing_ok=True)
        return True

    @staticmethod
    def _read_claim(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.ESTALE:  # what a network file system says of a file replaced since it was opened
                raise
            return b""

    @staticmethod
    def _content(fraction: float, resumed: float | None = None) -> bytes:
        claim = _owner() | {"fraction": fraction, "beat": secrets.token_hex(8)}
        return json.dumps(claim | ({} if resumed is None else {"resumed": resumed})).encode()

    def _record_path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.json"

    def _state_path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.state"

    def _claim_path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.claim"

    def _temporary(self, run_id: str) -> Path:
        return self.folder / f".{run_id}.{secrets.token_hex(4)}~{_HOST}@{os.getpid()}.tmp"


def _parse(content: bytes) -> dict[str, Any]:
    try:
        claim = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    whole = isinstance(claim, dict) and all(is_finite(claim.get(key, 0)) for key in ("fraction", "resumed"))
    return claim if whole else {}


def _machine() -> str:
    """A name of this machine, of its current boot and of the container: process ids mean something within it only."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        space = "".join(filter(str.isdigit, os.readlink("/proc/self/ns/pid")))
    except OSError:
        boot = space = "unknown"
    return f"{socket.gethostname()}-{boot}-{space}"


_HOST = _machine()
GONE = "gone"


def _owner() -> dict[str, Any]:
    """What tells this process from all others."""
    return {"host": _HOST, "pid": os.getpid(), "started": _started(os.getpid())}


def _ended(claim: dict[str, Any]) -> bool:
    """Whether its owner was a process of this machine, and is gone."""
    pid = claim.get("pid")
    return claim.get("host") == _HOST and isinstance(pid, int) and not _alive(pid, str(claim.get("started") or ""))


def _started(pid: int) -> str:
    """When a process started, in ticks since the boot, where the system tells: it sets apart two processes of
    one id. `GONE` of one that has ended, though nobody has asked how: in a container without an init it stays."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return GONE if state in "ZX" else fields[18]
    except (OSError, ValueError, IndexError):
        return ""


def _alive(pid: int, started: str = "") -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    now = _started(pid)
    return now != GONE and (not started or now == started)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; `FileExistsError` if that is taken. Without hard links it is a copy, which a reader
    may find empty for a moment."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        content = source.read_bytes()
        with open(target, "xb") as stream:
            stream.write(content)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(descriptor)
