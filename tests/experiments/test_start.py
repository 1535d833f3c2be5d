"""Signals and full disks: one line and a proper exit status, whenever they come."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from numba.core.compiler_lock import global_compiler_lock

from experiments.cli import main
from experiments.signals import stoppable

ROOT = Path(__file__).parents[2]
START_S = 120.0
LINES = {
    signal.SIGINT: "lightframe: interrupted; what is finished is kept\n",
    signal.SIGTERM: "lightframe: terminated; what is finished is kept\n",
}
# Says when the entry point begins, when its first import is under way, and when a command runs.
PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
{preparation}
from experiments.start import main
main()
"""
SLOW_IMPORT = """
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            print("importing", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
"""


def start(*arguments: str, preparation: str = "", **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(preparation=preparation), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        **{"stdout": subprocess.PIPE, **options},
    )


@pytest.mark.parametrize("number", LINES, ids=lambda number: number.name)
@pytest.mark.parametrize("module", ["typer", "experiments.commands.train", "experiments.console"])
def test_a_signal_while_modules_are_loaded_is_one_line(
    number: signal.Signals, module: str, tmp_path: Path
) -> None:
    """Those of the command line, of a command, and of what it loads when it runs."""
    process = start(
        *("train", f"--out={tmp_path / 'out'}"), preparation=SLOW_IMPORT.format(module=module)
    )
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=START_S)
    assert (process.returncode, errors) == (128 + number, LINES[number])
    assert list(tmp_path.iterdir()) == []


def test_an_import_that_fails_because_of_a_signal_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(**_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except KeyboardInterrupt:
            raise ImportError("cannot import name 'multiarray'") from None

    monkeypatch.setattr("experiments.cli.app", load)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == LINES[signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_where_nothing_can_be_raised_is_answered_a_moment_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compiled code calls back into Python, which must print and forget exceptions there."""

    def work(**_: object) -> None:
        @ctypes.CFUNCTYPE(None)
        def callback() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)

        callback()
        time.sleep(10)
        pytest.fail("went on")

    monkeypatch.setattr("experiments.cli.app", work)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == LINES[signal.SIGTERM]


def test_a_signal_while_machine_code_is_made_waits_for_its_end() -> None:
    """Raised in a callback of the compiler, the exception has crashed the process."""
    is_made = False
    with stoppable() as stop, pytest.raises(KeyboardInterrupt):
        with global_compiler_lock:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(0.2)
            is_made = True
        time.sleep(START_S)
    assert is_made
    assert stop.number == signal.SIGTERM


def test_a_full_disk_behind_the_standard_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        process = start("--help", stdout=full)
        _, errors = process.communicate(timeout=START_S)
    assert process.returncode == 2
    assert errors == "lightframe: error: [Errno 28] No space left on device\n"
