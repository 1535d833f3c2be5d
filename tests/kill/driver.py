"""``make kill``: commands that are killed at any moment end in the same bits as undisturbed ones.

Every command runs in a process of its own, forked from one that has loaded everything already, so
that a run takes a second and not ten. It is killed at a random moment, mostly by SIGKILL, and run
again until it is done; its output must be that of a run that nobody disturbed, byte for byte,
times aside, and nothing else may be left. Then every command runs twice at the same time, and on a
full disk.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import os
import pkgutil
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.kill.compare import contents, difference
from tests.kill.jobs import Job, jobs, write_inputs

SIGNALS = (signal.SIGKILL,) * 5 + (signal.SIGINT, signal.SIGTERM)
"""Sent in turn; a command may answer the last two."""
LONGEST_S = 300.0
"""[s] after which a run counts as hanging."""
STOPPED = {-signal.SIGKILL, 128 + signal.SIGINT, 128 + signal.SIGTERM}
EXISTS = 2
LARGEST_FILE = 16_000
"""Bytes of files on a disk that counts as full; more than a command prints."""


Check = Callable[["Job", "Place", Path], str | None]
"""Runs a job in a folder; what is wrong, or None."""


class Failure(Exception):
    """A run that did not do what it should; the message says what."""


@dataclass
class Place:
    """Where everything lies.

    Attributes:
        root: temporary directory.
        seconds: shortest time [s] of a whole run of each job, by name; kernels may have been
            compiled in the first one.
    """

    root: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def reference(self, job: Job) -> Path:
        """The undisturbed output of a job."""
        return self.root / "undisturbed" / job.name / job.out

    def arguments(self, job: Job) -> list[str]:
        """Arguments with the places of all inputs."""
        names = {other.name: self.reference(other) for other in jobs()}
        names["inputs"] = self.root / "inputs"
        return [argument.format(**names) for argument in job.arguments]


def load_everything() -> None:
    """Import what commands would import, and open a data set, once for all of them."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # a fork has only the thread that called it
    package = importlib.import_module("experiments")
    for module in pkgutil.walk_packages(package.__path__, "experiments."):
        if ".bench" not in module.name:
            importlib.import_module(module.name)
    for name in ("h5py", "matplotlib.backends.backend_agg", "sklearn.ensemble", "optuna"):
        importlib.import_module(name)


