"""The benchmark of the mesh engine: rates against sgemm, ratios against torch and others.

Operations are counted as 28 per interferometer and matrix column: two complex 2 x 2 products and
sums, the way every dense implementation does them. What the kernels save (modes that no light has
reached yet) counts as done. All rates include the trigonometry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, util

import torch
from torch import Tensor

from experiments.bench import column_by_column
from experiments.bench.memory import peak_growth_bytes
from experiments.bench.timing import Timing, sgemm_rate, thread_count, time_in_turn
from photonic import MeshLayout, apply, decompose, haar_phases, transfer_matrix
from photonic.randomness import keyed_generator

FLOPS_PER_MZI = 28
"""Real operations counted per interferometer and matrix column."""
PACE = 0.2
"""Relative change of the sgemm rate within a run from which figures are not to be trusted."""
REALISATIONS = 256
NUM_FIELDS = 256


@dataclass(frozen=True)
class Measurement:
    """One figure of the benchmark."""

    work: str
    """What was done."""
    threads: int
    """Threads it might use."""
    seconds: float | None
    """Median time of one call; None if the figure is not a time."""
    value: float | None
    """Figure; None if it could not be measured."""
    unit: str
    """Its unit; "x" for a ratio."""
    required: float | None
    """What must be reached; None where nothing is asked."""
    is_upper: bool = False
    """True if the figure must not be larger than ``required``, else not smaller."""
    note: str = ""
    """Rate of sgemm and of the work, or why there is no value."""
    is_stalled: bool = False
    """True if a turn took much longer than the median."""

    @property
    def is_reached(self) -> bool | None:
        """True if the figure satisfies ``required``; None if either is missing."""
        if self.value is None or self.required is None:
            return None
        return self.value <= self.required if self.is_upper else self.value >= self.required


@dataclass(frozen=True)
class Effort:
    """How long the benchmark measures."""

    turns: int = 15
    slow_turns: int = 5
    rates: tuple[tuple[int, float | None], ...] = (
        *((16, 0.20), (32, 0.30), (64, 0.40), (100, None), (128, 0.40)),
    )
    """Numbers of modes, and the share of sgemm that each must reach."""
    growth: tuple[int, int] = (16, 256)
    """Smallest and largest mesh of the growth of cost."""


FULL = Effort()
QUICK = Effort(3, 2, ((16, 0.20), (32, 0.30)), (16, 64))


def measure_core(
    effort: Effort, threads: tuple[int, ...], on_step: Callable[[], None] = lambda: None
) -> Iterator[Measurement]:
    """All figures, for each number of threads in turn.

    Args:
        effort: turns and sizes.
        threads: numbers of threads; requirements hold for the largest.
        on_step: called after each group of figures.
    """
    for count in threads:
        with thread_count(count):
            gemm = sgemm_rate(effort.turns)
            yield Measurement(
                "sgemm, n = 1024", count, 2 * 1024**3 / gemm, gemm / 1e9, "GFLOP/s", None
            )
            on_step()
            for group in (_rates, _against_torch, _decompositions, _gradients, _growth):
                yield from group(effort, count, gemm, is_required=count == max(threads))
                on_step()
            again = sgemm_rate(effort.turns)
            yield Measurement(
                "sgemm once more, over the first",
                count,
                2 * 1024**3 / again,
                again / gemm,
                "x",
                None,
                note="the machine changed its pace" if abs(again / gemm - 1) > PACE else "",
                is_stalled=abs(again / gemm - 1) > PACE,
            )


NUM_STEPS = 6
"""Steps of ``measure_core`` per number of threads."""


def _settings(layout: MeshLayout, meshes: int, dtype: torch.dtype) -> list[Tensor]:
    phases = haar_phases(layout, meshes, generator=keyed_generator(0, "bench", layout.num_modes))
    return [part.to(dtype) for part in (phases.theta, phases.phi, phases.output_phase)]


def _rates(
    effort: Effort, threads: int, gemm: float, *, is_required: bool
) -> Iterator[Measurement]:
    for n, share in effort.rates:
        layout = MeshLayout.clements(n)
        for dtype in (torch.float32, torch.float64):
            settings = _settings(layout, REALISATIONS, dtype)
            (timing,) = time_in_turn(
                lambda layout=layout, settings=settings: transfer_matrix(layout, *settings),
                turns=effort.turns,
            )
            rate = FLOPS_PER_MZI * layout.num_mzis * n * REALISATIONS / timing.median
            is_single = dtype == torch.float32
            yield Measurement(
                f"{REALISATIONS} matrices, N = {n}, {'complex64' if is_single else 'complex128'}",
                threads,
                timing.median,
                rate / gemm,
                "of sgemm",
                share if is_required and is_single else None,
                note=f"{rate / 1e9:.1f} of {gemm / 1e9:.1f} GFLOP/s",
                is_stalled=timing.is_stalled,
            )


def _against_torch(
    effort: Effort, threads: int, gemm: float, *, is_required: bool
) -> Iterator[Measurement]:
    n = effort.rates[-1][0] if effort is not FULL else 64
    layout = MeshLayout.clements(n)
    settings = _settings(layout, REALISATIONS, torch.float32)
    ours, natural, chunked = time_in_turn(
        lambda: transfer_matrix(layout, *settings),
        lambda: column_by_column.transfer_matrix(layout, *settings),
        lambda: transfer_matrix(layout, *settings, backend="torch"),
        turns=effort.slow_turns,
    )
    yield _ratio(
        f"{REALISATIONS} matrices, N = {n}: torch column by column over ours",
        threads,
        ours,
        natural,
        20.0 if is_required and n == 64 else None,
    )
    yield _ratio(
        f"{REALISATIONS} matrices, N = {n}: backend torch, in chunks that fit the cache, over ours",
        threads,
        ours,
        chunked,
        None,
    )


def _decompositions(
    effort: Effort, threads: int, gemm: float, *, is_required: bool
) -> Iterator[Measurement]:
    one, tiles = MeshLayout.clements(64), MeshLayout.clements(16)
    unitary = transfer_matrix(one, *_settings(one, 1, torch.float64))[0]
    batch = transfer_matrix(tiles, *_settings(tiles, 4096, torch.float64))
    (single,) = time_in_turn(lambda: decompose(unitary, one), turns=10 * effort.turns)
    (many,) = time_in_turn(lambda: decompose(batch, tiles), turns=effort.turns)
    yield Measurement(
        "one decomposition, N = 64, complex128",
        threads,
        single.median,
        single.median * 1e3,
        "ms",
        1.0 if is_required else None,
        is_upper=True,
        is_stalled=single.is_stalled,
    )
    yield Measurement(
        "4,096 decompositions, N = 16, complex128",
        threads,
        many.median,
        many.median,
        "s",
        0.25 if is_required else None,
        is_upper=True,
        is_stalled=many.is_stalled,
    )
    yield _against_interferometer(effort, threads, one, unitary, is_required)


def _against_interferometer(
    effort: Effort, threads: int, layout: MeshLayout, unitary: Tensor, is_required: bool
) -> Measurement:
    work = "one decomposition, N = 64: interferometer over ours"
    if util.find_spec("interferometer") is None:
        note = "the package interferometer is not installed (extra peers)"
        return Measurement(work, threads, None, None, "x", None, note=note)
    from interferometer import square_decomposition

    matrix = unitary.numpy()
    ours, theirs = time_in_turn(
        lambda: decompose(unitary, layout),
        lambda: square_decomposition(matrix),
        turns=effort.slow_turns,
    )
    version = metadata.version("interferometer")
    required = 100.0 if is_required else None
    return _ratio(work, threads, ours, theirs, required, f"interferometer {version}; ")


def _gradients(
    effort: Effort, threads: int, gemm: float, *, is_required: bool
) -> Iterator[Measurement]:
    """Forward and backward, N = 64, 256 inputs."""
    layout = MeshLayout.clements(64)
    settings = [part[0].requires_grad_() for part in _settings(layout, 1, torch.float32)]
    generator = torch.Generator().manual_seed(0)
    shape = (NUM_FIELDS, layout.num_modes)
    fields = torch.randn(shape, dtype=torch.complex64, generator=generator).requires_grad_()
    upstream = torch.randn(shape, dtype=torch.complex64, generator=generator)

    def ours() -> None:
        apply(layout, *settings, fields).backward(upstream)

    def natural() -> None:
        batched = [part[None] for part in settings]
        output = column_by_column.propagate(layout, *batched, fields.mT[None])
        output[0].backward(upstream.mT)

    timings = time_in_turn(ours, natural, turns=effort.turns)
    work = f"forward + backward, N = 64, {NUM_FIELDS} inputs"
    required = 8.0 if is_required else None
    yield _ratio(f"{work}: torch column by column over ours", threads, *timings, required)
    yield _peak_memory(layout, work, threads, is_required)


def _peak_memory(layout: MeshLayout, work: str, threads: int, is_required: bool) -> Measurement:
    """Output, gradients and scratch over the input; 64 meshes at once, or pages would hide it."""
    meshes = 64
    settings = [part.requires_grad_() for part in _settings(layout, meshes, torch.float32)]
    shape = (meshes, NUM_FIELDS, layout.num_modes)
    fields = torch.ones(shape, dtype=torch.complex64, requires_grad=True)
    upstream = torch.ones(shape, dtype=torch.complex64)

    def release() -> None:
        for part in (*settings, fields):
            part.grad = None

    growth = peak_growth_bytes(lambda: apply(layout, *settings, fields).backward(upstream), release)
    value = None if growth is None else growth / (fields.numel() * fields.itemsize)
    note = "output, gradients and scratch together, per mesh of 64 at once"
    return Measurement(
        f"{work}: peak extra memory",
        threads,
        None,
        value,
        "x the input",
        3.0 if is_required else None,
        is_upper=True,
        note=note if growth is not None else "the system does not record peak memory",
    )


def _growth(
    effort: Effort, threads: int, gemm: float, *, is_required: bool
) -> Iterator[Measurement]:
    """Time of one matrix against N^3, from many matrices so that overheads do not flatter it."""
    times, is_stalled = [], False
    for n in effort.growth:
        layout = MeshLayout.clements(n)
        settings = _settings(layout, REALISATIONS, torch.float32)
        (timing,) = time_in_turn(
            lambda layout=layout, settings=settings: transfer_matrix(layout, *settings),
            turns=effort.slow_turns,
        )
        times.append(timing.median / REALISATIONS)
        is_stalled |= timing.is_stalled
    small, large = effort.growth
    yield Measurement(
        f"growth of cost from N = {small} to {large}, over N^3",
        threads,
        None,
        times[1] / times[0] / (large / small) ** 3,
        "x",
        1.0 if is_required else None,
        is_upper=True,
        note=f"{times[0] * 1e6:.2f} to {times[1] * 1e6:.1f} us a matrix",
        is_stalled=is_stalled,
    )


def _ratio(
    work: str,
    threads: int,
    ours: Timing,
    theirs: Timing,
    required: float | None,
    note: str = "",
) -> Measurement:
    """Their median time over ours."""
    return Measurement(
        work,
        threads,
        ours.median,
        theirs.median / ours.median,
        "x",
        required,
        note=f"{note}{theirs.median * 1e3:.4g} ms over {ours.median * 1e3:.4g} ms",
        is_stalled=ours.is_stalled or theirs.is_stalled,
    )
