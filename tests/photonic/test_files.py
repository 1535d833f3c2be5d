"""Files and folders are new or our own, whole or absent, and never reached through links."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from photonic import files
from photonic.files import (
    create_file,
    new_folder,
    remove_leftovers,
    rename_new,
    write_atomic,
    write_new,
)

ROOT = Path(__file__).parents[2]
OF_A_DEAD_PROCESS = f".partial-{'0' * 16}"


def test_both_rooms_have_the_same_file() -> None:
    ours, theirs = (ROOT / room / "files.py" for room in ("photonic", "models"))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.fixture(params=[True, False], ids=["renameat2", "without"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux, and a system that cannot rename without replacing."""
    if not request.param:
        monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: object())


@pytest.mark.parametrize("taken_by", ["file", "folder", "empty folder", "link", "broken link"])
def test_a_taken_name_is_kept(system: None, taken_by: str, tmp_path: Path) -> None:
    """Taken before, or only when everything is written."""
    target, other = tmp_path / "target", tmp_path / "other"

    def take() -> None:
        if taken_by == "file":
            target.write_bytes(b"mine")
        elif "link" in taken_by:
            other.write_bytes(b"mine")
            target.symlink_to(other if taken_by == "link" else tmp_path / "nowhere")
        else:
            target.mkdir()
            if taken_by == "folder":
                (target / "file").write_bytes(b"mine")

    source = tmp_path / "source"
    source.mkdir()
    message = "target exists; nothing was overwritten"
    with pytest.raises(FileExistsError, match=message), new_folder(target) as folder:
        create_file(folder / "a", [b"ours"])
        take()
    for write in (lambda: write_new(target, b"ours"), lambda: rename_new(source, target)):
        with pytest.raises(FileExistsError, match=message):
            write()
    if taken_by == "empty folder":
        assert os.listdir(target) == []
    elif taken_by == "broken link":
        assert target.is_symlink() and not target.exists()
    else:
        kept = target / "file" if taken_by == "folder" else target
        assert kept.read_bytes() == b"mine"
    assert {p.name for p in tmp_path.iterdir()} - {"other"} == {"target", "source"}


def test_new_files_and_folders(system: None, tmp_path: Path) -> None:
    write_new(tmp_path / "deep" / "file", b"a")
    with new_folder(tmp_path / "deep" / "folder") as folder:
        create_file(folder / "b", [b"b", b"c"])
        with pytest.raises(FileExistsError):
            create_file(folder / "b", [b""])
    assert (tmp_path / "deep" / "file").read_bytes() == b"a"
    assert (tmp_path / "deep" / "folder" / "b").read_bytes() == b"bc"
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"file", "folder"}


def test_nothing_is_written_through_links_or_in_place_of_them(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "new")
    for name in ("link", "nowhere"):
        with pytest.raises(FileExistsError, match="is a link"):
            write_atomic(tmp_path / name, b"ours")
        with pytest.raises(FileExistsError):
            create_file(tmp_path / name, [b"ours"])
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert not (tmp_path / "new").exists()


def test_files_of_the_user_with_names_like_ours_are_kept(tmp_path: Path) -> None:
    names = ("q.csv.writing", ".q.csv.writing", "q.csv.partial", "q.csv.partial-1", "lock")
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "mine").write_text("mine")
    link = tmp_path / f"q.csv{OF_A_DEAD_PROCESS}"
    link.symlink_to(tmp_path / "mine")
    write_new(tmp_path / "q.csv", b"a")
    write_atomic(tmp_path / "q.csv", b"b")
    assert (tmp_path / "q.csv").read_bytes() == b"b"
    assert all((tmp_path / name).read_text() == name for name in (*names, "mine"))
    assert link.is_symlink()


HOLD = """
import sys, time
from pathlib import Path
from photonic.files import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "file").touch()
    print(folder.name, flush=True)
    time.sleep(600)
"""


def test_leftovers_of_the_dead_are_removed_and_the_living_are_left_alone(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout is not None
        name = holder.stdout.readline().strip()
        assert (tmp_path / name / "file").is_file()
        assert remove_leftovers(tmp_path / "out")
        message = "out is being written by another process"
        with pytest.raises(FileExistsError, match=message), new_folder(tmp_path / "out"):
            pytest.fail("two at once")
        assert (tmp_path / name / "file").is_file()
        with new_folder(tmp_path / "another"):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert (tmp_path / name).exists()
    with new_folder(tmp_path / "out"):
        pass
    assert {p.name for p in tmp_path.iterdir()} == {"out", "another"}


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """/dev/full refuses every byte; a limit on the size of files does so in a file system."""
    code = """
import resource, signal, sys
from pathlib import Path
from photonic.files import create_file, new_folder, write_atomic, write_new
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
place = Path(sys.argv[1])
def in_folder():
    with new_folder(place / "folder") as folder:
        create_file(folder / "a", [b"1" * 1000])
for write in (
    lambda: write_new(place / "new", b"1" * 1000),
    lambda: write_atomic(place / "old", b"1" * 1000),
    in_folder,
):
    try:
        write()
    except OSError as error:
        print(error)
"""
    (tmp_path / "old").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all("cannot be written (File too large)" in x for x in lines), lines
    assert (tmp_path / "old").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
