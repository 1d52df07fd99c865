"""What every command line of this project does as it begins and ends, and how it writes a file."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NoReturn

PACKAGES = ("theory", "fc_width", "analysis")
INTERRUPTED = 130
READER_GONE = 141
"""The status of a program that SIGINT, or SIGPIPE, ends, as a shell has it."""


def begin() -> None:
    """For the packages, as they are imported: where a module of theirs is run (`python -m`), an interrupt ends the
    process in silence until `run` begins, not in a traceback out of some library that is just being imported."""
    if sys.argv[:1] != ["-m"]:  # as it is while the package of the module is imported
        return
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if "-m" in sys.orig_argv else ""
    if module.partition(".")[0] in PACKAGES and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(main: Callable[[], int]) -> NoReturn:
    """End this process with the status that `main` returns.

    Characters that the terminal does not have are replaced; an interrupt is told in one line, and output that cannot be
    written (a full disk, say); a reader that is gone (`| head`) ends it in silence."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by >&-
            nowhere = open(os.devnull, "w")  # noqa: SIM115
            os.set_inheritable(nowhere.fileno(), True)  # else a worker's first file takes its place
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        try:
            sys.exit(main())
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        sys.exit(READER_GONE)
    except OSError as error:
        _discard_output()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _discard_output() -> None:
    """Or Python complains as it flushes once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, text as UTF-8, whatever was there before; what is no regular file
    (`/dev/stdout`) directly.

    *Raises*: `OSError` naming the path; `UnicodeEncodeError` for characters that no file can hold."""
    content = content.encode() if isinstance(content, str) else content
    if path.exists() and (not path.is_file() or _is_output(path)):
        path.write_bytes(content)
        return
    path = Path(os.path.realpath(path))  # what a link leads to, not the link
    part = path.with_name(f".{os.getpid()}.part")
    try:
        part.write_bytes(content)
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _is_output(path: Path) -> bool:
    """Whether it is where this process's output goes (`/dev/stdout`, sent to a file, is that file)."""
    told = path.stat()
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(told, os.fstat(descriptor)):
                return True
    return False


def check_options(arguments: Sequence[str] | None, options: object, may_be_none: Collection[str] = ()) -> None:
    """See that no option is given twice, of which the last would win, nor without a value, as by a variable of a shell
    that is not set, where that would mean its default; `ValueError` naming it.

    *Arguments*: `arguments` of the command line, None for this process's; `options`, what was made of them;
    `may_be_none`, of these the names of which no value is one."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    names = [word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--")]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice: put all its values after one {name}")
        field = name[2:].replace("-", "_")
        if vars(options).get(field, ()) is None:  # by the word None
            raise ValueError(f"{name} must have a value, got None: leave it out for its default")
        if field not in may_be_none and vars(options).get(field) == ():
            raise ValueError(f"{name[2:]} must be one at least, got none")
    option = "an argument"
    for word in words:
        name, equals, value = word.partition("=")
        option = name if word.startswith("--") else option
        if not word or (word.startswith("--") and equals and not value):
            raise ValueError(f"{option} must not be empty, got ''")