def start(
    arguments: list[str], folder: Path, log: Path | None = None, largest_file: int | None = None
) -> int:
    """Number of a new process that runs ``lightframe`` in a folder, as a group of its own.

    Args:
        arguments: of the command line.
        folder: where it runs.
        log: what it prints goes to this name and ".log"; None for that of the folder.
        largest_file: bytes beyond which the system refuses writes, as on a full disk.
    """
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):  # whoever comes first: a kill may follow at once
            os.setpgid(pid, pid)
        return pid
    status = 70
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        path = folder if log is None else log
        printed = os.open(f"{path}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        sys.argv = ["lightframe", *arguments]
        _stop_clock()
        from experiments.start import main

        main()
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _stop_clock() -> None:
    """Records are compared byte by byte, so they hold one time, whatever is committed meanwhile."""
    from datetime import UTC, datetime

    from experiments import record

    class Clock:
        @staticmethod
        def now(zone: object) -> datetime:
            return datetime(2000, 1, 1, tzinfo=UTC)

    record.datetime = Clock  # type: ignore[assignment]
    record._git = lambda *_: None


def wait(pid: int, seconds: float) -> int | None:
    """Exit status of a process, minus the signal that ended it; None if it still runs."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def finish(arguments: list[str], folder: Path) -> int:
    """Exit status of a run that is left alone.

    Raises:
        Failure: if it hangs.
    """
    pid = start(arguments, folder)
    status = wait(pid, LONGEST_S)
    if status is None:
        os.killpg(pid, signal.SIGKILL)
        wait(pid, LONGEST_S)
        raise Failure("hangs")
    return status


def kill(arguments: list[str], folder: Path, number: int, delay: float) -> bool:
    """True if a run was ended by a signal after a delay; False if it had ended before.

    Raises:
        Failure: if it ends in another way.
    """
    pid = start(arguments, folder)
    status = wait(pid, delay)
    if status is None:
        # A terminal sends Ctrl-C to all processes, ``kill`` a signal to one.
        (os.kill if number == signal.SIGTERM else os.killpg)(pid, number)
        status = wait(pid, LONGEST_S)
        if status is None:
            os.killpg(pid, signal.SIGKILL)
            wait(pid, LONGEST_S)
            raise Failure(f"goes on for {LONGEST_S:.0f} s after signal {number}")
    log = folder.with_name(f"{folder.name}.log").read_text(errors="replace")
    if status not in STOPPED | {0, EXISTS} or "Traceback" in log:
        raise Failure(f"signal {number} after {delay:.2f} s: exit status {status}\n{log}")
    return status in STOPPED


def killed_once(
    job: Job, place: Place, folder: Path, number: int, draw: random.Random
) -> str | None:
    """Kill a job and run it again; what differs from the undisturbed output, or None.

    Raises:
        Failure: if a run ends in a way that it should not.
    """
    arguments = place.arguments(job)
    for attempt in itertools.count():
        # Sooner and sooner, if it was always done before.
        delay = draw.random() * place.seconds[job.name] * 0.8**attempt
        begin = time.monotonic()
        if kill(arguments, folder, number, delay):
            break
        place.seconds[job.name] = min(place.seconds[job.name], time.monotonic() - begin)
        shutil.rmtree(folder)
        folder.mkdir()
    status = finish([*arguments, *job.again], folder)
    is_there = (folder / job.out).exists()
    if status not in (0, EXISTS) or not is_there:
        raise Failure(f"signal {number} after {delay:.2f} s: then exit status {status}")
    found = wrong_output(job, place, folder)
    return found and f"signal {number} after {delay:.2f} s: {found}"


def undisturbed(chosen: set[str], place: Place) -> None:
    """Run all jobs that are chosen or that others need, and time them."""
    needed = {job for job in jobs() if job.name in {"train", "map"} | chosen}
    while True:
        texts = " ".join(text for job in needed for text in job.arguments)
        more = {job for job in jobs() if f"{{{job.name}}}" in texts} - needed
        if not more:
            break
        needed |= more
    for job in jobs():
        if job in needed:
            folder = place.reference(job).parent
            folder.mkdir(parents=True)
            begin = time.monotonic()
            status = finish(place.arguments(job), folder)
            place.seconds[job.name] = time.monotonic() - begin
            if status or not place.reference(job).exists():
                log = folder.with_name(f"{job.name}.log").read_text(errors="replace")
                raise Failure(f"{job.name}, undisturbed: exit status {status}\n{log}")
            if job.name == "map":
                write_inputs(place.root / "inputs", place.reference(job))


def pair(job: Job, place: Place, folder: Path) -> str | None:
    """Run a job twice at the same time; what is wrong, or None.

    One makes the output, the other says in one line why it does not.
    """
    folders = [folder / "one", folder / "other"]  # for their logs: both run in ``folder``
    pids = [start(place.arguments(job), folder, log=f) for f in folders]
    found = [wait(pid, LONGEST_S) for pid in pids]
    if sorted(found, key=str) != [0, EXISTS]:
        return f"two at once: exit statuses {found}"
    if told := one_line(folders[found.index(EXISTS)].with_suffix(".log")):
        return f"two at once: {told}"
    for path in folders:
        path.with_suffix(".log").unlink()
    return wrong_output(job, place, folder)


def full_disk(job: Job, place: Place, folder: Path) -> str | None:
    """Run a job where files cannot grow, and then where they can; what is wrong, or None."""
    log = folder.with_name(f"{folder.name}-full")
    status = wait(start(place.arguments(job), folder, log, LARGEST_FILE), LONGEST_S)
    told = one_line(Path(f"{log}.log"))
    if status not in (0, EXISTS) or (status and told):
        return f"on a full disk: exit status {status}: {told}"
    if status:
        status = finish([*place.arguments(job), *job.again], folder)
    return (
        f"after a full disk: exit status {status}" if status else wrong_output(job, place, folder)
    )


def one_line(log: Path) -> str | None:
    """The text of a log, if it holds more about an error than one line; else None."""
    text = log.read_text(errors="replace")
    errors = [line for line in text.splitlines() if line.startswith("lightframe: ")]
    return text if len(errors) != 1 or "Traceback" in text else None


def wrong_output(job: Job, place: Place, folder: Path) -> str | None:
    """What differs from the undisturbed output, or is left over; None if nothing does."""
    names = {path.name for path in folder.iterdir()}
    if names != {job.out}:
        return f"left over: {', '.join(sorted(names - {job.out}))}"
    return difference(contents(place.reference(job)), contents(folder / job.out))


def plan(chosen: set[str], num_kills: int) -> Iterator[Job]:
    """Jobs in turn, each at least once if there are enough kills, then as its weight says."""
    weights = {job: job.weight for job in jobs() if job.name in chosen}
    given: Counter[Job] = Counter()
    for _ in range(num_kills):
        job = min(weights, key=lambda j: (given[j] > 0, (given[j] + 1) / weights[j]))
        given[job] += 1
        yield job


def check_all(check: Check, job: Job, place: Place, folder: Path) -> bool:
    """True if something is wrong with a job; it is printed."""
    folder = folder / job.name
    folder.mkdir(parents=True)
    try:
        found = check(job, place, folder)
    except Failure as failure:
        found = str(failure)
    if found:
        print(f"{job.name}: {found}; see {folder}", flush=True)
    return bool(found)


def run(num_kills: int, chosen: set[str], seed: int, root: Path) -> int:
    """Kill, compare and report; number of kills that did not end well."""
    place, draw = Place(root), random.Random(seed)
    os.environ["LIGHTFRAME_CACHE"] = str(root / "cache")
    undisturbed(chosen, place)
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in place.seconds.items())
    print("undisturbed:", times, flush=True)
    done: Counter[str] = Counter()
    num_wrong = num_others_wrong = 0
    for number, job in enumerate(plan(chosen, num_kills)):
        folder = root / "killed" / f"{number:04d}-{job.name}"
        folder.mkdir(parents=True)
        sent = SIGNALS[number % len(SIGNALS)]
        try:
            found = killed_once(job, place, folder, sent, draw)
        except Failure as failure:
            found = str(failure)
        done[job.name] += 1
        if (number + 1) % 10 == 0:
            print(f"{number + 1} of {num_kills} kills", flush=True)
        if found is None:
            shutil.rmtree(folder)
        else:
            num_wrong += 1
            print(f"{job.name}: {found}; see {folder}", flush=True)
    for title, check in (("two at once", pair), ("full disk", full_disk)):
        checked = [job for job in jobs() if job.name in chosen]
        found = [check_all(check, job, place, root / title.replace(" ", "-")) for job in checked]
        num_others_wrong += sum(found)
        print(f"{title}: {len(found) - sum(found)} of {len(found)} identical", flush=True)
    print("kills:", ", ".join(f"{name} {count}" for name, count in done.items()))
    print(f"kill: {num_kills - num_wrong} of {num_kills} identical")
    return num_wrong + num_others_wrong


def main() -> None:
    """Run from the command line; exit status 1 if anything differed."""
    names = [job.name for job in jobs()]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", default=",".join(names), help="By commas; default: all.")
    options = parser.parse_args()
    chosen = set(options.jobs.split(","))
    if chosen - set(names):
        parser.error(f"no job {sorted(chosen - set(names))}; there are {', '.join(names)}")
    begin = time.monotonic()
    load_everything()
    root = Path(tempfile.mkdtemp(prefix="lightframe-kill-"))
    num_wrong = run(options.kills, chosen, options.seed, root)
    print(f"{time.monotonic() - begin:.0f} s")
    if not num_wrong:
        shutil.rmtree(root)
    raise SystemExit(num_wrong > 0)


if __name__ == "__main__":
    main()
