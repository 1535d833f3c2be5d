"""The compiled parts on their own: sines, the sweep over thread counts, the cache on disk."""

import math
import os
import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import photonic
from photonic import launch
from photonic.backends import choose
from photonic.kernels.compile import kernel, source_digest
from photonic.kernels.trigonometry import LARGEST, sines
from photonic.launch import vectors
from photonic.layout import MeshLayout
from photonic.propagation import apply, transfer_matrix
from photonic.threads import num_threads, share
from tests.photonic.matrices import REAL_DTYPES, haar, random_normal, random_settings
from tests.tolerances import SINE_BIAS_EPS, SINE_EPS, SINE_SCATTER_EPS

SPECIAL = [0.0, -0.0, 1e-30, 0.5, 1.0, -1.0, 2.0, 3.0, 4.0, 1e4, 1e7, 1e30]


@kernel
def compute_sines(angles, step, count, vectors):
    sines(angles, 0, step, count, vectors)


def sine_and_cosine(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By the kernels; arrays are padded to whole vectors."""
    width, largest = vectors(torch.from_numpy(x).dtype)
    padded = np.zeros((3, -(-x.size // width) * width), x.dtype)
    padded[0, : x.size] = x
    compute_sines(padded.reshape(-1), padded.shape[1], x.size, (width, largest))
    return padded[1, : x.size], padded[2, : x.size]


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(seed=st.integers(0, 2**32), scale=st.sampled_from([1e-3, 1.0, 10.0, 1e3, 1e6, 1e9]))
def test_sines_agree_with_long_doubles(seed, scale, dtype):
    x = np.concatenate([scale * random_normal(seed, 40).numpy(), np.pi / 2 * np.array(SPECIAL)])
    x = x.astype(str(dtype).removeprefix("torch."))
    for value, exact in zip(sine_and_cosine(x), (np.sin, np.cos), strict=True):
        error = np.abs(value - exact(x.astype(np.longdouble))).max() / np.finfo(x.dtype).eps
        assert error <= SINE_EPS, f"{error:.2f} eps"


@pytest.mark.parametrize("dtype", REAL_DTYPES)
def test_squares_of_sines_add_up_without_bias(dtype):
    """A bias would add up along a mesh: its mean must vanish against its scatter."""
    x = np.linspace(0, 2 * np.pi, 100_003).astype(str(dtype).removeprefix("torch."))
    sin, cos = (value.astype(np.longdouble) for value in sine_and_cosine(x))
    excess = (sin**2 + cos**2 - 1) / np.finfo(x.dtype).eps
    assert abs(excess.mean()) <= SINE_BIAS_EPS, excess.mean()
    assert excess.std() > SINE_SCATTER_EPS


def test_beyond_the_largest_argument_the_library_takes_over():
    for name, largest in LARGEST.items():
        for x in (largest, largest * 1.5, -largest * 1e3):
            array = np.array([x, 0.5], dtype=name)
            sin, cos = sine_and_cosine(array)
            assert sin[0] == pytest.approx(
                math.sin(array[0]), abs=float(SINE_EPS * np.finfo(name).eps)
            )
            assert cos[0] == pytest.approx(
                math.cos(array[0]), abs=float(SINE_EPS * np.finfo(name).eps)
            )


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_phases_that_are_not_finite_give_nan(backend, value):
    layout = MeshLayout.clements(3)
    theta, phi, screen = random_settings(layout, 0)
    phi[0] = value
    matrix = transfer_matrix(layout, theta, phi, screen, backend=backend)
    assert matrix[:, 0].isnan().all()


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
def test_bits_do_not_depend_on_threads(threads, dtype):
    layout, results = MeshLayout.clements(24), []
    fields = random_normal(1, 4, 700, 24, dtype=dtype.to_complex())
    unitaries = haar(24, 3, 50)
    for count in (1, 2, 5):
        threads(count)
        settings = [part.requires_grad_() for part in random_settings(layout, 0, 4, dtype=dtype)]
        output = apply(layout, *settings, fields)
        output.abs().sum().backward()
        phases = photonic.decompose(unitaries, layout)
        results.append([output, *(part.grad for part in settings), phases.theta, phases.phi])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_threads_are_those_of_torch_within_the_limit_of_numba(threads, monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    for asked, given_ in ((1, 1), (2, 2), (3, 3), (8, 3)):
        threads(asked)
        assert num_threads() == given_


def test_work_is_shared_once_and_completely(threads):
    threads(4)
    for num_items, grain in ((0, 1), (1, 1), (3, 1), (10, 4), (101, 1)):
        ranges, names = [], set()

        def work(first, last, ranges=ranges, names=names):
            ranges.append((first, last))
            names.add(threading.current_thread().name)

        share(work, num_items, grain=grain)
        items = sorted(item for first, last in ranges for item in range(first, last))
        assert items == list(range(num_items))
        assert len(ranges) <= max(1, num_items // grain)


@pytest.mark.parametrize("bad", [2, 4, 8])
def test_an_error_in_any_part_is_raised_when_all_are_done(threads, monkeypatch, bad):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)
    threads(4)
    done = []

    def work(first, last):
        if last == bad:
            raise ArithmeticError(f"in the part up to {last}")
        time.sleep(0.05)
        done.append(last)

    with pytest.raises(ArithmeticError, match=f"in the part up to {bad}"):
        share(work, 8)
    assert sorted(done) == [last for last in (2, 4, 6, 8) if last != bad]


def test_both_directions_use_all_threads(threads, monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 2)
    threads(2)
    names = {}

    def spy_on(name):
        original = getattr(launch, name)

        def spy(*arguments):
            names.setdefault(name, set()).add(threading.current_thread().name)
            original(*arguments)

        monkeypatch.setattr(launch, name, spy)

    spy_on("propagate")
    spy_on("backpropagate")
    layout = MeshLayout.clements(32)
    settings = [part.requires_grad_() for part in random_settings(layout, 0, 64)]
    transfer_matrix(layout, *settings, backend="numba").abs().sum().backward()
    assert {name: len(found) for name, found in names.items()} == {
        "propagate": 2,
        "backpropagate": 2,
    }


FORKED = """
import os, torch
from photonic.layout import MeshLayout
from photonic.propagation import transfer_matrix
torch.set_num_threads(2)
layout = MeshLayout.clements(32)
settings = [torch.zeros(64, k) for k in (496, 496, 32)]
before = transfer_matrix(layout, *settings)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(transfer_matrix(layout, *settings), before) else 1)
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_has_threads_of_its_own():
    """The child of a process that has used threads must not wait for theirs."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        env=os.environ | {"NUMBA_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == "0", done.stderr


def test_callers_in_several_threads_do_not_disturb_each_other():
    layout = MeshLayout.clements(16)
    settings = [random_settings(layout, seed, 200) for seed in range(6)]
    expected = [transfer_matrix(layout, *part) for part in settings]
    found = {}

    def call(index):
        found[index] = transfer_matrix(layout, *settings[index])

    callers = [threading.Thread(target=call, args=(index,)) for index in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(torch.equal(found[index], expected[index]) for index in range(6))


def test_backend_is_checked():
    theta = torch.zeros(3)
    with pytest.raises(ValueError, match="`backend` must be one of 'numba', 'torch' or None"):
        choose(theta, "jax")
    with pytest.raises(ValueError, match="`backend` 'numba' needs CPU tensors, got meta"):
        choose(theta.to("meta"), "numba")
    assert choose(theta, None) is choose(theta, "numba")
    assert choose(theta.to("meta"), None) is choose(theta, "torch")


CACHED = """
import numpy as np
from photonic.kernels.unitarity import measure_deviation as shortest
shortest(0, 1, np.eye(2, dtype=complex)[None], np.zeros(1))
print(sum(shortest.stats.cache_hits.values()), sum(shortest.stats.cache_misses.values()))
"""


def test_machine_code_is_kept_on_disk_and_belongs_to_all_sources(tmp_path):
    """Second process: a hit. Another digest of the sources: compiled anew."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    changed = "import pathlib; pathlib.Path.read_bytes = lambda self: b'edited'\n" + CACHED
    for code, expected in ((CACHED, "0 1"), (CACHED, "1 0"), (changed, "0 1")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
    assert len(source_digest()) == 64
