"""How a command line ends: an interrupt, a reader that is gone, a terminal that lacks a character."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from theory import bounds, kept_codes, verify
from theory.console import check_options, write_whole


def python(code, **options):
    return subprocess.Popen(
        [sys.executable, "-c", f"from theory import console\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_is_gone_ends_it_in_silence(unbuffered):
    code = "import time\ndef main():\n    for n in range(99999): print(n)\n    return 0\nconsole.run(main)"
    process = python(code, env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(20) == 141
    process.stderr.close()


def test_an_interrupt_is_one_line():
    code = "import time\ndef main():\n    print('here', flush=True)\n    time.sleep(60)\nconsole.run(main)"
    process = python(code)
    assert process.stdout.readline() == "here\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20)
    assert (out, error, process.returncode) == ("", "\ninterrupted\n", 130)


@pytest.mark.parametrize(
    ("command", "library"), [("theory.bounds", "numpy"), ("fc_width.sweep", "torch"), ("analysis.advise", "pandas")]
)
def test_an_interrupt_among_the_imports_is_silent(command, library):
    arguments = [sys.executable, "-X", "importtime", "-m", command, "--help"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if f"| {' ' * 2}" in line and f" {library}." in line:  # a part of it, so that it is just being imported
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(20) == -signal.SIGINT
    assert "Traceback" not in rest
    process.stderr.close()


def test_an_import_by_others_leaves_their_interrupts_alone(tmp_path):
    code = "import signal, fc_width\nassert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    (tmp_path / "mine").mkdir()
    for name, text in (("__init__", code), ("train", "print('trained')")):
        (tmp_path / "mine" / f"{name}.py").write_text(text)
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    where = os.pathsep.join([str(tmp_path), os.getcwd()])
    ended = subprocess.run(
        [sys.executable, "-m", "mine.train"], env=os.environ | {"PYTHONPATH": where}, capture_output=True, text=True
    )
    assert ended.stdout == "trained\n"


def test_the_output_s_own_file_is_written_to_not_replaced(tmp_path):
    code = (
        "from pathlib import Path\nfrom theory import console\n"
        "console.write_whole(Path('/dev/stdout'), 'rows\\n')\nprint('table')"
    )
    with open(tmp_path / "out", "a") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert "table" in (tmp_path / "out").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("more", ["", "print('x' * 10**6)\n    "])  # found as it is flushed, or before
def test_output_that_finds_no_room_is_one_line(more):
    code = f"def main():\n    {more}print('out')\n    return 0\nconsole.run(main)"
    with open("/dev/full", "w") as full:
        arguments = [sys.executable, "-c", f"from theory import console\n{code}"]
        ended = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2
    assert ended.stderr == "error: [Errno 28] No space left on device\n"


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_whole(path, "old ü\n")
    assert path.read_bytes() == "old ü\n".encode()

    def half(part, content):
        with open(part, "wb") as stream:
            stream.write(content[:3])
        raise OSError(28, "No space left on device", str(part))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match=rf"^\[Errno 28\] No space left on device: '{path}'$"):
        write_whole(path, "new and long\n")
    monkeypatch.undo()
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\udcff")
    assert path.read_text("utf-8") == "old ü\n"
    (tmp_path / "link").symlink_to(path)
    write_whole(tmp_path / "link", "new\n")
    assert (tmp_path / "link").is_symlink()
    assert path.read_text("utf-8") == "new\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "x.json"]
    write_whole(Path("/dev/null"), "gone")
    path.chmod(0o600)
    write_whole(path, "mine\n")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match=r"x\.json"):
        write_whole(path / "y", "")


@pytest.mark.parametrize("status", [0, 2])
def test_what_a_terminal_lacks_is_replaced_and_the_status_kept(status):
    code = f"def main():\n    print('C − 1')\n    return {status}\nconsole.run(main)"
    process = python(code, env=os.environ | {"PYTHONIOENCODING": "latin-1"})
    out, error = process.communicate(timeout=20)
    assert (out, error, process.returncode) == ("C ? 1\n", "", status)


def test_an_option_given_twice_is_named():
    check_options(["--widths", "1", "2", "--losses=softmax"], SimpleNamespace(widths=(1, 2)))
    with pytest.raises(ValueError, match="--data-dir is given twice: put all its values after one --data-dir"):
        check_options(["--data-dir", "x", "--data_dir=y"], SimpleNamespace())


def test_an_option_without_a_value_is_not_taken_for_its_default():
    with pytest.raises(ValueError, match="data-sets must be one at least, got none"):
        check_options(["--data-sets", "--seeds", "1"], SimpleNamespace(data_sets=(), seeds=1))
    check_options(["--data-sets", "--seeds", "1"], SimpleNamespace(data_sets=(), seeds=1), ["data_sets"])
    with pytest.raises(ValueError, match="--out must not be empty, got ''"):
        check_options(["--seeds", "1", "--out", ""], SimpleNamespace(out=Path(), seeds=1))
    with pytest.raises(ValueError, match="--out must not be empty, got ''"):
        check_options(["--seeds", "1", "--out="], SimpleNamespace(out=Path(), seeds=1))
    with pytest.raises(ValueError, match="--losses must not be empty, got ''"):
        check_options(["--losses", "softmax", ""], SimpleNamespace(losses=("softmax", "")))
    check_options(["--set", "lr=", "--tries=-3"], SimpleNamespace(set=("lr=",), tries=-3))
    with pytest.raises(ValueError, match="--status must have a value, got None: leave it out for its default"):
        check_options(["--status", "None"], SimpleNamespace(status=None))
    check_options(["--seeds", "3"], SimpleNamespace(status=None, seeds=3))


@pytest.mark.parametrize("main", [verify.main, bounds.main, kept_codes.main])
def test_every_command_of_the_theory_says_so(main, capsys):
    needed = [] if main is verify.main else ["--classes", "4"]
    given = ["--claim", "eq-1", "--claim", "eq-2"] if main is verify.main else ["--widths", "2", "--widths", "3"]
    assert main([*needed, *given]) == 2
    assert capsys.readouterr() == ("", f"error: {given[0]} is given twice: put all its values after one {given[0]}\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_written_to_nobody(closed):
    code = (
        "import sys\nfrom theory import console\n"
        "def main():\n    print('out')\n    print('error', file=sys.stderr)\n    return 3\nconsole.run(main)"
    )
    ended = subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], capture_output=True)
    assert ended.returncode == 3
    assert ended.stdout == (b"" if closed.startswith(">&-") else b"out\n")
    assert ended.stderr == (b"" if "2>&-" in closed else b"error\n")


def test_one_file_by_two_names_and_too_many_classes_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert verify.main(["--json", str(tmp_path / "x"), "--markdown", "x"]) == 2
    assert capsys.readouterr().err.startswith("error: json and markdown are one file")
    assert verify.main(["--max-classes", "9" * 20]) == 2
    assert capsys.readouterr().err == f"error: max-classes must be in 4…10,000, got {'9' * 20}\n"
    assert not list(tmp_path.iterdir())
